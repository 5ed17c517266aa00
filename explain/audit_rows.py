"""Rows of an audit: for each image, the predicted class and what each concept adds to its logit.

All later counts need one short row for each image, so rows are kept on disk and an audit that was
cut off resumes. Images come in batches; one that cannot be read has a row too.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import torch
from torch import Tensor

from ..graph.run.schema import Count, Number
from .ablation_masks import ablation_hooks
from .line_file import LineFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .ablation_masks import AblationMask
    from .concept_attribution import ConceptAttributor
    from .network import RunNetwork

ImageLabel: TypeAlias = "tuple[str, str]"
"""An image's file, relative to the folder of images, and its class."""
LoadedImages: TypeAlias = "list[Tensor | str]"
"""Images as the network's input; for one that cannot be read, the reason."""


@dataclass(frozen=True)
class AuditRow:
    """One image.

    Attributes:
        file: as in the labels.
        truth: its class.
        unreadable: why it could not be read, if so; then what follows is empty.
        predicted: the predicted class.
        probability: of the predicted class.
        margin: logit of `predicted` less that of `rival`.
        rival: the class it is compared with: the truth if the prediction is wrong, else the second
            most probable class.
        raises: by concept, what it adds to the logit of `predicted` where it is present.
        lowers: by concept, what it takes from the logit of `rival` where it is present.
    """

    file: str
    truth: str
    unreadable: str | None = None
    predicted: str = ""
    probability: float = 0.0
    margin: Number = 0.0
    rival: str = ""
    raises: tuple[Number, ...] = ()
    lowers: tuple[Number, ...] = ()

    @property
    def wrong(self) -> bool:
        """Whether another class than the label is predicted."""
        return self.unreadable is None and self.predicted != self.truth


class Auditor:
    """Makes the rows of batches of images.

    Attributes:
        network: the network.
    """

    def __init__(
        self, network: RunNetwork, blocks: Sequence[str], attributor: ConceptAttributor
    ) -> None:
        """Prepare for some blocks.

        Args:
            network: the network.
            blocks: neighbouring blocks up to the last; concepts are those of the first one's units.
            attributor: of the first of these blocks.
        """
        self.network = network
        self._block = blocks[0]
        self._downstream = network.downstream(blocks)
        self._attributor = attributor
        self._classes = network.class_names

    def rows(self, labels: Sequence[ImageLabel], images: LoadedImages) -> list[AuditRow]:
        """Return one row for each image."""
        readable = [(label, image) for label, image in zip(labels, images, strict=True)
                    if isinstance(image, Tensor)]  # fmt: skip
        by_file = {}
        if readable:
            batch = torch.cat([image for _, image in readable])
            rows = self._attribute([label for label, _ in readable], batch)
            by_file = {row.file: row for row in rows}
        return [
            AuditRow(file, truth, image) if isinstance(image, str) else by_file[file]
            for (file, truth), image in zip(labels, images, strict=True)
        ]

    def _attribute(self, labels: Sequence[ImageLabel], batch: Tensor) -> Iterator[AuditRow]:
        """Yield the rows of a batch; images are independent, so one VJP serves all of them."""
        logits, activations = self.network.forward(batch, self._block)
        top = logits.topk(min(2, logits.shape[1]), dim=1).indices
        predicted = top[:, 0]
        truth = torch.tensor([self._classes.index(name) for _, name in labels])
        rival = torch.where(predicted == truth, top[:, -1], truth)
        leaf = activations.detach().clone().requires_grad_()
        of_leaf = self._downstream.logits(leaf)
        amounts = []
        for classes, sign in ((predicted, 1.0), (rival, -1.0)):
            value = sign * of_leaf.gather(1, classes[:, None]).sum()
            (gradients,) = torch.autograd.grad(value, leaf, retain_graph=True)
            parts = self._attributor.attribute(
                activations.flatten(2), (gradients * activations).flatten(2)
            )
            amounts.append(parts.present[:, :-1].sum(dim=2).tolist())
        margins = logits.gather(1, torch.stack([predicted, rival], dim=1)).double().tolist()
        shares = self.network.probabilities(logits)
        probabilities = shares.gather(1, predicted[:, None])[:, 0].tolist()
        for (file, name), p, probability, (own, other), r, raises, lowers in zip(
            labels,
            predicted.tolist(),
            probabilities,
            margins,
            rival.tolist(),
            *amounts,
            strict=True,
        ):
            names = self._classes[p], probability, own - other, self._classes[r]
            yield AuditRow(file, name, None, *names, tuple(raises), tuple(lowers))

    def ablated(self, images: LoadedImages, masks: Sequence[AblationMask]) -> list[list[str]]:
        """Return the classes predicted under each mask of the first block.

        Returns:
            For each image that was read, a list of classes, one for each mask.
        """
        readable = [image for image in images if isinstance(image, Tensor)]
        if not readable:
            return []
        by_mask = []
        with torch.no_grad():
            _, activations = self.network.forward(torch.cat(readable), self._block)
            for mask in masks:
                hook = ablation_hooks([{self._block: [mask]}])[self._block]
                logits = self._downstream.logits(hook(activations))
                by_mask.append([self._classes[i] for i in logits.argmax(dim=1).tolist()])
        return [list(classes) for classes in zip(*by_mask, strict=True)]


def load_batches(
    network: RunNetwork, folder: Path, labels: Sequence[ImageLabel], size: int
) -> Iterator[tuple[list[ImageLabel], LoadedImages]]:
    """Yield labels and their images, `size` at a time, prefetched."""
    images = network.load_images([folder / file for file, _ in labels])
    for start in range(0, len(labels), size):
        batch = list(labels[start : start + size])
        yield batch, [next(images) for _ in batch]


class RowFile(LineFile[AuditRow]):
    """A row for each label, in their order."""

    kind: ClassVar[object] = AuditRow

    def of(self, labels: Sequence[ImageLabel], concepts: int) -> Iterator[AuditRow]:
        """Yield all rows, given the labels that they must be of, and how many concepts.

        Raises:
            RunError: they are of other images, which whoever made the run would choose, or of other
                concepts.
        """
        for row, label in zip_longest(self, labels):
            if row is None or label is None or (row.file, row.truth) != tuple(label):
                raise self.unfit("not an audit of these images")
            if row.unreadable is None and not len(row.raises) == len(row.lowers) == concepts:
                raise self.unfit("not an audit of these concepts")
            yield row


class CountFile(LineFile["list[tuple[int, int]]"]):
    """For each batch, how many mistakes each mask fixes and how many right answers it breaks."""

    kind: ClassVar[object] = list[tuple[Count, Count]]

    def of(self, batches: int, masks: int) -> Iterator[list[tuple[int, int]]]:
        """Yield all counts, given how many batches and masks they must be of.

        Raises:
            RunError: they are of others.
        """
        lines = 0
        for lines, counts in enumerate(self, start=1):
            if lines > batches or len(counts) != masks:
                raise self.unfit("not the counts of these ablations")
            yield counts
        if lines != batches:
            raise self.unfit("not the counts of these ablations")
