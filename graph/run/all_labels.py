"""A run in which every interpretable unit has a name, as in the paper.

class_paths(AllLabels(open_run("net.cg")), "juggling")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .reader import Run

if TYPE_CHECKING:
    import pandas as pd


class AllLabels(Run):
    """A run in which the label of every interpretable unit names it, also one that does not hold.

    Everything that names a unit asks the run's `named`; numbers and arrays are the run's own.
    """

    def __init__(self, run: Run) -> None:
        super().__init__(run.path, run.manifest, run.words)

    @property
    def named(self) -> pd.Series[bool]:
        """Per row of `units`: interpretable."""
        return self.interpretable
