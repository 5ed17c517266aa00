"""Explanations of images that were saved in the graph, and the paths they found.

An explanation's and a path's uid begin with their run's; an image's is that of its content.
Contributions are in units of the logit.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypedDict, cast

from .question import CypherQuestion
from .view import RunView, total

if TYPE_CHECKING:
    from collections.abc import Iterator

    import networkx as nx


class _Explanation(TypedDict, total=False):
    method: str
    versus: str
    logit: float
    probability: float
    coverage: float


class _Path(TypedDict, total=False):
    rank: int
    contribution: float
    measured: float


class _SavedView(RunView):
    """A run's explanations, with their images and paths."""

    def explanations(self) -> Iterator[tuple[str, str, str]]:
        """Uids of an explanation, its class and its image."""
        for class_uid in self.classes():
            for uid in self._near(class_uid, "OF", back=True):
                for image in self._near(uid, "EXPLAINED_BY", back=True):
                    yield uid, class_uid, image

    def explanation(self, uid: str) -> _Explanation:
        return cast("_Explanation", self.graph.nodes[uid])

    def paths(self, explanation: str) -> list[tuple[str, _Path]]:
        """Uids and properties of the paths, by rank."""
        found = [
            (uid, cast("_Path", self.graph.nodes[uid]))
            for uid in self._near(explanation, "HAS_PATH")
        ]
        return sorted(found, key=lambda path: (path[1]["rank"], path[0]))

    def steps(self, path: str) -> list[tuple[int, str]]:
        """Positions, from 0, and the uids of the units there."""
        units = self._near(path, "STEP")
        return sorted((self.graph.edges[path, unit]["position"], unit) for unit in units)

    def _near(self, uid: str, kind: str, *, back: bool = False) -> list[str]:
        near = self.graph.pred if back else self.graph.adj
        return [other for other, edge in near.get(uid, {}).items() if edge["type"] == kind]


class SavedImageRow(NamedTuple):
    """An image that was explained; `uid` is that of its content."""

    uid: str
    path: str
    explanations: int


@dataclass(frozen=True)
class SavedImages(CypherQuestion):
    """The images with saved explanations."""

    name: ClassVar = "saved-images"
    row: ClassVar = SavedImageRow

    def answer(self, graph: nx.DiGraph[str]) -> list[SavedImageRow]:
        """Rows by path, then uid."""
        view = _SavedView(graph, self.run)
        counts: dict[str, int] = defaultdict(int)
        for _, _, image in view.explanations():
            counts[image] += 1
        rows = [SavedImageRow(uid, view.named(uid)["path"], count) for uid, count in counts.items()]
        return sorted(rows, key=lambda row: (row.path, row.uid))


class SavedRow(NamedTuple):
    """A saved explanation of an image; `uid` without the run."""

    uid: str
    class_name: str
    versus: str | None
    method: str | None
    logit: float | None
    probability: float | None
    coverage: float | None


@dataclass(frozen=True)
class ImageExplanations(CypherQuestion):
    """The saved explanations of an image."""

    name: ClassVar = "image-explanations"
    row: ClassVar = SavedRow
    image: str

    def answer(self, graph: nx.DiGraph[str]) -> list[SavedRow]:
        """Rows by uid."""
        view = _SavedView(graph, self.run)
        rows = []
        for uid, class_uid, image in view.explanations():
            if image == self.image:
                found = view.explanation(uid)
                row = SavedRow(
                    view.local(uid),
                    view.named(class_uid)["name"],
                    found.get("versus"),
                    found.get("method"),
                    found.get("logit"),
                    found.get("probability"),
                    found.get("coverage"),
                )
                rows.append(row)
        return sorted(rows, key=lambda row: row.uid)


class StepRow(NamedTuple):
    """One unit on one path of an explanation."""

    rank: int
    contribution: float
    measured: float | None
    position: int
    unit: str
    concept: str | None


@dataclass(frozen=True)
class ExplanationPaths(CypherQuestion):
    """The paths of a saved explanation, unit by unit."""

    name: ClassVar = "explanation-paths"
    row: ClassVar = StepRow
    explanation: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[StepRow]:
        """The rows of at most `top` paths, by rank and position."""
        view = _SavedView(graph, self.run)
        return [
            StepRow(
                path["rank"],
                path["contribution"],
                path.get("measured"),
                position,
                view.local(unit),
                view.concept(unit),
            )
            for uid, path in view.paths(view.uid(self.explanation))[: self.top]
            for position, unit in view.steps(uid)
        ]


class SavedConceptRow(NamedTuple):
    """What the paths that begin in units of a concept add; None: units without a concept."""

    uid: str | None
    name: str | None
    category: str | None
    paths: int
    contribution: float


@dataclass(frozen=True)
class ExplanationConcepts(CypherQuestion):
    """A saved explanation's paths gathered by the concept of their first unit."""

    name: ClassVar = "explanation-concepts"
    row: ClassVar = SavedConceptRow
    explanation: str

    def answer(self, graph: nx.DiGraph[str]) -> list[SavedConceptRow]:
        """Rows by size of the contribution, whatever its sign."""
        view = _SavedView(graph, self.run)
        found = defaultdict(list)
        for uid, path in view.paths(view.uid(self.explanation)):
            for position, unit in view.steps(uid):
                if position == 0:
                    found[view.label(unit)].append(path["contribution"])
        rows = []
        for label, each in found.items():
            row = SavedConceptRow(
                label and label.uid,
                label and label.name,
                label and label.category,
                len(each),
                total(each),
            )
            rows.append(row)
        return sorted(rows, key=lambda row: (-abs(row.contribution), row.uid or ""))


class SeenRow(NamedTuple):
    """A path of a saved explanation that runs through a unit."""

    image: str
    class_name: str
    rank: int
    contribution: float


@dataclass(frozen=True)
class UnitExplanations(CypherQuestion):
    """The saved explanations in which a unit is on a path."""

    name: ClassVar = "unit-explanations"
    row: ClassVar = SeenRow
    unit: str
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[SeenRow]:
        """At most `top` rows, largest contribution of either sign first."""
        view = _SavedView(graph, self.run)
        wanted = view.uid(self.unit)
        rows = [
            (-abs(path["contribution"]), uid, view.named(image)["path"], class_uid, path)
            for explanation, class_uid, image in view.explanations()
            for uid, path in view.paths(explanation)
            if wanted in (unit for _, unit in view.steps(uid))
        ]
        rows.sort(key=lambda row: row[:3])
        return [
            SeenRow(image, view.named(class_uid)["name"], path["rank"], path["contribution"])
            for _, _, image, class_uid, path in rows[: self.top]
        ]
