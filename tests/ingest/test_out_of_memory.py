"""An ingest short of a device's memory: it frees some, and the run is the same."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import torch

from conceptgraph.ingest import pipeline
from conceptgraph.ingest.dissection.activations import SparseActivations
from conceptgraph.ingest.engine.scratch import DeviceCache
from tests.drawn_data import draw_concept_data
from tests.ingest.test_pipeline import SETTINGS, assert_same, dissect, given_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def failing(work: Callable[..., object], times: int) -> Callable[..., object]:
    """Return the same work, for every third batch after so many failures."""
    tried: Counter[int] = Counter()

    def failing_work(self: object, number: int, *rest: object) -> object:
        tried[number] += 1
        if number % 3 == 1 and tried[number] <= times:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return work(self, number, *rest)

    return failing_work


@pytest.mark.parametrize("times", [1, 2])
def test_the_run_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    given = given_network("basic", draw_concept_data(tmp_path / "data", 24))
    plain = dissect(given, tmp_path / "plain.cg", SETTINGS, device="cpu")
    caches: list[DeviceCache] = []

    def device_cache(device: torch.device) -> DeviceCache:
        caches.append(DeviceCache(1 << 40))
        return caches[0]

    monkeypatch.setattr(pipeline, "device_cache", device_cache)
    cached = dissect(given, tmp_path / "cached.cg", SETTINGS, device="cpu")
    assert caches.pop().reserve(1)
    monkeypatch.setattr(SparseActivations, "partial", failing(SparseActivations.partial, times))
    short = dissect(given, tmp_path / "short.cg", SETTINGS, device="cpu")
    assert caches[0].reserve(1) == (times == 1)
    assert_same(plain, cached)
    assert_same(plain, short)
