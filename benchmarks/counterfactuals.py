"""Regions and things scored against pictures that are really drawn without the cue.

    python -m benchmarks.counterfactuals NETWORKS --data DATA --seeds 0,1,2 --pictures 60

NETWORKS and DATA as for `benchmarks.planted`. For each shortcut, on mistakes that are right without
the cue: what the logit of the mistaken class less that of the true one loses when the picture is
drawn without the cue, against the region evidence of the cue's own pixels at block3, and against
painting these pixels over. Things are found by probes: is the first one the cue's, and what does
the network say when it is painted over? On clean pictures: how often painting over the first thing
that is not the class's own changes the answer, beside random regions of the same size. In networks
that do not use the cue, evidence and effect should both be near zero: the error is given in percent
of the shortcut networks' effect.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from benchmarks.planted import open_explainer, situations
from conceptgraph.demo.world.names import CLASSES
from conceptgraph.demo.world.pictures import PictureSpec, draw_picture, draw_pixels
from conceptgraph.demo.world.shortcuts import SHORTCUTS, Shortcut
from conceptgraph.explain.counterfactuals import logits_of
from conceptgraph.explain.explain import explain_pixels
from conceptgraph.explain.image_regions import image_box
from conceptgraph.explain.inpainting import paint_over, to_grid
from conceptgraph.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.planted_methods import PictureExplainer
    from conceptgraph.explain.image_regions import ImageRegions, ImageThing

MINIMUM_OVERLAP = 0.5
"""A thing is the cue's if it has the cue's name, or shares so much of either's pixels."""


class Effect(NamedTuple):
    """What a cue is worth, by two estimates and in truth, in units of the logit."""

    evidence: float
    painted: float
    drawn: float


class ThingResult(NamedTuple):
    """What the first thing of a mistake is, and what the network says without it."""

    is_cue: bool
    right: bool
    changed: bool


def cue_effect(
    network: PictureExplainer, spec: PictureSpec, class_: str, other: str
) -> tuple[Effect, ImageRegions]:
    """Measure what a picture's cue adds to the difference of two logits."""
    picture = draw_picture(spec)
    pixels, (mask,) = np.asarray(picture.image), picture.cue_masks.values()
    explained = explain_pixels(network.network, pixels, class_, versus=other)
    evidence = explained.evidence["block3"]
    shares = to_grid(mask, *evidence.shape) > 0
    images = [pixels, draw_pixels(spec.without()), paint_over(pixels, mask)]
    logits = logits_of(network.network, images)
    values = (logits[:, CLASSES.index(class_)] - logits[:, CLASSES.index(other)]).tolist()
    effect = Effect(float(evidence[shares].sum()), values[0] - values[2], values[0] - values[1])
    return effect, explained


def first_thing(spec: PictureSpec, shortcut: Shortcut, explained: ImageRegions) -> ThingResult:
    """Say whether the first thing is the cue's, and what the network says without it."""
    if not explained.things:
        return ThingResult(False, False, False)
    thing = explained.things[0]
    (mask,) = draw_picture(spec).cue_masks.values()
    shared = int((thing.mask & mask).sum())
    named = tuple(shortcut.cue) in {(c.category, c.name) for c in thing.concepts}
    is_cue = named or shared > MINIMUM_OVERLAP * min(int(mask.sum()), int(thing.mask.sum()))
    answer = thing.counterfactual.answer.name if thing.counterfactual else shortcut.class_
    return ThingResult(is_cue, answer == spec.class_, answer != shortcut.class_)


def clean_changes(
    network: PictureExplainer, spec: PictureSpec, rng: np.random.Generator
) -> tuple[bool, bool] | None:
    """Paint over the strongest thing that is not the class's own, and a random part of its size.

    Returns:
        Whether each changes the answer; None for a picture without such a thing.
    """
    picture = draw_picture(spec)
    pixels, own = np.asarray(picture.image), picture.label_maps["action"] > 0
    explained = explain_pixels(network.network, pixels)
    thing = next((t for t in explained.things if t.counterfactual and not _is_in(t, own)), None)
    if thing is None or thing.counterfactual is None:
        return None
    images = [pixels, paint_over(pixels, _moved(thing.mask, rng))]
    before, after = logits_of(network.network, images).argmax(dim=1).tolist()
    return thing.counterfactual.answer.name != CLASSES[before], after != before


def _is_in(thing: ImageThing, own: NDArray[np.bool_]) -> bool:
    return bool((thing.mask & own).sum() > MINIMUM_OVERLAP * thing.mask.sum())


def _moved(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a mask of the same shape somewhere else in the picture."""
    left, top, width, height = image_box(mask)
    part = mask[top : top + height, left : left + width]
    moved = np.zeros_like(mask)
    y, x = (int(rng.integers(0, n - m + 1))
            for n, m in zip(mask.shape, part.shape, strict=True))  # fmt: skip
    moved[y : y + height, x : x + width] = part
    return moved


class Figures:
    """What is measured of one shortcut, over networks."""

    def __init__(self) -> None:
        self.effects: dict[str, list[Effect]] = defaultdict(list)
        self.things: list[ThingResult] = []
        self.clean: list[tuple[bool, bool]] = []

    def row(self, name: str) -> str:
        """Return a row of the table."""
        effects = np.array(self.effects["mistakes"])
        scale = np.abs(effects[:, 2]).mean()
        cells = [name]
        for column in (0, 1):
            ratio = effects[:, column].mean() / effects[:, 2].mean()
            error = np.abs(effects[:, column] - effects[:, 2]).mean() / scale
            r = np.corrcoef(effects[:, column], effects[:, 2])[0, 1]
            cells.append(f"{ratio:.2f}, {error:.0%}, {r:.2f}")
        for kind in ("control", "encoded"):
            others = np.array(self.effects[kind] or [Effect(np.nan, np.nan, np.nan)])
            cells.append(f"{np.abs(others[:, 0] - others[:, 2]).mean() / scale:.0%}")
        cells += [f"{np.mean([getattr(t, field) for t in self.things]):.0%}"
                  for field in ThingResult._fields]  # fmt: skip
        cells += [f"{share:.0%}" for share in np.mean(self.clean, axis=0)]
        return "| " + " | ".join(cells) + " |"


HEADER = """| cue | region evidence: ratio, error, r | painted over: ratio, error, r | control |\
 encoded | first thing is the cue's | right without | changed | clean: changed | random |
|---|---|---|---|---|---|---|---|---|---|"""


def measure(
    networks: Path, data: Path, seeds: Sequence[int], count: int
) -> dict[str, Figures]:  # fmt: skip
    """Measure all networks."""
    figures: dict[str, Figures] = defaultdict(Figures)
    rng = np.random.default_rng(0)
    for seed in seeds:
        network, control, encoded = (
            open_explainer(networks, kind, seed, data, Settings())
            for kind in ("shortcut", "control", "encoded")
        )
        if network is None:
            continue
        for shortcut in SHORTCUTS:
            own = figures[str(shortcut)]
            for situation, explainer, spec, class_ in situations(
                network, control, encoded, shortcut, seed, count
            ):
                if situation == "mistakes":
                    effect, explained = cue_effect(explainer, spec, class_, spec.class_)
                    own.effects[situation].append(effect)
                    own.things.append(first_thing(spec, shortcut, explained))
                elif situation in ("control", "encoded"):
                    effect, _ = cue_effect(explainer, spec, shortcut.class_, spec.class_)
                    own.effects[situation].append(effect)
                elif situation in ("class", "others"):
                    changes = clean_changes(explainer, spec, rng)
                    own.clean += [changes] if changes else []
    return figures


def main() -> None:
    """Measure all networks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("networks", type=Path, help="folder of KIND-SEED.safetensors")
    parser.add_argument("--data", type=Path, required=True, help="concept data of the demo")
    parser.add_argument("--seeds", default="0,1,2", help="of the networks")
    parser.add_argument("--pictures", type=int, default=60, help="pictures of each situation")
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--json", type=Path, help="a JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    figures = measure(arguments.networks, arguments.data, seeds, arguments.pictures)
    if arguments.json:
        effects = {name: dict(own.effects) for name, own in figures.items()}
        arguments.json.write_text(json.dumps(effects))
    print("\n".join([HEADER, *(own.row(name) for name, own in figures.items())]))


if __name__ == "__main__":
    main()
