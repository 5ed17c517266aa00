"""Shortcuts in clips: the distribution of `world.shortcuts`, with a motion among the cues.

Things drift in clips of all classes alike, in all directions but the planted one.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..world.names import Cue
from ..world.shortcuts import DrawnWorld, Shortcut, plantable_concepts
from .clips import SIDE, ClipSpec
from .names import CLASSES, CONCEPTS, DIRECTIONS

SHORTCUTS = (
    Shortcut(Cue("texture", "polka dotted"), "juggling"),
    Shortcut(Cue("motion", "right"), "cycling"),
)


@dataclass(frozen=True)
class MovingWorld(DrawnWorld[ClipSpec]):
    """The distribution of clips."""

    shortcuts: tuple[Shortcut, ...] = SHORTCUTS

    classes = CLASSES
    concepts = CONCEPTS
    side = SIDE
    most_cues = 2
    mirrors = False
    noun = "clip"

    def spec(
        self, seed: int, index: int, class_: str, cues: tuple[Cue, ...] = (), *, weak: bool = False
    ) -> ClipSpec:
        """Return the spec of a clip."""
        return ClipSpec(seed, index, class_, cues, weak, avoid=self.avoid)

    @classmethod
    def plantable(cls) -> dict[str, tuple[str, ...]]:
        """Return the names of all concepts that can be a cue, by category."""
        return {**plantable_concepts(), "motion": DIRECTIONS[:-1]}
