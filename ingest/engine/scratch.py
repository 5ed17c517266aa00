"""Scratch files of an ingest: tensors appended batch by batch, read back batch by batch.

Memory therefore does not grow with the number of images; small runs stay in the page cache. On a
GPU they stay in its memory as long as the cache budget lasts: they are read several times, and
would keep the way to the CPU busy.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from .checkpoint import State

RESERVED = 16 << 30
"""Bytes of a GPU that an ingest needs beside what it caches there, at the most (seen: 11 GB)."""


class DeviceCache:
    """Memory of a device in which scratch files may keep their tensors, up to a budget.

    Attributes:
        lock: of what the files keep there.
    """

    def __init__(self, budget: int) -> None:
        """Start empty, with so many bytes."""
        self._left = budget
        self._files: list[TensorFile] = []
        self.lock = threading.Lock()

    def register(self, file: TensorFile) -> None:
        """Let a file use it."""
        self._files.append(file)

    def reserve(self, size: int) -> bool:
        """Take so many bytes of the budget; False where too little is left."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def spill(self) -> None:
        """Write all that is in it to the files; the memory is needed for other things."""
        with self.lock:
            self._left = 0
            for file in self._files:
                file.spill()


def device_cache(device: torch.device) -> DeviceCache:
    """Return the cache that a process may use on a GPU; none on CPU.

    The budget is half of the process's share of what is free now, or all of it but `RESERVED`.
    """
    if device.type != "cuda":
        return DeviceCache(0)
    reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    on_this_gpu = -(-processes // torch.cuda.device_count())
    share = (torch.cuda.mem_get_info(device)[0] + reserved) // on_this_gpu
    return DeviceCache(max(share // 2, share - RESERVED))


class TensorFile:
    """Tensors of one dtype, each under a number: one after another in a file, or on a device."""

    def __init__(
        self, path: Path, dtype: torch.dtype, cache: DeviceCache, state: State | None = None
    ) -> None:
        """Create the empty file, or cut an earlier one to what it held at an earlier `state_dict`.

        What the cache takes is written only when it must be safe on the disk (`state_dict`).
        """
        self._path = path
        self._dtype = torch.empty(0, dtype=dtype).numpy().dtype
        self._cache = cache
        cache.register(self)
        self._cached: dict[int, Tensor] = {}
        self._unwritten: list[int] = []
        self._spans: dict[int, tuple[int, tuple[int, ...]]] = state["spans"] if state else {}
        self._end: int = state["end"] if state else 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if state else "wb")
        self._file.truncate(self._end)
        self._file.seek(self._end)

    def append(self, number: int, tensor: Tensor) -> None:
        """Store a tensor of any shape under a number."""
        with self._cache.lock:
            if self._cache.reserve(tensor.nbytes):
                self._cached[number] = tensor
                self._unwritten.append(number)
            else:
                self._write(number, tensor)

    def spill(self) -> None:
        """Write all that is in the cache, whose lock is held by the caller, and leave it."""
        self._write_unwritten()
        self._cached.clear()

    def _write_unwritten(self) -> None:
        for number in self._unwritten:
            self._write(number, self._cached[number])
        self._unwritten.clear()

    def _write(self, number: int, tensor: Tensor) -> None:
        data = np.ascontiguousarray(tensor.cpu().numpy(), dtype=self._dtype)
        self._spans[number] = (self._end, data.shape)
        self._file.write(data.data)
        self._end += data.nbytes

    def read(self, number: int, device: torch.device) -> Tensor:
        """Return the tensor that was stored under a number."""
        cached = self._cached.get(number)
        if cached is not None:
            return cached
        self._file.flush()
        offset, shape = self._spans[number]
        count = int(np.prod(shape, dtype=np.int64))
        data = np.fromfile(self._path, self._dtype, count, offset=offset).reshape(shape)
        return torch.from_numpy(data).to(device)

    def state_dict(self) -> State:
        """Return where each tensor lies, once all are safe on the disk."""
        with self._cache.lock:
            self._write_unwritten()
            self._file.flush()
            os.fsync(self._file.fileno())
            return {"spans": dict(self._spans), "end": self._end}

    @property
    def bytes_written(self) -> int:
        """Size of the file."""
        return self._end

    def close(self) -> None:
        """Close and delete the file."""
        self._cached.clear()
        self._file.close()
        self._path.unlink(missing_ok=True)
