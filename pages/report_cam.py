"""Where the network sees a report's class: its activation map over a photograph, if both are there.

The page itself is offline for good; drawing this needs the network, as `why --image` does. A report
made without it says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import ConceptGraphError
from .pictures import beside, cam_overlay, data_uri, photograph

if TYPE_CHECKING:
    from ..graph.run.reader import Run

LOOKED_AT = 24
"""Images that the network is shown, to find one of the class."""


class Sight(NamedTuple):
    """What to look at, and with which weights; None leaves it to the run."""

    image: Path | None = None
    weights: str | None = None
    trust_pickle: bool = False


class Seen(NamedTuple):
    """A photograph with the class's map beside it, or, in `missing`, why there is none."""

    picture: str | None
    words: str
    missing: str | None = None


def see(run: Run, class_uid: str, sight: Sight) -> Seen:
    """The class's map on the image that was named, or on the best of those the run knows.

    Raises:
        ConceptGraphError: an image or weights that were named cannot be used.
    """
    try:
        return _see(run, class_uid, sight)
    except ConceptGraphError as error:
        if sight != Sight():
            raise
        return Seen(None, "", str(error))


def _see(run: Run, class_uid: str, sight: Sight) -> Seen:
    from ..explain.class_activation import class_map
    from ..explain.network import open_network

    subject = open_network(run, weights=sight.weights, trust_pickle=sight.trust_pickle)
    images = [sight.image] if sight.image else _promising(run, class_uid)
    found = class_map(subject, class_uid, images)
    image = photograph(found.image)
    said, name = found.predicted, class_uid.partition("/")[2]
    words = f"{found.image.name}: {said.name} ({said.probability:.0%})"
    if said.name != name:
        words += f", {name} ({found.probability:.0%})"
    return Seen(data_uri(beside([image, cam_overlay(image, found.cam)])), words)


def _promising(run: Run, class_uid: str) -> list[Path]:
    """Of the last block's strongest images, those on which the class's units are strongest."""
    folder = Path(str(run.manifest.get("data", {}).get("folder", "")), "images")
    last, column = run.blocks[-1], list(run.classes["uid"]).index(class_uid)
    weights = run.contributions(last, "class")[:, column]
    rows = run.top_images[run.top_images["unit"].str.startswith(f"{last}/")]
    units = np.array([uid.rpartition("/")[2] for uid in rows["unit"]], np.int64)
    evidence = (rows["activation"] * weights[units]).groupby(rows["image"]).sum()
    return [folder / str(name) for name in evidence.nlargest(LOOKED_AT).index]
