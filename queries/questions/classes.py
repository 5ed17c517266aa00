"""The question `classes`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import ClassUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class ClassRow(NamedTuple):
    """A class of a run."""

    uid: ClassUid
    name: str


@dataclass(frozen=True)
class Classes(CypherQuestion):
    """The classes of a run."""

    name: ClassVar = "classes"
    section: ClassVar[Section] = "Classes"
    row: ClassVar = ClassRow

    def answer(self, graph: nx.DiGraph[str]) -> list[ClassRow]:
        """Return all rows, by uid."""
        view = RunView(graph, self.run)
        return sorted(
            ClassRow(ClassUid(view.local_uid(uid)), view.node(uid)["name"])
            for uid in view.classes()
        )
