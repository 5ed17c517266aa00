"""The parts of a page of paths: plain values, already in words and embedded pictures.

A picture is a `data:image/…` URI.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    top_images: str | None = None
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
class PageAttribution:
    """What a concept adds to the logit.

    Attributes:
        name: the concept; None for all units without one.
        category: its category; None for several concepts in one row.
        present: where the concept is present.
        firing: elsewhere, where its units fire.
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
    image: str
    predicted: tuple[tuple[str, float], ...]
    text: str


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
        accounting: parts of the logit, and last their sum; empty without an image.
        image: the image that is explained.
        cam: its class activation map.
        attributions: all paths by concept, the last one for units without a concept; empty without
            an image.
        categories: `present` of the attributions, summed over each category.
        versus: the class that the target is compared with, if any.
        ablations: units that were ablated, and the predictions then.
        no_flip: why no ablation was found that changes the decision, if that was asked.
        panels: images to see before all else, side by side.
    """

    title: str
    target: str
    value_name: str
    lead: str
    paths: tuple[PagePath, ...]
    facts: tuple[tuple[str, str], ...]
    path_text: str = ""
    accounting: tuple[tuple[str, float], ...] = ()
    image: str | None = None
    cam: str | None = None
    attributions: tuple[PageAttribution, ...] = ()
    categories: tuple[tuple[str, float], ...] = ()
    versus: str | None = None
    ablations: tuple[PageAblation, ...] = ()
    no_flip: str | None = None
    panels: tuple[PagePanel, ...] = ()
