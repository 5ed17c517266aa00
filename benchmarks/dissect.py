"""What dissection costs, as a ratio to one bare forward pass of the same images.

    python -m benchmarks.dissect --model resnet18 --weights resnet18_camvid.pth.tar --data camvid

In one process: the bare pass of the plain network (float32, NCHW memory, images decoded ahead),
then exact dissection of all blocks from files (masks and images decoded, thresholds, overlaps,
chance, presence probes, top images; without contributions, thumbnails and tables), the same with
images decoded ahead, then the bare pass again. The ratio is to the mean of the two passes; the one
of processor time minds other work on the machine less. Then, each in a process of its own: the
peak memory of dissection, and the whole command `conceptgraph ingest`, start-up and files included.
"""

from __future__ import annotations

import argparse
import copy
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
from conceptgraph.ingest.inputs import Inputs, Source
from conceptgraph.ingest.job import Job
from conceptgraph.ingest.network.forward import DTYPES
from conceptgraph.ingest.network.loading import load_network
from conceptgraph.progress import NoProgress
from conceptgraph.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conceptgraph.ingest.inputs import Batch
    from conceptgraph.ingest.network.loading import Network

Some = TypeVar("Some", bound=Inputs)


def prepare(arguments: argparse.Namespace, kind: type[Some]) -> Some:
    """Network and data, as an ingest opens them."""
    torch.set_num_threads(arguments.threads)
    settings = Settings(
        quantile=arguments.quantile,
        precision=arguments.precision,
        batch_size=arguments.batch_size,
    )
    network = load_network(arguments.model, arguments.weights)
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
    """Seconds, and processor seconds, of one forward pass of the plain network."""
    dtype = DTYPES[precision]
    layout = torch.contiguous_format if dtype == torch.float32 else torch.channels_last
    module = copy.deepcopy(network.module).to(device, dtype).to(memory_format=layout)
    begun, busy = time.perf_counter(), time.process_time()
    with torch.inference_mode(), full_float32():
        for pixels in decoded:
            batch = normalise(pixels.to(device), *network.architecture.input[3:])
            module(batch.to(dtype).contiguous(memory_format=layout))
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun, time.process_time() - busy


def dissection(inputs: Inputs) -> dict[str, float]:
    """Seconds of each step, and of all together."""
    source = Source(inputs.network.name, None, None, inputs.data.folder)
    begun, busy = time.perf_counter(), time.process_time()
    with (
        tempfile.TemporaryDirectory() as folder,
        RunWriter(Path(folder) / "a.cg") as writer,
        full_float32(),
    ):
        job = Job(source, inputs, ProcessGroup(), NoProgress(), writer, minutes=5)
        job.dissect()
    return {
        **job.timings,
        "dissection": time.perf_counter() - begun,
        "processor": time.process_time() - busy,
    }


class Decoded(Inputs):
    """Inputs whose images are decoded."""

    ahead: dict[int, torch.Tensor]

    def decoded(self, wanted: Sequence[Batch]) -> Iterator[tuple[Batch, torch.Tensor]]:
        """No work is left."""
        return ((batch, self.ahead[batch.number]) for batch in wanted)


def peak_memory(arguments: argparse.Namespace) -> float:
    """Gigabytes: peak resident memory of a process that only dissects."""
    command = [sys.executable, "-m", "benchmarks.dissect", *words(arguments), "--only-dissect"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return float(json.loads(done.stdout)["peak_gb"])


def whole_command(arguments: argparse.Namespace) -> float:
    """Seconds of `conceptgraph ingest`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "conceptgraph.cli", "ingest", "--out", f"{folder}/a.cg"]
        chosen = vars(arguments)
        for name in ("model", "weights", "data", "quantile", "precision", "device", "batch_size"):
            command += [f"--{name.replace('_', '-')}", str(chosen[name])]
        begun = time.perf_counter()
        env = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
        subprocess.run(command, capture_output=True, check=True, env=env)
        return time.perf_counter() - begun


def words(arguments: argparse.Namespace) -> list[str]:
    """The arguments as they are given."""
    names = ("model", "weights", "data", "quantile", "precision", "threads", "device", "batch_size")
    return [
        word
        for name in names
        for word in (f"--{name.replace('_', '-')}", str(getattr(arguments, name)))
    ]


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """All figures."""
    inputs = prepare(arguments, Decoded)
    inputs.ahead = {
        batch.number: pixels for batch, pixels in Inputs.decoded(inputs, inputs.batches())
    }
    decoded = list(inputs.ahead.values())
    network, device = inputs.network, inputs.device
    bare_pass(network, device, decoded[:4], arguments.precision)
    same = bare_pass(network, device, decoded, arguments.precision)[0]
    bare_pass(network, device, decoded[:4])
    before = bare_pass(network, device, decoded)
    steps = dissection(prepare(arguments, Inputs))
    ahead = dissection(inputs)["dissection"]
    after = bare_pass(network, device, decoded)
    bare, busy = (before[0] + after[0]) / 2, (before[1] + after[1]) / 2
    whole = whole_command(arguments)
    return {
        "images": float(len(inputs.images)),
        "bare before": before[0],
        "bare after": after[0],
        **steps,
        "share of the bare pass in this precision": same / ahead,
        "images a second": len(inputs.images) / steps["dissection"],
        "ratio": steps["dissection"] / bare,
        "ratio, decoded ahead": ahead / bare,
        "ratio, cpu": steps["processor"] / busy,
        "whole command": whole,
        "ratio, whole command": whole / bare,
        "peak_gb": peak_memory(arguments),
    }


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    found = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    found.add_argument("--model", default="resnet18")
    found.add_argument("--weights", default="random")
    found.add_argument("--data", type=Path, required=True)
    found.add_argument("--quantile", type=float, default=0.005)
    found.add_argument("--precision", default="float32")
    found.add_argument("--threads", type=int, default=2)
    found.add_argument("--batch-size", type=int, default=32)
    found.add_argument("--device", default="cpu")
    found.add_argument("--json", action="store_true")
    found.add_argument("--only-dissect", action="store_true", help=argparse.SUPPRESS)
    return found


def main() -> None:
    """Measure and print."""
    arguments = parser().parse_args()
    tune_malloc()
    if arguments.only_dissect:
        dissection(prepare(arguments, Inputs))
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
