"""Explanations scored against planted truth.

    python -m benchmarks.planted NETWORKS --data DATA --seeds 0,1,2 --pictures 60

NETWORKS holds KIND-SEED.safetensors as `python -m conceptgraph.demo.networks.training` writes
them. Each is dissected; then pictures that no network was trained on are explained, for each
shortcut (cue → A):

    mistakes   another class with the cue, taken for A; its twin, without the cue, is right
    twins      these twins; explained is A again
    class      pictures of A without any cue, rightly named
    others     pictures of other classes without any cue, rightly named; explained is that class
    two        another class with this cue and another one, taken for A
    resisted   another class with the cue, and right; explained is A
    control    networks that never learnt the cue, on other classes with it; explained is the answer
    encoded    the same for networks that were taught to tell the cue, but not to use it

By each method every concept gets a score. Stated is how often the planted one is first, and among
the first three (with a positive score): it should be on mistakes, and never elsewhere, but for
`two` and `resisted`, where it argues for A indeed. AUC: its scores on mistakes against `class`.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import torch

from benchmarks.planted_methods import Lens
from benchmarks.planted_plot import plot
from conceptgraph.demo.networks.shipped import write_classes
from conceptgraph.demo.networks.small_resnet import FACTORY
from conceptgraph.demo.world.names import CLASSES
from conceptgraph.demo.world.pictures import Spec
from conceptgraph.demo.world.shortcuts import SHORTCUTS, Shortcut, World
from conceptgraph.errors import QueryError
from conceptgraph.explain.ablation_masks import ablated_units, ablation_of_concept
from conceptgraph.explain.audit_counts import wilson
from conceptgraph.explain.network import open_network
from conceptgraph.graph.run.reader import open_run
from conceptgraph.ingest.inputs import Source
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SEED = 5_000_000  # of the pictures; added to a network's


class Figures(TypedDict):
    """One shortcut in one network.

    `ranks` of the planted concept by method and situation; `auc` by method; `share` by situation;
    `silenced` are counts, by where.
    """

    ranks: dict[str, dict[str, list[int]]]
    auc: dict[str, float]
    share: dict[str, float]
    silenced: dict[str, dict[str, int]]


class Result(TypedDict):
    """Figures of one shortcut and seed."""

    seed: int
    shortcut: str
    figures: Figures


# Pictures


def situations(
    lens: Lens,
    control: Lens | None,
    encoded: Lens | None,
    shortcut: Shortcut,
    seed: int,
    count: int,
) -> Iterator[tuple[str, Lens, Spec, str]]:
    """Situation, network, picture, class to explain; `count` of each, as far as they are found."""
    world, a = World(), shortcut.class_
    offset = SEED + seed * 10 + SHORTCUTS.index(shortcut)
    conflicts = [world.conflict(shortcut, offset, i) for i in range(12 * count)]
    said = lens.answers(conflicts)
    twins = dict(zip(conflicts, lens.answers([spec.without() for spec in conflicts]), strict=True))
    fooled = [
        s for s, name in zip(conflicts, said, strict=True) if name == a and twins[s] == s.class_
    ]
    for spec in fooled[:count]:
        yield "mistakes", lens, spec, a
        yield "twins", lens, spec.without(), a
    resisted = [s for s, name in zip(conflicts, said, strict=True) if name == s.class_]
    for spec in resisted[:count]:
        yield "resisted", lens, spec, a
    clean = [world.clean(offset, i) for i in range(16 * count)]
    right = [s for s, name in zip(clean, lens.answers(clean), strict=True) if name == s.class_]
    for spec in islice((s for s in right if s.class_ == a), count):
        yield "class", lens, spec, a
    for spec in islice((s for s in right if s.class_ != a), count):
        yield "others", lens, spec, spec.class_
    others = [each for each in SHORTCUTS if each != shortcut]
    two = [
        Spec(offset + 5, i, name, (shortcut.cue, others[i % 2].cue), avoid=world.avoid)
        for i, name in enumerate(CLASSES * (2 * count))
        if name not in (a, others[i % 2].class_)
    ]
    for spec in islice((s for s, n in zip(two, lens.answers(two), strict=True) if n == a), count):
        yield "two", lens, spec, a
    for name, other in (("control", control), ("encoded", encoded)):
        if other is not None:
            for spec, answer in zip(
                conflicts[:count], other.answers(conflicts[:count]), strict=True
            ):
                yield name, other, spec, answer


# Figures


def rank(scores: dict[str, float], planted: str) -> int:
    """Place of the planted concept, from 1; a very late one where its score is not positive."""
    own = scores.get(planted, 0.0)
    return 1 + sum(score > own for score in scores.values()) if own > 0 else 10**6


def auc(high: Sequence[float], low: Sequence[float]) -> float:
    """How often a score of the first kind exceeds one of the second; ties count half."""
    if not high or not low:
        return float("nan")
    pairs = np.subtract.outer(np.array(high), np.array(low))
    return float((pairs > 0).mean() + (pairs == 0).mean() / 2)


def figures(
    lens: Lens,
    control: Lens | None,
    encoded: Lens | None,
    shortcut: Shortcut,
    seed: int,
    count: int,
) -> Figures:
    """All figures of one shortcut in one network, as counts that can be added up."""
    planted = "/".join(shortcut.cue)
    ranks: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    own: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    shares: dict[str, list[float]] = defaultdict(list)
    mistakes: list[Spec] = []
    clean: list[Spec] = []
    for name, network, spec, class_ in situations(lens, control, encoded, shortcut, seed, count):
        found = network.explain(spec, class_)
        for method, scores in found.scores.items():
            ranks[method][name].append(rank(scores, planted))
            own[method][name].append(scores.get(planted, 0.0))
        shares[name].append(found.scores["exact, present"].get(planted, 0.0) / found.share)
        if name == "mistakes":
            mistakes.append(spec)
        if name in ("class", "others"):
            clean.append(spec)
    return {
        "ranks": ranks,
        "auc": {m: auc(values["mistakes"], values["class"]) for m, values in own.items()},
        "share": {name: float(np.mean(values)) for name, values in shares.items()},
        "silenced": {
            where: silenced(lens, planted, mistakes, clean, everywhere=where == "everywhere")
            for where in ("where present", "everywhere")
        },
    }


def silenced(
    lens: Lens, planted: str, mistakes: Sequence[Spec], clean: Sequence[Spec], *, everywhere: bool
) -> dict[str, int]:
    """What `--without` the planted concept does.

    Mistakes that flip, those that become right, and clean right answers that break.
    """
    counts = {"mistakes": len(mistakes), "clean": len(clean), "flip": 0, "right": 0, "break": 0}
    try:
        silent = ablation_of_concept(lens.subject.run, planted, everywhere=everywhere)
    except QueryError:
        return {**counts, "units": 0}
    before, after = lens.answers(mistakes), lens.answers(mistakes, silent)
    for spec, first, then in zip(mistakes, before, after, strict=True):
        counts["flip"] += first != then
        counts["right"] += then == spec.class_
    for spec, then in zip(clean, lens.answers(clean, silent), strict=True):
        counts["break"] += then != spec.class_
    return {**counts, "units": len(ablated_units(silent))}


def lens_of(networks: Path, kind: str, seed: int, data: Path, settings: Settings) -> Lens | None:
    """The network of a kind and seed, dissected (once; the run lies beside it)."""
    weights = networks / f"{kind}-{seed}.safetensors"
    if not weights.is_file():
        return None
    out = networks / f"{kind}-{seed}-{settings.digest[:6]}.cg"
    if not (out / "manifest.json").is_file():
        classes = write_classes(networks / "classes.txt")
        ingest(Source(FACTORY, str(weights), classes, data), out, settings, overwrite=True)
    return Lens(open_network(open_run(out)))


def table(results: Sequence[Result]) -> Iterator[str]:
    """Lines of the table, over seeds: top-1 and top-3 in percent, by method and situation."""
    for shortcut in sorted({each["shortcut"] for each in results}):
        mine = [each["figures"] for each in results if each["shortcut"] == shortcut]
        yield f"\n{shortcut}"
        names = list(dict.fromkeys(n for f in mine for r in f["ranks"].values() for n in r))
        yield f"{'top-1 / top-3, %':24}" + "".join(f"{name:>16}" for name in names) + f"{'AUC':>8}"
        for method in mine[0]["ranks"]:
            cells = []
            for name in names:
                ranks = [r for f in mine for r in f["ranks"][method].get(name, [])]
                first, three = sum(r == 1 for r in ranks), sum(r <= 3 for r in ranks)
                _, low, high = wilson(three, len(ranks))
                cell = (
                    f"{100 * first / max(1, len(ranks)):.0f}/{100 * three / max(1, len(ranks)):.0f}"
                )
                cells.append(f"{cell} [{100 * low:.0f}–{100 * high:.0f}]")
            area = np.mean([f["auc"][method] for f in mine])
            yield f"{method:24}" + "".join(f"{cell:>16}" for cell in cells) + f"{area:8.3f}"
        shares = {n: np.mean([f["share"][n] for f in mine if n in f["share"]]) for n in names}
        yield "share of all that argues for the class, on it where present: " + ", ".join(
            f"{name} {share:.1%}" for name, share in shares.items()
        )
        for where in mine[0]["silenced"]:
            parts = [f["silenced"][where] for f in mine]
            sums = {key: sum(part[key] for part in parts) for key in parts[0]}
            yield (
                f"silenced {where} ({sums['units']} units): {sums['flip']} of {sums['mistakes']} "
                f"mistakes flip, {sums['right']} become right; {sums['break']} of {sums['clean']} "
                "clean ones break"
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("networks", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="from `world.concept_data`")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--quantile", type=float, default=Settings().quantile)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="an SVG to write")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settings = Settings(quantile=arguments.quantile)
    results: list[Result] = []
    for seed in map(int, arguments.seeds.split(",")):
        lenses = [
            lens_of(arguments.networks, kind, seed, arguments.data, settings)
            for kind in ("shortcut", "control", "encoded")
        ]
        if lenses[0] is None:
            continue
        for shortcut in SHORTCUTS:
            found = figures(lenses[0], lenses[1], lenses[2], shortcut, seed, arguments.pictures)
            results.append({"seed": seed, "shortcut": str(shortcut), "figures": found})
    if arguments.json:
        arguments.json.write_text(json.dumps(results))
    if arguments.plot:
        plot(results, arguments.plot)
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
