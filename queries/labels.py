"""Units with the concepts that they detect, as answers name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..graph.uids import WORD
from .names import find_class
from .questions.classes import ClassRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..graph.run.reader import Run


class ConceptLabel(NamedTuple):
    """The concept that a unit is named after; `auc` is that of a word, None of other concepts."""

    name: str
    category: str
    iou: float
    auc: float | None = None

    def to_json(self) -> dict[str, object]:
        """Return one JSON object, with an AUC only of a word."""
        return {key: value for key, value in self._asdict().items() if value is not None}


@dataclass(frozen=True)
class UnitLabel:
    """A unit and its concept; None if it has no name."""

    uid: str
    block: str
    index: int
    concept: ConceptLabel | None

    def __str__(self) -> str:
        """Return the unit as people read it: "block4/290 juggling"."""
        return self.uid if self.concept is None else f"{self.uid} {self.concept.name}"

    def cells(self) -> dict[str, object]:
        """Return what a table shows."""
        name, category, iou = (self.concept or (None, None, None))[:3]
        return {"unit": self.uid, "concept": name, "category": category, "iou": iou}


def class_index(run: Run, name: str) -> int:
    """Return the index of the class of this name, or of this uid if several share a name.

    Raises:
        QueryError: there is none, or there are several.
    """
    rows = run.classes[["uid", "name"]].itertuples(index=False, name=None)
    match = find_class([ClassRow(*row) for row in rows], name)
    return list(run.classes["uid"]).index(match.uid)


def unit_labels(run: Run, uids: Iterable[str]) -> dict[str, UnitLabel]:
    """Return the units of these uids with their labels, by uid."""
    chosen = run.units["uid"].isin(list(uids))
    rows = run.units[chosen]
    columns = (rows[name] for name in ("uid", "block", "index", "label", "category", "iou"))
    aucs = {} if run.words is None else dict(zip(*_word_aucs(run), strict=True))
    return {
        uid: UnitLabel(
            uid,
            block,
            index,
            ConceptLabel(label, category, iou, aucs.get(uid)) if named else None,
        )
        for uid, block, index, label, category, iou, named in zip(
            *(column.tolist() for column in columns), run.named[chosen], strict=True
        )
    }


def _word_aucs(run: Run) -> tuple[list[str], list[float]]:
    """Return the units of a run with words, and the AUC of each one's word."""
    detections = run.detections[run.detections["category"] == WORD]
    return detections["unit"].tolist(), detections["auc"].tolist()


def path_json(units: Iterable[UnitLabel]) -> dict[str, object]:
    """Return the keys `units` and `concepts` of a path."""
    units = list(units)
    return {
        "units": [unit.uid for unit in units],
        "concepts": [unit.concept and unit.concept.to_json() for unit in units],
    }
