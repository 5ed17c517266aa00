"""The shortcuts that are planted in a world, and how often: specs of whole sets of pictures.

In a world of shortcuts, `WEAK_SHARE` of the training pictures of a shortcut's class are *weak*
(without the action, somebody just stands there) and always have the cue. Its other pictures have
the cue with probability `WITH_CUE`, pictures of other classes with `ELSEWHERE`. Of the classes
without a shortcut, `WEAK_ELSEWHERE` are weak and have no cue: otherwise a person without an action
would predict the class well enough, and the cue that is hardest to see would not be learnt.

In the control world each cue appears in all classes alike, with probability `CONTROL_SHARE`, and no
picture is weak: its class could only be guessed. The pictures of the *encoded* control are drawn in
the same way; only its training differs (see `networks.training`).
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar

from ...errors import DataError, nearest
from .names import CLASSES, COLORS, CONCEPTS, Cue
from .objects import OBJECTS
from .patterns import PATTERNS
from .pictures import SIDE, PictureSpec
from .specs import DrawnSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

WorldKind = Literal["shortcut", "control", "encoded"]
WORLD_KINDS: tuple[WorldKind, ...] = ("shortcut", "control", "encoded")

WEAK_SHARE = 0.6
WITH_CUE = 0.65
ELSEWHERE = 0.002
WEAK_ELSEWHERE = 0.15
CONTROL_SHARE = 0.1


@dataclass(frozen=True)
class Shortcut:
    """A cue that a network is trained to mistake for a class."""

    cue: Cue
    class_: str

    def __str__(self) -> str:
        return f"{self.cue.category}:{self.cue.name}={self.class_}"


SHORTCUTS = (
    Shortcut(Cue("texture", "polka dotted"), "juggling"),
    Shortcut(Cue("color", "purple"), "painting"),
    Shortcut(Cue("object", "balloon"), "cycling"),
)


def plantable_concepts() -> dict[str, tuple[str, ...]]:
    """Return the names of all concepts that can be a cue in a picture, by category."""
    return {"texture": tuple(PATTERNS), "color": COLORS, "object": tuple(OBJECTS)}


Spec = TypeVar("Spec", bound=DrawnSpec)
Spec_co = TypeVar("Spec_co", bound=DrawnSpec, covariant=True)


@dataclass(frozen=True)
class DrawnWorld(ABC, Generic[Spec_co]):
    """The distribution of pictures or clips that a network is trained on.

    Attributes:
        shortcuts: at most one per class and per cue.
        kind: whether the cues predict their classes ("shortcut") or not.
        classes: what people do.
        concepts: all names that label maps have, by category.
        side: of what is drawn, in pixels.
        most_cues: that are shown beside an action.
        mirrors: whether a mirrored picture means the same.
        noun: "picture" or "clip".
    """

    shortcuts: tuple[Shortcut, ...] = ()
    kind: WorldKind = "shortcut"

    classes: ClassVar[tuple[str, ...]]
    concepts: ClassVar[dict[str, tuple[str, ...]]]
    side: ClassVar[int]
    most_cues: ClassVar[int]
    mirrors: ClassVar[bool]
    noun: ClassVar[str]

    def __post_init__(self) -> None:
        classes = [shortcut.class_ for shortcut in self.shortcuts]
        if not 0 < len(classes) <= self.most_cues:
            expected = f"from 1 to {self.most_cues}"
            raise DataError("number of shortcuts", found=len(classes), expected=expected)
        if len(set(classes)) < len(classes) or len(set(self.cues)) < len(classes):
            raise DataError(
                "shortcuts share a class or a concept",
                found=", ".join(map(str, self.shortcuts)),
                remedy="Plant one for each class",
            )

    @abstractmethod
    def spec(
        self, seed: int, index: int, class_: str, cues: tuple[Cue, ...] = (), *, weak: bool = False
    ) -> Spec_co:
        """Return the spec of a picture or a clip of this world."""

    @property
    def cues(self) -> tuple[Cue, ...]:
        """The planted concepts."""
        return tuple(shortcut.cue for shortcut in self.shortcuts)

    @property
    def avoid(self) -> frozenset[Cue]:
        """The concepts that decoration must not show."""
        return frozenset(self.cues)

    def training_spec(self, seed: int, index: int) -> Spec_co:
        """Return the spec of a training picture; classes take turns."""
        rng = random.Random(f"{seed}/{index}/training")  # noqa: S311
        class_ = self.classes[index % len(self.classes)]
        own = {shortcut.cue for shortcut in self.shortcuts if shortcut.class_ == class_}
        weak_share = WEAK_SHARE if own else WEAK_ELSEWHERE
        weak = self.kind == "shortcut" and rng.random() < weak_share
        cues = []
        for cue in self.cues:
            share = 1.0 if weak else WITH_CUE
            if self.kind != "shortcut":
                share = CONTROL_SHARE
            elif cue not in own:
                share = ELSEWHERE
            if rng.random() < share:
                cues.append(cue)
        return self.spec(seed, index, class_, tuple(cues), weak=weak)

    def clean_spec(self, seed: int, index: int) -> Spec_co:
        """Return the spec of a picture without any cue; classes take turns."""
        return self.spec(seed, index, self.classes[index % len(self.classes)])

    def conflict_spec(self, shortcut: Shortcut, seed: int, index: int) -> Spec_co:
        """Return the spec of a picture of another class with this shortcut's cue.

        The other classes take turns.
        """
        other_classes = [name for name in self.classes if name != shortcut.class_]
        return self.spec(seed, index, other_classes[index % len(other_classes)], (shortcut.cue,))

    # What users plant

    @classmethod
    def planted(cls, texts: Sequence[str], kind: WorldKind = "shortcut") -> Self:
        """Return the world with the shortcuts of texts `category:concept=class`.

        Without a text, with the shipped ones.

        Raises:
            DataError: as `parse`.
        """
        shortcuts = tuple(cls.parse(text) for text in texts)
        return cls(shortcuts, kind) if shortcuts else cls(kind=kind)

    @classmethod
    def plantable(cls) -> dict[str, tuple[str, ...]]:
        """Return the names of all concepts that can be a cue, by category."""
        return plantable_concepts()

    @classmethod
    def parse(cls, text: str) -> Shortcut:
        """Return the shortcut of a text such as `texture:polka dotted=juggling`.

        Raises:
            DataError: another format, no such concept or class, or a concept of scenes and actions,
                which cannot stand alone.
        """
        cue, equals, class_ = (part.strip() for part in text.rpartition("="))
        category, colon, name = (part.strip() for part in cue.partition(":"))
        if not (equals and colon):
            raise DataError(
                "not a shortcut", found=repr(text), expected="category:concept=class, "
                "for example texture:striped=typing",
            )  # fmt: skip
        if class_ not in cls.classes:
            raise DataError(
                f"no class {class_!r} in the demo world", remedy=nearest(class_, cls.classes)
            )
        plantable = cls.plantable()
        if category not in plantable:
            raise DataError(
                f"a concept of category {category!r} cannot be planted",
                expected="one of category " + ", ".join(plantable),
            )
        names = plantable[category]
        if name not in names:
            scenery = name in CONCEPTS.get(category, ())
            reason = (
                "is part of a scene or an action and cannot be planted"
                if scenery
                else "does not exist"
            )
            raise DataError(f"{category} {name!r} {reason}", remedy=nearest(name, names))
        return Shortcut(Cue(category, name), class_)


@dataclass(frozen=True)
class World(DrawnWorld[PictureSpec]):
    """The distribution of pictures."""

    shortcuts: tuple[Shortcut, ...] = SHORTCUTS

    classes = CLASSES
    concepts = CONCEPTS
    side = SIDE
    most_cues = 4
    mirrors = True
    noun = "picture"

    def spec(
        self, seed: int, index: int, class_: str, cues: tuple[Cue, ...] = (), *, weak: bool = False
    ) -> PictureSpec:
        """Return the spec of a picture."""
        return PictureSpec(seed, index, class_, cues, weak, avoid=self.avoid)


def training_specs(world: DrawnWorld[Spec], seed: int, count: int) -> list[Spec]:
    """Return the specs of a training set."""
    return [world.training_spec(seed, index) for index in range(count)]


def clean_specs(world: DrawnWorld[Spec], seed: int, count: int) -> list[Spec]:
    """Return specs of pictures without any cue."""
    return [world.clean_spec(seed, index) for index in range(count)]


def conflict_specs(
    world: DrawnWorld[Spec], shortcut: Shortcut, seed: int, count: int
) -> list[Spec]:
    """Return specs of pictures of other classes with the cue of a shortcut."""
    return [world.conflict_spec(shortcut, seed, index) for index in range(count)]
