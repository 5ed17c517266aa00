"""Work that takes long is done one piece at a time, and few requests may wait for it.

Each that waits holds a thread of the server; without a bound they would hold all, and no page at
all would open.
"""

from __future__ import annotations

import threading

from ...errors import ConceptGraphError

MOST_WAITING = 8


class OneAtATime:
    """A lock for long work, with a bound on who waits for it."""

    def __init__(self) -> None:
        """Make it, free."""
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(1 + MOST_WAITING)

    def __enter__(self) -> None:
        """Wait for one's turn.

        Raises:
            ConceptGraphError: too many wait.
        """
        if not self._places.acquire(blocking=False):
            raise ConceptGraphError(
                "too many long requests wait", found=MOST_WAITING, remedy="Try again in a minute"
            )
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        """Let the next one in."""
        self._lock.release()
        self._places.release()
