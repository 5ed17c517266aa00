"""Evidence of many images: for each, what every region of every block adds to the predicted class.

What is explained is the logit of the predicted class less the mean of all logits, or less that of
another class: this takes out what an image adds to all classes alike. As the sums of an image are
exact, means over images add up, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ..graph.run.schema import Number, Share  # noqa: TC001 (msgspec reads them)
from ..graph.uids import concept_uid, split_concept
from .decomposition import Decomposition, decompose, evidence_maps
from .flows import FlowNode, concept_flows
from .line_file import LineFile
from .presence import concept_presence
from .regions import by_category, partitions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ..graph.run.reader import Run
    from .network import RunNetwork


class RegionKey(NamedTuple):
    """A region that images may have: a concept of a category in a block, or none of them (None)."""

    block: str
    category: str
    name: str | None


@dataclass(frozen=True)
class EvidenceRow:
    """One image.

    Attributes:
        file: the image.
        unreadable: why it could not be read, if so; then what follows is empty.
        predicted: the predicted class.
        total: what is explained, in units of the logit.
        biases: for each block, the bias terms after it.
        evidence: by `RegionKey`, in the order of `ImageEvidence.keys`.
        coverage: likewise, the share of the image where it is found.
    """

    file: str
    unreadable: str | None = None
    predicted: str = ""
    total: Number = 0.0
    biases: tuple[Number, ...] = ()
    evidence: tuple[Number, ...] = ()
    coverage: tuple[Share, ...] = ()


class EvidenceFile(LineFile[EvidenceRow]):
    """A row for each image, in their order."""

    kind: ClassVar[object] = EvidenceRow

    def of(self, files: Sequence[Path]) -> Iterator[EvidenceRow]:
        """Yield all rows, given the images that they must be of.

        Raises:
            RunError: they are of other images, which whoever made the run would choose.
        """
        for row, file in zip_longest(self, files):
            if row is None or file is None or row.file != str(file):
                raise self.unfit("not the evidence of these images")
            yield row


@dataclass(frozen=True)
class FlowRow:
    """The flows of one image, between the last two blocks.

    Attributes:
        predicted: the predicted class.
        flows: source and target (category, name), and evidence.
    """

    predicted: str
    flows: tuple[tuple[str, str | None, str, str | None, Number], ...]


class FlowFile(LineFile[FlowRow]):
    """A row for each image whose flows were computed."""

    kind: ClassVar[object] = FlowRow

    def of(self, run: Run) -> Iterator[FlowRow]:
        """Yield all rows.

        Raises:
            RunError: they name what the run does not have.
        """
        categories = {split_concept(uid)[0] for uid in run.known("concept")}
        for row in self:
            places = {place for flow in row.flows for place in (flow[:2], flow[2:4])}
            fits = all(
                category in categories if name is None
                else concept_uid(category, name) in run.known("concept")
                for category, name in places
            )  # fmt: skip
            if not fits or row.predicted not in run.known("class"):
                raise self.unfit("flows of another run")
            yield row


def directions(classes: int, versus: int | None = None) -> Tensor:
    """Return what is explained of each class, as weights of the logits; (classes, classes).

    It is the class's logit less the mean of all, or less that of `versus`. Of a network that says
    yes or no there is one logit, and nothing to compare it with.
    """
    each = torch.eye(classes)
    if versus is not None:
        return each - each[versus]
    return each if classes == 1 else each - each.mean(0)


class ImageEvidence:
    """Makes the rows of batches of images.

    Attributes:
        blocks: all that the run dissected, up to the last.
        keys: the regions of a row.
    """

    def __init__(self, network: RunNetwork, versus: int | None = None) -> None:
        """Prepare.

        Args:
            network: of the run.
            versus: index of a class to compare with; None means the mean of all classes.
        """
        self.network = network
        self.blocks = network.all_blocks()
        self._presence = [concept_presence(network.run, block) for block in self.blocks]
        self._groups = [by_category(presence.concepts) for presence in self._presence]
        self._directions = directions(len(network.class_names), versus).to(network.dtype)
        self._classes = network.class_names
        self.keys = [
            RegionKey(block, category, name)
            for block, presence, groups in zip(
                self.blocks, self._presence, self._groups, strict=True
            )
            for category, members in groups.items()
            for name in (*(presence.concepts[i].name for i in members), None)
        ]

    def rows(self, files: Sequence[str], images: Sequence[Tensor | str]) -> list[EvidenceRow]:
        """Return one row for each image; for one that could not be read, with the reason."""
        readable = [image for image in images if isinstance(image, Tensor)]
        rows = self._rows(torch.cat(readable)) if readable else iter(())
        return [
            EvidenceRow(file, image) if isinstance(image, str) else EvidenceRow(file, *next(rows))
            for file, image in zip(files, images, strict=True)
        ]

    def row(self, file: str, image: Tensor, explained: int) -> EvidenceRow:
        """Return the row of one image for a class, whatever its prediction."""
        return EvidenceRow(file, *next(self._rows(image, explained)))

    def _rows(self, batch: Tensor, explained: int | None = None) -> Iterator[tuple[Any, ...]]:
        """Yield the values of rows after `file`; images are independent, so one VJP serves all.

        Args:
            batch: of images.
            explained: index of a class; None means each image's predicted one.
        """
        logits, maps = self.network.forward_for_gradients(batch, self.blocks)
        predicted = logits.detach().argmax(dim=1)
        if explained is not None:
            predicted = torch.full_like(predicted, explained)
        values = (self._directions[predicted] * logits).sum(dim=1)
        evidence, totals = evidence_maps(values.sum(), maps), values.detach()
        sums, covers, biases = [], [], []
        for number, block_evidence in enumerate(evidence):
            found = self._presence[number].find(maps[number].detach()).flatten(2)
            flat = block_evidence.flatten(1).double()
            biases.append(totals.double() - flat.sum(dim=1))
            for members in self._groups[number].values():
                amounts, covered = _gather(found[:, members], flat)
                sums.append(amounts)
                covers.append(covered)
        arrays = [_lists(sums, len(batch)), _lists(covers, len(batch))]
        per_block = torch.stack(biases, dim=1).tolist()
        for i, row in enumerate(zip(*arrays, strict=True)):
            name = self._classes[int(predicted[i])]
            yield None, name, float(totals[i]), tuple(per_block[i]), *map(tuple, row)

    def flows(self, batch: Tensor) -> FlowRow:
        """Return the flows of one image between the last two blocks."""
        blocks = self.blocks[-2:]
        logits, output = self.network.forward(batch, blocks[0])
        predicted = int(logits[0].argmax())
        downstream = self.network.downstream(blocks)
        decomposition: Decomposition = decompose(downstream, output, self._directions[predicted])
        presence = self._presence[-len(blocks) :]
        divided = [
            partitions(p.concepts, p.find(maps))
            for p, maps in zip(presence, decomposition.maps, strict=True)
        ]
        flows = concept_flows(downstream, decomposition, blocks, 0, divided)
        return FlowRow(
            self._classes[predicted],
            tuple((*_place(f.source), *_place(f.target), f.evidence) for f in flows),
        )


def _place(node: FlowNode) -> tuple[str, str | None]:
    return node.category, node.name


def _gather(found: Tensor, evidence: Tensor) -> tuple[Tensor, Tensor]:
    """Gather evidence over the regions of one category, as `regions.partition` divides them.

    Args:
        found: bool (images, concepts, positions).
        evidence: float64 (images, positions).

    Returns:
        Evidence and coverage, float64 (images, concepts + 1); none of them last.
    """
    none = ~found.any(dim=1, keepdim=True)
    flags = torch.cat([found, none], dim=1).double()
    amounts = (flags / flags.sum(dim=1, keepdim=True) * evidence[:, None]).sum(dim=2)
    return amounts, flags.mean(dim=2)


def _lists(parts: Sequence[Tensor], images: int) -> list[list[float]]:
    """Join (images, regions) tensors; rounded to seven digits, as lines of text keep them."""
    if not parts:
        return [[] for _ in range(images)]
    values: NDArray[np.float64] = torch.cat(list(parts), dim=1).numpy()
    return [[float(f"{value:.7g}") for value in row] for row in values]
