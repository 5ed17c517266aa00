"""The stored cells of one block, in scratch files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..engine.scratch import TensorFile
from .cells import Cells

if TYPE_CHECKING:
    from pathlib import Path

    from ..engine.checkpoint import State
    from ..engine.scratch import DeviceCache


class CellFile:
    """The cells of one block, one entry per batch."""

    def __init__(
        self, folder: Path, name: str, cache: DeviceCache, state: State | None = None
    ) -> None:
        """Create the files in `folder`, or continue those of an earlier `state_dict`."""
        index, corners = (state["index"], state["corners"]) if state else (None, None)
        self._index = TensorFile(folder / f"{name}.index", torch.int32, cache, index)
        self._corners = TensorFile(folder / f"{name}.corners", torch.float32, cache, corners)

    def append(self, batch: int, cells: Cells) -> None:
        """Store the cells of one more batch."""
        self._index.append(batch, cells.where)
        self._corners.append(batch, cells.corners)

    def read(self, batch: int, device: torch.device) -> Cells:
        """Return the cells of a batch, as they were stored."""
        return Cells(self._index.read(batch, device), self._corners.read(batch, device))

    def state_dict(self) -> State:
        """Return where each batch lies, once all are safe on the disk."""
        return {"index": self._index.state_dict(), "corners": self._corners.state_dict()}

    @property
    def bytes_written(self) -> int:
        """Size on disk."""
        return self._index.bytes_written + self._corners.bytes_written

    def close(self) -> None:
        """Delete the files."""
        self._index.close()
        self._corners.close()
