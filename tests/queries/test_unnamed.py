"""Answers without a concept say why, and propose nothing that the run's settings already are."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from conceptgraph.graph.run.all_labels import AllLabels
from conceptgraph.graph.run.reader import Run, open_run
from conceptgraph.graph.stores.memory import open_store
from conceptgraph.pages.report_page import Report
from conceptgraph.pages.write import render_page
from conceptgraph.queries.cards import class_card, concept_card, unit_card
from conceptgraph.queries.paths import class_paths
from conceptgraph.queries.rows import Rows
from conceptgraph.queries.unnamed import card_note, class_paths_note, unnamed_units
from tests.command_line import call
from tests.made_runs import small_run
from tests.page_samples import draw_thumbnails

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def unnamed_run(folder: Path, ratio: float, quantile: float = 0.005) -> Run:
    """Make a run without a name, whose concepts are `ratio` times as large as activation areas."""
    run = small_run(folder / "a.cg")
    manifest: Any = {**run.manifest, "quantile": quantile}
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    units, detections = run.units.copy(), run.detections.copy()
    units["iou"] = units["iou"] / 20
    detections["iou"] /= 20
    detections["truth"] = (detections["activation"] * ratio).astype("int64")
    detections["attainable_iou"] = min(ratio, 1 / ratio)
    for name, table in (("units", units), ("detections", detections)):
        table.to_parquet(run.path / f"{name}.parquet")
    return open_run(run.path)


@pytest.mark.parametrize(
    ("ratio", "quantile", "proposed"),
    [
        (100, 0.005, "--quantile 0.05."),
        (100, 0.02, "--quantile 0.05."),
        (100, 0.05, None),
        (100, 0.2, None),
        (0.01, 0.2, "--quantile 0.002."),
        (0.01, 0.0005, None),
    ],
)
def test_the_quantile_that_is_proposed_is_nearer_and_another(
    tmp_path: Path, ratio: float, quantile: float, proposed: str | None
) -> None:
    text = unnamed_units(unnamed_run(tmp_path, ratio, quantile=quantile), ("block3", "block4"))
    size = "large" if ratio > 1 else "small"
    assert f"none is interpretable (IoU above 0.04 at quantile {quantile:g})" in text
    assert f"3 of 3 concepts are too {size} for activation areas" in text
    assert (proposed in text) if proposed else ("--quantile" not in text)


def test_whole_images_are_compared_by_auc_at_any_quantile(tmp_path: Path) -> None:
    run = unnamed_run(tmp_path, 100)
    for significant, text in ((True, "tells these images best (0.94)"), (False, "for sure")):
        detections = run.detections.copy()
        detections["auc"] = [0.94 if i == 0 else 0.75 for i in range(len(detections))]
        detections["concept"], detections["category"] = "object/ball", "object"
        detections["auc_low"], detections["auc_p"] = 0.7, 0.01
        detections["auc_significant"] = significant
        detections = detections.drop_duplicates("unit")
        detections.to_parquet(run.path / "detections.parquet")
        whole = open_run(run.path)
        card = concept_card(open_store(whole), "a", "ball")
        assert [row.auc for row in card.units_by_auc][:2] == [0.94, 0.75]
        note = card_note(whole, card)
        assert note is not None
        assert "AUC is the measure, not IoU" in note
        assert text in note
        assert "quantile" not in note
        assert "quantile would help" not in unnamed_units(whole, ("block3", "block4"))


def test_few_concepts_are_the_reason_where_sizes_fit(tmp_path: Path) -> None:
    text = unnamed_units(unnamed_run(tmp_path, 1), ("block4",))
    assert "Of the 3 units of block4, none is interpretable" in text
    assert "The largest IoU is 0.015, of block4/0 with juggling." in text
    assert "have 4 concepts only" in text
    assert "--quantile" not in text


def test_units_that_hardly_fire_are_the_reason(tmp_path: Path) -> None:
    run = unnamed_run(tmp_path, 1)
    units: pd.DataFrame = run.units.assign(status="dead")
    run.units = units
    assert "3 are never active on the 10 images" in unnamed_units(run, ("block4",))


def without_names(folder: Path, **columns: Any) -> Run:
    """Make a run whose units detect concepts by IoU, but have no name."""
    run = small_run(folder / "a.cg")
    run.detections.assign(holds=False, **columns).to_parquet(run.path / "detections.parquet")
    return open_run(run.path)


def test_labels_that_do_not_hold_are_the_reason(tmp_path: Path) -> None:
    run = without_names(tmp_path)
    text = unnamed_units(run, ("block3",))
    assert "Of the 3 units of block3, 2 are interpretable" in text
    assert "2 of them have no name, since the label does not hold (more than 50% of the" in text
    assert "--all-labels shows it nevertheless" in text
    assert "have 4 concepts only" in text
    assert "--all-labels" not in unnamed_units(AllLabels(run), ("block3",))
    note = class_paths_note(run, class_paths(run, "juggling"))
    assert note is not None
    assert "none of the 4 units on these paths is named after one" in note
    draw_thumbnails(run)
    assert unnamed_units(run, run.blocks) in render_page(run, Report())


def test_without_null_samples_no_name_can_hold(tmp_path: Path) -> None:
    run = without_names(tmp_path, p=float("nan"))
    assert "ingest again with null_samples above 0" in unnamed_units(run, ("block3",))
    note = card_note(run, unit_card(open_store(run), "a", "block4/0"))
    assert "so no name can hold" in (note or "")


def test_the_card_of_a_unit_whose_label_does_not_hold(tmp_path: Path) -> None:
    run = without_names(tmp_path)
    note = card_note(run, unit_card(open_store(run), "a", "block4/0"))
    assert note is not None
    assert note.startswith("block4/0 has no name: juggling, its best concept, does not hold")
    assert "80% (from 60%) of the activation area is on it, 10% by chance; a name needs" in note
    plain = AllLabels(run)
    assert card_note(plain, unit_card(open_store(plain), "a", "block4/0")) is None
    printed = call("show", "block4/0", "--run", "a.cg", folder=tmp_path).out
    assert "block4/0: no name that holds, at best juggling" in printed


def test_a_class_without_a_concept(tmp_path: Path) -> None:
    """On the terminal, in JSON and on its page, in the same words."""
    run = unnamed_run(tmp_path, 100)
    draw_thumbnails(run)
    paths = class_paths(run, "juggling")
    note = class_paths_note(run, paths)
    assert note is not None
    assert note.startswith("No concept leads to juggling here: none of the 4 units on these paths")
    assert "ingest again with --quantile 0.05" in note
    page = render_page(run, paths)
    assert note in page
    assert "(no name) feeds" not in page
    words = ("why", "--run", "a.cg", "--class", "juggling")
    printed = call(*words, folder=tmp_path).out
    assert printed.index("No concept leads to juggling") < printed.index("strongest concept paths")
    assert json.loads(call(*words, "--json", folder=tmp_path).out)["no_answer"] == note


def test_paths_with_a_concept_need_no_note(tmp_path: Path) -> None:
    run = small_run(tmp_path / "a.cg")
    assert class_paths_note(run, class_paths(run, "juggling")) is None
    words = ("why", "--run", "a.cg", "--class", "juggling", "--json")
    assert json.loads(call(*words, folder=tmp_path).out)["no_answer"] is None


def test_no_path_at_all(tmp_path: Path) -> None:
    run = unnamed_run(tmp_path, 1)
    note = class_paths_note(run, replace(class_paths(run, "road"), paths=Rows(())))
    assert note is not None
    assert "no path through block3 and block4 was found" in note


def test_cards(tmp_path: Path) -> None:
    run = unnamed_run(tmp_path, 100)
    store = open_store(run)
    notes = {
        "class": card_note(run, class_card(store, "a", "juggling")),
        "concept": card_note(run, concept_card(store, "a", "ball")),
        "unit": card_note(run, unit_card(store, "a", "block4/0")),
        "dead": card_note(run, unit_card(store, "a", "block3/2")),
        "sparse": card_note(run, unit_card(store, "a", "block4/2")),
    }
    expected = {
        "class": "No concept feeds juggling. Of the 3 units of block4, none",
        "concept": "It covers 100 times the pixels of an activation area, so 0.010 is about",
        "unit": "The best, juggling, has an IoU of 0.015; areas of these sizes could reach 0.010.",
        "dead": "it is never active on the 10 images",
        "sparse": "less than 0.005 of its activations are above 0",
    }
    for kind, text in expected.items():
        assert text in (notes[kind] or ""), kind
    assert "presence probe of block3 has a Matthews correlation of 0." in (notes["concept"] or "")
    for card in ("block4/0", "ball"):
        words = ("show", card, "--run", "a.cg")
        told = json.loads(call(*words, "--json", folder=tmp_path).out)["no_answer"]
        assert told.split(":")[0] in call(*words, folder=tmp_path).out


def test_cards_with_an_answer_need_no_note(tmp_path: Path) -> None:
    run = small_run(tmp_path / "a.cg")
    store = open_store(run)
    for card in (
        class_card(store, "a", "juggling"),
        concept_card(store, "a", "ball"),
        unit_card(store, "a", "block4/0"),
    ):
        assert card_note(run, card) is None
