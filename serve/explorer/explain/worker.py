"""One thread that runs a network: jobs wait in a queue, say how far they are, can be cancelled."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from ....errors import ConceptGraphError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

MOST_WAITING = 32
"""Jobs in the queue; a further one is refused."""
ANSWERS = 24
"""Finished jobs that are kept."""
_DEFECT = "a defect of conceptgraph; the terminal that runs it says more"
_LOG = logging.getLogger(__name__)
Key = TypeVar("Key", bound="Hashable")
Answer = TypeVar("Answer")


class CancelledJobError(ConceptGraphError):
    """A job was cancelled."""


class Job(Generic[Answer]):
    """A job, and how far it is; all attributes are set by the worker's thread.

    Attributes:
        stage: what is done now, in words.
        early: what can be said before the answer is complete.
        answer: the answer, once there is one.
        error: why there is none, in one line.
        ended: set when there is an answer or an error.
    """

    def __init__(self, run: Callable[[Job[Answer]], Answer]) -> None:
        self.stage = "waiting"
        self.early: object = None
        self.answer: Answer | None = None
        self.error: str | None = None
        self.ended = threading.Event()
        self._run = run
        self._cancelled = threading.Event()

    def enter(self, stage: str, early: object = None) -> None:
        """Tell what is done next.

        Raises:
            CancelledJobError: nobody wants the answer any more.
        """
        if self._cancelled.is_set():
            raise CancelledJobError("cancelled")
        self.stage = stage
        if early is not None:
            self.early = early

    def cancel(self) -> None:
        """Let it end before its next stage."""
        self._cancelled.set()

    def run(self) -> None:
        """Run it, in this thread."""
        try:
            self.answer = self._run(self)
        except ConceptGraphError as error:
            self.error = str(error)
        except Exception:
            _LOG.exception("an explanation failed")
            self.error = _DEFECT
        self.ended.set()


class Worker(Generic[Key, Answer]):
    """Runs jobs one after the other, in the order in which they came.

    A job that is asked for again while it waits, runs or is kept is the same job.

    Args:
        prepare: is run in the thread before all jobs; an error of ours is left to the jobs.
    """

    def __init__(self, prepare: Callable[[], object] | None = None) -> None:
        self._prepare = prepare
        self._closed = False
        self._jobs: OrderedDict[Key, Job[Answer]] = OrderedDict()
        self._queue: deque[Job[Answer]] = deque()
        self._lock = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="explain", daemon=True)
        self._thread.start()

    def submit(self, key: Key, run: Callable[[Job[Answer]], Answer]) -> Job[Answer]:
        """Return the job of a key; queue it if there is none.

        Raises:
            ConceptGraphError: too many are waiting, or the thread ends.
        """
        with self._lock:
            job = self._jobs.get(key)
            if job is None:
                if self._closed:
                    raise ConceptGraphError("the run was opened again", remedy="Ask once more")
                if len(self._queue) >= MOST_WAITING:
                    raise ConceptGraphError(
                        "too many explanations are waiting", found=len(self._queue),
                        remedy="Try again in a minute",
                    )  # fmt: skip
                job = self._jobs[key] = Job(run)
                self._queue.append(job)
                self._lock.notify()
            self._jobs.move_to_end(key)
            self._forget()
            return job

    def find(self, key: Key) -> Job[Answer] | None:
        """Return the job of a key, if there is one; that counts as asking for it."""
        with self._lock:
            if key in self._jobs:
                self._jobs.move_to_end(key)
            return self._jobs.get(key)

    def forget(self, key: Key) -> None:
        """Cancel the job of a key, if there is one, and drop its answer."""
        with self._lock:
            job = self._jobs.pop(key, None)
            if job is not None:
                job.cancel()

    def waiting_before(self, job: Job[Answer]) -> int:
        """Return how many jobs are run before this one."""
        with self._lock:
            return self._queue.index(job) + 1 if job in self._queue else 0

    def _forget(self) -> None:
        """Drop the answers not asked for the longest."""
        ended = [key for key, job in self._jobs.items() if job.ended.is_set()]
        for key in ended[: max(0, len(ended) - ANSWERS)]:
            del self._jobs[key]

    def close(self) -> None:
        """Let the thread end: the job that it runs before its next stage, all others now."""
        with self._lock:
            self._closed = True
            for job in self._jobs.values():
                job.cancel()
            self._lock.notify()

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended after `close`, for some seconds at most."""
        self._thread.join(seconds)

    def _work(self) -> None:
        if self._prepare is not None:
            with suppress(ConceptGraphError):
                self._prepare()
        while True:
            with self._lock:
                while not self._queue and not self._closed:
                    self._lock.wait()
                if not self._queue:
                    return
                job = self._queue.popleft()
            job.run()
