"""What is found as somebody types: classes, concepts, units and images whose names have all words.

Names that begin with what was typed come before those in which a word does, and these before the
others. If no name has it, the concepts and classes are given whose names are most like it.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...graph.run.notes import UnitNote
    from ...queries.questions.classes import ClassRow
    from ...queries.questions.concepts import RunConceptRow
    from ...queries.questions.unit_labels import UnitLabelRow

Kind: TypeAlias = Literal["class", "concept", "unit", "image"]
EACH = 6
"""Results of each kind as somebody types."""
LONGEST = 200
"""Characters of what is searched for."""
_ALIKE = 0.6


class Result(NamedTuple):
    """One of the names.

    Attributes:
        kind: of what it is the name.
        uid: of it; of an image its file.
        name: as it is shown.
        detail: what is shown beside it.
        category: of a concept, or of the one that a unit is named after; else "".
    """

    kind: Kind
    uid: str
    name: str
    detail: str
    category: str = ""


class Results(NamedTuple):
    """The results of one kind.

    Attributes:
        kind: of all of them.
        rows: the first of them.
        total: how many there are.
        is_guess: whether no name has what was typed, and these are like it.
    """

    kind: Kind
    rows: tuple[Result, ...]
    total: int
    is_guess: bool = False


class SearchIndex:
    """The names of a run."""

    def __init__(
        self,
        units: Sequence[UnitLabelRow],
        concepts: Sequence[RunConceptRow],
        classes: Sequence[ClassRow],
        images: Sequence[str],
        detectors: Mapping[str, int],
        notes: Mapping[str, UnitNote],
    ) -> None:
        """Take the names.

        Args:
            units: of the run.
            concepts: of the run.
            classes: of the run.
            images: their files.
            detectors: how many units are named after each concept, by uid.
            notes: what people call units and say about them, by uid.
        """
        rows: dict[Kind, list[Result]] = {
            "class": [Result("class", row.uid, row.name, "") for row in classes],
            "concept": [
                Result("concept", row.uid, row.name, _detectors(detectors.get(row.uid, 0)),
                       row.category)
                for row in concepts
            ],
            "unit": [
                _unit(row, notes[row.uid]["name"] if row.uid in notes else "") for row in units
            ],
            "image": [Result("image", file, file, "") for file in images],
        }  # fmt: skip
        self._rows = rows
        self._texts = {
            kind: [f"{row.name} {row.category} {row.detail if kind == 'unit' else ''}".casefold()
                   for row in of_kind]
            for kind, of_kind in rows.items()
        }  # fmt: skip
        self._texts["unit"] = [
            f"{text} {notes[row.uid]['note']}".casefold() if row.uid in notes else text
            for row, text in zip(units, self._texts["unit"], strict=True)
        ]

    def find(self, text: str, each: int = EACH) -> list[Results]:
        """Return what is found, of each kind that has anything.

        Args:
            text: what was typed; only its first `LONGEST` characters count.
            each: the most results of a kind.
        """
        wanted = " ".join(text[:LONGEST].casefold().split())
        if not wanted:
            return []
        kinds = (self._of_kind(kind, wanted, each) for kind in self._rows)
        return [found for found in kinds if found.rows] or self._like(wanted, each)

    def _of_kind(self, kind: Kind, wanted: str, each: int) -> Results:
        words = wanted.split(" ")
        texts, rows = self._texts[kind], self._rows[kind]
        places = [n for n, text in enumerate(texts) if all(word in text for word in words)]
        order = sorted(places, key=lambda n: (*_rank(texts[n], wanted), len(texts[n]), n))
        return Results(kind, tuple(rows[n] for n in order[:each]), len(places))

    def _like(self, wanted: str, each: int) -> list[Results]:
        found = []
        for kind in ("concept", "class"):
            names = {row.name.casefold(): row for row in self._rows[kind]}
            close = difflib.get_close_matches(wanted, names, each, _ALIKE)
            if close:
                rows = tuple(names[name] for name in close)
                found.append(Results(kind, rows, len(rows), is_guess=True))
        return found


def _rank(text: str, wanted: str) -> tuple[bool, bool, bool]:
    """Return how well a text has what was typed, less is better."""
    return (
        not text.startswith(f"{wanted} "),
        not text.startswith(wanted),
        f" {wanted}" not in text and f"/{wanted}" not in text,
    )


def _unit(row: UnitLabelRow, own_name: str) -> Result:
    own = f"“{own_name}”" if own_name else ""
    if row.named and row.label is not None:
        detail = ", ".join(filter(None, (own, row.label)))
        return Result("unit", row.uid, row.uid, detail, row.category or "")
    return Result("unit", row.uid, row.uid, own or ("" if row.status == "ok" else row.status))


def _detectors(units: int) -> str:
    return f"{units} unit{'' if units == 1 else 's'}" if units else ""
