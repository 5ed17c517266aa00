"""Running a network for the outputs of its blocks. The only module that registers hooks."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import ConceptGraphError, ModelError, is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

DTYPES = {
    "auto": torch.float32,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@contextmanager
def record_outputs(blocks: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Yield a dict that each forward pass within the context fills with the blocks' outputs.

    Outputs, (images, units, *grid), are the network's own tensors: use them before the next pass,
    and do not write into them.

    Args:
        blocks: stages of a network, by name.
    """
    outputs: dict[str, Tensor] = {}

    def record(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(stage: nn.Module, inputs: object, output: Tensor) -> None:
            outputs[name] = output

        return hook

    handles = [stage.register_forward_hook(record(name)) for name, stage in blocks.items()]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def record_input(module: nn.Module) -> Iterator[list[Tensor]]:
    """Yield a list that gets what a module is given, in each forward pass within the context."""
    given: list[Tensor] = []

    def hook(stage: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        given.append(inputs[0])

    handle = module.register_forward_pre_hook(hook)
    try:
        yield given
    finally:
        handle.remove()


class Call(NamedTuple):
    """A module that was run on one tensor: its name, itself, and copies of its input and output."""

    name: str
    module: nn.Module
    x: Tensor
    y: Tensor


@contextmanager
def record_calls(network: nn.Module) -> Iterator[list[Call]]:
    """Yield a list of all modules that are run within the context, in the order they finish.

    Modules that are given or return anything but one tensor are left out.
    """
    calls: list[Call] = []
    entered: dict[str, Tensor] = {}

    def hooks(name: str) -> tuple[Callable[..., None], Callable[..., None]]:
        def before(module: nn.Module, inputs: tuple[object, ...]) -> None:
            if len(inputs) == 1 and isinstance(inputs[0], Tensor):
                entered[name] = inputs[0].clone()  # what runs in place would change it

        def after(module: nn.Module, inputs: object, output: object) -> None:
            if name in entered and isinstance(output, Tensor):
                calls.append(Call(name, module, entered.pop(name), output.clone()))

        return before, after

    handles = []
    for name, module in network.named_modules():
        before, after = hooks(name)
        handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def replace_outputs(
    blocks: Mapping[str, nn.Module], replace: Mapping[str, Callable[[Tensor], Tensor]]
) -> Iterator[None]:
    """Replace the outputs of blocks, in each forward pass within the context.

    Args:
        blocks: stages of a network, by name.
        replace: by name, what computes the new output from the old one, (images, units, *grid).
    """

    def hook(compute: Callable[[Tensor], Tensor]) -> Callable[[nn.Module, object, Tensor], Tensor]:
        return lambda stage, inputs, output: compute(output)

    handles = [
        blocks[name].register_forward_hook(hook(compute)) for name, compute in replace.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def running(module: nn.Module) -> Iterator[None]:
    """Turn whatever the code of a network raises within the context into one line.

    Raises:
        ModelError: it raised something, but for lack of memory.
    """
    try:
        yield
    except ConceptGraphError:
        raise
    except Exception as error:
        if isinstance(error, torch.OutOfMemoryError) or is_out_of_memory(error):
            raise
        raise ModelError(
            f"the network cannot be run: forward of {_code(module)}", found=_raised(error)
        ) from error


def _code(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"


def _raised(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def check_finite(name: str, values: Tensor) -> None:
    """Refuse outputs of a network that are no numbers.

    Args:
        name: of the block, or the logits.
        values: any shape.

    Raises:
        ModelError: there are NaN or infinite ones.
    """
    wrong = int((~values.isfinite()).sum())
    if wrong:
        raise ModelError(
            f"output of {name}",
            found=f"{wrong} NaN or infinite values of {values.numel()}",
            expected="finite activations",
            remedy="Look for a division by 0, a logarithm, or weights that are too large",
        )


class _LastBlockDoneError(Exception):
    """Ends a forward pass that is not needed any further."""


class _ThreadOutputs(threading.local):
    """The last outputs of the blocks, and where the pass ends, for each thread its own."""

    def __init__(self) -> None:
        self.outputs: dict[str, Tensor] = {}
        self.last: str | None = None


class BlockOutputs:
    """A network that is run for its blocks' outputs, by several threads at once."""

    def __init__(self, module: nn.Module, blocks: Mapping[str, nn.Module]) -> None:
        """Register hooks on the stages `blocks`, by name; they stay there."""
        self._module = module
        self._blocks = tuple(blocks)
        self._max_images: int | None = None
        self._recorded = _ThreadOutputs()
        for name, stage in blocks.items():
            stage.register_forward_hook(self._hook(name))

    def _hook(self, name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def record(stage: nn.Module, inputs: object, output: Tensor) -> None:
            self._recorded.outputs[name] = output
            if name == self._recorded.last:
                raise _LastBlockDoneError

        return record

    def __call__(self, batch: Tensor, blocks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Compute what `block_outputs` does, but in the network's own number format.

        A batch too large for the device's memory is run in parts.

        Args:
            batch: images.
            blocks: those wanted; the network is run up to the last of them. All if None.

        Raises:
            ModelError: as there.
            torch.OutOfMemoryError: even one image is too much.
        """
        wanted = tuple(block for block in self._blocks if blocks is None or block in blocks)
        size = self._max_images or len(batch)
        try:
            parts = [self._run(part, wanted) for part in torch.split(batch, size)]
        except torch.OutOfMemoryError:
            parts = []
        if not parts:  # outside of `except`, which would hold on to the memory
            images = self._max_images or len(batch)
            if images == 1:
                return self._run(batch[:1], wanted)  # raises once more
            self._max_images = (images + 1) // 2
            if batch.device.type == "cuda":
                torch.cuda.empty_cache()
            return self(batch, blocks)
        if len(parts) == 1:
            return parts[0]
        return {name: torch.cat([part[name] for part in parts]) for name in wanted}

    def _run(self, batch: Tensor, wanted: tuple[str, ...]) -> dict[str, Tensor]:
        self._recorded.outputs = {}
        self._recorded.last = wanted[-1] if wanted != self._blocks else None
        try:
            return _run(self._module, batch, self._recorded.outputs, wanted)
        finally:
            self._recorded.outputs, self._recorded.last = {}, None


def block_outputs(
    module: nn.Module, blocks: Mapping[str, nn.Module], batch: Tensor
) -> dict[str, Tensor]:
    """Return the blocks' outputs for one batch, float32, contiguous in their own memory format.

    Raises:
        ModelError: the network cannot take this input, or a block's output is no stack of maps.
    """
    with record_outputs(blocks) as outputs:
        maps = _run(module, batch, outputs, tuple(blocks))
    return {name: block_maps.float() for name, block_maps in maps.items()}


def _run(
    module: nn.Module, batch: Tensor, outputs: Mapping[str, Tensor], blocks: tuple[str, ...]
) -> dict[str, Tensor]:
    """Run the network, which fills `outputs`."""
    try:
        with torch.inference_mode(), suppress(_LastBlockDoneError):
            module(batch)
    except Exception as error:  # whatever the network's code raises
        if isinstance(error, torch.OutOfMemoryError | MemoryError):
            raise
        raise ModelError(
            f"the network cannot process images of shape {tuple(batch.shape[1:])}: forward of "
            f"{_code(module)}",
            found=_raised(error),
            remedy="If it takes images of another size, state it with --image-size",
        ) from error
    if unused := [name for name in blocks if name not in outputs]:
        raise ModelError(
            f"{unused[0]} has no output: its module is not run",
            expected="modules that the network calls",
            remedy="Name others: --blocks NAME=MODULE,…",
        )
    for name, output in outputs.items():
        if not isinstance(output, Tensor):
            found, expected = type(output).__name__, "one tensor"
            raise ModelError(f"output of {name}", found=found, expected=expected)
        if output.ndim != batch.ndim:
            raise ModelError(
                f"output of {name}",
                found=f"shape {tuple(output.shape)}",
                expected=f"(images, units, …), {batch.ndim} axes as the images have",
            )
    return {name: outputs[name] for name in blocks}
