"""Repairs of networks that were taught shortcuts.

    python -m benchmarks.repair NETWORKS --data DATA --seeds 0,1,2 --pictures 600

NETWORKS holds shortcut-SEED.safetensors, as for `benchmarks.planted`. For each network and shortcut
(cue → class), so many pictures without any cue and as many of other classes with the cue are drawn,
which no network was trained on; `conceptgraph.explain.repair` makes its choice on half of them. The
table has the other half: of the pictures with the cue that are taken for the class, those that each
method gets right, and of the right answers to pictures without a cue, those that it breaks. Of the
mistakes, the last column has those alone whose twin, the same picture without the cue, is right: of
the others the cue is not the only cause.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image

from benchmarks.planted import open_explainer
from conceptgraph.demo.world.pictures import PictureSpec, draw_pixels
from conceptgraph.demo.world.shortcuts import SHORTCUTS, Shortcut, World
from conceptgraph.explain.repair import REPAIRED, Repair, repair
from conceptgraph.explain.repair_card import share_text
from conceptgraph.explain.repair_figures import Share
from conceptgraph.settings import Settings

if TYPE_CHECKING:
    from benchmarks.planted_methods import PictureExplainer

SEED = 7_000_000  # of the pictures; added to ten times the seed of the training


def specs_of(shortcut: Shortcut, seed: int, count: int) -> dict[str, PictureSpec]:
    """Return the pictures by file: without any cue, and of other classes with the shortcut's."""
    world, offset = World(), SEED + seed * 10 + SHORTCUTS.index(shortcut)
    clean = {f"clean{i}.png": world.clean_spec(offset, i) for i in range(count)}
    cues = {f"cue{i}.png": world.conflict_spec(shortcut, offset + 5, i) for i in range(count)}
    return clean | cues


def measure(
    explainer: PictureExplainer, shortcut: Shortcut, seed: int, count: int, labelled: bool
) -> tuple[Repair, Share]:
    """Repair one network of one shortcut.

    Returns:
        The repair, and the share of right answers among mistakes whose twin is right.
    """
    specs = specs_of(shortcut, seed, count)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, spec in specs.items():
            Image.fromarray(draw_pixels(spec)).save(folder / file)
        result = repair(
            explainer.network,
            folder,
            [(file, spec.class_) for file, spec in specs.items()],
            "/".join(shortcut.cue),
            shortcut.class_,
            folder / "repaired",
            presence={file: bool(spec.cues) for file, spec in specs.items()} if labelled else None,
            force=True,
        )
        shutil.rmtree(folder / "repaired")
    rows = [
        (image, after)
        for image, (after, _) in zip(result.images, result.answers, strict=True)
        if image.has_concept and image.before == shortcut.class_ != image.label
    ]
    twins = explainer.predict([specs[image.file].without() for image, _ in rows])
    caused = [
        after == image.label
        for (image, after), twin in zip(rows, twins, strict=True)
        if twin == image.label
    ]
    return result, Share(sum(caused), len(caused))


def main() -> None:
    """Measure all networks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("networks", type=Path, help="folder of shortcut-SEED.safetensors")
    parser.add_argument("--data", type=Path, required=True, help="concept data of the demo's world")
    parser.add_argument("--seeds", default="0,1,2", help="of the networks")
    parser.add_argument("--pictures", type=int, default=600, help="without a cue, and with it")
    parser.add_argument("--quantile", type=float, default=0.005)
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument(
        "--by-probe", action="store_true", help="let the probe say which pictures have the cue"
    )
    parser.add_argument("--json", type=Path, help="a JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = []
    print("| seed | cue | method | right | worst group | mistakes right | clean broken | caused |")
    print("|---|---|---|---|---|---|---|---|")
    for seed in map(int, arguments.seeds.split(",")):
        settings = Settings(quantile=arguments.quantile)
        network = open_explainer(
            World(), arguments.networks, "shortcut", seed, arguments.data, settings
        )
        if network is None:
            continue
        for shortcut in SHORTCUTS:
            result, caused = measure(
                network, shortcut, seed, arguments.pictures, not arguments.by_probe
            )
            results.append({"seed": seed, "caused": caused.to_json(), **result.to_json()})
            for method in result.methods:
                shares = (method.overall, method.worst_share, method.mistakes, method.clean)
                own = share_text(caused) if method.name == REPAIRED else ""
                texts = " | ".join(map(share_text, shares))
                print(f"| {seed} | {shortcut.cue.name} | {method.name} | {texts} | {own} |")
            print(f"chosen: {result.chosen.candidate.text}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
