"""Concepts that label whole images: how well a unit tells the images with them from those without.

IoU is the wrong measure for them: a unit fires on a part of the image, wherever it is. So

1. peaks    the forward pass stores, for each image, the largest activation of every unit (its
            peak), and what is said of each such concept: it is there, it is not, or nobody knows
2. AUC      the share of pairs of an image with and one without the concept in which the former has
            the higher peak; a tie is half a pair. Only images count of which an answer is known

`auc` computes it, with its p under permutations of the answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ..engine.scratch import TensorFile
from .auc import auc_lower_end, mann_whitney
from .batch_labels import labelled_images

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from ..concept_data.concepts import ConceptData
    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup
    from ..engine.scratch import DeviceCache
    from .batch_labels import BatchLabels

UNKNOWN, ABSENT, PRESENT = 0, 1, 2
"""What is known of a concept and an image."""
UNITS = 256
"""Ranked at a time, which bounds memory."""
_ANSWERS = "answers"


def tag_columns(data: ConceptData) -> NDArray[np.int64]:
    """Return the columns of the concepts that label whole images, ascending."""
    columns = {column for image in data.images for column in (*image.image_labels, *image.absent)}
    return np.array(sorted(columns), dtype=np.int64)


class TagPartial(NamedTuple):
    """What a batch adds.

    Attributes:
        batch: its number.
        peaks: of each block, float32 (images, units).
        answers: uint8 (images, tags), `UNKNOWN`, `ABSENT` or `PRESENT`.
    """

    batch: int
    peaks: Mapping[str, Tensor]
    answers: Tensor


class ImageTags:
    """Peaks of all units, and answers about the tags, image by image; in scratch files.

    Attributes:
        columns: int64 (tags,), concept columns of the tags; where there are none, nothing is kept.
    """

    def __init__(
        self, columns: NDArray[np.int64], category: Tensor, scratch: Path, cache: DeviceCache
    ) -> None:
        """Prepare.

        Args:
            columns: as `tag_columns` gives them.
            category: int64 (concepts,), each concept's category, on the device of the work.
            scratch: folder of the files.
            cache: on the device, for what they hold.
        """
        self.columns = columns
        self._tags = torch.from_numpy(columns).to(category.device)
        self._category = category[self._tags]
        self._scratch = scratch
        self._cache = cache
        self._files: dict[str, TensorFile] = {}

    def partial(
        self, batch: int, maps: Mapping[str, Tensor], labels: Sequence[BatchLabels]
    ) -> TagPartial | None:
        """Compute what a batch adds; None without tags.

        Args:
            batch: its number.
            maps: of each block, (images, units, *grid).
            labels: of its images.
        """
        if not len(self.columns):
            return None
        number = torch.cat([group.number for group in labels])
        answers = torch.cat([self._answers(group) for group in labels])
        order = number.argsort().to(answers.device, non_blocking=True)
        peaks = {block: each.flatten(2).amax(dim=2).float() for block, each in maps.items()}
        return TagPartial(batch, peaks, answers[order])

    def _answers(self, labels: BatchLabels) -> Tensor:
        """Return what is known of the tags; as `TagPartial.answers`."""
        present = labelled_images(labels.label_maps, labels.image_labels)[:, self._tags]
        annotated = labels.annotated.to(present.device, non_blocking=True) > 0
        known = annotated[:, self._category] | present
        if labels.unknown is not None:
            known &= ~labels.unknown[:, self._tags]
        return known.to(torch.uint8) + present.to(torch.uint8)

    def update(self, partial: TagPartial | None) -> None:
        """Store what a batch adds."""
        if partial is not None:
            for block, values in partial.peaks.items():
                self._file(block).append(partial.batch, values)
            self._file(_ANSWERS).append(partial.batch, partial.answers)

    def _file(self, name: str, state: State | None = None) -> TensorFile:
        if name not in self._files:
            kind = torch.uint8 if name == _ANSWERS else torch.float32
            self._files[name] = TensorFile(self._scratch / f"tags {name}", kind, self._cache, state)
        return self._files[name]

    def state_dict(self) -> State:
        """Return where all that is stored lies, safe on the disk."""
        return {name: file.state_dict() for name, file in self._files.items()}

    def load_state_dict(self, state: State) -> None:
        """Continue from an earlier `state_dict`."""
        for name, of_file in state.items():
            self._file(name, of_file)

    def gather(
        self, block: str, batches: Sequence[int], group: ProcessGroup
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Return the peaks of a block and the answers, of all ranks, as `score_tags` takes them.

        Args:
            block: its name.
            batches: whose peaks are stored here.
            group: ranks that have stored the others.
        """
        device = torch.device("cpu")
        parts = {
            batch: tuple(self._files[name].read(batch, device).cpu() for name in (block, _ANSWERS))
            for batch in batches
        }
        gathered = {batch: part for parts_of in group.all_gather(parts)
                    for batch, part in parts_of.items()}  # fmt: skip
        peaks, answers = zip(*(gathered[batch] for batch in sorted(gathered)), strict=True)
        return torch.cat(peaks).numpy(), torch.cat(answers).numpy()

    def close(self) -> None:
        """Delete the scratch files."""
        for file in self._files.values():
            file.close()


class TagScores(NamedTuple):
    """How well units of a block tell images with a tag from those without.

    Attributes:
        columns: int64 (tags,), of the concepts.
        auc: float64 (units, tags); NaN where no image has the tag, or all have it.
        low: lower end of its 95 % interval.
        p: how often an AUC is as large if answers are permuted among images.
    """

    columns: NDArray[np.int64]
    auc: NDArray[np.float64]
    low: NDArray[np.float64]
    p: NDArray[np.float64]


def score_tags(
    peaks: NDArray[np.float32], answers: NDArray[np.uint8], columns: NDArray[np.int64]
) -> TagScores:
    """Compute the AUC of units for tags.

    Args:
        peaks: (images, units).
        answers: (images, tags), `UNKNOWN`, `ABSENT` or `PRESENT`.
        columns: int64 (tags,), of the concepts.
    """
    present, absent = ((answers == answer).sum(axis=0) for answer in (PRESENT, ABSENT))
    auc, p = np.full((2, peaks.shape[1], answers.shape[1]), np.nan)
    for known, known_tags in _same_images(answers != UNKNOWN):
        tags = known_tags[(present[known_tags] > 0) & (absent[known_tags] > 0)]
        if not len(tags):
            continue
        there = answers[np.ix_(known, tags)] == PRESENT
        for units in np.array_split(np.arange(peaks.shape[1]), -(-peaks.shape[1] // UNITS)):
            scores = mann_whitney(peaks[np.ix_(known, units)], there)
            auc[np.ix_(units, tags)], p[np.ix_(units, tags)] = scores
    return TagScores(columns, auc, auc_lower_end(auc, present, absent), p)


def _same_images(known: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield images, and the tags of which something is known in exactly these."""
    groups: dict[bytes, list[int]] = {}
    for tag, column in enumerate(known.T):
        groups.setdefault(column.tobytes(), []).append(tag)
    for tags in groups.values():
        yield np.flatnonzero(known[:, tags[0]]), np.array(tags)
