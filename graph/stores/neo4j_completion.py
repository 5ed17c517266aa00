"""How a run in Neo4j becomes complete, and how it ceases to be: each in one transaction.

SAME_UNIT relationships between two runs (`same_units`) exist exactly while both are complete: the
transaction that sets `status: "complete"` creates them, and the one that sets `status: "unloading"`
deletes them. So an interrupted load has created none, and a complete one all of them. Completing a
run first locks all runs of its network: of two that are completed at the same time the later one
sees the earlier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import neo4j

    from ..records import Records

LOCK_RUNS = """MATCH (run:Run {model_digest: $network})
WITH run ORDER BY run.uid
SET run.model_digest = $network"""
SET_COMPLETE = """MATCH (run:Run {uid: $run, digest: $digest})
WHERE run.loaded = $total OR run.status = 'complete'
SET run.status = 'complete' REMOVE run.loaded
RETURN run.uid AS uid"""
OTHER_RUNS = """MATCH (run:Run {model_digest: $network, status: 'complete'})
WHERE run.uid <> $run
RETURN run.uid AS uid"""
LINK_UNITS = """MATCH (:Run {uid: $first})-[:HAS_BLOCK]->(:Block)-[:HAS_UNIT]->(unit:Unit)
MATCH (same:Unit {uid: $second + substring(unit.uid, size($first))})
MERGE (unit)-[:SAME_UNIT]->(same)"""

SET_UNLOADING = "MATCH (run:Run {uid: $run}) SET run.status = 'unloading'"
UNLINK_UNITS = """MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(:Block)-[:HAS_UNIT]->(unit:Unit)
MATCH (unit)-[link:SAME_UNIT]-()
DELETE link"""


def complete_run(tx: neo4j.ManagedTransaction, records: Records, digest: str, total: int) -> bool:
    """Mark a run as complete and link its units to other runs; may be repeated.

    Args:
        tx: the transaction.
        records: of the run.
        digest: of the records.
        total: rows that were loaded, the Run node not counted.

    Returns:
        False if something else changed the run in the meantime, and it is not complete.
    """
    run, network = records.run, records.network_digest
    tx.run(LOCK_RUNS, network=network).consume()
    if tx.run(SET_COMPLETE, run=run, digest=digest, total=total).single() is None:
        return False
    for other in [row["uid"] for row in tx.run(OTHER_RUNS, run=run, network=network)]:
        first, second = sorted((run, other))
        tx.run(LINK_UNITS, first=first, second=second).consume()
    return True


def start_unloading(tx: neo4j.ManagedTransaction, run: str) -> None:
    """Mark a run as being unloaded, and delete its units' links to other runs."""
    tx.run(SET_UNLOADING, run=run).consume()
    tx.run(UNLINK_UNITS, run=run).consume()
