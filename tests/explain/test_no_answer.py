"""Explanations, searches and audits that found no concept say so, why, and what else to try."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from conceptgraph.cli.tables.audit import print_audit
from conceptgraph.explain.audit import Audit
from conceptgraph.explain.audit_counts import Suspect
from conceptgraph.explain.explanation import (
    ConceptAttribution,
    Explanation,
    ImagePath,
    Prediction,
    UnitPaths,
)
from conceptgraph.explain.image_regions import ImageRegions
from conceptgraph.explain.no_answer import audit_note, explanation_note, flip_note
from conceptgraph.ingest.network.preprocessing import SeenBox
from conceptgraph.pages.write import render_page
from conceptgraph.queries.labels import unit_labels
from conceptgraph.queries.rows import Rows
from tests.made_runs import small_run
from tests.page_samples import draw_thumbnails

if TYPE_CHECKING:
    from conceptgraph.graph.run.reader import Run

NOTHING_SEEN = ImageRegions(
    (), {}, (), (), None, None, (), {}, {}, np.zeros((64, 64, 3), np.uint8)
)  # fmt: skip
NONE = ConceptAttribution(None, None, 0.0, 0.0, 1.5, 0.5)


def concept(name: str, present: float, probe: float | None = 0.8) -> ConceptAttribution:
    return ConceptAttribution(name, "object", present, present, 0.1, 0.1, probe)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = small_run(tmp_path / "a.cg")
    draw_thumbnails(run)
    return run


@pytest.fixture
def explanation(run: Run) -> Explanation:
    """Explain an image by one path, of units without a concept."""
    image = run.path.parent / "x.jpg"
    Image.new("RGB", (64, 64), "red").save(image)
    labels = unit_labels(run, ["block3/2", "block4/1"])
    path = ImagePath(1, 1.0, 1.0, Rows((labels["block3/2"], labels["block4/1"])), (1.0, 1.0))
    return Explanation(
        run="a", image=str(image), class_name="road", versus=None, method="exact", logit=2.0,
        probability=0.6, predicted=Rows((Prediction("road", 0.6), Prediction("juggling", 0.4))),
        total=2.0, biases=0.5, blocks=("block3", "block4"), by_concept=Rows((NONE,)),
        cam=np.zeros((2, 2), np.float32), concept_maps={}, shape=run.manifest["input"],
        seen=SeenBox(0, 0, 1, 1), picture=NOTHING_SEEN,
        find_paths=lambda: UnitPaths(Rows((path,)), 0.5, Rows(()), {}),
    )  # fmt: skip


def without_names(run: Run) -> Run:
    units: Any = run.units.assign(iou=0.001)
    run.units = units
    for cached in ("interpretable", "_named"):
        vars(run).pop(cached, None)
    return run


def test_no_unit_has_a_concept(run: Run, explanation: Explanation) -> None:
    note = explanation_note(without_names(run), explanation)
    assert note is not None
    assert note.startswith(
        "No unit of block3 detects a concept, so unit paths have no names. Of the 3 units"
    )
    assert note in render_page(run, explanation)


def test_no_concept_is_present(run: Run, explanation: Explanation) -> None:
    concepts = (concept("ball", 0.0), concept("car", 0.0, probe=None), NONE)
    note = explanation_note(run, replace(explanation, by_concept=Rows(concepts)))
    assert note is not None
    assert note.startswith(
        "Of the 2 concepts that units of block3 detect (ball, car) none is present in this image, "
        "so unit paths tell of none."
    )
    assert "1 of their presence probes is poor." in note
    assert "conceptgraph show block3/2" in note
    later = replace(explanation, by_concept=Rows(concepts), blocks=("block4",))
    assert "--blocks block3,block4." in (explanation_note(run, later) or "")


def test_the_paths_shown_have_no_concept(run: Run, explanation: Explanation) -> None:
    found = replace(explanation, by_concept=Rows((concept("ball", 0.7), NONE)))
    note = explanation_note(run, found)
    assert note is not None
    assert "ball +0.70 is the most" in note
    assert "Of the 6 units of block3 and block4, 3 are interpretable" in note


def test_an_explanation_with_concepts_needs_no_note(run: Run, explanation: Explanation) -> None:
    (path,) = explanation.paths
    units = Rows(unit_labels(run, ["block3/0", "block4/0"]).values())
    named = replace(path, units=units)
    found = replace(
        explanation,
        by_concept=Rows((concept("ball", 0.7), NONE)),
        find_paths=lambda: explanation.unit_paths._replace(paths=Rows((named,))),
    )
    assert explanation_note(run, found) is None


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("at", [None, ("block4",)])
def test_flip_proposes_only_what_was_not_asked(
    run: Run, explanation: Explanation, at: tuple[str, ...] | None, everywhere: bool
) -> None:
    found = replace(explanation, by_concept=Rows((concept("ball", 0.7), concept("car", 0.1), NONE)))
    note = flip_note(run, found, most=5, at=at, everywhere=everywhere)
    assert "with all 2 concepts (ball, car) ablated" in note
    assert "still predicts road" in note
    assert "add +2.00 to the +2.00 explained" in note
    assert ("--everywhere" in note) is not everywhere
    assert ("no --at" in note) is (at is not None)
    assert "--ablate-unit block3/2" in note


def test_flip_without_anything_to_ablate(run: Run, explanation: Explanation) -> None:
    note = flip_note(without_names(run), explanation, most=5)
    assert note.startswith(
        "--flip found nothing to ablate: no unit detects a concept. Of the 3 units"
    )


def test_a_flip_that_found_nothing_leaves_a_trace_on_the_page(
    run: Run, explanation: Explanation
) -> None:
    note = flip_note(run, explanation, most=5)
    assert note in render_page(run, explanation, no_flip=note)


def test_an_audit_without_suspects(run: Run) -> None:
    rows: Any = Rows(())
    reason = "only 2 concepts can raise a logit here"
    audit = Audit("a", "block3", Path("photos"), 10, 6, (), rows, rows, reason, 0.1)
    expected = f"No suspects can be named: {reason}. What the 4 mistakes have in common may be no"
    assert (audit_note(run, audit) or "").startswith(expected)
    all_right = replace(audit, right=10, no_suspects="no answer is wrong")
    assert audit_note(run, all_right) == "No suspects can be named: no answer is wrong."
    suspect = Suspect("object/ball", 3, 1, 0.2, 0.1, 0.3)
    found = replace(audit, suspects=Rows((suspect,)), no_suspects=None)
    assert audit_note(run, found) is None
    assert "suspects can be named" not in render_page(run, found)
    note = audit_note(without_names(run), audit)
    assert note is not None
    assert "no unit of block3 detects a concept" in note
    assert note in render_page(run, audit)


def test_a_suspect_that_was_not_ablated_is_told_from_one_that_was(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    ablated = Suspect("object/ball", 3, 1, 0.2, 0.1, 0.3, fixes=2, breaks=1)
    suspects = Rows((ablated, Suspect("object/car", 3, 1, 0.2, 0.1, 0.3)))
    audit = Audit("a", "block3", Path("photos"), 10, 6, (), Rows(()), suspects, None, 0.1)
    print_audit(run, audit, None)
    ball, car = (line for line in capsys.readouterr().out.splitlines() if "object/" in line)
    assert ball.split()[-2:] == ["2", "1"]
    assert car.rstrip().endswith("not ablated")
    rows = render_page(run, audit).split("<tr>")
    assert ["not ablated" in row for row in rows if ">ball<" in row or ">car<" in row] == [
        False, True,
    ]  # fmt: skip
