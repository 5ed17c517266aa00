"""Concept data of the moving world: film strips in the Broden layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...ingest.sources.source import ConceptSource, SourceImage, write_source
from ..world.concept_data import concept_spec
from .clips import FRAMES, draw_clip
from .names import CONCEPTS
from .shortcuts import MovingWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .clips import ClipSpec


def write_clip_data(
    folder: Path,
    count: int,
    seed: int = 0,
    world: MovingWorld | None = None,
    *,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Draw a data set of clips, all of whose frames are labelled.

    Args:
        folder: to create.
        count: clips.
        seed: the same seed draws the same set.
        world: whose cues to show; None for the shipped world.
        on_progress: called with "drawing", the number of clips drawn, and `count`.

    Returns:
        The folder.

    Raises:
        DataError: the folder exists.
    """
    # Other seeds than those of training: no network was trained on these clips.
    specs = [concept_spec(world or MovingWorld(), seed + 3_000_000, i) for i in range(count)]
    return write_source(DrawnClips(specs, on_progress), folder)


class DrawnClips(ConceptSource[Path]):
    """Clips of the world as a source of concept data, drawn one by one."""

    def __init__(
        self,
        specs: Sequence[ClipSpec],
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self._specs, self._on_progress = specs, on_progress

    def concepts(self) -> Mapping[str, Sequence[str]]:
        """Return the names of the world's concepts by category."""
        return CONCEPTS

    def __len__(self) -> int:
        return len(self._specs)

    def images(self) -> Iterator[SourceImage]:
        """Yield each clip with its label maps, and its scene as a label of all of it."""
        for index, spec in enumerate(self._specs):
            clip = draw_clip(spec)
            label_maps = {
                category: [labels.reshape(-1, labels.shape[-1])]
                for category, labels in clip.label_maps.items()
            }
            yield SourceImage(
                f"world/{index:05d}.png",
                clip.strip,
                label_maps,
                {"scene": [clip.scene]},
                frames=FRAMES,
            )
            if self._on_progress is not None:
                self._on_progress("drawing", index + 1, len(self._specs))

    def report(self, folder: Path, images: int) -> Path:
        """Return the folder."""
        return folder
