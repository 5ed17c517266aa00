"""Phrases that the terminal and the pages share, so that both say a thing in the same words."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ..graph.run.all_labels import AllLabels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..explain.ablation import Ablation
    from ..explain.audit import Audit
    from ..explain.audit_counts import Confusion
    from ..graph.run.reader import Run

CONCEPTS_SHOWN = 8
"""Concepts of an explanation in rows of their own; all others are summed in one row."""


def counted(number: int, noun: str) -> str:
    """Return "1 unit" or "2,048 units"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def label_criterion(run: Run) -> str:
    """Return what a label must have to name a unit of the run: "IoU above 0.04, held out …"."""
    iou = f"IoU above {run.min_iou:g}"
    if isinstance(run, AllLabels):
        return iou
    return f"{iou} and {run.settings.min_precision:.0%} of the activation area, beyond chance"


def ablation_scope(ablation: Ablation) -> str:
    """Return how many units were ablated, and where."""
    units = counted(len(ablation.units), "unit")
    if ablation.by_probe:
        names = ", ".join(ablation.by_probe)
        units += f"; no unit detects {names}, so those that carry its presence probe"
    return units if ablation.everywhere or not ablation.concepts else f"{units}, where present"


def ablation_outcome(ablation: Ablation) -> str:
    """Return what an ablation changes."""
    if not ablation.changed:
        return "not present in the image, so nothing changes"
    if ablation.flips:
        return f"the decision changes to {ablation.after[0].name}"
    return "the decision stays"


def evidence_after(ablation: Ablation) -> str:
    """Return the evidence for the class that is predicted after an ablation; "" without any."""
    concepts = (f"{concept.name} {concept.contribution:+.2f}" for concept in ablation.took_over)
    evidence = ", ".join(concepts)
    return f"Evidence for {ablation.after[0].name} after the ablation: {evidence}" * bool(evidence)


def why_command(run: Run, audit: Audit, confusion: Confusion, options: Sequence[str] = ()) -> str:
    """Return the command that explains the most confident mistake of a confusion.

    Args:
        run: the run.
        audit: the audit.
        confusion: one of its confusions.
        options: further words of the command.
    """
    words = [
        "conceptgraph", "why", "--run", str(run.path),
        "--image", str(audit.folder / confusion.images[0]), "--class", confusion.predicted,
        "--versus", confusion.truth, "--html", "why.html", *options,
    ]  # fmt: skip
    return shlex.join(words)
