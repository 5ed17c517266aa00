"""When a run in Neo4j becomes whole, and when it ceases to be: each in one transaction.

Units of one network are tied to one another (`same_units`) exactly while both their runs are
complete: the transaction that says that a run is complete ties it, and the one that says that it
leaves unties it. So a load that is cut off has tied nothing, and one that is whole everything.
Whoever completes a run first locks all runs of its network: of two that are completed at the same
time the later one sees the earlier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import neo4j

    from ..records import Records

LOCK = """MATCH (run:Run {model_digest: $network})
WITH run ORDER BY run.uid
SET run.model_digest = $network"""
COMPLETE = """MATCH (run:Run {uid: $run, digest: $digest})
WHERE run.loaded = $total OR run.status = 'complete'
SET run.status = 'complete' REMOVE run.loaded
RETURN run.uid AS uid"""
OTHERS = """MATCH (run:Run {model_digest: $network, status: 'complete'})
WHERE run.uid <> $run
RETURN run.uid AS uid"""
TIE = """MATCH (:Run {uid: $first})-[:HAS_BLOCK]->(:Block)-[:HAS_UNIT]->(a:Unit)
MATCH (b:Unit {uid: $second + substring(a.uid, size($first))})
MERGE (a)-[:SAME_UNIT]->(b)"""

LEAVE = "MATCH (run:Run {uid: $run}) SET run.status = 'unloading'"
UNTIE = """MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(:Block)-[:HAS_UNIT]->(:Unit)-[same:SAME_UNIT]-()
DELETE same"""


def complete(tx: neo4j.ManagedTransaction, records: Records, known_as: str, total: int) -> bool:
    """Say that a run of which `total` rows are in is complete, and tie its units; may be repeated.

    Returns:
        Whether it is; not where something else changed the run in the meantime.
    """
    run, network = records.run, records.network
    tx.run(LOCK, network=network).consume()
    if tx.run(COMPLETE, run=run, digest=known_as, total=total).single() is None:
        return False
    for other in [row["uid"] for row in tx.run(OTHERS, run=run, network=network)]:
        first, second = sorted((run, other))
        tx.run(TIE, first=first, second=second).consume()
    return True


def leave(tx: neo4j.ManagedTransaction, run: str) -> None:
    """Say that a run is being taken out, and untie its units."""
    tx.run(LEAVE, run=run).consume()
    tx.run(UNTIE, run=run).consume()
