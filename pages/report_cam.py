"""The class activation map of a report, over an image.

Drawing it needs the network and an image, as `why --image` does. A report without them says why it
has none.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import ConceptGraphError
from ..graph.uids import class_name, split_unit
from ..ingest.network.preprocessing import unseen_text
from .pictures import (
    cam_overlay,
    data_uri,
    draw_on_seen,
    frame_seen,
    photograph,
    side_by_side,
)

if TYPE_CHECKING:
    from ..graph.run.reader import Run

CANDIDATES = 24
"""Images that the network is run on, to find one of the class."""


class CamPicture(NamedTuple):
    """An image with the class's activation map beside it; in `missing`, why there is none."""

    picture: str | None
    caption: str
    missing: str | None = None


def draw_cam(
    run: Run,
    class_uid: str,
    image: Path | None = None,
    weights: str | None = None,
    *,
    trust_pickle: bool = False,
) -> CamPicture:
    """Return the class's activation map on an image, or on the best of the run's.

    Raises:
        ConceptGraphError: the image or the weights that were given cannot be used.
    """
    try:
        return _draw(run, class_uid, image, weights, trust_pickle)
    except ConceptGraphError as error:
        if image or weights or trust_pickle:
            raise
        return CamPicture(None, "", str(error))


def _draw(
    run: Run, class_uid: str, image_file: Path | None, weights: str | None, trust_pickle: bool
) -> CamPicture:
    from ..explain.class_activation import class_map
    from ..explain.explain import check_question
    from ..explain.network import open_network

    if image_file is not None:
        check_question(run, image_file)
    network = open_network(run, weights=weights, trust_pickle=trust_pickle)
    images = [image_file] if image_file else _candidates(run, class_uid)
    class_activation = class_map(network, class_uid, images)
    image = photograph(class_activation.image)
    predicted, name = class_activation.predicted, class_name(class_uid)
    caption = f"{class_activation.image.name}: {predicted.name} ({predicted.probability:.0%})"
    if predicted.name != name:
        caption += f", {name} ({class_activation.probability:.0%})"
    seen = class_activation.seen
    if unseen := unseen_text(seen):
        caption += f". {unseen}"
    overlay = draw_on_seen(image, seen, lambda part: cam_overlay(part, class_activation.cam))
    return CamPicture(data_uri(side_by_side([frame_seen(image, seen), overlay])), caption)


def _candidates(run: Run, class_uid: str) -> list[Path]:
    """Return, of the last block's top images, those with most evidence for the class."""
    folder = Path(run.manifest["data"]["folder"], "images")
    last, column = run.blocks[-1], list(run.classes["uid"]).index(class_uid)
    weights = run.contributions(last, "class")[:, column]
    rows = run.top_images[run.top_images["unit"].str.startswith(f"{last}/")]
    units = np.array([split_unit(uid)[1] for uid in rows["unit"]], np.int64)
    evidence = (rows["activation"] * weights[units]).groupby(rows["image"]).sum()
    return [folder / str(name) for name in evidence.nlargest(CANDIDATES).index]
