"""Open-vocabulary labels: which word of a list the images have on which a unit is strong.

1. peaks    the network runs on the images: the largest activation of every unit in each
2. strong   a unit is strong in the tenth of one half of the images in which its peaks are highest,
            and in those of the other half with peaks as high
3. word     the word whose similarity tells the strong images of the first half best (AUC)
4. test     the AUC of this one word on the other half, which had no part in its choice: p under
            permutations of these images, at a false discovery rate over the units; and whether it,
            or a word that is nearly the same to these embeddings, is the best one there, too

A word is given if it is, and the AUC exceeds .5 by half of what there is above it, as the precision
of names by masks; else none of the words. So the test is one for each unit, however long the list:
words that have nothing to do with a unit change nothing. Beside it stands the word by soft weighted
pointwise mutual information, as CLIP-Dissect has it (Oikarinen and Weng 2023), which always gives
one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch

from ..errors import DataError
from ..graph.run.word_labels import WordLabels
from ..graph.uids import unit_uid
from ..ingest.network.forward import record_outputs
from ..ingest.sources.embeddings import FEWEST_IMAGES
from ..ingest.statistics.auc import auc_lower_end, mann_whitney
from ..ingest.statistics.significance import largest_significant
from ..progress import NoProgress
from .network import network_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ..graph.run.reader import Run
    from ..ingest.sources.embeddings.folder import Embeddings
    from ..progress import Progress
    from .network import RunNetwork

STRONG = 0.1
"""Share of the images in which a unit is strong."""
SYNONYMS = 0.95
"""Correlation over the images from which two words are nearly the same."""
FEWEST = 5
"""Strong images in either half, at least, for a word; and others."""
BATCH = 32
SHARPNESS, WEIGHTS = 10.0, (0.998, 0.97)
"""Of CLIP-Dissect: of the softmax over words; and w of the strongest image, and of the last."""


def label_by_words(
    run: Run | RunNetwork,
    embeddings: Embeddings,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> WordLabels:
    """Label the units of a run with words.

    Args:
        run: an open run, or its network from `open_network`.
        embeddings: of images and words.
        seed: of the halves of the images.
        progress: told of the images.

    Raises:
        DataError: too few images, or too few that are there and can be read.
        ModelError: the network cannot be loaded.
    """
    network, progress = network_of(run), progress or NoProgress()
    there = _images_there(embeddings, progress)
    peaks, read = image_peaks(network, [embeddings.files[row] for row in there], progress)
    _check_enough(len(read), f" of {len(embeddings.files)} that can be read")
    similarity = embeddings.similarity[there[read]]
    tables = [
        _table(block, score_words(values, similarity, seed), embeddings.words)
        for block, values in peaks.items()
    ]
    labels: pd.DataFrame = pd.concat(tables, ignore_index=True)
    settings = network.run.settings
    limit = largest_significant(labels["p"].to_numpy(), settings.significance)
    labels["significant"] = labels["p"] <= limit
    is_large = 2 * labels["auc"] - 1 > settings.min_precision
    is_sure = (labels["auc_low"] > 0.5) & labels["significant"]
    labels["holds"] = labels["repeats"] & is_large & is_sure
    return WordLabels(labels, embeddings.model, len(read), len(embeddings.words))


def _images_there(embeddings: Embeddings, progress: Progress) -> NDArray[np.int64]:
    """Return which images exist; say how many do not, in one line."""
    files = embeddings.files
    _check_enough(len(files))
    there = [row for row, file in enumerate(files) if file.is_file()]
    missing = f"{len(files) - len(there):,} of {len(files):,} images not found"
    if len(there) < FEWEST_IMAGES:
        remedy = "Name the folder of the photographs with --images"
        raise DataError(missing, file=embeddings.images, remedy=remedy)
    if len(there) < len(files):
        progress.note(f"left out: {missing} in {embeddings.images}")
    return np.array(there, dtype=np.int64)


def _check_enough(images: int, remark: str = "") -> None:
    if images < FEWEST_IMAGES:
        raise DataError(
            "too few images for labels",
            found=f"{images}{remark}",
            expected=f"at least {FEWEST_IMAGES}",
        )


def image_peaks(
    network: RunNetwork, files: Sequence[Path], progress: Progress
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.int64]]:
    """Run a network on images.

    Returns:
        The largest activation of every unit, by block float32 (images, units); and which images
        these are, the others cannot be read.
    """
    stages = {block: network.stage(block) for block in network.run.blocks}
    peaks: dict[str, list[NDArray[np.float32]]] = {block: [] for block in stages}
    read: list[int] = []
    waiting: list[torch.Tensor] = []

    def run_batch() -> None:
        with record_outputs(stages) as outputs, torch.inference_mode():
            network.module(torch.cat(waiting))
            for block, parts in peaks.items():
                parts.append(outputs[block].flatten(2).amax(dim=2).float().numpy())
        waiting.clear()

    with progress.step("images", len(files)) as advance:
        for number, image in enumerate(network.load_images(files)):
            if isinstance(image, str):
                progress.note(f"left out: {image}")
            else:
                read.append(number)
                waiting.append(image)
            if len(waiting) == BATCH:
                run_batch()
            advance(1)
        if waiting:
            run_batch()
    joined = {block: np.concatenate(parts) for block, parts in peaks.items() if parts}
    return joined, np.array(read, dtype=np.int64)


class WordScores(NamedTuple):
    """The best word of each unit of a block.

    Attributes:
        word: int64 (units,), of the list; -1 where a unit is strong in too few images.
        auc: float64 (units,), on the other half.
        low: lower end of its 95 % interval.
        p: under permutations; NaN where there is no word.
        repeats: bool (units,), whether the word is the best one on the other half, too.
        wpmi: int64 (units,), the word with the largest soft WPMI.
        strong: int64 (units,), images of the other half in which it is strong.
        near: int64 (units,), images of the other half that are the nearest to the word, about as
            large a share.
        intersection: int64 (units,), images that are both.
    """

    word: NDArray[np.int64]
    auc: NDArray[np.float64]
    low: NDArray[np.float64]
    p: NDArray[np.float64]
    repeats: NDArray[np.bool_]
    wpmi: NDArray[np.int64]
    strong: NDArray[np.int64]
    near: NDArray[np.int64]
    intersection: NDArray[np.int64]


def score_words(
    peaks: NDArray[np.float32], similarity: NDArray[np.float32], seed: int
) -> WordScores:
    """Choose a word for each unit on one half of the images, and test it on the other.

    Args:
        peaks: (images, units).
        similarity: (images, words).
        seed: of the halves.
    """
    images, units = peaks.shape
    order = np.random.default_rng(seed).permutation(images)
    halves = order[: images // 2], order[images // 2 :]
    least = np.quantile(peaks[halves[0]], 1 - STRONG, axis=0, method="higher")
    strong = [(peaks[half] >= least) & (peaks[half] > 0) for half in halves]
    counts = np.array([flags.sum(axis=0) for flags in strong])
    sizes = np.array([[len(half)] for half in halves])
    usable = np.flatnonzero(((counts >= FEWEST) & (sizes - counts >= FEWEST)).all(axis=0))
    word = np.full(units, -1)
    auc, low, p = np.full((3, units), np.nan)
    repeats = np.zeros(units, np.bool_)
    near, intersection = np.zeros((2, units), np.int64)
    if len(usable):
        choice, _ = mann_whitney(similarity[halves[0]], strong[0][:, usable])
        word[usable] = choice.argmax(axis=0)
        tested, tested_p = mann_whitney(similarity[halves[1]], strong[1][:, usable])
        chosen = word[usable], np.arange(len(usable))
        present = counts[1][usable]
        lows = auc_lower_end(tested, present, len(halves[1]) - present)
        auc[usable], low[usable], p[usable] = tested[chosen], lows[chosen], tested_p[chosen]
        repeats[usable] = _nearly_same(similarity, word[usable], tested.argmax(axis=0))
        is_near = _nearest_images(similarity[halves[1]])[:, word[usable]]
        near[usable] = is_near.sum(axis=0)
        intersection[usable] = (is_near & strong[1][:, usable]).sum(axis=0)
    wpmi = soft_wpmi(peaks, similarity).argmax(axis=1)
    return WordScores(word, auc, low, p, repeats, wpmi, counts[1], near, intersection)


def _nearest_images(similarity: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which images are the nearest to each word, with ties, bool (images, words)."""
    least = np.quantile(similarity, 1 - STRONG, axis=0, method="higher")
    nearest: NDArray[np.bool_] = similarity >= least
    return nearest


def _nearly_same(
    similarity: NDArray[np.float32], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return whether pairs of words have nearly the same similarities, bool (pairs,)."""
    centred = similarity.astype(np.float64) - similarity.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=0)
    products = (centred[:, first] * centred[:, second]).sum(axis=0)
    same: NDArray[np.bool_] = first == second
    same |= products >= SYNONYMS * lengths[first] * lengths[second]
    return same


def soft_wpmi(peaks: NDArray[np.float32], similarity: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the soft weighted pointwise mutual information of units and words, (units, words).

    With x the images in which a unit is strongest, and p(t | x) the softmax over the words:
    log p(t | unit) = Σ_x log(1 + w(x) (p(t | x) − 1)), less the log of its mean over the units.

    Args:
        peaks: (images, units).
        similarity: (images, words), cosines.
    """
    given = np.exp(SHARPNESS * similarity.astype(np.float64))
    given /= given.sum(axis=1, keepdims=True)
    count = min(100, max(FEWEST, int(STRONG * len(peaks))))
    strongest = np.argsort(-peaks, axis=0, kind="stable")[:count]
    weight = np.linspace(*WEIGHTS, count, endpoint=False)[:, None]
    log_p = np.stack(
        [np.log(1 + weight * (given[images] - 1) + 1e-7).sum(axis=0) for images in strongest.T]
    )
    top = log_p.max(axis=0)
    scores: NDArray[np.float64] = log_p - top - np.log(np.exp(log_p - top).mean(axis=0))
    return scores


def _table(block: str, scores: WordScores, words: Sequence[str]) -> pd.DataFrame:
    names = np.array([*words, None], dtype=object)
    frame: pd.DataFrame = pd.DataFrame(
        {
            "unit": [unit_uid(block, unit) for unit in range(len(scores.word))],
            "block": block,
            "word": names[scores.word],
            "auc": scores.auc,
            "auc_low": scores.low,
            "p": scores.p,
            "repeats": scores.repeats,
            "strong": scores.strong,
            "near": scores.near,
            "intersection": scores.intersection,
            "wpmi_word": names[scores.wpmi],
        }
    )
    return frame
