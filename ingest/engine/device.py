"""Where to compute, and in what arithmetic."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from ...graph.errors import ConceptGraphError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


@contextmanager
def whole_float32() -> Iterator[None]:
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


def gigabytes_of(device: torch.device) -> float | None:
    """All the memory of a GPU; None of a processor, whose memory is not for one ingest alone."""
    if device.type != "cuda":
        return None
    return float(torch.cuda.get_device_properties(device).total_memory) / 1e9


def device_name(device: torch.device) -> str:
    """The device as people call it."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def occurrences(numbers: torch.Tensor, size: int) -> torch.Tensor:
    """How often each number from 0 to size − 1 occurs, int64 (size,).

    Args:
        numbers: int32 or int64 (n,), all below size. (`bincount` makes sure of that, for which on a
            GPU all work before has to be waited for.)
        size: how many there are.
    """
    if numbers.device.type == "cpu":
        return torch.bincount(numbers, minlength=size)
    ones = torch.ones_like(numbers, dtype=torch.int64)
    return torch.zeros(size, dtype=torch.int64, device=numbers.device).index_add_(0, numbers, ones)


def some_images(values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Some of the images of (images, …), given their numbers on the processor, ascending."""
    if len(rows) == len(values):
        return values
    return values.index_select(0, rows.to(values.device, non_blocking=True))
