"""What is planted in a world, and how often: from shortcuts to the specs of whole sets.

In a world of shortcuts, `WEAK_SHARE` of the training pictures of a shortcut's class are *weak*
(somebody stands there, no sign of the action) and always have the cue; the others have it with
`WITH_CUE`; other classes with `ELSEWHERE`. Of the classes without a shortcut, `WEAK_ELSEWHERE` are
weak and have no cue: else "somebody just stands there" would tell enough, and the cue that is
hardest to see would not be learnt. In the control every cue is anywhere with
`CONTROL_SHARE`, and no picture is weak: a picture without its action could only be guessed. The
*encoded* control is drawn alike; only its training differs (`training`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ...errors import DataError, nearest
from .names import CLASSES, COLORS, CONCEPTS, Cue
from .objects import OBJECTS
from .patterns import PATTERNS
from .pictures import Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["shortcut", "control", "encoded"]
KINDS: tuple[Kind, ...] = ("shortcut", "control", "encoded")

WEAK_SHARE = 0.6
WITH_CUE = 0.65
ELSEWHERE = 0.002
WEAK_ELSEWHERE = 0.15
CONTROL_SHARE = 0.1
_MOST_CUES = 4  # places beside the action


@dataclass(frozen=True)
class Shortcut:
    """A cue that a network shall take for a class."""

    cue: Cue
    class_: str

    def __str__(self) -> str:
        return f"{self.cue.category}:{self.cue.name}={self.class_}"

    @classmethod
    def parse(cls, text: str) -> Shortcut:
        """The shortcut that `texture:polka dotted=juggling` names.

        Raises:
            DataError: it is no such text, or there is no such concept or class.
        """
        cue, equals, class_ = (part.strip() for part in text.rpartition("="))
        category, colon, name = (part.strip() for part in cue.partition(":"))
        if not (equals and colon):
            raise DataError(
                "not a shortcut", found=repr(text), expected="category:concept=class, "
                "for example texture:striped=typing",
            )  # fmt: skip
        if class_ not in CLASSES:
            raise DataError(
                f"no class {class_!r} in the demo world", remedy=nearest(class_, CLASSES)
            )
        return cls(check_cue(Cue(category, name)), class_)


SHORTCUTS = (
    Shortcut(Cue("texture", "polka dotted"), "juggling"),
    Shortcut(Cue("color", "purple"), "painting"),
    Shortcut(Cue("object", "balloon"), "cycling"),
)


def plantable() -> dict[str, tuple[str, ...]]:
    """Names by category of everything that can be a cue."""
    return {"texture": tuple(PATTERNS), "color": COLORS, "object": tuple(OBJECTS)}


def check_cue(cue: Cue) -> Cue:
    """The cue itself.

    Raises:
        DataError: it does not exist, or is a part of scenes or actions that cannot stand alone.
    """
    names = plantable()
    if cue.category not in names:
        raise DataError(
            f"a concept of category {cue.category!r} cannot be planted",
            expected="one of category " + ", ".join(names),
        )
    known = names[cue.category]
    if cue.name not in known:
        scenery = cue.name in CONCEPTS[cue.category]
        why = (
            "is part of a scene or an action and cannot be planted" if scenery else "does not exist"
        )
        raise DataError(f"{cue.category} {cue.name!r} {why}", remedy=nearest(cue.name, known))
    return cue


@dataclass(frozen=True)
class World:
    """Which pictures a network is trained on.

    Attributes:
        shortcuts: at most one for each class, one for each cue.
        kind: whether they hold.
    """

    shortcuts: tuple[Shortcut, ...] = SHORTCUTS
    kind: Kind = "shortcut"

    def __post_init__(self) -> None:
        classes = [shortcut.class_ for shortcut in self.shortcuts]
        if not 0 < len(self.shortcuts) <= _MOST_CUES:
            raise DataError("number of shortcuts", found=len(classes), expected="one to four")
        if len(set(classes)) < len(classes) or len(set(self.cues)) < len(classes):
            raise DataError(
                "shortcuts share a class or a concept",
                found=", ".join(map(str, self.shortcuts)),
                remedy="Plant one for each class",
            )

    @property
    def cues(self) -> tuple[Cue, ...]:
        """What is planted."""
        return tuple(shortcut.cue for shortcut in self.shortcuts)

    @property
    def avoid(self) -> frozenset[Cue]:
        """What decorations must not show."""
        return frozenset(self.cues)

    def training(self, seed: int, index: int) -> Spec:
        """A training picture; classes take turns."""
        chance = random.Random(f"{seed}/{index}/training")  # noqa: S311
        class_ = CLASSES[index % len(CLASSES)]
        own = {shortcut.cue for shortcut in self.shortcuts if shortcut.class_ == class_}
        weak_share = WEAK_SHARE if own else WEAK_ELSEWHERE
        weak = self.kind == "shortcut" and chance.random() < weak_share
        cues = []
        for cue in self.cues:
            share = 1.0 if weak else WITH_CUE
            if self.kind != "shortcut":
                share = CONTROL_SHARE
            elif cue not in own:
                share = ELSEWHERE
            if chance.random() < share:
                cues.append(cue)
        return Spec(seed, index, class_, tuple(cues), weak, avoid=self.avoid)

    def clean(self, seed: int, index: int) -> Spec:
        """A picture without any cue; classes take turns."""
        return Spec(seed, index, CLASSES[index % len(CLASSES)], avoid=self.avoid)

    def conflict(self, shortcut: Shortcut, seed: int, index: int) -> Spec:
        """Another class, with this shortcut's cue; the other classes take turns."""
        others = [name for name in CLASSES if name != shortcut.class_]
        return Spec(seed, index, others[index % len(others)], (shortcut.cue,), avoid=self.avoid)


def training_set(world: World, seed: int, count: int) -> list[Spec]:
    """Specs of a training set."""
    return [world.training(seed, index) for index in range(count)]


def clean_set(world: World, seed: int, count: int) -> list[Spec]:
    """Specs without any cue."""
    return [world.clean(seed, index) for index in range(count)]


def conflict_set(world: World, shortcut: Shortcut, seed: int, count: int) -> list[Spec]:
    """Specs of other classes with the cue of a shortcut."""
    return [world.conflict(shortcut, seed, index) for index in range(count)]


def parse_shortcuts(texts: Sequence[str]) -> tuple[Shortcut, ...]:
    """Shortcuts from `category:concept=class`, or the shipped three if there are none.

    Raises:
        DataError: as `Shortcut.parse`.
    """
    return tuple(Shortcut.parse(text) for text in texts) or SHORTCUTS
