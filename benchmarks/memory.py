"""Peak memory of the current process."""

from __future__ import annotations

from pathlib import Path


def peak_of_this_process() -> float:
    """Return the peak resident memory in GB.

    `getrusage` would also count the process that this one was forked from.
    """
    status = Path("/proc/self/status").read_text()
    return float(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9
