"""The time to compute all one-unit contributions of a ResNet-50: 3.45 million edges.

    python -m benchmarks.contributions

Weights are random; map sizes are those of images of 224 × 224.
"""

from __future__ import annotations

import argparse
import json
import time

import torch

from conceptgraph.ingest.contributions.one_unit import one_unit_contributions
from conceptgraph.ingest.engine.device import choose_device
from conceptgraph.ingest.engine.memory import tune_malloc
from conceptgraph.ingest.network.loading import load_network

SIZES = {"block1": (56, 56), "block2": (28, 28), "block3": (14, 14), "block4": (7, 7)}


def main() -> None:
    """Compute the contributions, and print time and edges."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--threads", type=int, default=2, help="of torch, on CPU")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tune_malloc()
    network = load_network(arguments.model, "random")
    device = choose_device(arguments.device)
    start = time.perf_counter()
    matrices = one_unit_contributions(network, SIZES, device=device, batch_size=32)
    seconds = time.perf_counter() - start
    edges = sum(matrix.weight.size for matrix in matrices if matrix.target != "class")
    name = f"contributions, {arguments.model}, {arguments.device}"
    figures = {f"{name}: seconds": seconds, f"{name}: million edges": edges / 1e6}
    print(json.dumps(figures) if arguments.json else figures)


if __name__ == "__main__":
    main()
