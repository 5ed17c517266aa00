"""The question `saved-images`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..explanation_view import ExplanationView
from ..parameters import ImageUid
from ..question import CypherQuestion, Section

if TYPE_CHECKING:
    import networkx as nx


class SavedImageRow(NamedTuple):
    """An image with saved explanations."""

    uid: ImageUid
    path: str
    explanations: int


@dataclass(frozen=True)
class SavedImages(CypherQuestion):
    """The images with saved explanations."""

    name: ClassVar = "saved-images"
    section: ClassVar[Section] = "Saved explanations"
    row: ClassVar = SavedImageRow

    def answer(self, graph: nx.DiGraph[str]) -> list[SavedImageRow]:
        """Return all rows, by path, then uid."""
        view = ExplanationView(graph, self.run)
        counts = Counter(explanation.image for explanation in view.explanations())
        rows = [
            SavedImageRow(ImageUid(uid), view.node(uid)["path"], count)
            for uid, count in counts.items()
        ]
        return sorted(rows, key=lambda row: (row.path, row.uid))
