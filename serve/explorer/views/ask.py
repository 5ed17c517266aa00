"""The catalogue of questions as forms, with their answers; and Cypher of the user's own."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ....errors import ConceptGraphError, QueryError
from ....graph import schema
from ....graph.stores.store import CypherLimits
from ....queries.catalogue import QUESTIONS, SECTIONS, entry, make
from ....queries.parameters import (
    BlockName,
    ClassUid,
    ConceptUid,
    TargetUid,
    UnitUid,
)
from ....queries.question import cypher_text, picture_text
from ..answers import answer_table
from ..graph_picture import graph_picture
from ..rendering import Crumb, Page, url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graph.stores.store import CypherResult, Statement
    from ....queries.catalogue import CatalogueEntry
    from ..answers import AnswerTable
    from ..graph_picture import GraphPicture
    from ..library import Library, ServedRun

LIMITS = CypherLimits(seconds=15.0, rows=10_000)
"""Of a Cypher text that is asked on a page."""
LONGEST_TEXT = 20_000
"""Characters of a Cypher text."""
_COMPLETED: dict[object, str] = {
    ClassUid: "class", ConceptUid: "concept", UnitUid: "unit", TargetUid: "unit class",
}  # fmt: skip
"""What is proposed for a parameter as somebody types, by its type."""
EXAMPLE = """MATCH p = (c:Class {run: $run})<-[e:CONTRIBUTES]-(u:Unit)
  -[:DETECTS {rank: 0}]->(k:Concept)
WHERE u.named AND e.rank < 3
RETURN p
LIMIT 20"""


class Field(NamedTuple):
    """A parameter of a question in its form.

    Attributes:
        name: of the parameter.
        meaning: in words.
        value: what was typed, else the default; "" without one.
        needed: whether a value must be given.
        kinds: of the names that are proposed, separated by spaces; "" for none.
        choices: the only values, if there are few.
    """

    name: str
    meaning: str
    value: str
    needed: bool
    kinds: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class CataloguePage:
    """All questions, by section."""

    sections: list[tuple[str, list[CatalogueEntry]]]


@dataclass(frozen=True)
class QuestionPage:
    """A question.

    Attributes:
        entry: of the catalogue.
        fields: its form.
        answer: its rows; None before it is asked.
        problem: why there are none, if so.
        picture: address of the answer's picture; None if the question has none.
        text: its Cypher, once it is asked with its parameters, for Neo4j Browser.
        csv: address of the rows as CSV.
        json: address of the rows as JSON.
    """

    entry: CatalogueEntry
    fields: list[Field]
    answer: AnswerTable | None
    problem: str | None
    picture: str | None
    text: str
    csv: str
    json: str


@dataclass(frozen=True)
class CypherPage:
    """The page for a Cypher text of one's own, with one to begin with, and what is in the graph."""

    example: str
    schema: str
    is_neo4j: bool


@dataclass(frozen=True)
class CypherAnswer:
    """What a Cypher text returned, as a part of a page; `cut` if there were too many rows."""

    answer: AnswerTable
    picture: GraphPicture | None
    cut: bool


def catalogue(served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the list of questions."""
    sections = [(section, [entry(name) for name in names]) for section, names in SECTIONS.items()]
    return Page("ask.html", "Ask", CataloguePage(sections), "/ask")


def question(served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the form of the question `name`, and its answer if its parameters are given.

    Raises:
        QueryError: no such question.
    """
    about = entry(asked.get("name", ""))
    given = _given(about, asked)
    is_asked = all(p.default is not None or p.name in given for p in about.parameters)
    answer = problem = None
    text = cypher_text(about.name).cypher
    if is_asked:
        try:
            made = make(served.store, served.name, about.name, given)
            answer = answer_table(served, about.columns, served.store.ask(made))
            text = browser_text(made.cypher())
        except ConceptGraphError as error:
            problem = str(error)
    query = {"run": served.key, "name": about.name, **given}
    has_picture = answer is not None and answer.total and picture_text(about.name)
    picture = url("/graph", **query) if has_picture else None
    content = QuestionPage(
        about, _fields(served, about, asked), answer, problem, picture, text,
        url("/rows.csv", **query), url("/rows.json", **query),
    )  # fmt: skip
    crumbs = (Crumb("Ask", url("/ask", run=served.key)),)
    return Page("question.html", about.title, content, "/ask", crumbs)


def rows(
    served: ServedRun, asked: Mapping[str, str]
) -> tuple[Sequence[str], list[tuple[object, ...]]]:
    """Return columns and all rows of a question that an address asks.

    Raises:
        QueryError: no such question, or a parameter is missing or invalid.
    """
    about = entry(asked.get("name", ""))
    made = make(served.store, served.name, about.name, _given(about, asked))
    return about.columns, served.store.ask(made)


def cypher(library: Library, served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the page for a Cypher text of one's own."""
    crumbs = (Crumb("Ask", url("/ask", run=served.key)),)
    content = CypherPage(EXAMPLE, inspect.getdoc(schema) or "", library.is_neo4j)
    return Page("cypher.html", "Cypher", content, "/ask", crumbs)


def run_cypher(library: Library, served: ServedRun, text: str) -> CypherResult:
    """Run a Cypher text of the user's, one at a time.

    Raises:
        QueryError: it is too long, is not Cypher, or would write.
        StoreError: a limit was exceeded, or no engine is installed.
    """
    if len(text) > LONGEST_TEXT:
        raise QueryError("a Cypher text that is too long", expected=f"{LONGEST_TEXT:,} characters")
    with library.heavy:
        return served.store.cypher(text, {"run": served.name}, LIMITS)


def cypher_answer(served: ServedRun, result: CypherResult) -> CypherAnswer:
    """Return what a page shows of a result."""
    return CypherAnswer(
        answer_table(served, result.columns, result.rows),
        graph_picture(served.key, served.name, result.rows),
        result.cut,
    )


def browser_text(statement: Statement) -> str:
    """Return a statement to paste into Neo4j Browser, with its parameters."""
    lines = [f":param {name} => {_literal(value)};" for name, value in statement.parameters.items()]
    return "\n".join([*lines, statement.text.rstrip()])


def _literal(value: object) -> str:
    if not isinstance(value, str):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def _given(about: CatalogueEntry, asked: Mapping[str, str]) -> dict[str, str]:
    names = [parameter.name for parameter in about.parameters]
    return {name: asked[name] for name in names if asked.get(name, "").strip()}


def _fields(served: ServedRun, about: CatalogueEntry, asked: Mapping[str, str]) -> list[Field]:
    types = QUESTIONS[about.name].parameter_types()
    return [
        Field(
            p.name,
            p.meaning,
            asked.get(p.name, "") or ("" if p.default is None else str(p.default)),
            p.default is None,
            _COMPLETED.get(types[p.name], ""),
            tuple(served.blocks) if types[p.name] is BlockName else (),
        )
        for p in about.parameters
    ]


def graph(library: Library, served: ServedRun, asked: Mapping[str, str]) -> GraphPicture | None:
    """Return the picture of a question's answer; None if there is nothing to draw.

    Raises:
        QueryError: no such question, it has no picture, or a parameter is missing or invalid.
        StoreError: a limit was exceeded, or no engine is installed.
    """
    about = entry(asked.get("name", ""))
    text = picture_text(about.name)
    if text is None:
        raise QueryError(f"{about.name} has no picture")
    made = make(served.store, served.name, about.name, _given(about, asked))
    with library.heavy:
        result = served.store.cypher(text.cypher, made.cypher().parameters, LIMITS)
    return graph_picture(served.key, served.name, result.rows)
