"""`conceptgraph`: the commands, and the one edge at which errors become one line."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer

from ..graph.errors import ConceptGraphError
from . import export_command, ingest_command, show_command, why_command

app = typer.Typer(
    name="conceptgraph",
    help="Why did the network say [italic]juggling[/italic]? Ask the graph.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("ingest")(ingest_command.ingest)
app.command("why")(why_command.why)
app.command("show")(show_command.show)
app.add_typer(export_command.app, name="export")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"conceptgraph {version('conceptgraph')}")
        raise typer.Exit


@app.callback(epilog="Start with: conceptgraph ingest --help")
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    print_version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Concept paths through a dissected ResNet: why a class, why a mistake."""
    if debug:
        os.environ["CONCEPTGRAPH_DEBUG"] = "1"


def main() -> None:
    """Run the command line; every error is one line on stderr and exit status 1 (2 for usage)."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        app()
    except ConceptGraphError as error:
        _fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename or 'a file'}: {error.strerror or error}")


def _fail(message: str) -> None:
    if os.environ.get("CONCEPTGRAPH_DEBUG"):
        raise  # noqa: PLE0704 (called while the error is handled)
    sys.stderr.write(f"conceptgraph: error: {message}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
