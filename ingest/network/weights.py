"""Reading checkpoint files, whatever wrote them. What of it is the network, `matching.py` finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from ...errors import ModelError
from .file_kinds import check_kind, unreadable
from .pickles import read_pickle, read_trusted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor


def read_file(path: Path, *, trust_pickle: bool = False) -> object:
    """Read what a checkpoint file holds: mappings, sequences, modules and tensors, on the CPU.

    Args:
        path: the file.
        trust_pickle: let a pickle in it run any code.

    Raises:
        ModelError: no such file, a file of another kind, unreadable, or a pickle that would run
            code without `trust_pickle`.
    """
    if check_kind(path) == "safetensors":
        return _read_safetensors(path)
    return read_trusted(path) if trust_pickle else read_pickle(path)


def check_finite(state: Mapping[str, Tensor], origin: Path | str) -> None:
    """Refuse NaN and infinite weights: all that is measured on them would be meaningless.

    Raises:
        ModelError: naming the first such keys.
    """
    bad = [
        key
        for key, tensor in state.items()
        if tensor.is_floating_point() and not bool(tensor.isfinite().all())
    ]
    if bad:
        raise ModelError(
            f"NaN or infinite weights in {len(bad)} tensors: {first_of(bad)}",
            file=origin,
            expected="finite weights",
            remedy="Use a checkpoint from before training diverged",
        )


def first_of(names: list[str], count: int = 3) -> str:
    """Join the first few names: `a, b, c, …`."""
    return ", ".join([*names[:count], "…"] if len(names) > count else names)


def _read_safetensors(path: Path) -> object:
    """Read tensors, with the file's own metadata beside them."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
            return {**(file.metadata() or {}), **tensors}
    except (SafetensorError, OSError) as error:
        raise unreadable(path, str(error)) from error
