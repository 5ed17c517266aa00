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
    """Keep all bits of float32 on CUDA within the context (no TF32); convolutions repeat."""
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
def out_of_memory_errors() -> Iterator[None]:
    """Turn torch's out-of-memory error into one line.

    Raises:
        ConceptGraphError: the device is out of memory.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ConceptGraphError(
            "the device is out of memory", remedy="Start again with a smaller --batch-size"
        ) from error


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """Return the device of that name; `auto` is the GPU of that rank, where there is one.

    Raises:
        ConceptGraphError: there is no such device.
    """
    if name == "auto":
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return torch.device("cuda", local_rank % gpus) if gpus else torch.device("cpu")
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
    """Return all the memory of a GPU; None for a CPU, whose memory is not for one ingest alone."""
    if device.type != "cuda":
        return None
    return float(torch.cuda.get_device_properties(device).total_memory) / 1e9


def device_name(device: torch.device) -> str:
    """Return the device as people call it."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)
