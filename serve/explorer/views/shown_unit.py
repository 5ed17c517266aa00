"""A unit as every page shows it: a link with its name and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ....graph.uids import concept_uid, is_class
from ..rendering import digits, percent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ....queries.contributions import ContributionRow
    from ..library import ServedRun


class ShownUnit(NamedTuple):
    """A unit.

    Attributes:
        uid: "block4/290".
        label: the concept that it is named after; None without a name.
        category: of the concept.
        concept: uid of the concept.
        iou: with the concept; of a unit without a name None.
        best: the concept with the largest IoU of a unit without a name, which does not hold.
        status: "ok", "dead" or "sparse".
        significant: whether the label is; None if that is not known.
        ranks: of its pictures.
        own_name: what somebody calls it; "" for nothing.
    """

    uid: str
    label: str | None
    category: str | None
    concept: str | None
    iou: float | None
    best: str | None
    status: str
    significant: bool | None
    ranks: tuple[str, ...]
    own_name: str


class Contribution(NamedTuple):
    """What a unit adds to another unit or to a class.

    Attributes:
        unit: at the far end; None if there is a class.
        target: name of the class.
        amount: share of the positive weights into the target; of what inhibits, the contribution
            before the target's ReLU.
        text: the amount.
    """

    unit: ShownUnit | None
    target: str
    amount: float
    text: str


def shown_unit(served: ServedRun, uid: str, pictures: int = 3) -> ShownUnit:
    """Return a unit of the run with at most so many pictures."""
    row = served.unit_of[uid]
    ranks = tuple(served.thumbnails.get(uid, {}))[:pictures]
    note = served.notes.get(uid)
    own_name = "" if note is None else note["name"]
    if not row.named or row.label is None or row.category is None:
        return ShownUnit(uid, None, None, None, None, row.label, row.status, None, ranks, own_name)
    concept = concept_uid(row.category, row.label)
    names = row.label, row.category, concept, row.iou
    return ShownUnit(uid, *names, None, row.status, row.significant, ranks, own_name)


def contributions(
    served: ServedRun, rows: Iterable[ContributionRow], *, inhibiting: bool = False
) -> list[Contribution]:
    """Return the rows of a question about contributions with their units.

    Args:
        served: the run.
        rows: of the question.
        inhibiting: whether they are those that inhibit.
    """
    return [
        Contribution(
            None if is_class(row.uid) else shown_unit(served, row.uid, 2),
            row.name,
            row.pre if inhibiting else row.share,
            digits(row.pre) if inhibiting else percent(row.share),
        )
        for row in rows
    ]
