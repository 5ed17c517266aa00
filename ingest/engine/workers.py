"""Threads that work side by side, with results in order: nothing depends on who was first.

torch releases the GIL, so threads are enough. On CPU a pool of workers that each take a whole batch
through a step with a part of the cores beats all cores on one batch: much of what is done to a
batch (finding, counting, sorting) keeps one core busy only, and a convolution on fewer cores wastes
less.
On a GPU two workers keep it busy while one of them waits for it.
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

Task = TypeVar("Task")
Result = TypeVar("Result")

MAX_WORKERS = 8
"""Workers on CPU, at the most: each holds a batch in memory."""
GPU_WORKERS = 2
TRIM_EVERY = 32
"""Tasks after which freed memory goes back to the system."""
MAX_DECODERS = 8
"""Threads that decode images, at the most: a part of decoding holds the GIL."""


def default_workers() -> int:
    """Return how many threads decode images, if nobody says: this process's share of the cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return min(MAX_DECODERS, max(2, (cores or 1) // processes))


def prefetch(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    workers: int,
    ahead: int,
    *,
    chunk: int = 1,
    start: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """Yield results of `work` in the order of the tasks, computed by threads ahead of time.

    Args:
        work: called on a thread.
        tasks: taken on the caller's thread.
        workers: threads.
        ahead: how many tasks are taken before the first result is waited for.
        chunk: how many tasks a thread is given at once; to hand over one costs up to .1 ms.
        start: called once on each thread.
    """

    def work_on(tasks_of_chunk: list[Task]) -> list[Result]:
        return [work(task) for task in tasks_of_chunk]

    with ThreadPoolExecutor(max(1, workers), initializer=start) as threads:
        pending: deque[Future[list[Result]]] = deque()
        source = iter(tasks)
        try:
            while tasks_of_chunk := list(islice(source, chunk)):
                pending.append(threads.submit(work_on, tasks_of_chunk))
                if len(pending) * chunk > ahead:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Let torch use one thread within the context: for what would else depend on their number."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class WorkerPool:
    """The workers of a device.

    Attributes:
        size: how many batches are worked on at once.
    """

    def __init__(
        self,
        device: torch.device,
        gpu_workers: int = GPU_WORKERS,
        free_memory: Callable[[], None] = lambda: None,
    ) -> None:
        """Divide the threads that torch has now (`torch.set_num_threads`) among the workers.

        Args:
            device: of the work.
            gpu_workers: workers of a GPU.
            free_memory: frees memory of the device.
        """
        import torch

        self._threads = torch.get_num_threads()
        self.size = min(MAX_WORKERS, self._threads if device.type == "cpu" else gpu_workers)
        self._free_memory = free_memory
        self._turn = threading.Condition()
        self._running, self._retrying = 0, False

    def map(self, work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield results in the order of the tasks; each task is done by one worker.

        A task for which the device has too little memory is tried again while all other workers
        wait, and once more when memory has been freed: `work` must not mind that.
        """
        import torch

        def work_with_retries(task: Task) -> Result:
            try:
                with self._among_others():
                    return work(task)
            except torch.OutOfMemoryError:
                pass  # its tensors are let go of outside of this
            with self._alone():
                try:
                    torch.cuda.empty_cache()
                    return work(task)
                except torch.OutOfMemoryError:
                    pass
                self._free_memory()
                torch.cuda.empty_cache()
                return work(task)

        threads = max(1, self._threads // self.size)
        results = prefetch(
            work_with_retries,
            tasks,
            self.size,
            self.size,
            start=lambda: torch.set_num_threads(threads),
        )
        try:
            for number, result in enumerate(results, start=1):
                yield result
                if number % TRIM_EVERY == 0:
                    malloc_trim()
        finally:
            torch.set_num_threads(self._threads)  # the number also holds for threads made later

    @contextmanager
    def _among_others(self) -> Iterator[None]:
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
