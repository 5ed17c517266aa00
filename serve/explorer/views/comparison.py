"""Two runs side by side: what their units detect, and which units changed their label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....errors import QueryError
from ....graph.uids import concept_uid
from ....queries.compare import compare
from ..rendering import Page
from .audits import newest_finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....queries.compare import BlockCounts, RunLabel, RunPair
    from ..library import Library, ServedRun

_CHANGES, _CONCEPTS = 40, 40
"""Units and concepts that are shown."""


@dataclass(frozen=True)
class ComparePage:
    """Two runs side by side.

    Attributes:
        keys: of the runs that can be compared with this one.
        other: key of the other run; None before one is chosen.
        counts: blocks of both, the last block first.
        pair: what differs; None before one is chosen.
        changes: units whose label changed.
        caveat: what to know before labels are compared, if anything.
        audits: key of each of both, and the finding of its newest audit, if it has one.
    """

    keys: list[str]
    other: str | None
    counts: list[tuple[str, list[BlockCounts]]]
    pair: RunPair | None
    changes: list[tuple[str, RunLabel | None, RunLabel | None]]
    caveat: str | None
    audits: list[tuple[str, str | None]]

    @staticmethod
    def uid(label: RunLabel) -> str:
        """Return the uid of a label's concept."""
        return concept_uid(label.category, label.name)


def comparison(library: Library, served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the run beside the run `with`.

    Raises:
        QueryError: there is no such run, or only its graph is here.
    """
    keys = [row.key for row in library.runs() if row.problem is None and row.key != served.key]
    other = asked.get("with", "")
    if not other:
        content = ComparePage(keys, None, [], None, [], None, [])
        return Page("compare.html", "Compare", content, "/compare")
    second = library.open(other)
    if served.run is None or second.run is None:
        raise QueryError("a comparison needs the folders of both runs", remedy="Name one by --run")
    with library.heavy:
        result = compare([served.run, second.run])
    (pair,) = result.pairs
    blocks = sorted({row.block for row in result.counts}, reverse=True)
    content = ComparePage(
        keys,
        second.key,
        [(block, [row for row in result.counts if row.block == block]) for block in blocks],
        pair,
        [(each.unit, each.before, each.after) for each in pair.changes[:_CHANGES]],
        pair.caveat(),
        [(each.key, newest_finding(each)) for each in (served, second)],
    )
    return Page("compare.html", "Compare", content, "/compare")
