"""One picture from its `Spec`, and its twin.

A picture is a pure function of its spec. Scene, person, action and every thing at the sides have
their own streams of chance, so that hiding a cue changes nothing but the pixels it covers (and
those of its shadow): the noise stays, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .actions import ACTIONS, swimming
from .carriers import CARRIERS, dress_for, neutral_dress
from .idle import UNUSED, standing, standing_beside
from .names import NUMBERS, SCENES_OF, Cue
from .objects import OBJECTS
from .people import draw_look
from .scenes import SCENES, WATER
from .sketch import Sketch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .people import Look

SIDE = 96
NOISE = 4.0  # standard deviation, of 255

# Where things stand beside the action: middle, ground, size. The first two are nearer.
_SLOTS = ((13.5, 4.0, 1.3), (86.5, 4.0, 1.3), (13.0, 22.0, 1.08), (87.0, 22.0, 1.08))
_CLUTTER_SHARE = 0.2
UNUSED_SHARE = 0.6  # of weak pictures: somebody stands beside things that are not used
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
class Spec:
    """What a picture shall show.

    Attributes:
        seed: of the set that it belongs to.
        index: its number in the set.
        class_: what somebody does, one of `CLASSES`.
        cues: what stands beside; at most four.
        weak: somebody just stands there, in a scene of the class.
        hidden: cues whose place is kept, but empty.
        avoid: concepts that are drawn only as a cue.
    """

    seed: int
    index: int
    class_: str
    cues: tuple[Cue, ...] = ()
    weak: bool = False
    hidden: frozenset[Cue] = frozenset()
    avoid: frozenset[Cue] = frozenset()

    def without(self, *cues: Cue) -> Spec:
        """The same picture without some cues (without any, if none is named): its twin."""
        return replace(self, hidden=self.hidden | frozenset(cues or self.cues))


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawn picture and the truth about it.

    Attributes:
        spec: what it was drawn from.
        image: RGB, side × side.
        scene: concept of the whole image.
        planes: label numbers (`names.NUMBERS`) by category, uint16 (side, side); 0 is none.
        cues: which pixels each shown cue and its shadow touch, bool (side, side).
    """

    spec: Spec
    image: Image.Image
    scene: str
    planes: dict[str, NDArray[np.uint16]] = field(repr=False)
    cues: dict[Cue, NDArray[np.bool_]] = field(repr=False)


def draw(spec: Spec, side: int = SIDE) -> Picture:
    """Draw a picture with its masks.

    Args:
        spec: what it shows.
        side: pixels.
    """
    sketch, scene = _compose(spec, side)
    inks = sketch.inks_at_pixels()
    planes = {
        category: _numbers(sketch, category)[inks]
        for category in ("color", "object", "part", "material", "texture")
    }
    planes["action"] = _action_box(sketch, spec)
    shown = [cue for cue in spec.cues if cue not in spec.hidden]
    cues = {cue: sketch.where("/".join(cue)) for cue in shown}
    image = Image.fromarray(_finish(sketch, spec, side))
    return Picture(spec, image, scene, planes, cues)


def pixels(spec: Spec, side: int = SIDE) -> NDArray[np.uint8]:
    """The picture alone, uint8 (side, side, 3)."""
    return _finish(_compose(spec, side)[0], spec, side)


def _compose(spec: Spec, side: int) -> tuple[Sketch, str]:
    s = Sketch(side, f"{spec.seed}/{spec.index}", spec.avoid)
    s.stream("scene")
    scene = s.one_of(SCENES_OF[spec.class_])
    SCENES[scene](s)
    s.seal()
    _beside(s, spec)
    _act(s, spec, scene)
    return s, scene


def _finish(s: Sketch, spec: Spec, side: int) -> NDArray[np.uint8]:
    """Light from above, and noise."""
    light = np.linspace(1.02, 0.97, side, dtype=np.float32)[:, None, None]
    chance = np.random.default_rng([spec.seed, spec.index])
    noise = chance.standard_normal((side, side, 3), np.float32) * np.float32(NOISE)
    seen: NDArray[np.uint8] = np.clip(np.rint(s.rgb() * light + noise), 0, 255).astype(np.uint8)
    return seen


# The action


def _act(s: Sketch, spec: Spec, scene: str) -> None:
    s.stream("person")
    look = draw_look(s)
    s.stream("action")
    flip, x, size = s.chance(0.5), 50 + s.between(-2, 2), s.between(0.76, 0.88)
    swims = spec.class_ == "swimming" and not spec.weak
    y = WATER[scene][0] if swims else s.between(12, 17)
    with s.at(x, y, size, flip=flip):
        if not swims:
            s.shadow(0, 0.4, 11 if spec.weak else 19, 2.2)
        s.owner = "" if spec.weak else "action"
        if spec.weak:
            _stand(s, spec, look)
        elif swims:
            swimming(s, look, *WATER[scene][1:])
        else:
            ACTIONS[spec.class_](s, look)
        s.owner = ""


def _stand(s: Sketch, spec: Spec, look: Look) -> None:
    """No sign of the action; every other time, what others use for theirs."""
    others = [name for name in UNUSED if name != spec.class_]
    if s.chance(UNUSED_SHARE):
        standing_beside(s, look, s.one_of(others))
    else:
        standing(s, look)


def _action_box(s: Sketch, spec: Spec) -> NDArray[np.uint16]:
    """The box around everything that belongs to the action, as annotators draw one."""
    where = s.where("action")
    box = np.zeros(where.shape, np.uint16)
    if where.any():
        rows, columns = where.any(1).nonzero()[0], where.any(0).nonzero()[0]
        number = NUMBERS["action", spec.class_]
        box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = number
    return box


def _numbers(s: Sketch, category: str) -> NDArray[np.uint16]:
    """Label number by ink, uint16 (256,)."""
    table = np.zeros(256, np.uint16)
    for number, ink in enumerate(s.inks):
        name = getattr(ink, category)
        table[number] = NUMBERS[category, name] if name else 0
    return table


# What stands beside


def _beside(s: Sketch, spec: Spec) -> None:
    """Cues at their places; at the others carriers, props of other classes, or nothing."""
    s.stream("slots")
    taken = dict(zip(_order(s, len(spec.cues)), spec.cues, strict=False))
    for place in (2, 3, 0, 1):
        s.stream(f"slot {place}")
        cue = taken.get(place)
        if cue is None:
            # Nothing that means nothing stands before a cue.
            if place + 2 not in taken:
                _place(s, place, _neutral(s, spec, back=place > 1))
        elif cue not in spec.hidden:
            s.owner = "/".join(cue)
            _place(s, place, _cue(s, cue))
            s.owner = ""


def _order(s: Sketch, cues: int) -> list[int]:
    """Places in the order in which cues take them; the first two on either side."""
    if cues == 1:
        return [s.one_of((0, 1, 2, 3))]
    left = int(s.chance(0.5))
    right = 1 - left
    near, far = (right, right + 2) if s.chance(0.5) else (right + 2, right)
    return [left, near, left + 2, far]


def _place(s: Sketch, place: int, thing: Callable[[Sketch], None] | None) -> None:
    if thing is None:
        return
    x, y, size = _SLOTS[place]
    size *= s.between(0.94, 1.08)
    flip = s.chance(0.5)
    with s.at(x + s.between(-1, 1), y + s.between(-1.2, 1.2), size, flip=flip):
        s.shadow(0, 0.5, 9.5, 1.7)
        thing(s)


def _neutral(s: Sketch, spec: Spec, *, back: bool) -> Callable[[Sketch], None] | None:
    """What means nothing: mostly a carrier in neutral dress; in the back often a prop."""
    if back and s.chance(_CLUTTER_SHARE):
        others = [name for key, names in _PROPS.items() if key != spec.class_ for name in names]
        free = [name for name in others if s.free(name)]
        return OBJECTS[s.one_of(free)]
    if s.chance(0.4):
        return _carrier(s, None)
    free = [name for name in OBJECTS if s.free(name) and name not in _PROPS.get(spec.class_, ())]
    return OBJECTS[s.one_of(free)] if s.chance(0.1) else None


def _cue(s: Sketch, cue: Cue) -> Callable[[Sketch], None]:
    return OBJECTS[cue.name] if cue.category == "object" else _carrier(s, cue)


def _carrier(s: Sketch, cue: Cue | None) -> Callable[[Sketch], None]:
    names = [name for name in CARRIERS if s.free(name)]
    carrier = CARRIERS[s.one_of(names or list(CARRIERS))]
    dress = neutral_dress(s) if cue is None else dress_for(s, *cue)
    return lambda sketch: carrier(sketch, dress)
