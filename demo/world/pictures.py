"""One picture from its `PictureSpec`, and its twin.

A picture is a pure function of its spec. Scene, person, action and each thing at the sides have
random streams of their own. So hiding a cue changes only the pixels that the cue and its shadow
cover; even the noise stays the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .actions import ACTIONS, swimming
from .bystanders import UNUSED_PROPS, standing, standing_beside
from .carriers import CARRIERS, cover_showing, neutral_cover
from .names import LABEL_NUMBERS, SCENES_OF, Cue
from .objects import OBJECTS
from .people import choose_look
from .scenes import SCENES, WATER
from .sketch import Sketch
from .specs import DrawnSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from .people import Look

SIDE = 96
NOISE = 4.0  # standard deviation, of 255

# Slots for things beside the action: x, y of the ground, size. The first two are in front.
_SLOTS = ((13.5, 4.0, 1.3), (86.5, 4.0, 1.3), (13.0, 22.0, 1.08), (87.0, 22.0, 1.08))
_CLUTTER_SHARE = 0.2
UNUSED_PROPS_SHARE = 0.6  # of weak pictures: somebody stands beside the props of another class
_PROPS = {
    "juggling": ("ball",),
    "typing": ("laptop",),
    "cycling": ("bicycle",),
    "gardening": ("watering can", "flower pot"),
    "swimming": ("swim ring",),
    "painting": ("easel",),
    "hitchhiking": ("backpack", "suitcase"),
}


@dataclass(frozen=True)
class PictureSpec(DrawnSpec):
    """The specification of a picture: at most four cues."""

    def pixels(self) -> NDArray[np.uint8]:
        """Draw the picture without label maps; uint8 (side, side, 3)."""
        return draw_pixels(self)

    def draw(self, side: int = SIDE) -> Picture:
        """Draw the picture with its label maps; `side` in pixels."""
        return draw_picture(self, side)


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawn picture and its ground truth.

    Attributes:
        spec: what it was drawn from.
        image: RGB, side × side.
        scene: the image-level label.
        label_maps: label numbers (`LABEL_NUMBERS`) by category, uint16 (side, side); 0 is none.
        cue_masks: the pixels that each shown cue and its shadow touch, bool (side, side).
    """

    spec: PictureSpec
    image: Image.Image
    scene: str
    label_maps: dict[str, NDArray[np.uint16]] = field(repr=False)
    cue_masks: dict[Cue, NDArray[np.bool_]] = field(repr=False)

    @property
    def frames(self) -> int:
        """One: a picture is a still."""
        return 1

    def save(self, stem: Path) -> Path:
        """Write the picture to a PNG file; return its path."""
        path = stem.with_suffix(".png")
        self.image.save(path)
        return path


def draw_picture(spec: PictureSpec, side: int = SIDE) -> Picture:
    """Draw a picture with its label maps; `side` in pixels."""
    sketch, scene = _compose(spec, side)
    inks = sketch.inks_at_pixels()
    label_maps = {
        category: labels_of_inks(sketch, category, LABEL_NUMBERS)[inks]
        for category in ("color", "object", "part", "material", "texture")
    }
    label_maps["action"] = action_box(sketch, LABEL_NUMBERS["action", spec.class_])
    shown = [cue for cue in spec.cues if cue not in spec.hidden]
    cue_masks = {cue: sketch.mask_of("/".join(cue)) for cue in shown}
    image = Image.fromarray(_render(sketch, spec, side))
    return Picture(spec, image, scene, label_maps, cue_masks)


def draw_pixels(spec: PictureSpec, side: int = SIDE) -> NDArray[np.uint8]:
    """Draw a picture without label maps; uint8 (side, side, 3)."""
    return _render(_compose(spec, side)[0], spec, side)


def _compose(spec: PictureSpec, side: int) -> tuple[Sketch, str]:
    """Draw everything on a sketch; return it and the name of the scene."""
    s = Sketch(side, f"{spec.seed}/{spec.index}", spec.avoid)
    s.switch_stream("scene")
    scene = s.one_of(SCENES_OF[spec.class_])
    SCENES[scene](s)
    s.end_scene()
    _draw_slots(s, spec)
    _draw_action(s, spec, scene)
    return s, scene


def _render(s: Sketch, spec: PictureSpec, side: int) -> NDArray[np.uint8]:
    """Add light from above, and noise."""
    light = np.linspace(1.02, 0.97, side, dtype=np.float32)[:, None, None]
    rng = np.random.default_rng([spec.seed, spec.index])
    noise = rng.standard_normal((side, side, 3), np.float32) * np.float32(NOISE)
    rgb: NDArray[np.uint8] = np.clip(np.rint(s.rgb() * light + noise), 0, 255).astype(np.uint8)
    return rgb


# The action


def _draw_action(s: Sketch, spec: PictureSpec, scene: str) -> None:
    s.switch_stream("person")
    look = choose_look(s)
    s.switch_stream("action")
    flip, x, size = s.chance(0.5), 50 + s.between(-2, 2), s.between(0.76, 0.88)
    swims = spec.class_ == "swimming" and not spec.weak
    y = WATER[scene][0] if swims else s.between(12, 17)
    with s.at(x, y, size, flip=flip):
        if not swims:
            s.shadow(0, 0.4, 11 if spec.weak else 19, 2.2)
        s.owner = "" if spec.weak else "action"
        if spec.weak:
            _draw_bystander(s, spec, look)
        elif swims:
            swimming(s, look, *WATER[scene][1:])
        else:
            ACTIONS[spec.class_](s, look)
        s.owner = ""


def _draw_bystander(s: Sketch, spec: PictureSpec, look: Look) -> None:
    """Draw somebody without any sign of the action, often beside props of another class."""
    other_classes = [name for name in UNUSED_PROPS if name != spec.class_]
    if s.chance(UNUSED_PROPS_SHARE):
        standing_beside(s, look, s.one_of(other_classes))
    else:
        standing(s, look)


def action_box(s: Sketch, number: int) -> NDArray[np.uint16]:
    """Label the bounding box of everything that belongs to the action, as annotators do.

    Args:
        s: the picture.
        number: of the label.

    Returns:
        uint16 (side, side); 0 elsewhere.
    """
    mask = s.mask_of("action")
    box = np.zeros(mask.shape, np.uint16)
    if mask.any():
        rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
        box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = number
    return box


def labels_of_inks(
    s: Sketch, category: str, numbers: Mapping[tuple[str, str], int]
) -> NDArray[np.uint16]:
    """Return the label number of each ink, uint16 (256,).

    Args:
        s: the picture.
        category: of the labels.
        numbers: by category and name.
    """
    table = np.zeros(256, np.uint16)
    for number, ink in enumerate(s.inks):
        name = getattr(ink, category)
        table[number] = numbers[category, name] if name else 0
    return table


# Beside the action


def _draw_slots(s: Sketch, spec: PictureSpec) -> None:
    """Fill the slots: with the cues; the rest with carriers, props of other classes, or nothing."""
    s.switch_stream("slots")
    cue_at = dict(zip(_slot_order(s, len(spec.cues)), spec.cues, strict=False))
    for slot in (2, 3, 0, 1):
        s.switch_stream(f"slot {slot}")
        cue = cue_at.get(slot)
        if cue is None:
            # Decoration must not cover a cue behind it.
            if slot + 2 not in cue_at:
                _draw_in_slot(s, slot, _decoration(s, spec, back=slot > 1))
        elif cue not in spec.hidden:
            s.owner = "/".join(cue)
            _draw_in_slot(s, slot, _drawing_of(s, cue))
            s.owner = ""


def _slot_order(s: Sketch, cues: int) -> list[int]:
    """Choose the slots of the cues, in order; the first two are on different sides."""
    if cues == 1:
        return [s.one_of((0, 1, 2, 3))]
    left = int(s.chance(0.5))
    right = 1 - left
    near, far = (right, right + 2) if s.chance(0.5) else (right + 2, right)
    return [left, near, left + 2, far]


def _draw_in_slot(s: Sketch, slot: int, thing: Callable[[Sketch], None] | None) -> None:
    if thing is None:
        return
    x, y, size = _SLOTS[slot]
    size *= s.between(0.94, 1.08)
    flip = s.chance(0.5)
    with s.at(x + s.between(-1, 1), y + s.between(-1.2, 1.2), size, flip=flip):
        s.shadow(0, 0.5, 9.5, 1.7)
        thing(s)


def _decoration(s: Sketch, spec: PictureSpec, *, back: bool) -> Callable[[Sketch], None] | None:
    """Choose what to draw beside cues: mostly a neutral carrier; at the back often a prop."""
    if back and s.chance(_CLUTTER_SHARE):
        props = [name for key, names in _PROPS.items() if key != spec.class_ for name in names]
        return OBJECTS[s.one_of([name for name in props if s.allows(name)])]
    if s.chance(0.4):
        return _carrier(s, None)
    own_props = _PROPS.get(spec.class_, ())
    objects = [name for name in OBJECTS if s.allows(name) and name not in own_props]
    return OBJECTS[s.one_of(objects)] if s.chance(0.1) else None


def _drawing_of(s: Sketch, cue: Cue) -> Callable[[Sketch], None]:
    return OBJECTS[cue.name] if cue.category == "object" else _carrier(s, cue)


def _carrier(s: Sketch, cue: Cue | None) -> Callable[[Sketch], None]:
    """Choose a carrier that shows a texture or a color, or is neutral."""
    names = [name for name in CARRIERS if s.allows(name)]
    carrier = CARRIERS[s.one_of(names or list(CARRIERS))]
    cover = neutral_cover(s) if cue is None else cover_showing(s, *cue)
    return lambda sketch: carrier(sketch, cover)
