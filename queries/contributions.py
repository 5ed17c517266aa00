"""What feeds a unit or class, what holds it back, and what it feeds in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .question import CypherQuestion
from .view import RunView

if TYPE_CHECKING:
    import networkx as nx

    from .view import Contributes


class ContributionRow(NamedTuple):
    """One contribution, told from its other end.

    `uid` is that unit ("block4/290") or class ("class/road"), `name` its caption, and `concept`,
    `category`, `iou` what it detects: None for a class or a unit that is not interpretable.
    """

    uid: str
    name: str
    concept: str | None
    category: str | None
    iou: float | None
    weight: float
    pre: float
    share: float


@dataclass(frozen=True)
class FedBy(CypherQuestion):
    """The contributors to a unit or class, largest `weight` first, then by uid."""

    name: ClassVar = "fed-by"
    row: ClassVar = ContributionRow
    target: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ContributionRow]:
        """At most `top` rows."""
        view = RunView(graph, self.run)
        edges = view.sources(view.uid(self.target))
        rows = [_row(view, uid, edge) for uid, edge in edges if edge["weight"] > 0]
        return sorted(rows, key=lambda row: (-row.weight, row.uid))[: self.top]


@dataclass(frozen=True)
class InhibitedBy(CypherQuestion):
    """The inhibitors of a unit or class, most negative `pre` first, then by uid."""

    name: ClassVar = "inhibited-by"
    row: ClassVar = ContributionRow
    target: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ContributionRow]:
        """At most `top` rows."""
        view = RunView(graph, self.run)
        edges = view.sources(view.uid(self.target))
        rows = [_row(view, uid, edge) for uid, edge in edges if edge["pre"] < 0]
        return sorted(rows, key=lambda row: (row.pre, row.uid))[: self.top]


@dataclass(frozen=True)
class Feeds(CypherQuestion):
    """The units or classes a unit feeds, those first in which it has the largest share.

    Weights into different targets are on different scales; shares are not.
    """

    name: ClassVar = "feeds"
    row: ClassVar = ContributionRow
    unit: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ContributionRow]:
        """At most `top` rows."""
        view = RunView(graph, self.run)
        edges = view.targets(view.uid(self.unit))
        rows = [_row(view, uid, edge) for uid, edge in edges if edge["share"] > 0]
        return sorted(rows, key=lambda row: (-row.share, row.uid))[: self.top]


def _row(view: RunView, other: str, edge: Contributes) -> ContributionRow:
    label = view.label(other)
    return ContributionRow(
        view.local(other),
        view.named(other)["name"],
        label and label.name,
        label and label.category,
        view.unit(other)["iou"] if label else None,
        edge["weight"],
        edge["pre"],
        edge["share"],
    )


class DrivenRow(NamedTuple):
    """A class that a unit of the last block drives; weights are those of the final layer."""

    uid: str
    name: str
    weight: float
    share: float
    rank: int


@dataclass(frozen=True)
class UnitClasses(CypherQuestion):
    """The classes a unit drives, for (positive weight) or against, the strongest first."""

    name: ClassVar = "unit-classes"
    row: ClassVar = DrivenRow
    unit: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[DrivenRow]:
        """At most `top` rows."""
        view = RunView(graph, self.run)
        rows = [
            DrivenRow(
                view.local(uid),
                view.named(uid)["name"],
                edge["weight"],
                edge["share"],
                edge["rank"],
            )
            for uid, edge in view.targets(view.uid(self.unit))
            if view.is_class(uid)
        ]
        return sorted(rows, key=lambda row: (-abs(row.weight), row.uid))[: self.top]


class CarriedRow(NamedTuple):
    """A step between two units of the same concept."""

    source: str
    target: str
    weight: float
    share: float
    rank: int


@dataclass(frozen=True)
class ConceptCarried(CypherQuestion):
    """Steps from a unit labelled with a concept to one of the next block labelled the same."""

    name: ClassVar = "concept-carried"
    row: ClassVar = CarriedRow
    concept: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[CarriedRow]:
        """At most `top` rows, largest share first."""
        view = RunView(graph, self.run)
        labelled = set(view.labelled(self.concept))
        rows = [
            CarriedRow(
                view.local(source), view.local(target), edge["weight"], edge["share"], edge["rank"]
            )
            for source in labelled
            for target, edge in view.targets(source)
            if target in labelled and edge["share"] > 0
        ]
        return sorted(rows, key=lambda row: (-row.share, row.source, row.target))[: self.top]
