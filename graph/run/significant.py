"""A run as if labels that chance would give too had never been found.

    class_paths(SignificantLabels(open_run("net.cg")), "juggling")

Whatever asks a run what its units detect follows from two things here: which units have a name, and
which detections there are. So paths, cards, explanations by concept and what is silenced all leave
the other labels out, and nothing else has to know.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ...errors import QueryError
from .reader import Run

if TYPE_CHECKING:
    import pandas as pd


class SignificantLabels(Run):
    """A run in which only labels beyond chance name units; numbers and arrays are the run's own.

    A unit whose best label is within chance has no name, though another may be beyond it.

    Raises:
        QueryError: its labels were not compared with chance.
    """

    def __init__(self, run: Run) -> None:
        if not run.is_tested:
            remedy = "Ingest it again, without null_samples=0"
            raise QueryError(f"run {run.name} was not compared with chance", remedy=remedy)
        super().__init__(run.path, run.manifest)
        self._run = run

    @cached_property
    def detections(self) -> pd.DataFrame:
        """Those of the run that are beyond chance."""
        found = self._run.detections
        beyond: pd.DataFrame = found[found["significant"]]
        return beyond

    @cached_property
    def interpretable(self) -> pd.Series[bool]:
        """Per row of `units`: interpretable in the run, by a label that is beyond chance."""
        return self._run.significant

    @property
    def is_tested(self) -> bool:
        """They all were, also where none is left."""
        return True
