"""Run directories for tests: one made by hand, whose numbers are easy to check, and random ones of
any size."""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from conceptgraph.graph.run.class_evidence import EVIDENCE, FLOWS, write_class_evidence
from conceptgraph.graph.run.reader import Run, open_run
from conceptgraph.graph.run.schema import TABLES
from conceptgraph.graph.run.word_labels import WORDS, WordLabels, write_word_labels
from conceptgraph.graph.run.writer import RunWriter
from conceptgraph.graph.uids import class_uid, split_concept, unit_uid
from conceptgraph.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from conceptgraph.graph.run.manifest import RunFacts

CONCEPTS = ("texture/polka dotted", "object/ball", "action/juggling", "object/juggling")
CLASSES = ("juggling", "road")
NO_AUC = (None, None, None, False)

BLOCK3_BLOCK4 = np.array([[2, 1, 0], [1, 0, 4], [5, 5, 5]], dtype=np.float32)
BLOCK3_BLOCK4_PRE = np.array([[2, 0.5, -1], [1, -3, 4], [5, 5, 5]], dtype=np.float32)
BLOCK4_CLASS = np.array([[3, -1], [1, 2], [-2, 4]], dtype=np.float32)


def run_facts(
    widths: Mapping[str, int], network: str, concepts: Sequence[str] = CONCEPTS, **settings: Any
) -> RunFacts:
    """What an ingest would state about a run; `network` is the digest of the network."""
    chosen = Settings(blocks=tuple(widths), **settings)
    categories = dict.fromkeys(split_concept(uid)[0] for uid in concepts)
    return {
        "created": "2026-11-24T12:00:00Z",
        "settings": chosen.as_dict(),
        "settings_digest": chosen.digest,
        "min_iou": chosen.min_iou,
        "quantile": 0.005 if chosen.quantile == "auto" else chosen.quantile,
        "quantile_reason": "",
        "model": {
            "name": "resnet18",
            "weights": None,
            "weights_key": None,
            "weights_notes": [],
            "linearised": [],
            "classes": None,
            "digest": network,
        },
        "input": {
            "height": 224,
            "width": 224,
            "mean": [0.5] * 3,
            "std": [0.25] * 3,
            "resize": None,
            "interpolation": "bilinear",
            "source": "assumed",
        },
        "data": {
            "folder": "/data",
            "digest": "1" * 64,
            "dropped": [],
            "images": 10,
            "concepts": len(concepts),
            "categories": list(categories),
        },
        "blocks": {block: {"units": n, "height": 7, "width": 7} for block, n in widths.items()},
        "device": "cpu",
        "versions": {"conceptgraph": "0"},
        "timings": {"collect": 1.0},
        "names": {"given": 1.0, "wrong": 0.0},
    }


def small_run(out: Path) -> Run:
    """Two blocks of three units: block3/2 is dead, block4/1 too weak, block4/2 sparse.

    All labels hold as names.
    """
    polka, ball = ("polka dotted", "texture"), ("ball", "object")
    units = [
        ("block3/0", "block3", 0, *polka, 0.20, 1.5, "ok", 600, *polka, 0.20),
        ("block3/1", "block3", 1, *ball, 0.10, 1.0, "ok", 900, *polka, 0.08),
        ("block3/2", "block3", 2, None, None, None, 0.0, "dead", 0, None, None, 0.0),
        ("block4/0", "block4", 0, "juggling", "action", 0.30, 2.0, "ok", 2000, *ball, 0.03),
        ("block4/1", "block4", 1, *ball, 0.03, 1.0, "ok", 700, *ball, 0.03),
        ("block4/2", "block4", 2, *ball, 0.08, 0.0, "sparse", 90, *ball, 0.08),
    ]
    significant, not_significant = (0.001, 4.0, True), (0.3, 1.1, False)
    overlaps = [
        ("block3/0", "texture/polka dotted", "texture", 0.20, 0, 200, 600, 600, *significant),
        ("block3/0", "object/ball", "object", 0.05, 1, 50, 600, 450, *not_significant),
        ("block3/1", "object/ball", "object", 0.10, 0, 50, 100, 450, *not_significant),
        ("block4/0", "action/juggling", "action", 0.30, 0, 300, 800, 500, *significant),
        ("block4/0", "object/ball", "object", 0.06, 1, 70, 800, 450, *significant),
        ("block4/1", "object/ball", "object", 0.03, 0, 30, 700, 450, *not_significant),
        ("block4/2", "object/ball", "object", 0.08, 0, 40, 90, 450, *not_significant),
    ]
    detections = [
        (*row[:-1], min(row[6:8]) / max(row[6:8]), row[-1], 0.8, 0.6, 0.1, True, *NO_AUC)
        for row in overlaps
    ]
    images = [
        ("block4/0", 1, "b.jpg", 3.0, "thumbnails/b.jpg"),
        ("block4/0", 0, "a.jpg", 4.0, "thumbnails/a.jpg"),
    ]
    with RunWriter(out) as writer:
        _table(writer, "units", units)
        _concept_and_class_tables(writer, CONCEPTS, CLASSES, {"block3": 3})
        _table(writer, "detections", detections)
        _table(writer, "top_images", images)
        _table(writer, "peaks", [("block4/0", 1.0, 6), ("block4/0", 2.0, 4)])
        for block in ("block3", "block4"):
            writer.array(f"iou_{block}", np.full((3, len(CONCEPTS)), 0.05))
        writer.array("contributions_block3_block4", BLOCK3_BLOCK4)
        writer.array("contributions_block3_block4_pre", BLOCK3_BLOCK4_PRE)
        writer.array("contributions_block4_class", BLOCK4_CLASS)
        writer.array("contributions_block4_class_pre", BLOCK4_CLASS)
        return open_run(writer.commit(run_facts({"block3": 3, "block4": 3}, out.stem)))


def random_run(
    out: Path,
    widths: Mapping[str, int],
    *,
    classes: Sequence[str] = CLASSES,
    concepts: Sequence[str] = CONCEPTS,
    seed: int = 0,
    network: str | None = None,
) -> Run:
    """A run of random numbers; about one unit in six is dead, and as many are sparse; of every
    third no name holds.

    `network` is the digest of the network, the run's name if None; the numbers do not depend on it.
    """
    rng = np.random.default_rng(seed)
    unit_rows: list[tuple[object, ...]] = []
    detection_rows: list[tuple[object, ...]] = []
    with RunWriter(out) as writer:
        for block, width in widths.items():
            iou = (rng.random((width, len(concepts))) * 0.12).astype(np.float32)
            writer.array(f"iou_{block}", iou)
            for index in range(width):
                status = rng.choice(["ok", "dead", "sparse"], p=[4 / 6, 1 / 6, 1 / 6])
                units, detections = _unit_rows(block, index, str(status), iou[index], concepts)
                unit_rows += units
                detection_rows += detections
        _table(writer, "units", unit_rows)
        _concept_and_class_tables(writer, concepts, classes, widths)
        _table(writer, "detections", detection_rows)
        _table(writer, "top_images", [(unit_rows[0][0], 0, "a.jpg", 1.0, "thumbnails/a.jpg")])
        _table(writer, "peaks", [(unit_rows[0][0], 1.0, 6), (unit_rows[0][0], 4.0, 3)])
        _contribution_arrays(writer, {**widths, "class": len(classes)}, rng)
        return open_run(writer.commit(run_facts(widths, network or out.stem, concepts)))


def add_evidence(run: Run, seed: int = 0) -> None:
    """Give a run evidence of its classes, random numbers of which some are equal."""
    rng = np.random.default_rng(seed)
    evidence: list[tuple[object, ...]] = []
    flows: list[tuple[object, ...]] = []
    seen = [*map(split_concept, run.concepts["uid"]), ("object", None)]
    for name in run.classes["name"]:
        for block in run.blocks:
            for place in seen:
                mean, spread, coverage = rng.integers(-8, 9) / 7, 0.5, rng.integers(0, 9) / 8
                row = (mean, spread, mean - 0.1, mean + 0.1, 3, 0.75, coverage)
                evidence.append((name, block, *place, *row))
        for source, target in product(seen, seen):
            ends = (*run.blocks[-2:-1], *source, run.blocks[-1], *target)
            flows.append((name, *ends, rng.integers(-8, 9) / 7, 2, 0))
    write_class_evidence(
        run,
        pd.DataFrame(evidence, columns=list(EVIDENCE)),
        pd.DataFrame(flows, columns=list(FLOWS)),
        None,
        {str(name): 4 for name in run.classes["name"]},
    )


def add_words(
    run: Run, words: Sequence[str] = ("ball", "river/lake"), model: str = "CLIP", seed: int = 0
) -> None:
    """Label a run's units with words, random ones; every fifth has none, of every third none holds.

    Of 200 images, half of which were held out.
    """
    rng = np.random.default_rng(seed)
    rows: list[tuple[object, ...]] = []
    for number, (uid, block) in enumerate(zip(run.units["uid"], run.units["block"], strict=True)):
        if number % 5 == 4:
            rows.append((uid, block, *[None] * 4, False, 2, 0, 0, words[0], False, False))
            continue
        auc, intersection = 0.5 + rng.integers(1, 9) / 16, int(rng.integers(3, 9))
        scores = (auc, auc - 0.1, 0.001, True, 12, 10, intersection)
        word, holds = words[int(rng.integers(len(words)))], number % 3 > 0
        rows.append((uid, block, word, *scores, words[0], holds, holds))
    write_word_labels(run, WordLabels(pd.DataFrame(rows, columns=list(WORDS)), model, 200, 9))


def _unit_rows(
    block: str, index: int, status: str, iou: NDArray[np.float32], concepts: Sequence[str]
) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    uid = unit_uid(block, index)
    if status != "ok":
        return [(uid, block, index, None, None, None, 0.0, status, 0, None, None, 0.0)], []
    order = np.argsort(-iou)
    category, name = split_concept(concepts[order[0]])
    best = float(iou[order[0]])
    detections: list[tuple[object, ...]] = [
        (uid, concepts[k], split_concept(concepts[k])[0], float(iou[k]), rank, 10, 60, 50,
         0.01 * (rank + 1), 2.0, 50 / 60, rank == 0, 0.8, 0.6, 0.1, index % 3 > 0,
         *((0.8, 0.7, 0.001, True) if rank == 1 else NO_AUC))
        for rank, k in enumerate(order[:3].tolist())
    ]  # fmt: skip
    label = (name, category, best)
    return [(uid, block, index, *label, 1.0, "ok", 100, *label)], detections


def _contribution_arrays(
    writer: RunWriter, widths: Mapping[str, int], rng: np.random.Generator
) -> None:
    names = list(widths)
    for source, target in pairwise(names):
        pre = rng.normal(size=(widths[source], widths[target]))
        weight = pre if target == "class" else np.maximum(pre + rng.random(pre.shape), 0)
        writer.array(f"contributions_{source}_{target}", weight)
        writer.array(f"contributions_{source}_{target}_pre", pre)


def _concept_and_class_tables(
    writer: RunWriter,
    concepts: Sequence[str],
    classes: Sequence[str],
    widths: Mapping[str, int],
) -> None:
    rows = [(uid, *reversed(split_concept(uid)), 10, 500, 0.15, "") for uid in concepts]
    _table(writer, "concepts", rows)
    block, width = next(iter(widths.items()))
    presence = [
        (uid, block, 1.0, 0.5, 0.8, 0.6, 0.5, 0.4, 0.6, 9 * i, True)
        for i, uid in enumerate(concepts)
    ]
    _table(writer, "presence", presence)
    writer.array(f"presence_{block}", np.full((width + 1, len(concepts)), 0.1))
    _table(writer, "classes", [(class_uid(name), name, i) for i, name in enumerate(classes)])


def _table(writer: RunWriter, name: str, rows: Sequence[tuple[object, ...]]) -> None:
    writer.table(name, pd.DataFrame(rows, columns=list(TABLES[name])))
