"""Presence probes against ridge regression written out, and counting score by score."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conceptgraph.ingest.engine.process_group import ProcessGroup
from conceptgraph.ingest.inputs import Batch
from conceptgraph.ingest.statistics.batch_labels import labels_of_batch
from conceptgraph.ingest.statistics.block_probes import (
    POSITIONS,
    BlockProbes,
    labelled_positions,
    sum_labelled,
)
from conceptgraph.ingest.statistics.probe_scores import BINS, LOWEST, STEP, ScoreHistograms
from conceptgraph.ingest.statistics.probes import PresenceProbes
from conceptgraph.ingest.statistics.ridge import RIDGE
from tests import reference
from tests.ingest.dissection.test_overlaps import CPU, concept_data, label_statistics_of
from tests.reference import LabelledImage

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from conceptgraph.ingest.statistics.batch_labels import BatchLabels

CATEGORY = [0, 0, 1, 1, 2]  # colors, objects, a scene
UNITS, SIDE = 7, 4
ALONE = ProcessGroup()


def world(images: int, seed: int = 0, mask: int = 8) -> tuple[Tensor, list[LabelledImage]]:
    """Draw maps that hold what the labels say, with noise; some images lack a category."""
    rng = np.random.default_rng(seed)
    maps = rng.random((images, UNITS, SIDE, SIDE)).astype(np.float32)
    labels = []
    for image in range(images):
        color = rng.integers(0, 3, (mask, mask))
        thing = rng.integers(0, 3, (mask, mask))
        thing[thing > 0] += 2
        label_maps = [color, thing] if image % 3 else [color]
        label = LabelledImage(
            np.stack(label_maps).astype(np.uint16), (4,) if image % 5 == 1 else ()
        )
        labels.append(label)
        for concept in range(5):
            there = reference.labelled_positions(label, concept, SIDE, SIDE)
            maps[image, concept] += 2 * there
            maps[image, 6] -= there
    return torch.from_numpy(maps), labels


def batch_labels(
    labelled_images: list[LabelledImage], scratch: Path, first: int, last: int
) -> list[BatchLabels]:
    batch = labelled_images[first:last]
    statistics = label_statistics_of(batch, CATEGORY, scratch, len(batch))
    return labels_of_batch(
        concept_data(batch, CATEGORY), range(len(batch)), 0, statistics, CPU, fitted=0
    )


def annotated(label: LabelledImage, category: int) -> bool:
    members = [c for c, k in enumerate(CATEGORY) if k == category]
    return any(label.has(concept) for concept in members)


def flat(maps: Tensor) -> np.ndarray:
    return maps.double().permute(0, 2, 3, 1).reshape(-1, UNITS).numpy()


def test_probes_are_the_ridge_regression_over_images_annotated_with_the_category(
    tmp_path: Path,
) -> None:
    maps, labels = world(24)
    probes = BlockProbes(UNITS, torch.tensor(CATEGORY), seed=0)
    for number, first in enumerate(range(0, 24, 8)):
        labels_of = batch_labels(labels, tmp_path / str(first), first, first + 8)
        probes.add_sums(probes.sums(maps[first : first + 8], labels_of, number))
    probes.solve(ALONE)
    found = probes.probes.double().numpy()
    for concept, category in enumerate(CATEGORY):
        images = [i for i, label in enumerate(labels) if annotated(label, category)]
        assert len(images) > 0
        there = [reference.labelled_positions(labels[i], concept, SIDE, SIDE) for i in images]
        wanted = np.concatenate([each.ravel() for each in there]).astype(np.float64)
        expected = reference.ridge(flat(maps[images]), wanted, RIDGE)
        assert found[:, concept] == pytest.approx(expected, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(
    ("rows", "columns", "mask"), [(4, 4, 8), (3, 5, 7), (7, 7, 112), (5, 5, 4)]
)
def test_a_position_has_the_label_of_its_middle(
    tmp_path: Path, rows: int, columns: int, mask: int
) -> None:
    _, labels = world(5, mask=mask)
    (group,) = batch_labels(labels, tmp_path, 0, 5)
    chosen = torch.tensor([0, 2, rows * columns - 1, 5])
    there = labelled_positions(group, (rows, columns), chosen)
    assert there.shape == (5, 5, len(chosen))
    for concept in range(5):
        for image, label in enumerate(labels):
            expected = reference.labelled_positions(label, concept, rows, columns).ravel()
            assert there[concept, image].tolist() == expected[chosen].astype(bool).tolist()


def test_thresholds_and_scores_against_counting_scores(tmp_path: Path) -> None:
    maps, labels = world(40, seed=3)
    probes = BlockProbes(UNITS, torch.tensor(CATEGORY), seed=0)
    probes.add_sums(probes.sums(maps[:16], batch_labels(labels, tmp_path / "a", 0, 16), 0))
    probes.solve(ALONE)
    assert SIDE * SIDE <= POSITIONS  # so that every position is used
    held_out = batch_labels(labels[16:], tmp_path / "b", 0, 24)
    positions = probes.positions(maps[16:], held_out, 1)
    probes.histograms.update(probes.scores(positions, 16))
    table = probes.quality()
    solved = probes.probes
    scores = torch.einsum("iuyx,uc->iyxc", maps[16:], solved[:-1]) + solved[-1]
    candidates = LOWEST + STEP * np.arange(BINS, dtype=np.float64)
    for concept, category in enumerate(CATEGORY):
        predicted: dict[int, list[float]] = {0: [], 1: []}
        there: dict[int, list[bool]] = {0: [], 1: []}
        for image, label in enumerate(labels[16:]):
            if annotated(label, category):
                predicted[image % 2] += scores[image, ..., concept].flatten().tolist()
                marked = reference.labelled_positions(label, concept, SIDE, SIDE)
                there[image % 2] += marked.ravel().tolist()
        row = table.iloc[concept]
        threshold = reference.best_threshold(predicted[0], there[0], candidates)
        assert row["threshold"] == pytest.approx(threshold)
        assert row["f1"] == pytest.approx(reference.f1(predicted[1], there[1], threshold))
        assert row["mcc"] == pytest.approx(reference.mcc(predicted[1], there[1], threshold))
        assert row["mcc_low"] <= row["mcc"] <= row["mcc_high"]
        assert row["positions"] == sum(there[1])
        right = sum(s >= threshold and t for s, t in zip(predicted[1], there[1], strict=True))
        assert row["recall"] == pytest.approx(right / sum(there[1]))
        assert row["precision"] == pytest.approx(right / sum(s >= threshold for s in predicted[1]))
    assert (table["f1"] > 0.8).all()  # the concepts really are in the maps


def asked_world(images: int) -> tuple[Tensor, list[LabelledImage]]:
    """The same, but about the scene somebody was asked in two of three images only."""
    maps, labels = world(images, seed=7)
    asked = []
    for number, label in enumerate(labels):
        absent = (4,) if not label.image_labels and number % 3 else ()
        asked.append(label._replace(absent=absent))
    return maps, asked


def test_an_image_in_which_nobody_was_asked_counts_neither_way(tmp_path: Path) -> None:
    """Its share elsewhere stands for the answer in the fit; scores leave the image out."""
    maps, labels = asked_world(48)
    known = [bool(label.image_labels or label.absent) for label in labels]
    assert 0 < sum(known[:24]) < 24
    probes = BlockProbes(UNITS, torch.tensor(CATEGORY), seed=0)
    groups = batch_labels(labels[:24], tmp_path / "a", 0, 24)
    probes.add_sums(probes.sums(maps[:24], groups, 0))
    probes.solve(ALONE)
    annotated_images = groups[0].has_category[:, CATEGORY[4]].bool().tolist()
    share = float(np.mean([bool(labels[i].image_labels) for i in range(24) if known[i]]))
    answer = [1.0 * bool(labels[i].image_labels) if known[i] else share
              for i in range(24) if annotated_images[i]]  # fmt: skip
    wanted = np.repeat(np.array(answer), SIDE * SIDE)
    expected = reference.ridge(flat(maps[:24][annotated_images]), wanted, RIDGE)
    assert probes.probes.double().numpy()[:, 4] == pytest.approx(expected, rel=1e-3, abs=1e-3)
    held_out = batch_labels(labels[24:], tmp_path / "b", 0, 24)
    counts = probes.scores(probes.positions(maps[24:], held_out, 1), 24)
    assert counts[:, :, 4, :BINS].sum() == SIDE * SIDE * sum(known[24:])
    assert counts[:, :, 4, BINS].sum() == sum(known[24:])


def test_batches_may_be_added_in_any_order(tmp_path: Path) -> None:
    """So that shards of the images can be added up to the same probes, to the last bit."""
    maps, labels = world(24, seed=5)
    spans = [(0, 8), (8, 16), (16, 24)]
    found = []
    for number, order in enumerate(([0, 1, 2], [2, 0, 1])):
        probes = BlockProbes(UNITS, torch.tensor(CATEGORY), seed=0)
        for batch in order:
            a, b = spans[batch]
            labels_of = batch_labels(labels, tmp_path / f"{number}{a}", a, b)
            probes.add_sums(probes.sums(maps[a:b], labels_of, batch))
        probes.solve(ALONE)
        found.append(probes.probes)
    assert torch.equal(*found)


def test_held_out_images_are_not_fitted_on(tmp_path: Path) -> None:
    maps, labels = world(24, seed=5)
    cuts = list(pairwise([0, 10, 20, 24]))
    probes = PresenceProbes(13, torch.tensor(CATEGORY), 0, ALONE)
    probes.start({"block1": torch.ones(UNITS)})
    groups = [batch_labels(labels, tmp_path / str(a), a, b) for a, b in cuts]
    batches = [Batch(number, a, range(a, b)) for number, (a, b) in enumerate(cuts)]
    outputs = [{"block1": maps[a:b]} for a, b in cuts]
    first, *others = [probes.partial(*each) for each in zip(outputs, groups, batches, strict=True)]
    probes.update(first)
    for partial in others:  # computed before the probes were solved
        assert partial.held_out
        assert not partial.scores
        probes.update(partial)
    alone = BlockProbes(UNITS, torch.tensor(CATEGORY), seed=0)
    alone.add_sums(alone.sums(maps[:10], groups[0], 0))
    alone.add_sums(alone.sums(maps[10:13], batch_labels(labels, tmp_path / "b", 10, 13), 1))
    alone.solve(ALONE)
    assert torch.equal(probes.blocks["block1"].probes, alone.probes)
    held_out = sum(
        int(reference.labelled_positions(label, 0, SIDE, SIDE).sum())
        for number, label in enumerate(labels)
        if number >= 13 and number % 2
    )
    assert probes.blocks["block1"].quality()["positions"][0] == held_out


@given(seed=st.integers(0, 2**16), concepts=st.integers(1, 9), positions=st.integers(1, 30))
def test_sums_of_what_concepts_label(seed: int, concepts: int, positions: int) -> None:
    rng = np.random.default_rng(seed)
    flags = rng.random((concepts, positions)) < 0.3
    values = rng.normal(size=(positions, 4)).astype(np.float32)
    for dense in (False, True):
        sums = sum_labelled(torch.from_numpy(values), torch.from_numpy(flags), dense=dense)
        np.testing.assert_allclose(sums, flags.astype(float) @ values, atol=1e-5)


def test_what_never_occurs_is_never_there(tmp_path: Path) -> None:
    maps, labels = world(8)
    probes = BlockProbes(UNITS, torch.tensor([*CATEGORY, 1]), seed=0)
    data = concept_data(labels, [*CATEGORY, 1])
    statistics = label_statistics_of(labels, [*CATEGORY, 1], tmp_path, 8)
    groups = labels_of_batch(data, range(8), 0, statistics, CPU, fitted=0)
    probes.add_sums(probes.sums(maps, groups, 0))
    probes.solve(ALONE)
    probes.histograms.update(probes.scores(probes.positions(maps, groups, 1), 8))
    assert (probes.probes[:, 5] == 0).all()
    row = probes.quality().iloc[5]
    assert (row["f1"], row["positions"]) == (0, 0)


def test_scores_beyond_the_bins_are_counted_in_the_last_ones() -> None:
    histograms = ScoreHistograms(1, CPU)
    scores = torch.tensor([[[-100.0], [100.0]], [[-100.0], [100.0]]])
    every = torch.ones(2, 1, dtype=torch.bool)
    there, half = torch.tensor([[[False, True], [False, True]]]), torch.tensor([0, 1])
    histograms.update(histograms.partial(scores, there, every, half))
    row = histograms.table().iloc[0]
    assert (row["f1"], row["precision"], row["recall"]) == (1, 1, 1)


def test_always_yes_is_no_probe() -> None:
    """Where a concept is at nine of ten positions, its F1 is .95 and its correlation 0."""
    rng = np.random.default_rng(0)
    histograms = ScoreHistograms(2, CPU)
    for first in range(0, 200, 20):
        there = torch.from_numpy(rng.random((2, 20, 50)) < 0.9)
        told = torch.stack([torch.zeros(20, 50), there[1].float()], dim=2)
        noise = torch.from_numpy(rng.normal(size=(20, 50, 2))).float()
        half = torch.arange(first, first + 20) % 2
        every = torch.ones(20, 2, dtype=torch.bool)
        histograms.update(histograms.partial(3 * told + noise, there, every, half))
    blind, seeing = (row for _, row in histograms.table().iterrows())
    assert blind["f1"] > 0.9
    assert abs(blind["mcc"]) < 0.1
    assert not blind["usable"]
    assert seeing["usable"]
    assert 0.3 < seeing["mcc_low"] < seeing["mcc"] < seeing["mcc_high"]


def test_few_images_are_no_evidence() -> None:
    """A perfect score at many positions of two images is no evidence; of forty images it is."""
    for images, usable in ((4, False), (80, True)):
        there = torch.zeros(1, images, 60, dtype=torch.bool)
        there[:, : images // 2] = True
        scores = there.permute(1, 2, 0).float()
        histograms = ScoreHistograms(1, CPU)
        every = torch.ones(images, 1, dtype=torch.bool)
        half = torch.arange(images) % 2
        histograms.update(histograms.partial(scores, there, every, half))
        row = histograms.table().iloc[0]
        assert row["mcc"] == pytest.approx(1)
        assert row["usable"] == usable
