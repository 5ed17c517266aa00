"""The question `image-explanations`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..explanation_view import ExplanationView
from ..parameters import ExplanationUid, ImageUid
from ..question import CypherQuestion, Section

if TYPE_CHECKING:
    import networkx as nx


class ImageExplanationRow(NamedTuple):
    """A saved explanation of an image."""

    uid: ExplanationUid
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
    section: ClassVar[Section] = "Saved explanations"
    row: ClassVar = ImageExplanationRow
    image: ImageUid

    def answer(self, graph: nx.DiGraph[str]) -> list[ImageExplanationRow]:
        """Return all rows, by uid."""
        view = ExplanationView(graph, self.run)
        rows = []
        for uid, class_uid, image in view.explanations():
            if image == self.image:
                node = view.explanation(uid)
                row = ImageExplanationRow(
                    ExplanationUid(view.local_uid(uid)),
                    view.node(class_uid)["name"],
                    node.get("versus"),
                    node.get("method"),
                    node.get("logit"),
                    node.get("probability"),
                    node.get("coverage"),
                )
                rows.append(row)
        return sorted(rows, key=lambda row: row.uid)
