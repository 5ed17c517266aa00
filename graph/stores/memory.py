"""The store that needs no server: one networkx DiGraph in memory, a view of the runs loaded.

A DiGraph is enough: between two nodes there is at most one relationship.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, cast

import networkx as nx

from ...errors import StoreError
from ..records import EDGES_PER_TARGET, records
from ..same_units import same_units
from .offline_cypher import Bounds, Table, run_cypher
from .store import LoadedRun, Row, ignore, no_such_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..elements import Edge
    from ..records import Records
    from ..run.reader import Run
    from .store import Advance, Question


_BOUNDS = Bounds()


class MemoryStore:
    """A `Store` over `graph`: uids as node keys, `labels` and `type` beside the properties."""

    def __init__(self) -> None:
        self.graph: nx.DiGraph[str] = nx.DiGraph()
        self._records: dict[str, Records] = {}

    def load(self, records: Records, progress: Advance = ignore) -> None:
        """Put a run in, in place of an earlier one of the same uid.

        Raises:
            StoreError: a uid is taken by another kind of node (a run named like a category).
        """
        for node in records.all_nodes():
            there = self.graph.nodes.get(node.uid)
            if there and there["labels"][0] != node.labels[0]:
                raise StoreError(
                    f"uid {node.uid!r} stands for two nodes",
                    found=f"{there['labels'][0]} and {node.labels[0]}",
                    remedy="Give the run another name",
                )
        if records.run in self.graph:
            self.unload(records.run)
        self.graph.add_nodes_from(
            (node.uid, {"labels": node.labels, **node.properties}) for node in records.all_nodes()
        )
        self.graph.add_edges_from(
            (edge.source, edge.target, {"type": edge.type, **edge.properties})
            for edge in chain(records.all_edges(), self._ties(records))
        )
        self._records[records.run] = records
        progress(len(records))

    def _ties(self, records: Records) -> Iterator[Edge]:
        """To the runs that are in."""
        for other in self._records.values():
            yield from same_units(records, other)

    def runs(self) -> list[LoadedRun]:
        """The runs that are in, by uid."""
        return [
            LoadedRun(
                uid,
                node.get("model"),
                node.get("created"),
                node["min_iou"],
                node["edges_per_target"],
                node["share_left_out"],
            )
            for uid, node in sorted(self.graph.nodes.items())
            if node["labels"] == ("Run",)
        ]

    def unload(self, run: str) -> None:
        """Take a run out, with the concepts and images no other has; StoreError if it is not in."""
        loaded = [each.uid for each in self.runs()]
        if run not in loaded:
            raise no_such_run(run, loaded)
        self._records.pop(run)
        concepts = [
            uid for uid, edge in self.graph.adj[run].items() if edge["type"] == "HAS_CONCEPT"
        ]
        own = [
            uid
            for uid, node in self.graph.nodes.items()
            if uid.startswith(f"{run}/") and node["labels"][0] != "Concept"
        ]
        images = {
            source
            for source, _, edge in self.graph.in_edges(own, data=True)
            if edge["type"] == "EXPLAINED_BY"
        }
        self.graph.remove_nodes_from([run, *own])
        self.graph.remove_nodes_from([uid for uid in concepts if not self.graph.in_degree(uid)])
        self.graph.remove_nodes_from([uid for uid in images if not self.graph.out_degree(uid)])

    def ask(self, question: Question[Row]) -> list[Row]:
        """The rows that answer a question."""
        return question.answer(self.graph)

    def cypher(
        self,
        text: str,
        parameters: Mapping[str, object] | None = None,
        bounds: Bounds = _BOUNDS,
    ) -> Table:
        """What a Cypher text of the user's returns; it needs the extra `conceptgraph[cypher]`.

        Raises:
            StoreError: kglite is not installed, or a bound was exceeded.
            QueryError: the text is not Cypher, lacks a parameter, or would write.
        """
        return run_cypher(self._records.values(), text, parameters, bounds)


def open_store(*runs: Run) -> MemoryStore:
    """A store with the graphs of some runs, each pruned as its own settings say.

    Raises:
        StoreError: two of them have one name, so that one would take the other's place.
    """
    store = MemoryStore()
    for run in runs:
        if any(run.name == there.uid for there in store.runs()):
            remedy = "Ingest one of them under another name"
            raise StoreError("two runs of one name", found=repr(run.name), remedy=remedy)
        store.load(records(run, edges_per_target=kept_edges(run)))
    return store


def kept_edges(run: Run) -> int:
    """How many contributions per target and sign a run's settings keep in its graph."""
    kept = run.manifest.get("settings", {}).get("top_k", EDGES_PER_TARGET)
    return cast("int", kept)
