"""Concept data of the demo world in the Broden layout, with all concepts often enough."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from ...ingest.concept_data.writing.writer import BrodenWriter
from .names import CLASSES, CONCEPTS, Cue
from .pictures import SIDE, PictureSpec, draw_picture
from .shortcuts import World, plantable_concepts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLANTED_SHARE = 0.25  # of the pictures, for each planted cue
_FURTHER_SHARES = {"texture": 0.45, "object": 0.45, "color": 0.15}
_MOST_CUES = 4


def concept_spec(world: World, seed: int, index: int) -> PictureSpec:
    """Return the spec of a picture of the data set.

    Planted cues are equally frequent in all classes. Further textures, objects and colors are
    added, so that no concept is rare. One picture in ten is weak (see `shortcuts`).
    """
    rng = random.Random(f"{seed}/{index}/concepts")  # noqa: S311
    cues = [cue for cue in world.cues if rng.random() < PLANTED_SHARE]
    names = plantable_concepts()
    for category, share in _FURTHER_SHARES.items():
        cue = Cue(category, rng.choice(names[category]))
        if rng.random() < share and cue not in world.avoid:
            cues.append(cue)
    weak = rng.random() < 0.1
    class_ = CLASSES[index % len(CLASSES)]
    return PictureSpec(seed, index, class_, tuple(cues[:_MOST_CUES]), weak, avoid=world.avoid)


def write_concept_data(
    folder: Path,
    count: int = 800,
    seed: int = 0,
    world: World | None = None,
    *,
    side: int = SIDE,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Draw a data set; label maps are as large as the pictures.

    Args:
        folder: to create.
        count: pictures.
        seed: the same seed draws the same set.
        world: whose cues to show; None for the shipped world.
        side: pixels.
        on_progress: called with "drawing", the number of pictures drawn, and `count`.

    Returns:
        The folder.

    Raises:
        DataError: the folder exists.
    """
    world = world or World()
    # Other seeds than those of training: no network was trained on these pictures.
    seed += 3_000_000
    with BrodenWriter(folder, CONCEPTS, mask_shape=(side, side)) as writer:
        for index in range(count):
            picture = draw_picture(concept_spec(world, seed, index), side)
            label_maps = {category: [labels] for category, labels in picture.label_maps.items()}
            image_labels = {"scene": [picture.scene]}
            writer.add(f"world/{index:05d}.png", picture.image, label_maps, image_labels)
            if on_progress is not None:
                on_progress("drawing", index + 1, count)
    return folder
