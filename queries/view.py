"""One run's part of the networkx graph, as the questions' `answer` methods walk it.

What is not in the graph has no properties and no neighbours, as in Cypher: never a KeyError.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, NamedTuple, TypedDict, cast

from ..graph.uids import concept_uid, graph_uid, run_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import networkx as nx
    from typing_extensions import NotRequired


class UnitNode(TypedDict, total=False):
    """The properties of a Unit that questions read; see `schema.NODES`."""

    name: str
    block: int
    index: int
    label: str
    category: str
    iou: float
    threshold: float
    status: str
    interpretable: bool
    named: bool
    reversed: float
    frozen: float
    formula: str
    formula_iou: float
    formula_concept: str
    formula_concept_iou: float
    images: list[str]
    activations: list[float]
    thumbnails: list[str]


class NamedNode(TypedDict, total=False):
    """The properties of a Concept, a Class or an Image."""

    name: str
    category: str
    path: str


class ContributesEdge(TypedDict):
    """The properties of a CONTRIBUTES edge."""

    weight: float
    pre: float
    share: float
    rank: int


class DetectsEdge(TypedDict):
    """The properties of a DETECTS edge; a run without null samples lacks some."""

    iou: float
    rank: int
    activation: int
    attainable_iou: float
    truth: int
    p: NotRequired[float]
    enrichment: NotRequired[float]
    significant: NotRequired[bool]
    precision: NotRequired[float]
    precision_low: NotRequired[float]
    chance: NotRequired[float]
    holds: NotRequired[bool]
    auc: NotRequired[float]
    auc_low: NotRequired[float]
    auc_significant: NotRequired[bool]


class ProbedAtEdge(TypedDict):
    """The properties of a PROBED_AT edge."""

    f1: float
    mcc: float
    mcc_low: float
    mcc_high: float
    usable: bool
    precision: float
    recall: float
    positions: int


class BlockConceptNode(TypedDict):
    """The properties of a BlockConcept that questions read."""

    name: str
    block: int


class FlowProperties(TypedDict):
    """The properties of a Flow that questions read; one at none of a category has no concept."""

    category: str
    block: int
    concept: NotRequired[str]


class EvidenceEdge(TypedDict):
    """The properties of an EVIDENCE edge that questions read."""

    mean: float
    low: float
    high: float
    images: int
    share: float
    coverage: float


class FlowsEdge(TypedDict):
    """The properties of a FLOWS edge; one to a class has no share."""

    mean: float
    images: int
    share: float
    rank: int


class TwoFlows(NamedTuple):
    """Two Flows in a row, with the edge between them and the edge to the class."""

    source: FlowProperties
    target: FlowProperties
    edge: FlowsEdge
    to_class: FlowsEdge


class LabelConcept(NamedTuple):
    """The concept that a unit is named after."""

    uid: str
    name: str
    category: str


class RunView:
    """The graph as one run sees it; uids are those of the graph, with the run in front."""

    def __init__(self, graph: nx.DiGraph[str], run: str) -> None:
        self.graph = graph
        self.run = run
        self._prefix = run_prefix(run)

    def local_uid(self, uid: str) -> str:
        """Return a uid without its run: "block4/290" for "camvid/block4/290"."""
        return uid.removeprefix(self._prefix)

    def graph_uid(self, local: str) -> str:
        """Return the uid in the graph: "camvid/class/road" for "class/road"."""
        return graph_uid(self.run, local)

    def min_iou(self) -> float:
        """Return the IoU above which a detection counts."""
        return float(self.graph.nodes[self.run]["min_iou"])

    def unit(self, uid: str) -> UnitNode:
        """Return the properties of a unit; none if `uid` is no unit's."""
        node = self.graph.nodes.get(uid, {})
        return cast("UnitNode", node if "Unit" in node.get("labels", ()) else {})

    def node(self, uid: str) -> NamedNode:
        """Return the properties of a class, concept or image."""
        return cast("NamedNode", self.graph.nodes.get(uid, {}))

    def blocks(self) -> list[str]:
        """Return the uids of the blocks."""
        return self.successors(self.run, "HAS_BLOCK")

    def units(self) -> Iterator[tuple[str, UnitNode]]:
        """Yield all units."""
        for block in self.blocks():
            for uid in self.successors(block, "HAS_UNIT"):
                yield uid, self.unit(uid)

    def classes(self) -> list[str]:
        """Return the uids of the classes."""
        return self.successors(self.run, "HAS_CLASS")

    def concepts(self) -> list[str]:
        """Return the uids of the concepts in the run's data."""
        return self.successors(self.run, "HAS_CONCEPT")

    def is_class(self, uid: str) -> bool:
        """Return whether a target of contributions is a class, not a unit."""
        return bool(self.graph.nodes[uid]["labels"][0] == "Class")

    def contributors(self, target: str) -> Iterator[tuple[str, ContributesEdge]]:
        """Yield the units that contribute to a unit or class, for or against."""
        for uid, edge in self.graph.pred.get(target, {}).items():
            if edge["type"] == "CONTRIBUTES":
                yield uid, cast("ContributesEdge", edge)

    def targets(self, unit: str) -> Iterator[tuple[str, ContributesEdge]]:
        """Yield the units or classes that a unit contributes to."""
        for uid, edge in self.graph.adj.get(unit, {}).items():
            if edge["type"] == "CONTRIBUTES":
                yield uid, cast("ContributesEdge", edge)

    def detections(self, unit: str) -> Iterator[tuple[str, DetectsEdge]]:
        """Yield the concepts stored for a unit, also below the run's minimum IoU."""
        for uid, edge in self.graph.adj.get(unit, {}).items():
            if edge["type"] == "DETECTS":
                yield uid, cast("DetectsEdge", edge)

    def evidence(self, class_uid: str) -> Iterator[tuple[str, EvidenceEdge]]:
        """Yield the BlockConcepts that are evidence for a class, or against it."""
        for uid, edge in self.graph.pred.get(class_uid, {}).items():
            if edge["type"] == "EVIDENCE":
                yield uid, cast("EvidenceEdge", edge)

    def evidence_of(self, concept: str) -> Iterator[tuple[int, str, EvidenceEdge]]:
        """Yield the classes that a concept is evidence for or against, with the block."""
        for uid in self.predecessors(concept, "IS"):
            if uid.startswith(self._prefix):
                block = self.block_concept(uid)["block"]
                for class_uid, edge in self.graph.adj[uid].items():
                    if edge["type"] == "EVIDENCE":
                        yield block, class_uid, cast("EvidenceEdge", edge)

    def flows(self, class_uid: str) -> Iterator[TwoFlows]:
        """Yield the flows of a class, by their rank."""
        found = []
        for target, to_class in self._flows_to(class_uid):
            for source, edge in self._flows_to(target):
                found.append(TwoFlows(self._flow(source), self._flow(target), edge, to_class))
        yield from sorted(found, key=lambda two: two.edge["rank"])

    def _flows_to(self, uid: str) -> Iterator[tuple[str, FlowsEdge]]:
        for source, edge in self.graph.pred.get(uid, {}).items():
            if edge["type"] == "FLOWS":
                yield source, cast("FlowsEdge", edge)

    def _flow(self, uid: str) -> FlowProperties:
        return cast("FlowProperties", self.graph.nodes[uid])

    def block_concept(self, uid: str) -> BlockConceptNode:
        """Return the properties of a BlockConcept."""
        return cast("BlockConceptNode", self.graph.nodes[uid])

    def concept_of(self, block_concept: str) -> str:
        """Return the uid of the Concept that a BlockConcept is."""
        return self.successors(block_concept, "IS")[0]

    def block_of(self, block_concept: str) -> str:
        """Return the uid of the Block that sees a BlockConcept."""
        return self.predecessors(block_concept, "SEES")[0]

    def same_units(self, unit: str) -> list[str]:
        """Return the uids of the same unit in other runs of the same network."""
        return [*self.predecessors(unit, "SAME_UNIT"), *self.successors(unit, "SAME_UNIT")]

    def run_of(self, unit: str) -> str:
        """Return the uid of the run that a unit belongs to."""
        (block,) = self.predecessors(unit, "HAS_UNIT")
        (run,) = self.predecessors(block, "HAS_BLOCK")
        return run

    def other_settings(self, run: str) -> str | None:
        """Return the settings that decide another run's labels; None if they are this run's."""
        settings = str(self.graph.nodes[run]["label_settings"])
        return None if settings == self.graph.nodes[self.run]["label_settings"] else settings

    def probed_at(self, concept: str) -> Iterator[tuple[str, ProbedAtEdge]]:
        """Yield the run's blocks in which a concept has a presence probe."""
        for uid, edge in self.graph.adj.get(concept, {}).items():
            if edge["type"] == "PROBED_AT" and uid.startswith(self._prefix):
                yield uid, cast("ProbedAtEdge", edge)

    def detectors(self, concept: str) -> Iterator[tuple[str, DetectsEdge]]:
        """Yield the run's units for which a concept is stored, also below the run's minimum IoU."""
        for uid, edge in self.graph.pred.get(concept, {}).items():
            if edge["type"] == "DETECTS" and uid.startswith(self._prefix):
                yield uid, cast("DetectsEdge", edge)

    def interpretable_detectors(self, concept: str) -> Iterator[tuple[str, DetectsEdge]]:
        """Yield the units, neither dead nor sparse, that detect a concept above the minimum IoU.

        It need not be the concept that they are labelled with.
        """
        for uid, edge in self.detectors(concept):
            if self.unit(uid)["status"] == "ok" and edge["iou"] > self.min_iou():
                yield uid, edge

    def labelled(self, concept: str) -> Iterator[str]:
        """Yield the run's units that are labelled with a concept."""
        for uid, _ in self.detectors(concept):
            label = self.label(uid)
            if label is not None and label.uid == concept:
                yield uid

    def label(self, unit: str) -> LabelConcept | None:
        """Return the concept that a unit is named after; None for a class or an unnamed unit."""
        node = self.unit(unit)
        if not node.get("named"):
            return None
        name, category = node["label"], node["category"]
        return LabelConcept(concept_uid(category, name), name, category)

    def label_name(self, unit: str) -> str | None:
        """Return the name of the concept that a unit is labelled with."""
        label = self.label(unit)
        return label and label.name

    def has_significant_label(self, unit: str) -> bool:
        """Return whether an interpretable unit's label is significant; False without a null."""
        best = (edge for _, edge in self.detections(unit) if edge["rank"] == 0)
        interpretable = self.unit(unit)["interpretable"]
        return interpretable and any(edge.get("significant", False) for edge in best)

    def successors(self, uid: str, edge_type: str) -> list[str]:
        """Return the uids that edges of a type lead to."""
        edges = self.graph.adj.get(uid, {}).items()
        return [target for target, edge in edges if edge["type"] == edge_type]

    def predecessors(self, uid: str, edge_type: str) -> list[str]:
        """Return the uids that edges of a type come from."""
        edges = self.graph.pred.get(uid, {}).items()
        return [source for source, edge in edges if edge["type"] == edge_type]


def ordered_sum(values: Iterable[float]) -> float:
    """Add up values from the smallest to the largest.

    The Cypher texts add in this order too, so that sums are equal to the last bit and ties fall
    alike in every engine. (The built-in `sum` compensates from Python 3.12 on.)
    """
    return reduce(add, sorted(values), 0.0)
