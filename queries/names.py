"""Finding what a user names: a unit, a concept, a class; and saying what is near when it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, TypeVar

from ..errors import QueryError, nearest
from .question import CypherQuestion
from .view import RunView

if TYPE_CHECKING:
    from collections.abc import Iterable

    import networkx as nx


EVERY = 10**9
"""As `top`: all rows."""


class ClassName(NamedTuple):
    """A class of a run; `uid` is "class/road"."""

    uid: str
    name: str


@dataclass(frozen=True)
class ClassNames(CypherQuestion):
    """The classes of a run, by uid."""

    name: ClassVar = "classes"
    row: ClassVar = ClassName

    def answer(self, graph: nx.DiGraph[str]) -> list[ClassName]:
        """Rows by uid."""
        view = RunView(graph, self.run)
        classes = ((uid, view.named(uid)) for uid in view.classes())
        return sorted(ClassName(view.local(uid), node["name"]) for uid, node in classes)


class ConceptName(NamedTuple):
    """A concept of a run, with how many images and pixels of it the data have.

    `center_bias` is the IoU that a box in the middle of every image gets with it, the best of eight
    sizes; None in earlier runs.
    """

    uid: str
    name: str
    category: str
    images: int
    pixels: int
    center_bias: float | None


@dataclass(frozen=True)
class ConceptNames(CypherQuestion):
    """The concepts that a run looked for, by uid."""

    name: ClassVar = "concepts"
    row: ClassVar = ConceptName

    def answer(self, graph: nx.DiGraph[str]) -> list[ConceptName]:
        """Rows by uid."""
        view = RunView(graph, self.run)
        rows = []
        for uid in view.concepts():
            node, edge = view.named(uid), graph.edges[self.run, uid]
            counts = edge["images"], edge["pixels"], edge.get("center_bias")
            rows.append(ConceptName(uid, node["name"], node["category"], *counts))
        return sorted(rows)


class UnitName(NamedTuple):
    """A unit of a run: "block4/290", its caption, and `ok`, `sparse` or `dead`."""

    uid: str
    name: str
    status: str


@dataclass(frozen=True)
class UnitNames(CypherQuestion):
    """The units of a run, by uid."""

    name: ClassVar = "units"
    row: ClassVar = UnitName
    top: int = 1000

    def answer(self, graph: nx.DiGraph[str]) -> list[UnitName]:
        """At most `top` rows, by uid."""
        view = RunView(graph, self.run)
        rows = (
            UnitName(view.local(uid), node["name"], node["status"]) for uid, node in view.units()
        )
        return sorted(rows)[: self.top]


class _Named(Protocol):
    @property
    def uid(self) -> str: ...
    @property
    def name(self) -> str: ...


Found = TypeVar("Found", bound=_Named)


def find_class(classes: Iterable[Found], wanted: str) -> Found:
    """The class of this name, or of this uid; QueryError when there is none, or several."""
    return _find("class", list(classes), wanted)


def find_concept(concepts: Iterable[Found], wanted: str) -> Found:
    """The concept of this name, or of this "category/name"; QueryError for none or several."""
    return _find("concept", list(concepts), wanted)


def no_unit(run: str, uid: str, units: Iterable[UnitName]) -> QueryError:
    """What is said about a unit that is not in a run."""
    remedy = nearest(uid, (unit.uid for unit in units))
    return QueryError(f"no unit {uid!r} in run {run}", remedy=remedy)


def _find(kind: str, known: list[Found], wanted: str) -> Found:
    """A uid comes before a name: it is the way to tell things of one name apart."""
    for node in known:
        if node.uid == wanted:
            return node
    named = [node for node in known if node.name == wanted]
    if len(named) > 1:
        uids = ", ".join(repr(node.uid) for node in named)
        what = f"{len(named)} {'classes' if kind == 'class' else 'concepts'} are called {wanted!r}"
        raise QueryError(what, remedy=f"Say which: {uids}")
    if not named:
        names = dict.fromkeys(node.name for node in known)
        raise QueryError(f"no {kind} {wanted!r}", remedy=nearest(wanted, names))
    return named[0]
