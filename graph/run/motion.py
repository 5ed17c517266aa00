"""Whether units of a network of clips see motion: `motion.parquet`, of runs of clips only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from .reader import Run

MOTION = {"unit": "unit", "reversed": "correlation?", "frozen": "correlation?"}
"""Columns: correlations of a unit's maps with those of reversed and of frozen clips."""
MOTION_FILE = "motion.parquet"


def read_motion(run: Run) -> pd.DataFrame | None:
    """Read the table, one row a unit; None of a run of images.

    Raises:
        RunError: it is not this table.
    """
    if not os.path.lexists(run.path / MOTION_FILE):
        return None
    return run.table("motion", MOTION, ("unit",), len(run.known("unit")))
