"""What a graph store can do, whatever engine is behind it.

A question is a small frozen object that knows its own answer in each engine's terms; a store only
carries it there. Every store answers a question with the same rows in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, TypeVar

from ...errors import StoreError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import networkx as nx

    from ..records import Records

Row = TypeVar("Row")
Advance: TypeAlias = "Callable[[int], None]"
"""Told how much more is done."""


class LoadedRun(NamedTuple):
    """A run that is in a store.

    Its `status` is "complete"; "loading" or "unloading" where that was cut off, and then it answers
    no question until it is loaded again.
    """

    uid: str
    model: str | None
    created: str | None
    min_iou: float
    edges_per_target: int
    share_left_out: float
    status: str = "complete"


class Statement(NamedTuple):
    """A Cypher text with the values of its parameters."""

    text: str
    parameters: dict[str, object]


class Question(Protocol[Row]):
    """A question about one run with typed rows; a row's fields are its columns.

    In the networkx graph a node has the attribute `labels` and an edge the attribute `type`,
    beside the properties of `schema`.
    """

    @property
    def run(self) -> str:
        """Uid of the run that is asked about."""

    @property
    def row(self) -> Callable[..., Row]:
        """Makes a row of the values that the Cypher text returns, by the names of its columns."""

    def cypher(self) -> Statement:
        """The question as Cypher."""

    def answer(self, graph: nx.DiGraph[str]) -> list[Row]:
        """The rows, in an order that does not depend on how the graph was loaded."""


def ignore(_done: int) -> None:
    """Progress that nobody watches."""


class Store(Protocol):
    """Holds the graphs of any number of runs."""

    def load(self, records: Records, progress: Advance = ignore) -> None:
        """Put a run in, in place of an earlier one of the same uid.

        Its units are tied to the same ones of other runs of its network, once those are in too.
        `progress` is told of nodes and edges as they are done, `len(records)` in all.
        """

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
