"""One run's part of the networkx graph, as the Python twins of the Cypher questions walk it.

What is not in the graph has no properties and no neighbours, as in Cypher: never a KeyError.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, NamedTuple, TypedDict, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import networkx as nx
    from typing_extensions import NotRequired


class UnitNode(TypedDict, total=False):
    """Properties of a Unit that questions look at; see `schema.NODES`."""

    name: str
    block: int
    index: int
    label: str
    category: str
    iou: float
    threshold: float
    status: str
    interpretable: bool
    images: list[str]
    activations: list[float]
    thumbnails: list[str]


class Named(TypedDict, total=False):
    """Properties of a Concept, a Class or an Image."""

    name: str
    category: str
    path: str


class Contributes(TypedDict):
    """Properties of a CONTRIBUTES edge."""

    weight: float
    pre: float
    share: float
    rank: int


class Detects(TypedDict):
    """Properties of a DETECTS edge; the last three only where a run compared with chance."""

    iou: float
    rank: int
    activation: int
    truth: int
    p: NotRequired[float]
    enrichment: NotRequired[float]
    significant: NotRequired[bool]


class ProbedAt(TypedDict):
    """Properties of a PROBED_AT edge."""

    f1: float
    precision: float
    recall: float
    positions: int


class Concept(NamedTuple):
    """What an interpretable unit is labelled with."""

    uid: str
    name: str
    category: str


class RunView:
    """The graph as seen from one run; uids are those of the graph, with the run."""

    def __init__(self, graph: nx.DiGraph[str], run: str) -> None:
        self.graph = graph
        self.run = run
        self._prefix = f"{run}/"

    def local(self, uid: str) -> str:
        """A uid without its run: "block4/290" for "camvid/block4/290"."""
        return uid.removeprefix(self._prefix)

    def uid(self, local: str) -> str:
        """The graph's uid of "block4/290" or "class/road"."""
        return f"{self._prefix}{local}"

    def min_iou(self) -> float:
        """A detection counts above this."""
        return float(self.graph.nodes[self.run]["min_iou"])

    def unit(self, uid: str) -> UnitNode:
        """A unit's properties."""
        node = self.graph.nodes.get(uid, {})
        return cast("UnitNode", node if "Unit" in node.get("labels", ()) else {})

    def named(self, uid: str) -> Named:
        """The properties of a class, concept or image."""
        return cast("Named", self.graph.nodes.get(uid, {}))

    def blocks(self) -> list[str]:
        """Uids of the blocks."""
        return self._targets(self.run, "HAS_BLOCK")

    def units(self) -> Iterator[tuple[str, UnitNode]]:
        """All units."""
        for block in self.blocks():
            for uid in self._targets(block, "HAS_UNIT"):
                yield uid, self.unit(uid)

    def classes(self) -> list[str]:
        """Uids of the classes."""
        return self._targets(self.run, "HAS_CLASS")

    def concepts(self) -> list[str]:
        """Uids of the concepts that the run's data have."""
        return self._targets(self.run, "HAS_CONCEPT")

    def is_class(self, uid: str) -> bool:
        """Whether this is a class rather than a unit."""
        return bool(self.graph.nodes[uid]["labels"][0] == "Class")

    def sources(self, target: str) -> Iterator[tuple[str, Contributes]]:
        """What contributes to a unit or class."""
        for uid, edge in self.graph.pred.get(target, {}).items():
            if edge["type"] == "CONTRIBUTES":
                yield uid, cast("Contributes", edge)

    def targets(self, unit: str) -> Iterator[tuple[str, Contributes]]:
        """What a unit contributes to."""
        for uid, edge in self.graph.adj.get(unit, {}).items():
            if edge["type"] == "CONTRIBUTES":
                yield uid, cast("Contributes", edge)

    def detections(self, unit: str) -> Iterator[tuple[str, Detects]]:
        """The concepts stored for a unit, however weak."""
        for uid, edge in self.graph.adj.get(unit, {}).items():
            if edge["type"] == "DETECTS":
                yield uid, cast("Detects", edge)

    def same_units(self, unit: str) -> list[str]:
        """The same unit in other runs of the same network."""
        near = (self.graph.pred.get(unit, {}), self.graph.adj.get(unit, {}))
        return [uid for each in near for uid, edge in each.items() if edge["type"] == "SAME_UNIT"]

    def probed_at(self, concept: str) -> Iterator[tuple[str, ProbedAt]]:
        """The run's blocks at which a concept is probed."""
        for uid, edge in self.graph.adj.get(concept, {}).items():
            if edge["type"] == "PROBED_AT" and uid.startswith(self._prefix):
                yield uid, cast("ProbedAt", edge)

    def detectors(self, concept: str) -> Iterator[tuple[str, Detects]]:
        """The run's units for which a concept is stored, however weakly they detect it."""
        for uid, edge in self.graph.pred.get(concept, {}).items():
            if edge["type"] == "DETECTS" and uid.startswith(self._prefix):
                yield uid, cast("Detects", edge)

    def interpretable_detectors(self, concept: str) -> Iterator[tuple[str, Detects]]:
        """Those that really detect it: alive, not sparse, and above the run's least IoU."""
        for uid, edge in self.detectors(concept):
            if self.unit(uid)["status"] == "ok" and edge["iou"] > self.min_iou():
                yield uid, edge

    def labelled(self, concept: str) -> Iterator[str]:
        """The run's units that are labelled with a concept."""
        for uid, _ in self.detectors(concept):
            label = self.label(uid)
            if label is not None and label.uid == concept:
                yield uid

    def label(self, unit: str) -> Concept | None:
        """What a unit is labelled with; None for one that is not interpretable, or a class."""
        node = self.unit(unit)
        if not node.get("interpretable"):
            return None
        return Concept(f"{node['category']}/{node['label']}", node["label"], node["category"])

    def is_significant(self, unit: str) -> bool:
        """Whether an interpretable unit's label is beyond chance; false where nobody asked."""
        best = (edge for _, edge in self.detections(unit) if edge["rank"] == 0)
        return self.label(unit) is not None and any(e.get("significant", False) for e in best)

    def concept(self, unit: str) -> str | None:
        """The name of a unit's concept."""
        label = self.label(unit)
        return label and label.name

    def _targets(self, source: str, kind: str) -> list[str]:
        edges = self.graph.adj.get(source, {}).items()
        return [uid for uid, edge in edges if edge["type"] == kind]


def total(values: Iterable[float]) -> float:
    """The sum, added up from the smallest to the largest.

    The Cypher texts add in this order too, so that equal sums are equal to the last bit and ties
    fall alike in every engine. (The built-in `sum` compensates from Python 3.12 on.)
    """
    return reduce(add, sorted(values), 0.0)
