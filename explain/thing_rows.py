"""Rows of an audit without labels: for each image, what carries the answer, and what it does.

1. regions   what each region of a concept adds, at one block, to the margin: the logit of the
             predicted class less that of the second most probable one, which is what decides
2. things    connected parts with all their names (`things`), the strongest painted over, each by
             itself, and the network run again
3. units     what each unit adds to the logit less the mean of all logits: the reasons for the class
             whatever it is compared with, which `evidence_groups` compares

Painted images are run in batches too: with three things an image, a row takes about four forward
passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..graph.run.schema import Number  # noqa: TC001 (msgspec reads it)
from ..graph.uids import concept_uid
from ..ingest.engine.workers import prefetch
from .counterfactuals import logits_of
from .image_regions import PixelBox, image_box
from .inpainting import paint_over, to_pixels
from .line_file import LineFile
from .network import Photograph
from .presence import concept_presence
from .regions import partitions, region_evidence
from .things import find_things

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .counterfactuals import Mask, Pixels
    from .network import RunNetwork
    from .things import Thing

    UnitVector = NDArray[np.float16]

LEADING = 0.5
"""The strongest thing carries an answer, and not the region of a concept, if it has this share of
the strongest region's evidence at least: what is large has more evidence than what decides."""
_DIGITS = 5
_AHEAD = 8  # parts painted over before the first is needed


class RegionEvidence(NamedTuple):
    """What the part of an image where a concept is found adds to the margin.

    Attributes:
        concept: "category/name".
        evidence: what it adds to the margin.
        coverage: share of the image.
    """

    concept: str
    evidence: Number
    coverage: Number


@dataclass(frozen=True)
class PaintedThing:
    """A thing of an image, painted over.

    Attributes:
        concepts: its names, "category/name"; the one that covers it best first.
        evidence: what its positions add to the margin.
        coverage: share of the image.
        box: around it, in pixels of what the network is given: x, y, width, height.
        measured: what the margin loses when it is painted over.
        answer: the class predicted then.
        probability: of that class.
    """

    concepts: tuple[str, ...]
    evidence: Number
    coverage: Number
    box: PixelBox
    measured: Number
    answer: str
    probability: float

    @property
    def strength(self) -> float:
        """Mean of evidence and measured effect, as `image_regions.ImageThing.strength`."""
        return (self.evidence + self.measured) / 2


@dataclass(frozen=True)
class ThingRow:
    """One image.

    Attributes:
        file: relative to the folder of images.
        unreadable: why it could not be read, if so; then what follows is empty.
        predicted: the predicted class.
        probability: of the predicted class.
        regions: where each concept is found; within a category, shared positions are divided.
        things: those that were painted over, the strongest first.
        units: what each unit adds to the logit less the mean, bytes of float16 (in base64, in the
            file).
    """

    file: str
    unreadable: str | None = None
    predicted: str = ""
    probability: float = 0.0
    regions: tuple[RegionEvidence, ...] = ()
    things: tuple[PaintedThing, ...] = ()
    units: bytes = b""

    @property
    def carriers(self) -> tuple[str, ...]:
        """Names of what carries the answer: of the strongest thing, or of a region beyond it."""
        thing = max(self.things, key=lambda thing: thing.strength, default=None)
        region = max(self.regions, key=lambda region: region.evidence, default=None)
        least = max(0.0, LEADING * region.evidence if region else 0.0)
        if thing is not None and thing.strength > least:
            return thing.concepts
        return (region.concept,) if region is not None and region.evidence > 0 else ()

    def reasons(self) -> set[str]:
        """Return the names of the evidence for the answer: things, and the region beyond them."""
        names = {name for thing in self.things if thing.strength > 0 for name in thing.concepts}
        return names.union(self.carriers)

    def changes(self) -> set[str]:
        """Return the names of the things without which the answer is another one."""
        changing = (thing for thing in self.things if thing.answer != self.predicted)
        return {name for thing in changing for name in thing.concepts}

    def has_units(self, units: int) -> bool:
        """Return whether there is a finite value for each unit, or the image was not read."""
        if self.unreadable is not None:
            return True
        fits = len(self.units) == units * np.dtype(np.float16).itemsize
        return fits and bool(np.isfinite(self.unit_evidence()).all())

    def unit_evidence(self) -> UnitVector:
        """Return what each unit adds, float16 (units,)."""
        return np.frombuffer(self.units, np.float16)


class ThingRowFile(LineFile[ThingRow]):
    """A row for each image, in their order."""

    kind: ClassVar[object] = ThingRow

    def of(self, files: Sequence[str], units: int) -> Iterator[ThingRow]:
        """Yield all rows, given the images that they must be of, and the units of the block.

        Raises:
            RunError: they are of other images, which whoever made the run would choose, or of other
                units.
        """
        for row, file in zip_longest(self, files):
            if row is None or file is None or row.file != file or not row.has_units(units):
                raise self.unfit("not an audit of these images")
            yield row


class _Found(NamedTuple):
    """A thing to paint over, of one of a batch's images."""

    image: int
    thing: Thing
    evidence: float
    mask: Mask


class ThingRows:
    """Makes the rows of batches of images."""

    def __init__(self, network: RunNetwork, block: str, things: int) -> None:
        """Prepare.

        Args:
            network: of the run.
            block: whose probes find things.
            things: how many to paint over in each image.
        """
        self._network = network
        self._block = block
        self._most = things
        self._presence = concept_presence(network.run, block)
        self._classes = network.class_names

    def rows(self, files: Sequence[str], images: Sequence[Photograph | str]) -> list[ThingRow]:
        """Return one row for each image; for one that could not be read, with the reason."""
        readable = [image for image in images if isinstance(image, Photograph)]
        rows = self._rows(readable) if readable else iter(())
        return [
            ThingRow(file, image) if isinstance(image, str) else ThingRow(file, *next(rows))
            for file, image in zip(files, images, strict=True)
        ]

    def _rows(self, images: Sequence[Photograph]) -> Iterator[tuple[Any, ...]]:
        """Yield the values of rows after `file`; images are independent, so one VJP serves all."""
        batch = torch.cat([image.batch for image in images])
        logits, (maps,) = self._network.forward_for_gradients(batch, (self._block,))
        top = logits.topk(min(2, logits.shape[1]), dim=1).values
        by_position = _attributed(top[:, 0] - top[:, -1], maps)
        units = _attributed(top[:, 0] - logits.mean(dim=1), maps).flatten(2).sum(dim=2)
        logits, maps, evidence = logits.detach().double(), maps.detach(), by_position.sum(dim=1)
        found = self._presence.find(maps)
        to_paint = [
            part
            for number, image in enumerate(images)
            for part in self._strongest(number, image.pixels, found[number], evidence[number])
        ]
        things = self._paint(to_paint, images, logits)
        best = self._network.probabilities(logits).max(dim=1)
        for number, (probability, top) in enumerate(zip(*map(Tensor.tolist, best), strict=True)):
            regions = self._regions(found[number], evidence[number])
            yield (
                None, self._classes[top], probability, regions, tuple(things[number]),
                units[number].numpy().astype(np.float16).tobytes(),
            )  # fmt: skip

    def _regions(self, found: Tensor, evidence: Tensor) -> tuple[RegionEvidence, ...]:
        divided = partitions(self._presence.concepts, found)
        return tuple(
            RegionEvidence(
                concept_uid(region.category, region.name),
                _rounded(region.evidence),
                _rounded(region.coverage),
            )
            for region in region_evidence(self._block, divided, evidence, {})
            if region.name is not None
        )

    def _strongest(
        self, number: int, pixels: Pixels, found: Tensor, evidence: Tensor
    ) -> list[_Found]:
        """Return the things of one image that speak most for its class."""
        grid = evidence.double().numpy()
        height, width = pixels.shape[:2]
        things = [
            (float(grid[thing.mask].sum()), thing)
            for thing in find_things(self._presence.concepts, found.numpy())
        ]
        things.sort(key=lambda item: -item[0])
        return [
            _Found(
                number, thing, amount, to_pixels(thing.mask, height, width, self._network.frames)
            )
            for amount, thing in things[: self._most]
            if amount > 0
        ]

    def _paint(
        self, parts: Sequence[_Found], images: Sequence[Photograph], logits: Tensor
    ) -> list[list[PaintedThing]]:
        """Paint each part over and run the network; return the things of each image."""
        things: list[list[PaintedThing]] = [[] for _ in images]
        if not parts:
            return things

        def paint(part: _Found) -> Pixels:
            return paint_over(images[part.image].pixels, part.mask, self._network.frames)

        painted = logits_of(self._network, list(prefetch(paint, parts, 2, ahead=_AHEAD))).double()
        for part, after in zip(parts, painted, strict=True):
            things[part.image].append(self._thing(part, logits[part.image], after))
        return things

    def _thing(self, part: _Found, before: Tensor, after: Tensor) -> PaintedThing:
        top = before.topk(min(2, len(before))).indices
        losses, answer = (before - after)[top], int(after.argmax())
        return PaintedThing(
            tuple(concept.uid for concept in part.thing.concepts),
            _rounded(part.evidence),
            _rounded(part.thing.coverage),
            image_box(part.mask),
            _rounded(float(losses[0] - losses[-1])),
            self._classes[answer],
            _rounded(float(self._network.probabilities(after)[answer])),
        )


def _attributed(explained: Tensor, maps: Tensor) -> Tensor:
    """Return what each unit adds at each position, (images, units, *grid); one VJP for all."""
    (gradients,) = torch.autograd.grad(explained.sum(), maps, retain_graph=True)
    return gradients * maps.detach()


def _rounded(value: float) -> float:
    """Round to the digits that lines of text keep."""
    return float(f"{value:.{_DIGITS}g}")
