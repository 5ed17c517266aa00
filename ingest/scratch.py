"""Scratch files of a run in the making: arrays appended batch by batch, read back batch by batch.

Memory therefore does not grow with the number of images; small runs stay in the page cache. On a
GPU cells stay in its memory as long as there is room: they are read five times, and would keep the
way to the processor busy.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import torch

from .cells import Cells

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .bookmark import State


class ArrayFile:
    """Arrays of one dtype behind one another in one file, each under a number."""

    def __init__(self, path: Path, dtype: type[np.generic], state: State | None = None) -> None:
        """Create the (empty) file, or cut an earlier one to what it held in an earlier `state`."""
        self._path = path
        self._dtype = np.dtype(dtype)
        self._spans: dict[int, tuple[int, tuple[int, ...]]] = state["spans"] if state else {}
        self._end: int = state["end"] if state else 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if state else "wb")
        self._file.truncate(self._end)
        self._file.seek(self._end)

    def append(self, number: int, array: NDArray[np.generic]) -> None:
        """Write one more array, of any shape."""
        data = np.ascontiguousarray(array, dtype=self._dtype)
        self._spans[number] = (self._end, data.shape)
        self._file.write(data.data)
        self._end += data.nbytes

    def read(self, number: int) -> NDArray[np.generic]:
        """The array that was written under `number`."""
        self._file.flush()
        offset, shape = self._spans[number]
        count = int(np.prod(shape, dtype=np.int64))
        return np.fromfile(self._path, self._dtype, count, offset=offset).reshape(shape)

    def state(self) -> State:
        """What it holds now, safe on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return {"spans": dict(self._spans), "end": self._end}

    @property
    def bytes_written(self) -> int:
        """Size of the file."""
        return self._end

    def close(self) -> None:
        """Close and delete the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class Room:
    """Memory of a device for cells, shared by the files of all blocks."""

    def __init__(self, size: int) -> None:
        """So many bytes."""
        self._left = size

    def take(self, cells: Cells) -> bool:
        """Whether there is room for these; then it is theirs."""
        size = cells.where.nbytes + cells.corners.nbytes
        if size > self._left:
            return False
        self._left -= size
        return True


def room_on(device: torch.device) -> Room:
    """Half of a process's share of what is free on a GPU now; none on a processor."""
    if device.type != "cuda":
        return Room(0)
    reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    sharing = -(-processes // torch.cuda.device_count())
    return Room((torch.cuda.mem_get_info(device)[0] + reserved) // (2 * sharing))


class CellFile:
    """The cells of one block, one entry per batch."""

    def __init__(self, folder: Path, name: str, room: Room, state: State | None = None) -> None:
        """Create the files in `folder`, or go on with those of an earlier `state`.

        What finds `room` is written only when it must be safe on the disk (`state`).
        """
        index, corners = (state["index"], state["corners"]) if state else (None, None)
        self._index = ArrayFile(folder / f"{name}.index", np.int32, index)
        self._corners = ArrayFile(folder / f"{name}.corners", np.float32, corners)
        self._room = room
        self._held: dict[int, Cells] = {}
        self._unwritten: list[int] = []

    def append(self, batch: int, cells: Cells) -> None:
        """Keep the cells of one more batch."""
        if self._room.take(cells):
            self._held[batch] = cells
            self._unwritten.append(batch)
        else:
            self._write(batch, cells)

    def _write(self, batch: int, cells: Cells) -> None:
        self._index.append(batch, cells.where.cpu().numpy())
        self._corners.append(batch, cells.corners.cpu().numpy())

    def read(self, batch: int, device: torch.device) -> Cells:
        """The cells of a batch, as they were given."""
        if batch in self._held:
            return self._held[batch]
        index = torch.from_numpy(self._index.read(batch))
        corners = torch.from_numpy(self._corners.read(batch))
        return Cells(index.to(device), corners.to(device))

    def state(self) -> State:
        """What it holds now, safe on the disk."""
        for batch in self._unwritten:
            self._write(batch, self._held[batch])
        self._unwritten.clear()
        return {"index": self._index.state(), "corners": self._corners.state()}

    @property
    def bytes_written(self) -> int:
        """Size on disk."""
        return self._index.bytes_written + self._corners.bytes_written

    def close(self) -> None:
        """Delete the files."""
        self._held.clear()
        self._index.close()
        self._corners.close()
