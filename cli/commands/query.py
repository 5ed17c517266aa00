"""`conceptgraph query`: the catalogue of questions, and free Cypher."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import RunOption
from ..opening import DatabaseOption, Neo4jOption, chosen_store, warn_of_half_loaded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def query(
    name: Annotated[
        str | None, typer.Argument(help="A question of the catalogue; without it, the catalogue.")
    ] = None,
    given: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", help="key=value, repeatable.")
    ] = None,
    cypher: Annotated[
        str | None, typer.Option(help="Ask this Cypher instead; it may only read.")
    ] = None,
    show_text: Annotated[
        bool, typer.Option("--text", help="Print the question's Cypher, to paste into a browser.")
    ] = False,
    run_path: RunOption = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="Another run in the same graph, without a server. Repeatable."),
    ] = None,
    uri: Neo4jOption = None,
    database: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print rows as a JSON list.")] = False,
) -> None:
    """Ask a question of the catalogue; the same rows from Neo4j and offline.

    Examples:
    [bold]conceptgraph query[/bold]
    [bold]conceptgraph query class-paths -p class=juggling[/bold]
    [bold]conceptgraph query unit-in-other-runs -p unit=block4/290 --run a.cg --beside b.cg[/bold]
    """
    if name is not None and cypher is not None:
        raise typer.BadParameter("give a question or --cypher, not both", param_hint="NAME")
    if name is None and cypher is None:
        _list(as_json=as_json)
        return
    if name is not None and show_text:
        _print_text(name)
        return
    pairs = _pairs(given or [])
    with chosen_store(run_path, uri, database, beside or ()) as (store, run):
        if cypher is not None:
            warn_of_half_loaded(store)
            values = {"run": run, **{key: _typed(value) for key, value in pairs.items()}}
            found = store.cypher(cypher, values)
        else:
            from ...graph.stores.offline_cypher import Table
            from ...queries.catalogue import entry, make

            rows = store.ask(make(store, run, name or "", pairs))
            found = Table(entry(name or "").columns, rows)
    _print_rows(name or "rows", found.columns, found.rows, as_json=as_json)


def _pairs(given: Iterable[str]) -> dict[str, str]:
    pairs = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{text!r} is not key=value", param_hint="-p")
        pairs[key] = value
    return pairs


def _typed(value: str) -> object:
    """Numbers, booleans and lists as JSON writes them; all else is text."""
    try:
        found: object = json.loads(value)
    except ValueError:
        return value
    return found


def _list(*, as_json: bool) -> None:
    from ...queries.catalogue import SECTIONS, entry
    from ..terminal import note, print_json, print_table

    if as_json:
        print_json([_entry_json(name) for names in SECTIONS.values() for name in names])
        return
    for section, names in SECTIONS.items():
        found = [entry(name) for name in names]
        print_table(
            section,
            ("question", "what it answers", "parameters"),
            [
                (
                    each.name,
                    each.title,
                    " ".join(
                        p.name if p.default is None else f"[{p.name}]" for p in each.parameters
                    ),
                )
                for each in found
            ],
        )
    note("Ask one: conceptgraph query NAME -p parameter=value; parameters in [ ] have defaults.")


def _entry_json(name: str) -> dict[str, object]:
    from ...queries.catalogue import entry

    found = entry(name)
    parameters = [parameter._asdict() for parameter in found.parameters]
    return {**found._asdict(), "parameters": parameters}


def _print_text(name: str) -> None:
    from ...queries.catalogue import entry
    from ...queries.question import text
    from ..terminal import say

    say(text(entry(name).name).cypher.rstrip())


def _print_rows(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, as_json: bool
) -> None:
    from ..terminal import print_json, print_table

    rows = [[_plain(value) for value in row] for row in rows]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    numeric = "".join(
        chr(ord("a") + number)
        for number in range(len(columns))
        if rows and all(isinstance(row[number], int | float) for row in rows)
    )
    print_table(title, columns, [[_cell(value) for value in row] for row in rows], right=numeric)


def _plain(value: object) -> object:
    """A value as JSON has it: times as ISO 8601, what is no finite number as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    for name in ("iso_format", "isoformat"):  # Neo4j's own times, Python's
        if hasattr(value, name):
            return str(getattr(value, name)())
    if isinstance(value, list | tuple):  # a point is its coordinates
        return [_plain(each) for each in value]
    return str(value)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_cell(each) for each in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
