"""Where a network's blocks and its head are, and what input it takes.

The only place that knows names of modules. Everything else asks an `Architecture`: for the module
whose output a block is, for the way from the last block's maps to the logits, for the shape and
normalisation of inputs. Maps are (images, units, *grid); the grid of an image network has two axes.

A family of networks is a function in `FAMILIES` (docs/add-a-network.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

from torch import Tensor, nn

from ...errors import ModelError, nearest
from ...graph.uids import block_name
from ..engine.tensors import grid_mean
from .preprocessing import InputSpec
from .stated_input import of_module

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Head(NamedTuple):
    """The way from the last block's maps to the logits: mean over the grid, then a linear layer."""

    linear: nn.Linear

    def pool(self, maps: Tensor) -> Tensor:
        """Return (images, units) of maps (images, units, *grid)."""
        return grid_mean(maps)

    def logits(self, maps: Tensor) -> Tensor:
        """Return (images, classes) of maps (images, units, *grid)."""
        logits: Tensor = self.linear(self.pool(maps))
        return logits

    @property
    def weight(self) -> Tensor:
        """The linear layer's weights, (classes, units), without gradients."""
        return self.linear.weight.detach()

    @property
    def bias(self) -> Tensor:
        """The linear layer's biases, (classes,); zeros where it has none."""
        if self.linear.bias is None:
            return self.weight.new_zeros(len(self.weight))
        return self.linear.bias.detach()


class Layout(NamedTuple):
    """Names of modules in a network, as `named_modules` gives them.

    Attributes:
        stages: the modules whose outputs are block1, block2, …, in the order in which they run;
            after the residual addition and ReLU.
        head: the linear layer from the means of the last block's maps to the logits.
    """

    stages: Sequence[str]
    head: str


@dataclass(frozen=True)
class Architecture:
    """Where the blocks and the head of a network are, and its input.

    Attributes:
        stages: by block ("block1", …), in the order in which they run, the name of its module.
        head: the name of the head's linear layer.
        input: what the network takes.
    """

    stages: Mapping[str, str]
    head: str
    input: InputSpec

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the blocks, in the order in which they run."""
        return tuple(self.stages)

    def stage(self, module: nn.Module, block: str) -> nn.Module:
        """Return the module whose output is a block, in the network or in a copy of it.

        Raises:
            ModelError: there is no such block.
        """
        if block not in self.stages:
            raise ModelError(f"there is no block {block!r}", remedy=nearest(block, self.blocks))
        return module.get_submodule(self.stages[block])

    def between(self, source: str, target: str) -> tuple[str, ...]:
        """Return the blocks that run after `source`, up to `target`."""
        first, last = self.blocks.index(source), self.blocks.index(target)
        return self.blocks[first + 1 : last + 1]

    def head_of(self, module: nn.Module) -> Head:
        """Return the head, of the network or of a copy of it."""
        return Head(cast("nn.Linear", module.get_submodule(self.head)))


def described(module: nn.Module, name: str) -> str:
    """Return a module's dotted name in its network, and its class."""
    return f"{name} ({type(module).__name__})"


def torchvision_resnet(module: nn.Module) -> Layout | None:
    """Return the layout of torchvision's ResNets: layer1, layer2, … and a linear layer fc."""
    stages: list[str] = []
    while isinstance(getattr(module, f"layer{len(stages) + 1}", None), nn.Module):
        stages.append(f"layer{len(stages) + 1}")
    if not stages or not isinstance(getattr(module, "fc", None), nn.Linear):
        return None
    return Layout(stages, "fc")


FAMILIES: tuple[Callable[[nn.Module], Layout | None], ...] = (torchvision_resnet,)
"""Each returns the layout of a network of its family, and None for any other."""


def recognise(module: nn.Module, name: str) -> Architecture:
    """Find blocks, head and input of a network.

    Args:
        module: a network of one of `FAMILIES`; `of_module` says which of its attributes state its
            input.
        name: what messages call it.

    Raises:
        ModelError: it is of no known family, or an attribute that states its input is invalid.
    """
    layout = next(filter(None, (family(module) for family in FAMILIES)), None)
    if layout is None:
        children = [described(part, child) for child, part in module.named_children()]
        listed = ", ".join([*children[:12], "…"] if len(children) > 12 else children)
        raise ModelError(
            f"{name} is not a network that can be dissected",
            found=f"the children {listed}",
            expected="layer1, layer2, … one after another, and a final nn.Linear called fc",
            remedy="docs/add-a-network.md says how to give modules these names",
        )
    spec = InputSpec()
    for stated in reversed(of_module(module)):
        spec = spec.overridden(stated)
    stages = {block_name(number): stage for number, stage in enumerate(layout.stages, start=1)}
    return Architecture(stages, layout.head, spec)
