"""How far two runs of one network over the same data differ: `python -m benchmarks.two_runs A B`.

For a run in half precision beside one in float32, or on a GPU beside one on a processor.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.parity import clearly_named, units_of
from conceptgraph.graph.run.reader import open_run

if TYPE_CHECKING:
    from conceptgraph.graph.run.reader import Run


def differences(run: Run, other: Run) -> pd.DataFrame:
    """One row per block; shares, relative differences of thresholds, and differences of IoUs."""
    rows = []
    for block in run.blocks:
        mine, theirs = units_of(run, block), units_of(other, block)
        iou = run.iou(block).to_numpy()
        apart = np.abs(iou - other.iou(block).to_numpy())
        threshold = np.abs(theirs["threshold"] / mine["threshold"] - 1).fillna(0)
        label = (mine[["category", "label"]] != theirs[["category", "label"]]).any(axis=1)
        clear = clearly_named(iou)
        rows.append(
            {
                "block": block,
                "units": len(mine),
                "T median": threshold.median(),
                "T max": threshold.max(),
                "other label": int(label.sum()),
                "clear units": int(clear.sum()),
                "of these other label": int((label & clear).sum()),
                "IoU median": np.median(apart),
                "IoU p99": np.percentile(apart, 99),
            }
        )
    found: pd.DataFrame = pd.DataFrame(rows)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path, help="run directory, NAME.cg")
    parser.add_argument("other", type=Path, help="another one")
    arguments = parser.parse_args()
    with pd.option_context("display.width", 200, "display.max_columns", None):
        print(differences(open_run(arguments.run), open_run(arguments.other)))


if __name__ == "__main__":
    main()
