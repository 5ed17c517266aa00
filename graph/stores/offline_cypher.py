"""Free Cypher without a server: the records in kglite, an engine in memory, read-only and bounded.

The extra `conceptgraph[cypher]` brings it. It takes the catalogue's own texts unchanged; what it
leaves out of Neo4j's Cypher, and what differs, is in `docs/queries.md`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain, combinations, islice
from typing import TYPE_CHECKING, NamedTuple

from ...errors import QueryError, StoreError
from ..same_units import same_units

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import kglite

    from ..elements import Edge, Node, Value
    from ..records import Records

    _Row = dict[str, Value | dict[str, Value]]

_BATCH = 50_000


class Table(NamedTuple):
    """What a text returned."""

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]


@dataclass(frozen=True)
class Bounds:
    """How far one text may go.

    Attributes:
        seconds: of time.
        work: steps of the engine; some 100 MB per ten million where all are kept for sorting.
        rows: returned.
    """

    seconds: float = 30.0
    work: int = 20_000_000
    rows: int = 100_000


def run_cypher(
    loaded: Iterable[Records],
    text: str,
    parameters: Mapping[str, object] | None = None,
    bounds: Bounds = Bounds(),
) -> Table:
    """What a Cypher text returns over the graphs of these runs; nothing it says can change them.

    Raises:
        StoreError: kglite is not installed, or a bound was exceeded.
        QueryError: the text is not Cypher, would write or read a file, or lacks a parameter.
    """
    return CypherGraph(loaded).ask(text, parameters, bounds)


class CypherGraph:
    """The graphs of some runs, to be asked more than once."""

    def __init__(self, loaded: Iterable[Records]) -> None:
        """Load them; StoreError when kglite is not installed."""
        try:
            import kglite
        except ImportError:
            raise StoreError(
                "free Cypher without a server needs kglite",
                remedy="Get it with `pip install conceptgraph[cypher]`, or ask Neo4j with --neo4j",
            ) from None
        kglite.set_query_warning_policy("silent")
        self._graph = kglite.KnowledgeGraph()
        _load(self._graph, list(loaded))
        self._graph.read_only(True)

    def ask(
        self,
        text: str,
        parameters: Mapping[str, object] | None = None,
        bounds: Bounds = Bounds(),
    ) -> Table:
        """As `run_cypher`."""
        import kglite

        _refuse_files(text)
        try:
            view = self._graph.cypher(
                text,
                params=dict(parameters or {}),
                timeout_ms=max(1, round(bounds.seconds * 1000)),
                max_work_units=bounds.work,
                row_limit=bounds.rows + 1,
            )
        except kglite.CypherTimeoutError:
            raise StoreError(
                f"this Cypher takes longer than {bounds.seconds:g} s",
                remedy="Anchor it at one class or unit, and filter on rank",
            ) from None
        except kglite.ReadOnlyError:
            what = "this Cypher would change the graph"
            raise QueryError(what, expected="MATCH … RETURN … only") from None
        except kglite.KgError as error:
            raise _refused(str(error), bounds) from None
        if not isinstance(view, kglite.ResultView):
            raise QueryError("FORMAT CSV is not Cypher", expected="MATCH … RETURN … only")
        rows = [tuple(row.values()) for row in view.to_list()]
        check_rows(len(rows), bounds)
        return Table(tuple(view.columns), rows)


def check_rows(rows: int, bounds: Bounds) -> None:
    """What every engine says of more rows than are allowed; an answer is never cut in silence."""
    if rows > bounds.rows:
        raise StoreError(f"this Cypher returns more than {bounds.rows} rows", remedy="Add a LIMIT")


def _refuse_files(text: str) -> None:
    """The engine would read any file of this machine.

    No attempt is made to tell a string or comment from a clause: nothing that hides it gets past.
    """
    if re.search(r"\bLOAD\b.*\bCSV\b", text, re.IGNORECASE | re.DOTALL):
        raise QueryError("LOAD CSV is not allowed here", expected="MATCH … RETURN … only")


def _refused(message: str, bounds: Bounds) -> QueryError | StoreError:
    """The engine's own words, in one line; its message for a bound is several."""
    if "max_work_units" in message:
        return StoreError(
            f"this Cypher needs more than {bounds.work} steps",
            remedy="Anchor it at one class or unit, and filter on rank",
        )
    return QueryError(message.split("\n   ", maxsplit=1)[0])


def _load(graph: kglite.KnowledgeGraph, loaded: Sequence[Records]) -> None:
    """Nodes by their labels, then relationships by type and end labels; labels are our own."""
    nodes = {node.uid: node for records in loaded for node in records.all_nodes()}
    by_labels: dict[tuple[str, ...], list[_Row]] = defaultdict(list)
    for node in nodes.values():
        by_labels[node.labels].append({"uid": node.uid, "properties": node.properties})
    for label in sorted({labels[0] for labels in by_labels}):
        graph.cypher(f"CREATE CONSTRAINT IF NOT EXISTS FOR (n:{label}) REQUIRE n.uid IS UNIQUE")
    for labels, rows in by_labels.items():
        text = (
            f"UNWIND $rows AS row CREATE (n:{':'.join(labels)} {{uid: row.uid}}) "
            "SET n += row.properties"
        )
        graph.cypher(text, params={"rows": rows})
    pairs = combinations(loaded, 2)
    for edges in chain((each.all_edges() for each in loaded), (same_units(*two) for two in pairs)):
        while batch := list(islice(edges, _BATCH)):
            _load_edges(graph, nodes, batch)


def _load_edges(
    graph: kglite.KnowledgeGraph, nodes: Mapping[str, Node], edges: Iterable[Edge]
) -> None:
    by_ends: dict[tuple[str, str, str], list[_Row]] = defaultdict(list)
    for edge in edges:
        ends = nodes[edge.source].labels[0], edge.type, nodes[edge.target].labels[0]
        row: _Row = {"source": edge.source, "target": edge.target, "properties": edge.properties}
        by_ends[ends].append(row)
    for (source, kind, target), rows in by_ends.items():
        text = (
            f"UNWIND $rows AS row MATCH (a:{source} {{uid: row.source}}) "
            f"MATCH (b:{target} {{uid: row.target}}) CREATE (a)-[e:{kind}]->(b) "
            "SET e += row.properties"
        )
        graph.cypher(text, params={"rows": rows})
