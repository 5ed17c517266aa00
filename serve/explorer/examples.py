"""Images of a concept from the run's concept data, with its mask outlined.

Nothing says which images have a mask of a concept: masks are decoded, first of the images on which
the units that detect it are most active, then of others at random, until there are enough or the
time is up. Only of a run that the user made or trusts: it names the folder.
"""

from __future__ import annotations

import random
import time
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import DataError, QueryError
from ...ingest.concept_data.images import open_image
from ...ingest.concept_data.masks import read_label_maps
from ...ingest.concept_data.opening import open_concept_data
from ...pages.pictures import drawn, frames_to_animate, masks_of_frames, outlined, shrunk
from .one_at_a_time import OneAtATime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...ingest.concept_data.concepts import ConceptData, ConceptImage
    from .library import ServedRun

EXAMPLES, SECONDS = 6, 4.0
"""Images of a concept, and how long they are looked for."""
_SIDE, _FADE, _KEPT = 320, 0.45, 64


class Example(NamedTuple):
    """An image of a concept.

    Attributes:
        file: the image.
        has_mask: whether a mask says where the concept is; else it labels the whole image.
        still: as JPEG, the mask outlined.
        moving: of a clip, as WebP; of an image the same.
    """

    file: str
    has_mask: bool
    still: bytes
    moving: bytes


class Examples(NamedTuple):
    """The images of a concept that were found, and how many were looked at."""

    uid: str
    found: tuple[Example, ...]
    looked_at: int
    of: int


class ExampleFinder:
    """Finds and keeps images of concepts of one run."""

    def __init__(self) -> None:
        self._data: ConceptData | None = None
        self._places: Mapping[str, int] = {}
        self._kept: OrderedDict[str, Examples] = OrderedDict()
        self._turn = OneAtATime()

    def of(self, served: ServedRun, uid: str) -> Examples:
        """Return the images of a concept.

        Raises:
            QueryError: no such concept, or the run is not trusted, or its data are not here.
            ConceptGraphError: too many wait for theirs.
        """
        if uid not in served.concept_uids:
            raise QueryError(f"no concept {uid!r}")
        if served.run is None or not served.has_photographs:
            raise QueryError("images outside of the run are shown only of runs that you trust")
        kept = self._kept.get(uid)
        if kept is not None:
            return kept
        with self._turn:
            if uid not in self._kept:
                self._kept[uid] = self._find(served, uid)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return self._kept[uid]

    def _find(self, served: ServedRun, uid: str) -> Examples:
        data = self._opened(served)
        column = next((n for n, concept in enumerate(data.concepts) if concept.uid == uid), None)
        if column is None:
            raise QueryError("the concept data have changed since the ingest")
        found: list[Example] = []
        looked_at, end = 0, time.monotonic() + SECONDS
        for image in self._candidates(served, data, uid):
            if len(found) == EXAMPLES or time.monotonic() > end:
                break
            looked_at += 1
            if (example := _example(data, image, column)) is not None:
                found.append(example)
        return Examples(uid, tuple(found), looked_at, len(data.images))

    def _opened(self, served: ServedRun) -> ConceptData:
        if self._data is None:
            folder = Path(served.run.manifest["data"]["folder"] if served.run else "")
            try:
                self._data = open_concept_data(folder, strict=False)
            except (DataError, OSError) as error:
                raise QueryError("the concept data of the run are not here any more") from error
            self._places = {image.name: n for n, image in enumerate(self._data.images)}
        return self._data

    def _candidates(self, served: ServedRun, data: ConceptData, uid: str) -> Iterator[ConceptImage]:
        files: dict[str, None] = {}
        if served.run is not None:
            table = served.run.top_images
            units = [row.uid for row in served.named_after.get(uid, ())[:8]]
            files = dict.fromkeys(table[table["unit"].isin(units)]["image"])
        first = [self._places[file] for file in files if file in self._places]
        rest = list(range(len(data.images)))
        random.Random(uid).shuffle(rest)  # noqa: S311 (the same ones each time)
        for place in dict.fromkeys((*first, *rest)):
            yield data.images[place]


def _example(data: ConceptData, image: ConceptImage, column: int) -> Example | None:
    """Return an image with a concept outlined; None if it does not have it, or cannot be read."""
    try:
        mask = (read_label_maps(data, image) == column + 1).any(axis=0)
        if not mask.any() and column not in image.image_labels:
            return None
        frames = frames_to_animate(open_image(image.path), image.frames)
        if mask.any():
            masks = masks_of_frames(mask, image.frames)
            frames = [
                outlined(frame, part, _SIDE, fade=_FADE)
                for frame, part in zip(frames, masks, strict=True)
            ]
        else:
            frames = [shrunk(frame, _SIDE, 1) for frame in frames]
        pictures = (drawn(frames, still=still) for still in (True, False))
        return Example(image.name, bool(mask.any()), *pictures)
    except (DataError, OSError):
        return None
    return None
