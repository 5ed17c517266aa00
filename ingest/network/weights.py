"""Reading weights from files: a flat float32 state dict with torchvision's names.

Accepted: `.safetensors`, and all that `torch.load` reads; a state dict alone or under one of
`WRAPPERS`; keys that all begin with one of `PREFIXES` (DataParallel, Lightning, …); half precision;
`last_linear.*` for `fc.*` (Moments in Time, pretrainedmodels). A pickle that would run code is
refused unless the caller trusts it; the `argparse.Namespace` in which training scripts keep their
arguments runs none.
"""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ...errors import ModelError
from .stated_input import of_checkpoint, of_files_beside

if TYPE_CHECKING:
    from pathlib import Path

    from .stated_input import StatedInput

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
PREFIXES = ("module.", "model.", "backbone.")
PYTHON_2 = "latin1"
"""What text in a pickle of Python 2 needs, as Places365's may; it changes nothing in later ones."""
EXPECTED = "a checkpoint (.pth, .pt, .pth.tar or .safetensors)"


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        state: the weights, by torchvision's names; floating point as float32, on the CPU.
        stated: what it, and then the files beside it, state about the network's input.
    """

    state: dict[str, Tensor]
    stated: tuple[StatedInput, ...]


def read_checkpoint(path: Path, *, trust_pickle: bool = False) -> Checkpoint:
    """Read the weights in a file, and what it states about the network's input.

    Args:
        path: the file.
        trust_pickle: let a pickle in it run any code.

    Raises:
        ModelError: no such file, unreadable, no weights in it, NaN or infinite weights, or a pickle
            that would run code without `trust_pickle`.
    """
    if not path.is_file():
        raise ModelError("there is no such file", file=path, expected=EXPECTED)
    if path.suffix == ".safetensors":
        content = _read_safetensors(path)
    elif trust_pickle:
        content = _read_trusted(path)
    else:
        content = _read_pickle(path)
    state = plain_state(_find_state(content, path))
    check_finite(state, path)
    return Checkpoint(state, (*of_checkpoint(content, path.name), *of_files_beside(path)))


def plain_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under plain names, floating point as float32, without batch counters.

    `num_batches_tracked` is not used in eval mode, and older checkpoints do not have it.
    """
    plain = dict(state)
    while prefix := _shared_prefix(plain):
        plain = {key.removeprefix(prefix): tensor for key, tensor in plain.items()}
    if "fc.weight" not in plain:
        plain = {re.sub(r"^last_linear\.", "fc.", key): tensor for key, tensor in plain.items()}
    return {
        key: tensor.detach().float() if tensor.is_floating_point() else tensor
        for key, tensor in plain.items()
        if not key.endswith("num_batches_tracked")
    }


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
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, str(error)) from error


def _read_pickle(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            # torch warns that it ignores the encoding here, but uses it.
            warnings.filterwarnings("ignore", message="pickle_load_args")
            with torch.serialization.safe_globals([argparse.Namespace]):
                return torch.load(path, map_location="cpu", weights_only=True, encoding=PYTHON_2)
    except PermissionError as error:
        raise _unreadable(path, str(error)) from error
    # A damaged pickle can fail in any step of torch's unpickler, with any error. Their messages are
    # of no help, and some advise weights_only=False.
    except Exception as error:
        code = _code_in_pickle(str(error))
        if code is None:
            size = path.stat().st_size
            raise _unreadable(path, f"{size} bytes that torch.load cannot read") from error
        raise ModelError(
            f"reading it would run code: {code}",
            file=path,
            expected="nothing but tensors",
            remedy="--trust-pickle reads it all the same, and lets the file do anything that you "
            "can do on this machine: only for files whose author you trust",
        ) from error


def _code_in_pickle(message: str) -> str | None:
    """Return what a refused file would run, from torch's message; None if it is damaged."""
    if named := re.search(r"GLOBAL ([\w.]*\w)", message):
        return named.group(1)
    if "TorchScript" in message:
        return "a TorchScript archive"
    return "a pickle in torch's old .tar format" if "legacy .tar format" in message else None


def _read_trusted(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=False, encoding=PYTHON_2)
    # The file's own code may raise anything.
    except Exception as error:
        raise _unreadable(path, f"{type(error).__name__}: {error}") from error


def _unreadable(path: Path, found: str) -> ModelError:
    return ModelError(
        "cannot be read as weights",
        file=path,
        found=found[:200],
        expected=EXPECTED,
        remedy="It may be incomplete: compare its size with the original's",
    )


def _find_state(content: object, path: Path) -> dict[str, Tensor]:
    """Find the state dict in a file's content: itself, a whole module, or one under `WRAPPERS`."""
    inner = content
    for _ in range(4):  # {"model": {"state_dict": …}} and the like
        if isinstance(inner, nn.Module):
            inner = inner.state_dict()
        if not isinstance(inner, Mapping):
            break
        state = {key: value for key, value in inner.items() if isinstance(value, Tensor)}
        if state and len(state) == len(inner) and all(isinstance(key, str) for key in state):
            return state
        inner = next((inner[key] for key in WRAPPERS if key in inner), None)
    raise ModelError(
        "holds no state dict",
        file=path,
        found=_outline(content),
        expected=f"names and tensors, alone or under {', '.join(WRAPPERS)}",
    )


def _outline(content: object) -> str:
    if isinstance(content, Mapping):
        return f"the keys {first_of([str(key) for key in content])}" if content else "nothing"
    return f"the type {type(content).__name__}"


def _shared_prefix(state: Mapping[str, Tensor]) -> str | None:
    return next((p for p in PREFIXES if all(key.startswith(p) for key in state)), None)
