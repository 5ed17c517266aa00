"""One clip from its `ClipSpec`, and its twin.

A clip is a pure function of its spec: each of its frames draws the same random numbers, at another
time. So hiding a cue changes only the pixels that it covers, or covers in another frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..world.actions import ACTIONS
from ..world.bystanders import standing, standing_beside
from ..world.carriers import CARRIERS, cover_showing, neutral_cover
from ..world.names import Cue
from ..world.objects import OBJECTS
from ..world.people import choose_look
from ..world.pictures import action_box, labels_of_inks
from ..world.scenes import SCENES
from ..world.sketch import Sketch
from ..world.specs import DrawnSpec
from .names import DIRECTIONS, LABEL_NUMBERS, SCENES_OF

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

SIDE, FRAMES = 64, 8
_MIDDLE = (FRAMES - 1) / 2
NOISE = 4.0  # standard deviation, of 255

MAPPED = ("color", "object", "part", "material", "texture", "motion")
"""Categories that are labelled by pixel, besides `action`."""

_SLOTS = ((15.0, 4.0, 1.5), (85.0, 4.0, 1.5))  # beside the action: x, y of the ground, size
_FLYING = ("balloon", "kite", "gift", "cushion", "umbrella", "guitar", "drum", "bucket", "bag")
_FLYING_SHARE = 0.75  # of the clips without a cue of motion
_STEPS = {"left": (-1, 0), "right": (1, 0), "up": (0, 1), "down": (0, -1), "still": (0, 0)}
_CARRIER_SHARE = 0.4
_UNUSED_PROPS = ("typing", "cycling", "painting", "juggling")  # by the class they belong to


@dataclass(frozen=True)
class ClipSpec(DrawnSpec):
    """The specification of a clip: at most two things, and one motion.

    Attributes:
        pace: of all that moves; -1 backwards, 0 at rest. What is in the middle is the same.
    """

    pace: float = 1.0

    def pixels(self) -> NDArray[np.uint8]:
        """Draw the clip without label maps; uint8 (frames, side, side, 3)."""
        return np.stack([_render(_compose(self, t, SIDE)[0], self, t) for t in range(FRAMES)])

    def draw(self, side: int = SIDE) -> Clip:
        """Draw the clip with its label maps; `side` in pixels."""
        return draw_clip(self, side)


@dataclass(frozen=True, eq=False)
class Clip:
    """A drawn clip and its ground truth.

    Attributes:
        spec: what it was drawn from.
        pixels: uint8 (frames, side, side, 3).
        scene: the image-level label.
        label_maps: label numbers (`LABEL_NUMBERS`) by category, uint16 (frames, side, side); 0 is
            none.
        cue_masks: the pixels that each shown cue touches, bool (frames, side, side).
    """

    spec: ClipSpec
    pixels: NDArray[np.uint8] = field(repr=False)
    scene: str
    label_maps: dict[str, NDArray[np.uint16]] = field(repr=False)
    cue_masks: dict[Cue, NDArray[np.bool_]] = field(repr=False)

    @property
    def image(self) -> Image.Image:
        """The film strip: the frames one below the other."""
        return Image.fromarray(self.pixels.reshape(-1, *self.pixels.shape[2:]))

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.pixels)

    def save(self, stem: Path) -> Path:
        """Write the frames to PNG files in a folder; return its path."""
        stem.mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(self.pixels):
            Image.fromarray(frame).save(stem / f"{number:02d}.png")
        return stem


def draw_clip(spec: ClipSpec, side: int = SIDE) -> Clip:
    """Draw a clip with its label maps; `side` in pixels."""
    frames, scene = [], ""
    maps: dict[str, list[NDArray[np.uint16]]] = {name: [] for name in (*MAPPED, "action")}
    masks: dict[Cue, list[NDArray[np.bool_]]] = {
        cue: [] for cue in spec.cues if cue not in spec.hidden
    }
    for time in range(FRAMES):
        sketch, scene = _compose(spec, time, side)
        inks = sketch.inks_at_pixels()
        for category in MAPPED:
            maps[category].append(labels_of_inks(sketch, category, LABEL_NUMBERS)[inks])
        maps["action"].append(action_box(sketch, LABEL_NUMBERS["action", spec.class_]))
        for cue, of_cue in masks.items():
            of_cue.append(sketch.mask_of("/".join(cue)))
        frames.append(_render(sketch, spec, time))
    label_maps = {category: np.stack(of_frames) for category, of_frames in maps.items()}
    cue_masks = {cue: np.stack(of_cue) for cue, of_cue in masks.items()}
    return Clip(spec, np.stack(frames), scene, label_maps, cue_masks)


def _compose(spec: ClipSpec, time: int, side: int) -> tuple[Sketch, str]:
    """Draw everything in a frame on a sketch; return it and the name of the scene."""
    s = Sketch(side, f"{spec.seed}/{spec.index}/clip", spec.avoid)
    s.switch_stream("scene")
    scene = s.one_of(SCENES_OF[spec.class_])
    SCENES[scene](s)
    s.end_scene()
    _draw_slots(s, spec)
    _draw_action(s, spec, time)
    _draw_flying(s, spec, time)
    return s, scene


def _render(s: Sketch, spec: ClipSpec, time: int) -> NDArray[np.uint8]:
    """Add noise, in each frame anew."""
    colors = s.rgb()
    rng = np.random.default_rng([spec.seed, spec.index, time])
    noise = rng.standard_normal(colors.shape, np.float32) * np.float32(NOISE)
    rgb: NDArray[np.uint8] = np.clip(np.rint(colors + noise), 0, 255).astype(np.uint8)
    return rgb


def _draw_action(s: Sketch, spec: ClipSpec, time: int) -> None:
    s.switch_stream("person")
    look = choose_look(s)
    s.switch_stream("action")
    flip, x, size = s.chance(0.5), 50 + s.between(-3, 3), s.between(0.76, 0.88)
    s.pace = 0.0 if spec.class_ == "holding" else spec.pace
    s.time = s.between(0, FRAMES) + s.pace * (time - _MIDDLE)
    with s.at(x, s.between(8, 13), size, flip=flip):
        s.shadow(0, 0.4, 11 if spec.weak else 19, 2.2)
        if not spec.weak:
            s.owner = "action"
            ACTIONS["juggling" if spec.class_ == "holding" else spec.class_](s, look)
            s.owner = ""
        elif s.chance(0.5):
            others = [name for name in _UNUSED_PROPS if name != spec.class_]
            standing_beside(s, look, s.one_of(others))
        else:
            standing(s, look)


def _draw_slots(s: Sketch, spec: ClipSpec) -> None:
    """Fill both places beside the action: with the cues, with a neutral carrier, or nothing."""
    things = [cue for cue in spec.cues if cue.category != "motion"]
    s.switch_stream("slots")
    order = (0, 1) if s.chance(0.5) else (1, 0)
    cue_at = dict(zip(order, things, strict=False))
    for slot, (x, y, size) in enumerate(_SLOTS):
        s.switch_stream(f"slot {slot}")
        cue = cue_at.get(slot)
        if cue in spec.hidden or (cue is None and not s.chance(_CARRIER_SHARE)):
            continue
        s.owner, s.motion = "/".join(cue) if cue else "", "still"
        place = s.at(
            x + s.between(-1, 1), y + s.between(-1, 1), size * s.between(0.94, 1.08),
            flip=s.chance(0.5),
        )  # fmt: skip
        with place:
            s.shadow(0, 0.5, 9.5, 1.7)
            _thing(s, cue)(s)
        s.owner = s.motion = ""


def _thing(s: Sketch, cue: Cue | None) -> Callable[[Sketch], None]:
    """Choose what shows a cue: an object, or a carrier with its texture or color."""
    if cue is not None and cue.category == "object":
        return OBJECTS[cue.name]
    carrier = CARRIERS[s.one_of([name for name in CARRIERS if s.allows(name)] or list(CARRIERS))]
    cover = neutral_cover(s) if cue is None else cover_showing(s, *cue)
    return lambda sketch: carrier(sketch, cover)


def _draw_flying(s: Sketch, spec: ClipSpec, time: int) -> None:
    """Draw the thing that drifts, or is at rest, in the air; in some clips there is none."""
    s.switch_stream("flying")
    cue = next((cue for cue in spec.cues if cue.category == "motion"), None)
    others = [name for name in DIRECTIONS if Cue("motion", name) not in spec.avoid]
    by_chance, is_there = s.one_of(others), s.chance(_FLYING_SHARE)
    if cue is None and not is_there:
        return
    direction = by_chance if cue is None else cue.name
    upright = direction in {"up", "down"}
    x = s.one_of((14, 86)) if upright else s.between(30, 70)
    y = s.between(40, 56) if upright else s.between(70, 78)
    pace, size = s.between(4, 5.5), s.between(0.9, 1.1)
    name, flip = s.one_of([name for name in _FLYING if s.allows(name)]), s.chance(0.5)
    if cue in spec.hidden:
        direction = "still"
    right, up = (step * pace * spec.pace for step in _STEPS[direction])
    s.owner = "/".join(cue) if cue is not None and cue not in spec.hidden else ""
    s.motion = s.direction(right, up)
    gone = time - _MIDDLE
    with s.at(x + right * gone, y + up * gone, size, flip=flip):
        OBJECTS[name](s)
    s.owner = s.motion = ""
