"""How records get into Neo4j: each exactly once, however often the load is interrupted.

1. The Run node comes first, with `status: "loading"`, a digest of its records, and `loaded: 0`.
2. The records are split into transactions, always in the same order. Each adds its number of rows
   to `loaded`, and writes only if `loaded` is what it must be before this transaction. So one that
   is sent again after a lost answer writes nothing, and an interrupted load resumes where it was.
3. The Run node is completed (`neo4j_completion`): `status: "complete"`, and `loaded` is removed.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from neo4j.exceptions import IncompleteCommit

from ...errors import StoreError
from ..schema import NODES, RELATIONSHIPS, VERSION
from .neo4j_completion import complete_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import neo4j

    from ...progress import Advance
    from ..elements import Edge, ExplanationGraph, Node
    from ..records import Records

T = TypeVar("T")

ROWS_PER_TRANSACTION = 10_000
ROWS_PER_STATEMENT = 5_000
INDEXED = (
    ("Unit", "label"),
    ("Concept", "name"),
    ("Class", "name"),
    *((label, "run") for label, properties in NODES.items() if "run" in properties),
)
"""Properties by which people search in a browser."""

CREATE_RUN = """MERGE (run:Run {uid: $run})
ON CREATE SET run += $properties, run.status = 'loading', run.loaded = 0"""
# Setting a property, even to the value it has, locks the node: two loads of one run take turns.
ADVANCE = """MATCH (run:Run {uid: $run})
SET run.uid = $run
WITH run WHERE run.digest = $digest AND run.loaded = $done
SET run.loaded = $next
RETURN run.loaded AS loaded"""

EXPLANATIONS = "MATCH (explanation:Explanation) WHERE explanation.uid STARTS WITH $run + '/'"
RETURN_UID = " RETURN explanation.uid AS uid"
CREATE_IMAGE = "MERGE (image:Image {uid: $uid}) ON CREATE SET image += $properties"


class WriteStatement(NamedTuple):
    """A Cypher text that writes `$rows`; its result `created` must be `size`."""

    text: str
    rows: Sequence[object]
    size: int


def constraints() -> list[str]:
    """Return statements that make uids unique within their label, and index `INDEXED`."""
    unique = [
        f"CREATE CONSTRAINT conceptgraph_{label.lower()}_uid IF NOT EXISTS "
        f"FOR (node:{label}) REQUIRE node.uid IS UNIQUE"
        for label in NODES
    ]
    indexes = [
        f"CREATE INDEX conceptgraph_{label.lower()}_{name} IF NOT EXISTS "
        f"FOR (node:{label}) ON (node.{name})"
        for label, name in INDEXED
    ]
    return [*unique, *indexes, "CALL db.awaitIndexes(300)"]


def prepare(session: neo4j.Session) -> None:
    """Create the constraints and indexes that do not exist yet."""
    for text in constraints():
        _write(session, partial(_run, text=text))


def digest_of(records: Records) -> str:
    """Return 32 hex digits over the records, their order, and how they are split."""
    split = f"{VERSION} {ROWS_PER_TRANSACTION} {ROWS_PER_STATEMENT}"
    digest = hashlib.blake2b(split.encode(), digest_size=16)
    for batch in _batches(chain[object](records.nodes, records.edges), ROWS_PER_TRANSACTION):
        digest.update(json.dumps(batch, separators=(",", ":")).encode())
    return digest.hexdigest()


def load(session: neo4j.Session, records: Records, digest: str, progress: Advance) -> None:
    """Load a run, or what is missing of it; `digest` is that of its records.

    Raises:
        StoreError: something else changed the run, or deleted what it needs, at the same time.
    """
    run = records.run
    properties = {**records.nodes[0].properties, "digest": digest, "schema": VERSION}
    _write(session, lambda tx: tx.run(CREATE_RUN, run=run, properties=properties).consume())
    progress(1)
    done = 0
    for statements in _ahead(_transactions(records, ROWS_PER_TRANSACTION)):
        size = sum(statement.size for statement in statements)
        _write(
            session,
            partial(_advance, run=run, digest=digest, done=done, statements=statements),
        )
        done += size
        progress(size)
    if not _write(session, partial(complete_run, records=records, digest=digest, total=done)):
        raise _disturbed(run)


def load_explanations(session: neo4j.Session, records: Records, progress: Advance) -> None:
    """Load a run's explanations, each in one transaction; those that are loaded stay."""
    loaded = session.execute_read(
        lambda tx: {row["uid"] for row in tx.run(EXPLANATIONS + RETURN_UID, run=records.run)}
    )
    for explanation in records.explanations:
        if explanation.uid not in loaded:
            work = partial(_load_explanation, run=records.run, explanation=explanation)
            _write(session, work)
        progress(len(explanation.nodes) + len(explanation.edges))


def _load_explanation(
    tx: neo4j.ManagedTransaction, run: str, explanation: ExplanationGraph
) -> None:
    """Load one, unless it was loaded in the meantime; its image may belong to another run too."""
    exists = EXPLANATIONS + " AND explanation.uid = $uid" + RETURN_UID
    if tx.run(exists, run=run, uid=explanation.uid).peek():
        return
    image, *nodes = explanation.nodes
    tx.run(CREATE_IMAGE, uid=image.uid, properties=image.properties).consume()
    labels = {node.uid: node.labels[0] for node in explanation.nodes}
    for statement in (
        *_node_statements(nodes, ROWS_PER_STATEMENT),
        *_edge_statements(explanation.edges, labels, ROWS_PER_STATEMENT),
    ):
        result = tx.run(statement.text, rows=statement.rows)
        if result.single(strict=True)["created"] != statement.size:
            raise _disturbed(run)


def _transactions(records: Records, rows: int) -> Iterator[list[WriteStatement]]:
    """Yield the statements of each transaction: concepts, then the other nodes, then the edges.

    Concepts get their edge from the run in the transaction that creates them: no concept is ever
    left that unloading the run would not find.
    """
    size = min(rows, ROWS_PER_STATEMENT)
    nodes = [node for node in records.nodes[1:] if node.labels[0] != "Concept"]
    labels = {node.uid: node.labels[0] for node in nodes}
    concepts = [node for node in records.nodes if node.labels[0] == "Concept"]
    to_concepts = [edge for edge in records.edges if edge.type == "HAS_CONCEPT"]
    yield [
        *_concept_statements(concepts),
        *_edge_statements(to_concepts, labels, ROWS_PER_STATEMENT),
    ]
    other_edges = (edge for edge in records.edges if edge.type != "HAS_CONCEPT")
    yield from _grouped(_node_statements(nodes, size), rows)
    yield from _grouped(_edge_statements(other_edges, labels, size), rows)


def _grouped(statements: Iterable[WriteStatement], rows: int) -> Iterator[list[WriteStatement]]:
    """Yield lists of consecutive statements that have at most so many rows together."""
    group: list[WriteStatement] = []
    for statement in statements:
        if group and sum(other.size for other in [*group, statement]) > rows:
            yield group
            group = []
        group.append(statement)
    if group:
        yield group


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield the items; a thread makes the next one while one is used."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(next, items, None)
        while (item := future.result()) is not None:
            future = thread.submit(next, items, None)
            yield item


def _concept_statements(concepts: Iterable[Node]) -> Iterator[WriteStatement]:
    """Create concepts; runs share them, so one that exists stays as it is."""
    for labels, group in groupby(sorted(concepts), key=lambda node: node.labels):
        rows = [{"uid": node.uid, **node.properties} for node in group]
        text = (
            "UNWIND $rows AS row MERGE (concept:Concept {uid: row.uid}) "
            f"ON CREATE SET concept{_labels(labels[1:])}, concept += row "
            "RETURN count(*) AS created"
        )
        yield WriteStatement(text, rows, len(rows))


def _node_statements(nodes: Iterable[Node], size: int) -> Iterator[WriteStatement]:
    for labels, group in groupby(nodes, key=lambda node: node.labels):
        text = (
            f"UNWIND $rows AS row CREATE (node{_labels(labels)}) SET node = row "
            "RETURN count(*) AS created"
        )
        for batch in _batches(group, size):
            rows = [{"uid": node.uid, **node.properties} for node in batch]
            yield WriteStatement(text, rows, len(rows))


def _edge_statements(
    edges: Iterable[Edge], labels: dict[str, str], size: int
) -> Iterator[WriteStatement]:
    """Create edges from `[sources, [[target, [[index of the source, value, …], …]], …]]`.

    Each node is sent and matched once in a statement. Rows are lists, not maps: the names of
    properties would be most of what is sent.
    """

    def kind(edge: Edge) -> tuple[str, str]:
        targets = RELATIONSHIPS[edge.type].targets
        return edge.type, targets[0] if len(targets) == 1 else labels[edge.target]

    for (name, target), group in groupby(edges, key=kind):
        properties = tuple(RELATIONSHIPS[name].properties)
        text = _edge_text(name, target, properties)
        for batch in _batches(group, size):
            indices = {uid: i for i, uid in enumerate(dict.fromkeys(e.source for e in batch))}
            rows = [
                [uid, [[indices[e.source], *map(e.properties.get, properties)] for e in same]]
                for uid, same in groupby(batch, key=lambda edge: edge.target)
            ]
            yield WriteStatement(text, [list(indices), rows], len(batch))


def _edge_text(name: str, target: str, properties: Sequence[str]) -> str:
    values = ", ".join(f"{key}: edge[{index}]" for index, key in enumerate(properties, start=1))
    return (
        "UNWIND range(0, size($rows[0]) - 1) AS position "
        f"MATCH (source:{RELATIONSHIPS[name].source} {{uid: $rows[0][position]}}) "
        # If one were missing, the positions of the others would be wrong: then create nothing.
        "WITH source, position ORDER BY position "
        "WITH collect(source) AS sources WHERE size(sources) = size($rows[0]) "
        f"UNWIND $rows[1] AS row MATCH (target:{target} {{uid: row[0]}}) UNWIND row[1] AS edge "
        "WITH target, edge, sources[edge[0]] AS source "
        f"CREATE (source)-[:{name} {{{values}}}]->(target) RETURN count(*) AS created"
    )


def _advance(
    tx: neo4j.ManagedTransaction,
    run: str,
    digest: str,
    done: int,
    statements: list[WriteStatement],
) -> None:
    """Write some statements, unless they were written already."""
    after = done + sum(statement.size for statement in statements)
    if tx.run(ADVANCE, run=run, digest=digest, done=done, next=after).single() is None:
        return
    # All are sent before an answer is read: while the server works on one, the next is packed.
    results = [(each.size, tx.run(each.text, rows=each.rows)) for each in statements]
    if any(result.single(strict=True)["created"] != size for size, result in results):
        raise _disturbed(run)


def _run(tx: neo4j.ManagedTransaction, text: str) -> None:
    tx.run(text).consume()


def _write(session: neo4j.Session, work: Callable[[neo4j.ManagedTransaction], T]) -> T:
    """Call `execute_write`, again if it is unknown whether the transaction was committed.

    Only for work that may be done twice.
    """
    while True:
        with suppress(IncompleteCommit):
            return session.execute_write(work)


def _disturbed(run: str) -> StoreError:
    return StoreError(
        f"run {run!r} was changed while it was loaded",
        remedy=f"Remove it with `conceptgraph unload {run}` and load it again",
    )


def _labels(labels: Iterable[str]) -> str:
    """Return labels as in a pattern, quoted: they cannot be parameters."""
    return "".join(f":`{label.replace('`', '``')}`" for label in labels)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
