"""All speeds that the docs state, in one table.

    python -m benchmarks --weights net.pth.tar --classes names.txt --data broden1_224 [--large]

Dissection in float32 and bfloat16 (see `benchmarks.dissect`); with `--large` also its peak memory
on 15,000 images (those of the data, repeated); contributions of a ResNet-50; on a run of the given
network: `why`, cold and warm, path search, opening the graph; start-up. Dissection and
contributions are also measured on the GPU if there is one. Each module of this folder runs in a
process of its own. Neo4j is measured by `benchmarks.neo4j`.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmarks.questions import make_parser
from benchmarks.repeated import repeat

if TYPE_CHECKING:
    import argparse

RATIOS = (
    "ratio",
    "ratio, decoded ahead",
    "ratio, whole command",
    "share of the bare pass in this precision",
    "peak_gb",
    "images a second",
)


def run(module: str, *options: str) -> dict[str, float]:
    """Run a module of this folder and return the figures that it prints."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *options, "--json"]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    print(module, figures, file=sys.stderr, flush=True)
    return figures


def dissections(arguments: argparse.Namespace, device: str) -> dict[str, float]:
    """Measure dissection on one device, in both precisions."""
    rows: dict[str, float] = {}
    options = ["--model", arguments.model, "--weights", arguments.weights, "--device", device]
    options += ["--data", str(arguments.data), "--threads", str(arguments.threads)]
    options += ["--batch-size", "256"] if device == "cuda" else []
    for precision in ("float32", "bfloat16"):
        figures = run("dissect", *options, "--precision", precision)
        rows |= {f"dissect, {device}, {precision}: {name}": figures[name] for name in RATIOS}
    return rows


def large(arguments: argparse.Namespace) -> dict[str, float]:
    """Measure the peak memory of dissecting 15,000 images."""
    options = ["--model", arguments.model, "--weights", arguments.weights, "--only-dissect"]
    options += ["--threads", str(arguments.threads)]
    with tempfile.TemporaryDirectory() as folder:
        data = repeat(arguments.data, Path(folder) / "data", 15_000)
        figures = run("dissect", *options, "--data", str(data))
    return {"dissect, cpu, 15,000 images: peak_gb": figures["peak_gb"]}


def main() -> None:
    """Measure everything and print the table."""
    parser = make_parser(__doc__)
    parser.add_argument("--threads", type=int, default=2, help="of torch, on CPU")
    parser.add_argument("--large", action="store_true", help="also dissect 15,000 images")
    arguments = parser.parse_args()
    rows: dict[str, float] = {}
    for device in ("cpu", *(("cuda",) if torch.cuda.is_available() else ())):
        rows |= dissections(arguments, device)
        rows |= run("contributions", "--device", device, "--threads", str(arguments.threads))
    if arguments.large:
        rows |= large(arguments)
    options = ["--model", arguments.model, "--weights", arguments.weights]
    options += ["--classes", str(arguments.classes), "--data", str(arguments.data)]
    rows |= run("questions", *options)
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    versions = {name: version(name) for name in ("conceptgraph", "torch", "numpy")}
    if arguments.json:
        print(json.dumps({"machine": machine, "versions": versions, "figures": rows}, indent=1))
        return
    print(machine, *(f"{name} {number}" for name, number in versions.items()), sep=", ")
    for name, value in rows.items():
        print(f"{name:80}{value:12.3f}")


if __name__ == "__main__":
    main()
