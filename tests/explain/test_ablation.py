"""Silenced units: what the network really says then, against plain zeroing of its maps."""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from conceptgraph.errors import QueryError
from conceptgraph.explain.ablation import minimal_ablation_set, what_if
from conceptgraph.explain.ablation_masks import detectors
from conceptgraph.explain.concept_attribution import POOR
from conceptgraph.explain.explain import explain
from conceptgraph.explain.network import RunNetwork, open_network
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_run

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.graph.run.reader import Run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_concept_data(tmp_path_factory.mktemp("drawn"), 12)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return lively_run(data, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def subject(run: Run) -> RunNetwork:
    return open_network(run, dtype=torch.float64)


@pytest.fixture(scope="module")
def image(data: Path) -> Path:
    return sorted((data / "images").rglob("*.jpg"))[0]


Places = dict[str, list[tuple[list[int], str | None]]]
"""By block: units, and the concept where they are silent; None for everywhere."""


def silenced(subject: RunNetwork, image: Path, silent: Places) -> Tensor:
    """Logits, one block after another, with maps zeroed by hand."""
    module = subject.module
    x = subject.read(image)
    with torch.no_grad():
        x = module.get_submodule("maxpool")(
            module.get_submodule("relu")(
                module.get_submodule("bn1")(module.get_submodule("conv1")(x))
            )
        )
        for number in range(1, 5):
            x = module.get_submodule(f"layer{number}")(x)
            before = x.clone()
            for units, concept in silent.get(f"block{number}", []):
                for y, c in product(range(x.shape[2]), range(x.shape[3])):
                    for unit in units:
                        if away(subject.run, f"block{number}", unit, concept, before[0], y, c):
                            x[0, unit, y, c] = 0
        logits: Tensor = module.get_submodule("fc")(x.mean(dim=(2, 3)))[0]
    return logits


def away(
    run: Run, block: str, unit: int, concept: str | None, maps: Tensor, y: int, x: int
) -> bool:
    """Whether a unit is silent at a position."""
    if concept is None:
        return True
    known = run.presence[(run.presence["block"] == block) & (run.presence["concept"] == concept)]
    if known["f1"].iloc[0] < POOR:
        threshold = run.units.set_index("uid").at[f"{block}/{unit}", "threshold"]
        return bool(float(maps[unit, y, x]) > threshold)
    probe = run.probes(block)[:, list(run.concepts["uid"]).index(concept)]
    near = maps[:, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].flatten(1).numpy()
    return bool((probe[:-1] @ near + probe[-1] >= known["threshold"].iloc[0]).any())


def detected(run: Run) -> list[str]:
    able = set(run.units["uid"][run.interpretable])
    found = run.detections
    rows = zip(found["unit"], found["concept"], found["iou"], strict=True)
    return sorted({str(c) for unit, c, iou in rows if unit in able and iou > run.min_iou})


def units_of(run: Run, concept: str, blocks: tuple[str, ...]) -> dict[str, list[int]]:
    """The slow way: every unit looked at."""
    found: dict[str, list[int]] = {}
    for row, named in zip(run.units.itertuples(), run.interpretable, strict=True):
        if named and row.block in blocks:
            mine = run.detections[run.detections["unit"] == row.uid]
            if (mine["iou"][mine["concept"] == concept] > run.min_iou).any():
                found.setdefault(str(row.block), []).append(int(row.index))  # type: ignore[call-overload]
    return found


def places(run: Run, concept: str, at: tuple[str, ...] | None, *, everywhere: bool) -> Places:
    silent = detectors(run, concept, at)
    return {block: [(units, None if everywhere else concept)] for block, units in silent.items()}


@pytest.mark.parametrize("everywhere", [False, True])
def test_the_network_is_really_run_without_the_units(
    run: Run, subject: RunNetwork, image: Path, *, everywhere: bool
) -> None:
    whole = silenced(subject, image, {}).softmax(0)
    names = list(run.classes["name"])
    told = set()
    for concept in detected(run)[:5]:
        for at in (None, ("block2", "block4"), ("block3",)):
            try:
                silent = detectors(run, concept, at)
            except QueryError:
                assert not units_of(run, concept, at or run.blocks)
                continue
            assert silent == units_of(run, concept, at or run.blocks)
            found = what_if(subject, image, concepts=[concept], at=at, everywhere=everywhere)
            assert (found.concepts, found.everywhere) == ((concept,), everywhere)
            wanted = silenced(subject, image, places(run, concept, at, everywhere=everywhere))
            wanted = wanted.softmax(0)
            for each in found.after:
                expected = float(wanted[names.index(each.name)])
                assert each.probability == pytest.approx(expected, abs=1e-6)
            for each in found.before:
                expected = float(whole[names.index(each.name)])
                assert each.probability == pytest.approx(expected, abs=1e-9)
            assert found.flips == (int(whole.argmax()) != int(wanted.argmax()))
            assert found.found == bool((whole != wanted).any())
            told.add(found.found)
    assert told == {True} if everywhere else True in told


def test_single_units_and_concepts_together(subject: RunNetwork, image: Path) -> None:
    concept = detected(subject.run)[0]
    found = what_if(subject, image, concepts=[concept], units=["block1/3", "block4/0"])
    silent = places(subject.run, concept, None, everywhere=False)
    for block, unit in (("block1", 3), ("block4", 0)):
        silent.setdefault(block, []).append(([unit], None))
    expected = {
        f"{block}/{unit}" for block, parts in silent.items() for units, _ in parts for unit in units
    }
    assert len(found.units) == len(expected)
    assert set(found.units) == expected
    wanted = silenced(subject, image, silent).softmax(0)
    assert found.after[0].probability == pytest.approx(float(wanted.max()), abs=1e-6)


def test_what_took_over_is_what_carries_the_new_decision(subject: RunNetwork, image: Path) -> None:
    concept = detected(subject.run)[0]
    found = what_if(subject, image, concepts=[concept])
    sizes = [share.contribution for share in found.took_over]
    assert all(size > 0 for size in sizes)
    assert sizes == sorted(sizes, reverse=True)
    silent = detectors(subject.run, concept)
    gone = {unit for block, units in silent.items() if block == "block3" for unit in units}
    if len(gone) == subject.run.width("block3"):
        assert not found.took_over


def test_the_least_removal_changes_the_decision_and_nothing_in_it_is_idle(
    subject: RunNetwork, data: Path
) -> None:
    flipped = 0
    for image in sorted((data / "images").rglob("*.jpg"))[:6]:
        explained = explain(subject, image, top=1)
        found = minimal_ablation_set(subject, explained)
        if found is None:
            continue
        flipped += 1
        assert found.flips
        first = int(silenced(subject, image, {}).argmax())
        for size in range(1, len(found.concepts)):
            for fewer in combinations(found.concepts, size):
                if size < len(found.concepts) - 1:
                    continue
                silent: Places = {}
                for concept in fewer:
                    for block, units in detectors(subject.run, concept).items():
                        silent.setdefault(block, []).append((units, concept))
                assert int(silenced(subject, image, silent).argmax()) == first
    assert flipped > 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"concepts": ["polka doted"]}, "no concept 'polka doted'. Did you mean 'polka dotted'"),
        ({"units": ["block3/999"]}, "no unit 'block3/999'"),
        ({"concepts": ["polka dotted"], "at": ["block9"]}, "no such block"),
        ({}, "nothing to silence"),
    ],
)
def test_what_cannot_be_silenced(
    subject: RunNetwork, image: Path, given: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        what_if(
            subject,
            image,
            concepts=given.get("concepts", ()),
            units=given.get("units", ()),
            at=given.get("at"),
        )


def test_a_concept_that_no_unit_detects(subject: RunNetwork, image: Path) -> None:
    run = subject.run
    block, unused = next(
        (block, uid)
        for block in run.blocks
        for uid in run.concepts["uid"]
        if not units_of(run, uid, (block,))
    )
    with pytest.raises(QueryError, match=f"no unit of {block} detects"):
        what_if(subject, image, concepts=[unused], at=[block])
