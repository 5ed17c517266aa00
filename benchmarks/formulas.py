"""What formulas cost, as a ratio to one bare forward pass of the same images.

    python -m benchmarks.formulas RUN.cg

In one process: a bare pass of the plain network over the run's concept images, decoded ahead; the
formulas of all its units, from files, by steps; and the bare pass again. Ratios are of CPU time.
`conceptgraph formulas` makes the same and prints them; here the run stays as it is.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.dissect import bare_pass
from benchmarks.memory import peak_of_this_process
from conceptgraph.explain.formulas import find_formulas, run_data
from conceptgraph.explain.network import open_network
from conceptgraph.graph.run.reader import open_run
from conceptgraph.ingest.engine.device import choose_device
from conceptgraph.ingest.inputs import Inputs
from conceptgraph.progress import no_advance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conceptgraph.progress import Advance


class Steps:
    """CPU seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Advance]:
        """Time a step."""
        start = time.process_time()
        yield no_advance
        self.seconds[name] = time.process_time() - start

    def note(self, text: str) -> None:
        """Leave notes aside."""


def measure(path: Path, device_name: str) -> dict[str, float]:
    """Measure all figures of a run."""
    run, device = open_run(path), choose_device(device_name)
    data, network = run_data(run), open_network(run)
    inputs = Inputs(network.network, data, run.settings, device, 2, run.manifest["input"])
    steps = Steps()
    start = time.process_time()
    formulas = find_formulas(network, data, device=device_name, progress=steps)
    whole = time.process_time() - start
    peak = peak_of_this_process()
    decoded = [pixels for _, pixels in inputs.decoded(inputs.batches())]
    bare_pass(network.network, device, decoded[:4])
    bare = (sum(bare_pass(network.network, device, decoded)[1] for _ in range(2))) / 2
    return {
        "images": float(len(data.images)),
        "units": float(len(formulas.labels)),
        "concepts": float(formulas.concepts),
        "label sets": float(formulas.sets),
        "units with a formula": float(formulas.labels["holds"].sum()),
        "bare pass, cpu": bare,
        **{f"{name}, cpu": seconds for name, seconds in steps.seconds.items()},
        **{f"ratio, {name}": seconds / bare for name, seconds in steps.seconds.items()},
        "ratio": whole / bare,
        "peak_gb": peak,
    }


def main() -> None:
    """Measure the costs and print them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path, help="a run of your own, whose concept data are there")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    figures = measure(arguments.run, arguments.device)
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:32}{value:10.3f}")


if __name__ == "__main__":
    main()
