"""How often lower bounds of thresholds prove too high, what that costs, and how much is stored.

    python -m benchmarks.bounds --model resnet18 --weights resnet18_camvid.pth.tar --data camvid

The network is run once on some images of each data set: of every unit and image, values are counted
above a ladder of levels. On these counts the rule of `dissection.bounds` is replayed over many runs
of 1,500 images, drawn with replacement, in several orders; "as before" is the rule without spread
batches, rising and falling, at four standard errors over the first 128 images.

    shuffled   the order of every run
    split      the darker half first, each half shuffled: a split whose images come first
    dark, loud, name   sorted by brightness, by values above the thresholds, by file name

Data sets: the given one, textures and single colors drawn at random in the same network, and the
demo's. A run fails if a batch is stored above a bound that exceeds the threshold of a unit; "again"
is the share of the batches, of the blocks that fail, and "stored" the values stored, in wanted
tails.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from conceptgraph.demo.cached import demo_network
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.dissection import bounds
from conceptgraph.ingest.dissection.thresholds import HALF_PRECISION, ROUNDS
from conceptgraph.ingest.engine.memory import tune_malloc
from conceptgraph.ingest.inputs import Inputs
from conceptgraph.ingest.network.loading import load_network
from conceptgraph.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conceptgraph.ingest.network.loading import Network

IMAGES, BATCH, CALIBRATION = 1500, 32, 128
LEVELS = torch.tensor([0.002 * 1.08**power for power in range(64)], dtype=torch.float64)
"""Of the ladder: shares of a unit's values above each; up to `bounds.LARGEST_TAIL`."""
QUANTILES = (0.005, 0.02, 0.05)
ORDERS = ("shuffled", "split")
SORTED_ORDERS = ("dark", "loud", "name")
"""Replayed at the second quantile alone."""
SETS = ("given", "textures", "colors", "demo")


class Recorded(NamedTuple):
    """One block's values in all recorded images.

    Attributes:
        counts: float32 (units, images, levels), values above each level, of a unit's positions.
        levels: float32 (units, levels), descending.
    """

    counts: Tensor
    levels: Tensor


@dataclass
class DataSet:
    """What is recorded of a data set: its blocks, and the brightness of each image."""

    name: str
    blocks: dict[str, Recorded]
    brightness: Tensor


def record(name: str, inputs: Inputs, batches: Iterator[Tensor]) -> DataSet:
    """Run the network on pixels, uint8 (images, height, width, 3), and count its values."""
    maps: dict[str, list[Tensor]] = {block: [] for block in inputs.settings.blocks}
    brightness = []
    for pixels in batches:
        brightness.append(pixels.float().mean(dim=(1, 2, 3)))
        for block, values in inputs.outputs(pixels).items():
            maps[block].append(values.flatten(2).transpose(0, 1).contiguous())
    blocks = {block: _count(torch.cat(maps.pop(block), dim=1)) for block in tuple(maps)}
    return DataSet(name, blocks, torch.cat(brightness))


def _count(values: Tensor) -> Recorded:
    """Count float32 (units, images, positions); units that are seldom active are left out."""
    counts, ladders = [], []
    images, positions = values.shape[1:]
    offset = torch.arange(images).unsqueeze(1) * (len(LEVELS) + 1)
    for unit in values:
        sample = unit.flatten()[torch.randperm(unit.numel())[:50_000]].sort(descending=True).values
        levels = sample[(LEVELS * len(sample)).long()]
        if levels[-1] <= 0:
            continue
        above = torch.searchsorted(levels.flip(0), unit) + offset
        number = torch.bincount(above.view(-1), minlength=images * (len(LEVELS) + 1))
        number = number.view(images, -1).flip(1).cumsum(1)[:, :-1]
        counts.append(number.float() / positions)
        ladders.append(levels)
    shape = (0, images, len(LEVELS))
    return Recorded(
        torch.stack(counts) if counts else torch.zeros(shape),
        torch.stack(ladders) if ladders else torch.zeros(0, len(LEVELS)),
    )


class Replay(NamedTuple):
    """What a block's rule does in one run: units that fail, batches again, and values stored."""

    failed: int
    again: float
    stored: float


def batch_means(block: Recorded, order: Tensor) -> Tensor:
    """Average counts over the images of each batch; float32 (batches, units, levels)."""
    units, images, levels = block.counts.shape
    batch = torch.arange(len(order)) // BATCH
    share = torch.zeros(int(batch[-1]) + 1, images)
    share.index_put_((batch, order), torch.ones(()), accumulate=True)
    share /= share.sum(dim=1, keepdim=True)
    means = share @ block.counts.transpose(0, 1).reshape(images, -1)
    return means.view(len(share), units, levels)


def replay(
    block: Recorded, order: Tensor, means: Tensor, quantile: float, *, before: bool
) -> Replay:
    """Replay the rule on images in some order, given its `batch_means`; `before`, the earlier."""
    batches = torch.split(order, BATCH)
    sizes = torch.tensor([len(batch) for batch in batches], dtype=torch.float32)
    whole = (means * sizes.view(-1, 1, 1)).sum(0) / len(order)
    exact = (whole > quantile).int().argmax(1)  # the first level that the threshold does not exceed
    number = CALIBRATION // BATCH
    chosen = [(2 * i + 1) * len(batches) // (2 * number) for i in range(number)]
    sample = torch.cat([batches[i] for i in (range(number) if before else chosen)])
    first, fallback = _calibrate(block.counts[:, sample], quantile, 4 if before else bounds.ERRORS)
    now, lowered, held = first, torch.zeros_like(first, dtype=torch.bool), []
    seen = torch.zeros_like(whole)
    for count, (mean, size) in enumerate(zip(means, sizes, strict=True), start=1):
        held.append(now)
        observed = torch.arange(len(LEVELS)) <= now.unsqueeze(1)
        seen += mean * size * observed
        if before or count % bounds.LOOK_EVERY:
            continue
        images = count * BATCH
        if images >= bounds.LOOK_AFTER:
            all_seen = seen.amax(1)
            few = (all_seen < quantile * images) & ~lowered
            lowered, now = lowered | few, torch.where(few, fallback, now)
        now = torch.minimum(now, _certain(block.levels, seen > quantile * len(order)))
    levels = torch.stack(held)
    wrong = levels < exact
    kept = means.gather(2, levels.unsqueeze(2)).squeeze(2).mean() / quantile
    return Replay(int(wrong.any(0).sum()), float(wrong.any(1).float().mean()), float(kept))


def _calibrate(counts: Tensor, quantile: float, errors: float) -> tuple[Tensor, Tensor]:
    """Choose the levels of bound and fallback; int64 (units,)."""
    mean, error = counts.mean(dim=1), counts.std(dim=1) / math.sqrt(counts.shape[1])
    last = len(LEVELS) - 1
    first, fallback = (torch.full((len(counts),), last) for _ in range(2))
    tails = [tail for tail in bounds.TAILS if tail * quantile <= bounds.LARGEST_TAIL]
    levels = [_first(mean >= tail * quantile) for tail in tails]
    for tail, level in reversed([*zip(tails, levels, strict=True)]):
        here = level.unsqueeze(1)
        safe = (mean - errors * error).gather(1, here).squeeze(1) >= quantile
        further = [later for later, t in zip(levels, tails, strict=True)
                   if t >= bounds.FURTHER * tail]  # fmt: skip
        lower = further[0] if further else torch.full_like(level, last)
        first, fallback = torch.where(safe, level, first), torch.where(safe, lower, fallback)
    return first, fallback


def _certain(levels: Tensor, enough: Tensor) -> Tensor:
    """Return the level of the first radix digit of what is certain; int64 (units,)."""
    value = levels.gather(1, enough.int().argmax(1, keepdim=True))
    shift = ROUNDS[0][0]
    pattern = (value.view(torch.int32) >> shift << shift) - (1 << HALF_PRECISION)
    certain = _first(levels <= pattern.view(torch.float32))
    return torch.where(enough.any(1), certain, len(LEVELS) - 1)


def _first(flags: Tensor) -> Tensor:
    """Return the first level that is set, the last one if none is; int64 (units,)."""
    return torch.where(flags.any(1), flags.int().argmax(1), flags.shape[1] - 1)


def drawn_order(data: DataSet, order: str, generator: torch.Generator) -> Tensor:
    """Draw the images of a run, in an order."""
    recorded = len(data.brightness)
    images = torch.randint(0, recorded, (IMAGES,), generator=generator)
    loud = torch.stack([block.counts[..., 0].mean(0) for block in data.blocks.values()
                        if len(block.counts)]).sum(0)  # fmt: skip
    keys = {
        "shuffled": torch.zeros(recorded),
        "split": (data.brightness > data.brightness.median()).float(),
        "dark": data.brightness,
        "loud": -loud,
        "name": torch.arange(recorded).float(),
    }
    return images[keys[order][images].argsort(stable=True)]


def data_sets(arguments: argparse.Namespace) -> Iterator[DataSet]:
    """Record the data sets asked for."""
    network = load_network(arguments.model, arguments.weights)
    inputs = _inputs(network, arguments.data, arguments.images)
    if "given" in arguments.sets:
        yield record("given", inputs, (pixels for _, pixels in inputs.decoded(inputs.batches())))
    generator = torch.Generator().manual_seed(0)
    shape = (inputs.shape["height"], inputs.shape["width"])
    for name, draw in (("textures", _texture), ("colors", _color)):
        if name in arguments.sets:
            pixels = torch.stack([draw(shape, generator) for _ in range(arguments.images)])
            yield record(name, inputs, iter(torch.split(pixels, BATCH)))
    if "demo" in arguments.sets:
        demo = demo_network()
        inputs = _inputs(load_network(demo.model, demo.weights), demo.data, arguments.images)
        yield record("demo", inputs, (pixels for _, pixels in inputs.decoded(inputs.batches())))


def _inputs(network: Network, folder: Path, images: int) -> Inputs:
    """Open some images, evenly chosen, in the order of their names."""
    data = open_concept_data(folder)
    inputs = Inputs(network, data, Settings(blocks=network.blocks), torch.device("cpu"), 2)
    inputs.order = sorted(inputs.order)[:: -(-len(inputs.order) // images)]
    inputs.images = [data.images[number] for number in inputs.order]
    return inputs


def _texture(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Draw colored noise of one scale, uint8 (height, width, 3)."""
    side = int(torch.randint(2, 64, (), generator=generator))
    coarse = torch.rand(1, 3, side, side, generator=generator)
    fine = nn.functional.interpolate(coarse, shape, mode="bilinear")[0].permute(1, 2, 0)
    contrast, base = torch.rand(2, generator=generator)
    pixels: Tensor = 255 * (contrast * fine + (1 - contrast) * base)
    return pixels.to(torch.uint8)


def _color(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Draw one color, uint8 (height, width, 3)."""
    color = torch.randint(0, 256, (3,), generator=generator)
    return color.to(torch.uint8).expand(*shape, 3)


def main() -> None:
    """Record the data sets, replay the runs, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data", type=Path, required=True, help="concept data, Broden layout")
    parser.add_argument("--images", type=int, default=384, help="recorded of each data set")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS, help="data sets")
    parser.add_argument("--runs", type=int, default=10, help="of each order and quantile")
    arguments = parser.parse_args()
    tune_malloc()
    print("| data | quantile | order | as before: failed, again, stored | failed, again, stored |")
    print("|---|---|---|---|---|", flush=True)
    for data in data_sets(arguments):
        for quantile in QUANTILES:
            for order in ORDERS + (SORTED_ORDERS if quantile == QUANTILES[1] else ()):
                before, now = compare(data, order, quantile, arguments.runs)
                print(f"| {data.name} | {quantile} | {order} | {before} | {now} |", flush=True)


def compare(data: DataSet, order: str, quantile: float, runs: int) -> tuple[str, str]:
    """Replay the earlier rule and the present one over runs; return two cells of the table."""
    generator, blocks = torch.Generator().manual_seed(0), data.blocks.values()
    results: dict[bool, list[list[Replay]]] = {True: [], False: []}
    for _ in range(runs):
        images = drawn_order(data, order, generator)
        means = [(block, batch_means(block, images)) for block in blocks if len(block.counts)]
        for before, replays in results.items():
            replays.append([replay(block, images, mean, quantile, before=before)
                            for block, mean in means])  # fmt: skip
    return _cell(results[True]), _cell(results[False])


def _cell(runs: list[list[Replay]]) -> str:
    failed = sum(any(block.failed for block in blocks) for blocks in runs)
    again = [block.again for blocks in runs for block in blocks if block.failed]
    stored = [block.stored for blocks in runs for block in blocks]
    cost = sum(again) / len(again) if again else 0
    return f"{failed} of {len(runs)}, {cost:.0%}, {sum(stored) / len(stored):.2f}"


if __name__ == "__main__":
    main()
