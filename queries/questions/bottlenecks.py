"""The question `bottlenecks`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class BottleneckRow(NamedTuple):
    """A unit, the classes among whose strongest contributors it is, and its own contributors."""

    unit: str
    concept: str | None
    classes: int
    inputs: int


@dataclass(frozen=True)
class Bottlenecks(CypherQuestion):
    """The units of the last block that are among the strongest contributors of most classes."""

    name: ClassVar = "bottlenecks"
    section: ClassVar[Section] = "Paths"
    row: ClassVar = BottleneckRow
    beam: int = 8
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[BottleneckRow]:
        """Return at most `top` rows, most classes first."""
        view = RunView(graph, self.run)
        classes = Counter(
            unit for uid in view.classes() for unit in _strongest_contributors(view, uid, self.beam)
        )
        best = sorted(classes.items(), key=lambda item: (-item[1], item[0]))[: self.top]
        return [
            BottleneckRow(
                view.local_uid(unit),
                view.label_name(unit),
                count,
                len(_strongest_contributors(view, unit, self.beam)),
            )
            for unit, count in best
        ]


def _strongest_contributors(view: RunView, target: str, beam: int) -> list[str]:
    """Return the contributors of rank below `beam`."""
    edges = view.contributors(target)
    return [uid for uid, edge in edges if edge["share"] > 0 and edge["rank"] < beam]
