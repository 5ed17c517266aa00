"""How often names are wrong when concepts are missing from the data.

    python -m benchmarks.names --keep 20,5,2 --draws 5
    python -m benchmarks.names --model resnet18 --weights F --classes F --data DIR --keep 10,2

A network (the demo's if none is given) is dissected with all concepts, and with few of them, drawn
at random: all other labels are removed from tables and masks. A name that is given then is wrong if
the unit has more than twice the IoU with another concept, by all the data. For comparison the same
of all interpretable units, which IoU alone would name.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from conceptgraph.demo.networks.shipped import SHIPPED, write_classes
from conceptgraph.demo.networks.small_resnet import FACTORY
from conceptgraph.demo.world.concept_data import write_concept_data
from conceptgraph.ingest.concept_data.opening import open_concept_data, split_cell
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Collection

    from conceptgraph.graph.run.reader import Run


class Wrong(NamedTuple):
    """Units that are named (or interpretable), and how many of them wrongly."""

    named: int
    wrong: int
    interpretable: int
    wrong_by_iou: int


def keep_concepts(data: Path, out: Path, uids: Collection[str]) -> Path:
    """Write a copy of concept data in which only these concepts ("category/name") are labelled."""
    concepts = {c.number: c for c in open_concept_data(data).concepts if c.uid in uids}
    categories = {concept.category for concept in concepts.values()}
    shutil.copytree(data, out)
    kept = np.isin(np.arange(65_536), list(concepts))
    label = pd.read_csv(data / "label.csv", dtype=str, keep_default_na=False)
    label[label["number"].astype(int).isin(list(concepts))].to_csv(out / "label.csv", index=False)
    category = pd.read_csv(data / "category.csv", dtype=str, keep_default_na=False)
    category[category["name"].isin(categories)].to_csv(out / "category.csv", index=False)
    index = pd.read_csv(data / "index.csv", dtype=str, keep_default_na=False)
    for name in category["name"]:
        if name in categories:
            index[name] = [_keep(out / "images", cell, kept) for cell in index[name]]
        else:
            del index[name]
            (out / f"c_{name}.csv").unlink(missing_ok=True)
    index.to_csv(out / "index.csv", index=False, quoting=csv.QUOTE_MINIMAL)
    return out


def _keep(images: Path, cell: str, kept: np.ndarray) -> str:
    """Remove labels from a cell and its masks; a mask without any label goes."""
    items = []
    for item in split_cell(cell):
        if item.isdigit():
            items += [item] * bool(kept[int(item)])
            continue
        mask = np.asarray(Image.open(images / item)).astype(np.int64)
        numbers = mask[..., 0] + 256 * mask[..., 1]
        mask[~kept[numbers]] = 0
        if mask.any():
            Image.fromarray(mask.astype(np.uint8)).save(images / item)
            items.append(item)
    return ";".join(items)


def count_wrong(run: Run, full: Run) -> Wrong:
    """Compare the names of a run with the IoUs of a run of the same network with all concepts."""
    counts = []
    iou = pd.concat([full.iou(block) for block in full.blocks])
    for chosen in (run.named, run.interpretable):
        units = run.units[chosen]
        wrong = 0
        for uid, category, label in zip(
            units["uid"], units["category"], units["label"], strict=True
        ):
            row = iou.loc[uid]
            wrong += bool(2 * row[f"{category}/{label}"] < row.max())
        counts += [len(units), wrong]
    return Wrong(*counts)


def draw_concepts(full: Run, count: int, seed: int, images: int = 20) -> list[str]:
    """Draw concepts that occur in so many images, one at least with masks."""
    concepts = full.concepts[full.concepts["images"] >= images]
    for attempt in range(100):
        rng = np.random.default_rng([seed, attempt])
        chosen = concepts.iloc[rng.choice(len(concepts), count, replace=False)]
        if (chosen["category"] != "scene").any():
            break
    return [str(uid) for uid in chosen["uid"]]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default=FACTORY)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--classes", type=Path)
    parser.add_argument("--data", type=Path, help="the drawn world's if omitted")
    parser.add_argument("--quantile", type=float, default=0.005, help="the same for all draws")
    parser.add_argument("--keep", default="20,5,2", help="how many concepts are left")
    parser.add_argument("--draws", type=int, default=5, help="of the concepts that are left")
    arguments = parser.parse_args()
    settings = Settings(quantile=arguments.quantile)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = arguments.data or write_concept_data(work / "data")
        network = {"weights": arguments.weights, "classes": arguments.classes}
        if arguments.model == FACTORY and arguments.weights is None:
            network = {"weights": SHIPPED["shortcut"], "classes": write_classes(work / "classes")}
        full = ingest(arguments.model, data, work / "full.cg", settings, **network)
        print("concepts left, draws: named, wrong; interpretable, wrong")
        print(f"all: {count_wrong(full, full)} {full.manifest['names']}")
        for count in map(int, arguments.keep.split(",")):
            total = np.zeros(4, np.int64)
            for draw in range(arguments.draws):
                kept = keep_concepts(data, work / "some", draw_concepts(full, count, draw))
                run = ingest(
                    arguments.model, kept, work / "some.cg", settings, overwrite=True, **network
                )
                total += count_wrong(run, full)
                shutil.rmtree(kept)
            print(f"{count}, {arguments.draws}: {Wrong(*total.tolist())}", flush=True)


if __name__ == "__main__":
    main()
