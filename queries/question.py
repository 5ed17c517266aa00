"""What a question is: a frozen class in `questions/`, and a Cypher text in `cypher/`.

The text begins with a head, from which the catalogue and `docs/queries.md` are made:

    // Title
    // What it answers, on one line or more.
    // $parameter: what it means (default 10)
    MATCH …

The head is comment, so that the whole file can be pasted into Neo4j Browser.
"""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, TypeAlias, get_type_hints

from ..graph.stores.store import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    import networkx as nx

Section: TypeAlias = Literal[
    "Paths", "Evidence of classes", "Classes", "Concepts", "Units", "Blocks", "Saved explanations"
]
"""Where the catalogue lists a question; the sections come in this order."""

_FOLDER = Path(__file__).parent / "cypher"
_PARAMETER = re.compile(r"\$(?P<name>\w+): (?P<meaning>.+?)(?: \(default (?P<default>.+)\))?")


@dataclass(frozen=True)
class CypherQuestion(ABC):
    """A question about a run; its fields are its parameters.

    A field whose name is a keyword of Python ends in an underscore: `class_` is `$class`.

    Attributes:
        name: its name in the catalogue; its text is `cypher/NAME.cypher`.
        section: where the catalogue lists it.
        row: a NamedTuple whose fields are the text's columns.
        run: uid of the run that is asked about.
    """

    name: ClassVar[str]
    section: ClassVar[Section]
    row: ClassVar[type[tuple[object, ...]]]
    run: str

    @abstractmethod
    def answer(self, graph: nx.DiGraph[str]) -> Sequence[tuple[object, ...]]:
        """Return the rows that the text returns, in the same order, from the networkx graph."""

    def cypher(self) -> Statement:
        """Return the text with the values of its parameters."""
        values = {field.name.rstrip("_"): getattr(self, field.name) for field in fields(self)}
        return Statement(cypher_text(self.name).cypher, values)

    @classmethod
    def parameter_types(cls) -> dict[str, object]:
        """Return the type of each parameter but the run, by its name in Cypher."""
        # Only the fields': Python 3.10 does not read a ClassVar without a type.
        given = {field.name: field.type for field in fields(cls) if field.name != "run"}
        names = vars(sys.modules[cls.__module__])
        hints = get_type_hints(SimpleNamespace(__annotations__=given), names)
        return {name.rstrip("_"): kind for name, kind in hints.items()}


class HeadParameter(NamedTuple):
    """A parameter as the head describes it; `default` is None if a value must be given."""

    meaning: str
    default: str | None


class CypherText(NamedTuple):
    """A Cypher file: its head, and the whole file as `cypher`."""

    title: str
    description: str
    parameters: dict[str, HeadParameter]
    cypher: str


@cache
def cypher_text(name: str) -> CypherText:
    """Read the text of a question."""
    return parse_cypher((_FOLDER / f"{name}.cypher").read_text(encoding="utf-8"))


def picture_text(name: str) -> CypherText | None:
    """Read the text that returns a question's paths for a picture; None if it has none."""
    return cypher_text(f"{name}-graph") if (_FOLDER / f"{name}-graph.cypher").exists() else None


def parse_cypher(cypher: str) -> CypherText:
    """Parse the head of a text; ValueError if it is not as described above."""
    lines = cypher.splitlines()
    size = next((i for i, line in enumerate(lines) if not line.startswith("// ")), len(lines))
    title, *rest = [line[3:].strip() for line in lines[:size]] or [""]
    description = [line for line in rest if not line.startswith("$")]
    matches = [_PARAMETER.fullmatch(line) for line in rest if line.startswith("$")]
    if not title or not description or None in matches:
        message = f"not the head of a question: {lines[:size]}"
        raise ValueError(message)
    parameters = {
        match["name"]: HeadParameter(match["meaning"], match["default"])
        for match in matches
        if match
    }
    return CypherText(title, " ".join(description), parameters, cypher)
