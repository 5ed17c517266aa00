"""`conceptgraph evidence`, and what `why` says with it, on a small drawn data set."""

from __future__ import annotations

import json
import shutil
from math import fsum
from typing import TYPE_CHECKING, Any

import pytest

from conceptgraph.graph.run.reader import open_run
from conceptgraph.graph.run.trust import is_trusted
from tests.cli.test_shared_run import change_manifest
from tests.command_line import call
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_run

if TYPE_CHECKING:
    from pathlib import Path

REGION = [
    "class", "block", "category", "name", "mean", "spread", "low", "high", "images", "share",
    "coverage",
]  # fmt: skip


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence")
    lively_run(draw_concept_data(folder / "data", 24), folder, "even_network")
    shutil.copy(min((folder / "data" / "images").rglob("*.jpg")), folder / "x.jpg")
    return folder


@pytest.fixture(scope="module")
def computed(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a run that has evidence."""
    folder = tmp_path_factory.mktemp("computed") / "folder"
    shutil.copytree(ingested, folder)
    succeed("evidence", folder=folder)
    return folder


def succeed(*words: str, folder: Path) -> str:
    done = call(*words, folder=folder)
    assert done.status == 0, done.err
    assert done.err in {"", "run: lively.cg\n"}
    return done.out


def answer(*words: str, folder: Path) -> Any:
    return json.loads(succeed(*words, "--json", folder=folder))


def strongest_class(folder: Path) -> str:
    images: dict[str, int] = answer("evidence", folder=folder)["images"]
    return max(images, key=lambda name: images[name])


def test_evidence_of_all_classes(computed: Path) -> None:
    result = answer("evidence", folder=computed)
    keys = ["run", "versus", "images", "unreadable", "evidence", "flows", "names_by"]
    assert list(result) == keys
    assert (result["run"], result["versus"], result["unreadable"]) == ("lively", None, [])
    assert sum(result["images"].values()) == 24
    assert all(list(row) == REGION for row in result["evidence"])
    assert {row["class"] for row in result["evidence"]} == set(result["images"])
    assert None in {row["name"] for row in result["evidence"]}
    assert all(row["low"] <= row["mean"] <= row["high"] for row in result["evidence"])
    flow = result["flows"][0]
    assert list(flow) == ["class", "from", "to", "mean", "images", "rank"]
    assert [flow[end]["block"] for end in ("from", "to")] == ["block3", "block4"]
    text = succeed("evidence", folder=computed)
    for name, images in result["images"].items():
        assert f"{name}: {images} images" in text
    assert "% of the picture, in " in text
    assert "paths: " in text


def test_a_class_a_block_and_the_strongest(computed: Path) -> None:
    name = strongest_class(computed)
    whole = answer("evidence", folder=computed)["evidence"]
    words = ("evidence", "--class", name, "--block", "block2", "--top", "1")
    rows = answer(*words, folder=computed)["evidence"]
    expected: dict[str, float] = {}
    for row in whole:
        if (row["class"], row["block"]) == (name, "block2"):
            largest = expected.get(row["category"], 0.0)
            expected[row["category"]] = max(largest, row["mean"], key=abs)
    assert {row["category"]: row["mean"] for row in rows} == expected
    assert len(rows) == len(expected) > 1
    lines = succeed("evidence", "--class", name, folder=computed).splitlines()
    assert lines[0].startswith(f"{name} (")
    assert any(line.startswith("elsewhere") for line in lines)
    for option, value, found in (("--class", "x", "no class 'x'"), ("--block", "b", "has no 'b'")):
        done = call("evidence", option, value, folder=computed)
        assert done.status == 1
        assert found in done.err


def test_it_resumes_unless_it_is_told_to_start_again(computed: Path) -> None:
    (rows,) = (f for f in (computed / "lively.cg/evidence").glob("*") if "flows" not in f.name)
    content = rows.read_bytes()
    changed = content.replace(b'"total": ', b'"total":  ')  # as if computed before
    rows.write_bytes(changed)
    succeed("evidence", "--resume", folder=computed)
    assert rows.read_bytes() == changed
    succeed("evidence", "--fresh", folder=computed)
    assert rows.read_bytes() == content


def test_why_a_class_by_its_evidence(ingested: Path, computed: Path) -> None:
    name = strongest_class(computed)
    without = answer("why", "--class", name, folder=ingested)
    assert (without["evidence"], without["flows"]) == ([], [])
    assert "conceptgraph evidence" in succeed("why", "--class", name, folder=ingested)
    result = answer("why", "--class", name, folder=computed)
    assert result["paths"] == without["paths"]
    assert [row for row in answer("evidence", folder=computed)["evidence"]
            if row["class"] == name] == result["evidence"]  # fmt: skip
    text = succeed("why", "--class", name, folder=computed)
    assert text.startswith(f"{name} ({result['images']} images): ")
    assert "concept paths, block3 → block4 → class" in text
    units = succeed("why", "--class", name, "--one-unit", folder=computed)
    assert "strongest concept paths" in units
    assert "strongest concept paths" not in text
    assert units.splitlines()[:12] == succeed(
        "why", "--class", name, folder=ingested
    ).splitlines()[:12]  # fmt: skip


def test_what_is_unusual_about_an_image(ingested: Path, computed: Path) -> None:
    assert answer("why", "--image", "x.jpg", folder=ingested)["unusual"] is None
    result = answer("why", "--image", "x.jpg", folder=computed)
    rows = result["unusual"]
    assert {row["class"] for row in rows} == {result["class"]}
    usual = answer("evidence", folder=computed)["evidence"]
    means = {
        (row["block"], row["category"], row["name"]): row["mean"]
        for row in usual
        if row["class"] == result["class"]
    }
    for row in rows:
        key = row["block"], row["category"], row["name"]
        assert row["mean"] == means.get(key, 0.0)
        assert row["difference"] == pytest.approx(row["evidence"] - row["mean"])
    sums = {
        category: fsum(
            row["difference"]
            for row in rows
            if (row["block"], row["category"]) == ("block4", category)
        )
        for category in {row["category"] for row in rows}
    }
    assert len(sums) > 1
    for total in sums.values():  # after the last block, bias terms are the same for all images
        assert total == pytest.approx(next(iter(sums.values())), abs=1e-4)
    text = succeed("why", "--image", "x.jpg", "--html", "x.html", folder=computed)
    assert f"unusual for {result['class']}: " in text
    assert "Unusual: of a class's logit less the mean of all logits" in text
    assert "What is unusual about it" in (computed / "x.html").read_text()


def test_what_is_unusual_for_the_true_class(computed: Path) -> None:
    predicted = answer("why", "--image", "x.jpg", folder=computed)["class"]
    images = answer("evidence", folder=computed)["images"]
    other = max((name for name in images if name != predicted), key=lambda name: images[name])
    for option in ("--true", "--versus"):
        rows = answer("why", "--image", "x.jpg", option, other, folder=computed)["unusual"]
        assert {row["class"] for row in rows} == {predicted, other}
    assert call("why", "--image", "x.jpg", "--true", "?", folder=computed).status == 1
    assert call("why", "--class", other, "--true", other, folder=computed).status == 2


def test_one_image_has_no_interval_and_other_classes_no_evidence(
    ingested: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(ingested, folder)
    (folder / "photos").mkdir()
    shutil.copy(folder / "x.jpg", folder / "photos")
    text = succeed("evidence", "--images", "photos", folder=folder)
    (name,) = answer("evidence", "--images", "photos", folder=folder)["images"]
    other = next(c for c in open_run(folder / "lively.cg").classes["name"] if c != name)
    assert text.startswith(f"{name} (1 image): ")
    assert " to " not in text.partition("Evidence: ")[0]
    assert "  –  " in text
    assert f"none of the 1 images of the run's evidence for {other}" in succeed(
        "why", "--class", other, folder=folder
    )


def test_without_usable_probes_it_says_why_nothing_has_a_name(
    ingested: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(ingested, folder)
    run = open_run(folder / "lively.cg")
    run.presence.assign(usable=False).to_parquet(run.path / "presence.parquet")
    reason = "nothing can be said by concepts, since no presence probe of the run is good enough"
    assert reason in succeed("evidence", folder=folder)
    name = strongest_class(folder)
    first = succeed("why", "--class", name, folder=folder).splitlines()[0]
    assert first.startswith(f"{name} (")
    assert reason in first


def test_images_that_somebodys_run_names_are_not_read(ingested: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(ingested, folder)
    change_manifest(folder / "lively.cg", data={"folder": str(folder / "data") + "/"})
    words = ("evidence", "--model", "tests.lively_run:even_network")
    done = call(*words, folder=folder)
    assert done.status == 1
    assert "are outside of it, and you neither made nor trust it" in done.err
    assert not (folder / "lively.cg" / "evidence").exists()
    succeed(*words, "--images", "data/images", folder=folder)
    assert not is_trusted(open_run(folder / "lively.cg"))
    succeed("evidence", "--trust-run", folder=folder)
    succeed("evidence", folder=folder)
