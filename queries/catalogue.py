"""The catalogue: every question with a name, for those who type it rather than import it.

    conceptgraph query class-paths -p class=road

`make` turns what was typed into a question: it checks the parameters and finds what they name.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, fields
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from ..errors import QueryError, nearest
from ..graph.stores.store import no_such_run
from . import blocks, chains, classes, concepts, contributions, names, saved, units
from .question import CypherQuestion, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..graph.stores.store import Question, Store

    AnyQuestion = Question[tuple[object, ...]]

LARGEST = 1_000_000
"""Whole numbers are from 1 to this."""


_SECTIONS: dict[str, tuple[type[CypherQuestion], ...]] = {
    "Paths": (
        chains.ClassPaths,
        chains.ClassPathsLong,
        chains.ClassPathsAgainst,
        chains.ConceptPaths,
        classes.Bottlenecks,
        chains.ClassBottlenecks,
    ),
    "Classes": (
        concepts.ConceptsOfClass,
        classes.SharedConcepts,
        classes.ClassDifference,
        classes.TellApart,
        classes.UnnamedUnits,
        names.ClassNames,
    ),
    "Concepts": (
        concepts.Detectors,
        concepts.ClassesOfConcept,
        concepts.ConceptSources,
        concepts.ConceptPresence,
        contributions.ConceptCarried,
        concepts.UndetectedConcepts,
        names.ConceptNames,
    ),
    "Units": (
        units.Unit,
        units.UnitConcepts,
        contributions.UnitClasses,
        chains.UnitReach,
        contributions.FedBy,
        contributions.InhibitedBy,
        contributions.Feeds,
        concepts.ConceptsIntoUnit,
        units.PolysemanticUnits,
        units.UnitInOtherRuns,
        units.QuietUnits,
        names.UnitNames,
    ),
    "Blocks": (blocks.Blocks, blocks.CategoriesByBlock, blocks.BlockConcepts),
    "Saved explanations": (
        saved.SavedImages,
        saved.ImageExplanations,
        saved.ExplanationPaths,
        saved.ExplanationConcepts,
        saved.UnitExplanations,
    ),
}
SECTIONS = {title: tuple(each.name for each in group) for title, group in _SECTIONS.items()}
"""Names of the questions, by what they are about."""
QUESTIONS = {each.name: each for group in _SECTIONS.values() for each in group}


class Parameter(NamedTuple):
    """What a question can be asked with; `default` is None where it must be given."""

    name: str
    type: str
    meaning: str
    default: str | int | float | None


class Entry(NamedTuple):
    """A question as the catalogue lists it, with its parameters other than the run."""

    name: str
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    columns: tuple[str, ...]


def entry(name: str) -> Entry:
    """What the catalogue says of a question; QueryError for one that is not in it."""
    question, head = _question(name), text(name)
    parameters = tuple(
        Parameter(
            field.name.rstrip("_"),
            str(field.type),
            head.parameters[field.name.rstrip("_")].meaning,
            None if field.default is MISSING else field.default,
        )
        for field in fields(question)
        if field.name != "run"
    )
    columns: tuple[str, ...] = getattr(question.row, "_fields", ())
    return Entry(name, head.title, head.description, parameters, columns)


def make(store: Store, run: str, name: str, given: Mapping[str, str]) -> AnyQuestion:
    """The question `name` about a run, with parameters as they were typed.

    A class, concept, unit, block or image can be given by its uid, and by its name where only one
    is called so.

    Raises:
        StoreError: no such run.
        QueryError: no such question; a parameter that it has not, lacks, or that does not fit; or
            a name that is not in the run.
    """
    question, known = _question(name), entry(name).parameters
    loaded = [each.uid for each in store.runs()]
    if run not in loaded:
        raise no_such_run(run, loaded)
    for key in given:
        if key not in [parameter.name for parameter in known]:
            raise _no_parameter(name, key, known)
    values: dict[str, object] = {}
    for parameter in known:
        typed = given.get(parameter.name)
        if typed is not None:
            values[parameter.name] = _value(store, run, parameter, typed)
        elif parameter.default is None:
            what = f"{name} needs {parameter.name}: {parameter.meaning}"
            raise QueryError(what, remedy=f"Add -p {parameter.name}=…")
    by_field = {f.name: f.name.rstrip("_") for f in fields(question)}
    chosen = {field: values[key] for field, key in by_field.items() if key in values}
    return cast("Callable[..., AnyQuestion]", question)(run=run, **chosen)


def _question(name: str) -> type[CypherQuestion]:
    if name not in QUESTIONS:
        raise QueryError(f"no question {name!r}", remedy=nearest(name, QUESTIONS))
    return QUESTIONS[name]


def _no_parameter(name: str, key: str, known: Sequence[Parameter]) -> QueryError:
    what = f"{name} has no parameter {key!r}"
    if key == "run":
        return QueryError(what, remedy="Choose the run with --run")
    if not known:
        return QueryError(what, remedy="It has none")
    return QueryError(what, remedy=nearest(key, [parameter.name for parameter in known]))


def _value(store: Store, run: str, parameter: Parameter, typed: str) -> str | int | float:
    if parameter.type == "int":
        return _whole(parameter.name, typed)
    if parameter.type == "float":
        return _number(parameter.name, typed)
    finders: dict[str, Callable[[str], str]] = {
        "class": partial(_class, store, run),
        "other": partial(_class, store, run),
        "concept": partial(_concept, store, run),
        "unit": partial(_unit, store, run),
        "target": partial(_target, store, run),
        "block": partial(_block, store, run),
        "image": partial(_image, store, run),
        "explanation": partial(_explanation, store, run),
    }
    return finders.get(parameter.name, str)(typed)


def _whole(name: str, typed: str) -> int:
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


def _class(store: Store, run: str, typed: str) -> str:
    return names.find_class(store.ask(names.ClassNames(run)), typed).uid


def _concept(store: Store, run: str, typed: str) -> str:
    return names.find_concept(store.ask(names.ConceptNames(run)), typed).uid


def _unit(store: Store, run: str, typed: str) -> str:
    if not store.ask(units.Unit(run, typed)):
        raise names.no_unit(run, typed, store.ask(names.UnitNames(run, top=names.EVERY)))
    return typed


def _target(store: Store, run: str, typed: str) -> str:
    """A unit, else a class."""
    if typed.partition("/")[0] in [row.block for row in store.ask(blocks.Blocks(run))]:
        return _unit(store, run, typed)
    return _class(store, run, typed)


def _block(store: Store, run: str, typed: str) -> str:
    known = [row.block for row in store.ask(blocks.Blocks(run))]
    if typed not in known:
        raise QueryError(f"no {typed!r} in run {run}", expected=", ".join(known))
    return typed


def _image(store: Store, run: str, typed: str) -> str:
    known = store.ask(saved.SavedImages(run))
    matches = [row.uid for row in known if typed in (row.uid, row.path)]
    if not matches:
        remedy = nearest(typed, [row.path for row in known]) if known else "None is saved yet"
        raise QueryError(f"no explanation of image {typed!r}", remedy=remedy)
    if len(matches) > 1:
        uids = ", ".join(map(repr, matches))
        raise QueryError(f"{len(matches)} images are called {typed!r}", remedy=f"Say which: {uids}")
    return matches[0]


def _explanation(store: Store, run: str, typed: str) -> str:
    images = [row.uid for row in store.ask(saved.SavedImages(run))]
    known = [row.uid for each in images for row in store.ask(saved.ImageExplanations(run, each))]
    if typed not in known:
        remedy = nearest(typed, known) if known else "None is saved yet"
        raise QueryError(f"no explanation {typed!r}", remedy=remedy)
    return typed
