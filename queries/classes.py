"""What classes are made of, what they share and what tells them apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .question import CypherQuestion
from .view import Concept, RunView, total

if TYPE_CHECKING:
    import networkx as nx


class SharedRow(NamedTuple):
    """Another class, and the uids of the concepts that feed both."""

    uid: str
    name: str
    shared: int
    concepts: list[str]


@dataclass(frozen=True)
class SharedConcepts(CypherQuestion):
    """The classes that share the most concepts with a class."""

    name: ClassVar = "shared-concepts"
    row: ClassVar = SharedRow
    class_: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[SharedRow]:
        """At most `top` rows, most concepts first."""
        view = RunView(graph, self.run)
        uid = view.uid(self.class_)
        labels = [view.label(unit) for unit, edge in view.sources(uid) if edge["share"] > 0]
        shared: dict[str, set[str]] = defaultdict(set)
        for concept in {label.uid for label in labels if label}:
            for unit in view.labelled(concept):
                for target, edge in view.targets(unit):
                    if view.is_class(target) and edge["share"] > 0 and target != uid:
                        shared[target].add(concept)
        rows = [
            SharedRow(view.local(other), view.named(other)["name"], len(both), sorted(both))
            for other, both in shared.items()
        ]
        return sorted(rows, key=lambda row: (-row.shared, row.uid))[: self.top]


class DifferenceRow(NamedTuple):
    """A concept's share in each of two classes."""

    uid: str
    name: str
    category: str
    share: float
    other_share: float
    difference: float


@dataclass(frozen=True)
class ClassDifference(CypherQuestion):
    """The concepts in which two classes differ most."""

    name: ClassVar = "class-difference"
    row: ClassVar = DifferenceRow
    class_: str
    other: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[DifferenceRow]:
        """At most `top` rows, largest difference of either sign first."""
        view = RunView(graph, self.run)
        here, there = _shares(view, self.class_), _shares(view, self.other)
        rows = []
        for label in {*here, *there}:
            share, other = total(here.get(label, ())), total(there.get(label, ()))
            rows.append(DifferenceRow(*label, share, other, share - other))
        return sorted(rows, key=lambda row: (-abs(row.difference), row.uid))[: self.top]


def _shares(view: RunView, class_uid: str) -> dict[Concept, list[float]]:
    """The shares of the units that feed a class or speak against it, by their concepts."""
    shares: dict[Concept, list[float]] = defaultdict(list)
    for unit, edge in view.sources(view.uid(class_uid)):
        label = view.label(unit)
        if label:
            shares[label].append(edge["share"])
    return shares


class ApartRow(NamedTuple):
    """A unit that speaks for one class and against another."""

    unit: str
    concept: str | None
    weight: float
    other_weight: float
    difference: float


@dataclass(frozen=True)
class TellApart(CypherQuestion):
    """The units that speak for a class and against another."""

    name: ClassVar = "tell-apart"
    row: ClassVar = ApartRow
    class_: str
    other: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ApartRow]:
        """At most `top` rows, largest difference of weights first."""
        view = RunView(graph, self.run)
        against = {
            unit: edge["weight"]
            for unit, edge in view.sources(view.uid(self.other))
            if edge["weight"] < 0
        }
        rows = [
            ApartRow(
                view.local(unit),
                view.concept(unit),
                edge["weight"],
                against[unit],
                edge["weight"] - against[unit],
            )
            for unit, edge in view.sources(view.uid(self.class_))
            if edge["weight"] > 0 and unit in against
        ]
        return sorted(rows, key=lambda row: (-row.difference, row.unit))[: self.top]


class UnnamedRow(NamedTuple):
    """A unit without a concept that feeds a class."""

    unit: str
    weight: float
    share: float
    rank: int


@dataclass(frozen=True)
class UnnamedUnits(CypherQuestion):
    """The contributors to a class that no concept explains."""

    name: ClassVar = "unnamed-units"
    row: ClassVar = UnnamedRow
    class_: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[UnnamedRow]:
        """At most `top` rows, largest weight first."""
        view = RunView(graph, self.run)
        rows = [
            UnnamedRow(view.local(unit), edge["weight"], edge["share"], edge["rank"])
            for unit, edge in view.sources(view.uid(self.class_))
            if edge["weight"] > 0 and view.label(unit) is None
        ]
        return sorted(rows, key=lambda row: (-row.weight, row.unit))[: self.top]


class BottleneckRow(NamedTuple):
    """A unit of the last block: among the strongest of how many classes, fed by how many units."""

    unit: str
    concept: str | None
    classes: int
    inputs: int


@dataclass(frozen=True)
class Bottlenecks(CypherQuestion):
    """The units of the last block that are among the strongest contributors of most classes."""

    name: ClassVar = "bottlenecks"
    row: ClassVar = BottleneckRow
    beam: int = 8
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[BottleneckRow]:
        """At most `top` rows, most classes first."""
        view = RunView(graph, self.run)
        classes = Counter(
            unit for uid in view.classes() for unit in _strongest(view, uid, self.beam)
        )
        best = sorted(classes.items(), key=lambda item: (-item[1], item[0]))[: self.top]
        return [
            BottleneckRow(
                view.local(unit), view.concept(unit), count, len(_strongest(view, unit, self.beam))
            )
            for unit, count in best
        ]


def _strongest(view: RunView, target: str, beam: int) -> list[str]:
    """The contributors of rank below `beam`."""
    edges = view.sources(target)
    return [uid for uid, edge in edges if edge["share"] > 0 and edge["rank"] < beam]
