"""How records get into Neo4j: each exactly once, however often the loading is cut off.

1. The Run node comes first, with `status: "loading"`, a digest of its records, and `loaded: 0`.
2. The records are cut into transactions, always in the same order. Each moves `loaded` on by its
   number of rows, and writes only if it stood where this transaction begins. So one that is sent
   again after a lost answer writes nothing, and a load that was cut off goes on where it was.
3. The Run node is completed (`neo4j_whole`): `status: "complete"`, and `loaded` goes.
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
from .neo4j_completion import complete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import neo4j

    from ..elements import Edge, Explained, Node
    from ..records import Records
    from .store import Advance

Item = TypeVar("Item")

ROWS = 10_000
"""Rows in one transaction."""
PART = 5_000
"""Rows in one statement."""
LOOK_UPS = (("Unit", "label"), ("Concept", "name"), ("Class", "name"))
"""Properties by which people look for things in a browser."""

CLAIM = """MERGE (run:Run {uid: $run})
ON CREATE SET run += $properties, run.status = 'loading', run.loaded = 0"""
# Setting a property, even to what it is, locks the node: two who load one run take turns.
ADVANCE = """MATCH (run:Run {uid: $run})
SET run.uid = $run
WITH run WHERE run.digest = $digest AND run.loaded = $done
SET run.loaded = $next
RETURN run.loaded AS loaded"""

EXPLANATIONS = "MATCH (e:Explanation) WHERE e.uid STARTS WITH $run + '/'"
UID = " RETURN e.uid AS uid"
IMAGE = "MERGE (n:Image {uid: $uid}) ON CREATE SET n += $properties"


class Step(NamedTuple):
    """A statement with its `$rows`; it returns how many it wrote, `size` of them, as `made`."""

    text: str
    rows: Sequence[object]
    size: int


def constraints() -> list[str]:
    """Statements that make every uid unique within its label, and index what people look for."""
    unique = [
        f"CREATE CONSTRAINT conceptgraph_{label.lower()}_uid IF NOT EXISTS "
        f"FOR (n:{label}) REQUIRE n.uid IS UNIQUE"
        for label in NODES
    ]
    indexes = [
        f"CREATE INDEX conceptgraph_{label.lower()}_{name} IF NOT EXISTS "
        f"FOR (n:{label}) ON (n.{name})"
        for label, name in LOOK_UPS
    ]
    return [*unique, *indexes, "CALL db.awaitIndexes(300)"]


def prepare(session: neo4j.Session) -> None:
    """Make the constraints and indexes that are not there yet."""
    for text in constraints():
        _write(session, partial(_run, text=text))


def digest(records: Records) -> str:
    """32 hex digits that stand for the records, their order, and how they are cut."""
    found = hashlib.blake2b(f"{VERSION} {ROWS} {PART}".encode(), digest_size=16)
    for batch in _batches(chain[object](records.nodes, records.edges), ROWS):
        found.update(json.dumps(batch, separators=(",", ":")).encode())
    return found.hexdigest()


def load(session: neo4j.Session, records: Records, known_as: str, progress: Advance) -> None:
    """Load a run of this digest, or what is missing of it.

    Raises:
        StoreError: something else changed the run, or took away what it needs, at the same time.
    """
    run = records.run
    properties = {**records.nodes[0].properties, "digest": known_as, "schema": VERSION}
    _write(session, lambda tx: tx.run(CLAIM, run=run, properties=properties).consume())
    progress(1)
    done = 0
    for steps in _ahead(_transactions(records, ROWS)):
        size = sum(step.size for step in steps)
        _write(
            session,
            partial(_advance, run=run, known_as=known_as, done=done, steps=steps),
        )
        done += size
        progress(size)
    if not _write(session, partial(complete, records=records, known_as=known_as, total=done)):
        raise _disturbed(run)


def load_explained(session: neo4j.Session, records: Records, progress: Advance) -> None:
    """Load the explanations of a run that is in; each whole or not at all, those there stay."""
    there = session.execute_read(
        lambda tx: {row["uid"] for row in tx.run(EXPLANATIONS + UID, run=records.run)}
    )
    for each in records.explained:
        if each.uid not in there:
            _write(session, partial(_explain, run=records.run, each=each))
        progress(len(each.nodes) + len(each.edges))


def _explain(tx: neo4j.ManagedTransaction, run: str, each: Explained) -> None:
    """One explanation, unless it came in between; the image may be another run's too."""
    if tx.run(EXPLANATIONS + " AND e.uid = $uid" + UID, run=run, uid=each.uid).peek():
        return
    image, *own = each.nodes
    tx.run(IMAGE, uid=image.uid, properties=image.properties).consume()
    labels = {node.uid: node.labels[0] for node in each.nodes}
    for step in (*_node_steps(own, PART), *_edge_steps(each.edges, labels, PART)):
        if tx.run(step.text, rows=step.rows).single(strict=True)["made"] != step.size:
            raise _disturbed(run)


def _transactions(records: Records, rows: int) -> Iterator[list[Step]]:
    """The steps of each transaction: all concepts, then the other nodes, then the edges.

    Concepts are tied to the run in the transaction that makes them: no concept is ever left that
    unloading the run would not find.
    """
    part = min(rows, PART)
    nodes = [node for node in records.nodes[1:] if node.labels[0] != "Concept"]
    labels = {node.uid: node.labels[0] for node in nodes}
    concepts = [node for node in records.nodes if node.labels[0] == "Concept"]
    ties = [edge for edge in records.edges if edge.type == "HAS_CONCEPT"]
    yield [*_concept_steps(concepts), *_edge_steps(ties, labels, PART)]
    others = (edge for edge in records.edges if edge.type != "HAS_CONCEPT")
    yield from _filled(_node_steps(nodes, part), rows)
    yield from _filled(_edge_steps(others, labels, part), rows)


def _filled(steps: Iterable[Step], rows: int) -> Iterator[list[Step]]:
    """As many steps together as have no more rows than that."""
    held: list[Step] = []
    for step in steps:
        if held and sum(each.size for each in [*held, step]) > rows:
            yield held
            held = []
        held.append(step)
    if held:
        yield held


def _ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Each made in a thread of its own, while the one before is used."""
    with ThreadPoolExecutor(1) as beside:
        coming = beside.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = beside.submit(next, items, None)
            yield item


def _concept_steps(concepts: Iterable[Node]) -> Iterator[Step]:
    """Concepts are shared by runs: one that is there stays as it is."""
    for labels, group in groupby(sorted(concepts), key=lambda node: node.labels):
        rows = [{"uid": node.uid, **node.properties} for node in group]
        made = f"ON CREATE SET n{_labels(labels[1:])}, n += row"
        text = f"UNWIND $rows AS row MERGE (n:Concept {{uid: row.uid}}) {made}"
        yield Step(f"{text} RETURN count(*) AS made", rows, len(rows))


def _node_steps(nodes: Iterable[Node], size: int) -> Iterator[Step]:
    for labels, group in groupby(nodes, key=lambda node: node.labels):
        text = f"UNWIND $rows AS row CREATE (n{_labels(labels)}) SET n = row"
        for batch in _batches(group, size):
            rows = [{"uid": node.uid, **node.properties} for node in batch]
            yield Step(f"{text} RETURN count(*) AS made", rows, len(rows))


def _edge_steps(edges: Iterable[Edge], labels: dict[str, str], size: int) -> Iterator[Step]:
    """Edges as `[sources, [[target, [[place of the source, value, …], …]], …]]`.

    Every node is named, sent and looked up once in a statement. Rows are lists, not maps: the names
    of properties would be most of what is sent.
    """

    def kind(edge: Edge) -> tuple[str, str]:
        targets = RELATIONSHIPS[edge.type].targets
        return edge.type, targets[0] if len(targets) == 1 else labels[edge.target]

    for (name, target), group in groupby(edges, key=kind):
        properties = tuple(RELATIONSHIPS[name].properties)
        values = ", ".join(f"{each}: one[{i}]" for i, each in enumerate(properties, start=1))
        text = (
            "UNWIND range(0, size($rows[0]) - 1) AS place "
            f"MATCH (a:{RELATIONSHIPS[name].source} {{uid: $rows[0][place]}}) "
            # Were one missing, the others' places would be wrong: then nothing is made.
            "WITH a, place ORDER BY place "
            "WITH collect(a) AS sources WHERE size(sources) = size($rows[0]) "
            f"UNWIND $rows[1] AS row MATCH (b:{target} {{uid: row[0]}}) UNWIND row[1] AS one "
            "WITH b, one, sources[one[0]] AS a "
            f"CREATE (a)-[:{name} {{{values}}}]->(b) RETURN count(*) AS made"
        )
        for part in _batches(group, size):
            places = {uid: i for i, uid in enumerate(dict.fromkeys(e.source for e in part))}
            rows = [
                [uid, [[places[e.source], *map(e.properties.get, properties)] for e in same]]
                for uid, same in groupby(part, key=lambda edge: edge.target)
            ]
            yield Step(text, [list(places), rows], len(part))


def _advance(
    tx: neo4j.ManagedTransaction, run: str, known_as: str, done: int, steps: list[Step]
) -> None:
    """Write some steps, unless they are there already."""
    after = done + sum(step.size for step in steps)
    if tx.run(ADVANCE, run=run, digest=known_as, done=done, next=after).single() is None:
        return
    # All are sent before an answer is read: while the server works on one, the next is packed.
    sent = [(step.size, tx.run(step.text, rows=step.rows)) for step in steps]
    if any(result.single(strict=True)["made"] != size for size, result in sent):
        raise _disturbed(run)


def _run(tx: neo4j.ManagedTransaction, text: str) -> None:
    tx.run(text).consume()


def _write(session: neo4j.Session, work: Callable[[neo4j.ManagedTransaction], Item]) -> Item:
    """Like `execute_write`, also where it is not known whether the transaction was committed.

    Only for work that may be done twice.
    """
    while True:
        with suppress(IncompleteCommit):
            return session.execute_write(work)


def _disturbed(run: str) -> StoreError:
    return StoreError(
        f"run {run!r} was changed while it was loaded",
        remedy=f"Take it out with `conceptgraph unload {run}` and load it again",
    )


def _labels(labels: Iterable[str]) -> str:
    """As they stand in a pattern, quoted: labels cannot be parameters."""
    return "".join(f":`{label.replace('`', '``')}`" for label in labels)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
