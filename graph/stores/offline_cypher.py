"""Free Cypher without a server: the records in kglite, an engine in memory, read-only and bounded.

The extra `conceptgraph[cypher]` installs it. It takes the catalogue's texts unchanged;
`docs/queries.md` says which parts of Neo4j's Cypher it lacks and what differs.
"""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import chain, combinations, islice
from typing import TYPE_CHECKING

from ...errors import QueryError, StoreError
from ..same_units import same_units
from .store import DEFAULT_LIMITS, NARROW_QUERY, CypherResult, check_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import kglite

    from ..elements import Edge, Node, Value
    from ..records import Records
    from .store import CypherLimits

    _Parameter = dict[str, Value | dict[str, Value]]

_BATCH = 50_000


def run_cypher(
    loaded: Iterable[Records],
    text: str,
    parameters: Mapping[str, object] | None = None,
    limits: CypherLimits = DEFAULT_LIMITS,
) -> CypherResult:
    """Run a Cypher text on the graphs of some runs; it cannot change them.

    Raises:
        StoreError: kglite is not installed, or a limit was exceeded.
        QueryError: the text is not Cypher, would write or read a file, or lacks a parameter.
    """
    return CypherGraph(loaded).ask(text, parameters, limits)


class CypherGraph:
    """The graphs of some runs, to be asked more than once."""

    def __init__(self, loaded: Iterable[Records]) -> None:
        """Load the graphs; StoreError if kglite is not installed."""
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
        limits: CypherLimits = DEFAULT_LIMITS,
    ) -> CypherResult:
        """Run a Cypher text, as `run_cypher` does."""
        import kglite

        _refuse_files(text)
        try:
            view = self._graph.cypher(
                text,
                params=dict(parameters or {}),
                timeout_ms=max(1, round(limits.seconds * 1000)),
                max_work_units=limits.work,
                row_limit=limits.rows + 1,
            )
        except kglite.CypherTimeoutError:
            raise StoreError(
                f"this Cypher takes longer than {limits.seconds:g} s",
                remedy=NARROW_QUERY,
            ) from None
        except kglite.ReadOnlyError:
            what = "this Cypher would change the graph"
            raise QueryError(what, expected="MATCH … RETURN … only") from None
        except kglite.KgError as error:
            raise _engine_error(str(error), limits) from None
        if not isinstance(view, kglite.ResultView):
            raise QueryError("FORMAT CSV is not Cypher", expected="MATCH … RETURN … only")
        rows = [tuple(row.values()) for row in view.to_list()]
        check_rows(len(rows), limits)
        return CypherResult(tuple(view.columns), rows)


def _refuse_files(text: str) -> None:
    """Refuse LOAD CSV, with which the engine would read any file of this machine.

    Strings and comments are not told apart from clauses, so nothing can hide it.
    """
    if re.search(r"\bLOAD\b.*\bCSV\b", text, re.IGNORECASE | re.DOTALL):
        raise QueryError("LOAD CSV is not allowed here", expected="MATCH … RETURN … only")


def _engine_error(message: str, limits: CypherLimits) -> QueryError | StoreError:
    """Return the engine's message as an error of one line."""
    if "max_work_units" in message:
        return StoreError(
            f"this Cypher needs more than {limits.work} steps",
            remedy=NARROW_QUERY,
        )
    return QueryError(message.split("\n   ", maxsplit=1)[0])


def _load(graph: kglite.KnowledgeGraph, loaded: Sequence[Records]) -> None:
    """Create nodes by their labels, then relationships by type and the labels at their ends."""
    nodes = {node.uid: node for records in loaded for node in records.all_nodes()}
    by_labels: dict[tuple[str, ...], list[_Parameter]] = defaultdict(list)
    for node in nodes.values():
        by_labels[node.labels].append({"uid": node.uid, "properties": node.properties})
    for label in sorted({labels[0] for labels in by_labels}):
        graph.cypher(
            f"CREATE CONSTRAINT IF NOT EXISTS FOR (node:{label}) REQUIRE node.uid IS UNIQUE"
        )
    for labels, rows in by_labels.items():
        text = (
            f"UNWIND $rows AS row CREATE (node:{':'.join(labels)} {{uid: row.uid}}) "
            "SET node += row.properties"
        )
        graph.cypher(text, params={"rows": rows})
    links = (same_units(*pair) for pair in combinations(loaded, 2))
    for edges in chain((records.all_edges() for records in loaded), links):
        while batch := list(islice(edges, _BATCH)):
            _load_edges(graph, nodes, batch)


def _load_edges(
    graph: kglite.KnowledgeGraph, nodes: Mapping[str, Node], edges: Iterable[Edge]
) -> None:
    by_ends: dict[tuple[str, str, str], list[_Parameter]] = defaultdict(list)
    for edge in edges:
        ends = nodes[edge.source].labels[0], edge.type, nodes[edge.target].labels[0]
        by_ends[ends].append(
            {"source": edge.source, "target": edge.target, "properties": edge.properties}
        )
    for (source, kind, target), rows in by_ends.items():
        text = (
            f"UNWIND $rows AS row MATCH (source:{source} {{uid: row.source}}) "
            f"MATCH (target:{target} {{uid: row.target}}) "
            f"CREATE (source)-[edge:{kind}]->(target) SET edge += row.properties"
        )
        graph.cypher(text, params={"rows": rows})
