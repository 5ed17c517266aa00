"""Units that are the same in two runs: of one network, dissected with other concepts or images.

    (Unit {uid: "a/block4/290"})-[:SAME_UNIT]->(Unit {uid: "b/block4/290"})

There is one for each unit and pair of runs whose networks have equal digests, from the run whose
uid sorts first. They belong to two runs, so they are in neither's records: a store makes them when
it has both runs. In Neo4j `neo4j_completion` does that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .elements import Edge
from .uids import graph_uid, run_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .records import Records


def same_units(one: Records, other: Records) -> Iterator[Edge]:
    """Yield the SAME_UNIT edges between two runs, in the order of their units.

    There are none between runs of different networks.
    """
    if one.network_digest != other.network_digest:
        return
    first, second = sorted((one, other), key=lambda records: records.run)
    shared = set(_units(second))
    for unit in _units(first):
        if unit in shared:
            yield Edge("SAME_UNIT", graph_uid(first.run, unit), graph_uid(second.run, unit), {})


def _units(records: Records) -> Iterator[str]:
    """Yield the units' uids as both runs have them: "block4/290"."""
    for node in records.nodes:
        if node.labels[0] == "Unit":
            yield node.uid.removeprefix(run_prefix(records.run))
