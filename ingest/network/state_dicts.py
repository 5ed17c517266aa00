"""All tensors in what a checkpoint file holds, by name, however they are wrapped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .pickles import module_state

_DEPTH = 10
"""Wrappers inside each other; what is deeper, or holds itself, is no state dict."""


class Entry(NamedTuple):
    """A tensor in a file.

    Attributes:
        tensor: as the file holds it.
        holder: the keys that lead to the state dict that it is in: ("state_dict",).
    """

    tensor: Tensor
    holder: tuple[str, ...]


def tensors_in(content: object) -> dict[str, Entry]:
    """Return all tensors by name, the keys of what wraps them first: `state_dict.module.fc.bias`.

    Args:
        content: mappings, sequences and modules inside each other; NumPy's arrays count as tensors.
    """
    entries: dict[str, Entry] = {}
    for path, tensor in _walk(content, ()):
        entries.setdefault(".".join(path), Entry(tensor, path[:-1]))
    return entries


def metadata_of(content: object, holder: tuple[str, ...]) -> dict[str, object]:
    """Return what stands beside a state dict and beside its wrappers, but for tensors.

    Args:
        content: of the file.
        holder: the keys that lead to the state dict.
    """
    metadata: dict[str, object] = {}
    level = content
    for key in (*holder, None):
        if not isinstance(level, Mapping):
            break
        by_name = {str(name): value for name, value in level.items()}
        metadata |= {
            name: value
            for name, value in by_name.items()
            if name != key and next(_walk(value, ()), None) is None
        }
        level = by_name.get(key) if key is not None else None
    return metadata


def _walk(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and value.dtype.itemsize <= 8:
            yield path, torch.from_numpy(np.array(value, value.dtype.newbyteorder("=")))
    elif len(path) < _DEPTH:
        for key, inner in _items(value):
            yield from _walk(inner, (*path, key))


def _items(value: object) -> Iterator[tuple[str, object]]:
    state = module_state(value)
    if state is not None:
        yield from state.items()
    elif isinstance(value, Mapping):
        yield from ((str(key), inner) for key, inner in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((str(number), inner) for number, inner in enumerate(value))
