"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunOption = Annotated[Path | None, typer.Option("--run", help="A run, NAME.cg.")]
WeightsOption = Annotated[
    str | None,
    typer.Option("--weights", help="Where the weights are now, if they moved since the ingest."),
]
TrustPickleOption = Annotated[
    bool,
    typer.Option("--trust-pickle", help="Let the checkpoint run code. Only if it is yours."),
]
SignificantOption = Annotated[
    bool,
    typer.Option("--significant", help="Only labels beyond chance count and name units."),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, help="Threads that decode images.", show_default="one a core, 2 to 8"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
