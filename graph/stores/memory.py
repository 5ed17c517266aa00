"""The store that needs no server: one networkx DiGraph in memory.

A DiGraph is enough: between two nodes there is at most one relationship.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import networkx as nx

from ...errors import StoreError
from ...progress import no_advance
from ..records import records
from ..same_units import same_units
from ..uids import run_prefix
from .offline_cypher import CypherGraph
from .store import DEFAULT_LIMITS, LoadedRun, Row, no_such_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...progress import Advance
    from ..records import Records
    from ..run.reader import Run
    from .store import CypherLimits, CypherResult, Question


class MemoryStore:
    """A `Store` over `graph`: uids as node keys, `labels` and `type` beside the properties."""

    def __init__(self) -> None:
        self.graph: nx.DiGraph[str] = nx.DiGraph()
        self._records: dict[str, Records] = {}
        self._cypher: CypherGraph | None = None

    def load(self, records: Records, progress: Advance = no_advance) -> None:
        """Load a run; it replaces an earlier one of the same uid.

        Raises:
            StoreError: a uid belongs to another kind of node (a run with the name of a category).
        """
        self._check_uids(records)
        if records.run in self._records:
            self.unload(records.run)
        links = (same_units(records, loaded) for loaded in self._records.values())
        self.graph.add_nodes_from(
            (node.uid, {"labels": node.labels, **node.properties}) for node in records.all_nodes()
        )
        self.graph.add_edges_from(
            (edge.source, edge.target, {"type": edge.type, **edge.properties})
            for edge in chain(records.all_edges(), *links)
        )
        self._records[records.run] = records
        self._cypher = None
        progress(len(records))

    def _check_uids(self, records: Records) -> None:
        """Refuse a uid that stands for two nodes, in the run or in it and another one."""
        labels: dict[str, str] = {}
        for node in records.all_nodes():
            loaded = self.graph.nodes.get(node.uid)
            label = loaded["labels"][0] if loaded else node.labels[0]
            if labels.setdefault(node.uid, label) != node.labels[0]:
                raise StoreError(
                    f"uid {node.uid!r} stands for two nodes",
                    found=f"{labels[node.uid]} and {node.labels[0]}",
                    remedy="Give the run another name",
                )

    def runs(self) -> list[LoadedRun]:
        """Return the loaded runs, by uid."""
        nodes = ((uid, self.graph.nodes[uid]) for uid in sorted(self._records))
        return [
            LoadedRun(
                uid,
                node["model"],
                node["created"],
                node["min_iou"],
                node["edges_per_target"],
                node["share_left_out"],
            )
            for uid, node in nodes
        ]

    def unload(self, run: str) -> None:
        """Remove a run, with the concepts and images that only it has.

        Raises:
            StoreError: it is not loaded.
        """
        if run not in self._records:
            raise no_such_run(run, sorted(self._records))
        self._records.pop(run)
        self._cypher = None
        concepts = [
            uid for uid, edge in self.graph.adj[run].items() if edge["type"] == "HAS_CONCEPT"
        ]
        own = [
            uid
            for uid, node in self.graph.nodes.items()
            if uid.startswith(run_prefix(run)) and node["labels"][0] != "Concept"
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
        """Return the rows that answer a question."""
        return question.answer(self.graph)

    def cypher(
        self,
        text: str,
        parameters: Mapping[str, object] | None = None,
        limits: CypherLimits = DEFAULT_LIMITS,
    ) -> CypherResult:
        """Run a Cypher text of the user's; it needs the extra `conceptgraph[cypher]`.

        The first one takes longer, since the graph is copied to the engine.

        Raises:
            StoreError: kglite is not installed, or a limit was exceeded.
            QueryError: the text is not Cypher, lacks a parameter, or would write.
        """
        if self._cypher is None:
            self._cypher = CypherGraph(self._records.values())
        return self._cypher.ask(text, parameters, limits)


def open_store(*runs: Run) -> MemoryStore:
    """Open a store with the graphs of some runs, each pruned as its own settings say.

    Raises:
        StoreError: two of them have one name, so that one would replace the other.
    """
    store = MemoryStore()
    for run in runs:
        if run.name in [loaded.uid for loaded in store.runs()]:
            remedy = "Ingest one of them under another name"
            raise StoreError("two runs of one name", found=repr(run.name), remedy=remedy)
        store.load(records(run))
    return store
