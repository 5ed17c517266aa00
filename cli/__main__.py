"""The program `conceptgraph`, also as `python -m conceptgraph.cli`, which is what torchrun starts.

Closed streams and signals are seen to before anything large is imported.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run the command line."""
    _open_closed_streams()
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # Ctrl-C while modules are imported is no traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .app import main as run

    signal.signal(signal.SIGINT, before)
    run()


def _open_closed_streams() -> None:
    """Let what is written to a closed stream go nowhere, not into the next file that is opened."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            mode = "w" if number else "r"
            setattr(sys, name, os.fdopen(handle, mode, encoding="utf-8", closefd=False))


if __name__ == "__main__":
    main()
