"""The masks of an image that is one of the run's concept data: where annotators say concepts are.

A probe tells where the network sees a concept, a mask where the concept is. So explanations take
masks only on request: else the same photograph would be explained in one way where its annotations
are, and in another one elsewhere, and no longer compare with the evidence of classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import QueryError
from ..graph.uids import split_concept
from ..ingest.concept_data.masks import read_label_maps
from ..ingest.concept_data.opening import open_concept_data
from .presence import ConceptName

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..graph.run.reader import Run
    from ..ingest.network.preprocessing import SeenBox


class ImageMasks(NamedTuple):
    """The masks of an image.

    Attributes:
        concepts: those that they label.
        masks: bool (concepts, height, width), in pixels of the network's input.
    """

    concepts: tuple[ConceptName, ...]
    masks: NDArray[np.bool_]

    @property
    def categories(self) -> tuple[str, ...]:
        """Those of the concepts."""
        return tuple(dict.fromkeys(concept.category for concept in self.concepts))


def image_masks(run: Run, image: Path | str, seen: SeenBox) -> ImageMasks:
    """Read the masks of an image; it is known by its path below the concept data's images/.

    The folder of somebody else's run is read, too: the user names an image in it.

    Args:
        run: whose concepts are looked for.
        image: one of the run's concept data.
        seen: the part that the network sees.

    Raises:
        QueryError: it is none of the concept data's images, or has no mask.
        DataError: the concept data or a mask are invalid.
    """
    folder = Path(run.manifest["data"]["folder"])
    images, path = (folder / "images").resolve(), Path(image).resolve()
    remedy = "Without --masks, presence probes find the concepts"
    if not (path.is_relative_to(images) and images.is_dir()):
        expected = f"an image below {folder / 'images'}"
        what = f"{image} is none of the images of the concept data of {run.name}"
        raise QueryError(what, expected=expected, remedy=remedy)
    data = open_concept_data(folder, only=path.relative_to(images).as_posix())
    height, width = (run.manifest["input"][side] for side in ("height", "width"))
    maps = read_label_maps(data, data.images[0])
    rows = _sampled(seen.top, seen.bottom, height, maps.shape[1])
    maps = maps[:, rows][:, :, _sampled(seen.left, seen.right, width, maps.shape[2])]
    known = set(run.concepts["uid"])
    masks = {
        ConceptName(*split_concept(concept.uid)[::-1]): (maps == column).any(axis=0)
        for column, concept in enumerate(data.concepts, start=1)
        if concept.uid in known and (maps == column).any()
    }
    if not masks:
        what = f"no mask of {image} labels a concept of {run.name}"
        if not len(maps):
            what = f"{image} has no masks in the concept data, only labels of the whole image"
        raise QueryError(what, remedy=remedy)
    return ImageMasks(tuple(masks), np.stack(list(masks.values())))


def _sampled(start: float, end: float, pixels: int, of: int) -> NDArray[np.intp]:
    """Return which rows or columns of a label map lie at the centers of the input's pixels."""
    centers = start + (np.arange(pixels) + 0.5) / pixels * (end - start)
    return (centers * of).astype(np.intp).clip(0, of - 1)
