"""What a graph store can do, whatever engine is behind it.

A question is a small frozen object that knows its own answer in each engine's terms; a store only
carries it there. Every store answers a question with the same rows in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from .errors import StoreError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    import networkx as nx

    from .records import Records

Row = TypeVar("Row")


class LoadedRun(NamedTuple):
    """A run that is in a store."""

    uid: str
    model: str | None
    created: str | None
    min_iou: float
    edges_per_target: int
    share_left_out: float


class Statement(NamedTuple):
    """A Cypher text with the values of its parameters."""

    text: str
    parameters: dict[str, object]


class Question(Protocol[Row]):
    """A question with typed rows; a row's fields are its columns.

    In the networkx graph a node has the attribute `labels` and an edge the attribute `type`,
    beside the properties of `schema`.
    """

    def answer(self, graph: nx.DiGraph[str]) -> list[Row]:
        """The rows, in an order that does not depend on how the graph was loaded."""


class Store(Protocol):
    """Holds the graphs of any number of runs."""

    def load(self, records: Records) -> None:
        """Put a run in, in place of an earlier one of the same uid."""

    def runs(self) -> list[LoadedRun]:
        """The runs that are in, by uid."""

    def unload(self, run: str) -> None:
        """Take a run out, with the concepts that no other run has; StoreError if it is not in."""

    def ask(self, question: Question[Row]) -> list[Row]:
        """The rows that answer a question."""


def no_such_run(run: str, loaded: Iterable[str]) -> StoreError:
    """What every store says about a run that is not in it."""
    names = list(loaded)
    remedy = nearest(run, names) if names else "The store is empty: load a run first"
    return StoreError(f"no run {run!r} in the store", remedy=remedy)
