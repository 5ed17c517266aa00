"""The saved explanations in a run's part of the graph, with their images and paths.

An explanation's and a path's uid begin with their run's; an image's is the sha256 of its content.
Contributions are in units of the logit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypedDict, cast

from .view import RunView

if TYPE_CHECKING:
    from collections.abc import Iterator


class ExplanationNode(TypedDict, total=False):
    """The properties of an Explanation."""

    method: str
    versus: str
    logit: float
    probability: float
    coverage: float


class PathNode(TypedDict, total=False):
    """The properties of a Path."""

    rank: int
    contribution: float
    measured: float


class ExplanationUids(NamedTuple):
    """The uids of an explanation, the class that it explains, and its image."""

    uid: str
    class_uid: str
    image: str


class ExplanationView(RunView):
    """A run's part of the graph, with its saved explanations."""

    def explanations(self) -> Iterator[ExplanationUids]:
        """Yield all saved explanations."""
        for class_uid in self.classes():
            for uid in self.predecessors(class_uid, "OF"):
                for image in self.predecessors(uid, "EXPLAINED_BY"):
                    yield ExplanationUids(uid, class_uid, image)

    def explanation(self, uid: str) -> ExplanationNode:
        """Return the properties of an explanation."""
        return cast("ExplanationNode", self.graph.nodes[uid])

    def paths(self, explanation: str) -> list[tuple[str, PathNode]]:
        """Return the uids and properties of an explanation's paths, by rank."""
        paths = [
            (uid, cast("PathNode", self.graph.nodes[uid]))
            for uid in self.successors(explanation, "HAS_PATH")
        ]
        return sorted(paths, key=lambda path: (path[1]["rank"], path[0]))

    def steps(self, path: str) -> list[tuple[int, str]]:
        """Return the positions on a path, from 0, with the uids of the units."""
        units = self.successors(path, "STEP")
        return sorted((self.graph.edges[path, unit]["position"], unit) for unit in units)
