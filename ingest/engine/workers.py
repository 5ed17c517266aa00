"""Work side by side on threads; results come in order, so that nothing depends on who was first.

torch releases Python's lock, so threads are enough. On a processor, *lanes* that
each take a whole batch through a step with a part of the cores beat all cores on one batch: much of
what is done to a batch (finding, counting, sorting) keeps one core busy only, and a convolution on
fewer cores wastes less. On a GPU two lanes keep it busy while one of them waits for it.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from .memory import malloc_trim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 8
"""WorkerPool on a processor, at the most: each holds a batch in memory."""
ON_DEVICE = 2
TIDY = 32
"""Items after which freed memory goes back to the system."""
DECODERS = 8
"""Threads that decode, at the most: Python's own part of it is done by one at a time."""


def default_workers() -> int:
    """Threads that decode, where nobody says how many: this process's share of the cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(DECODERS, max(2, (cores or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


def prefetch(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    ahead: int,
    *,
    at_once: int = 1,
    start: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """Results of `work` in the items' order, computed by threads up to `ahead` items early.

    Args:
        work: called on a thread.
        items: taken on the caller's thread.
        workers: threads.
        ahead: how many items are taken before the first result is waited for.
        at_once: how many a thread is given; to hand over one costs up to .1 ms.
        start: called once on each thread.
    """

    def work_on(some: list[Item]) -> list[Result]:
        return [work(item) for item in some]

    with ThreadPoolExecutor(max(1, workers), initializer=start) as pool:
        pending: deque[Future[list[Result]]] = deque()
        source = iter(items)
        try:
            while some := list(islice(source, at_once)):
                pending.append(pool.submit(work_on, some))
                if len(pending) * at_once > ahead:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Within it torch uses one thread: for what would else depend on their number."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class WorkerPool:
    """The lanes of a device.

    Attributes:
        number: how many batches are worked on at once.
    """

    def __init__(
        self,
        device: torch.device,
        on_device: int = ON_DEVICE,
        make_room: Callable[[], None] = lambda: None,
    ) -> None:
        """Share out the threads that torch has now (`torch.set_num_threads`).

        Args:
            device: of the work.
            on_device: lanes of a GPU.
            make_room: frees memory of the device.
        """
        import torch

        self._threads = torch.get_num_threads()
        self.number = min(MOST, self._threads if device.type == "cpu" else on_device)
        self._make_room = make_room
        self._turn = threading.Condition()
        self._running, self._retrying = 0, False

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results in the items' order; each item is worked on by one lane.

        Work that finds too little of a device's memory is done again, while all other lanes wait,
        and once more when room has been made: `work` must not mind that.
        """
        import torch

        def patient(item: Item) -> Result:
            try:
                with self._beside_others():
                    return work(item)
            except torch.OutOfMemoryError:
                pass  # its tensors are let go of outside of this
            with self._alone():
                try:
                    torch.cuda.empty_cache()
                    return work(item)
                except torch.OutOfMemoryError:
                    pass
                self._make_room()
                torch.cuda.empty_cache()
                return work(item)

        each = max(1, self._threads // self.number)
        results = prefetch(
            patient, items, self.number, self.number, start=lambda: torch.set_num_threads(each)
        )
        try:
            for number, result in enumerate(results, start=1):
                yield result
                if number % TIDY == 0:
                    malloc_trim()
        finally:
            torch.set_num_threads(self._threads)  # the number also holds for threads made later

    @contextmanager
    def _beside_others(self) -> Iterator[None]:
        with self._turn:
            self._turn.wait_for(lambda: not self._retrying)
            self._running += 1
        try:
            yield
        finally:
            with self._turn:
                self._running -= 1
                self._turn.notify_all()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._turn:
            self._turn.wait_for(lambda: not self._retrying)
            self._retrying = True
            self._turn.wait_for(lambda: not self._running)
        try:
            yield
        finally:
            with self._turn:
                self._retrying = False
                self._turn.notify_all()
