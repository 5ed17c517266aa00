"""The page of an audit, without a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConceptGraphError
from ..explain.no_answer import audit_note
from ..ingest.network.preprocessing import seen_box
from .document import render
from .pictures import data_uri, frame_seen, photograph
from .wording import why_command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..explain.audit import Audit
    from ..graph.run.reader import Run

CONFUSIONS, SUSPECTS, EXAMPLES = 30, 30, 4
"""The most confusions, suspects, and images of a confusion that the page shows."""
_SMALL = 96


def render_audit(run: Run, audit: Audit, why_options: Sequence[str] = ()) -> str:
    """Return the HTML document; `why_options` are added to the commands that it shows."""
    suspects = audit.suspects[:SUSPECTS]
    bounds = (max(abs(suspect.low), abs(suspect.high)) for suspect in suspects)
    return render(
        "audit.html",
        audit=audit,
        no_answer=audit_note(run, audit),
        mistakes=audit.images - audit.right,
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


def _small(run: Run, path: Path) -> str | None:
    """Return a thumbnail; None for an image that has been removed since the audit."""
    try:
        image = photograph(path)
    except (ConceptGraphError, OSError):
        return None
    image.thumbnail((_SMALL, _SMALL))
    return data_uri(frame_seen(image, seen_box(image.size, run.manifest["input"])))
