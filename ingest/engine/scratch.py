"""Scratch files of a run in the making: tensors appended batch by batch, read back batch by batch.

Memory therefore does not grow with the number of images; small runs stay in the page cache. On a
GPU they stay in its memory as long as there is room: they are read several times, and would keep
the way to the processor busy.
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

OTHER = 16 << 30
"""Bytes of a GPU that an ingest needs beside what it keeps there, at the most (seen: 11 GB)."""


class DeviceCache:
    """Memory of a device, shared by all files.

    Attributes:
        lock: of what the files hold.
    """

    def __init__(self, size: int) -> None:
        """So many bytes."""
        self._left = size
        self._files: list[TensorFile] = []
        self.lock = threading.Lock()

    def share(self, file: TensorFile) -> None:
        """Let a file use it."""
        self._files.append(file)

    def take(self, size: int) -> bool:
        """Whether there is room for so many bytes; then they are taken."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def clear(self) -> None:
        """Write all that is in it to the files; the memory is needed for other things."""
        with self.lock:
            self._left = 0
            for file in self._files:
                file.write_held()


def device_cache(device: torch.device) -> DeviceCache:
    """What a process may keep on a GPU: half of its share of what is free now, or all but `OTHER`.

    None on a processor.
    """
    if device.type != "cuda":
        return DeviceCache(0)
    reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    sharing = -(-processes // torch.cuda.device_count())
    share = (torch.cuda.mem_get_info(device)[0] + reserved) // sharing
    return DeviceCache(max(share // 2, share - OTHER))


class TensorFile:
    """Tensors of one dtype, each under a number: behind one another in one file, or on a device."""

    def __init__(
        self, path: Path, dtype: torch.dtype, room: DeviceCache, state: State | None = None
    ) -> None:
        """Create the (empty) file, or cut an earlier one to what it held in an earlier `state`.

        What finds `room` is written only when it must be safe on the disk (`state`).
        """
        self._path = path
        self._dtype = torch.empty(0, dtype=dtype).numpy().dtype
        self._room = room
        room.share(self)
        self._held: dict[int, Tensor] = {}
        self._unwritten: list[int] = []
        self._spans: dict[int, tuple[int, tuple[int, ...]]] = state["spans"] if state else {}
        self._end: int = state["end"] if state else 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if state else "wb")
        self._file.truncate(self._end)
        self._file.seek(self._end)

    def append(self, number: int, tensor: Tensor) -> None:
        """Keep one more tensor, of any shape."""
        with self._room.lock:
            if self._room.take(tensor.nbytes):
                self._held[number] = tensor
                self._unwritten.append(number)
            else:
                self._write(number, tensor)

    def write_held(self) -> None:
        """Hold nothing more in the room, whose lock is held."""
        self._write_unwritten()
        self._held.clear()

    def _write_unwritten(self) -> None:
        for number in self._unwritten:
            self._write(number, self._held[number])
        self._unwritten.clear()

    def _write(self, number: int, tensor: Tensor) -> None:
        data = np.ascontiguousarray(tensor.cpu().numpy(), dtype=self._dtype)
        self._spans[number] = (self._end, data.shape)
        self._file.write(data.data)
        self._end += data.nbytes

    def read(self, number: int, device: torch.device) -> Tensor:
        """The tensor that was given under `number`."""
        held = self._held.get(number)
        if held is not None:
            return held
        self._file.flush()
        offset, shape = self._spans[number]
        count = int(np.prod(shape, dtype=np.int64))
        data = np.fromfile(self._path, self._dtype, count, offset=offset).reshape(shape)
        return torch.from_numpy(data).to(device)

    def state(self) -> State:
        """What it holds now, safe on the disk."""
        with self._room.lock:
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
        self._held.clear()
        self._file.close()
        self._path.unlink(missing_ok=True)
