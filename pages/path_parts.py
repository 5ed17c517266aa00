"""The parts of a page of paths: plain values, already in words and embedded pictures.

A picture is a `data:image/…` URI, or a `Picture` of such.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .image_parts import FlowPage
    from .pictures import Picture


@dataclass(frozen=True)
class PageConcept:
    """A concept that a unit detects."""

    name: str
    category: str
    iou: float


@dataclass(frozen=True)
class PageUnit:
    """A unit on a path; two with one `uid` are the same unit.

    Attributes:
        uid: "block4/290".
        block: its block.
        index: its number in the block.
        concept: the concept it detects, if any.
        status: "ok", "dead" or "sparse".
        further: more concepts, with a smaller IoU.
        top_images: the images with its largest activations, side by side.
        activation: its activation map over the image that is explained.
    """

    uid: str
    block: str
    index: int
    concept: PageConcept | None
    status: str
    further: tuple[PageConcept, ...] = ()
    top_images: Picture | None = None
    activation: str | None = None


@dataclass(frozen=True)
class PagePath:
    """A path to the class.

    Attributes:
        rank: from 1.
        value: its score or contribution.
        units: first to last.
        steps: for each unit, the signed weight of the edge that leaves it, the last one to the
            class. Where paths share an edge, the first path's weight is drawn.
        measured: the effect of ablating the first unit, along this path only.
        disputed: whether `measured` is far from `value`.
    """

    rank: int
    value: float
    units: tuple[PageUnit, ...]
    steps: tuple[float, ...]
    measured: float | None = None
    disputed: bool = False


@dataclass(frozen=True)
class PathPage:
    """All that a page of paths shows.

    Attributes:
        title: the heading.
        target: the class's name.
        value_name: what a path's value is, "score" or "logit contribution".
        lead: one or two sentences that sum it up.
        path_text: the strongest path in words, shown with the graph; "" if the lead says it.
        paths: in the order of the list, the strongest first.
        facts: settings, shown at the foot.
        concepts: the concepts that carry the class over images, if the run has that evidence.
        concepts_text: over which images.
    """

    title: str
    target: str
    value_name: str
    lead: str
    paths: tuple[PagePath, ...]
    facts: tuple[tuple[str, str], ...]
    path_text: str = ""
    concepts: FlowPage | None = None
    concepts_text: str = ""
