"""Questions about an image, checked before torch is imported: a typo is told of at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..ingest.concept_data.images import open_image
from ..queries.labels import class_index
from .clips import frames_of_run, is_video

if TYPE_CHECKING:
    from ..graph.run.reader import Run


def check_question(run: Run, image: Path | str, *classes: str | None) -> None:
    """Refuse a question about an image that cannot be answered, before any network is loaded.

    Raises:
        QueryError: no such class.
        DataError: the image cannot be read.
    """
    for name in classes:
        if name is not None:
            class_index(run, name)
    if frames_of_run(run) is None or not is_video(Path(image)):
        open_image(Path(image))
