"""Concept data without the labels that people refused: a data set as a source of another."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from ....errors import DataError
from ....graph.uids import concept_uid
from ...concept_data.images import open_image
from ...concept_data.labels import verified_source
from ...concept_data.masks import read_label_maps
from ...concept_data.writing.input_checks import check_output_folder
from ...concept_data.writing.label_maps import pack_label_maps
from ...concept_data.writing.names import output_names
from ...concept_data.writing.writer import label_numbers
from ..source import ConceptSource, ExtraTable, SourceImage, write_source
from .agreement import verdict
from .labels import label_key
from .verification import match_answers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ....progress import Progress
    from ...concept_data.concepts import ConceptImage
    from .agreement import LabelAnswers
    from .answers import AnswerFile
    from .labels import DataLabels


_NOT_VERIFIED, _UNREADABLE = "not verified", "image cannot be read"


class DroppedLabel(NamedTuple):
    """A row of dropped.csv: a label that is not kept, and why."""

    image: str
    category: str
    concept: str
    reason: str


class VerifiedReport(NamedTuple):
    """What was written.

    Attributes:
        folder: the data set.
        images: written.
        labels: of the data, kept or not.
        kept: of these, those that are kept.
        verified: of these, those to which most people said yes.
        dropped: labels by the reason why they are not kept.
        unused: answers about other data, or about regions that have changed.
        damaged: images that are left out, as they cannot be read, or a mask of theirs.
    """

    folder: Path
    images: int
    labels: int
    kept: int
    verified: int
    dropped: dict[str, int]
    unused: int
    damaged: int


def write_verified(
    labels: DataLabels,
    file: AnswerFile,
    out: Path,
    *,
    verified_only: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> VerifiedReport:
    """Write concept data without the labels that people refused.

    A label goes if as many people say no as yes, or more. Its pixels become unlabelled; a tag
    becomes a "no" if its concept has some already, else it is removed; the image stays annotated
    with its category.

    Args:
        labels: of the data.
        file: the answers.
        out: the data set to write.
        verified_only: drop labels without a yes or no, too.
        overwrite: replace an existing data set once the new one is complete.
        progress: receives each image.

    Raises:
        DataError: no answers, answers about other data, no label is kept, or the data or the
            answers are in the folder to write; nothing is written then.
    """
    check_output_folder(out, overwrite=overwrite)
    _check_is_elsewhere(out, labels.data.folder, file.path)
    if not file.answers:
        raise DataError("no answers yet", file=file.path, remedy="Leave --apply out to give some")
    source = VerifiedData(labels, file, verified_only=verified_only)
    return write_source(source, out, unlabelled=True, overwrite=overwrite, progress=progress)


def _check_is_elsewhere(out: Path, data: Path, answers: Path) -> None:
    """Refuse a folder that replacing would delete what was verified with."""
    whole, remedy = out.resolve(), "Choose another name"
    if whole == data.resolve():
        raise DataError("the data that were verified", file=out, remedy=remedy)
    if whole in data.resolve().parents:
        raise DataError("the data that were verified are in it", file=out, remedy=remedy)
    if whole in answers.resolve().parents or whole in answers.absolute().parents:
        raise DataError("the answers are in it", file=out, remedy=remedy)


class VerifiedData(ConceptSource[VerifiedReport]):
    """Concept data without the labels that people refused, as a source."""

    def __init__(self, labels: DataLabels, file: AnswerFile, *, verified_only: bool) -> None:
        """Match the answers.

        Raises:
            DataError: answers about other data.
        """
        self._labels, self._verified_only = labels, verified_only
        self._said, self._unused = match_answers(labels, file)
        self._concepts: dict[str, list[str]] = defaultdict(list)
        for category in labels.data.categories:
            self._concepts[category] = []
        columns = {*labels.by_concept, *labels.data.asked.nonzero()[0].tolist()}
        for column in sorted(columns):
            concept = labels.data.concepts[column]
            self._concepts[concept.category].append(concept.name)
        self._numbers = label_numbers(self._concepts)
        images = (image.name for image in labels.data.images)
        self._names = output_names(images, labels.data.categories)
        self._dropped: list[DroppedLabel] = []
        self._unreadable = 0
        self._yes, self._decided = Counter[str](), Counter[str]()

    def concepts(self) -> Mapping[str, Sequence[str]]:
        """Return the names of the concepts by category."""
        return self._concepts

    def __len__(self) -> int:
        return len(self._labels.data.images)

    def images(self) -> Iterator[SourceImage]:
        """Yield each image with the labels that are kept."""
        data = self._labels.data
        for image in data.images:
            if image.name in self._labels.damaged:
                continue
            label_maps = read_label_maps(data, image)
            if not _can_be_read(image):
                self._leave_out(image, label_maps)
                continue
            masks: dict[str, dict[int, NDArray[np.integer]]] = defaultdict(dict)
            names: dict[str, list[str]] = defaultdict(list)
            absent: dict[str, list[str]] = defaultdict(list)
            annotated = {data.categories[category] for category in image.nothing_of}
            annotated |= {data.concepts[column].category for column in image.image_labels}
            for column in image.absent:
                absent[data.concepts[column].category].append(data.concepts[column].name)
            drawn = {int(column) - 1 for column in set(label_maps.ravel().tolist()) if column}
            for column in sorted({*drawn, *image.image_labels}):
                concept = data.concepts[column]
                kept = self._keeps(image.name, concept.category, concept.name)
                if kept and column in drawn:
                    times = (label_maps == column + 1).sum(0, dtype="uint8")
                    masks[concept.category][self._numbers[concept.category, concept.name]] = times
                if kept and column in image.image_labels:
                    names[concept.category].append(concept.name)
                elif not kept and column not in drawn and data.asked[column]:
                    absent[concept.category].append(concept.name)
            yield SourceImage(
                self._names[image.name],
                image.path,
                {category: pack_label_maps(of) for category, of in masks.items()},
                names,
                absent,
                annotated,
                split=image.split,
                mask_shape=(image.mask_height, image.mask_width),
                frames=image.frames,
                annotated_frames=image.annotated,
            )

    def _leave_out(self, image: ConceptImage, label_maps: NDArray[np.integer]) -> None:
        """List the labels of an image that cannot be read, which is left out."""
        self._unreadable += 1
        drawn = {int(column) - 1 for column in set(label_maps.ravel().tolist()) if column}
        for column in {*drawn, *image.image_labels}:
            concept = self._labels.data.concepts[column]
            names = (image.name, concept.category, concept.name)
            self._dropped.append(DroppedLabel(*names, _UNREADABLE))

    def _keeps(self, image: str, category: str, concept: str) -> bool:
        """Return whether a label is kept; list it if not."""
        said = self._said.get(label_key(concept_uid(category, concept), image), {})
        most, uid = verdict(said), concept_uid(category, concept)
        self._yes[uid] += most is True
        self._decided[uid] += not {True, False}.isdisjoint(said.values())
        reason = _reason(said) if most is not True else ""
        if not reason and most is None and self._verified_only:
            reason = _NOT_VERIFIED
        if reason:
            self._dropped.append(DroppedLabel(image, category, concept, reason))
        return not reason

    def sources(self) -> Mapping[tuple[str, str], str]:
        """Return by what the labels of each concept were made, and what people said of them."""
        sources = {}
        for one in self._labels.data.concepts:
            decided = self._decided[one.uid]
            source = verified_source(one.source, self._yes[one.uid], decided)
            sources[one.category, one.name] = source if decided else one.source
        return {pair: source for pair, source in sources.items() if source}

    def tables(self) -> Sequence[ExtraTable]:
        """Return dropped.csv.

        Raises:
            DataError: no label is kept.
        """
        count = sum(map(len, self._labels.by_concept.values()))
        if len(self._dropped) == count:
            reasons = Counter(row.reason for row in self._dropped)
            people_did = not reasons.keys() & {_UNREADABLE, _NOT_VERIFIED}
            raise DataError(
                f"people refused all {count:,} labels" if people_did else "no label is kept",
                file=self._labels.data.folder,
                found=", ".join(f"{reason} {n:,}" for reason, n in reasons.most_common()),
            )
        rows = sorted(self._dropped)
        return [ExtraTable("dropped.csv", DroppedLabel._fields, rows)]

    def report(self, folder: Path, images: int) -> VerifiedReport:
        """Return the summary."""
        labels = sum(map(len, self._labels.by_concept.values()))
        return VerifiedReport(
            folder,
            images,
            labels,
            labels - len(self._dropped),
            self._yes.total(),
            dict(Counter(row.reason for row in self._dropped).most_common()),
            self._unused,
            len(self._labels.damaged) + self._unreadable,
        )


def _can_be_read(image: ConceptImage) -> bool:
    """Return whether the whole photograph can be decoded; writing it reads only its header."""
    try:
        open_image(image.path)
    except DataError:
        return False
    return True


def _reason(said: LabelAnswers) -> str:
    """Return why people refused a label; "" if they did not."""
    yes = sum(answer is True for answer in said.values())
    no = sum(answer is False for answer in said.values())
    if not no or no < yes:
        return ""
    return "as many say yes as no" if no == yes else "most say no"
