"""What dissection costs, as a ratio to one bare forward pass of the same images.

    python -m benchmarks.dissect --model resnet18 --weights resnet18_camvid.pth.tar --data camvid

In one process: a bare pass of the plain network (float32, NCHW memory, images decoded ahead); exact
dissection of all blocks from files (images and label maps decoded, thresholds, overlaps,
permutation null, presence probes, top images; without contributions, thumbnails and tables); the
same with images decoded ahead; and the bare pass again. Ratios are to the mean of both bare passes.
That of CPU time depends less on other work of the machine. Then, in processes of their own: the
peak memory of dissection, and the whole command `conceptgraph ingest`, with start-up and files.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch

from benchmarks.memory import peak_of_this_process
from conceptgraph.graph.run.writer import RunWriter
from conceptgraph.ingest.concept_data.images import normalise
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.engine.device import choose_device, full_float32
from conceptgraph.ingest.engine.memory import tune_malloc
from conceptgraph.ingest.engine.process_group import ProcessGroup
from conceptgraph.ingest.engine.workers import default_workers
from conceptgraph.ingest.inputs import Inputs
from conceptgraph.ingest.network.forward import DTYPES
from conceptgraph.ingest.network.loading import load_network
from conceptgraph.ingest.pipeline import Job, dissect
from conceptgraph.progress import NoProgress
from conceptgraph.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conceptgraph.ingest.inputs import Batch
    from conceptgraph.ingest.network.loading import Network

InputsT = TypeVar("InputsT", bound=Inputs)


def open_inputs(arguments: argparse.Namespace, kind: type[InputsT]) -> InputsT:
    """Open network and data as an ingest does."""
    torch.set_num_threads(arguments.threads)
    settings = Settings(
        quantile=arguments.quantile,
        precision=arguments.precision,
        batch_size=arguments.batch_size,
    )
    network = load_network(arguments.model, arguments.weights)
    settings = dataclasses.replace(settings, blocks=network.blocks)
    data = open_concept_data(arguments.data)
    device = choose_device(arguments.device)
    workers = arguments.threads if device.type == "cpu" else default_workers()
    return kind(network, data, settings, device, workers)


def bare_pass(
    network: Network,
    device: torch.device,
    decoded: list[torch.Tensor],
    precision: str = "float32",
) -> tuple[float, float]:
    """Time one forward pass of the plain network; wall-clock seconds and CPU seconds."""
    dtype = DTYPES[precision]
    layout = torch.contiguous_format if dtype == torch.float32 else torch.channels_last
    spec = network.architecture.input
    module = copy.deepcopy(network.module).to(device, dtype).to(memory_format=layout)
    start, cpu_start = time.perf_counter(), time.process_time()
    with torch.inference_mode(), full_float32():
        for pixels in decoded:
            batch = normalise(pixels.to(device), spec.mean, spec.std)
            module(batch.to(dtype).contiguous(memory_format=layout))
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start, time.process_time() - cpu_start


def dissection(inputs: Inputs) -> dict[str, float]:
    """Time the steps of dissection, and all of it; seconds."""
    start, cpu_start = time.perf_counter(), time.process_time()
    with (
        tempfile.TemporaryDirectory() as folder,
        RunWriter(Path(folder) / "a.cg") as writer,
        full_float32(),
    ):
        job = Job(inputs, ProcessGroup(), writer, minutes=5, progress=NoProgress())
        dissect(job)
    return {
        **job.timings,
        "dissection": time.perf_counter() - start,
        "dissection, cpu": time.process_time() - cpu_start,
    }


class DecodedInputs(Inputs):
    """Inputs whose images have been decoded ahead."""

    pixels: dict[int, torch.Tensor]

    def decoded(self, wanted: Sequence[Batch]) -> Iterator[tuple[Batch, torch.Tensor]]:
        """Yield batches with their decoded images."""
        return ((batch, self.pixels[batch.number]) for batch in wanted)


def peak_memory(arguments: argparse.Namespace) -> float:
    """Measure the peak resident memory of a process that only dissects; GB."""
    options = command_line(arguments, "quantile", "precision", "threads", "device", "batch_size")
    command = [sys.executable, "-m", "benchmarks.dissect", *options, "--only-dissect"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return float(json.loads(result.stdout)["peak_gb"])


def whole_command(arguments: argparse.Namespace) -> float:
    """Time `conceptgraph ingest`; seconds."""
    options = command_line(arguments, "quantile", "precision", "device", "batch_size")
    env = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "conceptgraph.cli", "ingest", "--out", f"{folder}/a.cg"]
        start = time.perf_counter()
        subprocess.run([*command, *options], capture_output=True, check=True, env=env)
        return time.perf_counter() - start


def command_line(arguments: argparse.Namespace, *names: str) -> list[str]:
    """Return the options that were given for network and data, and further ones by name."""
    return [
        word
        for name in ("model", "weights", "data", *names)
        for word in (f"--{name.replace('_', '-')}", str(getattr(arguments, name)))
    ]


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """Measure all figures."""
    inputs = open_inputs(arguments, DecodedInputs)
    inputs.pixels = {
        batch.number: pixels for batch, pixels in Inputs.decoded(inputs, inputs.batches())
    }
    decoded = list(inputs.pixels.values())
    network, device = inputs.network, inputs.device
    bare_pass(network, device, decoded[:4], arguments.precision)
    in_precision = bare_pass(network, device, decoded, arguments.precision)[0]
    bare_pass(network, device, decoded[:4])
    before = bare_pass(network, device, decoded)
    steps = dissection(open_inputs(arguments, Inputs))
    decoded_ahead = dissection(inputs)["dissection"]
    after = bare_pass(network, device, decoded)
    bare, bare_cpu = (before[0] + after[0]) / 2, (before[1] + after[1]) / 2
    whole = whole_command(arguments)
    return {
        "images": float(len(inputs.images)),
        "bare before": before[0],
        "bare after": after[0],
        **steps,
        "share of the bare pass in this precision": in_precision / decoded_ahead,
        "images a second": len(inputs.images) / steps["dissection"],
        "ratio": steps["dissection"] / bare,
        "ratio, decoded ahead": decoded_ahead / bare,
        "ratio, cpu": steps["dissection, cpu"] / bare_cpu,
        "whole command": whole,
        "ratio, whole command": whole / bare,
        "peak_gb": peak_memory(arguments),
    }


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--weights", default="random", help="checkpoint; random if omitted")
    parser.add_argument("--data", type=Path, required=True, help="concept data, Broden layout")
    parser.add_argument("--quantile", type=float, default=0.005)
    parser.add_argument("--precision", default="float32", help="float32 or bfloat16")
    parser.add_argument("--threads", type=int, default=2, help="of torch, on CPU")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--only-dissect", action="store_true", help=argparse.SUPPRESS)
    return parser


def main() -> None:
    """Measure the costs and print them."""
    arguments = make_parser().parse_args()
    tune_malloc()
    if arguments.only_dissect:
        dissection(open_inputs(arguments, Inputs))
        print(json.dumps({"peak_gb": peak_of_this_process()}))
        return
    figures = measure(arguments)
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:24}{value:10.3f}")


if __name__ == "__main__":
    main()
