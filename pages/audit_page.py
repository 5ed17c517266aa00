"""The page of an audit: one offline file, no script."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ..errors import ConceptGraphError
from ..files import write_bytes
from .path_page import environment
from .pictures import data_uri, photograph

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..explain.audit import Audit
    from ..explain.audit_counts import Confusion
    from ..graph.run.reader import Run

CONFUSIONS, SUSPECTS, EXAMPLES = 30, 30, 4
"""Shown at most: confusions, suspects, images of a confusion."""
_SMALL = 96


def write_audit_page(
    run: Run, found: Audit, folder: Path, path: Path, options: Sequence[str] = ()
) -> None:
    """Render and write it."""
    suspects = [each for each in found.suspects if each.excess > 0][:SUSPECTS]
    template = environment().get_template("audit.html")
    page = template.render(
        found=found,
        wrong=found.images - found.right,
        confusions=[
            (each, [(name, _small(folder / name)) for name in each.images[:EXAMPLES]],
             why_command(run, each, folder, options))
            for each in found.confusions[:CONFUSIONS]
        ],
        suspects=suspects,
        reach=max((max(abs(each.low), abs(each.high)) for each in suspects), default=1.0),
        folder=str(folder),
    )  # fmt: skip
    write_bytes(path, page.encode(errors="backslashreplace"))


def why_command(run: Run, each: Confusion, folder: Path, options: Sequence[str] = ()) -> str:
    """What explains the surest mistake of a confusion; `options` are those the audit was given."""
    words = [
        "conceptgraph", "why", "--run", str(run.path), "--image", str(folder / each.images[0]),
        "--class", each.predicted, "--versus", each.truth, "--html", "why.html", *options,
    ]  # fmt: skip
    return shlex.join(words)


def _small(path: Path) -> str | None:
    """A thumbnail; None for an image that has gone since it was looked at."""
    try:
        image = photograph(path)
    except (ConceptGraphError, OSError):
        return None
    image.thumbnail((_SMALL, _SMALL))
    return data_uri(image)
