"""Contributions to and from a unit, as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from .parameters import TargetUid
    from .view import ContributesEdge, RunView


class ContributionRow(NamedTuple):
    """One contribution, with the unit or class at its far end.

    `uid` is that unit's or class's, `name` its caption; `concept`, `category` and `iou` are the
    unit's label, None for a class or an unnamed unit.
    """

    uid: TargetUid
    name: str
    concept: str | None
    category: str | None
    iou: float | None
    weight: float
    pre: float
    share: float


def contribution_row(view: RunView, uid: str, edge: ContributesEdge) -> ContributionRow:
    """Return the row of a contribution from or to `uid`."""
    label = view.label(uid)
    return ContributionRow(
        cast("TargetUid", view.local_uid(uid)),
        view.node(uid)["name"],
        label and label.name,
        label and label.category,
        view.unit(uid)["iou"] if label else None,
        edge["weight"],
        edge["pre"],
        edge["share"],
    )
