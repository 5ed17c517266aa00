"""Tags as a source of concept data.

1. Read the answers: photographs sorted into folders, a table, or captions.
2. Find and check every image; those of one content are one.
3. For each image and concept the majority of the answers counts; a draw is dropped.

A concept to which somebody answered no counts only in images where somebody was asked; any other is
taken not to be in the other images, which are annotated with its category. An answer, or an image,
of many that cannot be used is dropped with its reason, in dropped.csv.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ....errors import DataError
from ....files import read_whole
from ....progress import NoProgress
from ...concept_data.labels import TAGS
from ...concept_data.writing.input_checks import check_output_folder
from ...concept_data.writing.names import output_names
from ..annotations.image_files import ImageFiles, find_view
from ..source import ConceptSource, ExtraTable, SourceImage, check_side, write_source
from .answers import Answers, DroppedTag
from .captions import read_captions
from .folders import read_folders
from .table import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ....progress import Progress
    from .answers import Answer

Pair = tuple[str, str]
"""Category and name of a concept."""


class TaggedConcept(NamedTuple):
    """One concept.

    Attributes:
        category: the concept's.
        concept: its name.
        present: images with it.
        absent: images without it.
        asked: whether these are images where somebody said no; else all the others.
    """

    category: str
    concept: str
    present: int
    absent: int
    asked: bool


class TagReport(NamedTuple):
    """What was written.

    Attributes:
        folder: the data set.
        images: written.
        untagged: of these, without any concept.
        concepts: in order of category and name.
        dropped: answers by reason.
        notes: what was assumed or changed, in sentences.
    """

    folder: Path
    images: int
    untagged: int
    concepts: tuple[TaggedConcept, ...]
    dropped: dict[str, int]
    notes: tuple[str, ...]


def write_tags(
    tags: Path,
    out: Path,
    *,
    images: Path | None = None,
    category: str | None = None,
    words: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    size: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> TagReport:
    """Make concept data from tags.

    Args:
        tags: a folder of folders of photographs, a table, or COCO captions.
        out: the data set to write.
        images: folder of the images that a file names; the file's own if None.
        category: of all concepts; as the tags say, or `tag`, if None.
        words: to look for in captions.
        names: of ImageNet's synsets.
        size: side to which images are resized (aspect ratio ignored); their files are copied if
            None.
        overwrite: replace an existing data set once the new one is complete.
        progress: receives each step.

    Raises:
        DataError: anything invalid, or no tag is left; nothing is written then.
    """
    progress, tags = progress or NoProgress(), Path(tags)
    check_output_folder(Path(out), overwrite=overwrite)
    check_side("size", size)
    answers = _read(tags, category, words, names or {})
    folder = images or (tags if tags.is_dir() else tags.parent)
    source = TagSource(answers, tags, folder, progress)
    return write_source(
        source, out, image_size=size, unlabelled=True, overwrite=overwrite, progress=progress
    )


def _read(
    tags: Path, category: str | None, words: Sequence[str], names: Mapping[str, str]
) -> Answers:
    if tags.is_dir():
        return read_folders(tags, category, names)
    if not tags.is_file():
        raise DataError("no such file or folder", file=tags)
    if tags.suffix.lower() == ".json":
        return read_captions(tags, category, words)
    return read_table(tags, category)


class TagSource(ConceptSource[TagReport]):
    """Tagged images as a source of concept data."""

    def __init__(self, answers: Answers, tags: Path, folder: Path, progress: Progress) -> None:
        """Find and check the images, and decide what each of them has.

        Args:
            answers: what people said.
            tags: where that stands.
            folder: of the images.
            progress: receives the check.

        Raises:
            DataError: no image is found, or no tag is left.
        """
        if not folder.is_dir():
            raise DataError("no such folder", file=folder)
        self._folder, self._notes = folder, list(answers.notes)
        self._dropped = list(answers.dropped)
        files = self._find(answers, progress)
        self._files = sorted(set(files.values()))
        self._splits = {files[name]: split for name, split in answers.splits.items()
                        if name in files}  # fmt: skip
        spelling = self._spellings(answers.answers)
        self._said = self._decide(answers.answers, files, spelling)
        used = [answer for answer in answers.answers if answer.image in files]
        self._asked = {
            spelling[answer.category, answer.concept] for answer in used if not answer.is_present
        }
        self._take_others_as_no(self._unknown(answers, files, spelling))
        present = {pair for said in self._said.values() for pair, yes in said.items() if yes}
        for pair in sorted(self._asked - present):
            self._notes.append(f"{'/'.join(pair)}: only no; left out.")
        self._notes += _only_unknown(answers)
        self._concepts: dict[str, list[str]] = defaultdict(list)
        for category, name in sorted(present):
            self._concepts[category].append(name)
        if not present:
            raise self._nothing_left(tags)
        self._present = present
        self._names = output_names(self._files, self._concepts)

    def _nothing_left(self, tags: Path) -> DataError:
        reasons = Counter(row.reason for row in self._dropped)
        found = ", ".join(f"{count} × {reason}" for reason, count in reasons.most_common(3))
        remedy = "Name the folder of the images with --images" if "image file" in found else None
        return DataError("no tag is left", file=tags, found=found or "no yes", remedy=remedy)

    def _find(self, answers: Answers, progress: Progress) -> dict[str, str]:
        """Return the file of each image that can be used; of equal files the first."""
        found, problems = ImageFiles(self._folder).resolve(answers.images)
        of_image: dict[str, list[Answer]] = defaultdict(list)
        for answer in answers.answers:
            of_image[answer.image].append(answer)
        for name, problem in sorted(problems.items()):
            self._drop_image(name, of_image[name], "no image file of this name", problem)
        first: dict[str, str] = {}
        files: dict[str, str] = {}
        with progress.step("check images", len(found)) as advance:
            for name, file in sorted(found.items(), key=lambda pair: pair[1]):
                try:
                    find_view(self._folder / file, None, [])
                    content = read_whole(self._folder / file)
                except (DataError, OSError) as error:
                    text = str(error).removeprefix(f"{self._folder / file}: ")
                    self._drop_image(name, of_image[name], *text.partition("; ")[::2])
                else:
                    digest = hashlib.sha256(content).hexdigest()
                    files[name] = first.setdefault(digest, file)
                advance(1)
        equal = len(files) - len(first)
        if equal:
            self._notes.append(f"Files equal to another, each counts once: {equal}.")
        return files

    def _drop_image(self, name: str, answers: list[Answer], reason: str, detail: str) -> None:
        for answer in answers:
            self._drop(answer, reason, detail)
        if not answers:
            self._dropped.append(DroppedTag(name, "", "", reason, detail, ""))

    def _drop(self, answer: Answer, reason: str, detail: str = "") -> None:
        row = (answer.image, answer.category, answer.concept, reason, detail, answer.source)
        self._dropped.append(DroppedTag(*row))

    def _spellings(self, answers: Sequence[Answer]) -> dict[Pair, Pair]:
        """Return how each concept is spelt: names that differ in case alone are one."""
        counts = Counter((answer.category, answer.concept) for answer in answers)
        by_folded: dict[Pair, list[Pair]] = defaultdict(list)
        for pair in counts:
            by_folded[pair[0].casefold(), pair[1].casefold()].append(pair)
        spelling = {}
        for pairs in by_folded.values():
            chosen = min(pairs, key=lambda pair: (-counts[pair], pair))
            spelling.update(dict.fromkeys(pairs, chosen))
            others = sorted("/".join(pair) for pair in pairs if pair != chosen)
            if others:
                self._notes.append(f"{', '.join(others)} counts as {'/'.join(chosen)}.")
        return spelling

    def _decide(
        self, answers: Sequence[Answer], files: Mapping[str, str], spelling: Mapping[Pair, Pair]
    ) -> dict[str, dict[Pair, bool]]:
        """Return what is said of each file, by the majority of the answers."""
        by_file: dict[str, dict[Pair, list[Answer]]] = defaultdict(lambda: defaultdict(list))
        for answer in answers:
            if answer.image in files:
                pair = spelling[answer.category, answer.concept]
                by_file[files[answer.image]][pair].append(answer)
        said: dict[str, dict[Pair, bool]] = defaultdict(dict)
        for file, pairs in by_file.items():
            for pair, of_pair in pairs.items():
                yes = sum(answer.is_present for answer in of_pair)
                if 2 * yes != len(of_pair):
                    said[file][pair] = 2 * yes > len(of_pair)
                    continue
                for answer in of_pair:
                    self._drop(answer, "contradicting answers", f"{yes} yes, {yes} no")
        return said

    def _unknown(
        self, answers: Answers, files: Mapping[str, str], spelling: Mapping[Pair, Pair]
    ) -> dict[Pair, set[str]]:
        """Return the files of which an answer says that a concept is unknown, and no other does."""
        unknown: dict[Pair, set[str]] = defaultdict(set)
        folded = {(a.casefold(), b.casefold()): pair for (a, b), pair in spelling.items()}
        for image, category, concept in answers.unknown:
            pair = folded.get((category.casefold(), concept.casefold()))
            if pair is not None and image in files and pair not in self._said.get(files[image], {}):
                unknown[pair].add(files[image])
        return unknown

    def _take_others_as_no(self, unknown: Mapping[Pair, set[str]]) -> None:
        """Take images as without a concept that nobody denies, but for those where it is unknown.

        Only concepts with a *no* keep unknown apart. So the other images get one.
        """
        for pair, files in unknown.items():
            if pair not in self._asked:
                self._asked.add(pair)
                for file in self._files:
                    if file not in files:
                        self._said.setdefault(file, {}).setdefault(pair, False)

    def concepts(self) -> Mapping[str, Sequence[str]]:
        """Return the names of the concepts by category, sorted."""
        return self._concepts

    def __len__(self) -> int:
        return len(self._files)

    def images(self) -> Iterator[SourceImage]:
        """Yield each image with its tags."""
        annotated = {category for category, _ in self._present - self._asked}
        for file in self._files:
            labels: dict[bool, dict[str, list[str]]] = {
                True: defaultdict(list), False: defaultdict(list)
            }  # fmt: skip
            for (category, concept), is_present in self._said.get(file, {}).items():
                if (category, concept) in self._present:
                    labels[is_present][category].append(concept)
            yield SourceImage(
                self._names[file],
                self._folder / file,
                image_labels=labels[True],
                absent=labels[False],
                annotated=annotated,
                split=self._splits.get(file),
            )

    def sources(self) -> Mapping[Pair, str]:
        """Return `tags` for each concept."""
        return dict.fromkeys(self._present, TAGS)

    def tables(self) -> Sequence[ExtraTable]:
        """Return dropped.csv."""
        return [ExtraTable("dropped.csv", DroppedTag._fields, self._dropped)]

    def report(self, folder: Path, images: int) -> TagReport:
        """Return the summary."""
        counts = Counter((pair, yes) for said in self._said.values() for pair, yes in said.items())
        concepts = []
        for pair in sorted(self._present):
            present, asked = counts[pair, True], pair in self._asked
            absent = counts[pair, False] if asked else images - present
            concepts.append(TaggedConcept(*pair, present, absent, asked))
        dropped = Counter(row.reason for row in self._dropped)
        untagged = images - sum(any(said.values()) for said in self._said.values())
        notes = tuple(self._notes)
        return TagReport(folder, images, untagged, tuple(concepts), dict(dropped), notes)


def _only_unknown(answers: Answers) -> list[str]:
    """Return a sentence for each concept of which nobody knows anything."""
    known = {(answer.category.casefold(), answer.concept.casefold()) for answer in answers.answers}
    return [
        f"{category}/{concept}: only unknown answers; left out."
        for category, concept in sorted({(of, name) for _, of, name in answers.unknown})
        if (category.casefold(), concept.casefold()) not in known
    ]
