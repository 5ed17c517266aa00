"""Paths over the contributions kept in the graph: what a browser can draw and Cypher can follow.

The graph holds the strongest contributions of each target, and these questions look only at those
of rank below `beam`: good paths, quickly, but not certainly the best. The exact ones, from a run's
dense matrices, are in `paths`. A score is a product of shares, multiplied from the class backwards.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .question import CypherQuestion
from .view import RunView, total

if TYPE_CHECKING:
    from collections.abc import Iterator

    import networkx as nx


class _Chain(NamedTuple):
    """Units on the way to a target, the earliest first, with the product of their shares."""

    score: float
    units: tuple[str, ...]


def _chains(view: RunView, target: str, hops: int, beam: int, sign: int = 1) -> Iterator[_Chain]:
    """All chains of `hops` units into a class; the last step has this sign, the others +1."""
    ends = [_Chain(1.0, (target,))]
    for hop in range(hops):
        wanted = sign if hop == 0 else 1
        ends = [
            _Chain(end.score * edge["share"], (source, *end.units))
            for end in ends
            for source, edge in view.sources(end.units[0])
            if wanted * edge["share"] > 0 and edge["rank"] < beam
        ]
    for end in ends:
        yield _Chain(end.score, end.units[:-1])


class PathRow(NamedTuple):
    """first → second → class, each unit with the name of its concept, if it has one."""

    score: float
    first: str
    first_concept: str | None
    second: str
    second_concept: str | None


@dataclass(frozen=True)
class ClassPaths(CypherQuestion):
    """The strongest paths through the last two blocks to a class."""

    name: ClassVar = "class-paths"
    row: ClassVar = PathRow
    class_: str
    beam: int = 1000
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[PathRow]:
        """At most `top` rows, highest score first."""
        view = RunView(graph, self.run)
        rows = _path_rows(view, _chains(view, view.uid(self.class_), 2, self.beam))
        return sorted(rows, key=lambda row: (-row.score, row.first, row.second))[: self.top]


@dataclass(frozen=True)
class ClassPathsAgainst(CypherQuestion):
    """The paths through the last two blocks that speak most against a class."""

    name: ClassVar = "class-paths-against"
    row: ClassVar = PathRow
    class_: str
    beam: int = 1000
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[PathRow]:
        """At most `top` rows, lowest score first."""
        view = RunView(graph, self.run)
        rows = _path_rows(view, _chains(view, view.uid(self.class_), 2, self.beam, sign=-1))
        return sorted(rows, key=lambda row: (row.score, row.first, row.second))[: self.top]


def _path_rows(view: RunView, chains: Iterator[_Chain]) -> list[PathRow]:
    return [
        PathRow(
            score, view.local(first), view.concept(first), view.local(second), view.concept(second)
        )
        for score, (first, second) in chains
    ]


class LongPathRow(NamedTuple):
    """first → second → third → fourth → class."""

    score: float
    first: str
    first_concept: str | None
    second: str
    second_concept: str | None
    third: str
    third_concept: str | None
    fourth: str
    fourth_concept: str | None


@dataclass(frozen=True)
class ClassPathsLong(CypherQuestion):
    """The strongest paths through four blocks to a class."""

    name: ClassVar = "class-paths-long"
    row: ClassVar = LongPathRow
    class_: str
    beam: int = 8
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[LongPathRow]:
        """At most `top` rows, highest score first."""
        view = RunView(graph, self.run)
        chains = _chains(view, view.uid(self.class_), 4, self.beam)
        best = sorted(chains, key=lambda chain: (-chain.score, chain.units))[: self.top]
        rows = []
        for score, (first, second, third, fourth) in best:
            row = LongPathRow(
                score,
                view.local(first),
                view.concept(first),
                view.local(second),
                view.concept(second),
                view.local(third),
                view.concept(third),
                view.local(fourth),
                view.concept(fourth),
            )
            rows.append(row)
        return rows


class ClassBottleneckRow(NamedTuple):
    """A unit of the last block but one, on how many paths to a class and with what score."""

    unit: str
    concept: str | None
    paths: int
    score: float


@dataclass(frozen=True)
class ClassBottlenecks(CypherQuestion):
    """The units of the last block but one on whose paths most of a class's score runs."""

    name: ClassVar = "class-bottlenecks"
    row: ClassVar = ClassBottleneckRow
    class_: str
    beam: int = 1000
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ClassBottleneckRow]:
        """At most `top` rows, highest score first."""
        view = RunView(graph, self.run)
        scores: dict[str, list[float]] = defaultdict(list)
        for score, (first, _) in _chains(view, view.uid(self.class_), 2, self.beam):
            scores[first].append(score)
        rows = [
            ClassBottleneckRow(view.local(unit), view.concept(unit), len(each), total(each))
            for unit, each in scores.items()
        ]
        return sorted(rows, key=lambda row: (-row.score, row.unit))[: self.top]


class ConceptPathRow(NamedTuple):
    """A unit that detects the concept → a unit of the last block → the class."""

    score: float
    first: str
    iou: float
    second: str
    second_concept: str | None


@dataclass(frozen=True)
class ConceptPaths(CypherQuestion):
    """The strongest paths from the units that detect a concept to a class."""

    name: ClassVar = "concept-paths"
    row: ClassVar = ConceptPathRow
    concept: str
    class_: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ConceptPathRow]:
        """At most `top` rows, highest score first."""
        view = RunView(graph, self.run)
        target = view.uid(self.class_)
        weights = {unit: edge["share"] for unit, edge in view.sources(target)}
        rows = [
            ConceptPathRow(
                weights[second] * edge["share"],
                view.local(first),
                detects["iou"],
                view.local(second),
                view.concept(second),
            )
            for first, detects in view.interpretable_detectors(self.concept)
            for second, edge in view.targets(first)
            if edge["share"] > 0 and weights.get(second, 0) > 0
        ]
        return sorted(rows, key=lambda row: (-row.score, row.first, row.second))[: self.top]


class ReachedRow(NamedTuple):
    """A class that a unit reaches through the next block: over how many units, how strongly."""

    uid: str
    name: str
    paths: int
    score: float


@dataclass(frozen=True)
class UnitReach(CypherQuestion):
    """The classes that a unit of the last block but one reaches through the units it feeds."""

    name: ClassVar = "unit-reach"
    row: ClassVar = ReachedRow
    unit: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ReachedRow]:
        """At most `top` rows of positive score, highest first."""
        view = RunView(graph, self.run)
        scores: dict[str, list[float]] = defaultdict(list)
        for through, first in view.targets(view.uid(self.unit)):
            for target, second in view.targets(through):
                if view.is_class(target):
                    scores[target].append(second["share"] * first["share"])
        rows = [
            ReachedRow(view.local(uid), view.named(uid)["name"], len(each), total(each))
            for uid, each in scores.items()
        ]
        positive = [row for row in rows if row.score > 0]
        return sorted(positive, key=lambda row: (-row.score, row.uid))[: self.top]
