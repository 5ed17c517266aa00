"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunOption = Annotated[
    Path | None,
    typer.Option(
        "--run", help="A run, NAME.cg; $CONCEPTGRAPH_RUN, or the newest run here, if omitted."
    ),
]
WeightsOption = Annotated[
    str | None,
    typer.Option("--weights", help="Where the weights are now, if they moved since the ingest."),
]
TrustPickleOption = Annotated[
    bool,
    typer.Option("--trust-pickle", help="Let the checkpoint run code. Only if you trust it."),
]
AllLabelsOption = Annotated[
    bool,
    typer.Option(
        "--all-labels", help="Name units by their best label, also where it may be wrong."
    ),
]
PathBlocksOption = Annotated[
    str | None,
    typer.Option(
        "--blocks", help="Neighbouring blocks of the paths, block3,block4; the last two if omitted."
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, help="Threads that decode images.", show_default="one a core, 2 to 8"),
]
Neo4jOption = Annotated[
    str | None,
    typer.Option(
        "--neo4j",
        envvar="NEO4J_URI",
        help="A Neo4j server, bolt://… or neo4j+s://…; user and password are read from "
        "$NEO4J_USERNAME and $NEO4J_PASSWORD only.",
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database", envvar="NEO4J_DATABASE", help="Its database; your home database if omitted."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def block_names(text: str | None) -> tuple[str, ...] | None:
    """Return the names in the value of --blocks, `block3,block4`."""
    return tuple(name.strip() for name in text.split(",")) if text else None
