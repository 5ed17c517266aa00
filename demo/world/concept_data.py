"""Concept data of a drawn world in the Broden layout, with all concepts often enough."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from ...ingest.sources.source import ConceptSource, SourceImage, write_source
from .names import Cue
from .shortcuts import World, plantable_concepts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .shortcuts import DrawnWorld, Spec
    from .specs import DrawnSpec

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
    world: DrawnWorld[DrawnSpec] | None = None,
    *,
    side: int | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Draw a data set of pictures or clips; label maps are as large, and all frames are labelled.

    Args:
        folder: to create.
        count: pictures, or clips.
        seed: the same seed draws the same set.
        world: whose cues to show; None for the shipped world of pictures.
        side: pixels; None for the world's.
        on_progress: called with "drawing", the number of pictures drawn, and `count`.

    Returns:
        The folder.

    Raises:
        DataError: the folder exists.
    """
    world = world or World()
    # Other seeds than those of training: no network was trained on these pictures.
    specs = [concept_spec(world, seed + 3_000_000, index) for index in range(count)]
    return write_source(DrawnPictures(world, specs, side or world.side, on_progress), folder)


class DrawnPictures(ConceptSource[Path]):
    """Pictures or clips of a world as a source of concept data, drawn one by one."""

    def __init__(
        self,
        world: DrawnWorld[DrawnSpec],
        specs: Sequence[DrawnSpec],
        side: int,
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self._world, self._specs, self._side = world, specs, side
        self._on_progress = on_progress

    def concepts(self) -> Mapping[str, Sequence[str]]:
        """Return the names of the world's concepts by category."""
        return self._world.concepts

    def __len__(self) -> int:
        return len(self._specs)

    def images(self) -> Iterator[SourceImage]:
        """Yield each picture with its label maps, and its scene as an image-level label."""
        for index, spec in enumerate(self._specs):
            drawn = spec.draw(self._side)
            label_maps = {
                category: [labels.reshape(-1, labels.shape[-1])]
                for category, labels in drawn.label_maps.items()
            }
            image_labels = {"scene": [drawn.scene]}
            name = f"world/{index:05d}.png"
            yield SourceImage(name, drawn.image, label_maps, image_labels, frames=drawn.frames)
            if self._on_progress is not None:
                self._on_progress("drawing", index + 1, len(self._specs))

    def report(self, folder: Path, images: int) -> Path:
        """Return the folder."""
        return folder
