"""Machine labels of photographs as a source of concept data.

1. Find the photographs; those of one content are one.
2. Every labeller gives scores to each, batch by batch; what is kept of them lies on disk until the
   data set is complete. A photograph that cannot be read is dropped, in dropped.csv.
3. With truth, thresholds of words are chosen on half of its images, and the agreement is measured.
4. Scores become masks: of each pixel the concept with the highest score, or, of words, all at least
   at their thresholds.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ....errors import DataError
from ....files import read_whole
from ....progress import NoProgress
from ...concept_data.images import IMAGE_SUFFIXES, has_image_suffix, open_image
from ...concept_data.opening import open_concept_data
from ...concept_data.writing.input_checks import check_output_folder
from ...concept_data.writing.label_maps import pack_label_maps
from ...concept_data.writing.names import output_names
from ...concept_data.writing.writer import label_numbers
from ..annotations.folders import list_files
from ..source import ConceptSource, ExtraTable, SourceImage, write_source
from .agreement import ConceptAgreement, Truth, choose_thresholds, kept_concepts, measure
from .labeller import keep_scores
from .report import (
    DroppedPhotograph,
    MachineLabel,
    MachineReport,
    MachineSettings,
    chance_note,
    check_settings,
    count_concepts,
)
from .results import KeptScores

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from ....progress import Progress
    from .labeller import ImageScores, Labeller


def write_machine_labels(
    photographs: Path,
    out: Path,
    labellers: Sequence[Labeller],
    settings: MachineSettings | None = None,
    *,
    truth: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> MachineReport:
    """Make concept data from photographs, labelled by models.

    Args:
        photographs: a folder of images.
        out: the data set to write.
        labellers: the models.
        settings: of `MachineSettings`.
        truth: concept data with masks of some of the same images.
        resume: use the scores that an interrupted call left beside `out`.
        overwrite: replace an existing data set once the new one is complete.
        progress: receives each step.

    Raises:
        DataError: no photographs, two labellers with one concept, or nothing in common with the
            truth; no data set is written then. Scores are kept for `resume`, unless no image has a
            concept.
    """
    settings, progress = settings or MachineSettings(), progress or NoProgress()
    photographs, out = Path(photographs), Path(out)
    check_output_folder(out, overwrite=overwrite)
    check_settings(settings)
    kept = KeptScores(out, [settings.mask_size, settings.batch_size], resume=resume)
    source = MachineSource(photographs, labellers, settings, kept, truth, progress)
    try:
        report = write_source(source, out, unlabelled=True, overwrite=overwrite, progress=progress)
    except DataError:
        if source.is_empty:
            kept.delete()
        raise
    kept.delete()
    return report


class MachineSource(ConceptSource[MachineReport]):
    """Photographs, labelled by models, as a source of concept data.

    Attributes:
        is_empty: whether none of the images has a concept; known after the last one.
    """

    def __init__(
        self,
        folder: Path,
        labellers: Sequence[Labeller],
        settings: MachineSettings,
        kept: KeptScores,
        truth: Path | None,
        progress: Progress,
    ) -> None:
        """Label all photographs.

        Args:
            folder: of the photographs.
            labellers: the models.
            settings: of `MachineSettings`.
            kept: receives the scores.
            truth: concept data.
            progress: receives each photograph.

        Raises:
            DataError: as `write_machine_labels`.
        """
        self._folder, self._labellers, self._settings = folder, labellers, settings
        self._kept = kept
        self._concepts = _concepts(labellers)
        self._numbers = label_numbers(self._concepts)
        self._notes: list[str] = []
        self._dropped: list[DroppedPhotograph] = []
        self._files = self._find(progress)
        self._truth = None if truth is None else self._open_truth(truth)
        self._label(progress)
        self._names = output_names(self._files.values(), self._concepts)
        self._rows: list[MachineLabel] = []
        self.is_empty = False
        self._thresholds: dict[str, list[float]] = {}
        self._agreement: list[ConceptAgreement] = []
        self._compare(progress)

    def _find(self, progress: Progress) -> dict[str, str]:
        """Return the photographs by sha256, in the order of their names; of equal ones the first.

        Raises:
            DataError: none.
        """
        files = [file for file in list_files(self._folder) if has_image_suffix(file)]
        if not files:
            expected = "images *" + ", *".join(IMAGE_SUFFIXES)
            raise DataError("no photographs", file=self._folder, expected=expected)
        by_digest: dict[str, str] = {}
        with progress.step("find", len(files)) as advance:
            for file in files:
                try:
                    content = read_whole(self._folder / file)
                except OSError as error:
                    reason = f"cannot be read: {error.strerror}"
                    self._dropped.append(DroppedPhotograph(file, reason))
                else:
                    by_digest.setdefault(hashlib.sha256(content).hexdigest(), file)
                advance(1)
        equal = len(files) - len(self._dropped) - len(by_digest)
        if equal:
            self._notes.append(f"Files equal to another, each counts once: {equal}.")
        return by_digest

    def _open_truth(self, folder: Path) -> Truth:
        """Open the truth, and match its images.

        Raises:
            DataError: no concept data, or no image or concept in common.
        """
        data, images = open_concept_data(folder), {}
        for image in data.images:
            digest = hashlib.sha256(read_whole(image.path)).hexdigest()
            if image.masks and digest in self._files:
                images[digest] = image
        if not images:
            raise DataError(
                "no image with masks is among the photographs",
                file=folder,
                expected="equal files, whatever their names",
            )
        truth = Truth(data, images, self._settings.mask_size)
        if not any(truth.columns(labeller) for labeller in self._labellers):
            names = ", ".join(concept.name for concept in data.concepts[:5])
            raise DataError("no concept that a model knows, too", file=folder, found=names)
        return truth

    def _label(self, progress: Progress) -> None:
        """Score all photographs, batch by batch; drop those that cannot be read.

        Raises:
            DataError: none can be read.
        """
        digests, size = list(self._files), self._settings.batch_size
        with progress.step("label", len(digests)) as advance:
            for first in range(0, len(digests), size):
                self._label_batch(digests[first : first + size])
                advance(len(digests[first : first + size]))
        if not self._files:
            reason = self._dropped[0].reason
            raise DataError("no photograph can be read", file=self._folder, found=reason)

    def _label_batch(self, digests: Sequence[str]) -> None:
        missing = [
            labeller
            for labeller in self._labellers
            if not all(self._path(digest, labeller).is_file() for digest in digests)
        ]
        if not missing:
            return
        images: dict[str, Image.Image] = {}
        for digest in digests:
            path = self._folder / self._files[digest]
            try:
                images[digest] = open_image(path)
            except DataError as error:
                reason = str(error).removeprefix(f"{path}: ")
                self._dropped.append(DroppedPhotograph(self._files.pop(digest), reason))
        for labeller in missing if images else ():
            side = self._settings.mask_size
            files = [self._folder / self._files[digest] for digest in images]
            scores = labeller.scores(list(images.values()), side, files)
            for digest, of_image in zip(images, scores, strict=True):
                of_labeller = keep_scores(of_image, labeller, self._kept_maps(digest, labeller))
                self._kept.write(self._path(digest, labeller), of_labeller)

    def _kept_maps(self, digest: str, labeller: Labeller) -> tuple[int, ...]:
        has_truth = self._truth is not None and digest in self._truth.images
        return kept_concepts(self._truth if has_truth else None, labeller)

    def _path(self, digest: str, labeller: Labeller) -> Path:
        return self._kept.path(digest, labeller, self._kept_maps(digest, labeller))

    def _read(self, labeller: Labeller, digest: str) -> ImageScores:
        return self._kept.read(self._path(digest, labeller))

    def _compare(self, progress: Progress) -> None:
        """Choose the thresholds of words, and measure the agreement with the truth."""
        for labeller in self._labellers:
            default = [self._settings.word_threshold] * len(labeller.concepts)
            self._thresholds[labeller.digest] = default
        if self._truth is None:
            return
        images = sorted(self._truth.images & self._files.keys())
        chosen_by, rest = images[0::2], images[1::2]
        with progress.step("compare", len(self._labellers)) as advance:
            for labeller in self._labellers:
                read, compared, thresholds = partial(self._read, labeller), images, None
                if labeller.overlapping:
                    if rest:
                        self._thresholds[labeller.digest] = choose_thresholds(
                            self._truth, labeller, read, chosen_by, self._settings.word_threshold
                        )
                        compared = rest
                    thresholds = self._thresholds[labeller.digest]
                masks_of = partial(self._masks, labeller)
                self._agreement += measure(
                    self._truth, labeller, read, compared, thresholds, masks_of
                )
                advance(1)

    def _masks(self, labeller: Labeller, scores: ImageScores) -> dict[int, NDArray[np.bool_]]:
        """Return the masks of an image, by concept."""
        if labeller.overlapping:
            thresholds = self._thresholds[labeller.digest]
            masks = {i: one >= thresholds[i] for i, one in enumerate(scores.maps)}
            return {index: mask for index, mask in masks.items() if mask.any()}
        sure = scores.confidence >= self._settings.min_probability
        label_map = np.where(sure, scores.label_map, 0)
        return {int(k) - 1: label_map == k for k in np.unique(label_map) if k}

    def concepts(self) -> Mapping[str, Sequence[str]]:
        """Return the names of the concepts by category."""
        return self._concepts

    def __len__(self) -> int:
        return len(self._files)

    def images(self) -> Iterator[SourceImage]:
        """Yield each photograph with its masks."""
        for digest, file in self._files.items():
            masks: dict[str, dict[int, NDArray[np.bool_]]] = defaultdict(dict)
            for labeller in self._labellers:
                scores = self._read(labeller, digest)
                for index, mask in self._masks(labeller, scores).items():
                    category, name = labeller.category, labeller.concepts[index]
                    masks[category][self._numbers[category, name]] = mask
                    of = scores.maps[index] if labeller.overlapping else scores.confidence
                    score = round(float(of[mask].mean(dtype=np.float64)), 4)
                    share = round(float(mask.mean()), 4)
                    row = (self._names[file], category, name, labeller.source, score, share)
                    self._rows.append(MachineLabel(*row))
            label_maps = {category: pack_label_maps(of) for category, of in masks.items()}
            side = self._settings.mask_size
            path = self._folder / file
            yield SourceImage(self._names[file], path, label_maps, mask_shape=(side, side))
        self.is_empty = not self._rows

    def sources(self) -> Mapping[tuple[str, str], str]:
        """Return the model of each concept."""
        return {
            (labeller.category, name): labeller.source
            for labeller in self._labellers
            for name in labeller.concepts
        }

    def tables(self) -> Sequence[ExtraTable]:
        """Return machine_labels.csv, dropped.csv and, with truth, agreement_with_truth.csv."""
        rows = sorted(self._rows)
        tables = [ExtraTable("machine_labels.csv", MachineLabel._fields, rows)]
        tables.append(ExtraTable("dropped.csv", DroppedPhotograph._fields, sorted(self._dropped)))
        if self._truth is not None:
            name, columns = "agreement_with_truth.csv", ConceptAgreement._fields
            tables.append(ExtraTable(name, columns, [row.cells() for row in self._agreement]))
        return tables

    def report(self, folder: Path, images: int) -> MachineReport:
        """Return the summary."""
        with_truth = 0 if self._truth is None else len(self._truth.images & self._files.keys())
        concepts = count_concepts(self._rows)
        found = {(concept.category, concept.concept) for concept in concepts}
        looked_for = [(category, name) for category, of in self._concepts.items() for name in of]
        self._notes += filter(None, (chance_note(concepts, one) for one in self._labellers))
        return MachineReport(
            folder,
            images,
            concepts,
            tuple("/".join(key) for key in sorted(set(looked_for) - found)),
            tuple(self._agreement),
            with_truth,
            len(self._dropped),
            tuple(self._notes),
        )


def _concepts(labellers: Sequence[Labeller]) -> dict[str, list[str]]:
    """Return the names of all concepts by category.

    Raises:
        DataError: no labeller, or two with one concept.
    """
    if not labellers:
        remedy = "Give --colors, --segmenter, --words or --embeddings"
        raise DataError("nothing that could label photographs", remedy=remedy)
    concepts: dict[str, list[str]] = defaultdict(list)
    models: dict[tuple[str, str], str] = {}
    for labeller in labellers:
        for name in labeller.concepts:
            earlier = models.setdefault((labeller.category, name), labeller.source)
            if name in concepts[labeller.category]:
                raise DataError(
                    f"concept {labeller.category}/{name} of two models",
                    found=f"{earlier} and {labeller.source}",
                    remedy="Leave the word out, or give the words another --word-category",
                )
            concepts[labeller.category].append(name)
    return dict(concepts)
