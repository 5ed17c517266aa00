"""`conceptgraph serve`: the explorer, in the browser."""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import (
    DatabaseOption,
    Neo4jOption,
    NetworkModelOption,
    TrustPickleOption,
    TrustRunOption,
    WeightsOption,
)

if TYPE_CHECKING:
    from ...serve.explorer.library import Library

_LOOPBACK = "127.0.0.1"
_RETRY_SECONDS = 2.0
"""How long a page waits for a Neo4j that does not answer."""


def serve(
    path: Annotated[
        Path | None,
        typer.Option(
            "--run",
            help="A run, NAME.cg, or a folder of runs; $CONCEPTGRAPH_RUN, or the runs here, if "
            "omitted.",
        ),
    ] = None,
    uri: Neo4jOption = None,
    database: DatabaseOption = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65_535, help="To listen on.", show_default="a free one"),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="An address of this machine that others can reach, 0.0.0.0 for all; then a token, "
            "in the address that is printed, is needed."
        ),
    ] = _LOOPBACK,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address only.")
    ] = False,
    weights: WeightsOption = None,
    model: NetworkModelOption = None,
    trust_run: TrustRunOption = False,
    trust_pickle: TrustPickleOption = False,
) -> None:
    """Look through runs in the browser: search, units, concepts, classes, and how they connect.

    Only this machine can ask, and runs are only read. Ctrl-C ends.

    Examples:
    [bold]conceptgraph serve[/bold]
    [bold]conceptgraph serve --run camvid.cg[/bold]
    [bold]conceptgraph serve --neo4j bolt://localhost:7687[/bold]
    """
    from ...serve.explorer.app import explorer_app
    from ...serve.explorer.explain.explainer import NetworkOptions
    from ...serve.local_server import address, open_port
    from ...serve.local_server import serve as serve_app
    from ..terminal import print_status

    library = _library(path, uri, database)
    token = None if host in {_LOOPBACK, "localhost"} else secrets.token_urlsafe(24)
    try:
        listener = open_port(port, _LOOPBACK if token is None else host)
        where = address(listener, "/" if token is None else f"/?token={token}")
        print_status(f"{where}\nCtrl-C ends.")
        if token is not None:
            print_status("Whoever has this address can look at these runs; it is not encrypted.")
        threading.Thread(target=_open_first, args=(library,), daemon=True).start()
        network = NetworkOptions(weights, model, trust_run, trust_pickle)
        app = explorer_app(library, token=token, network=network)
        serve_app(app, listener, browser=None if no_browser else where)
    finally:
        library.close()


def _open_first(library: Library) -> None:
    """Open the newest run while the browser starts; if it cannot be read, its page says so."""
    from ...errors import ConceptGraphError

    with suppress(ConceptGraphError):
        library.open(library.first())


def _library(path: Path | None, uri: str | None, database: str | None) -> Library:
    """Return the runs that are served.

    Raises:
        RunError: there is none.
        StoreError: the server cannot be used.
    """
    from ...graph.run.manifest import read_manifest
    from ...graph.run.reader import find_run
    from ...serve.explorer.library import Library
    from ..opening import connect

    named = path or os.environ.get("CONCEPTGRAPH_RUN")
    if uri:
        return Library(Path(named or "."), connect(uri, database, _RETRY_SECONDS))
    folder = Path(named or ".")
    if not any(folder.glob("*.cg/manifest.json")):
        read_manifest(find_run(path))
    return Library(folder)
