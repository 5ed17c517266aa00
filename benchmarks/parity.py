"""Agreement of a run with NetDissect's results.

    python -m benchmarks.parity RUN REFERENCE

REFERENCE is a folder of files in the format of NetDissect's `tally.csv`, one per block, named
`layer4.csv` or `block4.csv`: unit (from 1), label, score, and for each category its best label with
truth (the concept area), activation, intersect and iou; optionally threshold. Ingest with `--iou
lite --preprocess netdissect --precision float32` and the reference's quantile.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from conceptgraph.graph.run.reader import Run, open_run

MARGIN = 0.002  # with a smaller margin, which of two concepts labels a unit is arbitrary


@dataclass(frozen=True)
class Agreement:
    """The agreement of one block.

    Attributes:
        block: its name.
        units: number of units.
        concept_areas: number of concepts whose areas are compared, and of equal ones.
        threshold: largest and median relative difference of the thresholds, NaN where not given.
        labels: number of clearly labelled units, and of those with the reference's label.
        iou: median and 99th percentile of |ΔIoU| over all (unit, category) pairs of the reference.
    """

    block: str
    units: int
    concept_areas: tuple[int, int]
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
    rows, concepts, reference_iou, reference_areas = _pairs(reference)
    column = {uid: number for number, uid in enumerate(iou.columns)}
    difference = np.abs(iou.to_numpy()[rows, [column[uid] for uid in concepts]] - reference_iou)
    area = run.concepts.set_index("uid")["pixels"]
    areas = dict(zip(concepts, reference_areas, strict=True))
    equal_areas = sum(int(area[uid]) == round(pixels) for uid, pixels in areas.items())
    clear = clearly_labelled(iou.to_numpy())
    same = (units["label"] == reference["label"]) & (units["category"] == reference["category"])
    relative = np.array([np.nan])
    if "threshold" in reference:
        relative = np.abs(units["threshold"] / reference["threshold"] - 1).to_numpy()
    return Agreement(
        block,
        len(units),
        (len(areas), equal_areas),
        (float(np.max(relative)), float(np.median(relative))),
        (int(clear.sum()), int((clear & same.to_numpy()).sum())),
        (float(np.median(difference)), float(np.percentile(difference, 99))),
    )


def units_of(run: Run, block: str) -> pd.DataFrame:
    """Return a block's rows of the table of units, in the order of the units."""
    rows = run.units[run.units["block"] == block]
    units: pd.DataFrame = rows.sort_values("index").reset_index(drop=True)
    return units


def clearly_labelled(iou: np.ndarray) -> np.ndarray:
    """Return which units have a best concept by more than `MARGIN`; bool (units,)."""
    best_two = np.sort(iou, axis=1)[:, -2:]
    clear: np.ndarray = best_two[:, 1] - best_two[:, 0] > MARGIN
    return clear


def _pairs(
    reference: pd.DataFrame,
) -> tuple[list[int], list[str], np.ndarray, np.ndarray]:
    """Return row, concept uid, IoU and concept area of each (unit, category) that has a label."""
    rows, concepts, ious, areas = [], [], [], []
    for column in reference.columns:
        if not column.endswith("-label"):
            continue
        category = column.removesuffix("-label")
        for row, label in enumerate(reference[column]):
            if isinstance(label, str) and label:
                rows.append(row)
                concepts.append(f"{category}/{label}")
                ious.append(reference[f"{category}-iou"][row])
                areas.append(reference[f"{category}-truth"][row])
    return rows, concepts, np.array(ious), np.array(areas)


def table(agreements: list[Agreement]) -> str:
    """Return the agreement of all blocks as text."""
    lines = [
        f"{'block':8}{'units':>7}{'areas =':>12}{'T max Δ':>10}{'T med Δ':>10}"
        f"{'label = (margin)':>20}{'|ΔIoU| med':>12}{'p99':>9}"
    ]
    for a in agreements:
        share = a.labels[1] / max(1, a.labels[0])
        lines.append(
            f"{a.block:8}{a.units:7}{a.concept_areas[1]:>7}/{a.concept_areas[0]:<4}"
            f"{a.threshold[0]:10.2%}{a.threshold[1]:10.2%}"
            f"{a.labels[1]:>9}/{a.labels[0]:<4}{share:7.1%}{a.iou[0]:12.5f}{a.iou[1]:9.5f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Compare a run with a folder of reference CSVs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="run directory, NAME.cg")
    parser.add_argument("reference", type=Path, help="folder of layer1.csv, …")
    arguments = parser.parse_args()
    run = open_run(arguments.run)
    agreements = []
    for block in run.blocks:
        for name in (block, block.replace("block", "layer")):
            path = arguments.reference / f"{name}.csv"
            if path.exists():
                agreements.append(compare(run, block, pd.read_csv(path, keep_default_na=False)))
    print(table(agreements))


if __name__ == "__main__":
    main()
