"""The thread that runs jobs: order, sharing, cancelling, failing, limits."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from conceptgraph.errors import ConceptGraphError, DataError
from conceptgraph.serve.explorer.explain import worker as module
from conceptgraph.serve.explorer.explain.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conceptgraph.serve.explorer.explain.worker import Job

SECONDS = 20


class _Gate:
    """A job that waits until it is let through."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, job: Job[str]) -> str:
        job.enter("first")
        self.entered.set()
        self.opened.wait(SECONDS)
        job.enter("second", early="soon")
        return "done"


@pytest.fixture
def worker() -> Iterator[Worker[str, str]]:
    worker: Worker[str, str] = Worker()
    yield worker
    worker.close()
    worker.join(SECONDS)


def answer(text: str) -> Callable[[Job[str]], str]:
    return lambda _: text


def logged(text: str, order: list[str]) -> Callable[[Job[str]], str]:
    def run(_: Job[str]) -> str:
        order.append(text)
        return text

    return run


def ended(job: Job[str]) -> Job[str]:
    assert job.ended.wait(SECONDS)
    return job


def test_jobs_run_one_after_the_other_in_their_order(worker: Worker[str, str]) -> None:
    gate, order = _Gate(), list[str]()
    first = worker.submit("a", gate)
    others = [worker.submit(key, logged(key, order)) for key in "bcd"]
    assert gate.entered.wait(SECONDS)
    assert [worker.waiting_before(job) for job in (first, *others)] == [0, 1, 2, 3]
    assert (first.stage, first.early, others[0].stage) == ("first", None, "waiting")
    gate.opened.set()
    assert (ended(first).stage, first.early) == ("second", "soon")
    assert [ended(job).answer for job in (first, *others)] == ["done", "b", "c", "d"]
    assert order == ["b", "c", "d"]


def test_the_same_question_is_one_job(worker: Worker[str, str]) -> None:
    gate = _Gate()
    assert worker.submit("a", gate) is worker.submit("a", answer("another"))
    gate.opened.set()
    assert ended(worker.submit("a", gate)).answer == "done"


def test_a_cancelled_job_ends_before_its_next_stage(worker: Worker[str, str]) -> None:
    gate = _Gate()
    job = worker.submit("a", gate)
    assert gate.entered.wait(SECONDS)
    worker.forget("a")
    gate.opened.set()
    assert ended(job).error == "cancelled"
    assert job.answer is None
    assert worker.find("a") is None
    assert ended(worker.submit("a", answer("again"))).answer == "again"


def test_an_error_is_one_line_and_the_thread_goes_on(worker: Worker[str, str]) -> None:
    def refuse(_: Job[str]) -> str:
        raise DataError("a damaged photograph")

    def break_down(_: Job[str]) -> str:
        raise ZeroDivisionError

    assert ended(worker.submit("a", refuse)).error == "a damaged photograph"
    assert "ZeroDivisionError" not in str(ended(worker.submit("b", break_down)).error)
    assert ended(worker.submit("c", answer("fine"))).answer == "fine"


def test_it_prepares_itself_and_ends() -> None:
    prepared = threading.Event()

    def prepare() -> None:
        prepared.set()
        raise DataError("left to the jobs")

    worker: Worker[str, str] = Worker(prepare)
    assert ended(worker.submit("a", answer("fine"))).answer == "fine"
    assert prepared.is_set()
    worker.close()
    worker.join(SECONDS)
    with pytest.raises(ConceptGraphError, match="opened again"):
        worker.submit("another", answer("another"))


def test_its_end_leaves_nobody_waiting(worker: Worker[str, str]) -> None:
    """What runs ends before its next stage, what waits is not run, and nothing more is taken."""
    gates = [_Gate() for _ in range(3)]
    jobs = [worker.submit(str(number), gate) for number, gate in enumerate(gates)]
    assert gates[0].entered.wait(SECONDS)
    worker.close()
    gates[0].opened.set()
    assert [ended(job).error for job in jobs] == ["cancelled"] * 3
    assert [gate.entered.is_set() for gate in gates] == [True, False, False]
    worker.join(SECONDS)
    assert "explain" not in [thread.name for thread in threading.enumerate()]


def test_only_so_many_wait_and_only_so_many_answers_are_kept(
    worker: Worker[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    monkeypatch.setattr(module, "ANSWERS", 1)
    gate = _Gate()
    worker.submit("a", gate)
    assert gate.entered.wait(SECONDS)
    jobs = [worker.submit(key, answer(key)) for key in "bc"]
    with pytest.raises(ConceptGraphError, match="too many"):
        worker.submit("d", answer("d"))
    gate.opened.set()
    for job in jobs:
        ended(job)
    ended(worker.submit("e", answer("e")))
    worker.submit("e", answer("e"))
    assert worker.find("e") is not None
    assert worker.find("b") is None
