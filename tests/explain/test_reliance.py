"""Audits without labels: what carries the answers, and groups of images with the same reason."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conceptgraph.demo.networks.shipped import SHIPPED, write_classes
from conceptgraph.demo.networks.small_resnet import FACTORY
from conceptgraph.demo.world.concept_data import write_concept_data
from conceptgraph.demo.world.pictures import draw_picture
from conceptgraph.demo.world.shortcuts import SHORTCUTS, Shortcut, World
from conceptgraph.errors import DataError
from conceptgraph.explain.audit import Audit, audit
from conceptgraph.explain.evidence_groups import MIN_IMAGES, divide, silhouettes
from conceptgraph.explain.explain import explain
from conceptgraph.explain.image_regions import PixelBox
from conceptgraph.explain.network import open_network
from conceptgraph.explain.reliance import RelianceTally, distinct
from conceptgraph.explain.thing_rows import PaintedThing, RegionEvidence, ThingRow, ThingRowFile
from conceptgraph.graph.run.reader import open_run
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.pages.wording import audit_finding, group_reason
from conceptgraph.pages.write import render_page
from tests.command_line import call

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conceptgraph.graph.run.reader import Run

SEED = 7_000_000  # the shipped network has not seen these pictures


# The drawn world, with planted cues


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("demo")
    data = write_concept_data(folder / "data", 300)
    classes = write_classes(folder / "classes.txt")
    weights = SHIPPED["shortcut"]
    return ingest(FACTORY, data, folder / "demo.cg", weights=weights, classes=classes)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw pictures with each cue, and clean ones: the names say which; there are no labels."""
    folder, world = tmp_path_factory.mktemp("pictures"), World()
    for number, shortcut in enumerate(SHORTCUTS):
        for i in range(27):
            spec = world.conflict_spec(shortcut, SEED + number, i)
            draw_picture(spec).image.save(folder / f"cue{number}-{i}-{spec.class_}.png")
    for i in range(135):
        spec = world.clean_spec(SEED + 9, i)
        draw_picture(spec).image.save(folder / f"clean-{i}-{spec.class_}.png")
    return folder


@pytest.fixture(scope="module")
def result(demo: Run, pictures: Path) -> Audit:
    return audit(demo, pictures)


def cue_group(result: Audit, number: int, shortcut: Shortcut) -> Sequence[str]:
    """Return the images of the group of the class that has most pictures with its cue."""
    groups = [group.images for group in result.groups if group.class_name == shortcut.class_]
    return max(groups, key=lambda images: sum(is_fooled(i, number, shortcut) for i in images))


def is_fooled(file: str, number: int, shortcut: Shortcut) -> bool:
    return file.startswith(f"cue{number}-") and not file.endswith(f"-{shortcut.class_}.png")


def test_what_a_planted_class_relies_on_is_its_cue(result: Audit) -> None:
    assert result.right is None
    assert not result.confusions
    assert not result.suspects
    for shortcut in SHORTCUTS:
        rows = [r for r in distinct(result.reliance) if r.class_name == shortcut.class_][:2]
        planted = "/".join(shortcut.cue)
        (row,) = (r for r in rows if planted in (r.concept, *r.also))
        assert row.changes >= 0.8 * row.painted > 0
        assert row.fixes is None


@pytest.mark.parametrize("shortcut", SHORTCUTS, ids=str)
def test_groups_part_pictures_with_the_cue_from_clean_ones(
    result: Audit, shortcut: Shortcut
) -> None:
    number = SHORTCUTS.index(shortcut)
    images = cue_group(result, number, shortcut)
    of_class = [f for g in result.groups if g.class_name == shortcut.class_ for f in g.images]
    fooled = [file for file in of_class if is_fooled(file, number, shortcut)]
    assert len(fooled) >= 5
    both = len(set(fooled) & set(images))
    assert both >= 0.9 * len(images)
    assert both >= 0.9 * len(fooled)
    (group,) = (group for group in result.groups if group.images == images)
    assert "/".join(shortcut.cue) in [concept.concept for concept in group.concepts]
    assert group.wrong is None
    inside = 0
    for example in group.examples:
        index = int(example.file.split("-")[1])
        picture = draw_picture(World().conflict_spec(shortcut, SEED + number, index))
        (cue,) = picture.cue_masks.values()
        inside += (example.mask & cue).sum() > 0.5 * example.mask.sum()
    assert inside >= 0.8 * len(group.examples)


def test_groups_are_found_where_no_concept_is(
    demo: Run, pictures: Path, result: Audit, tmp_path: Path
) -> None:
    shutil.copytree(demo.path, tmp_path / "demo.cg", ignore=shutil.ignore_patterns("audits"))
    nameless = demo.presence.assign(usable=False)
    nameless.to_parquet(tmp_path / "demo.cg" / "presence.parquet")
    unnamed = audit(open_run(tmp_path / "demo.cg"), pictures)
    assert not unnamed.reliance
    assert [g.images for g in unnamed.groups] == [g.images for g in result.groups]
    assert {group_reason(group) for group in unnamed.groups} == {
        "no concept of the data names this"
    }
    assert audit_finding(unnamed).startswith("No concept carries")
    page = render_page(open_run(tmp_path / "demo.cg"), unnamed)
    assert page.count("no concept of the data names this") == len(unnamed.groups)


def test_with_labels_mistakes_and_what_fixes_them_are_counted(
    demo: Run, pictures: Path, result: Audit
) -> None:
    files = sorted(file.name for file in pictures.iterdir())
    labels = [(file, file.rpartition("-")[2].removesuffix(".png")) for file in files]
    labelled = audit(demo, pictures, labels, tries=0)
    assert [r.concept for r in labelled.reliance] == [r.concept for r in result.reliance]
    assert labelled.right is not None
    assert labelled.mistakes == sum(len(c.images) for c in labelled.confusions) > 20
    for shortcut in SHORTCUTS:
        planted = "/".join(shortcut.cue)
        (row,) = (r for r in labelled.reliance
                  if (r.class_name, r.concept) == (shortcut.class_, planted))  # fmt: skip
        assert row.fixes is not None
        assert row.fixes >= 0.8 * labelled.mistakes_as(shortcut.class_)
    assert all((group.wrong or 0) > (group.right or 0) for group in labelled.groups[:3])
    assert "become right" in audit_finding(labelled)


# Single rows, against explanations of one image at a time


@pytest.mark.usefixtures("result")
def test_a_row_has_the_things_of_the_images_own_explanation(demo: Run, pictures: Path) -> None:
    network = open_network(demo)
    (file,) = (demo.path / "audits").glob("*-things.jsonl")
    painted = 0
    for row in list(ThingRowFile(file))[::40]:
        explanation = explain(network, pictures / row.file, top=1, beam=1)
        assert row.predicted == explanation.class_name
        second = explanation.predicted[1].name
        picture = explain(network, pictures / row.file, versus=second, top=1, beam=1).picture
        expected = {thing.box: thing for thing in picture.things if thing.counterfactual}
        for thing in row.things:
            single = expected[thing.box]
            assert sorted(thing.concepts) == sorted(concept.uid for concept in single.concepts)
            assert thing.evidence == pytest.approx(single.evidence, rel=1e-3, abs=1e-4)
            assert single.counterfactual is not None
            measured = single.counterfactual.measured
            assert thing.measured == pytest.approx(measured, rel=1e-3, abs=1e-3)
            assert thing.answer == single.counterfactual.answer.name
        painted += len(row.things)
        by_concept = {
            f"{region.category}/{region.name}": region.evidence
            for region in picture.regions
            if region.block == "block3" and region.name
        }
        for region in row.regions:
            assert region.evidence == pytest.approx(by_concept[region.concept], abs=1e-3)
    assert painted > 0


def thing_row(predicted: str, *, concepts: tuple[str, ...], answer: str) -> ThingRow:
    """A row with one thing, that carries the answer."""
    thing = PaintedThing(concepts, 2.0, 0.1, PixelBox(0, 0, 9, 9), 1.0, answer, 0.9)
    regions = tuple(RegionEvidence(concept, 1.0, 0.1) for concept in concepts)
    return ThingRow("a.jpg", None, predicted, 0.9, regions, (thing,))


def test_reliance_is_counted() -> None:
    tally = RelianceTally(labelled=True)
    for number in range(12):
        bag_row = thing_row(
            "x", concepts=("object/bag", "material/leather"), answer="y" if number else "x"
        )
        tally.add(bag_row, "y" if number < 6 else "x")
        tally.add(thing_row("y", concepts=("object/sky",), answer="y"), "y")
    tally.add(ThingRow("b.jpg", "not an image"), "x")
    assert tally.images == {"x": 12, "y": 12}
    bag, sky = distinct(tally.rows())
    assert (bag.class_name, bag.concept, bag.also) == ("x", "object/bag", ("material/leather",))
    assert (bag.images, bag.strongest, bag.painted, bag.changes) == (12, 12, 12, 11)
    assert (bag.wrong, bag.wrong_strongest, bag.wrong_changes, bag.fixes) == (6, 6, 5, 5)
    assert (bag.excess, bag.evidence) == (1.0, 1.0)
    assert (sky.concept, sky.changes, sky.wrong) == ("object/sky", 0, 0)


def test_a_concept_that_carries_answers_of_all_classes_is_no_finding() -> None:
    tally = RelianceTally(labelled=False)
    for predicted in ("x", "y") * 20:
        tally.add(thing_row(predicted, concepts=("object/sky",), answer="z"))
    assert [r.changes for r in tally.rows()] == [20, 20]
    assert distinct(tally.rows()) == []


# Groups


def test_silhouettes_are_those_of_plain_loops() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(14, 5)).astype(np.float32)
    numbers = np.array([0] * 6 + [1] * 7 + [2], np.int32)
    for i, value in enumerate(silhouettes(vectors, numbers)):
        distance = np.linalg.norm(vectors - vectors[i], axis=1)
        own = [j for j in range(14) if numbers[j] == numbers[i] and j != i]
        means = [distance[numbers == n].mean() for n in range(3) if n != numbers[i]]
        a, b = (distance[own].mean() if own else 0.0), min(means)
        expected = (b - a) / max(a, b) if own else 0.0
        assert value == pytest.approx(expected, abs=1e-4)


def test_images_that_do_not_differ_are_one_group() -> None:
    rng = np.random.default_rng(1)
    apart = np.repeat(np.eye(3, 8), [20, 9, 4], axis=0) + 0.05 * rng.normal(size=(33, 8))
    numbers, values = divide(apart.astype(np.float32))
    assert sorted(Counter(numbers.tolist()).values()) == [4, 9, 20]
    assert values.min() > 0.5
    alike = rng.normal(size=(40, 64)).astype(np.float32)
    assert divide(alike)[0].max() == 0
    assert divide(apart[13 : 13 + MIN_IMAGES - 1].astype(np.float32))[0].max() == 0


# Folders


def test_nothing_that_can_be_read(demo: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder of images"):
        audit(demo, tmp_path / "none")
    with pytest.raises(DataError, match="no images"):
        audit(demo, tmp_path)
    (tmp_path / "bad.jpg").write_text("no image")
    failed = call("audit", "--run", demo.path, "--images", tmp_path, folder=tmp_path)
    assert (failed.status, failed.out) == (1, "")
    assert "no image can be read" in failed.err.splitlines()[-1]
    (tmp_path / "labels.csv").write_text("image,label\nbad.jpg,class 1\n")
    words = ("audit", "--run", demo.path, "--images", tmp_path, "--labels", "labels.csv")
    assert call(*words, folder=tmp_path).status == 1


@pytest.mark.usefixtures("result")
def test_the_command_without_labels(demo: Run, pictures: Path, tmp_path: Path) -> None:
    words = ("audit", "--run", demo.path, "--images", pictures)
    printed = call(*words, "--html", "audit.html", folder=tmp_path)
    assert printed.status == 0, printed.err
    head = printed.out.splitlines()[:25]
    assert "216 images" in head
    assert "confusions" not in printed.out
    assert "groups of images whose answer has the same reason" in head
    assert 'aria-label="Suspects"' not in (tmp_path / "audit.html").read_text("utf-8")
    answer = json.loads(call(*words, "--json", folder=tmp_path).out)
    assert (answer["right"], answer["confusions"], answer["suspects"]) == (None, [], [])
    assert {"class", "concept", "category", "name", "images", "strongest", "changes", "wrong"} <= (
        answer["reliance"][0].keys()
    )
    assert {"class", "images", "concepts", "wrong", "examples"} <= answer["groups"][0].keys()
