"""The catalogue: every question with a name, for those who type it rather than import it.

    conceptgraph query class-paths -p class=road

The questions are those in `questions/`. `make` turns what was typed into one of them: it checks the
parameters and resolves each by its type.
"""

from __future__ import annotations

import math
import pkgutil
from dataclasses import MISSING, fields
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, cast, get_args

from ..errors import QueryError, nearest
from . import questions
from .names import RESOLVERS, check_run
from .question import CypherQuestion, Section, cypher_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..graph.stores.store import Question, Store

    AnyQuestion = Question[tuple[object, ...]]

LARGEST = 1_000_000
"""Whole numbers are from 1 to this."""


def _find_questions() -> Iterator[type[CypherQuestion]]:
    """Yield the subclasses of `CypherQuestion` that the modules of `questions/` define."""
    for module in pkgutil.iter_modules(questions.__path__, f"{questions.__name__}."):
        for value in vars(import_module(module.name)).values():
            defined = isinstance(value, type) and value.__module__ == module.name
            if defined and issubclass(value, CypherQuestion):
                yield value


QUESTIONS = {question.name: question for question in _find_questions()}
"""All questions, by name."""
SECTIONS = {
    section: tuple(sorted(name for name, q in QUESTIONS.items() if q.section == section))
    for section in get_args(Section)
}
"""The names of the questions, by section."""


class Parameter(NamedTuple):
    """A parameter of a question; `default` is None if a value must be given."""

    name: str
    type: str
    meaning: str
    default: str | int | float | None


class CatalogueEntry(NamedTuple):
    """A question as the catalogue lists it, with its parameters other than the run.

    `uses_contributions` says that the rows depend on which contributions are kept in the graph.
    """

    name: str
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    columns: tuple[str, ...]
    uses_contributions: bool


def entry(name: str) -> CatalogueEntry:
    """Return the catalogue's entry for a question; QueryError if there is no such question."""
    question, head = _question(name), cypher_text(name)
    types = question.parameter_types()
    parameters = tuple(
        Parameter(
            key,
            "int" if types[key] is int else "float" if types[key] is float else "str",
            head.parameters[key].meaning,
            None if field.default is MISSING else field.default,
        )
        for field in fields(question)
        if (key := field.name.rstrip("_")) in types
    )
    columns: tuple[str, ...] = getattr(question.row, "_fields", ())
    uses_contributions = ":CONTRIBUTES]" in head.cypher
    return CatalogueEntry(
        name, head.title, head.description, parameters, columns, uses_contributions
    )


def make(store: Store, run: str, name: str, given: Mapping[str, str]) -> AnyQuestion:
    """Make the question `name` about a run, with parameters as they were typed.

    A class, concept or image can be given by its uid, or by its name if only one has this name.

    Raises:
        StoreError: no such run.
        QueryError: no such question; a parameter that is unknown, missing or invalid; or a name
            that is not in the run.
    """
    question, parameters = _question(name), entry(name).parameters
    check_run(store, run)
    for key in given:
        if key not in [parameter.name for parameter in parameters]:
            raise _no_parameter(name, key, parameters)
    for parameter in parameters:
        if parameter.name not in given and parameter.default is None:
            what = f"{name} needs {parameter.name}: {parameter.meaning}"
            raise QueryError(what, remedy=f"Add -p {parameter.name}=…")
    types = question.parameter_types()
    values = {key: _resolve(store, run, key, types[key], typed) for key, typed in given.items()}
    return cast("AnyQuestion", build(name, run, values))


def build(name: str, run: str, values: Mapping[str, object]) -> CypherQuestion:
    """Build the question `name` about a run from parameters by their names in Cypher.

    The values are used as they are: uids, whole numbers, numbers.
    """
    question = _question(name)
    field_names = {field.name.rstrip("_"): field.name for field in fields(question)}
    arguments = {field_names[parameter]: value for parameter, value in values.items()}
    return cast("Callable[..., CypherQuestion]", question)(run=run, **arguments)


def _question(name: str) -> type[CypherQuestion]:
    if name not in QUESTIONS:
        raise QueryError(f"no question {name!r}", remedy=nearest(name, QUESTIONS))
    return QUESTIONS[name]


def _no_parameter(name: str, key: str, parameters: Sequence[Parameter]) -> QueryError:
    what = f"{name} has no parameter {key!r}"
    if key == "run":
        return QueryError(what, remedy="Choose the run with --run")
    if not parameters:
        return QueryError(what, remedy="It has none")
    return QueryError(what, remedy=nearest(key, [parameter.name for parameter in parameters]))


def _resolve(store: Store, run: str, name: str, kind: object, typed: str) -> str | int | float:
    """Return the value of what was typed for the parameter `name`, by its type `kind`."""
    if kind is int:
        return _whole_number(name, typed)
    if kind is float:
        return _number(name, typed)
    if kind is str:
        return typed
    return RESOLVERS[kind](store, run, typed)


def _whole_number(name: str, typed: str) -> int:
    expected = f"a whole number from 1 to {LARGEST}"
    if not (typed.isascii() and typed.isdecimal() and len(typed) < 20):
        raise QueryError(f"parameter {name}", found=repr(typed), expected=expected)
    if not 1 <= int(typed) <= LARGEST:
        raise QueryError(f"parameter {name}", found=typed, expected=expected)
    return int(typed)


def _number(name: str, typed: str) -> float:
    try:
        value = float(typed)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise QueryError(f"parameter {name}", found=repr(typed), expected="a number")
    return value
