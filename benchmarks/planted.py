"""Explanations scored against planted shortcuts.

    python -m benchmarks.planted NETWORKS --data DATA --seeds 0,1,2 --pictures 60

NETWORKS holds KIND-SEED.safetensors as `python -m conceptgraph.demo.networks.training` writes
them; with `--video` they are of the moving world, and a picture is a clip. Each is dissected. Then
pictures that no network was trained on are explained, for each
shortcut (cue → A), in these situations:

    mistakes   another class with the cue, predicted as A; its twin, without the cue, is right
    twins      these twins; A is explained
    class      pictures of A without any cue, predicted correctly
    others     pictures of other classes without any cue, predicted correctly; that class is
               explained
    two        another class with this cue and that of another shortcut, predicted as A
    resisted   another class with the cue, predicted correctly; A is explained
    control    networks that never learnt the cue, on other classes with it; the predicted class is
               explained
    encoded    the same for networks that were trained to encode the cue without using it

Each method scores every concept. The table shows how often the planted concept is first, and among
the first three, with a positive score. It should be on mistakes, and nowhere else but in `two` and
`resisted`, where it is evidence for A. AUC compares its scores on `mistakes` and on `class`.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.planted_methods import PictureExplainer
from benchmarks.planted_report import ShortcutFigures, ShortcutResult, plot, table
from conceptgraph.demo.moving.shortcuts import MovingWorld
from conceptgraph.demo.networks.shipped import factory_of, write_classes
from conceptgraph.demo.world.shortcuts import DrawnWorld, Shortcut, Spec, World
from conceptgraph.errors import QueryError
from conceptgraph.explain.ablation_masks import ablated_units, ablation_of_concept
from conceptgraph.explain.network import open_network
from conceptgraph.graph.run.reader import open_run
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conceptgraph.demo.world.specs import DrawnSpec

SEED = 5_000_000  # of the pictures; added to the seed of the training


# Pictures


def situations(
    world: DrawnWorld[Spec],
    network: PictureExplainer,
    control: PictureExplainer | None,
    encoded: PictureExplainer | None,
    shortcut: Shortcut,
    seed: int,
    count: int,
) -> Iterator[tuple[str, PictureExplainer, Spec, str]]:
    """Yield situation, network, picture and class to explain; at most `count` of each situation."""
    target = shortcut.class_
    offset = SEED + seed * 10 + world.shortcuts.index(shortcut)
    conflicts = [world.conflict_spec(shortcut, offset, i) for i in range(12 * count)]
    predictions = network.predict(conflicts)
    twin_predictions = network.predict([spec.without() for spec in conflicts])
    triples = list(zip(conflicts, predictions, twin_predictions, strict=True))
    mistakes = [spec for spec, name, twin in triples if name == target and twin == spec.class_]
    for spec in mistakes[:count]:
        yield "mistakes", network, spec, target
        yield "twins", network, spec.without(), target
    resisted = [spec for spec, name, _ in triples if name == spec.class_]
    for spec in resisted[:count]:
        yield "resisted", network, spec, target
    clean = [world.clean_spec(offset, i) for i in range(16 * count)]
    right = _predicted_as(network, clean, [spec.class_ for spec in clean])
    for spec in islice((s for s in right if s.class_ == target), count):
        yield "class", network, spec, target
    for spec in islice((s for s in right if s.class_ != target), count):
        yield "others", network, spec, spec.class_
    two_cues = _two_cues(world, shortcut, offset + 5, count)
    for spec in _predicted_as(network, two_cues, [target] * len(two_cues))[:count]:
        yield "two", network, spec, target
    for name, explainer in (("control", control), ("encoded", encoded)):
        if explainer is not None:
            specs = conflicts[:count]
            for spec, predicted in zip(specs, explainer.predict(specs), strict=True):
                yield name, explainer, spec, predicted


def _predicted_as(
    network: PictureExplainer, specs: Sequence[Spec], classes: Sequence[str]
) -> list[Spec]:
    """Return the pictures that are predicted as the given class, one for each."""
    predictions = network.predict(specs)
    return [
        spec
        for spec, predicted, class_ in zip(specs, predictions, classes, strict=True)
        if predicted == class_
    ]


def _two_cues(world: DrawnWorld[Spec], shortcut: Shortcut, seed: int, count: int) -> list[Spec]:
    """Return pictures with the cues of two shortcuts, of classes other than theirs."""
    others = [other for other in world.shortcuts if other != shortcut]
    return [
        world.spec(seed, i, name, (shortcut.cue, others[i % len(others)].cue))
        for i, name in enumerate(world.classes * (2 * count))
        if name not in (shortcut.class_, others[i % len(others)].class_)
    ]


# Figures


def rank(scores: dict[str, float], planted: str) -> int:
    """Return the rank of the planted concept, from 1; a million if its score is not positive."""
    own = scores.get(planted, 0.0)
    return 1 + sum(score > own for score in scores.values()) if own > 0 else 10**6


def auc(high: Sequence[float], low: Sequence[float]) -> float:
    """Return how often a score of `high` exceeds one of `low`; ties count half."""
    if not high or not low:
        return float("nan")
    pairs = np.subtract.outer(np.array(high), np.array(low))
    return float((pairs > 0).mean() + (pairs == 0).mean() / 2)


def shortcut_figures(
    world: DrawnWorld[Spec],
    network: PictureExplainer,
    control: PictureExplainer | None,
    encoded: PictureExplainer | None,
    shortcut: Shortcut,
    seed: int,
    count: int,
) -> ShortcutFigures:
    """Measure one shortcut in one network."""
    planted = "/".join(shortcut.cue)
    ranks: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    shares: dict[str, list[float]] = defaultdict(list)
    specs: dict[str, list[Spec]] = defaultdict(list)
    for situation, explainer, spec, class_ in situations(
        world, network, control, encoded, shortcut, seed, count
    ):
        concepts = explainer.score_concepts(spec, class_)
        for method, by_concept in concepts.by_method.items():
            ranks[method][situation].append(rank(by_concept, planted))
            scores[method][situation].append(by_concept.get(planted, 0.0))
        present = concepts.by_method["exact, present"].get(planted, 0.0)
        shares[situation].append(present / concepts.evidence)
        specs[situation].append(spec)
    clean = specs["class"] + specs["others"]
    return {
        "ranks": ranks,
        "auc": {method: auc(s["mistakes"], s["class"]) for method, s in scores.items()},
        "share": {situation: float(np.mean(values)) for situation, values in shares.items()},
        "ablated": {
            where: ablate_planted(
                network, planted, specs["mistakes"], clean, everywhere=where == "everywhere"
            )
            for where in ("where present", "everywhere")
        },
    }


def ablate_planted(
    network: PictureExplainer,
    planted: str,
    mistakes: Sequence[DrawnSpec],
    clean: Sequence[DrawnSpec],
    *,
    everywhere: bool,
) -> dict[str, int]:
    """Ablate the planted concept and count changed predictions.

    Counted are mistakes that change, mistakes that become right, and right predictions of clean
    pictures that become wrong.
    """
    counts = {"mistakes": len(mistakes), "clean": len(clean), "flip": 0, "right": 0, "break": 0}
    try:
        masks = ablation_of_concept(network.network.run, planted, everywhere=everywhere)
    except QueryError:  # no unit detects it
        return {**counts, "units": 0}
    before, after = network.predict(mistakes), network.predict(mistakes, masks)
    for spec, predicted, then_predicted in zip(mistakes, before, after, strict=True):
        counts["flip"] += predicted != then_predicted
        counts["right"] += then_predicted == spec.class_
    for spec, then_predicted in zip(clean, network.predict(clean, masks), strict=True):
        counts["break"] += then_predicted != spec.class_
    return {**counts, "units": len(ablated_units(masks))}


def open_explainer(
    world: DrawnWorld[Spec], networks: Path, kind: str, seed: int, data: Path, settings: Settings
) -> PictureExplainer | None:
    """Open the network of a kind and seed, ingested unless its run lies beside it; None without."""
    weights = networks / f"{kind}-{seed}.safetensors"
    if not weights.is_file():
        return None
    out = networks / f"{kind}-{seed}-{settings.digest[:6]}.cg"
    if not (out / "manifest.json").is_file():
        classes = write_classes(networks / "classes.txt", world)
        ingest(
            factory_of(world), data, out, settings, weights=weights, classes=classes, overwrite=True
        )
    return PictureExplainer(open_network(open_run(out)))


def main() -> None:
    """Measure all networks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("networks", type=Path, help="folder of KIND-SEED.safetensors")
    parser.add_argument(
        "--data", type=Path, required=True, help="concept data, for example of `conceptgraph demo`"
    )
    parser.add_argument("--video", action="store_true", help="networks of the moving world")
    parser.add_argument("--seeds", default="0,1,2", help="of the networks")
    parser.add_argument("--pictures", type=int, default=60, help="pictures of each situation")
    parser.add_argument("--quantile", type=float, default=0.005)
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--json", type=Path, help="a JSON file to write")
    parser.add_argument("--plot", type=Path, help="an SVG file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settings = Settings(quantile=arguments.quantile)
    results: list[ShortcutResult] = []
    world: DrawnWorld[Any] = MovingWorld() if arguments.video else World()
    for seed in map(int, arguments.seeds.split(",")):
        network, control, encoded = (
            open_explainer(world, arguments.networks, kind, seed, arguments.data, settings)
            for kind in ("shortcut", "control", "encoded")
        )
        if network is None:
            continue
        for shortcut in world.shortcuts:
            figures = shortcut_figures(
                world, network, control, encoded, shortcut, seed, arguments.pictures
            )
            results.append({"seed": seed, "shortcut": str(shortcut), "figures": figures})
    if arguments.json:
        arguments.json.write_text(json.dumps(results))
    if arguments.plot:
        plot(results, arguments.plot)
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
