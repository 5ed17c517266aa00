"""Concept data of the demo world in the Broden layout, with all concepts often enough."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from ...ingest.sources.source import ConceptSource, SourceImage, write_source
from .names import CONCEPTS, Cue
from .pictures import SIDE, draw_picture
from .shortcuts import World, plantable_concepts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .pictures import PictureSpec
    from .shortcuts import DrawnWorld, Spec

PLANTED_SHARE = 0.25  # of the pictures, for each planted cue
_FURTHER_SHARES = {"texture": 0.45, "object": 0.45, "color": 0.15}


def concept_spec(world: DrawnWorld[Spec], seed: int, index: int) -> Spec:
    """Return the spec of a picture, or clip, of the data set.

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
    class_ = world.classes[index % len(world.classes)]
    return world.spec(seed, index, class_, tuple(cues[: world.most_cues]), weak=weak)


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
    # Other seeds than those of training: no network was trained on these pictures.
    specs = [concept_spec(world or World(), seed + 3_000_000, index) for index in range(count)]
    return write_source(DrawnPictures(specs, side, on_progress), folder)


class DrawnPictures(ConceptSource[Path]):
    """Pictures of the world as a source of concept data, drawn one by one."""

    def __init__(
        self,
        specs: Sequence[PictureSpec],
        side: int,
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self._specs, self._side, self._on_progress = specs, side, on_progress

    def concepts(self) -> Mapping[str, Sequence[str]]:
        """Return the names of the world's concepts by category."""
        return CONCEPTS

    def __len__(self) -> int:
        return len(self._specs)

    def images(self) -> Iterator[SourceImage]:
        """Yield each picture with its label maps, and its scene as an image-level label."""
        for index, spec in enumerate(self._specs):
            picture = draw_picture(spec, self._side)
            label_maps = {category: [labels] for category, labels in picture.label_maps.items()}
            image_labels = {"scene": [picture.scene]}
            yield SourceImage(f"world/{index:05d}.png", picture.image, label_maps, image_labels)
            if self._on_progress is not None:
                self._on_progress("drawing", index + 1, len(self._specs))

    def report(self, folder: Path, images: int) -> Path:
        """Return the folder."""
        return folder
