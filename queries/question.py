"""The Cypher texts of the questions, `NAME.cypher` beside this file, and what their heads say.

    // Title
    // What it answers, on one line or more.
    // $parameter: what it means (default 10)
    MATCH …

The head is comment, so that the whole file can be pasted into Neo4j Browser.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..graph.stores.store import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    import networkx as nx

_FOLDER = Path(__file__).parent / "cypher"
_PARAMETER = re.compile(r"\$(?P<name>\w+): (?P<meaning>.+?)(?: \(default (?P<default>.+)\))?")


class HeadParameter(NamedTuple):
    """A parameter as a head tells it; `default` is None where it must be given."""

    meaning: str
    default: str | None


class Text(NamedTuple):
    """A Cypher file: its head, and the whole of it as `cypher`."""

    title: str
    description: str
    parameters: dict[str, HeadParameter]
    cypher: str


@dataclass(frozen=True)
class CypherQuestion(ABC):
    """A question with a Cypher text of its own; its fields are that text's parameters.

    A field that would be a word of Python ends in an underscore: `class_` is `$class`.

    Attributes:
        name: the text is `name.cypher`.
        row: a NamedTuple; its fields are the text's columns.
        run: uid of the run that is asked about.
    """

    name: ClassVar[str]
    row: ClassVar[type[tuple[object, ...]]]
    run: str

    @abstractmethod
    def answer(self, graph: nx.DiGraph[str]) -> Sequence[tuple[object, ...]]:
        """The rows that the text gives, in the same order, from the networkx graph."""

    def cypher(self) -> Statement:
        """The text and its parameters."""
        values = {field.name.rstrip("_"): getattr(self, field.name) for field in fields(self)}
        return Statement(text(self.name).cypher, values)


@cache
def text(name: str) -> Text:
    """The text of a question, read once."""
    return parse((_FOLDER / f"{name}.cypher").read_text(encoding="utf-8"))


def picture(name: str) -> Text | None:
    """The twin that returns paths, for a browser's picture; None where a question has none."""
    return text(f"{name}-graph") if (_FOLDER / f"{name}-graph.cypher").exists() else None


def parse(cypher: str) -> Text:
    """A text with its head read; ValueError for a head that is not as above."""
    lines = cypher.splitlines()
    size = next((i for i, line in enumerate(lines) if not line.startswith("// ")), len(lines))
    title, *rest = [line[3:].strip() for line in lines[:size]] or [""]
    description = [line for line in rest if not line.startswith("$")]
    found = [_PARAMETER.fullmatch(line) for line in rest if line.startswith("$")]
    if not title or not description or None in found:
        message = f"not the head of a question: {lines[:size]}"
        raise ValueError(message)
    parameters = {
        match["name"]: HeadParameter(match["meaning"], match["default"]) for match in found if match
    }
    return Text(title, " ".join(description), parameters, cypher)
