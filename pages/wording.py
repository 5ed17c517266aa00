"""Phrases that the terminal and the pages share, so that both say a thing in the same words."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ..explain.audit_counts import Confusion
from ..explain.reliance import distinct
from ..explain.verdict import shown_regions
from ..graph.evidence_graph import ELSEWHERE
from ..graph.run.all_labels import AllLabels
from ..graph.uids import split_concept
from ..queries.unnamed import word_criterion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..explain.ablation import Ablation
    from ..explain.audit import Audit
    from ..explain.evidence_groups import EvidenceGroup
    from ..explain.image_regions import ImageRegions
    from ..graph.run.reader import Run

_UNPROBED = 12
CONCEPTS_SHOWN = 8
"""Concepts of an explanation in rows of their own; all others are summed in one row."""


DISPUTED_TEXT = (
    "“?”: evidence and loss differ by more than half of the larger one; a picture in which "
    "something is painted over may not look as it would without it."
)


def counted(number: int, noun: str) -> str:
    """Return "1 unit" or "2,048 units"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def label_criterion(run: Run) -> str:
    """Return what a label must have to name a unit of the run: "IoU above 0.04, held out …"."""
    if run.words is not None:
        which = "the best" if isinstance(run, AllLabels) else word_criterion(run)
        return f"words by {run.words.source}: {which}; IoU of images, not of pixels"
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
    decision = f"changes to {ablation.after[0].name}" if ablation.flips else "stays"
    if ablation.overtakes is None:
        return f"the decision {decision}"
    ahead, behind = ablation.overtakes
    return f"the logit of {ahead} exceeds that of {behind}, and the decision {decision}"


def evidence_after(ablation: Ablation) -> str:
    """Return the evidence for the class that is predicted after an ablation; "" without any."""
    concepts = (f"{concept.name} {concept.contribution:+.2f}" for concept in ablation.took_over)
    evidence = ", ".join(concepts)
    return f"Evidence for {ablation.after[0].name} after the ablation: {evidence}" * bool(evidence)


def elsewhere_text(picture: ImageRegions) -> str:
    """Return what "elsewhere" means in the table of regions; "" without one."""
    regions = shown_regions(picture)
    if not regions:
        return ""
    category, block = regions[0].category, picture.thing_block
    text = f"“{ELSEWHERE}”: where no {category} of the concept data is found."
    missing = [concept.name for concept in picture.unprobed if concept.category == category]
    if not missing or category in picture.masked:
        return text
    names = ", ".join(missing[:_UNPROBED]) + (" …" if len(missing) > _UNPROBED else "")
    return f"{text} No probe of {block} is good enough to find: {names}."


def masked_text(picture: ImageRegions) -> str:
    """Return which regions are from annotation masks, and which are not; "" if none is."""
    if not picture.masked:
        return ""
    names = ", ".join(picture.masked)
    return f"Regions by annotation masks: {names}; those of other categories by presence probes."


def audit_finding(audit: Audit) -> str:
    """Return the finding of an audit in one sentence.

    With labels it is the concept whose loss puts most mistakes right, if any does; else the one
    that is most particular to its class.
    """
    rows = distinct(audit.reliance)
    fixing = max(rows, key=lambda row: row.fixes or 0, default=None)
    if fixing is not None and fixing.fixes:
        return (
            f"{fixing.class_name}: {split_concept(fixing.concept)[1]} carries "
            f"{fixing.wrong_strongest} of the {audit.mistakes_as(fixing.class_name)} images that "
            f"are wrongly taken for it; with the thing painted over, {fixing.fixes} become right."
        )
    if rows:
        row = rows[0]
        carries = (
            f"{row.class_name}: {split_concept(row.concept)[1]} carries {row.strongest} of "
            f"{audit.answers[row.class_name]} answers"
        )
        if not row.painted:
            return f"{carries}."
        changes = f"painted over in {row.painted} images, it changes the answer in {row.changes}"
        return f"{carries}; {changes}."
    return "No concept carries the answers of one class more often than those of others."


def group_reason(group: EvidenceGroup) -> str:
    """Return why the images of a group belong together: its concepts, or that none names it."""
    if not group.concepts:
        return "no concept of the data names this"
    names = (split_concept(concept.concept)[1] for concept in group.concepts)
    return " · ".join(dict.fromkeys(names))


def why_command(
    run: Run, audit: Audit, example: Confusion | EvidenceGroup | None, options: Sequence[str] = ()
) -> str:
    """Return the command that explains an image of an audit.

    Args:
        run: the run.
        audit: the audit.
        example: a confusion, of which it is the most confident mistake; or a group, of which it is
            the most typical image; None means the first confusion, else the first group.
        options: further words of the command.
    """
    if example is None:
        example = audit.confusions[0] if audit.confusions else audit.groups[0]
    question = []
    if isinstance(example, Confusion):
        question = ["--class", example.predicted, "--versus", example.truth]
    words = [
        "conceptgraph", "why", "--run", str(run.path),
        "--image", str(audit.folder / example.images[0]), *question, "--html", "why.html", *options,
    ]  # fmt: skip
    return shlex.join(words)
