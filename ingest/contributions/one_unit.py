"""One-unit contributions of a block's units to those of the next block, and to the classes.

The paper's measure, which needs no image: one unit is 1 on its whole map, every other unit 0, and
every bias is off; then the next block's units are read as the mean over their map, and the classes
as the logits of the head.

1. Copy the network with batch norm as a pure scale and no bias anywhere (`without_biases`). Beta
   alone is not enough: the running mean is a bias too, and would drown the single unit.
2. Take the part between the blocks, or after the last one, out of it (`Segment`).
3. Where it has gates, norms or attention, take their values on a few images as constants: without
   images they have none. Smooth activations become ReLU (`LinearisedFunctions`).
4. Check on one unit that it is positively homogeneous, so that "set to 1" has no scale.
5. Run the units in batches. If a block ends in an activation, what enters it is read too (`pre`):
   ReLU hides inhibition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...errors import ModelError
from ..engine.process_group import ProcessGroup
from ..engine.tensors import channels_last, grid_mean
from ..engine.workers import WorkerPool
from ..network.affine import affine_copy, without_biases
from ..network.forward import block_outputs
from ..network.linearised import LinearisedFunctions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ...progress import Advance
    from ..network.loading import Network
    from ..network.preprocessing import InputSpec
    from ..network.segments import Segment

IMAGES = 8
"""Images on which gates, norms and attention have their values."""


@dataclass(frozen=True)
class Contribution:
    """What each unit of `source` does to each of `target`, both (sources, targets), float32.

    `weight` is read after the target's last activation (with ReLU never negative), `pre` before it
    (signed); both are the same where the target ends in no activation. `target` is a block, or
    "class", whose logits are in both.
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
    images: Tensor | None = None,
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
        images: the network's input, (images, channels, height, width), on which gates, norms and
            attention have their mean values; random ones if None.
        group: ranks that share the work, each every so-many-th batch.
        advance: told the number of units done, after each batch.

    Raises:
        ModelError: unknown blocks or another order; layers that are not positively homogeneous.
    """
    contributions = []
    for step in block_steps(network, grids, torch.device(device), images):
        weight, pre = step.measure(batch_size, group or ProcessGroup(), advance)
        contributions.append(Contribution(step.source, step.target or "class", weight, pre))
    return contributions


def block_steps(
    network: Network,
    grids: Mapping[str, tuple[int, ...]],
    device: torch.device | None = None,
    images: Tensor | None = None,
) -> Iterator[BlockStep]:
    """Yield the steps between neighbouring blocks, and from the last one to the classes.

    Each is ready to be measured. Arguments as above.

    Raises:
        ModelError: unknown blocks or another order.
    """
    steps = network.steps(_check_order(network, grids))
    if not steps:
        return
    device = device or torch.device("cpu")
    architecture, affine = network.architecture, affine_copy(network.module)
    unbiased = without_biases(network.module)
    images = random_images(architecture.input) if images is None else images
    stages = {block: architecture.stage(affine, block) for block in grids}
    maps = block_outputs(affine, stages, images.float().cpu())
    for source, target in steps:
        functions = LinearisedFunctions()
        with torch.no_grad():
            architecture.segment(affine, source, target).run(maps[source], functions)
        constants = [constant.mean(0, keepdim=True) for constant in functions.constants]
        segment = architecture.segment(unbiased, source, target)
        units = maps[source].shape[1], *grids[source]
        yield BlockStep(segment, source, target, units, constants, device)


def random_images(spec: InputSpec) -> Tensor:
    """Return noise as a network's input, two images or one clip, always the same."""
    generator = torch.Generator().manual_seed(0)
    count = 2 if spec.frames is None else 1  # a clip takes as much memory as many images
    return torch.randn(count, *spec.image_shape, generator=generator)


def _check_order(network: Network, grids: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    for block in grids:
        network.stage(block)  # raises for a block that the network does not have
    blocks = tuple(grids)
    if blocks != tuple(block for block in network.blocks if block in grids):
        raise ModelError(
            "blocks out of order", found=", ".join(blocks), expected=", ".join(network.blocks)
        )
    return blocks


class BlockStep:
    """What runs from one block's output to the next block's, or to the logits, homogeneous.

    Attributes:
        source: the block whose units are run.
        target: the block that is read; None for the classes.
        segment: what runs after the source, with all biases off.
        sources: units of the source.
        constants: of gates, norms and attention, each (1, …), the mean over images.
    """

    def __init__(
        self,
        segment: Segment,
        source: str,
        target: str | None,
        units: tuple[int, ...],
        constants: Sequence[Tensor],
        device: torch.device,
    ) -> None:
        """Take a segment.

        Args:
            segment: all biases off; it is the step's own.
            source: a block.
            target: a later block, or None.
            units: of the source, and the grid of their maps.
            constants: of gates, norms and attention.
            device: where to compute.
        """
        self.source, self.target, self.device = source, target, device
        self.sources, *self._grid = units
        self.constants = [constant.to(device) for constant in constants]
        self.segment = segment.to(device)

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
            return units, torch.stack([_mean(after), _mean(before)]).cpu()

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
        return maps.contiguous(memory_format=channels_last(maps.ndim))

    @torch.inference_mode()
    def _run(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the target's output, and what entered its last activation or the same again."""
        functions = LinearisedFunctions(self.constants)
        after = self.segment.run(maps, functions)
        if functions.before_activation is not None:
            before, activated = functions.before_activation
            if activated.shape == after.shape and torch.equal(activated, after):
                return after, before
        return after, after

    def check(self) -> int:
        """Return the number of targets, once the step is seen to be homogeneous.

        Raises:
            ModelError: it is not.
        """
        maps = self._maps(0, 1)
        once = self._run(maps)[0]
        twice = self._run(2 * maps)[0]
        if not torch.allclose(2 * once, twice, rtol=1e-4, atol=1e-6):
            raise ModelError(
                f"the way to {self.target or 'the classes'} is not homogeneous with all biases off",
                expected="convolutions, norms, activations, gates, pooling and linear layers",
            )
        return once.shape[1]


def _mean(values: Tensor) -> Tensor:
    """Return means over the grid of maps, (images, units); logits as they are."""
    return values if values.ndim == 2 else grid_mean(values)
