"""`conceptgraph`: all commands, and the place where errors become one line."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ..errors import ConceptGraphError
from .commands import (
    audit,
    check,
    compare,
    data,
    demo,
    evidence,
    export,
    formulas,
    ingest,
    label,
    neo4j_runs,
    predict,
    query,
    report,
    serve,
    show,
    why,
)

if TYPE_CHECKING:
    from io import TextIOWrapper

# Typer has its own copy of click, or uses click itself: this is the UsageError of that one.
_USAGE_ERROR: type[Exception] = typer.BadParameter.mro()[1]

app = typer.Typer(
    name="conceptgraph",
    help="Why did the network say [italic]juggling[/italic]? Ask the graph.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("ingest")(ingest.ingest)
app.command("predict")(predict.predict)
app.command("why")(why.why)
app.command("audit")(audit.audit)
app.command("evidence")(evidence.evidence)
app.command("check")(check.check)
app.command("show")(show.show)
app.command("label")(label.label)
app.command("formulas")(formulas.formulas)
app.command("serve")(serve.serve)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("query")(query.query)
app.command("load")(neo4j_runs.load)
app.command("runs")(neo4j_runs.runs)
app.command("unload")(neo4j_runs.unload)
app.add_typer(export.app, name="export")
app.add_typer(data.app, name="data")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"conceptgraph {version('conceptgraph')}")
        raise typer.Exit


@app.callback(epilog="Start with: conceptgraph ingest --help")
def options(
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show an error's traceback. Goes before the command."),
    ] = False,
    print_version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Explain a dissected ResNet by concept paths: why a class, why a mistake."""
    if debug:
        os.environ["CONCEPTGRAPH_DEBUG"] = "1"


def main() -> None:
    """Run the command line; every error is one line on stderr and exit status 1 (2 for usage)."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    # Pillow warns of broken metadata, which do not matter here, and of large images.
    for category in (UserWarning, RuntimeWarning):
        warnings.filterwarnings("ignore", category=category, module=r"PIL\.")
    # Characters that the terminal's encoding lacks are escaped.
    cast("TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except _USAGE_ERROR as error:
        _fail(_usage_text(cast("typer.BadParameter", error)), 2)
    except ConceptGraphError as error:
        _fail(str(error))
    except typer.Abort:
        _fail("stopped")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename or 'output'}: {error.strerror or error}")
    else:
        sys.exit(status)


def _usage_text(error: typer.BadParameter) -> str:
    """Return what is wrong, on one line; "" if help was shown, because no command was given."""
    message = " ".join(error.format_message().split())
    if not message:
        return ""
    command = error.ctx.command_path if error.ctx else "conceptgraph"
    return f"{message}{'' if message[-1] in '.?' else '.'} Try '{command} --help'"


def _fail(message: str, status: int = 1) -> None:
    if os.environ.get("CONCEPTGRAPH_DEBUG"):
        raise  # noqa: PLE0704 (called while the error is handled)
    if message:
        from .terminal import CONTROLS

        sys.stderr.write(f"conceptgraph: error: {message.translate(CONTROLS)}\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
