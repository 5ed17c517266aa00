"""The C library's memory between batches.

A forward pass allocates and frees tens of megabytes per layer. glibc returns blocks of that size to
the system at once and takes them back zeroed, page by page: measured here, a sixth of the time of a
whole ingest. Told to keep them, it does not. By default threads also allocate from arenas of their
own, between which freed memory cannot move: with one arena for all, .4 GB less.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8


def tune_malloc(limit: int = 1 << 30) -> bool:
    """Let up to `limit` bytes of freed memory be reused, by any thread that starts after this.

    Returns:
        Whether the C library could.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    options = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: limit, _M_ARENA_MAX: 1}
    return all(mallopt(option, value) for option, value in options.items())


def malloc_trim() -> None:
    """Return freed memory to the system.

    Blocks of many sizes from several threads leave holes that later ones do not fit: without this
    memory grows by .3 GB in ten thousand images.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause Python's garbage collector within the context.

    Where hundreds of thousands of objects are made to stay, it takes a third of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
