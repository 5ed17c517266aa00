"""Units that are the same in two runs: of one network, dissected with other concepts or images.

    (Unit {uid: "a/block4/290"})-[:SAME_UNIT]->(Unit {uid: "b/block4/290"})

There is one for each unit and pair of runs whose networks have one digest, from the run whose uid
sorts first. They belong to two runs, and so to neither's records: a store makes them when both are
in. In Neo4j that is `neo4j_whole`'s to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .elements import Edge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .records import Records


def same_units(one: Records, other: Records) -> Iterator[Edge]:
    """The ties between two runs, in the order of their units; none between different networks."""
    if one.network is None or one.network != other.network:
        return
    first, second = sorted((one, other), key=lambda records: records.run)
    there = set(_units(second))
    for unit in _units(first):
        if unit in there:
            yield Edge("SAME_UNIT", f"{first.run}/{unit}", f"{second.run}/{unit}", {})


def _units(records: Records) -> Iterator[str]:
    """As both runs call them: "block4/290"."""
    for node in records.nodes:
        if node.labels[0] == "Unit":
            yield node.uid.removeprefix(f"{records.run}/")
