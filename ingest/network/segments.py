"""Parts of a network: what it computes from one block's maps to another's, or to the logits.

A segment is the network itself, run with the maps it is given in place of the block's output, up to
where it ends. So whatever stands between two blocks, or between the last block and the logits, is
part of it, however it is written: a pooling layer, a norm, a head of several layers.
"""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from .affine import is_bias
from .forward import record_outputs
from .linearised import LinearisedFunctions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SIDE = 64
"""Pixels a side of the image, or frame, that is run through what comes before, if it can be."""


class _EndedError(Exception):
    """Ends a pass at the end of a segment."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


class _Start(nn.Module):
    """Returns the maps that are in place of a block's output, for each thread its own."""

    def __init__(self) -> None:
        super().__init__()
        self.local = threading.local()

    def __deepcopy__(self, memo: dict[int, object]) -> _Start:
        return _Start()

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.local.maps
        return maps


class _Fixed(nn.Module):
    """Returns what a block before the segment gave once."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.register_buffer("output", output, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return cast("Tensor", self.output)


class _End(nn.Module):
    """Ends the pass with a module's output."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *inputs: Tensor) -> Tensor:
        raise _EndedError(self.inner(*inputs))


class Segment(nn.Module):
    """A part of a network; its biases are its own, other parameters are the network's.

    Attributes:
        network: the copy of the network that is run.
        is_head: whether the segment ends in the logits.
    """

    def __init__(
        self,
        network: nn.Module,
        before: Sequence[str],
        end: str,
        *,
        shape: Sequence[int],
        is_head: bool = False,
    ) -> None:
        """Take a part out of a copy of a network.

        Args:
            network: left as it is.
            before: names of the modules that are blocks, in the order in which they run, up to the
                one whose output the segment is given; none for a segment that is given images.
            end: name of the module that ends it.
            shape: of images, (channels, height, width), or of clips, (channels, frames, …).
            is_head: whether the end gives the logits.
        """
        super().__init__()
        self.network = _with_own_biases(network)
        self.is_head = is_head
        parameter = next(network.parameters())
        frames = [1] * (len(shape) - 3)
        image = torch.zeros(1, shape[0], *frames, _SIDE, _SIDE).to(parameter)
        if before:
            *earlier, source = before
            self.start = _Start()
            try:
                fixed = _outputs(self.network, earlier, image)
            except (RuntimeError, ValueError, AssertionError):  # it takes images of one size
                image = torch.zeros(1, *shape).to(parameter)
                fixed = _outputs(self.network, earlier, image)
            for name, output in fixed.items():
                _replace(self.network, name, _Fixed(output))
            _replace(self.network, source, self.start)
        self.register_buffer("image", image if before else None, persistent=False)
        self._end = _End(self.network.get_submodule(end))
        _replace(self.network, end, self._end)

    @property
    def end(self) -> nn.Module:
        """The module that ends it."""
        return self._end.inner

    def forward(self, maps: Tensor) -> Tensor:
        """Return the end's output, (images, units, *grid), or logits (images, classes).

        Args:
            maps: of the block, (images, units, *grid); or images.
        """
        return self.run(maps, LinearisedFunctions())

    def run(self, maps: Tensor, functions: LinearisedFunctions) -> Tensor:
        """Return the same, with functions linearised in a way of the caller's."""
        x = maps
        if self.image is not None:
            self.start.local.maps = maps
            x = cast("Tensor", self.image)
        try:
            with functions:
                self.network(x)
        except _EndedError as ended:
            return ended.output.flatten(1) if self.is_head else ended.output
        raise RuntimeError("the network ended without its end")


def _with_own_biases(network: nn.Module) -> nn.Module:
    """Return a copy that shares all parameters and buffers but biases with the network."""
    shared = {id(tensor): tensor for _, tensor in network.named_buffers()}
    shared |= {id(p): p for name, p in network.named_parameters() if not is_bias(name)}
    return copy.deepcopy(network, cast("dict[int, object]", shared))


def _outputs(network: nn.Module, names: Sequence[str], image: Tensor) -> Mapping[str, Tensor]:
    """Return what some modules give, whether or not the network can be run to its end."""
    modules = {name: network.get_submodule(name) for name in names}
    if not modules:
        return {}
    with record_outputs(modules) as outputs, torch.no_grad():
        try:
            network(image)
        except (RuntimeError, ValueError, AssertionError):
            if len(outputs) < len(modules):
                raise
    return outputs


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    """Replace a module under all of its names."""
    replaced = network.get_submodule(name)
    for other, child in list(network.named_modules(remove_duplicate=False)):
        if child is replaced:
            network.set_submodule(other, module)
