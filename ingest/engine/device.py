"""Where to compute, and in what arithmetic."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from ...errors import ConceptGraphError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


@contextmanager
def full_float32() -> Iterator[None]:
    """Within it, float32 on CUDA keeps all its bits, not TF32's, and convolutions repeat."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    try:
        with flags:
            yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def memory_errors() -> Iterator[None]:
    """Say in one line that the device is out of memory.

    Raises:
        ConceptGraphError: it was.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ConceptGraphError(
            "the device is out of memory", remedy="Begin anew with a smaller --batch-size"
        ) from error


def choose_device(name: str, number: int = 0) -> torch.device:
    """The device of that name; `auto` is the GPU of that number, where there is one.

    Raises:
        ConceptGraphError: there is no such device.
    """
    if name == "auto":
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return torch.device("cuda", number % gpus) if gpus else torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("\n")[0]
        raise ConceptGraphError(
            f"device {name!r} cannot be used ({reason})", remedy="Give --device cpu or auto"
        ) from error
    return device


def gpu_gigabytes(device: torch.device) -> float | None:
    """All the memory of a GPU; None of a processor, whose memory is not for one ingest alone."""
    if device.type != "cuda":
        return None
    return float(torch.cuda.get_device_properties(device).total_memory) / 1e9


def device_name(device: torch.device) -> str:
    """The device as people call it."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)
