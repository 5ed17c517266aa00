"""Whether a network can be dissected and explained, found out before any image is read.

1. It has the blocks that are asked for.
2. Between them, each block is a function of the block before alone.
3. With all biases off, each is positively homogeneous, f(t·x) = t·f(x). Then it is piecewise affine
   in the network itself, and the decomposition of a logit is exact. Squeeze-and-excitation, GELU,
   group norm and ReLU6 are not.
4. After the last block come the mean over the grid and one linear layer, and nothing else.

A network that is unsuitable is refused, with the name of the module that is the obstacle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...errors import ModelError
from ..engine.tensors import grid_mean
from ..network.affine import affine_copy
from ..network.architecture import described
from ..network.forward import block_outputs, record_calls
from .one_unit import block_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..network.loading import Network
    from ..network.preprocessing import InputSpec
    from .one_unit import BlockStep

_SCALE = 1000.0
"""Large enough to reach the upper bound of functions such as ReLU6."""


def check_suitable(network: Network, blocks: Sequence[str], spec: InputSpec) -> None:
    """Refuse a network that cannot be dissected, or whose blocks cannot be explained.

    Args:
        network: left as it is.
        blocks: to be dissected, in the network's order.
        spec: the network's input.

    Raises:
        ModelError: naming the module that is the obstacle.
    """
    if missing := [block for block in blocks if block not in network.blocks]:
        raise ModelError(
            f"{network.name} has no {', '.join(missing)}",
            found=", ".join(f"{block} ({network.architecture.stages[block]})"
                            for block in network.blocks),
            expected="--blocks among " + ",".join(network.blocks),
        )  # fmt: skip
    module = affine_copy(network.module) if len(blocks) > 1 else network.module
    batch = torch.randn(1, *spec[:3], generator=torch.Generator().manual_seed(0))
    stages = {block: network.architecture.stage(module, block) for block in network.blocks}
    outputs = block_outputs(module, stages, batch)
    for step in block_steps(network, {block: outputs[block].shape[2:] for block in blocks}):
        _check_succession(network, step, stages, outputs)
        _check_piecewise_affine(network, step, outputs[step.source])
        step.check()
    if blocks[-1] == network.blocks[-1]:
        _check_head(network, module, batch, outputs[blocks[-1]])


def _check_succession(
    network: Network,
    step: BlockStep,
    stages: Mapping[str, nn.Module],
    outputs: Mapping[str, Tensor],
) -> None:
    """Refuse blocks that do not run one after another."""
    source = step.source
    for block in network.architecture.between(step.source, step.target):
        try:
            with torch.inference_mode():
                same = torch.allclose(
                    stages[block](outputs[source]), outputs[block], rtol=1e-3, atol=1e-4
                )
        except (RuntimeError, TypeError, ValueError):
            same = False
        if not same:
            name = network.architecture.stages[block]
            raise ModelError(
                f"{network.name}: blocks do not run one after another",
                found=f"{described(stages[block], name)} is not run on the output of "
                f"{network.architecture.stages[source]} alone",
                expected="nothing else between two blocks",
                remedy=_remedy(block),
            )
        source = block


def _check_piecewise_affine(network: Network, step: BlockStep, maps: Tensor) -> None:
    """Refuse a block with a module that is not homogeneous with all biases off."""
    if _is_homogeneous(step.stages, maps):
        return
    with record_calls(step.stages) as calls, torch.inference_mode():
        step.stages(maps)
    obstacle = next(
        ((name, module) for name, module, x, _ in calls if not _is_homogeneous(module, x)),
        ("", step.stages),
    )
    raise ModelError(
        f"{network.name} cannot be decomposed exactly: {step.full_name(*obstacle)} is not "
        "piecewise affine",
        expected="convolutions, batch norm, ReLU and pooling only, in the blocks after "
        f"{step.source}",
        remedy=_remedy(step.target),
    )


def _remedy(block: str) -> str:
    return f"To dissect a block without what comes before and after it: --blocks {block}"


@torch.inference_mode()
def _is_homogeneous(module: nn.Module, maps: Tensor) -> bool:
    once, scaled = module(maps.clone()), module(_SCALE * maps)
    if not isinstance(once, Tensor):
        return True  # what its parts do is seen in the parts
    bound = 1e-4 * float(once.abs().max())
    return torch.allclose(once, scaled / _SCALE, rtol=1e-3, atol=bound)


def _check_head(network: Network, module: nn.Module, batch: Tensor, maps: Tensor) -> None:
    """Refuse a network that does more after its last block than its head."""
    with torch.inference_mode():
        logits = module(batch)
        expected = network.architecture.head_of(module).logits(maps)
    if not isinstance(logits, Tensor):
        raise ModelError(
            f"{network.name} returns no logits",
            found=f"the type {type(logits).__name__}",
            expected="a tensor, (images, classes)",
        )
    if logits.shape == expected.shape and torch.allclose(logits, expected, rtol=1e-3, atol=1e-3):
        return
    last = network.architecture.stages[network.blocks[-1]]
    raise ModelError(
        f"{network.name} does more after its last block, {last}, than global average pooling and "
        "one linear layer",
        found=next(_obstacles(network, module, batch, maps), f"forward of {type(module).__name__}"),
        expected=f"the mean of the maps into {network.architecture.head}, and nothing else",
        remedy="Leave out the last block to dissect the others: --blocks "
        + (",".join(network.blocks[:-1]) or "…"),
    )


def _obstacles(network: Network, module: nn.Module, batch: Tensor, maps: Tensor) -> Iterator[str]:
    """Yield the modules after the last block that are not what a head consists of."""
    architecture = network.architecture
    last, head = architecture.stages[network.blocks[-1]], architecture.head
    with record_calls(module) as calls, torch.inference_mode():
        module(batch)
    mean = grid_mean(maps)
    logits = architecture.head_of(module).logits(maps)
    position = next(i for i, call in enumerate(calls) if call.name == last)
    for name, child, x, y in calls[position + 1 :]:
        if name == head and not _same(x, mean):
            yield f"{described(child, name)} is not given the mean of the maps"
        elif name and name != head and not any(_same(y, good) for good in (maps, mean, logits)):
            yield described(child, name)


def _same(x: Tensor, y: Tensor) -> bool:
    return x.numel() == y.numel() and torch.allclose(x.flatten(), y.flatten(), rtol=1e-3, atol=1e-3)
