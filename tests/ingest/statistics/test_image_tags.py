"""AUC of units for concepts of whole images: against scipy, by counting pairs, and by chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, mannwhitneyu

from conceptgraph.ingest.statistics.image_tags import (
    ABSENT,
    PRESENT,
    UNITS,
    UNKNOWN,
    TagScores,
    score_tags,
)
from conceptgraph.ingest.statistics.significance import largest_significant
from tests import reference


def scores(peaks: np.ndarray, answers: np.ndarray) -> TagScores:
    return score_tags(
        peaks.astype(np.float32), answers.astype(np.uint8), np.arange(answers.shape[1])
    )


def drawn(images: int, units: int, tags: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Peaks with many ties at 0, as ReLU gives them, and answers of which a third is unknown."""
    rng = np.random.default_rng(seed)
    peaks = np.maximum(rng.normal(size=(images, units)).round(1), 0)
    answers = rng.integers(0, 3, (images, tags))
    answers[:, -1] = rng.integers(ABSENT, PRESENT + 1, images)
    return peaks, answers


def test_auc_and_p_are_those_of_mann_whitney() -> None:
    peaks, answers = drawn(200, UNITS + 3, 4)
    found = scores(peaks, answers)
    for tag in range(4):
        there, not_there = (peaks[answers[:, tag] == kind] for kind in (PRESENT, ABSENT))
        expected = mannwhitneyu(there, not_there, alternative="greater", method="asymptotic")
        pairs = len(there) * len(not_there)
        np.testing.assert_allclose(found.auc[:, tag], expected.statistic / pairs, rtol=1e-12)
        np.testing.assert_allclose(found.p[:, tag], expected.pvalue, rtol=1e-9)


def test_auc_is_the_share_of_pairs() -> None:
    peaks, answers = drawn(30, 5, 3, seed=1)
    found = scores(peaks, answers)
    said = {UNKNOWN: None, ABSENT: False, PRESENT: True}
    for unit, tag in np.ndindex(5, 3):
        expected = reference.auc(peaks[:, unit].tolist(), [said[a] for a in answers[:, tag]])
        assert found.auc[unit, tag] == pytest.approx(expected)


def test_p_are_uniform_by_chance_and_few_labels_significant() -> None:
    rng = np.random.default_rng(2)
    peaks = np.maximum(rng.normal(size=(300, 400)), 0)
    answers = np.where(rng.random((300, 6)) < 0.2, PRESENT, ABSENT)
    found = scores(peaks, answers)
    assert kstest(found.p.ravel(), "uniform").statistic < 0.04
    assert largest_significant(found.p, 0.05) < 0
    covered = (found.low < 0.5).mean()  # one-sided 97.5 %
    assert 0.96 < covered < 0.99


def test_a_unit_that_tells_a_tag_is_found_among_others() -> None:
    rng = np.random.default_rng(3)
    peaks = rng.random((200, 50))
    answers = np.where(rng.random((200, 3)) < 0.3, PRESENT, ABSENT)
    peaks[:, 7] += answers[:, 1] == PRESENT
    found = scores(peaks, answers)
    assert found.auc[7, 1] == 1
    assert found.p[7, 1] <= largest_significant(found.p, 0.05)
    assert found.low[7, 1] == 1


def test_nothing_is_known_without_images_of_both_kinds() -> None:
    peaks, _ = drawn(10, 3, 2)
    answers = np.tile([PRESENT, ABSENT, UNKNOWN, PRESENT], (10, 1))
    answers[0, 3] = UNKNOWN
    found = scores(peaks, answers)
    for values in (found.auc, found.low, found.p):
        assert np.isnan(values).all()


def test_a_dead_unit_tells_nothing() -> None:
    _, answers = drawn(40, 1, 2)
    found = scores(np.zeros((40, 1)), answers)
    assert found.auc.tolist() == [[0.5, 0.5]]
    assert found.p.tolist() == [[1, 1]]
