"""Ablations: what the network predicts then, against plain zeroing of its maps."""

from __future__ import annotations

import re
from itertools import combinations, product
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from conceptgraph.errors import QueryError
from conceptgraph.explain.ablation import ablate, minimal_ablation_set
from conceptgraph.explain.ablation_masks import AblationMask, detectors
from conceptgraph.explain.explain import explain
from conceptgraph.explain.network import RunNetwork, open_network
from conceptgraph.graph.run.reader import open_run
from conceptgraph.ingest.statistics.probe_scores import MIN_MCC
from conceptgraph.pages.wording import ablation_outcome, ablation_scope
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from conceptgraph.graph.run.reader import Run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_concept_data(tmp_path_factory.mktemp("drawn"), 12)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return lively_run(data, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def network(run: Run) -> RunNetwork:
    return open_network(run, dtype=torch.float64)


@pytest.fixture(scope="module")
def image(data: Path) -> Path:
    return sorted((data / "images").rglob("*.jpg"))[0]


PlainMasks = dict[str, list[tuple[list[int], str | None]]]
"""By block: units, and the concept at whose positions they are ablated; None for everywhere."""


def ablated_logits(network: RunNetwork, image: Path, masks: PlainMasks) -> Tensor:
    """Logits, one block after another, with maps zeroed by hand."""
    module = network.affine
    x = network.load_image(image)
    with torch.no_grad():
        x = module.get_submodule("maxpool")(
            module.get_submodule("relu")(
                module.get_submodule("bn1")(module.get_submodule("conv1")(x))
            )
        )
        for number in range(1, 5):
            x = module.get_submodule(f"layer{number}")(x)
            before = x.clone()
            for units, concept in masks.get(f"block{number}", []):
                for y, c in product(range(x.shape[2]), range(x.shape[3])):
                    for unit in units:
                        if is_ablated(
                            network.run, f"block{number}", unit, concept, before[0], y, c
                        ):
                            x[0, unit, y, c] = 0
        logits: Tensor = module.get_submodule("fc")(x.mean(dim=(2, 3)))[0]
    return logits


def is_ablated(
    run: Run, block: str, unit: int, concept: str | None, maps: Tensor, y: int, x: int
) -> bool:
    """Whether a unit is ablated at a position."""
    if concept is None:
        return True
    row = run.presence[(run.presence["block"] == block) & (run.presence["concept"] == concept)]
    if not row["usable"].iloc[0]:
        threshold = run.units.set_index("uid").at[f"{block}/{unit}", "threshold"]
        return bool(float(maps[unit, y, x]) > threshold)
    probe = run.probes(block)[:, list(run.concepts["uid"]).index(concept)]
    near = maps[:, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].flatten(1).numpy()
    return bool((probe[:-1] @ near + probe[-1] >= row["threshold"].iloc[0]).any())


def detected_concepts(run: Run) -> list[str]:
    interpretable = set(run.units["uid"][run.interpretable])
    detections = run.detections
    rows = zip(detections["unit"], detections["concept"], detections["iou"], strict=True)
    return sorted({str(c) for unit, c, iou in rows if unit in interpretable and iou > run.min_iou})


def units_of(run: Run, concept: str, blocks: tuple[str, ...]) -> dict[str, list[int]]:
    """The units that detect a concept, the slow way: one unit after another."""
    units: dict[str, list[int]] = {}
    for row, named in zip(run.units.itertuples(), run.interpretable, strict=True):
        if named and row.block in blocks:
            own = run.detections[run.detections["unit"] == row.uid]
            if (own["iou"][own["concept"] == concept] > run.min_iou).any():
                units.setdefault(str(row.block), []).append(int(row.index))  # type: ignore[call-overload]
    return units


def plain_masks(
    run: Run, concept: str, at: tuple[str, ...] | None, *, everywhere: bool
) -> PlainMasks:
    units = detectors(run, concept, at)
    return {block: [(indices, None if everywhere else concept)] for block, indices in units.items()}


@pytest.mark.parametrize("everywhere", [False, True])
def test_the_network_is_run_with_the_units_ablated(
    run: Run, network: RunNetwork, image: Path, *, everywhere: bool
) -> None:
    before = ablated_logits(network, image, {}).softmax(0)
    names = list(run.classes["name"])
    changed = set()
    for concept in detected_concepts(run)[:5]:
        for at in (None, ("block2", "block4"), ("block3",)):
            units = detectors(run, concept, at)
            assert units == units_of(run, concept, at or run.blocks)
            if not units:
                continue
            ablation = ablate(network, image, concepts=[concept], at=at, everywhere=everywhere)
            assert (ablation.concepts, ablation.everywhere) == ((concept,), everywhere)
            masks = plain_masks(run, concept, at, everywhere=everywhere)
            after = ablated_logits(network, image, masks).softmax(0)
            for prediction in ablation.after:
                expected = float(after[names.index(prediction.name)])
                assert prediction.probability == pytest.approx(expected, abs=1e-6)
            for prediction in ablation.before:
                expected = float(before[names.index(prediction.name)])
                assert prediction.probability == pytest.approx(expected, abs=1e-9)
            assert ablation.flips == (int(before.argmax()) != int(after.argmax()))
            assert ablation.changed == bool((before != after).any())
            changed.add(ablation.changed)
    assert changed == {True} if everywhere else True in changed


def test_a_run_is_as_good_as_its_network(run: Run, image: Path) -> None:
    concept = detected_concepts(run)[0]
    ablation = ablate(run, image, concepts=[concept])
    assert ablation == ablate(open_network(run), image, concepts=[concept])
    explanation = explain(run, image, top=1)
    minimal = minimal_ablation_set(run, explanation)
    assert minimal == minimal_ablation_set(open_network(run), explanation)


def test_single_units_and_concepts_at_once(network: RunNetwork, image: Path) -> None:
    concept = detected_concepts(network.run)[0]
    ablation = ablate(network, image, concepts=[concept], units=["block1/3", "block4/0"])
    masks = plain_masks(network.run, concept, None, everywhere=False)
    for block, unit in (("block1", 3), ("block4", 0)):
        masks.setdefault(block, []).append(([unit], None))
    expected = {
        f"{block}/{unit}"
        for block, block_masks in masks.items()
        for units, _ in block_masks
        for unit in units
    }
    assert len(ablation.units) == len(expected)
    assert set(ablation.units) == expected
    after = ablated_logits(network, image, masks).softmax(0)
    assert ablation.after[0].probability == pytest.approx(float(after.max()), abs=1e-6)


def test_what_took_over_is_evidence_for_the_new_prediction(
    network: RunNetwork, image: Path
) -> None:
    concept = detected_concepts(network.run)[0]
    ablation = ablate(network, image, concepts=[concept])
    sizes = [c.contribution for c in ablation.took_over]
    assert all(size > 0 for size in sizes)
    assert sizes == sorted(sizes, reverse=True)
    units = detectors(network.run, concept).get("block3", [])
    if len(units) == network.run.width("block3"):
        assert not ablation.took_over


def test_a_minimal_ablation_set_changes_the_prediction_and_every_concept_is_needed(
    network: RunNetwork, data: Path
) -> None:
    flipped = 0
    for image in sorted((data / "images").rglob("*.jpg"))[:6]:
        ablation = minimal_ablation_set(network, explain(network, image, top=1))
        if ablation is None:
            continue
        flipped += 1
        assert ablation.flips
        assert ablation.is_minimal
        predicted = int(ablated_logits(network, image, {}).argmax())
        for size in range(1, len(ablation.concepts)):
            for fewer in combinations(ablation.concepts, size):
                if size < len(ablation.concepts) - 1:
                    continue
                masks: PlainMasks = {}
                for concept in fewer:
                    for block, units in detectors(network.run, concept).items():
                        masks.setdefault(block, []).append((units, concept))
                assert int(ablated_logits(network, image, masks).argmax()) == predicted
    assert flipped > 0


def test_of_two_classes_a_minimal_ablation_set_changes_which_is_ahead(
    network: RunNetwork, data: Path
) -> None:
    names, to_third = network.class_names, 0
    for image in sorted((data / "images").rglob("*.jpg"))[:4]:
        order = ablated_logits(network, image, {}).argsort(descending=True).tolist()
        first, *_, last = (names[i] for i in order)
        for pair in ((first, last), (last, first)):
            explanation = explain(network, image, pair[0], versus=pair[1], top=1)
            ablation = minimal_ablation_set(network, explanation)
            if ablation is None:
                continue
            assert ablation.overtakes == (last, first)
            before, after = dict(ablation.before), dict(ablation.after)
            assert before[first] > before[last]
            assert after[first] < after[last]
            answer = f"changes to {ablation.after[0].name}" if ablation.flips else "stays"
            outcome = f"the logit of {last} exceeds that of {first}, and the decision {answer}"
            assert ablation_outcome(ablation) == outcome
            to_third += ablation.after[0].name != last
    assert to_third > 0


def test_masks_of_maps_with_three_grid_axes() -> None:
    """As those of a video network: (images, units, times, height, width)."""
    output = torch.zeros(1, 2, 3, 4, 5)
    output[0, 0, 0, 0, 0] = 1
    probe = torch.tensor([1.0, 0.0, -0.5], dtype=torch.float64)
    around = AblationMask((1,), probe).positions(output)
    assert around.shape == (1, 1, 3, 4, 5)
    assert around[0, 0, :2, :2, :2].all()
    assert int(around.sum()) == 8
    own = AblationMask((0, 1), thresholds=torch.tensor([0.5, 0.5])).positions(output)
    assert own.nonzero().tolist() == [[0, 0, 0, 0, 0]]
    assert AblationMask((0,)).positions(output).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"concepts": ["polka doted"]}, "no concept 'polka doted'. Did you mean 'polka dotted'"),
        ({"units": ["block3/999"]}, "no unit 'block3/999'"),
        ({"concepts": ["polka dotted"], "at": ["block9"]}, "no such block"),
        ({}, "nothing to ablate"),
    ],
)
def test_what_cannot_be_ablated(
    network: RunNetwork, image: Path, given: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        ablate(
            network,
            image,
            concepts=given.get("concepts", ()),
            units=given.get("units", ()),
            at=given.get("at"),
        )


def carriers(run: Run, concept: str, block: str) -> list[int]:
    """The units with half of a probe's positive weight × threshold, the slow way."""
    probe = run.probes(block)[:, list(run.concepts["uid"]).index(concept)]
    thresholds = run.units.set_index("uid")["threshold"]
    carried = {
        unit: float(probe[unit]) * float(thresholds[f"{block}/{unit}"])
        for unit in range(run.width(block))
    }
    positive = {unit: amount for unit, amount in carried.items() if amount > 0}
    units: list[int] = []
    while sum(positive[unit] for unit in units) < sum(positive.values()) / 2:
        units.append(max(positive.keys() - units, key=lambda unit: positive[unit]))
    return sorted(units)


def undetected(run: Run) -> Iterator[tuple[str, str, pd.Series[float]]]:
    """Yield blocks and concepts that none of their units detects, with the probe's scores."""
    scores = run.presence.set_index(["block", "concept"])
    for block, uid in product(run.blocks, run.concepts["uid"]):
        if not units_of(run, uid, (block,)):
            yield block, uid, scores.loc[(block, uid)]


@pytest.fixture(scope="module")
def unnamed(run: Run) -> RunNetwork:
    """The network of a run in which no unit detects anything."""
    strict = open_run(run.path)
    strict.manifest["min_iou"] = 0.99
    stated = strict.manifest["model"]["name"]
    return open_network(strict, model=stated, dtype=torch.float64)


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_concept_that_only_its_probe_knows(
    unnamed: RunNetwork, image: Path, *, everywhere: bool
) -> None:
    run = unnamed.run
    names = list(run.classes["name"])
    known = [(block, uid) for block, uid, probe in undetected(run) if probe["usable"]]
    some = [(block, uid) for block, uid in known if carriers(run, uid, block)][:4]
    assert some
    for block, uid in some:
        ablation = ablate(unnamed, image, concepts=[uid], at=[block], everywhere=everywhere)
        units = carriers(run, uid, block)
        assert ablation.units == tuple(f"{block}/{unit}" for unit in units)
        assert ablation.by_probe == (uid,)
        assert f"no unit detects {uid}, so those that carry" in ablation_scope(ablation)
        assert ablation.to_json()["by_probe"] == [uid]
        masks = {block: [(units, None if everywhere else uid)]}
        after = ablated_logits(unnamed, image, masks).softmax(0)
        for prediction in ablation.after:
            expected = float(after[names.index(prediction.name)])
            assert prediction.probability == pytest.approx(expected, abs=1e-6)


def test_a_concept_that_neither_units_nor_probes_find(unnamed: RunNetwork, image: Path) -> None:
    messages = set()
    for block, uid, probe in undetected(unnamed.run):
        message = "none raises the score of its presence probe"
        if not probe["usable"]:
            message = (
                "its presence probes are poor; found a best Matthews correlation of "
                f"{probe['mcc']:.2f}, at least {probe['mcc_low']:.2f}; expected {MIN_MCC:g} or more"
            )
        elif carriers(unnamed.run, uid, block):
            continue
        messages.add(message)
        message = f"no unit of {block} detects '{uid}', and {message}"
        with pytest.raises(QueryError, match=re.escape(message)):
            ablate(unnamed, image, concepts=[uid], at=[block])
    assert len(messages) > 1
