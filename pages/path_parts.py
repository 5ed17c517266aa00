"""What a page shows: its parts as plain values, already in words and embedded pictures."""

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

    `status` is "ok", "dead", "sparse"…; `more` are its further concepts; `picture` is the strip of
    its top images, `heat` its activation on the photograph, as `data:image/…` URIs.
    """

    uid: str
    block: str
    index: int
    concept: PageConcept | None
    status: str
    more: tuple[PageConcept, ...] = ()
    picture: str | None = None
    heat: str | None = None


@dataclass(frozen=True)
class PagePath:
    """A path; `steps[i]` is the signed weight of the edge out of `units[i]`, the last to the class.

    Where paths share an edge, the first path's weight is drawn. `measured` is the effect that was
    really measured, and `disputed` whether it is far from the value.
    """

    rank: int
    value: float
    units: tuple[PageUnit, ...]
    steps: tuple[float, ...]
    measured: float | None = None
    disputed: bool = False


@dataclass(frozen=True)
class PageShare:
    """What a concept adds, by where: the concept present, its units only firing, or below that.

    `name` None is all units without one; `probe` says how far "present" can be trusted; `place` is
    where in the photograph that comes from, as a `data:image/…` URI; `apart` holds, for a
    difference of two classes, what raises the one and what lowers the other.
    """

    name: str | None
    category: str | None
    present: float
    firing: float
    below: float
    probe: str = ""
    place: str | None = None
    apart: tuple[float, float] | None = None


@dataclass(frozen=True)
class PageTrial:
    """What the network says without some units: `rows` are class, probability before and after."""

    title: str
    verdict: str
    rows: tuple[tuple[str, float, float], ...]
    then: str = ""


@dataclass(frozen=True)
class PageTile:
    """A picture of the story, what is said of it (class, probability), and words below."""

    title: str
    image: str
    rows: tuple[tuple[str, float], ...]
    words: str


@dataclass(frozen=True)
class PathPage:
    """What a page shows. `paths` are in the order to list them, the strongest first.

    Attributes:
        target: the class's name.
        value_name: what a path's value is: "score" or "logit contribution".
        lead: one sentence in plain words.
        facts: settings, shown at the foot.
        rows: the accounting: parts, and last their sum (the logit); empty without an image.
        image: the photograph, and `cam` its class activation map, as `data:image/…` URIs.
        shares: all paths by concept, the last one for units without; empty without an image.
        categories: the shares that are present, added up by category.
        versus: the class that the target is compared with, if any.
        trials: what was silenced, and what the network said then.
        story: pictures to look at before all else, side by side.
    """

    title: str
    target: str
    value_name: str
    lead: str
    paths: tuple[PagePath, ...]
    facts: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, float], ...] = ()
    image: str | None = None
    cam: str | None = None
    shares: tuple[PageShare, ...] = ()
    categories: tuple[tuple[str, float], ...] = ()
    versus: str | None = None
    trials: tuple[PageTrial, ...] = ()
    story: tuple[PageTile, ...] = ()
