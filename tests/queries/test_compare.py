"""Runs side by side: counts and changes by hand, and the command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conceptgraph.errors import QueryError
from conceptgraph.graph.run.measurement import SettingDifference, differences
from conceptgraph.graph.run.reader import Run, open_run
from conceptgraph.graph.run.schema import TABLES
from conceptgraph.graph.run.writer import RunWriter
from conceptgraph.pages.report_page import Report, render_report
from conceptgraph.queries.compare import (
    ChangeCounts,
    DetectionCounts,
    LabelChange,
    RunLabel,
    compare,
)
from tests.command_line import call
from tests.made_runs import run_facts, small_run
from tests.page_samples import draw_thumbnails

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

WIDTHS = {"block3": 3, "block4": 3}


def other_run(first: Run, out: Path, digest: str = "one", **settings: Any) -> Run:
    """Relabel the first run: block3/0 is a ball now, block4/0 nothing, block4/1 a ball."""
    units = first.units.copy()
    units.loc[0, ["label", "category", "iou"]] = ["ball", "object", 0.4]
    units.loc[3, "iou"] = 0.01
    units.loc[4, "iou"] = 0.07
    return _written(first, out, {"units": units}, digest, **settings)


def _written(
    run: Run, out: Path, tables: dict[str, pd.DataFrame], digest: str, **settings: Any
) -> Run:
    with RunWriter(out) as writer:
        for name in TABLES:
            writer.table(name, tables.get(name, getattr(run, name)))
        for file in run.path.glob("*.npy"):
            writer.array(file.stem, np.load(file))
        return open_run(writer.commit(run_facts(WIDTHS, digest, **settings)))


@pytest.fixture
def first(tmp_path: Path) -> Run:
    return _written(small_run(tmp_path / "small.cg"), tmp_path / "first.cg", {}, "one")


def test_counts(first: Run, tmp_path: Path) -> None:
    comparison = compare([first, other_run(first, tmp_path / "second.cg")])
    assert [(counts.run, counts.block, counts.units) for counts in comparison.counts] == [
        ("first", "block3", 3),
        ("second", "block3", 3),
        ("first", "block4", 3),
        ("second", "block4", 3),
    ]
    assert comparison.counts[0].total == DetectionCounts(None, 2, 2, 1, 1, 2)
    assert comparison.counts[0].categories == (
        DetectionCounts("texture", 1, 1, 1, 1, 2),
        DetectionCounts("object", 1, 1, 0, 0, 0),
    )
    # Interpretable in the second run are block3/0 and 1, both balls; unrestricted is unchanged.
    assert comparison.counts[1].total == DetectionCounts(None, 2, 1, 1, 1, 2)
    assert comparison.counts[2].total == DetectionCounts(None, 1, 1, 1, 1, 0)


def test_units_whose_label_changed(first: Run, tmp_path: Path) -> None:
    (pair,) = compare([first, other_run(first, tmp_path / "second.cg")]).pairs
    assert pair.same_network
    assert pair.moves == (
        ChangeCounts("block3", 1, 1, 0, 0, 1),
        ChangeCounts("block4", 0, 0, 1, 1, 1),
    )
    assert pair.changes == (
        LabelChange(
            "block3/0",
            RunLabel("polka dotted", "texture", 0.2, True),
            RunLabel("ball", "object", 0.4, True),
        ),
        LabelChange("block4/0", RunLabel("juggling", "action", 0.3, True), None),
        LabelChange("block4/1", None, RunLabel("ball", "object", 0.07, False)),
    )
    assert (pair.only_first, pair.only_second, pair.both) == (
        ("action/juggling", "texture/polka dotted"),
        (),
        1,
    )


def test_another_quantile_is_another_measurement(first: Run, tmp_path: Path) -> None:
    second = other_run(first, tmp_path / "second.cg", quantile=0.02, top_k=8)
    (pair,) = compare([first, second]).pairs
    assert pair.differences == (
        SettingDifference("quantile", 0.005, 0.02, decides_labels=True),
        SettingDifference("top_k", 32, 8, decides_labels=False),
    )
    assert not pair.same_measurement
    assert len(pair.changes) == 3
    (same,) = compare([first, other_run(first, tmp_path / "third.cg", top_k=8)]).pairs
    assert same.same_measurement
    assert same.caveat() is None
    words = ("compare", "first.cg", "second.cg")
    printed = call(*words, folder=tmp_path).out
    assert "quantile differs, so these are two measurements" in printed
    assert "3 units are labelled otherwise" in printed
    assert "changed" not in printed
    (pair_json,) = json.loads(call(*words, "--json", folder=tmp_path).out)["pairs"]
    assert pair_json["differences"][0] == {
        "setting": "quantile", "first": 0.005, "second": 0.02, "decides_labels": True,
    }  # fmt: skip
    assert pair_json["same_measurement"] is False
    for run in (first, second):
        draw_thumbnails(run)
    page = render_report(first, Report(versus=second))
    assert "quantile differs, so these are two measurements" in page
    assert "changed their label" not in page


def test_what_differs_besides_settings(first: Run, tmp_path: Path) -> None:
    """Another network, other data, other blocks, images of another size."""
    second = other_run(first, tmp_path / "second.cg", digest="another")
    manifest: Any = {
        **second.manifest,
        "data": {**second.manifest["data"], "folder": "/elsewhere/streets", "digest": "2" * 64},
        "input": {**second.manifest["input"], "height": 96, "width": 128},
        "blocks": {"block4": second.manifest["blocks"]["block4"]},
    }
    found = {row.setting: row for row in differences(first, Run(second.path, manifest))}
    assert set(found) == {"model", "data", "image_size", "blocks"}
    assert found["image_size"][1:] == ("224×224", "96×128", True)
    assert found["blocks"][1:] == ("block3, block4", "block4", False)
    assert "streets, 10 images, 4 concepts" in str(found["data"].second)
    moved: Any = {**first.manifest, "data": {**first.manifest["data"], "folder": "/elsewhere"}}
    assert differences(first, Run(first.path, moved)) == ()


def test_labels_that_do_not_hold_count_with_all_labels_only(first: Run, tmp_path: Path) -> None:
    runs = [first, other_run(first, tmp_path / "b.cg")]
    table = first.detections.assign(holds=first.detections["significant"])
    table.to_parquet(first.path / "detections.parquet")
    strict = compare([open_run(run.path) for run in runs])
    assert strict.counts[0].total == DetectionCounts(None, 1, 1, 1, 1, 2)
    plain = compare([open_run(run.path) for run in runs], all_labels=True)
    assert plain.counts[0].total == DetectionCounts(None, 2, 2, 1, 1, 2)


def test_other_networks_are_compared_by_concepts(first: Run, tmp_path: Path) -> None:
    second = other_run(first, tmp_path / "second.cg", digest="another")
    (pair,) = compare([first, second], blocks=["block4"]).pairs
    assert not pair.same_network
    assert (pair.moves, pair.changes) == ((), ())
    assert (pair.only_first, pair.only_second) == (("action/juggling",), ("object/ball",))


def test_a_run_with_itself_and_a_third(first: Run, tmp_path: Path) -> None:
    comparison = compare([first, first, other_run(first, tmp_path / "c.cg")])
    assert [len(pair.changes) for pair in comparison.pairs] == [0, 3]
    assert len(comparison.counts) == 6


def test_what_cannot_be_compared(first: Run) -> None:
    with pytest.raises(QueryError, match="two or more"):
        compare([first])
    with pytest.raises(QueryError, match=r"no 'block9'.*block3, block4"):
        compare([first, first], blocks=["block9"])


def test_a_run_without_null_samples(first: Run, tmp_path: Path) -> None:
    detections = first.detections.assign(p=np.nan, enrichment=np.nan, significant=False)
    untested = _written(first, tmp_path / "untested.cg", {"detections": detections}, "one")
    comparison = compare([untested, first])
    assert comparison.counts[0].total == DetectionCounts(None, 2, 2, None, 1, 2)


def test_the_command(first: Run, tmp_path: Path) -> None:
    other_run(first, tmp_path / "second.cg")
    words = ("compare", "first.cg", "second.cg")
    printed = call(*words, folder=tmp_path)
    assert (printed.status, printed.err) == (0, "")
    assert "3 units changed their label, 3 shown" in printed.out
    assert "polka dotted (texture)" in printed.out
    assert "ball (object)?" in printed.out
    rows = json.loads(call(*words, "--json", folder=tmp_path).out)
    assert rows["pairs"][0]["changes"][1]["after"] is None
    assert rows["counts"][0]["total"]["concepts"] == 2
    failed = call("compare", "first.cg", "third.cg", folder=tmp_path)
    assert failed.status == 1
    assert "third.cg" in failed.err
    assert call("compare", "first.cg", folder=tmp_path).status == 1
