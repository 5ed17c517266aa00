"""The kept cells of one block, in scratch files."""

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
        self, folder: Path, name: str, room: DeviceCache, state: State | None = None
    ) -> None:
        """Create the files in `folder`, or go on with those of an earlier `state`."""
        index, corners = (state["index"], state["corners"]) if state else (None, None)
        self._index = TensorFile(folder / f"{name}.index", torch.int32, room, index)
        self._corners = TensorFile(folder / f"{name}.corners", torch.float32, room, corners)

    def append(self, batch: int, cells: Cells) -> None:
        """Keep the cells of one more batch."""
        self._index.append(batch, cells.where)
        self._corners.append(batch, cells.corners)

    def read(self, batch: int, device: torch.device) -> Cells:
        """The cells of a batch, as they were given."""
        return Cells(self._index.read(batch, device), self._corners.read(batch, device))

    def state(self) -> State:
        """What it holds now, safe on the disk."""
        return {"index": self._index.state(), "corners": self._corners.state()}

    @property
    def bytes_written(self) -> int:
        """Size on disk."""
        return self._index.bytes_written + self._corners.bytes_written

    def close(self) -> None:
        """Delete the files."""
        self._index.close()
        self._corners.close()
