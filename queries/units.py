"""What units are and what they detect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .question import CypherQuestion
from .view import RunView

if TYPE_CHECKING:
    import networkx as nx


class UnitFacts(NamedTuple):
    """A unit; `images`, `activations` and `thumbnails` run in parallel, the strongest first."""

    uid: str
    name: str
    status: str
    threshold: float | None
    interpretable: bool
    images: list[str]
    activations: list[float]
    thumbnails: list[str]


@dataclass(frozen=True)
class Unit(CypherQuestion):
    """The facts of one unit ("block4/290"); no row when there is none."""

    name: ClassVar = "unit"
    row: ClassVar = UnitFacts
    unit: str

    def answer(self, graph: nx.DiGraph[str]) -> list[UnitFacts]:
        """One row, or none."""
        view = RunView(graph, self.run)
        node = view.unit(view.uid(self.unit))
        if not node:
            return []
        return [
            UnitFacts(
                self.unit,
                node["name"],
                node["status"],
                node.get("threshold"),
                node["interpretable"],
                node.get("images", []),
                node.get("activations", []),
                node.get("thumbnails", []),
            )
        ]


class DetectionRow(NamedTuple):
    """A concept that a unit's mask overlaps.

    `attainable_iou` is the largest IoU that masks of these two sizes could have: a unit that is on
    in far more pixels than the concept has cannot score high, however well it is placed. `p` says
    how often labels of other images do as well, `enrichment` how many times the overlap exceeds
    theirs; None where a run did not ask.
    """

    uid: str
    name: str
    category: str
    iou: float
    attainable_iou: float
    p: float | None
    enrichment: float | None
    significant: bool | None


@dataclass(frozen=True)
class UnitConcepts(CypherQuestion):
    """The concepts stored for a unit, highest IoU first, also those too weak to count."""

    name: ClassVar = "unit-concepts"
    row: ClassVar = DetectionRow
    unit: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[DetectionRow]:
        """At most `top` rows."""
        view = RunView(graph, self.run)
        rows = []
        for uid, edge in view.detections(view.uid(self.unit)):
            node = view.named(uid)
            attainable_iou = _attainable_iou(edge["activation"], edge["truth"])
            chance = (edge.get("p"), edge.get("enrichment"), edge.get("significant"))
            rows.append(
                DetectionRow(
                    uid, node["name"], node["category"], edge["iou"], attainable_iou, *chance
                )
            )
        return sorted(rows, key=lambda row: (-row.iou, row.uid))[: self.top]


def _attainable_iou(activation: int, truth: int) -> float:
    """min/max of the two pixel counts: the IoU of one mask inside the other."""
    return min(activation, truth) / max(activation, truth, 1)


class ManyConceptsRow(NamedTuple):
    """A unit with more than one strong concept, and the two strongest."""

    unit: str
    concepts: int
    first: str
    first_iou: float
    second: str
    second_iou: float


@dataclass(frozen=True)
class PolysemanticUnits(CypherQuestion):
    """Units that detect more than one concept above an IoU, strongest second concept first."""

    name: ClassVar = "polysemantic-units"
    row: ClassVar = ManyConceptsRow
    iou: float = 0.04
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ManyConceptsRow]:
        """At most `top` rows."""
        view = RunView(graph, self.run)
        rows = []
        for unit, node in view.units():
            strong = [(-e["iou"], uid) for uid, e in view.detections(unit) if e["iou"] > self.iou]
            if len(strong) > 1 and node["status"] == "ok":
                (first_iou, first), (second_iou, second) = sorted(strong)[:2]
                row = (len(strong), first, -first_iou, second, -second_iou)
                rows.append(ManyConceptsRow(view.local(unit), *row))
        return sorted(rows, key=lambda row: (-row.second_iou, row.unit))[: self.top]


class OtherRunRow(NamedTuple):
    """What a unit detects in another run; None where it is not interpretable there."""

    run: str
    concept: str | None
    category: str | None
    iou: float | None


@dataclass(frozen=True)
class UnitInOtherRuns(CypherQuestion):
    """The same unit in other runs of the same network, as far as these are in the graph."""

    name: ClassVar = "unit-in-other-runs"
    row: ClassVar = OtherRunRow
    unit: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[OtherRunRow]:
        """At most `top` rows, by run."""
        view = RunView(graph, self.run)
        rows = []
        for uid in view.same_units(view.uid(self.unit)):
            label = view.label(uid)
            row = OtherRunRow(
                uid.removesuffix(f"/{self.unit}"),
                label and label.name,
                label and label.category,
                view.unit(uid)["iou"] if label else None,
            )
            rows.append(row)
        return sorted(rows, key=lambda row: row.run)[: self.top]


class QuietRow(NamedTuple):
    """A unit that is never active (`dead`), or so rarely that its threshold is 0 (`sparse`)."""

    unit: str
    status: str


@dataclass(frozen=True)
class QuietUnits(CypherQuestion):
    """The dead and the sparse units."""

    name: ClassVar = "quiet-units"
    row: ClassVar = QuietRow
    top: int = 100

    def answer(self, graph: nx.DiGraph[str]) -> list[QuietRow]:
        """At most `top` rows, the dead first, then by uid."""
        view = RunView(graph, self.run)
        rows = [
            QuietRow(view.local(uid), node["status"])
            for uid, node in view.units()
            if node["status"] != "ok"
        ]
        return sorted(rows, key=lambda row: (row.status, row.unit))[: self.top]
