"""Whether a network can be dissected and explained, found out before any image is read.

1. It has the blocks that are asked for, and their outputs are maps that nothing changes afterwards.
2. A copy with affine batch norms computes what it computes.
3. Each block, and the logits, are a function of the block before alone.
4. At an image each is an affine map of that block: what the gradients of maps and biases add up to.
   Gates, norms, attention and smooth activations are linearised for that
   (`network.linearised`), and it is said that they are.
5. With all biases off, each is positively homogeneous, so that one unit at a time can be run.

A network that is unsuitable is refused, with the name of the module that is the obstacle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...errors import ModelError
from ..network.affine import affine_copy, bias_terms
from ..network.architecture import described, first_convolution
from ..network.forward import block_outputs, check_finite, record_calls, running
from ..network.linearised import LinearisedFunctions
from ..network.segments import Segment
from .one_unit import block_steps, random_images

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..network.loading import Network
    from ..network.preprocessing import InputSpec


def check_suitable(network: Network, blocks: Sequence[str], spec: InputSpec) -> tuple[str, ...]:
    """Refuse a network that cannot be dissected, or whose blocks cannot be explained.

    Args:
        network: left as it is.
        blocks: to be dissected, in the network's order.
        spec: the network's input.

    Returns:
        Names of the functions that are linearised after the first block, such as "sigmoid"; none
        for a network whose decomposition is exact.

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
    with running(network.module):
        return _check(network, blocks, random_images(spec))


def _check(network: Network, blocks: Sequence[str], batch: Tensor) -> tuple[str, ...]:
    """Check a network on random images."""
    module = affine_copy(network.module)
    outputs = _check_outputs(network, module, blocks, batch)
    names: dict[str, None] = {}
    for source, target in network.steps(blocks):
        segment = network.architecture.segment(module, source, target)
        _check_succession(network, segment, source, target, outputs)
        names |= _check_affine(network, segment, source, target, outputs[source])
    grids = {block: tuple(outputs[block].shape[2:]) for block in blocks}
    for step in block_steps(network, grids, images=batch):
        step.check()
    return tuple(names)


def _check_outputs(
    network: Network, module: nn.Module, blocks: Sequence[str], batch: Tensor
) -> dict[str, Tensor]:
    """Return the outputs of an affine copy, "" for the logits, if they are the network's."""
    architecture = network.architecture
    wanted = {block: architecture.stage(network.module, block) for block in blocks}
    with record_calls(network.module) as calls:
        expected = _plain_outputs(network, wanted, batch)
    for block, maps in expected.items():
        check_finite(block, maps)
    by_name = {call.name: call.y for call in calls}
    names = {block: architecture.stages[block] for block in blocks}
    for block, name in names.items():
        if name in by_name and not _close(by_name[name], expected[block]):
            raise ModelError(
                f"the output of {block} is changed in place after it was computed",
                found=described(architecture.stage(network.module, block), name),
                expected="no in-place function on the output of a block",
            )
    stages = {block: architecture.stage(module, block) for block in blocks}
    outputs = block_outputs(module, stages, batch)
    for block, maps in expected.items():
        if not _close(maps, outputs[block]):
            raise ModelError(
                f"{network.name} cannot be copied with affine batch norms",
                found=f"another output of {block}",
                expected="batch norms that compute what torch's do in eval mode",
            )
    if (blocks[-1], None) in network.steps(blocks):
        with torch.no_grad():
            outputs[""] = _whole_logits(network, module, batch)
        check_finite("the head", outputs[""])
    return outputs


def _plain_outputs(
    network: Network, stages: Mapping[str, nn.Module], batch: Tensor
) -> dict[str, Tensor]:
    try:
        return block_outputs(network.module, stages, batch)
    except ModelError as error:
        first = first_convolution(network.module)
        if first is None or first.in_channels in {1, 3}:
            raise
        raise ModelError(
            f"{network.name} takes no photographs",
            found=f"{first.in_channels} channels into its first convolution",
            expected="3 (red, green, blue), or 1 (grey)",
            remedy="Transparency, depth and infrared are not read from image files",
        ) from error


def _whole_logits(network: Network, module: nn.Module, batch: Tensor) -> Tensor:
    try:
        logits: Tensor = network.architecture.whole(module)(batch)
    except (RuntimeError, AttributeError) as error:
        raise ModelError(
            f"{network.name} cannot be run up to its head {network.architecture.head}",
            found=str(error),
            expected="a layer that is called once, whose output is the logits",
            remedy="Name the layer that gives the logits with --head",
        ) from error
    if logits.shape != (len(batch), len(network.classes)):
        raise ModelError(
            f"{network.architecture.head} gives no logits",
            found=f"shape {tuple(logits.shape[1:])}",
            expected=f"{len(network.classes)}, one for each class",
            remedy="Name the layer that gives the logits with --head",
        )
    return logits


def _check_succession(
    network: Network,
    segment: Segment,
    source: str,
    target: str | None,
    outputs: Mapping[str, Tensor],
) -> None:
    """Refuse a block, or logits, that are no function of the block before alone."""
    wanted = outputs[target or ""]
    try:
        with torch.no_grad():
            same = _close(segment(outputs[source]), wanted)
    except (RuntimeError, TypeError, ValueError):
        same = False
    if same:
        return
    stages = network.architecture.stages
    name = stages[target] if target else str(network.architecture.head)
    what = described(network.module.get_submodule(name), name)
    raise ModelError(
        f"{network.name}: {target or 'the logits'} cannot be computed from {source} alone",
        found=f"the output of {what} depends on more than that of {stages[source]}",
        expected="blocks that run one after another, and nothing beside them",
        remedy=_remedy(network, target),
    )


def _check_affine(
    network: Network, segment: Segment, source: str, target: str | None, maps: Tensor
) -> dict[str, None]:
    """Return the names of functions that are linearised; refuse what is not affine nevertheless."""
    functions = LinearisedFunctions()
    if _adds_up(segment, maps, functions):
        return functions.names
    with record_calls(segment.network) as calls, torch.no_grad():
        segment(maps)
    obstacle = next(
        (
            described(call.module, call.name.replace(".inner", ""))
            for call in calls
            if call.x.is_floating_point()
            and not _adds_up(call.module, call.x, LinearisedFunctions())
        ),
        f"the forward of {type(network.module).__name__}",
    )
    raise ModelError(
        f"{network.name} cannot be decomposed: {obstacle} is no affine map at an image",
        expected="convolutions, norms, activations, gates, pooling and linear layers between "
        f"{source} and {target or 'the logits'}",
        remedy=_remedy(network, target),
    )


def _adds_up(module: nn.Module, maps: Tensor, functions: LinearisedFunctions) -> bool:
    """Return whether gradients times input and biases are the output, in a random direction."""
    x, biases = maps.detach().clone().requires_grad_(), bias_terms(module)
    for bias in biases:
        bias.requires_grad_()
    try:
        if isinstance(module, Segment):
            y = module.run(x, functions)
        else:
            with functions:
                y = module(x)
        if not isinstance(y, Tensor) or not y.requires_grad:
            return True  # of what its parts do, the parts are checked
        products = y * torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
        found = torch.autograd.grad(products.sum(), [x, *biases], allow_unused=True)
        parts = sum(
            float((gradient * value.detach()).double().sum())
            for gradient, value in zip(found, [x, *biases], strict=True)
            if gradient is not None
        )
        products = products.detach().double()
        return abs(float(products.sum()) - parts) <= 1e-3 * float(products.abs().sum()) + 1e-6
    finally:
        for bias in biases:
            bias.requires_grad_(False)


def _close(x: Tensor, y: Tensor) -> bool:
    if x.shape != y.shape or not bool(y.isfinite().all()):
        return False
    return torch.allclose(x, y, rtol=1e-3, atol=1e-4 * float(y.abs().max()) + 1e-6)


def _remedy(network: Network, target: str | None) -> str:
    if target is not None:
        return f"To dissect a block without what comes before and after it: --blocks {target}"
    earlier = ",".join(network.blocks[:-1])
    return f"Leave out the last block to dissect the others: --blocks {earlier or '…'}"
