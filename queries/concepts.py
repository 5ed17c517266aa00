"""Which units detect a concept, and which classes and concepts meet through their units."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .question import CypherQuestion
from .view import Concept, RunView, total

if TYPE_CHECKING:
    import networkx as nx


class DetectorRow(NamedTuple):
    """A unit that detects a concept; `best` when it is the concept the unit is labelled with.

    `significant` when it overlaps more than chance; None where a run did not ask.
    """

    uid: str
    name: str
    iou: float
    best: bool
    significant: bool | None


@dataclass(frozen=True)
class Detectors(CypherQuestion):
    """The units that detect a concept ("action/typing") above the run's least IoU, best first."""

    name: ClassVar = "detectors"
    row: ClassVar = DetectorRow
    concept: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[DetectorRow]:
        """At most `top` rows."""
        view = RunView(graph, self.run)
        labelled = set(view.labelled(self.concept))
        rows = [
            DetectorRow(
                view.local(uid),
                view.unit(uid)["name"],
                edge["iou"],
                uid in labelled,
                edge.get("significant"),
            )
            for uid, edge in view.interpretable_detectors(self.concept)
        ]
        return sorted(rows, key=lambda row: (-row.iou, row.uid))[: self.top]


class PresenceRow(NamedTuple):
    """How well a probe of a block tells whether the concept is at a position, on held-out images.

    `positions` are those that the concept labels, of the images that judged the probe.
    """

    block: str
    f1: float
    precision: float
    recall: float
    positions: int


@dataclass(frozen=True)
class ConceptPresence(CypherQuestion):
    """How well a concept can be read from each block: what "present" is worth."""

    name: ClassVar = "concept-presence"
    row: ClassVar = PresenceRow
    concept: str

    def answer(self, graph: nx.DiGraph[str]) -> list[PresenceRow]:
        """One row a block where it is known, the earliest first."""
        view = RunView(graph, self.run)
        rows = [
            PresenceRow(view.local(uid), e["f1"], e["precision"], e["recall"], e["positions"])
            for uid, e in view.probed_at(self.concept)
        ]
        return sorted(rows)


class ReachRow(NamedTuple):
    """A class and a concept that meet in the units labelled with the concept.

    `share` is the sum of these units' shares of the class's positive incoming weight, less what
    they have against it; it says nothing of the share of a logit. Units whose contribution was too
    weak to be kept in the graph count as nothing. `category` is None for a class.
    """

    uid: str
    name: str
    category: str | None
    units: int
    share: float


@dataclass(frozen=True)
class ClassesOfConcept(CypherQuestion):
    """The classes that the units labelled with a concept feed directly, largest share first."""

    name: ClassVar = "concept-classes"
    row: ClassVar = ReachRow
    concept: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ReachRow]:
        """At most `top` rows, of the classes with a positive share."""
        view = RunView(graph, self.run)
        shares: dict[str, list[float]] = defaultdict(list)
        for unit in view.labelled(self.concept):
            for target, edge in view.targets(unit):
                if view.is_class(target):
                    shares[target].append(edge["share"])
        rows = [
            ReachRow(view.local(uid), view.named(uid)["name"], None, len(each), total(each))
            for uid, each in shares.items()
        ]
        return _ranked(rows)[: self.top]


@dataclass(frozen=True)
class ConceptsOfClass(CypherQuestion):
    """The concepts with which the units that feed a class ("class/road") are labelled."""

    name: ClassVar = "class-concepts"
    row: ClassVar = ReachRow
    class_: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ReachRow]:
        """At most `top` rows, of the concepts with a positive share, largest share first."""
        return _into(RunView(graph, self.run), self.class_)[: self.top]


@dataclass(frozen=True)
class ConceptsIntoUnit(CypherQuestion):
    """The concepts of the block before that feed a unit, largest share first."""

    name: ClassVar = "unit-sources"
    row: ClassVar = ReachRow
    unit: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ReachRow]:
        """At most `top` rows, of the concepts with a positive share."""
        return _into(RunView(graph, self.run), self.unit)[: self.top]


def _into(view: RunView, target: str) -> list[ReachRow]:
    shares: dict[Concept, list[float]] = defaultdict(list)
    for unit, edge in view.sources(view.uid(target)):
        label = view.label(unit)
        if label:
            shares[label].append(edge["share"])
    return _ranked([ReachRow(*label, len(each), total(each)) for label, each in shares.items()])


def _ranked(rows: list[ReachRow]) -> list[ReachRow]:
    positive = [row for row in rows if row.share > 0]
    return sorted(positive, key=lambda row: (-row.share, row.uid))


class RecipeRow(NamedTuple):
    """A concept that units of another concept are made from.

    `share` is that of all steps from units labelled with this concept into those of the other,
    `steps` how many these are.
    """

    uid: str
    name: str
    category: str
    steps: int
    share: float


@dataclass(frozen=True)
class ConceptSources(CypherQuestion):
    """The concepts of earlier blocks that feed the units labelled with a concept."""

    name: ClassVar = "concept-sources"
    row: ClassVar = RecipeRow
    concept: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[RecipeRow]:
        """At most `top` rows, largest share first."""
        view = RunView(graph, self.run)
        shares: dict[Concept, list[float]] = defaultdict(list)
        for unit in view.labelled(self.concept):
            for source, edge in view.sources(unit):
                label = view.label(source)
                if label and edge["share"] > 0:
                    shares[label].append(edge["share"])
        rows = [RecipeRow(*label, len(each), total(each)) for label, each in shares.items()]
        return sorted(rows, key=lambda row: (-row.share, row.uid))[: self.top]


class UndetectedRow(NamedTuple):
    """A concept that no unit detects, and the best that any stored one reaches, if any."""

    uid: str
    name: str
    category: str
    images: int
    best_iou: float | None


@dataclass(frozen=True)
class UndetectedConcepts(CypherQuestion):
    """Concepts that no unit detects above the run's least IoU, those in most images first."""

    name: ClassVar = "undetected-concepts"
    row: ClassVar = UndetectedRow
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[UndetectedRow]:
        """At most `top` rows."""
        view = RunView(graph, self.run)
        rows = []
        for uid in view.concepts():
            if any(view.interpretable_detectors(uid)):
                continue
            node, images = view.named(uid), graph.edges[self.run, uid]["images"]
            best = max((edge["iou"] for _, edge in view.detectors(uid)), default=None)
            rows.append(UndetectedRow(uid, node["name"], node["category"], images, best))
        return sorted(rows, key=lambda row: (-row.images, row.uid))[: self.top]
