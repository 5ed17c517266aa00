"""Scratch files of a run in the making: arrays appended batch by batch, read back batch by batch.

Memory therefore does not grow with the number of images; small runs stay in the page cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from .cells import Cells

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class ArrayFile:
    """Arrays of one dtype behind one another in one file."""

    def __init__(self, path: Path, dtype: type[np.generic]) -> None:
        """Create the (empty) file."""
        self._path = path
        self._dtype = np.dtype(dtype)
        self._spans: list[tuple[int, tuple[int, ...]]] = []
        self._end = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")

    def append(self, array: NDArray[np.generic]) -> None:
        """Write one more array, of any shape."""
        data = np.ascontiguousarray(array, dtype=self._dtype)
        self._spans.append((self._end, data.shape))
        self._file.write(data.data)
        self._end += data.nbytes

    def read(self, number: int) -> NDArray[np.generic]:
        """The `number`-th array that was written."""
        self._file.flush()
        offset, shape = self._spans[number]
        count = int(np.prod(shape, dtype=np.int64))
        return np.fromfile(self._path, self._dtype, count, offset=offset).reshape(shape)

    @property
    def bytes_written(self) -> int:
        """Size of the file."""
        return self._end

    def close(self) -> None:
        """Close and delete the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class CellFile:
    """The cells of one block, one entry per batch."""

    def __init__(self, folder: Path, name: str) -> None:
        """Create the files in `folder`."""
        self._index = ArrayFile(folder / f"{name}.index", np.uint32)
        self._corners = ArrayFile(folder / f"{name}.corners", np.float32)

    def append(self, cells: Cells) -> None:
        """Keep the cells of one more batch; flat positions fit 32 bits for any sensible batch."""
        self._index.append(cells.where.cpu().numpy())
        self._corners.append(cells.corners.cpu().numpy())

    def read(self, batch: int, device: torch.device) -> Cells:
        """The cells of a batch, as they were given."""
        index = torch.from_numpy(self._index.read(batch).astype(np.int64))
        corners = torch.from_numpy(self._corners.read(batch))
        return Cells(index.to(device), corners.to(device))

    @property
    def bytes_written(self) -> int:
        """Size on disk."""
        return self._index.bytes_written + self._corners.bytes_written

    def close(self) -> None:
        """Delete the files."""
        self._index.close()
        self._corners.close()
