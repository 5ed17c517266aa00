"""How far two runs of one network on the same data differ.

    python -m benchmarks.two_runs A.cg B.cg

For example a run in half precision and one in float32, or a run on a GPU and one on CPU.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.parity import clearly_labelled, units_of
from conceptgraph.graph.run.reader import open_run

if TYPE_CHECKING:
    from conceptgraph.graph.run.reader import Run


def differences(run: Run, other: Run) -> pd.DataFrame:
    """Compare the units of two runs.

    Returns:
        One row per block: relative differences of thresholds, counts of units with another label
        (of all units, and of the clearly labelled ones), and absolute differences of IoUs.
    """
    rows = []
    for block in run.blocks:
        units, other_units = units_of(run, block), units_of(other, block)
        iou = run.iou(block).to_numpy()
        iou_difference = np.abs(iou - other.iou(block).to_numpy())
        threshold = np.abs(other_units["threshold"] / units["threshold"] - 1).fillna(0)
        label = (units[["category", "label"]] != other_units[["category", "label"]]).any(axis=1)
        clear = clearly_labelled(iou)
        rows.append(
            {
                "block": block,
                "units": len(units),
                "T median": threshold.median(),
                "T max": threshold.max(),
                "other label": int(label.sum()),
                "clear units": int(clear.sum()),
                "of these other label": int((label & clear).sum()),
                "IoU median": np.median(iou_difference),
                "IoU p99": np.percentile(iou_difference, 99),
            }
        )
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def main() -> None:
    """Compare two runs and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path, help="run directory, NAME.cg")
    parser.add_argument("other", type=Path, help="run directory to compare it with")
    arguments = parser.parse_args()
    with pd.option_context("display.width", 200, "display.max_columns", None):
        print(differences(open_run(arguments.run), open_run(arguments.other)))


if __name__ == "__main__":
    main()
