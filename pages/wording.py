"""Phrases that the terminal and the pages share, so that both say a thing in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph.run.significant import SignificantLabels

if TYPE_CHECKING:
    from ..explain.ablation import Ablation
    from ..graph.run.reader import Run


def where_silent(tried: Ablation) -> str:
    """Which units were silenced, and where."""
    units = f"{len(tried.units)} unit{'s' * (len(tried.units) != 1)} silent"
    return units if tried.everywhere or not tried.concepts else f"{units} where it is"


def verdict(tried: Ablation) -> str:
    """What that does."""
    if not tried.found:
        return "it is not there, so nothing changes"
    return "changes the decision" if tried.flips else "the decision stays"


def bar(run: Run) -> str:
    """What a label must exceed to name a unit of the run, in words."""
    chance = " and beyond chance" if isinstance(run, SignificantLabels) else ""
    return f"IoU above {run.min_iou:g}{chance}"
