"""What a picture or a clip is drawn from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
    from typing_extensions import Self

    from .names import Cue


class Drawn(Protocol):
    """A drawn picture or clip."""

    @property
    def image(self) -> Image.Image:
        """The picture; of a clip its film strip, the frames one below the other."""
        ...

    @property
    def frames(self) -> int:
        """How many frames it has; 1 of a picture."""
        ...

    @property
    def scene(self) -> str:
        """The image-level label."""
        ...

    @property
    def label_maps(self) -> dict[str, NDArray[np.uint16]]:
        """Label numbers by category, (side, side) or (frames, side, side); 0 is none."""
        ...

    @property
    def cue_masks(self) -> dict[Cue, NDArray[np.bool_]]:
        """The pixels that each shown cue touches, likewise."""
        ...

    def save(self, stem: Path) -> Path:
        """Write it to a PNG file, or its frames to a folder; return the path."""
        ...


@dataclass(frozen=True)
class DrawnSpec(ABC):
    """The specification of a picture or a clip.

    Attributes:
        seed: of the set that it belongs to.
        index: its number in the set.
        class_: the action, one of the world's classes.
        cues: concepts to show beside the action.
        weak: without the action; somebody just stands there, in a scene of the class.
        hidden: cues that are not shown: their places stay empty, a drifting thing is at rest.
        avoid: concepts that are drawn only as cues.
    """

    seed: int
    index: int
    class_: str
    cues: tuple[Cue, ...] = ()
    weak: bool = False
    hidden: frozenset[Cue] = frozenset()
    avoid: frozenset[Cue] = frozenset()

    def without(self, *cues: Cue) -> Self:
        """Return the spec of the same picture without these cues (by default all): its twin."""
        return replace(self, hidden=self.hidden | frozenset(cues or self.cues))

    @abstractmethod
    def pixels(self) -> NDArray[np.uint8]:
        """Draw it; uint8 (side, side, 3), of a clip (frames, side, side, 3)."""

    @abstractmethod
    def draw(self, side: int) -> Drawn:
        """Draw it with its label maps; `side` in pixels."""
