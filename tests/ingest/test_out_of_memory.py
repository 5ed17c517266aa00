"""An ingest that finds too little of a device's memory: it makes room, and the run is the same."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import torch

from conceptgraph.ingest import job
from conceptgraph.ingest.dissection.collection import Collection
from conceptgraph.ingest.engine.scratch import DeviceCache
from conceptgraph.ingest.pipeline import ingest
from tests.drawn_data import draw_concept_data
from tests.ingest.test_pipeline import SETTINGS, assert_same, source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def failing(work: Callable[..., object], times: int) -> Callable[..., object]:
    """The same, after it has found no memory so many times for every third batch."""
    tried: Counter[int] = Counter()

    def found(self: object, number: int, *rest: object) -> object:
        tried[number] += 1
        if number % 3 == 1 and tried[number] <= times:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return work(self, number, *rest)

    return found


@pytest.mark.parametrize("times", [1, 2])
def test_the_run_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    given = source("basic", draw_concept_data(tmp_path / "data", 24))
    plain = ingest(given, tmp_path / "plain.cg", SETTINGS, device="cpu")
    rooms: list[DeviceCache] = []

    def device_cache(device: torch.device) -> DeviceCache:
        rooms.append(DeviceCache(1 << 40))
        return rooms[0]

    monkeypatch.setattr(job, "device_cache", device_cache)
    roomy = ingest(given, tmp_path / "roomy.cg", SETTINGS, device="cpu")
    assert rooms.pop().take(1)
    monkeypatch.setattr(Collection, "look", failing(Collection.look, times))
    short = ingest(given, tmp_path / "short.cg", SETTINGS, device="cpu")
    assert rooms[0].take(1) == (times == 1)
    assert_same(plain, roomy)
    assert_same(plain, short)
