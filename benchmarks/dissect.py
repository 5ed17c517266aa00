"""What dissection costs, as a ratio to one bare forward pass of the same images.

    python -m benchmarks.dissect --model resnet18 --weights resnet18_camvid.pth.tar --data camvid

In one process: the bare pass of the plain network (float32, NCHW memory, images decoded ahead),
then exact dissection of all blocks from files (masks and images decoded, thresholds, overlaps, top
images; without contributions, thumbnails and tables), then the bare pass again.
The ratio is to the mean of the two passes; the one of processor time minds other work on the
machine less. Peak memory is that of the dissection, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from conceptgraph.graph.run_writer import RunWriter
from conceptgraph.ingest.allocation import keep_freed_memory
from conceptgraph.ingest.concepts import open_concept_data
from conceptgraph.ingest.device import choose_device
from conceptgraph.ingest.images import batches, normalise
from conceptgraph.ingest.inputs import Inputs
from conceptgraph.ingest.networks import load_network
from conceptgraph.ingest.pipeline import Job, Source
from conceptgraph.ingest.progress import Quiet
from conceptgraph.ingest.settings import Settings
from conceptgraph.ingest.team import Team


def prepare(arguments: argparse.Namespace) -> Inputs:
    """Network and data, as an ingest opens them."""
    torch.set_num_threads(arguments.threads)
    settings = Settings(quantile=arguments.quantile, precision=arguments.precision)
    network = load_network(arguments.model, arguments.weights)
    data = open_concept_data(arguments.data)
    return Inputs(network, data, settings, choose_device(arguments.device), arguments.threads)


def bare_pass(inputs: Inputs, decoded: list[torch.Tensor]) -> tuple[float, float]:
    """Seconds, and processor seconds, of one forward pass of the plain network."""
    module = inputs.network.module.to(inputs.device)
    begun, busy = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        for pixels in decoded:
            batch = normalise(pixels.to(inputs.device), inputs.network.mean, inputs.network.std)
            module(batch.contiguous())
    if inputs.device.type == "cuda":
        torch.cuda.synchronize()
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    inputs.network.module.cpu()
    return seconds, busy


def dissection(inputs: Inputs) -> dict[str, float]:
    """Seconds of each step, and of all together."""
    source = Source(inputs.network.name, None, None, inputs.data.folder)
    begun, busy = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder, RunWriter(Path(folder) / "a.cg") as writer:
        job = Job(source, inputs, Team(), Quiet(), writer, minutes=5)
        job.dissect()
    return {
        **job.timings,
        "dissection": time.perf_counter() - begun,
        "processor": time.process_time() - busy,
    }


def peak_memory(arguments: argparse.Namespace) -> float:
    """Gigabytes: peak resident memory of a process that only dissects."""
    command = [sys.executable, "-m", "benchmarks.dissect", *sys.argv[1:], "--only-dissect"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return float(json.loads(done.stdout)["peak_gb"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--weights", default="random")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--quantile", type=float, default=0.005)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only-dissect", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    keep_freed_memory()
    inputs = prepare(arguments)
    if arguments.only_dissect:
        dissection(inputs)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(json.dumps({"peak_gb": peak}))
        return
    shape = inputs.shape
    paths = [image.path for image in inputs.images]
    decoded = list(
        batches(paths, shape["height"], shape["width"], batch_size=32, workers=arguments.threads)
    )
    bare_pass(inputs, decoded[:4])
    before = bare_pass(inputs, decoded)
    steps = dissection(inputs)
    after = bare_pass(inputs, decoded)
    bare, busy = (before[0] + after[0]) / 2, (before[1] + after[1]) / 2
    figures = {"images": float(len(paths)), "bare before": before[0], "bare after": after[0]}
    figures |= steps
    figures["ratio"] = steps["dissection"] / bare
    figures["ratio, cpu"] = steps["processor"] / busy
    figures["peak_gb"] = peak_memory(arguments)
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:20}{value:10.3f}")


if __name__ == "__main__":
    main()
