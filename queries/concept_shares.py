"""Shares of a target's positive incoming weight, added up by concept."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from .view import ordered_sum

if TYPE_CHECKING:
    from .view import LabelConcept, RunView


class ShareRow(NamedTuple):
    """A concept, or a class, with the units that contribute and the sum of their shares.

    `share` is that of the target's positive incoming weight; inhibitors count as negative, and
    contributions that were too weak to be stored in the graph are left out. It is not a share of a
    logit. `category` is None for a class.
    """

    uid: str
    name: str
    category: str | None
    units: int
    share: float


def shares_by_concept(view: RunView, target: str) -> dict[LabelConcept, list[float]]:
    """Collect the shares of the units that contribute to a target, by the units' labels."""
    shares: dict[LabelConcept, list[float]] = defaultdict(list)
    for unit, edge in view.contributors(target):
        label = view.label(unit)
        if label:
            shares[label].append(edge["share"])
    return shares


def concept_share_rows(view: RunView, target: str) -> list[ShareRow]:
    """Return the concepts that feed a target, largest share first."""
    shares = shares_by_concept(view, target)
    return ranked([ShareRow(*label, len(v), ordered_sum(v)) for label, v in shares.items()])


def ranked(rows: list[ShareRow]) -> list[ShareRow]:
    """Return the rows with a positive share, the largest first, then by uid."""
    positive = [row for row in rows if row.share > 0]
    return sorted(positive, key=lambda row: (-row.share, row.uid))
