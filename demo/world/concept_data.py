"""Concept data of the demo world in the Broden layout: every concept, cues at a healthy rate."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from ...ingest.concept_data.writing.writer import BrodenWriter
from .names import CLASSES, CONCEPTS, Cue
from .pictures import SIDE, Spec, draw
from .shortcuts import World, plantable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLANTED_SHARE = 0.25  # of the pictures, for each planted cue
_OTHER_SHARES = {"texture": 0.45, "object": 0.45, "color": 0.15}
_MOST_CUES = 4


def concept_spec(world: World, seed: int, index: int) -> Spec:
    """What a picture of the data set shows.

    Planted cues are as frequent in every class; so are other textures, objects and colors, so that
    none of the concepts is rare. One picture in ten is of somebody who just stands there.
    """
    chance = random.Random(f"{seed}/{index}/concepts")  # noqa: S311
    cues = [cue for cue in world.cues if chance.random() < PLANTED_SHARE]
    names = plantable()
    for category, share in _OTHER_SHARES.items():
        cue = Cue(category, chance.choice(names[category]))
        if chance.random() < share and cue not in world.avoid:
            cues.append(cue)
    weak = chance.random() < 0.1
    class_ = CLASSES[index % len(CLASSES)]
    return Spec(seed, index, class_, tuple(cues[:_MOST_CUES]), weak, avoid=world.avoid)


def write_concepts(
    folder: Path,
    count: int = 800,
    seed: int = 0,
    world: World | None = None,
    *,
    side: int = SIDE,
    tell: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Draw a data set; masks are as large as the pictures.

    Args:
        folder: where to; must not exist.
        count: pictures.
        seed: the same seed draws the same set.
        world: whose cues it shall hold; None for the shipped one's.
        side: pixels.
        tell: called with "drawing", what is done, and of how much.

    Returns:
        The folder.

    Raises:
        DataError: the folder exists.
    """
    world = world or World()
    # A seed of its own: no network was trained on these pictures.
    seed += 3_000_000
    with BrodenWriter(folder, CONCEPTS, mask_shape=(side, side)) as writer:
        for index in range(count):
            picture = draw(concept_spec(world, seed, index), side)
            planes = {category: [plane] for category, plane in picture.planes.items()}
            writer.add(f"world/{index:05d}.png", picture.image, planes, {"scene": [picture.scene]})
            if tell is not None:
                tell("drawing", index + 1, count)
    return folder
