"""Where a network's blocks and its head are, and what input it takes.

The only place that knows names of modules. Everything else asks an `Architecture`: for the module
whose output a block is, for the way from the last block's maps to the logits, for the shape and
normalisation of inputs. Maps are (images, units, *grid); the grid of an image network has two axes,
height and width, that of a network of clips has three: times, height and width.

A family of networks is a function in `FAMILIES` (docs/add-a-network.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from torch import nn

from ...errors import ModelError, nearest
from ...graph.uids import block_name
from .heads import USUAL as HEAD_NAMES
from .preprocessing import InputSpec
from .segments import Segment
from .stated_input import of_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


class Layout(NamedTuple):
    """Names of modules in a network, as `named_modules` gives them.

    Attributes:
        stages: the modules whose outputs are block1, block2, …, in the order in which they run.
        head: the layer whose output is the logits; None if the network has none.
    """

    stages: Sequence[str]
    head: str | None = None


@dataclass(frozen=True)
class Architecture:
    """Where the blocks and the head of a network are, and its input.

    Attributes:
        stages: by block ("block1", …), in the order in which they run, the name of its module.
        head: the name of the layer whose output is the logits; None if the network has none.
        input: what the network takes.
        multi_label: whether each class is a decision of its own (sigmoid), rather than one among
            all (softmax).
    """

    stages: Mapping[str, str]
    head: str | None
    input: InputSpec
    multi_label: bool = False

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

    def classes_of(self, module: nn.Module) -> int:
        """Return the number of logits of the network or of a copy of it; 0 without a head."""
        if self.head is None:
            return 0
        return width_of(module.get_submodule(self.head)) or 0

    def whole(self, module: nn.Module) -> Segment:
        """Return a copy of the network, from images to the logits, or to the last block."""
        stages = list(self.stages.values())
        return self._segment(module, (), self.head or stages[-1], is_head=self.head is not None)

    def segment(self, module: nn.Module, source: str, target: str | None) -> Segment:
        """Return the part of a network that runs after one block, up to another or to the logits.

        Args:
            module: the network, or a copy of it.
            source: a block.
            target: a later block; None for the logits.

        Raises:
            ModelError: the logits of a network that has none.
        """
        before = [self.stages[block] for block in self.blocks]
        before = before[: self.blocks.index(source) + 1]
        if target is not None:
            return self._segment(module, before, self.stages[target])
        if self.head is None:
            raise ModelError("the network has no head, so there are no classes to explain")
        return self._segment(module, before, self.head, is_head=True)

    def _segment(
        self, module: nn.Module, before: Sequence[str], end: str, *, is_head: bool = False
    ) -> Segment:
        return Segment(module, before, end, shape=self.input.image_shape, is_head=is_head)


def described(module: nn.Module, name: str) -> str:
    """Return a module's dotted name in its network, and its class."""
    return f"{name} ({type(module).__name__})"


def width_of(layer: nn.Module) -> int | None:
    """Return how many outputs a layer has that may give the logits; None for any other module."""
    if isinstance(layer, nn.Linear):
        return layer.out_features
    if isinstance(layer, CONVOLUTIONS) and set(layer.kernel_size) == {1}:
        return layer.out_channels
    return None


def by_feature_info(module: nn.Module) -> Layout | None:
    """Return the layout that a network states itself, in `feature_info`, as timm's do."""
    info = getattr(module, "feature_info", None)
    items = getattr(info, "info", info)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return None
    named = dict(module.named_modules())
    names = [str(item.get("module", "")) for item in items]
    stages = [name for name in names if name in named and _is_stage(named[name])]
    return Layout(stages, _head(module, stages)) if stages else None


def by_numbered_children(module: nn.Module) -> Layout | None:
    """Return the layout of networks whose stages are numbered: layer1, layer2, … or stages.0, ….

    They may be inside of other modules, such as `backbone`.
    """
    for prefix, container in _breadth_first(module):
        stages = [f"{prefix}{name}" for name in _numbered(container)]
        if stages:
            return Layout(stages, _head(module, stages))
    return None


FAMILIES: tuple[Callable[[nn.Module], Layout | None], ...] = (by_feature_info, by_numbered_children)
"""Each returns the layout of a network of its family, and None for any other."""
_NUMBERED = re.compile(
    r"(layer|layers|block|stage|group|res|conv|s|layer_|stage_|block_)(\d+)(_x)?"
)
_SEQUENCES = ("layers", "stages", "blocks", "features", "groups")
_DEPTH = 4
CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
FRAMES, CLIP_SIDE = 16, 112
"""Of clips, where nothing states them: what most 3-D networks take."""
CIFAR_SIDE = 32
CIFAR_STEM = "CIFAR-style stem (convolutions 3 × 3 of stride 1, no max pooling)"


def _breadth_first(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield containers with the prefixes of their children's names, the outer ones first."""
    level = [("", module)]
    for _ in range(_DEPTH):
        yield from level
        level = [
            (f"{prefix}{name}.", child)
            for prefix, parent in level
            for name, child in parent.named_children()
        ]


def _numbered(container: nn.Module) -> list[str]:
    """Return the names of children that are the stages of a network, if they are; else none."""
    series: dict[tuple[str, str], list[str]] = {}
    for name, child in container.named_children():
        if (match := _NUMBERED.fullmatch(name)) and _is_stage(child):
            series.setdefault((match[1], match[3] or ""), []).append(name)
    found = max(series.values(), key=len, default=[])
    if found:
        return found
    for name in _SEQUENCES:
        sequence = getattr(container, name, None)
        if isinstance(sequence, (nn.Sequential, nn.ModuleList)):
            numbers = [n for n, part in sequence.named_children() if _is_stage(part)]
            if len(numbers) > 1:
                return [f"{name}.{number}" for number in numbers]
    return []


def _is_stage(module: nn.Module) -> bool:
    """Return whether a module may be a residual stage: of several convolutions."""
    return sum(isinstance(child, CONVOLUTIONS) for child in module.modules()) > 1


def _head(module: nn.Module, stages: Sequence[str]) -> str | None:
    """Return the name of the layer that gives the logits, if there is one after the stages.

    It is the last layer under a usual name, on the outside first; else the last linear layer.
    """
    inside = tuple(f"{name}." for name in stages)
    layers = [
        name
        for name, child in module.named_modules()
        if width_of(child) and not name.startswith(inside) and "att" not in name
        and (isinstance(child, nn.Linear) or name.split(".")[0] in HEAD_NAMES)
    ]  # fmt: skip
    usual = [name for name in layers if set(name.split(".")) & set(HEAD_NAMES)]
    outer = sorted(usual, key=lambda name: name.count("."))
    if outer:
        first = next(piece for piece in outer[0].split(".") if piece in HEAD_NAMES)
        usual = [name for name in usual if first in name.split(".")]
        return str(usual[-1])
    return layers[-1] if layers else None


def recognise(
    module: nn.Module,
    name: str,
    *,
    modules: Sequence[str] = (),
    head: str | None = None,
    multi_label: bool | None = None,
) -> Architecture:
    """Find blocks, head and input of a network.

    Args:
        module: a network of one of `FAMILIES`; `of_module` says which of its attributes state its
            input.
        name: what messages call it.
        modules: names of the modules that are its blocks; those of its family if there are none.
        head: name of the layer that gives the logits; that of its family if None.
        multi_label: whether each class is a decision of its own; if None, an attribute of the
            module says it, and one class alone is.

    Raises:
        ModelError: it is of no known family, there is no such module, or an attribute that states
            its input is invalid.
    """
    layout = next(filter(None, (family(module) for family in FAMILIES)), None)
    if modules:
        layout = Layout(_checked(module, modules), layout.head if layout else None)
        layout = layout._replace(head=layout.head or _head(module, modules))
    if layout is None:
        children = [described(part, child) for child, part in module.named_children()]
        listed = ", ".join([*children[:12], "…"] if len(children) > 12 else children)
        raise ModelError(
            f"the residual stages of {name} were not found",
            found=f"the children {listed}",
            expected="layer1, layer2, … or stages.0, stages.1, …, each of several convolutions",
            remedy="Name them: --blocks block1=MODULE,block2=MODULE,… (docs/add-a-network.md)",
        )
    if head is not None:
        (head,) = _checked(module, [head])
        if not width_of(module.get_submodule(head)):
            raise ModelError(
                f"--head {head} is no layer that gives logits",
                found=type(module.get_submodule(head)).__name__,
                expected="an nn.Linear, or a 1 × 1 convolution",
            )
    spec = _default_input(module, layout.stages)
    for stated in reversed(of_module(module)):
        spec = spec.overridden(stated)
    head = head or layout.head
    if multi_label is None:  # one logit can only be a yes or no
        is_one = head is not None and width_of(module.get_submodule(head)) == 1
        multi_label = bool(getattr(module, "multi_label", is_one))
    stages = {block_name(number): stage for number, stage in enumerate(layout.stages, start=1)}
    return Architecture(stages, head, spec, multi_label)


def first_convolution(module: nn.Module) -> nn.Conv2d | nn.Conv3d | None:
    """Return the convolution that a network has first: that of its stem."""
    return next((part for part in module.modules() if isinstance(part, CONVOLUTIONS)), None)


def _default_input(module: nn.Module, stages: Sequence[str]) -> InputSpec:
    """Return the input of a network that states none, by its stem: grey, clips, CIFAR's size."""
    first = first_convolution(module)
    spec = InputSpec.of_images(1 if first is not None and first.in_channels == 1 else 3)
    if isinstance(first, nn.Conv3d):
        spec = spec._replace(frames=FRAMES, height=CLIP_SIDE, width=CLIP_SIDE)
    if _has_small_stem(module, stages):
        spec = spec._replace(height=CIFAR_SIDE, width=CIFAR_SIDE, size_from=CIFAR_STEM)
    return spec


def _has_small_stem(module: nn.Module, stages: Sequence[str]) -> bool:
    """Return whether nothing makes images smaller before the first stage."""
    inside = tuple(f"{name}." for name in stages)
    parts = list(module.named_modules())
    stem = [part for _, part in takewhile(lambda named: not named[0].startswith(inside), parts)]
    kinds = {(it.kernel_size[-2:], it.stride[-2:]) for it in stem if isinstance(it, CONVOLUTIONS)}
    pools = (it for name, it in parts if not name.startswith(inside))
    max_pools = (nn.MaxPool2d, nn.MaxPool3d)
    return kinds == {((3, 3), (1, 1))} and not any(isinstance(it, max_pools) for it in pools)


def _checked(module: nn.Module, names: Sequence[str]) -> list[str]:
    """Return names of modules, once all of them are seen to exist and none contains another."""
    known = dict(module.named_modules(remove_duplicate=False))
    for name in names:
        if name not in known or not name:
            raise ModelError(f"there is no module {name!r}", remedy=nearest(name, list(known)))
    for name in names:
        if inner := [other for other in names if other.startswith(f"{name}.")]:
            raise ModelError(f"block {name} contains another", found=inner[0])
    return list(names)
