"""Options that several commands share."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..graph.uids import block_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..settings import Quantile


class Labels(str, Enum):
    """What names units."""

    MASKS = "masks"
    WORDS = "words"


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
NetworkModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="The network's module:factory, which lets its code run, if the run is not your own.",
        show_default="the run's, if you made it or trust it",
    ),
]
TrustRunOption = Annotated[
    bool,
    typer.Option(
        "--trust-run",
        help="Let the code run that the run names, read its images, and remember that. Only if you "
        "trust who made it.",
    ),
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
LabelsOption = Annotated[
    Labels,
    typer.Option(
        "--labels",
        help="What names units: concepts with masks or tags, or words, which `label` finds.",
    ),
]
PathBlocksOption = Annotated[
    str | None,
    typer.Option(
        "--blocks", help="Neighbouring blocks of the paths, block3,block4; the last two if omitted."
    ),
]
QuantileOption = Annotated[
    str,
    typer.Option(
        help="Share of a unit's activations above its threshold, such as .005 (Network "
        "Dissection's); auto: the one that suits the sizes of the concepts."
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


def modules_of(blocks: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the blocks among the values of --blocks, and the modules by NAME, of NAME=MODULE.

    A NAME says which module is meant, for people: runs call them block1, block2, … in this order.
    """
    pairs = [tuple(map(str.strip, block.split("=", 1))) for block in blocks if "=" in block]
    named = tuple(block for block in blocks if "=" not in block)
    modules = {pair[0]: pair[1] for pair in pairs}
    if (named and modules) or not all(map(all, pairs)) or len(modules) < len(pairs):
        raise typer.BadParameter("give names of blocks, or NAME=MODULE for all of them, each once")
    for number, name in enumerate(modules, 1):
        if re.fullmatch(r"block\d+", name) and name != block_name(number):
            what = f"{name} would be {block_name(number)}, by its place in the list"
            raise typer.BadParameter(f"{what}; give it that name, or any other")
    return named, modules


def read_quantile(text: str) -> Quantile:
    """Return the value of --quantile."""
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError:
        message = f"{text!r} is neither a number nor auto"
        raise typer.BadParameter(message, param_hint="--quantile") from None
