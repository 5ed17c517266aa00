"""One-unit contributions of a block's units to those of the next block, and to the classes.

The paper's measure, which needs no image: one unit is 1 on its whole map, every other unit 0, and
every bias is off; then the next block's units are read as the mean over their map.

1. Copy the network with batch norm as a pure scale and no bias anywhere (`without_biases`). Beta
   alone would not do: the running mean is a shift too, and would drown the single unit.
2. Put a recorder in place of the target block's last ReLU, to read what enters it (`pre`) as well
   as what leaves it (`weight`): ReLU hides inhibition, and `pre` shows it.
3. Check on one unit that the copy is positively homogeneous, so that "set to 1" has no scale.
4. Run the units in batches.
5. From the last block to the classes the result is the final layer's weight matrix itself.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...errors import ModelError
from ..engine.process_group import ProcessGroup
from ..engine.tensors import grid_mean
from ..engine.workers import WorkerPool
from ..network.affine import without_biases

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from ..network.loading import Network


@dataclass(frozen=True)
class Contribution:
    """What each unit of `source` does to each of `target`, both (sources, targets), float32.

    `weight` is read after the target's last ReLU (so never negative), `pre` before it (signed).
    `target` is a block, or "class" with the final layer's weights, transposed, in both.
    """

    source: str
    target: str
    weight: NDArray[np.float32]
    pre: NDArray[np.float32]


def contributions(
    network: Network,
    sizes: Mapping[str, tuple[int, int]],
    *,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    team: ProcessGroup | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Contribution]:
    """The contributions between neighbouring blocks of `sizes`, and from the last one to classes.

    Args:
        network: left as it is.
        sizes: blocks in the network's order, each with its output's (height, width). Blocks that
            lie between two of them are run through.
        batch_size: units at a time; it bounds memory and does not change the result's meaning.
        device: where to compute.
        team: processes that share the work, each every so-many-th batch.
        progress: called with the number of units done, after each batch.

    Raises:
        ModelError: unknown blocks or another order; a block whose last step is not a ReLU called
            `relu`; layers that are not positively homogeneous.
    """
    blocks = _in_order(network, sizes)
    found = []
    for source, target in pairwise(blocks):
        between = network.architecture.between(source, target)
        stages = nn.Sequential(*(network.stage(block) for block in between))
        step = _Step(stages, target, torch.device(device))
        weight, pre = step.measure(sizes[source], batch_size, team or ProcessGroup(), progress)
        found.append(Contribution(source, target, weight, pre))
    if blocks and blocks[-1] == network.blocks[-1]:
        weight = network.head.weight.float().cpu().T.contiguous().numpy()
        found.append(Contribution(blocks[-1], "class", weight, weight))
    return found


def _in_order(network: Network, sizes: Mapping[str, tuple[int, int]]) -> list[str]:
    for block in sizes:
        network.stage(block)  # raises for a block that the network does not have
    blocks = list(sizes)
    if blocks != [block for block in network.blocks if block in sizes]:
        raise ModelError(
            "blocks out of order", found=", ".join(blocks), expected=", ".join(network.blocks)
        )
    return blocks


class _Recorder(nn.Module):
    """A ReLU that keeps what last entered it; a bottleneck calls its one ReLU three times.

    What entered it lies in `here.entered`, for each thread its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.here = threading.local()

    def forward(self, x: Tensor) -> Tensor:
        self.here.entered = x
        return torch.relu(x)


class _Step:
    """The stages from one block's output to the next block's, homogeneous and recorded."""

    def __init__(self, stages: nn.Sequential, target: str, device: torch.device) -> None:
        self.target = target
        self.device = device
        self.stages = without_biases(stages).to(device)
        self.recorder = _Recorder()
        _last_block(self.stages, target).relu = self.recorder
        self.sources = _input_channels(self.stages, target)

    def measure(
        self,
        size: tuple[int, int],
        batch_size: int,
        team: ProcessGroup,
        progress: Callable[[int], None] | None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """`weight` and `pre`, each (sources, targets), for source maps of `size`."""
        targets = self._check_homogeneous(size)
        both = torch.zeros(2, self.sources, targets)
        starts = range(0, self.sources, batch_size)[team.rank :: team.world_size]

        def look(start: int) -> tuple[slice, Tensor]:
            units = slice(start, min(start + batch_size, self.sources))
            found = self._run(self._maps(start, units.stop - start, size))
            return units, torch.stack([grid_mean(maps) for maps in found]).cpu()

        for units, found in WorkerPool(self.device).map(look, starts):
            both[:, units] = found
            if progress is not None:
                progress(units.stop - units.start)
        weight, pre = team.all_reduce(both) + 0.0  # no −0, which a sum over members would not keep
        return weight.numpy(), pre.numpy()

    def _maps(self, start: int, count: int, size: tuple[int, int]) -> Tensor:
        """(count, sources, height, width): in the i-th, unit start + i is 1 and all others 0."""
        maps = torch.zeros(count, self.sources, *size, device=self.device)
        rows = torch.arange(count, device=self.device)
        maps[rows, rows + start] = 1
        return maps.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def _run(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """The target's output and what entered its last ReLU."""
        self.recorder.here.entered = None
        after: Tensor = self.stages(maps)
        before = self.recorder.here.entered
        if before is None or not torch.equal(torch.relu(before), after):
            raise ModelError(
                f"the output of {self.target} is not what its last residual block's `relu` gives",
                expected="a block that ends in `return self.relu(…)`",
            )
        return after, before

    def _check_homogeneous(self, size: tuple[int, int]) -> int:
        """The number of targets."""
        maps = self._maps(0, 1, size)
        once = self._run(maps)[0]
        twice = self._run(2 * maps)[0]
        if not torch.allclose(2 * once, twice, rtol=1e-4, atol=1e-6):
            raise ModelError(
                f"the way to {self.target} is not homogeneous with all biases off",
                expected="convolutions, batch norm, ReLU and pooling only",
            )
        return once.shape[1]


def _last_block(stages: nn.Module, target: str) -> nn.Module:
    """The last residual block of the last stage: the stage itself, or its last child."""
    stage = list(stages.children())[-1]
    for candidate in (stage, *list(stage.children())[-1:]):
        if hasattr(candidate, "relu"):
            return candidate
    raise ModelError(
        f"the last residual block of {target} has no child called `relu`",
        expected="a block that ends in `return self.relu(…)`",
    )


def _input_channels(stages: nn.Module, target: str) -> int:
    for module in stages.modules():
        if isinstance(module, nn.Conv2d):
            return module.in_channels
    raise ModelError(f"{target} has no convolution")
