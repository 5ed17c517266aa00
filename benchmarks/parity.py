"""Agreement of a run with results in NetDissect's CSV format: `python -m benchmarks.parity --help`.

Reads `tally.csv`-like files (unit from 1, label, score, and for each category its best label with
truth, activation, intersect and iou; optionally a threshold), one per block, named `layer4.csv` or
`block4.csv`. Make the run with `--iou lite --preprocess netdissect --precision float32` and the
reference's quantile.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from conceptgraph.graph.run.reader import Run, open_run

MARGIN = 0.002  # below it, which of two concepts a unit is named after is chance


@dataclass(frozen=True)
class Agreement:
    """One block's agreement.

    Attributes:
        block: which.
        units: compared.
        truths: concepts whose truth count is compared, and how many are equal.
        threshold: largest and median relative difference of the thresholds, NaN where not given.
        labels: units with a margin above `MARGIN`, and how many have the reference's label.
        iou: median and 99th percentile of |ΔIoU| over all (unit, category) pairs of the reference.
    """

    block: str
    units: int
    truths: tuple[int, int]
    threshold: tuple[float, float]
    labels: tuple[int, int]
    iou: tuple[float, float]


def compare(run: Run, block: str, reference: pd.DataFrame) -> Agreement:
    """Compare one block with its reference table."""
    reference = reference.sort_values("unit").reset_index(drop=True)
    units = units_of(run, block)
    if len(units) != len(reference):
        raise SystemExit(f"{block}: {len(units)} units, the reference has {len(reference)}")
    iou = run.iou(block)
    pairs = _pairs(reference)
    truth = run.concepts.set_index("uid")["pixels"]
    column = {uid: number for number, uid in enumerate(iou.columns)}
    mine = iou.to_numpy()[pairs[0], [column[uid] for uid in pairs[1]]]
    difference = np.abs(mine - pairs[2])
    truths = dict(zip(pairs[1], pairs[3], strict=True))
    clear = clearly_named(iou.to_numpy())
    same = (units["label"] == reference["label"]) & (units["category"] == reference["category"])
    relative = np.array([np.nan])
    if "threshold" in reference:
        relative = np.abs(units["threshold"] / reference["threshold"] - 1).to_numpy()
    return Agreement(
        block,
        len(units),
        (len(truths), sum(int(truth[c]) == round(count) for c, count in truths.items())),
        (float(np.max(relative)), float(np.median(relative))),
        (int(clear.sum()), int((clear & same.to_numpy()).sum())),
        (float(np.median(difference)), float(np.percentile(difference, 99))),
    )


def units_of(run: Run, block: str) -> pd.DataFrame:
    """The block's rows of the table of units, in their order."""
    mine = run.units[run.units["block"] == block]
    found: pd.DataFrame = mine.sort_values("index").reset_index(drop=True)
    return found


def clearly_named(iou: np.ndarray) -> np.ndarray:
    """Which units, bool (units,), have a best concept by more than `MARGIN`."""
    best_two = np.sort(iou, axis=1)[:, -2:]
    clear: np.ndarray = best_two[:, 1] - best_two[:, 0] > MARGIN
    return clear


def _pairs(
    reference: pd.DataFrame,
) -> tuple[list[int], list[str], np.ndarray, np.ndarray]:
    """Rows, concept uids, IoUs and truths of every (unit, category) that has a label."""
    rows, concepts, ious, truths = [], [], [], []
    for column in reference.columns:
        if not column.endswith("-label"):
            continue
        category = column.removesuffix("-label")
        for row, label in enumerate(reference[column]):
            if isinstance(label, str) and label:
                rows.append(row)
                concepts.append(f"{category}/{label}")
                ious.append(reference[f"{category}-iou"][row])
                truths.append(reference[f"{category}-truth"][row])
    return rows, concepts, np.array(ious), np.array(truths)


def table(found: list[Agreement]) -> str:
    """The agreement as text."""
    lines = [
        f"{'block':8}{'units':>7}{'truth =':>12}{'T max Δ':>10}{'T med Δ':>10}"
        f"{'label = (margin)':>20}{'|ΔIoU| med':>12}{'p99':>9}"
    ]
    for a in found:
        share = a.labels[1] / max(1, a.labels[0])
        lines.append(
            f"{a.block:8}{a.units:7}{a.truths[1]:>7}/{a.truths[0]:<4}{a.threshold[0]:10.2%}"
            f"{a.threshold[1]:10.2%}{a.labels[1]:>9}/{a.labels[0]:<4}{share:7.1%}"
            f"{a.iou[0]:12.5f}{a.iou[1]:9.5f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table for a run and a folder of reference CSVs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="run directory, NAME.cg")
    parser.add_argument("reference", type=Path, help="folder with layer1.csv, …")
    arguments = parser.parse_args()
    run = open_run(arguments.run)
    found = []
    for block in run.blocks:
        for name in (block, block.replace("block", "layer")):
            path = arguments.reference / f"{name}.csv"
            if path.exists():
                found.append(compare(run, block, pd.read_csv(path, keep_default_na=False)))
    print(table(found))


if __name__ == "__main__":
    main()
