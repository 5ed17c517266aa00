"""The parts of an image's page: plain values, already in words and embedded pictures.

A picture is a `data:image/…` URI. A *place* is a number: where on the photograph something is, in
`ImagePage.places`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .path_parts import PathPage
    from .pictures import Picture


class PageName(NamedTuple):
    """A concept by its name and its category."""

    name: str
    category: str


class PagePlace(NamedTuple):
    """Positions of a block's grid.

    Attributes:
        rows: of the grid.
        columns: likewise.
        bits: of `outlines.bits`.
    """

    rows: int
    columns: int
    bits: str


@dataclass(frozen=True)
class PageThing:
    """A part of the image with its names, and what happens when it is painted over.

    Attributes:
        mark: what it is called on the photograph: "1", or "R" for the region that was asked about.
        names: of its concepts; none for the region that was asked about.
        evidence: what its positions add.
        coverage: share of the image.
        outline: `d` of an SVG path, in pixels of the photograph.
        at: where its mark stands, in percent of the photograph's width and height.
        is_outlined: whether it matters enough to be outlined from the start.
        measured: what the logit loses when it is painted over; None if that was not asked.
        answer: what the network says then, and its probability.
        changes: whether that is another answer.
        disputed: whether evidence and measured effect are far apart.
        painted: the photograph without it.
    """

    mark: str
    names: tuple[PageName, ...]
    evidence: float
    coverage: float
    outline: str
    at: tuple[float, float]
    is_outlined: bool = False
    measured: float | None = None
    answer: tuple[str, float] | None = None
    changes: bool = False
    disputed: bool = False
    painted: str | None = None


class PageChange(NamedTuple):
    """Few things without which the answer is another one: their marks, answer and picture."""

    marks: tuple[str, ...]
    answer: tuple[str, float]
    painted: str


class RegionRow(NamedTuple):
    """What a region adds; without a place, a sum: of several regions, of bias terms, of all."""

    name: str | None
    evidence: float
    coverage: float | None
    units: float | None
    place: int | None


class RegionTable(NamedTuple):
    """The regions of a category at a block; with `biases` they add up to the logit."""

    block: str
    category: str
    rows: tuple[RegionRow, ...]
    biases: float


class UnusualRow(NamedTuple):
    """What a concept adds here, and in the images that are taken for a class."""

    name: str
    difference: float
    evidence: float
    coverage: float
    mean: float
    spread: float
    mean_coverage: float
    place: int | None


class UnusualTable(NamedTuple):
    """What is unusual about the image for a class, of one category at a block.

    Attributes:
        class_name: the class.
        block: as said.
        category: likewise.
        rows: the largest |difference| first.
        by_probes: whether that must be said, as the other regions of the page are by masks.
    """

    class_name: str
    block: str
    category: str
    rows: tuple[UnusualRow, ...]
    by_probes: bool = False


class PageCarrier(NamedTuple):
    """A unit of which pages show what it detects.

    Attributes:
        uid: "block4/290".
        concept: the concept it detects, if any.
        picture: the images with its largest activations, side by side.
    """

    uid: str
    concept: PageName | None
    picture: Picture | None


@dataclass(frozen=True)
class PageAttribution:
    """What a concept adds to the logit.

    Attributes:
        name: the concept; None for all units without one.
        category: its category; None for several concepts in one row.
        present: where the concept is present.
        firing: at other positions, where its units fire.
        below: the rest.
        probe: in words, how good the presence probe is.
        map: over the image, what each position adds.
        for_class: of a difference of two logits, what raises that of the class explained.
        against_other: what lowers that of the other class.
    """

    name: str | None
    category: str | None
    present: float
    firing: float
    below: float
    probe: str = ""
    map: str | None = None
    for_class: float | None = None
    against_other: float | None = None

    @property
    def values(self) -> tuple[float, float, float]:
        """The three parts of all that its units add."""
        return self.present, self.firing, self.below


@dataclass(frozen=True)
class PageAblation:
    """The network's prediction with some units ablated.

    Attributes:
        title: what was ablated.
        outcome: how many units, where, and what that changes.
        rows: class, probability before and after.
        evidence: the evidence for the class predicted after, in words; "" without any.
    """

    title: str
    outcome: str
    rows: tuple[tuple[str, float, float], ...]
    evidence: str = ""


@dataclass(frozen=True)
class PagePanel:
    """An image with what a network predicts for it (class, probability), and a text."""

    title: str
    image: Picture
    predicted: tuple[tuple[str, float], ...]
    text: str


@dataclass(frozen=True)
class FlowBox:
    """A box of a flow graph.

    Attributes:
        name: of the concept, or of what else the box stands for.
        kind: "concept", "rest" (several of them), "elsewhere", "biases" or "class".
        evidence: what it adds to the logit.
        coverage: share of the image, for a concept of one image.
        place: where it is, likewise.
        units: the strongest units there, by uid, and what each adds.
        others: what all other units of its block add there.
    """

    name: str
    kind: str
    evidence: float
    coverage: float | None = None
    place: int | None = None
    units: tuple[tuple[str, float], ...] = ()
    others: float = 0.0


class FlowGraph(NamedTuple):
    """A concept graph: boxes of two blocks and the class, and what flows between them.

    Attributes:
        categories: of the concepts of each block.
        columns: the boxes of each block, then the class's alone.
        edges: column and row of a box, row of one in the next column, evidence.
    """

    categories: tuple[str, str]
    columns: tuple[tuple[FlowBox, ...], ...]
    edges: tuple[tuple[int, int, int, float], ...]


@dataclass(frozen=True)
class FlowPage:
    """All flow graphs of a page, one for each pair of categories, the first one shown first.

    Attributes:
        blocks: of the two columns.
        graphs: as said.
        units: those that boxes open into.
        of: what coverage is a share of, in words.
    """

    blocks: tuple[str, str]
    graphs: tuple[FlowGraph, ...]
    units: tuple[PageCarrier, ...] = ()
    of: str = "of the picture"


@dataclass(frozen=True)
class ImagePage:
    """All that the page of an image shows.

    Attributes:
        title: the heading.
        verdict: the finding in one sentence.
        motion: what the network says of a clip without its motion; "" of an image.
        target: the class explained.
        versus: the class it is compared with, if any.
        seen_text: which part of the photograph the network sees; "" for all of it.
        masked_text: which regions are from annotation masks; "" if none is.
        names_by: the models that made the names shown; "" if people did.
        elsewhere: what "elsewhere" means in the tables of regions; "" without any.
        predicted: the most probable classes.
        image: the photograph, the part that the network does not see pale.
        size: of `image`, width and height in pixels.
        frames: how many lie one below the other in it; 1, unless it is a clip.
        seen: left, top, right and bottom of the part that the network sees, shares of the size.
        maps: block, and its evidence over the photograph.
        things: the strongest first.
        asked: the region that was asked about, if any.
        leading: place of the region that the verdict speaks of, if it speaks of one.
        change: few things without which the answer is another one, if any were found.
        places: of regions.
        regions: of all blocks and categories, the one to be shown first of all first.
        unusual: for each class what is unusual about the image, if that is known.
        flows: the concept graphs, if there are two blocks.
        total: the logit or the difference that all adds up to.
        biases: by block, the bias terms after it.
        unit_note: why units explain nothing, if so.
        attributions: evidence by the units that detect a concept, the last one of all others.
        categories: `present` of the attributions, summed over each category.
        ablations: units that were ablated, and the predictions then.
        no_flip: why no ablation was found that changes the decision, if that was asked.
        paths: unit paths; None where they are a page of their own.
        accounting: how the paths add up, their sum last.
        facts: settings, shown at the foot.
        panels: further pictures of what this one is compared with.
        panels_text: what they say.
    """

    title: str
    verdict: str
    motion: str
    target: str
    versus: str | None
    seen_text: str
    masked_text: str
    names_by: str
    elsewhere: str
    predicted: tuple[tuple[str, float], ...]
    image: str
    size: tuple[int, int]
    frames: int
    seen: tuple[float, float, float, float]
    maps: tuple[tuple[str, str], ...]
    things: tuple[PageThing, ...]
    asked: PageThing | None
    leading: int | None
    change: PageChange | None
    places: tuple[PagePlace, ...]
    regions: tuple[RegionTable, ...]
    unusual: tuple[UnusualTable, ...]
    flows: FlowPage | None
    total: float
    biases: tuple[tuple[str, float], ...]
    unit_note: str | None
    attributions: tuple[PageAttribution, ...]
    categories: tuple[tuple[str, float], ...]
    ablations: tuple[PageAblation, ...]
    no_flip: str | None
    paths: PathPage | None
    accounting: tuple[tuple[str, float], ...]
    facts: tuple[tuple[str, str], ...]
    panels: tuple[PagePanel, ...] = ()
    panels_text: str = ""
