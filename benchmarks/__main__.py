"""Everything whose speed is claimed, as one table.

    python -m benchmarks --weights net.pth.tar --classes names.txt --data broden1_224 [--large]

Dissection in float32 and bfloat16 (see `benchmarks.dissect`); with `--large` its peak memory on
15,000 images (the list repeated); contributions of a ResNet-50; on a run of the given network:
`why`, cold and warm, path search, opening the graph; start-up. On the GPU too where there is one.
Each row is measured in a process of its own; Neo4j has `benchmarks.neo4j`.
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

from benchmarks.questions import parser
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


def run(module: str, *words: str) -> dict[str, float]:
    """The figures that a module of this folder prints."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *words, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(module, figures, file=sys.stderr, flush=True)
    return figures


def dissections(arguments: argparse.Namespace, device: str) -> dict[str, float]:
    """Dissection on one device."""
    rows: dict[str, float] = {}
    words = ["--model", arguments.model, "--weights", arguments.weights, "--device", device]
    words += ["--threads", str(arguments.threads)]
    words += ["--batch-size", "256"] if device == "cuda" else []
    for precision in ("float32", "bfloat16"):
        found = run("dissect", *words, "--data", str(arguments.data), "--precision", precision)
        rows |= {f"dissect, {device}, {precision}: {name}": found[name] for name in RATIOS}
    return rows


def large(arguments: argparse.Namespace) -> dict[str, float]:
    """Peak memory with 15,000 images."""
    words = ["--model", arguments.model, "--weights", arguments.weights, "--only-dissect"]
    words += ["--threads", str(arguments.threads)]
    with tempfile.TemporaryDirectory() as folder:
        data = repeat(arguments.data, Path(folder) / "data", 15_000)
        found = run("dissect", *words, "--data", str(data))
    return {"dissect, cpu, 15,000 images: peak_gb": found["peak_gb"]}


def main() -> None:
    """Measure and print."""
    found = parser(__doc__)
    found.add_argument("--threads", type=int, default=2)
    found.add_argument("--large", action="store_true", help="also 15,000 images")
    arguments = found.parse_args()
    rows: dict[str, float] = {}
    for device in ("cpu", *(("cuda",) if torch.cuda.is_available() else ())):
        rows |= dissections(arguments, device)
        rows |= run("contributions", "--device", device, "--threads", str(arguments.threads))
    if arguments.large:
        rows |= large(arguments)
    words = ("--model", arguments.model, "--weights", arguments.weights)
    rows |= run(
        "questions", *words, "--classes", str(arguments.classes), "--data", str(arguments.data)
    )
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
