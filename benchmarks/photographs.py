"""Regions and things of photographs scored against painting over.

    python -m benchmarks.photographs RUN DATA --images 200 --seed 0

DATA is concept data in the Broden layout, with masks, whose objects have the names of classes where
they are any. Of crops drawn at random:

    named      at each of the last two blocks, the share of |evidence| for the predicted class that
               lies where some concept of the category `object` is found, and of Σ |region| that
               is not "elsewhere"; medians over crops
    objects    each object that is a class and covers 1–25 % of the crop, by its mask: the region
               evidence for its own class against what the logit loses when it is painted over; all
               of them, and those whose class is the predicted one
    things     those listed, found by probes, of |evidence| above .3: whether evidence and loss have
               one sign; of the predicted class's logit, and of it less the second class's

A painted street is no street without the thing: the loss is what the network says of the painting.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image

from benchmarks.counterfactuals import block_evidence
from conceptgraph.explain.counterfactuals import logits_of
from conceptgraph.explain.explain import explain_pixels
from conceptgraph.explain.flows import FlowNode
from conceptgraph.explain.inpainting import paint_over, to_grid
from conceptgraph.explain.network import open_network
from conceptgraph.graph.run.reader import open_run
from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.network.preprocessing import to_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from conceptgraph.explain.image_regions import ImageRegions
    from conceptgraph.explain.network import RunNetwork
    from conceptgraph.ingest.concept_data.concepts import ConceptData, ConceptImage

    Pixels = NDArray[np.uint8]

CATEGORY = "object"
SMALL = (0.01, 0.25)
"""Coverage of a small object."""
CLEAR = 0.3
"""|Evidence| of a thing from which on its sign is scored."""


class Effect(NamedTuple):
    """What a part of a crop adds to a logit, predicted and measured."""

    evidence: float
    measured: float


class Named(NamedTuple):
    """Shares of a block's |evidence| that are an object's: by position, and by region."""

    positions: float
    regions: float


class Figures:
    """What is measured, over crops; things by what is explained of them."""

    def __init__(self) -> None:
        self.named: dict[str, list[Named]] = {}
        self.objects: dict[str, list[Effect]] = {"all": [], "predicted": []}
        self.things: dict[str, list[Effect]] = {"predicted": [], "less second": []}

    def lines(self) -> list[str]:
        """Return the rows of the table."""
        rows = []
        for block, shares in self.named.items():
            positions, regions = np.median(np.array(shares), axis=0)
            rows.append(
                f"| named, {block} | {positions:.0%} by position, {regions:.0%} by region |"
            )
        for kind, effects in self.objects.items():
            x, y = np.array(effects or [Effect(np.nan, np.nan)]).T
            r, slope = np.corrcoef(x, y)[0, 1], np.cov(x, y)[0, 1] / x.var(ddof=1)
            rows.append(f"| objects, {kind} | r {r:.2f}, slope {slope:.2f}, n {len(x)} |")
        for kind, effects in self.things.items():
            clear = np.array([effect for effect in effects if abs(effect.evidence) > CLEAR])
            right = (np.sign(clear[:, 0]) == np.sign(clear[:, 1])).mean()
            r = np.corrcoef(np.array(effects).T)[0, 1]
            rows.append(
                f"| things, {kind} | sign right {right:.0%} of {len(clear)};"
                f" r {r:.2f} of {len(effects)} |"
            )
        return rows


def named_share(explained: ImageRegions, block: str) -> Named:
    """Return how much of a block's |evidence| lies where an object is found."""
    amounts = np.abs(explained.evidence[block])
    none = explained.places[FlowNode(block, CATEGORY, None)].mask
    rows = [row for row in explained.regions if (row.block, row.category) == (block, CATEGORY)]
    named = sum(abs(row.evidence) for row in rows if row.name is not None)
    everything = sum(abs(row.evidence) for row in rows)
    return Named(float(amounts[~none].sum() / amounts.sum()), named / everything)


def object_masks(
    network: RunNetwork, data: ConceptData, image: ConceptImage
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the small objects of an image that are classes: name, and mask of the input's size."""
    classes = set(network.run.classes["name"])
    label_maps = read_label_maps(data, image)
    for column in np.unique(label_maps[label_maps > 0]).tolist():
        concept = data.concepts[column - 1]
        if concept.category == CATEGORY and concept.name in classes:
            pixels = (label_maps == column).any(axis=0).astype(np.uint8) * 255
            picture = Image.fromarray(pixels).convert("RGB")
            mask = to_input(picture, network.run.manifest["input"])[..., 0] >= 128
            if SMALL[0] <= mask.mean() <= SMALL[1]:
                yield concept.name, mask


def thing_effects(
    network: RunNetwork, explained: ImageRegions, direction: torch.Tensor
) -> list[Effect]:
    """Paint every listed thing over, by itself."""
    pixels, things = explained.pixels, explained.things
    images = [pixels, *(paint_over(pixels, thing.mask) for thing in things)]
    values = (logits_of(network, images) @ direction).tolist()
    return [
        Effect(t.evidence, values[0] - value) for t, value in zip(things, values[1:], strict=True)
    ]


def object_effects(
    network: RunNetwork, data: ConceptData, image: ConceptImage, pixels: Pixels
) -> Iterator[tuple[str, Effect]]:
    """Paint every small object over, by itself; yield its class, and the effect on its logit."""
    names = list(network.run.classes["name"])
    objects = list(object_masks(network, data, image))
    losses = -logits_of(network, [pixels, *(paint_over(pixels, mask) for _, mask in objects)])
    losses = losses - losses[0]
    for (name, mask), loss in zip(objects, losses[1:], strict=True):
        direction = torch.eye(len(names))[names.index(name)]
        evidence = block_evidence(network, pixels, direction)
        shares = to_grid(mask, *evidence.shape)
        yield name, Effect(float((evidence * shares).sum()), float(loss @ direction))


def measure(network: RunNetwork, data: ConceptData, images: Sequence[ConceptImage]) -> Figures:
    """Measure all crops."""
    figures, names = Figures(), list(network.run.classes["name"])
    for image in images:
        pixels = network.load_photograph(image.path).pixels
        first, second = logits_of(network, [pixels])[0].topk(2).indices.tolist()
        unit = torch.eye(len(names))
        explained = explain_pixels(network, pixels)
        for block in explained.blocks[-2:]:
            figures.named.setdefault(block, []).append(named_share(explained, block))
        figures.things["predicted"] += thing_effects(network, explained, unit[first])
        versus = explain_pixels(network, pixels, versus=names[second])
        direction = unit[first] - unit[second]
        figures.things["less second"] += thing_effects(network, versus, direction)
        for name, effect in object_effects(network, data, image, pixels):
            figures.objects["all"].append(effect)
            figures.objects["predicted"] += [effect] if name == names[first] else []
    return figures


def main() -> None:
    """Measure crops drawn at random and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path, help="run directory, NAME.cg")
    parser.add_argument("data", type=Path, help="concept data, Broden layout")
    parser.add_argument("--images", type=int, default=200, help="crops to draw")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--weights", help="checkpoint, if it is no longer where the run says")
    parser.add_argument("--json", type=Path, help="a JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network = open_network(open_run(arguments.run), weights=arguments.weights)
    data = open_concept_data(arguments.data)
    drawn = np.random.default_rng(arguments.seed).choice(
        len(data.images), arguments.images, replace=False
    )
    figures = measure(network, data, [data.images[int(i)] for i in drawn])
    if arguments.json:
        arguments.json.write_text(json.dumps(vars(figures)))
    print("\n".join(["| | |", "|---|---|", *figures.lines()]))


if __name__ == "__main__":
    main()
