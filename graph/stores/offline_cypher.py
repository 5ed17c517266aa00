"""Free Cypher without a server: the records in kglite, an engine in memory, read-only and bounded.

The extra `conceptgraph[cypher]` installs it. It takes the catalogue's texts unchanged;
`docs/queries.md` says which parts of Neo4j's Cypher it lacks and what differs.

The engine bounds its steps, but a short text can double a string until the machine has no memory
left. So it runs in a process of its own, which may take `CypherLimits.gigabytes` beside the graph,
and is ended when it does not answer in time.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import weakref
from collections import defaultdict
from contextlib import closing, suppress
from itertools import chain, combinations, islice
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConceptGraphError, QueryError, StoreError
from ..same_units import same_units
from .cypher_guard import ONLY_READ, check_cypher
from .store import DEFAULT_LIMITS, NARROW_QUERY, CypherResult, limited

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from multiprocessing.connection import Connection

    import kglite

    from ..elements import Edge, Node, Value
    from ..records import Records
    from .store import CypherLimits

    _Parameter = dict[str, Value | dict[str, Value]]

_BATCH = 50_000
_SPAWN = multiprocessing.get_context("spawn")
_GRACE_SECONDS = 3
"""Time that the engine has to notice its own limit, and to send its rows."""


def run_cypher(
    loaded: Iterable[Records],
    text: str,
    parameters: Mapping[str, object] | None = None,
    limits: CypherLimits = DEFAULT_LIMITS,
) -> CypherResult:
    """Run a Cypher text on the graphs of some runs; it cannot change them.

    Raises:
        StoreError: kglite is not installed, or a limit was exceeded.
        QueryError: the text is not Cypher, lacks a parameter, or is refused (`cypher_guard`).
    """
    with closing(CypherGraph(loaded)) as graph:
        return graph.ask(text, parameters, limits)


class CypherGraph:
    """The graphs of some runs, to be asked more than once; `close` ends their process."""

    def __init__(self, loaded: Iterable[Records]) -> None:
        """Take the graphs; StoreError if kglite is not installed."""
        try:
            import kglite  # noqa: F401
        except ImportError:
            raise StoreError(
                "free Cypher without a server needs kglite",
                remedy="Get it with `pip install conceptgraph[cypher]`, or ask Neo4j with --neo4j",
            ) from None
        self._loaded = list(loaded)
        self._engine: _Engine | None = None

    def ask(
        self,
        text: str,
        parameters: Mapping[str, object] | None = None,
        limits: CypherLimits = DEFAULT_LIMITS,
    ) -> CypherResult:
        """Run a Cypher text, as `run_cypher` does."""
        check_cypher(text)
        if self._engine is None:
            self._engine = _Engine(self._loaded)
        try:
            return self._engine.ask(text, dict(parameters or {}), limits)
        except BaseException as error:
            if not isinstance(error, ConceptGraphError) or self._engine.has_ended:
                self.close()
            raise

    def close(self) -> None:
        """End the process; another one starts if the graphs are asked again."""
        if self._engine is not None:
            self._engine.end()
            self._engine = None


class _Engine:
    """A process with the graphs in kglite."""

    def __init__(self, loaded: Sequence[Records]) -> None:
        # A fork needs no copy of the graphs; elsewhere they are pickled.
        on_linux = sys.platform == "linux"
        context = multiprocessing.get_context("fork") if on_linux else _SPAWN
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._pipe, loaded), daemon=True
        )
        self._process.start()
        theirs.close()
        self.end = weakref.finalize(self, _end, self._process, self._pipe)
        self._receive(None)

    @property
    def has_ended(self) -> bool:
        return not self._process.is_alive()

    def ask(self, text: str, parameters: dict[str, object], limits: CypherLimits) -> CypherResult:
        with suppress(BrokenPipeError):
            self._pipe.send((text, parameters, limits))
        answer = self._receive(limits)
        if isinstance(answer, CypherResult):
            return answer
        raise answer

    def _receive(self, limits: CypherLimits | None) -> CypherResult | ConceptGraphError:
        """Return the next answer; without limits, wait until the graphs are loaded."""
        try:
            if limits and not self._pipe.poll(limits.seconds + _GRACE_SECONDS):
                self.end()
                return _too_slow(limits)
            answer: CypherResult | ConceptGraphError = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            what = "the offline engine of Cypher ended"
            if limits:
                what = f"this Cypher needs more than {limits.gigabytes:g} GB"
            return StoreError(what, remedy=NARROW_QUERY)
        return answer


def _end(process: multiprocessing.process.BaseProcess, pipe: Connection) -> None:
    pipe.close()
    process.kill()
    process.join()


def _serve(pipe: Connection, theirs: Connection, loaded: Sequence[Records]) -> None:
    """Load the graphs, and answer until the other end is closed; the life of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process ends this one
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    theirs.close()
    faulthandler.disable()
    _close_inherited(pipe)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the engine's last words, if memory is short
    import kglite

    kglite.set_query_warning_policy("silent")
    graph = kglite.KnowledgeGraph()
    _load(graph, loaded)
    graph.read_only(True)
    with suppress(EOFError, OSError):
        pipe.send(CypherResult((), []))
        while True:
            text, parameters, limits = pipe.recv()
            try:
                _limit_memory(limits)
                answer: CypherResult | ConceptGraphError = _answer(graph, text, parameters, limits)
            except ConceptGraphError as error:
                answer = error
            pipe.send(answer)


def _close_inherited(pipe: Connection) -> None:
    """Close what a fork has of the other process, but for the pipe.

    A connection of `serve` that stayed open here would never end for the browser, which would send
    its next request on it, and wait.
    """
    if sys.platform == "linux":
        os.closerange(3, pipe.fileno())
        os.closerange(pipe.fileno() + 1, os.sysconf("SC_OPEN_MAX"))


def _limit_memory(limits: CypherLimits) -> None:
    """Let this process take the limit's memory beside what it has; on Linux only."""
    if sys.platform == "linux":
        import resource

        status = Path("/proc/self/status").read_text(encoding="utf-8")
        (taken,) = (line for line in status.splitlines() if line.startswith("VmData"))
        most = int(taken.split()[1]) * 1024 + round(limits.gigabytes * 1e9)
        resource.setrlimit(
            resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1])
        )
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(
    graph: kglite.KnowledgeGraph,
    text: str,
    parameters: Mapping[str, object],
    limits: CypherLimits,
) -> CypherResult:
    import kglite

    try:
        view = graph.cypher(
            text,
            params=dict(parameters),
            timeout_ms=max(1, round(limits.seconds * 1000)),
            max_work_units=limits.work,
            row_limit=limits.rows + 1,
        )
    except kglite.CypherTimeoutError:
        raise _too_slow(limits) from None
    except kglite.ReadOnlyError:
        raise QueryError("this Cypher would change the graph", expected=ONLY_READ) from None
    except kglite.KgError as error:
        raise _engine_error(str(error), limits) from None
    if not isinstance(view, kglite.ResultView):
        raise QueryError("FORMAT CSV is not Cypher", expected=ONLY_READ)
    return limited(view.columns, [tuple(row.values()) for row in view.to_list()], limits)


def _too_slow(limits: CypherLimits) -> StoreError:
    return StoreError(f"this Cypher takes longer than {limits.seconds:g} s", remedy=NARROW_QUERY)


def _engine_error(message: str, limits: CypherLimits) -> QueryError | StoreError:
    """Return the engine's message as an error of one line."""
    if "max_work_units" in message:
        what = f"this Cypher needs more than {limits.work} steps"
        return StoreError(what, remedy=NARROW_QUERY)
    line = message.split("\n   ", maxsplit=1)[0]
    if "Unexpected token in MATCH pattern" in line:  # `(u RETURN`: the word is seldom a name
        line, is_keyword, _ = line.partition(" — a reserved keyword")
        if is_keyword:
            return QueryError(line, remedy="Close the pattern before it; a ) or ] is missing")
    return QueryError(line)


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
