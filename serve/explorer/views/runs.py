"""The list of runs, where there are several, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..rendering import Page

if TYPE_CHECKING:
    from ..library import Library, Listing


@dataclass(frozen=True)
class RunsPage:
    """The list of runs.

    Attributes:
        rows: the newest first.
        is_neo4j: whether they are in a Neo4j.
    """

    rows: list[Listing]
    is_neo4j: bool


def runs(library: Library) -> Page:
    """Return the list of runs."""
    return Page("runs.html", "Runs", RunsPage(library.runs(), library.is_neo4j))
