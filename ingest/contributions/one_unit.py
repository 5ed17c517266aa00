"""One-unit contributions of a block's units to those of the next block, and to the classes.

The paper's measure, which needs no image: one unit is 1 on its whole map, every other unit 0, and
every bias is off; then the next block's units are read as the mean over their map.

1. Copy the network with batch norm as a pure scale and no bias anywhere (`without_biases`). Beta
   alone is not enough: the running mean is a bias too, and would drown the single unit.
2. Put a recorder in place of the target block's last ReLU, to read what enters it (`pre`) as well
   as what leaves it (`weight`): ReLU hides inhibition, and `pre` shows it.
3. Check on one unit that the copy is positively homogeneous, so that "set to 1" has no scale.
4. Run the units in batches.
5. From the last block to the classes the result is the head's weight matrix itself.
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
from ..network.architecture import described

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from ...progress import Advance
    from ..network.loading import Network


@dataclass(frozen=True)
class Contribution:
    """What each unit of `source` does to each of `target`, both (sources, targets), float32.

    `weight` is read after the target's last ReLU (so never negative), `pre` before it (signed).
    `target` is a block, or "class" with the head's weights, transposed, in both.
    """

    source: str
    target: str
    weight: NDArray[np.float32]
    pre: NDArray[np.float32]


def one_unit_contributions(
    network: Network,
    grids: Mapping[str, tuple[int, ...]],
    *,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    group: ProcessGroup | None = None,
    advance: Advance | None = None,
) -> list[Contribution]:
    """Compute the contributions between neighbouring blocks, and from the last one to the classes.

    Args:
        network: left as it is.
        grids: blocks in the network's order, each with the shape of its maps' grid. Blocks that lie
            between two of them are run through.
        batch_size: units at a time; it bounds memory and does not change the result's meaning.
        device: where to compute.
        group: ranks that share the work, each every so-many-th batch.
        advance: told the number of units done, after each batch.

    Raises:
        ModelError: unknown blocks or another order; a block whose last step is not a ReLU called
            `relu`; layers that are not positively homogeneous.
    """
    contributions = []
    for step in block_steps(network, grids, torch.device(device)):
        weight, pre = step.measure(batch_size, group or ProcessGroup(), advance)
        contributions.append(Contribution(step.source, step.target, weight, pre))
    blocks = list(grids)
    if blocks and blocks[-1] == network.blocks[-1]:
        weight = network.head.weight.float().cpu().T.contiguous().numpy()
        contributions.append(Contribution(blocks[-1], "class", weight, weight))
    return contributions


def block_steps(
    network: Network, grids: Mapping[str, tuple[int, ...]], device: torch.device | None = None
) -> Iterator[BlockStep]:
    """Yield the steps between neighbouring blocks, ready to be measured; arguments as above.

    Raises:
        ModelError: unknown blocks or another order, or a block without a last `relu`.
    """
    for source, target in pairwise(_check_order(network, grids)):
        yield BlockStep(network, source, target, grids[source], device or torch.device("cpu"))


def _check_order(network: Network, grids: Mapping[str, tuple[int, ...]]) -> list[str]:
    for block in grids:
        network.stage(block)  # raises for a block that the network does not have
    blocks = list(grids)
    if blocks != [block for block in network.blocks if block in grids]:
        raise ModelError(
            "blocks out of order", found=", ".join(blocks), expected=", ".join(network.blocks)
        )
    return blocks


class _Recorder(nn.Module):
    """A ReLU that stores what last entered it; a bottleneck calls its one ReLU three times.

    What entered it lies in `local.entered`, for each thread its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.local = threading.local()

    def forward(self, x: Tensor) -> Tensor:
        self.local.entered = x
        return torch.relu(x)


class BlockStep:
    """The stages from one block's output to the next block's, homogeneous and recorded.

    Attributes:
        source: the block whose units are run.
        target: the block that is read.
        stages: copies of the stages after `source`, up to `target`, with all biases off.
    """

    def __init__(
        self,
        network: Network,
        source: str,
        target: str,
        grid: tuple[int, ...],
        device: torch.device,
    ) -> None:
        """Copy the stages.

        Args:
            network: left as it is.
            source: a block.
            target: a later block.
            grid: of the source's maps.
            device: where to compute.

        Raises:
            ModelError: the target does not end in a child `relu`.
        """
        between = network.architecture.between(source, target)
        self.source, self.target, self.device = source, target, device
        self._names = [network.architecture.stages[block] for block in between]
        self._grid = grid
        stages = nn.Sequential(*(network.stage(block) for block in between))
        self.stages = without_biases(stages).to(device)
        self.recorder = _Recorder()
        self._last_block().relu = self.recorder
        self.sources = _input_channels(self.stages, target)

    def full_name(self, name: str, module: nn.Module) -> str:
        """Return the dotted name in the network, and the class, of a module of `stages`."""
        number, _, rest = name.partition(".")
        stage = self._names[int(number or 0)]
        return described(module, f"{stage}.{rest}" if rest else stage)

    def _last_block(self) -> nn.Module:
        """Return the last residual block of the last stage: the stage itself, or its last child."""
        name, stage = list(self.stages.named_children())[-1]
        candidates = [(name, stage)]
        candidates += [(f"{name}.{child}", part) for child, part in stage.named_children()][-1:]
        for _, candidate in candidates:
            if hasattr(candidate, "relu"):
                return candidate
        raise ModelError(
            f"the last residual block of {self.target} has no child called `relu`",
            found=self.full_name(*candidates[-1]),
            expected="a block that ends in `return self.relu(…)`",
        )

    def measure(
        self,
        batch_size: int,
        group: ProcessGroup,
        advance: Advance | None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return `weight` and `pre`, each (sources, targets)."""
        targets = self.check()
        both = torch.zeros(2, self.sources, targets)
        starts = range(0, self.sources, batch_size)[group.rank :: group.world_size]

        def run_units(start: int) -> tuple[slice, Tensor]:
            units = slice(start, min(start + batch_size, self.sources))
            after, before = self._run(self._maps(start, units.stop - start))
            return units, torch.stack([grid_mean(after), grid_mean(before)]).cpu()

        for units, means in WorkerPool(self.device).map(run_units, starts):
            both[:, units] = means
            if advance is not None:
                advance(units.stop - units.start)
        weight, pre = group.all_reduce(both) + 0.0  # no −0, which a sum over ranks would not keep
        return weight.numpy(), pre.numpy()

    def _maps(self, start: int, count: int) -> Tensor:
        """Return (count, sources, *grid): in the i-th, unit start + i is 1 and all others 0."""
        maps = torch.zeros(count, self.sources, *self._grid, device=self.device)
        rows = torch.arange(count, device=self.device)
        maps[rows, rows + start] = 1
        channels_last = torch.channels_last if len(self._grid) == 2 else torch.channels_last_3d
        return maps.contiguous(memory_format=channels_last)

    @torch.inference_mode()
    def _run(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the target's output and what entered its last ReLU."""
        self.recorder.local.entered = None
        after: Tensor = self.stages(maps)
        before = self.recorder.local.entered
        if before is None or not torch.equal(torch.relu(before), after):
            raise ModelError(
                f"the output of {self.target} is not what its last residual block's `relu` gives",
                found=self._names[-1],
                expected="a block that ends in `return self.relu(…)`",
            )
        return after, before

    def check(self) -> int:
        """Return the number of targets, once the copy is seen to be homogeneous.

        Raises:
            ModelError: it is not, or the target does not end in its `relu`.
        """
        maps = self._maps(0, 1)
        once = self._run(maps)[0]
        twice = self._run(2 * maps)[0]
        if not torch.allclose(2 * once, twice, rtol=1e-4, atol=1e-6):
            raise ModelError(
                f"the way to {self.target} is not homogeneous with all biases off",
                expected="convolutions, batch norm, ReLU and pooling only",
            )
        return once.shape[1]


def _input_channels(stages: nn.Module, target: str) -> int:
    for module in stages.modules():
        if isinstance(module, nn.Conv2d):
            return module.in_channels
    raise ModelError(f"{target} has no convolution")
