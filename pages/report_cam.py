"""The class activation map of a report, over an image.

Drawing it needs the network and an image, as `why --image` does. A report without them says why it
has none.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from ..errors import ConceptGraphError
from ..graph.run.files import inside
from ..graph.run.trust import check_images_trusted
from ..graph.uids import class_name, split_unit
from ..ingest.network.preprocessing import unseen_text
from .pictures import (
    Picture,
    cam_overlay,
    draw_on_seen,
    frame_seen,
    frames_to_animate,
    photograph,
    picture_of,
    side_by_side,
)

if TYPE_CHECKING:
    from ..graph.run.reader import Run
    from .report_page import Report

CANDIDATES = 24
"""Images that the network is run on, to find one of the class."""


class CamPicture(NamedTuple):
    """An image with the class's activation map beside it; in `missing`, why there is none."""

    picture: Picture | None
    caption: str
    missing: str | None = None


def draw_cam(run: Run, class_uid: str, report: Report) -> CamPicture:
    """Return the class's activation map on the report's image, or on the best of the run's.

    Raises:
        ConceptGraphError: the image or the weights that were given cannot be used.
    """
    try:
        return _draw(run, class_uid, report)
    except ConceptGraphError as error:
        given = (report.image, report.weights, report.model, report.trust_run, report.trust_pickle)
        if any(given):
            raise
        return CamPicture(None, "", str(error))


def _draw(run: Run, class_uid: str, report: Report) -> CamPicture:
    from ..explain.class_activation import class_map
    from ..explain.network import open_network
    from ..explain.question import check_question

    if report.image is not None:
        check_question(run, report.image)
    network = open_network(
        run,
        weights=report.weights,
        model=report.model,
        trust_run=report.trust_run,
        trust_pickle=report.trust_pickle,
    )
    if report.image is not None:
        images = [report.image]
    else:
        images = _candidates(run, class_uid, trusted=report.trust_run)
    class_activation = class_map(network, class_uid, images)
    strip = class_activation.strip
    image = photograph(class_activation.image) if strip is None else Image.fromarray(strip)
    predicted, name = class_activation.predicted, class_name(class_uid)
    caption = f"{class_activation.image.name}: {predicted.name} ({predicted.probability:.0%})"
    if predicted.name != name:
        caption += f", {name} ({class_activation.probability:.0%})"
    seen = class_activation.seen
    if unseen := unseen_text(seen):
        caption += f". {unseen}"
    overlay = draw_on_seen(image, seen, lambda part: cam_overlay(part, class_activation.cam))
    frames = run.manifest["input"].get("frames", 1)
    pairs = zip(
        *(frames_to_animate(it, frames) for it in (frame_seen(image, seen), overlay)), strict=True
    )
    return CamPicture(picture_of([side_by_side(pair) for pair in pairs]), caption)


def _candidates(run: Run, class_uid: str, *, trusted: bool) -> list[Path]:
    """Return, of the last block's top images, those with most evidence for the class.

    They lie in the folder of the concept data, which can be any folder of this machine, and a page
    is given to others: so they are only read for a run that the user made or trusts.
    """
    folder = Path(run.manifest["data"]["folder"], "images")
    check_images_trusted(run, folder, "--image", trusted=trusted)
    last, column = run.blocks[-1], list(run.classes["uid"]).index(class_uid)
    weights = run.contributions(last, "class")[:, column]
    rows = run.top_images[run.top_images["unit"].str.startswith(f"{last}/")]
    units = np.array([split_unit(uid)[1] for uid in rows["unit"]], np.int64)
    evidence = (rows["activation"] * weights[units]).groupby(rows["image"]).sum()
    names = evidence.nlargest(CANDIDATES).index
    return [path for name in names if (path := inside(folder, str(name))) is not None]
