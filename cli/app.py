"""`conceptgraph`: all commands, and the place where errors become one line."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ..errors import ConceptGraphError, is_out_of_memory
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
    repair,
    report,
    serve,
    show,
    why,
)

if TYPE_CHECKING:
    from io import TextIOWrapper

# Typer has its own copy of click, or uses click itself: this is the UsageError of that one.
_USAGE_ERROR: type[Exception] = typer.BadParameter.mro()[1]

_LONGEST = 1500
"""Characters of an error."""

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
app.command("repair")(repair.repair)
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
    _end_by_signals()
    # Pillow warns of broken metadata, which do not matter here, and of large images.
    for category in (UserWarning, RuntimeWarning):
        warnings.filterwarnings("ignore", category=category, module=r"PIL\.")
    # Characters that the terminal's encoding lacks are escaped.
    cast("TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:
        _forget_output()
        sys.exit(1)
    except Exception as error:
        message, status = _message(error)
        _fail(message, status)
    else:
        sys.exit(status)


def _message(error: Exception) -> tuple[str, int]:
    """Return what to say of an error, and the exit status; raise it again if it is a defect."""
    if isinstance(error, _USAGE_ERROR):
        return _usage_text(cast("typer.BadParameter", error)), 2
    if isinstance(error, ConceptGraphError):
        return str(error), 1
    if isinstance(error, typer.Abort):
        return "stopped", 1
    if is_out_of_memory(error):
        return "not enough memory. Free some, raise its limit (ulimit -v), or try less at once", 1
    if isinstance(error, OSError):
        _forget_output()
        return f"{error.filename or 'output'}: {error.strerror or error}", 1
    raise error


def _end_by_signals() -> None:
    """Let SIGTERM, and SIGHUP as the terminal closes, end this process as Ctrl-C does: in order."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is signal.SIG_DFL:  # not under nohup
        signal.signal(hangup, lambda number, frame: signal.raise_signal(signal.SIGTERM))


def _forget_output() -> None:
    """Drop what could not be written to stdout, so that Python does not try again in the end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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

        if len(message) > _LONGEST:  # what was found can be of any length
            message = f"{message[: _LONGEST // 2]} … {message[-_LONGEST // 2 :]}"

        sys.stderr.write(f"conceptgraph: error: {message.translate(CONTROLS)}\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
