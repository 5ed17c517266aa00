"""The network run for the outputs of its blocks. The only module that registers hooks."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DTYPES = {
    "auto": torch.float32,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@contextmanager
def watching(module: nn.Module, blocks: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Within the context, each forward pass of `module` fills the dict with its blocks' outputs.

    Outputs, (images, units, height, width), are those after the residual addition and ReLU. They
    are the network's own tensors: use them before the next pass, and do not write into them.

    Args:
        module: the network.
        blocks: name → stage of the network.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(stage: nn.Module, inputs: object, output: Tensor) -> None:
            outputs[name] = output

        return hook

    handles = [stage.register_forward_hook(keep(name)) for name, stage in blocks.items()]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def changing(
    stages: Mapping[str, nn.Module], change: Mapping[str, Callable[[Tensor], Tensor]]
) -> Iterator[None]:
    """Within the context, whatever comes after a stage is given its output changed.

    Args:
        stages: name → stage of the network.
        change: name → what makes the output another one, (images, units, height, width).
    """

    def hook(made: Callable[[Tensor], Tensor]) -> Callable[[nn.Module, object, Tensor], Tensor]:
        return lambda stage, inputs, output: made(output)

    handles = [stages[name].register_forward_hook(hook(made)) for name, made in change.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Here(threading.local):
    """What the blocks gave last, for each thread its own."""

    def __init__(self) -> None:
        self.outputs: dict[str, Tensor] = {}


class BlockOutputs:
    """A network run for its blocks' outputs, by several threads at once if need be."""

    def __init__(self, module: nn.Module, blocks: Mapping[str, nn.Module]) -> None:
        """Watch the stages `blocks` of `module`, by name; hooks stay on it."""
        self._module = module
        self._blocks = tuple(blocks)
        self._most: int | None = None
        self._here = _Here()
        for name, stage in blocks.items():
            stage.register_forward_hook(self._hook(name))

    def _hook(self, name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def keep(stage: nn.Module, inputs: object, output: Tensor) -> None:
            self._here.outputs[name] = output

        return keep

    def __call__(self, batch: Tensor) -> dict[str, Tensor]:
        """As `block_outputs`, but in the network's own number format.

        Where the device's memory is too small, in as many parts as it takes.

        Raises:
            ModelError: as there.
            torch.OutOfMemoryError: even one image is too much.
        """
        try:
            parts = [self._run(part) for part in torch.split(batch, self._most or len(batch))]
        except torch.OutOfMemoryError:
            parts = []
        if not parts:  # outside of `except`, which would hold on to the memory
            most = self._most or len(batch)
            if most == 1:
                return self._run(batch[:1])  # raises once more
            self._most = (most + 1) // 2
            if batch.device.type == "cuda":
                torch.cuda.empty_cache()
            return self(batch)
        if len(parts) == 1:
            return parts[0]
        return {name: torch.cat([part[name] for part in parts]) for name in self._blocks}

    def _run(self, batch: Tensor) -> dict[str, Tensor]:
        self._here.outputs = {}
        try:
            return _run(self._module, batch, self._here.outputs, self._blocks)
        finally:
            self._here.outputs = {}


def block_outputs(
    module: nn.Module, blocks: Mapping[str, nn.Module], batch: Tensor
) -> dict[str, Tensor]:
    """The blocks' outputs for one batch, float32, contiguous in their own memory format.

    Raises:
        ModelError: the network cannot take this input, or a block's output is no stack of maps.
    """
    with watching(module, blocks) as outputs:
        found = _run(module, batch, outputs, tuple(blocks))
    return {name: output.float() for name, output in found.items()}


def _run(
    module: nn.Module, batch: Tensor, outputs: Mapping[str, Tensor], blocks: tuple[str, ...]
) -> dict[str, Tensor]:
    """Run the network, which fills `outputs`."""
    try:
        with torch.inference_mode():
            module(batch)
    except (RuntimeError, ValueError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise ModelError(
            f"the network cannot process images of shape {tuple(batch.shape[1:])} ({error})"
        ) from error
    for name, output in outputs.items():
        if output.ndim != 4:
            raise ModelError(
                f"output of {name}",
                found=f"shape {tuple(output.shape)}",
                expected="(images, units, height, width)",
            )
    return {name: outputs[name] for name in blocks}
