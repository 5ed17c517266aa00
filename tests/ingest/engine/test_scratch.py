"""Cells in scratch files, and in the memory of a device as long as its cache has room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from conceptgraph.ingest.dissection.cell_file import CellFile
from conceptgraph.ingest.dissection.cells import Cells
from conceptgraph.ingest.engine.scratch import DeviceCache, TensorFile, device_cache

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")


def some_cells(seed: int) -> Cells:
    """Draw ten cells: 200 bytes."""
    generator = torch.Generator().manual_seed(seed)
    where = torch.randint(0, 1000, (10,), dtype=torch.int32, generator=generator)
    return Cells(where, torch.rand(10, 4, generator=generator))


def check(file: CellFile, batches: range) -> None:
    for batch in batches:
        found = file.read(batch, CPU)
        assert all(map(torch.equal, found, some_cells(batch)))


@pytest.mark.parametrize("size", [0, 39, 230, 450, 10_000])
def test_what_the_cache_cannot_take_is_written(tmp_path: Path, size: int) -> None:
    file, expected, left = CellFile(tmp_path, "a", DeviceCache(size)), 0, size
    for batch in range(5):
        file.append(batch, some_cells(batch))
        for part in (40, 160):
            left, expected = (left - part, expected) if part <= left else (left, expected + part)
    assert file.bytes_written == expected
    check(file, range(5))


def test_a_cache_is_shared(tmp_path: Path) -> None:
    cache = DeviceCache(230)
    first, second = CellFile(tmp_path, "a", cache), CellFile(tmp_path, "b", cache)
    first.append(0, some_cells(0))
    second.append(0, some_cells(0))
    assert (first.bytes_written, second.bytes_written) == (0, 200)


def test_what_must_be_safe_is_written_once(tmp_path: Path) -> None:
    file = CellFile(tmp_path, "a", DeviceCache(650))
    for batch in range(4):
        file.append(batch, some_cells(batch))
    file.state_dict()
    assert file.bytes_written == 800
    file.append(4, some_cells(4))
    state = file.state_dict()
    assert file.bytes_written == 1000
    file.append(5, some_cells(5))
    check(file, range(6))
    check(CellFile(tmp_path, "a", DeviceCache(0), state), range(5))


def test_what_was_cached_is_written_when_its_memory_is_needed(tmp_path: Path) -> None:
    cache = DeviceCache(650)
    first, second = CellFile(tmp_path, "a", cache), CellFile(tmp_path, "b", cache)
    for batch in range(2):
        first.append(batch, some_cells(batch))
    first.state_dict()
    second.append(0, some_cells(0))
    cache.spill()
    assert (first.bytes_written, second.bytes_written) == (400, 200)
    second.append(1, some_cells(1))
    assert second.bytes_written == 400
    check(first, range(2))
    check(second, range(2))


def test_tensors_of_any_shape_and_none(tmp_path: Path) -> None:
    file = TensorFile(tmp_path / "a", torch.uint16, DeviceCache(0))
    wanted = [torch.arange(24).view(2, 3, 4).transpose(0, 1), torch.zeros(0, 5)]
    wanted = [each.to(torch.uint16) for each in wanted]
    for number, tensor in enumerate(wanted):
        file.append(number, tensor)
    for number, tensor in enumerate(wanted):
        found = file.read(number, CPU)
        assert (found.dtype, found.shape) == (torch.uint16, tensor.shape)
        assert found.tolist() == tensor.tolist()


def test_a_cpu_has_no_cache() -> None:
    assert not device_cache(CPU).reserve(1)
