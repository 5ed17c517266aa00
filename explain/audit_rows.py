"""One image of an audit: what the network says of it, and what each concept adds to that.

All that later counting needs is one short row per image, so rows are kept on disk and an audit that
was cut off goes on. Images come in batches; those that cannot be read are rows too.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import torch
from torch import Tensor

from ..errors import RunError
from ..graph.run.files import disk_errors
from .ablation_masks import ablating

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .ablation_masks import AblationMask
    from .concept_attribution import ConceptAttributor
    from .decomposition import Tail
    from .network import RunNetwork

Line = TypeVar("Line")
Label: TypeAlias = "tuple[str, str]"
"""An image's file, relative to the folder of images, and its class."""
Read: TypeAlias = "list[Tensor | str]"
"""Images as the network's input, or why one could not be read."""


@dataclass(frozen=True)
class Row:
    """One image.

    Attributes:
        file: as the labels name it.
        truth: its class.
        unreadable: why it could not be read; then nothing else is known.
        predicted: the network's class.
        probability: of that class.
        rival: the class it is told from: the truth where the network is wrong, else the runner-up.
        raises: per concept, what it adds, where present, to the logit of `predicted`.
        lowers: per concept, what it takes, where present, from the logit of `rival`.
    """

    file: str
    truth: str
    unreadable: str | None = None
    predicted: str = ""
    probability: float = 0.0
    rival: str = ""
    raises: tuple[float, ...] = ()
    lowers: tuple[float, ...] = ()

    @property
    def wrong(self) -> bool:
        """Whether the network says something else than the label."""
        return self.unreadable is None and self.predicted != self.truth


class Auditor:
    """Looks at batches of images, through the last blocks of a network."""

    def __init__(
        self, subject: RunNetwork, blocks: Sequence[str], gather: ConceptAttributor
    ) -> None:
        """Prepare.

        Args:
            subject: the network.
            blocks: neighbouring blocks up to the last; concepts are those of the first one's units.
            gather: of the first of these blocks.
        """
        self._subject = subject
        self._block = blocks[0]
        self._tail: Tail = subject.tail(blocks)
        self._gather = gather
        self._names = [str(name) for name in subject.run.classes["name"]]

    def rows(self, labels: Sequence[Label], read: Read) -> list[Row]:
        """One row per image."""
        known = [(label, image) for label, image in zip(labels, read, strict=True)
                 if isinstance(image, Tensor)]  # fmt: skip
        found = {}
        if known:
            rows = self._known([label for label, _ in known], torch.cat([i for _, i in known]))
            found = {row.file: row for row in rows}
        return [
            Row(file, truth, image) if isinstance(image, str) else found[file]
            for (file, truth), image in zip(labels, read, strict=True)
        ]

    def _known(self, labels: Sequence[Label], batch: Tensor) -> Iterator[Row]:
        """Images do not touch one another, so one product serves a batch."""
        logits, source = self._subject.look(batch, self._block)
        best = logits.topk(min(2, logits.shape[1]), dim=1).indices
        predicted = best[:, 0]
        truth = torch.tensor([self._names.index(name) for _, name in labels])
        rival = torch.where(predicted == truth, best[:, -1], truth)
        leaf = source.detach().clone().requires_grad_()
        means = self._means(leaf)
        weight = self._subject.head.weight
        parts = []
        for chosen, sign in ((predicted, 1.0), (rival, -1.0)):
            value = sign * (weight[chosen] * means).sum()
            (slopes,) = torch.autograd.grad(value, leaf, retain_graph=True)
            split = self._gather.split(source.flatten(2), (slopes * source).flatten(2))
            parts.append(split.present[:, :-1].sum(dim=2).tolist())
        sure = logits.double().softmax(1).gather(1, predicted[:, None])[:, 0].tolist()
        for (file, name), p, s, r, up, down in zip(
            labels, predicted.tolist(), sure, rival.tolist(), *parts, strict=True
        ):
            yield Row(file, name, None, self._names[p], s, self._names[r], tuple(up), tuple(down))

    def without(self, read: Read, silent: Sequence[AblationMask]) -> list[list[str]]:
        """What is predicted with units of the first block silent.

        Returns:
            A list of classes, one for each silence, for each image that was read.
        """
        images = [image for image in read if isinstance(image, Tensor)]
        if not images:
            return []
        found = []
        with torch.no_grad():
            _, source = self._subject.look(torch.cat(images), self._block)
            for each in silent:
                (change,) = ablating([{self._block: [each]}]).values()
                logits = self._subject.head.linear(self._means(change(source)))
                found.append([self._names[i] for i in logits.argmax(dim=1).tolist()])
        return [list(each) for each in zip(*found, strict=True)]

    def _means(self, maps: Tensor) -> Tensor:
        for stage in self._tail.stages:
            maps = stage(maps)
        return self._subject.head.pool(maps)


def read_batches(
    subject: RunNetwork, folder: Path, labels: Sequence[Label], size: int
) -> Iterator[tuple[list[Label], Read]]:
    """Labels and their images, `size` at a time, read ahead."""
    images = subject.read_all([folder / file for file, _ in labels])
    for start in range(0, len(labels), size):
        some = list(labels[start : start + size])
        yield some, [next(images) for _ in some]


class LineFile(ABC, Generic[Line]):
    """Lines of JSON on disk, added batch by batch."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def mend(self, batch: int, all_lines: int) -> int:
        """How many lines there are, once those of a batch that was never finished are cut off.

        So later batches are the same as without an interruption, to the last bit.
        """
        lines = kept = end = position = 0
        with disk_errors(self._path, "cannot be written"):
            self._path.touch()
            with self._path.open("rb+") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    lines, position = lines + 1, position + len(line)
                    if lines % batch == 0 or lines == all_lines:
                        kept, end = lines, position
                file.truncate(end)
        return kept

    def __iter__(self) -> Iterator[Line]:
        """All lines, one after another; they are never all held.

        Raises:
            RunError: one is none of ours.
        """
        with disk_errors(self._path, "cannot be read"), self._path.open("rb") as file:
            for line in file:
                try:
                    found = self._read(json.loads(line))
                except (ValueError, TypeError, KeyError) as error:
                    remedy = "Delete it, and audit again"
                    raise RunError("not an audit", file=self._path, remedy=remedy) from error
                yield found

    def append(self, lines: Sequence[Line]) -> None:
        """Add some."""
        text = "".join(f"{json.dumps(self._written(line))}\n" for line in lines)
        with disk_errors(self._path, "cannot be written"), self._path.open("ab") as file:
            file.write(text.encode())

    @abstractmethod
    def _read(self, found: Any) -> Line:  # noqa: ANN401
        """A line of JSON values that were read."""

    @abstractmethod
    def _written(self, line: Line) -> object:
        """The JSON values of a line."""


class RowFile(LineFile[Row]):
    """A row for each label, in their order."""

    def _read(self, found: Any) -> Row:  # noqa: ANN401
        return Row(**{**found, "raises": tuple(found["raises"]), "lowers": tuple(found["lowers"])})

    def _written(self, line: Row) -> object:
        return asdict(line)


class CountFile(LineFile["list[list[int]]"]):
    """Of each batch, what each concept's silence fixes and breaks."""

    def _read(self, found: Any) -> list[list[int]]:  # noqa: ANN401
        return [[int(fixes), int(breaks)] for fixes, breaks in found]

    def _written(self, line: list[list[int]]) -> object:
        return line
