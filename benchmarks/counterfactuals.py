"""Regions and things scored against pictures that are really drawn without the cue.

    python -m benchmarks.counterfactuals NETWORKS --data DATA --seeds 0,1,2 --pictures 60

NETWORKS and DATA as for `benchmarks.planted`. For each shortcut, on mistakes that are right without
the cue: what the logit of the mistaken class less that of the true one loses when the picture is
drawn without the cue, against the region evidence of the cue's own pixels at block3, and against
painting these pixels over. Things are found by probes: is the first one the cue's, and what does
the network say when it is painted over? On clean pictures: how often painting over the first thing
that is not the class's own changes the answer, beside the same shape elsewhere; and how often each
does if the class's own pixels are left as they are. In networks that do not use the cue, evidence
and effect should both be near zero: the error is given in percent of the shortcut networks' effect.
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
from conceptgraph.demo.world.shortcuts import SHORTCUTS, Shortcut, World
from conceptgraph.explain.counterfactuals import logits_of
from conceptgraph.explain.decomposition import decompose
from conceptgraph.explain.explain import explain_pixels
from conceptgraph.explain.image_regions import image_box
from conceptgraph.explain.inpainting import paint_over, to_grid
from conceptgraph.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from conceptgraph.explain.network import RunNetwork

MINIMUM_OVERLAP = 0.5
"""A thing is the cue's (the class's) if it has its name, or shares so much of either's pixels."""


class Effect(NamedTuple):
    """What a cue is worth, by two estimates and in truth, in units of the logit."""

    evidence: float
    painted: float
    drawn: float


class CleanResult(NamedTuple):
    """Whether painting over a thing that is not the class's own changes the answer.

    `random` is the same shape elsewhere; `around` leaves the class's own pixels as they are.
    """

    thing: bool
    random: bool
    thing_around: bool
    random_around: bool


class ThingResult(NamedTuple):
    """What the first thing of a mistake is, and what the network says without it."""

    is_cue: bool
    right: bool
    changed: bool


def block_evidence(
    network: RunNetwork, pixels: NDArray[np.uint8], direction: Tensor
) -> NDArray[np.float32]:  # fmt: skip
    """Return what each position of the last block but one adds to a weighted sum of logits.

    Args:
        network: of the run.
        pixels: uint8 (height, width, 3).
        direction: (classes,), the weights.
    """
    blocks = network.last_blocks()
    _, maps = network.forward(network.as_input(pixels[None]), blocks[0])
    decomposition = decompose(network.downstream(blocks), maps, direction)
    evidence: NDArray[np.float32] = decomposition.evidence(0).numpy()
    return evidence


def cue_effect(network: RunNetwork, spec: PictureSpec, class_: str, other: str) -> Effect:
    """Measure what a picture's cue adds to the difference of two logits."""
    picture = draw_picture(spec)
    pixels, (mask,) = np.asarray(picture.image), picture.cue_masks.values()
    unit = torch.eye(len(CLASSES))
    direction = unit[CLASSES.index(class_)] - unit[CLASSES.index(other)]
    evidence = block_evidence(network, pixels, direction)
    images = [pixels, draw_pixels(spec.without()), paint_over(pixels, mask)]
    values = (logits_of(network, images) @ direction).tolist()
    own = float(evidence[to_grid(mask, *evidence.shape) > 0].sum())
    return Effect(own, values[0] - values[2], values[0] - values[1])


def first_thing(network: RunNetwork, spec: PictureSpec, shortcut: Shortcut) -> ThingResult:
    """Say whether a mistake's first thing is the cue's, and what the network says without it."""
    explained = explain_pixels(network, draw_pixels(spec), shortcut.class_, versus=spec.class_)
    if not explained.things:
        return ThingResult(False, False, False)
    thing = explained.things[0]
    (mask,) = draw_picture(spec).cue_masks.values()
    named = tuple(shortcut.cue) in {(c.category, c.name) for c in thing.concepts}
    is_cue = named or _overlap(thing.mask, mask)
    answer = thing.counterfactual.answer.name if thing.counterfactual else shortcut.class_
    return ThingResult(is_cue, answer == spec.class_, answer != shortcut.class_)


def clean_changes(
    network: RunNetwork, spec: PictureSpec, rng: np.random.Generator
) -> CleanResult | None:
    """Paint over the first thing that is not the class's own, and its shape elsewhere.

    Returns:
        None for a picture without such a thing.
    """
    picture = draw_picture(spec)
    pixels, own = np.asarray(picture.image), picture.label_maps["action"] > 0
    things = explain_pixels(network, pixels).things
    thing = next((t for t in things if t.counterfactual and not _overlap(t.mask, own)), None)
    if thing is None:
        return None
    masks = [thing.mask, _moved(thing.mask, rng)]
    masks += [mask & ~own for mask in masks]
    logits = logits_of(network, [pixels, *(paint_over(pixels, mask) for mask in masks)])
    before, *after = logits.argmax(dim=1).tolist()
    return CleanResult(*(answer != before for answer in after))


def _overlap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> bool:
    """Return whether two masks share most of either's pixels."""
    return bool((first & second).sum() > MINIMUM_OVERLAP * min(first.sum(), second.sum()))


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
        self.clean: list[CleanResult] = []

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
        shares = [f"{share:.0%}" for share in np.mean(self.clean, axis=0)]
        cells += [", ".join(shares[:2]), ", ".join(shares[2:])]
        return "| " + " | ".join(cells) + " |"


HEADER = """| cue | region evidence: ratio, error, r | painted over: ratio, error, r | control |\
 encoded | first thing is the cue's | right without | changed | clean: changed, random |\
 own pixels kept |
|---|---|---|---|---|---|---|---|---|---|"""


def measure(
    networks: Path, data: Path, seeds: Sequence[int], count: int
) -> dict[str, Figures]:  # fmt: skip
    """Measure all networks."""
    figures: dict[str, Figures] = defaultdict(Figures)
    rng = np.random.default_rng(0)
    for seed in seeds:
        network, control, encoded = (
            open_explainer(World(), networks, kind, seed, data, Settings())
            for kind in ("shortcut", "control", "encoded")
        )
        if network is None:
            continue
        for shortcut in SHORTCUTS:
            own = figures[str(shortcut)]
            for situation, explainer, spec, class_ in situations(
                World(), network, control, encoded, shortcut, seed, count
            ):
                opened = explainer.network
                if situation == "mistakes":
                    own.effects[situation].append(cue_effect(opened, spec, class_, spec.class_))
                    own.things.append(first_thing(opened, spec, shortcut))
                elif situation in ("control", "encoded"):
                    effect = cue_effect(opened, spec, shortcut.class_, spec.class_)
                    own.effects[situation].append(effect)
                elif situation in ("class", "others"):
                    changes = clean_changes(opened, spec, rng)
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
        arguments.json.write_text(json.dumps({name: vars(own) for name, own in figures.items()}))
    print("\n".join([HEADER, *(own.row(name) for name, own in figures.items())]))


if __name__ == "__main__":
    main()
