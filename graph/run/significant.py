"""A run in which only significant labels name units.

    class_paths(SignificantLabels(open_run("net.cg")), "juggling")

Everything that asks a run what its units detect depends on two properties: `interpretable` and
`detections`. Here they leave out the labels that are not significant, and so do paths, cards,
explanations by concept and ablations.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ...errors import QueryError
from .reader import Run

if TYPE_CHECKING:
    import pandas as pd


class SignificantLabels(Run):
    """A run in which only significant labels name units; numbers and arrays are the run's own.

    A unit whose best label is not significant has no name, even if another of its labels is.

    Raises:
        QueryError: the run's labels were not tested for significance.
    """

    def __init__(self, run: Run) -> None:
        if not run.is_tested:
            what = f"the labels of run {run.name} were not tested for significance"
            raise QueryError(what, remedy="Ingest again, with null_samples above 0")
        super().__init__(run.path, run.manifest)
        self._run = run

    @cached_property
    def detections(self) -> pd.DataFrame:
        """The significant ones of the run's detections."""
        detections = self._run.detections
        rows: pd.DataFrame = detections[detections["significant"]]
        return rows

    @cached_property
    def interpretable(self) -> pd.Series[bool]:
        """Per row of `units`: interpretable in the run, by a label that is significant."""
        return self._run.significant

    @property
    def is_tested(self) -> bool:
        """True, also if none of the labels is significant."""
        return True
