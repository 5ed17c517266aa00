"""What every graph store can do, whatever engine is behind it.

A question is a small frozen object that can be asked of each engine; a store only passes it on.
Every store answers a question with the same rows in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from ...errors import StoreError, nearest
from ...progress import no_advance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import networkx as nx

    from ...progress import Advance
    from ..records import Records

Row = TypeVar("Row")
NARROW_QUERY = "Start from one class or unit, and filter on rank"
"""What to do with a Cypher text that takes too long."""


class LoadedRun(NamedTuple):
    """A run that is in a store.

    Its `status` is "complete", or "loading" or "unloading" if that was interrupted; then the store
    answers no question about it until it is loaded again.
    """

    uid: str
    model: str
    created: str
    min_iou: float
    edges_per_target: int
    share_left_out: float
    status: str = "complete"


class Statement(NamedTuple):
    """A Cypher text with the values of its parameters."""

    text: str
    parameters: dict[str, object]


class CypherResult(NamedTuple):
    """What a Cypher text of the user's returned; `cut` if there were more rows than the limit."""

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]
    cut: bool = False


@dataclass(frozen=True)
class CypherLimits:
    """Limits for one Cypher text of the user's.

    Attributes:
        seconds: time.
        rows: the rows that are returned at most; if there are more, the result says so.
        work: steps of the offline engine; ten million need about 100 MB if all are sorted.
        gigabytes: memory of the offline engine beside the graph.
    """

    seconds: float = 20.0
    rows: int = 10_000
    work: int = 20_000_000
    gigabytes: float = 2.0


DEFAULT_LIMITS = CypherLimits()


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
        """What makes a row of the values that the Cypher text returns, by column name."""

    def cypher(self) -> Statement:
        """Return the question as Cypher."""

    def answer(self, graph: nx.DiGraph[str]) -> list[Row]:
        """Return the rows, in an order that does not depend on how the graph was loaded."""


class Store(Protocol):
    """A store of the graphs of any number of runs."""

    def load(self, records: Records, progress: Advance = no_advance) -> None:
        """Load a run; it replaces an earlier one of the same uid.

        SAME_UNIT relationships to other runs of its network are made too. `progress` is called with
        numbers of nodes and edges that are done, `len(records)` in all.
        """

    def runs(self) -> list[LoadedRun]:
        """Return the loaded runs, by uid."""

    def unload(self, run: str) -> None:
        """Remove a run, with the concepts and images that only it has.

        Raises:
            StoreError: it is not loaded.
        """

    def ask(self, question: Question[Row]) -> list[Row]:
        """Return the rows that answer a question."""


def no_such_run(run: str, loaded: Iterable[str]) -> StoreError:
    """Return the error of every store for a run that is not in it."""
    names = list(loaded)
    remedy = nearest(run, names) if names else "The store is empty: load a run first"
    return StoreError(f"no run {run!r} in the store", remedy=remedy)


def limited(
    columns: Iterable[str], rows: list[tuple[object, ...]], limits: CypherLimits
) -> CypherResult:
    """Return at most as many rows as the limit, of one more that were asked for."""
    return CypherResult(tuple(columns), rows[: limits.rows], cut=len(rows) > limits.rows)
