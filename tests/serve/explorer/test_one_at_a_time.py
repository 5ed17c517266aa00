"""Long requests: one at a time, few that wait, and all others are refused at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from conceptgraph.errors import ConceptGraphError
from conceptgraph.serve.explorer.one_at_a_time import MOST_WAITING, OneAtATime


def test_few_wait_and_all_who_waited_have_their_turn() -> None:
    turn, inside, refused, done = OneAtATime(), [0], threading.Semaphore(0), []
    go_on = threading.Event()

    def work(number: int) -> None:
        try:
            with turn:
                inside[0] += 1
                assert inside[0] == 1
                assert go_on.wait(30)
                done.append(number)
                inside[0] -= 1
        except ConceptGraphError:
            refused.release()

    with ThreadPoolExecutor(MOST_WAITING + 4) as threads:
        jobs = [threads.submit(work, number) for number in range(MOST_WAITING + 4)]
        for _ in range(3):
            assert refused.acquire(timeout=30)
        go_on.set()
        for job in jobs:
            job.result()
    assert len(done) == 1 + MOST_WAITING
    with turn:
        pass
