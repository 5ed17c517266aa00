"""`conceptgraph query`: the catalogue of questions, and free Cypher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...graph.stores.store import DEFAULT_LIMITS, CypherLimits
from ..options import DatabaseOption, Labels, LabelsOption, Neo4jOption, RunOption

if TYPE_CHECKING:
    from collections.abc import Iterable


def query(
    name: Annotated[
        str | None, typer.Argument(help="A question of the catalogue; lists them if omitted.")
    ] = None,
    given: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", help="key=value. Repeatable.")
    ] = None,
    cypher: Annotated[
        str | None, typer.Option(help="Run this Cypher instead; it can only read.")
    ] = None,
    show_text: Annotated[
        bool, typer.Option("--text", help="Print the question's Cypher, to paste into a browser.")
    ] = False,
    run_path: RunOption = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="Another run in the same graph, without a server. Repeatable."),
    ] = None,
    labels: LabelsOption = Labels.MASKS,
    uri: Neo4jOption = None,
    database: DatabaseOption = None,
    rows: Annotated[
        int,
        typer.Option(min=1, max=10_000_000, help="Of --cypher: print at most this many rows."),
    ] = DEFAULT_LIMITS.rows,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=86_400, help="Of --cypher: stop after this time.")
    ] = DEFAULT_LIMITS.seconds,
    as_json: Annotated[bool, typer.Option("--json", help="Print rows as a JSON list.")] = False,
) -> None:
    """Ask a question of the catalogue. The rows are the same from Neo4j and offline.

    --cypher may only read: no LOAD CSV, no USE, only procedures that read the schema or an index.

    Examples:
    [bold]conceptgraph query[/bold]
    [bold]conceptgraph query class-paths -p class=juggling[/bold]
    [bold]conceptgraph query unit-in-other-runs -p unit=block4/290 --run a.cg --beside b.cg[/bold]
    [bold]conceptgraph query --cypher 'MATCH (u:Unit) WHERE u.named RETURN u.name' --rows 100[/bold]
    """
    if name is not None and cypher is not None:
        raise typer.BadParameter("give a question or --cypher, not both", param_hint="NAME")
    from ..opening import (
        chosen_store,
        say_what_is_cut,
        say_what_is_kept,
        warn_of_incomplete_runs,
    )
    from ..tables.query import print_catalogue, print_question_text, print_rows

    if name is None and cypher is None:
        print_catalogue(as_json=as_json)
        return
    if name is not None and show_text:
        print_question_text(name)
        return
    parameters = _parameters(given or [])
    with chosen_store(run_path, uri, database, beside or (), labels) as (store, run):
        if cypher is not None:
            warn_of_incomplete_runs(store)
            values = {key: _typed(value) for key, value in parameters.items()}
            limits = CypherLimits(seconds=seconds, rows=rows)
            columns, answer, cut = store.cypher(cypher, {"run": run, **values}, limits)
            if cut:
                say_what_is_cut(rows)
        else:
            from ...queries.catalogue import entry, make

            answer = store.ask(make(store, run, name or "", parameters))
            question = entry(name or "")
            columns = question.columns
            if question.uses_contributions:
                say_what_is_kept(store, run)
    print_rows(name or "rows", columns, answer, as_json=as_json)


def _parameters(given: Iterable[str]) -> dict[str, str]:
    parameters = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{text!r} is not key=value", param_hint="-p")
        parameters[key] = value
    return parameters


def _typed(text: str) -> object:
    """Return the number, boolean or list that a text is in JSON, else the text."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value
