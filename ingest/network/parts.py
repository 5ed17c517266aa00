"""Parts of a checkpoint: prefixes after which a network's own names follow, and what does not fit.

What wraps a module where it stands, as torch.compile's `_orig_mod`, is no part of a name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .state_dicts import Entry

WRAPPERS = ("_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""Of torch.compile, DataParallel, FSDP and activation checkpoints."""
COUNTERS = ("num_batches_tracked", "total_ops", "total_params", "n_averaged")
"""Tensors that eval mode does not read: of batch norms, of thop, of averaged models."""
_BRANCHES = re.compile(
    "(^|[^a-z])(loss|criterion|metric|teacher|momentum|ema|aux|decoder|discriminator)",
    re.IGNORECASE,
)
"""Children beside the network's that lead away from its logits, whatever they are made of."""


class OwnTensors(NamedTuple):
    """What a network takes from a checkpoint.

    Attributes:
        names: each of its names, without wrappers, and the one under which it is loaded: a tensor
            may have several.
        tensors: by the names under which they are loaded, without counters.
        head: names of the linear layer; empty if the network has none.
        wrappers: those of `WRAPPERS` that are no name of the network's own.
    """

    names: dict[str, str]
    tensors: dict[str, Tensor]
    head: tuple[str, ...]
    wrappers: frozenset[str]

    @property
    def head_tensors(self) -> dict[str, str]:
        """Weight and bias of the head: the names under which they are loaded."""
        kinds = ("weight", "bias") if self.head else ()
        names = {kind: self.names.get(f"{self.head[0]}.{kind}") for kind in kinds}
        return {kind: name for kind, name in names.items() if name is not None}

    @property
    def body(self) -> dict[str, Tensor]:
        """All of its tensors but the head's."""
        head = self.head_tensors.values()
        return {name: tensor for name, tensor in self.tensors.items() if name not in head}

    def plain(self, name: str) -> str:
        """Return a name without wrappers."""
        return ".".join(piece for piece in name.split(".") if piece not in self.wrappers)


def own_tensors(module: nn.Module, head: str | None) -> OwnTensors:
    """Return what a network takes from a checkpoint.

    Args:
        module: the network.
        head: name of its linear layer, if it has one.
    """
    state: dict[str, object] = module.state_dict(keep_vars=True)
    tensors = {
        name: value
        for name, value in state.items()
        if isinstance(value, Tensor) and not is_counter(name)
    }
    pieces = {piece for name in tensors for piece in name.split(".")}
    wrappers = frozenset(piece for piece in WRAPPERS if piece != "module" or piece not in pieces)
    first: dict[int, str] = {}
    for name, tensor in tensors.items():
        first.setdefault(id(tensor), name)
    own = OwnTensors({}, {name: tensors[name].detach() for name in first.values()}, (), wrappers)
    own.names.update({own.plain(name): first[id(tensor)] for name, tensor in tensors.items()})
    if head is None:
        return own
    weight = own.names[own.plain(f"{head}.weight")]
    heads = [name.removesuffix(".weight") for name, first in own.names.items() if first == weight]
    return own._replace(head=tuple(heads))


def is_counter(name: str) -> bool:
    """Return whether a tensor only counts."""
    return name.rpartition(".")[2] in COUNTERS


def shared_pieces(name: str, other: str) -> int:
    """Return how many pieces two names begin with alike: 2 for `a.b.c` and `a.b.d`."""
    pairs = zip(name.split("."), other.split("."), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


@dataclass
class Part:
    """A prefix in a file, and what follows it.

    Attributes:
        prefix: "state_dict.module.", or "" for the whole file.
        paths: by the network's names, the tensors' names in the file.
        clashes: further names in the file of the same tensors, with other values.
    """

    prefix: str
    paths: dict[str, str] = field(default_factory=dict)
    clashes: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """What chooses this part."""
        return self.prefix.rstrip(".")


def find_parts(entries: Mapping[str, Entry], own: OwnTensors) -> list[Part]:
    """Return all parts, those with the most of the network's names first."""
    parts: dict[str, Part] = {}
    for path, entry in entries.items():
        pieces = path.split(".")
        for start, piece in enumerate(pieces):
            name = own.names.get(own.plain(".".join(pieces[start:])))
            if name is None or piece in own.wrappers:
                continue
            prefix = "".join(f"{piece}." for piece in pieces[:start])
            part = parts.setdefault(prefix, Part(prefix))
            known = part.paths.setdefault(name, path)
            if known != path and not same(entries[known].tensor, entry.tensor):
                part.clashes.append(path)
    return sorted(parts.values(), key=lambda part: -len(part.paths))


def beside(part: Part, entries: Mapping[str, Entry]) -> Iterator[str]:
    """Yield what else follows a part's prefix in the same state dict, without counters."""
    used = set(part.paths.values())
    holders = {entries[path].holder for path in used}
    for path, entry in entries.items():
        is_used = path in used or is_counter(path)
        if path.startswith(part.prefix) and entry.holder in holders and not is_used:
            yield path


def misfits(
    part: Part, entries: Mapping[str, Entry], own: OwnTensors, others: list[Part]
) -> dict[str, list[str]]:
    """Return what keeps a part from being the network, by kind; empty if it fits but for its head.

    Args:
        part: the part.
        entries: all tensors in the file.
        own: what the network takes.
        others: parts of which the same is asked: what is in one of them is not in this one's way.
    """
    fitting = defaultdict(list)
    for name, tensor in own.body.items():
        if name not in part.paths:
            fitting["missing"].append(name)
        elif problem := _problem(entries[part.paths[name]].tensor, tensor):
            fitting[problem[0]].append(f"{name} {problem[1]}")
    elsewhere = [it.prefix for it in others if it.prefix.startswith(part.prefix) and it != part]
    body = own.body
    children = {name.partition(".")[0] for name, first in own.names.items() if first in body}
    for path in beside(part, entries):
        name = own.plain(path.removeprefix(part.prefix))
        child = name.partition(".")[0]
        is_head = any(name.startswith(f"{head}.") for head in own.head)
        is_map = _is_map(entries[path].tensor) and not _BRANCHES.search(child)
        is_other = path.startswith(tuple(elsewhere))
        if path in part.clashes or (child in children and not is_head) or (is_map and not is_other):
            fitting["unexpected"].append(path.removeprefix(part.prefix))
    return dict(fitting)


def _is_map(tensor: Tensor) -> bool:
    """Return whether a tensor may be a convolution's weights: more than a vector of some shape."""
    return tensor.ndim > 2 and tensor.numel() > max(tensor.shape)


def same(tensor: Tensor, other: Tensor) -> bool:
    """Return whether two tensors are the same, value by value."""
    if (tensor.dtype, tensor.shape) != (other.dtype, other.shape) or tensor.is_meta:
        return False
    return tensor is other or torch.equal(tensor, other)


def _problem(found: Tensor, wanted: Tensor) -> tuple[str, str] | None:
    """Return what is wrong with a tensor: its shape or its type."""
    if found.shape != wanted.shape:
        return "of another shape", f"{tuple(found.shape)} instead of {tuple(wanted.shape)}"
    if found.is_meta or found.is_quantized or found.layout != torch.strided:
        kind = "meta" if found.is_meta else "quantized" if found.is_quantized else "sparse"
        return "of another kind", kind
    if wanted.is_floating_point() and not found.is_floating_point():
        return "of another type", str(found.dtype).removeprefix("torch.")
    return None
