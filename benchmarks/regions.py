"""The time to explain an image by its regions, as a multiple of one forward pass.

    python -m benchmarks.regions --data DATA --models resnet18,resnet50

Weights are random, pictures 224 × 224. Each network is ingested first (not timed). Explained are
the first pictures of the data in which four things are painted over, warm: regions of all blocks,
flows between the last two, things, painting, the fewest that change the answer.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmarks.questions import median_time
from conceptgraph import Settings, ingest
from conceptgraph.explain.counterfactuals import logits_of
from conceptgraph.explain.explain import explain_pixels
from conceptgraph.explain.image_regions import PAINTED
from conceptgraph.explain.network import open_network
from conceptgraph.ingest.concept_data.opening import open_concept_data

if TYPE_CHECKING:
    from conceptgraph.explain.network import RunNetwork

PICTURES = 3


def figures_of(network: RunNetwork, data: Path) -> dict[str, float]:
    """Measure explanations and forward passes of the same pictures, in turns."""
    seconds, ratios = [], []
    for image in open_concept_data(data).images:
        pixels = network.load_photograph(image.path).pixels
        things = explain_pixels(network, pixels).things
        if sum(thing.counterfactual is not None for thing in things) < PAINTED:
            continue
        forward = median_time(partial(logits_of, network, [pixels]))
        explained = median_time(partial(explain_pixels, network, pixels))
        seconds.append(explained)
        ratios.append(explained / forward)
        if len(ratios) == PICTURES:
            break
    return {"forward passes": sum(ratios) / len(ratios), "seconds": sum(seconds) / len(seconds)}


def main() -> None:
    """Ingest each network, measure it and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="concept data, Broden layout")
    parser.add_argument("--models", default="resnet18,resnet50")
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    figures: dict[str, float] = {}
    for model in arguments.models.split(","):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "a.cg"
            run = ingest(model, arguments.data, out, Settings(), weights="random", device="cpu")
            measured = figures_of(open_network(run), arguments.data)
        figures |= {f"regions, {model}: {name}": value for name, value in measured.items()}
    print(json.dumps(figures) if arguments.json else figures)


if __name__ == "__main__":
    main()
