"""The page of an audit, without a script: a contact sheet of groups, then reliance and mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConceptGraphError
from ..explain.name_sources import run_sources_note
from ..explain.no_answer import audit_note
from ..explain.reliance import distinct
from ..ingest.network.preprocessing import seen_box
from .document import render
from .pictures import (
    crop_seen,
    frame_seen,
    masks_of_frames,
    outlined,
    photographs,
    picture_of,
    shrunk,
)
from .wording import audit_finding, group_reason, why_command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ..explain.audit import Audit
    from ..explain.evidence_groups import EvidenceGroup
    from ..graph.run.reader import Run
    from .pictures import Picture

CONFUSIONS, SUSPECTS, RELIANCE, EXAMPLES = 30, 30, 40, 4
"""The most confusions, suspects, rows of reliance, images of a confusion that are shown."""
_SMALL, _SHEET = 96, 160


def render_audit(run: Run, audit: Audit, why_options: Sequence[str] = ()) -> str:
    """Return the HTML document; `why_options` are added to the commands that it shows."""
    suspects = audit.suspects[:SUSPECTS]
    bounds = (max(abs(suspect.low), abs(suspect.high)) for suspect in suspects)
    return render(
        "audit.html",
        audit=audit,
        finding=audit_finding(audit),
        noun=run.noun,
        no_answer=audit_note(run, audit),
        names_by=run_sources_note(run),
        groups=[
            (
                group,
                group_reason(group),
                _examples(run, audit, group),
                why_command(run, audit, group, why_options),
            )
            for group in audit.groups
            if group.examples
        ],
        reliance=distinct(audit.reliance)[:RELIANCE],
        confusions=[
            (
                confusion,
                [(name, _small(run, audit.folder / name)) for name in confusion.images[:EXAMPLES]],
                why_command(run, audit, confusion, why_options),
            )
            for confusion in audit.confusions[:CONFUSIONS]
        ],
        suspects=suspects,
        widest=max(bounds, default=1.0),
    )


def _examples(run: Run, audit: Audit, group: EvidenceGroup) -> list[tuple[str, Picture | None]]:
    """Return the group's first images, each with the part outlined that it shares with them."""
    return [
        (example.file, _small(run, audit.folder / example.file, example.mask))
        for example in group.examples
    ]


def _small(run: Run, path: Path, mask: NDArray[np.bool_] | None = None) -> Picture | None:
    """Return a thumbnail; None for an image that has been removed since the audit.

    Args:
        run: whose network sees the image.
        path: the image.
        mask: bool (height, width) of the network's input, or of its film strip, a part to outline;
            then only what the network sees is shown.
    """
    try:
        frames = photographs(run, path)
    except (ConceptGraphError, OSError):
        return None
    shape = run.manifest["input"]
    seen = seen_box(frames[0].size, shape)
    if mask is None:
        return picture_of([frame_seen(shrunk(frame, _SMALL, 1), seen) for frame in frames])
    masks = masks_of_frames(mask, shape.get("frames", 1))
    return picture_of(
        [
            outlined(crop_seen(frame, seen), part, _SHEET)
            for frame, part in zip(frames, masks, strict=True)
        ]
    )
