"""Units with the concepts they detect, as answers name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .names import ClassName, find_class

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..graph.run.reader import Run


class ConceptLabel(NamedTuple):
    """What a unit detects."""

    name: str
    category: str
    iou: float


@dataclass(frozen=True)
class UnitLabel:
    """A unit and its concept; None when it is not interpretable."""

    uid: str
    block: str
    index: int
    concept: ConceptLabel | None

    def __str__(self) -> str:
        """As people read it: "block4/290 juggling"."""
        return self.uid if self.concept is None else f"{self.uid} {self.concept.name}"


def class_index(run: Run, name: str) -> int:
    """The index of the class of this name, or of this uid where several share a name.

    Raises:
        QueryError: there is none, or there are several.
    """
    rows = run.classes[["uid", "name"]].itertuples(index=False, name=None)
    found = find_class([ClassName(*row) for row in rows], name)
    return list(run.classes["uid"]).index(found.uid)


def unit_labels(run: Run, uids: Iterable[str]) -> dict[str, UnitLabel]:
    """The units of these uids, by uid."""
    chosen = run.units["uid"].isin(list(uids))
    rows = run.units[chosen]
    columns = (rows[name] for name in ("uid", "block", "index", "label", "category", "iou"))
    return {
        uid: UnitLabel(
            uid, block, index, ConceptLabel(label, category, iou) if interpretable else None
        )
        for uid, block, index, label, category, iou, interpretable in zip(
            *(column.tolist() for column in columns), run.interpretable[chosen], strict=True
        )
    }


def path_json(units: Iterable[UnitLabel]) -> dict[str, object]:
    """The keys `units` and `concepts` of a path."""
    units = list(units)
    return {
        "units": [unit.uid for unit in units],
        "concepts": [unit.concept and unit.concept._asdict() for unit in units],
    }
