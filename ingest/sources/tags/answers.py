"""What people said about images: that a concept is there, or that it is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ...concept_data.labels import is_category, plain_name

if TYPE_CHECKING:
    from ..annotations.items import AnnotationItem, ItemError

CATEGORY = "tag"
"""Of concepts for which nobody names one."""
_LONGEST = 60  # letters of a category, which is part of the names of files
# docs/concept-data.md lists them.
_YES = {"yes", "y", "true", "t", "1", "1.0", "present", "positive", "positives", "pos"}
_NO = {"no", "n", "false", "f", "0", "0.0", "-1", "absent", "negative", "negatives", "neg"}
_UNKNOWN = {"unknown", "unsure", "maybe", "skip", "skipped", "?", "na", "n/a", "nan", "none"}


class Answer(NamedTuple):
    """One answer about one concept and one image.

    Attributes:
        image: as it is named.
        category: of the concept.
        concept: its name.
        is_present: yes or no.
        source: where it stands.
    """

    image: str
    category: str
    concept: str
    is_present: bool
    source: str


class DroppedTag(NamedTuple):
    """A row of dropped.csv: an answer that is not used, and why; as `DroppedRegion`."""

    image: str
    category: str
    concept: str
    reason: str
    detail: str
    source: str


@dataclass
class Answers:
    """All answers.

    Attributes:
        answers: in the order in which they stand.
        images: all images that are named, also those without an answer.
        unknown: image, category and name of each concept with an answer that is unknown; the
            image is empty where nothing is said of it.
        splits: of images, where it is stated.
        dropped: what could not be used.
        notes: what was assumed or changed, in sentences.
    """

    answers: list[Answer] = field(default_factory=list)
    images: dict[str, None] = field(default_factory=dict)
    unknown: set[tuple[str, str, str]] = field(default_factory=set)
    splits: dict[str, str] = field(default_factory=dict)
    dropped: list[DroppedTag] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, answer: Answer) -> None:
        """Add an answer; its names are made plain."""
        self.images.setdefault(answer.image)
        names = plain_name(answer.category), plain_name(answer.concept)
        self.answers.append(answer._replace(category=names[0], concept=names[1]))

    def add_unknown(self, image: str, category: str, concept: str) -> None:
        """Note an answer that is neither yes nor no; no image where nothing is said of it."""
        if image:
            self.images.setdefault(image)
        self.unknown.add((image, plain_name(category), plain_name(concept)))

    def drop(self, item: AnnotationItem, error: ItemError, image: str = "") -> None:
        """Note an item that cannot be used."""
        self.dropped.append(DroppedTag(image, "", "", error.reason, error.detail, item.source))


def read_answer(item: AnnotationItem, value: str) -> bool | None:
    """Read a yes or no; nothing is yes, and `unknown` None.

    Raises:
        ItemError: anything else.
    """
    text = value.strip().casefold()
    if text in _UNKNOWN:
        return None
    if text and text not in _YES | _NO:
        raise item.error("answer that is neither yes nor no", found=repr(value)[:60])
    return text not in _NO


def is_answer(value: str) -> bool:
    """Return whether a text is an answer, and not a name."""
    return value.strip().casefold() in _YES | _NO | _UNKNOWN | {""}


def read_category(item: AnnotationItem, name: str) -> str:
    """Read the name of a category.

    Raises:
        ItemError: one that cannot be part of a file name.
    """
    plain = plain_name(name)
    if not is_category(plain) or len(plain) > _LONGEST:
        expected = f"a name without / \\ ; ( ), of at most {_LONGEST} letters"
        raise item.error("category", found=repr(name)[:60], expected=expected)
    return plain
