"""Work side by side on threads, and batch sizes."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from conceptgraph.ingest.engine.workers import MAX_DECODERS, WorkerPool, default_workers, prefetch
from conceptgraph.settings import Settings


@pytest.mark.parametrize(
    ("gigabytes", "images", "size"),
    [
        (None, 1_000_000, 32),
        (80, 100, 32),
        (80, 1_468, 45),
        (80, 8_000, 250),
        (80, 63_305, 256),
        (24, 63_305, 256),
        (16, 63_305, 128),
        (8, 63_305, 64),
        (2, 63_305, 32),
    ],
)
def test_a_gpu_gets_larger_batches_where_there_are_many(
    gigabytes: float | None, images: int, size: int
) -> None:
    assert Settings().batch_size_for(images, 224**2, gigabytes) == size
    assert Settings(batch_size=7).batch_size_for(images, 224**2, gigabytes) == 7


def test_larger_images_come_in_smaller_batches() -> None:
    assert Settings().batch_size_for(63_305, 448**2, 80) == 128
    assert Settings().batch_size_for(63_305, 1024**2, 80) == 32


def test_processes_of_a_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = default_workers()
    assert 2 <= alone <= MAX_DECODERS
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1000")
    assert default_workers() == 2


def test_work_that_finds_no_memory_is_done_again_alone() -> None:
    lock, running, tried, beside = threading.Lock(), set[int](), list[int](), list[int]()

    def work(item: int) -> int:
        with lock:
            again = item in tried
            tried.append(item)
            running.add(item)
        time.sleep(0.005)
        with lock:
            if again:
                beside.append(len(running))
            running.remove(item)
        if item % 3 == 1 and not again:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 2 * item

    pool = WorkerPool(torch.device("cuda"), gpu_workers=3)
    assert list(pool.map(work, range(20))) == list(range(0, 40, 2))
    assert sorted(tried) == sorted([*range(20), *range(1, 20, 3)])
    assert beside == [1] * 7


def test_memory_is_freed_for_work_that_finds_none_alone() -> None:
    tried, freed = list[int](), list[bool]()

    def work(item: int) -> int:
        tried.append(item)
        if item == 5 and not freed:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return item

    pool = WorkerPool(torch.device("cuda"), 2, lambda: freed.append(True))
    assert list(pool.map(work, range(9))) == list(range(9))
    assert sorted(tried) == sorted([*range(9), 5, 5])
    assert freed == [True]


def test_work_that_never_finds_memory_says_so() -> None:
    def work(item: int) -> int:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        list(WorkerPool(torch.device("cpu")).map(work, range(3)))


def test_tasks_are_taken_only_so_far_ahead() -> None:
    started: list[int] = []

    def work(item: int) -> int:
        started.append(item)
        time.sleep(0.001 * (item % 3))
        return item

    results = prefetch(work, iter(range(1000)), workers=3, ahead=5)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    results.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(started) <= 4 + 5 + 1
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]
