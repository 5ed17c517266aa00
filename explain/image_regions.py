"""Explain an image by its regions: what the network sees where, how much it adds, what changes.

1. regions    at each block, the evidence where each concept is found (`regions`)
2. things     connected parts of the image with all their names (`things`), at one block
3. painting   the strongest things painted over, one by one and together (`counterfactuals`)
4. flows      what reaches the class from a concept in one block by way of one in the next
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ..errors import QueryError
from .clips import shared_strip, slot_shares, strip_of
from .concept_attribution import concept_attributor
from .counterfactuals import Counterfactual, OriginalImage, fewest_that_change, painted
from .explanation import disagree
from .flows import Flow, FlowNode, concept_flows
from .inpainting import to_grid, to_pixels
from .places import Place, region_places
from .presence import ConceptName, concept_presence, unprobed_concepts
from .regions import ConceptRegion, FoundConcepts, Partition, find_concepts, region_evidence
from .things import Thing, find_things

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from .decomposition import Decomposition, Downstream
    from .explanation import Prediction
    from .image_masks import ImageMasks
    from .network import RunNetwork

    Mask = NDArray[np.bool_]
    Pixels = NDArray[np.uint8]

PAINTED = 4
"""How many things are painted over."""
MOSTLY = 0.5
"""Share of a position from which on a mask makes it part of a thing."""
LISTED = 12
"""How many things are listed, those for the class first."""


class PixelBox(NamedTuple):
    """A rectangle in pixels: of its upper left corner, x and y."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class ImageThing:
    """A part of an image, what it adds to the logit, and what happens when it is painted over.

    Attributes:
        concepts: its names, first those of which units that detect them add most; none for a
            region that the user chose.
        block: on whose grid it lies.
        evidence: what its positions add to the logit.
        coverage: share of the image.
        box: around it, in pixels of what the network is given.
        mask: bool (height, width), the pixels that are painted over.
        counterfactual: the network's answer without it; None if that was not asked.
    """

    concepts: tuple[ConceptName, ...]
    block: str
    evidence: float
    coverage: float
    box: PixelBox
    mask: Mask
    counterfactual: Counterfactual | None = None

    @property
    def strength(self) -> float:
        """Mean of evidence and measured effect, both in units of the logit."""
        if self.counterfactual is None:
            return self.evidence
        return (self.evidence + self.counterfactual.measured) / 2

    def to_json(self) -> dict[str, object]:
        """Return one JSON object; `measured`, `answer` and `probability` are null if not asked."""
        result = self.counterfactual
        return {
            "names": [concept._asdict() for concept in self.concepts],
            "block": self.block,
            "evidence": self.evidence,
            "coverage": self.coverage,
            "box": list(self.box),
            "measured": None if result is None else result.measured,
            "answer": None if result is None else result.answer.name,
            "probability": None if result is None else result.answer.probability,
        }

    @property
    def disputed(self) -> bool:
        """Whether evidence and measured effect differ by more than `DISPUTED`."""
        result = self.counterfactual
        return result is not None and disagree(self.evidence, result.measured)


@dataclass(frozen=True, eq=False)
class Change:
    """Few things whose absence changes the answer.

    Attributes:
        things: numbers of the things, from 0.
        answer: the class predicted without them.
        pixels: the image without them.
    """

    things: tuple[int, ...]
    answer: Prediction
    pixels: Pixels

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        answer = {"answer": self.answer.name, "probability": self.answer.probability}
        return {"things": list(self.things), **answer}


@dataclass(frozen=True, eq=False)
class ImageRegions:
    """What a network sees where in an image, and what that adds to a logit.

    Attributes:
        blocks: first to last.
        biases_after: by block, the head's bias and all bias terms after it.
        regions: within a block and a category they add up to the logit less `biases_after`.
        things: the strongest first, those against the class last.
        chosen: the region that the user chose, if any.
        change: few things whose absence changes the answer; None if none was found.
        flows: from each block's regions to the next one's.
        places: where each region is, and the units that carry it.
        evidence: by block, what each position adds, float32 (height, width); of a clip, as a strip.
        pixels: the image as the network is given it, uint8 (height, width, 3); likewise.
        masked: categories whose regions are from the image's masks; those of others by probes.
        unprobed: concepts of the data that no presence probe of the block of things finds.
    """

    blocks: tuple[str, ...]
    biases_after: Mapping[str, float]
    regions: tuple[ConceptRegion, ...]
    things: tuple[ImageThing, ...]
    chosen: ImageThing | None
    change: Change | None
    flows: tuple[Flow, ...]
    places: Mapping[FlowNode, Place]
    evidence: Mapping[str, NDArray[np.float32]]
    pixels: Pixels
    masked: tuple[str, ...] = ()
    unprobed: tuple[ConceptName, ...] = ()

    @property
    def thing_block(self) -> str:
        """The block on whose grid things are found: the last but one, if there are two."""
        return self.blocks[-2:][0]

    def to_json(self) -> dict[str, object]:
        """Return the keys that an explanation's JSON has for them."""
        return {
            "regions": [dataclasses.asdict(region) for region in self.regions],
            "biases_after": dict(self.biases_after),
            "things": [thing.to_json() for thing in self.things],
            "region": None if self.chosen is None else self.chosen.to_json(),
            "change": None if self.change is None else self.change.to_json(),
            "flows": [
                {
                    "from": flow.source._asdict(),
                    "to": flow.target._asdict(),
                    "evidence": flow.evidence,
                }
                for flow in self.flows
            ],
        }


class ImageToExplain(NamedTuple):
    """An image on its way through the network.

    Attributes:
        original: the image, its logits, and which of them is explained.
        downstream: the network after the first of `blocks`.
        blocks: names of the blocks, first to last.
        decomposition: of the logit, or the difference of two, from the first block on.
    """

    original: OriginalImage
    downstream: Downstream
    blocks: tuple[str, ...]
    decomposition: Decomposition


def explain_regions(
    network: RunNetwork,
    image: ImageToExplain,
    chosen: Mask | None = None,
    masks: ImageMasks | None = None,
) -> ImageRegions:
    """Explain an image by its regions.

    Args:
        network: of the run.
        image: decomposed.
        chosen: bool (height, width) in pixels of the input, a region that the user asks about.
        masks: of the image, if regions are to be taken from them.
    """
    decomposition, blocks = image.decomposition, image.blocks
    found = [
        find_concepts(concept_presence(network.run, block), maps, masks)
        for block, maps in zip(blocks, decomposition.maps, strict=True)
    ]
    divided = [concepts.divided for concepts in found]
    by_units = [
        _present_by_units(network, block, decomposition.since(i)) for i, block in enumerate(blocks)
    ]
    number = max(0, len(blocks) - 2)
    things = _things(network, image, number, found[number], by_units[number])
    change = _change(network, image, things)
    return ImageRegions(
        blocks,
        dict(zip(blocks, decomposition.biases_after, strict=True)),
        tuple(_regions(image, found, by_units)),
        tuple(things),
        None if chosen is None else _chosen(network, image, number, chosen),
        change,
        tuple(_flows(image, divided)),
        _places(image, divided, network.frames),
        {
            block: shared_strip(decomposition.evidence(i).float().numpy(), network.frames)
            for i, block in enumerate(blocks)
        },
        image.original.pixels,
        () if masks is None else masks.categories,
        unprobed_concepts(network.run, blocks[number]) if blocks else (),
    )  # fmt: skip


def _regions(
    image: ImageToExplain,
    found: Sequence[FoundConcepts],
    by_units: Sequence[Mapping[ConceptName, Tensor]],
) -> list[ConceptRegion]:
    return [
        region
        for number, block in enumerate(image.blocks)
        for region in region_evidence(
            block,
            found[number].divided,
            image.decomposition.evidence(number),
            {
                concept: float((by_units[number][concept] * shares.flatten()).sum())
                for concept, shares in zip(*found[number][:2], strict=True)
                if concept in by_units[number]
            },
        )
    ]


def _present_by_units(
    network: RunNetwork, block: str, decomposition: Decomposition
) -> dict[ConceptName, Tensor]:
    """Return what units that detect a concept add at each position where it is, (positions,)."""
    attributor = concept_attributor(network.run, block)
    activations, amounts = decomposition.maps[0].flatten(1), decomposition.by_position.flatten(1)
    present = attributor.attribute(activations, amounts).present
    return {ConceptName(*c): row for c, row in zip(attributor.concepts, present, strict=False)}


def _things(
    network: RunNetwork,
    image: ImageToExplain,
    number: int,
    found: FoundConcepts,
    by_units: Mapping[ConceptName, Tensor],
) -> list[ImageThing]:
    """Find things, paint the strongest over, and order them."""
    evidence = image.decomposition.evidence(number)
    things = [
        _image_thing(
            image, _by_evidence(thing, by_units), image.blocks[number], evidence, network.frames
        )
        for thing in find_things(found.concepts, (found.shares >= MOSTLY).numpy())
    ]
    things.sort(key=lambda thing: -thing.evidence)
    strongest, others = things[:PAINTED], things[PAINTED:]
    masks = [thing.mask for thing in strongest]
    results = painted(network, image.original, masks)
    strongest = [
        replace(thing, counterfactual=result)
        for thing, result in zip(strongest, results, strict=True)
    ]
    strongest.sort(key=lambda thing: -thing.strength)
    return [*strongest, *others][: max(PAINTED, LISTED)]


def _by_evidence(thing: Thing, by_units: Mapping[ConceptName, Tensor]) -> Thing:
    """Return a thing, its names in the order of what units that detect each add where it is.

    Of concepts found at the same place, units tell which one it is.
    """
    where = torch.from_numpy(thing.mask).flatten()
    amounts = {
        name: float(by_units[name][where].sum()) for name in thing.concepts if name in by_units
    }
    order = sorted(range(len(thing.concepts)), key=lambda i: -amounts.get(thing.concepts[i], 0.0))
    concepts = tuple(thing.concepts[i] for i in order)
    return Thing(concepts, thing.mask, tuple(thing.parts[i] for i in order))


def _image_thing(
    image: ImageToExplain, thing: Thing, block: str, evidence: Tensor, frames: int | None
) -> ImageThing:
    height, width = image.original.pixels.shape[:2]
    mask = to_pixels(thing.mask, height, width, frames)
    amount = float(evidence[torch.from_numpy(thing.mask)].double().sum())
    return ImageThing(thing.concepts, block, amount, thing.coverage, image_box(mask), mask)


def _chosen(network: RunNetwork, image: ImageToExplain, number: int, mask: Mask) -> ImageThing:
    """Explain a region that the user chose; at its edge, positions count by the share covered."""
    if mask.all() or not mask.any():
        raise QueryError(
            f"the region has {'every' if mask.any() else 'no'} pixel that the network sees",
            expected="a part of the image, and something left to paint it over from",
        )
    evidence = image.decomposition.evidence(number).double()
    shares = torch.from_numpy(_covered(mask, evidence.shape, network.frames)).to(evidence)
    (result,) = painted(network, image.original, [mask])
    amount = float((evidence * shares).sum())
    block = image.blocks[number]
    return ImageThing((), block, amount, float(mask.mean()), image_box(mask), mask, result)


def _covered(mask: Mask, grid: Sequence[int], frames: int | None) -> NDArray[np.float64]:
    """Return the share of each position of a block's grid that a part of an image covers."""
    if frames is None:
        return to_grid(mask, *grid)
    times, *sides = grid
    return slot_shares(np.stack([to_grid(it, *sides) for it in np.split(mask, frames)]), times)


def image_box(mask: Mask) -> PixelBox:
    """Return the rectangle around the part of a mask, which has one at least."""
    rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
    x, y = int(columns[0]), int(rows[0])
    return PixelBox(x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1)


def _change(
    network: RunNetwork, image: ImageToExplain, things: Sequence[ImageThing]
) -> Change | None:
    """Return few painted things for the class without which the answer is another one."""
    single = {
        number: thing.counterfactual
        for number, thing in enumerate(things)
        if thing.counterfactual and thing.strength > 0
    }
    numbers = list(single)
    masks = [things[i].mask for i in numbers]
    result = fewest_that_change(network, image.original, masks, list(single.values()))
    if result is None:
        return None
    chosen, counterfactual = result
    return Change(
        tuple(numbers[i] for i in chosen), counterfactual.answer, counterfactual.pixels
    )  # fmt: skip


def _places(
    image: ImageToExplain, divided: Sequence[Sequence[Partition]], frames: int | None
) -> dict[FlowNode, Place]:
    """Find the place of every region of every block."""
    maps, gradients = image.decomposition.maps, image.decomposition.gradients
    places: dict[FlowNode, Place] = {}
    for number, block in enumerate(image.blocks):
        places |= region_places(block, divided[number], gradients[number] * maps[number])
    return {
        node: place._replace(mask=strip_of(place.mask, frames)) for node, place in places.items()
    }


def _flows(image: ImageToExplain, divided: Sequence[Sequence[Partition]]) -> list[Flow]:
    """Compute the flows between the last two blocks."""
    number = len(image.blocks) - 2
    if number < 0:
        return []
    return concept_flows(image.downstream, image.decomposition, image.blocks, number, divided)
