"""Several sets of concept data as one source.

1. Read every set's tables; hash every image and decode every mask once, to know which concepts
   occur and which images are the same.
2. Concepts are joined by name and category. A label that a set lists under several categories gets
   its primary one, where it counts anyway. Numbers are new: categories in the order in which the
   sets first name them (that of category.csv decides ties), names in alphabetical order.
3. Images of the same content become one row, with the labels of all sets. A label that two sets
   give the same pixel counts once; one that a single set counts twice (in two label maps) still
   does.
4. An image keeps its name; of several names, the first in alphabetical order. Different images of
   one name get the start of their sha256 appended. What not every file system can hold becomes `_`
   in names. An image keeps its split; where sets disagree,
   the split follows from its content.
5. A clip must have as many frames in all sets. Its annotated frames are those that are annotated in
   all of them: elsewhere one set could not know what another one labels. A still stays a still.

The result does not depend on how the sets are combined: a merge of merges is byte for byte the
merge of all. An image counts for a category exactly if one of the sets says so, so dissecting the
merged set for one category gives the counts of that category's set alone.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from ...errors import DataError
from ...files import read_whole
from ...progress import NoProgress
from ..concept_data.labels import join_sources
from ..concept_data.masks import read_label_maps
from ..concept_data.opening import open_concept_data
from ..concept_data.writing.input_checks import check_output_folder
from ..concept_data.writing.label_maps import pack_label_maps, resample
from ..concept_data.writing.names import SUFFIX_DIGITS, SUFFIXED, distinct_names, writable_name
from ..concept_data.writing.writer import label_numbers
from .source import ConceptSource, SourceImage, check_side, write_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from ...progress import Progress
    from ..concept_data.concepts import ConceptData, ConceptImage

# An image's rows in all sets: the position of the set, and the row.
Rows: TypeAlias = "list[tuple[int, ConceptImage]]"
# How often a concept counts at each pixel, by category and name.
PixelCounts: TypeAlias = "dict[tuple[str, str], NDArray[np.uint8]]"


class MergeReport(NamedTuple):
    """What was merged.

    Attributes:
        folder: the merged set.
        sets: folder, rows and occurring concepts of each set.
        images: rows of the merged set.
        shared_images: of these, in several sets.
        repeated_rows: rows of a set whose image another row of the set has already.
        renamed: images that got a part of their sha256 appended to their name.
        finer_masks: images whose masks were made finer, to fit those of another set.
        fewer_frames: clips whose sets annotated different frames.
        concepts: number by category, in order.
        shared_concepts: of all concepts, in several sets.
    """

    folder: Path
    sets: tuple[tuple[Path, int, int], ...]
    images: int
    shared_images: int
    repeated_rows: int
    renamed: int
    finer_masks: int
    fewer_frames: int
    concepts: dict[str, int]
    shared_concepts: int


def merge(
    folders: Sequence[Path],
    out: Path,
    *,
    mask_size: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> MergeReport:
    """Merge data sets.

    Args:
        folders: one set or more, in the Broden layout.
        out: the data set to write.
        mask_size: side to which all masks are resampled, by the nearest pixel. If None they keep
            their sizes; where two sets have masks of one image, the coarser become as fine as the
            others, whose sides must be multiples of theirs.
        overwrite: replace an existing data set once the new one is complete.
        progress: receives each step.

    Raises:
        DataError: an invalid set, or masks or frames of one image that do not fit one another;
            nothing is written then.
    """
    progress, out = progress or NoProgress(), Path(out)
    check_output_folder(out, overwrite=overwrite)
    if out.resolve() in {Path(folder).resolve() for folder in folders}:
        raise DataError("is one of the sets to merge", file=out, remedy="Choose another name")
    check_side("mask-size", mask_size)
    source = MergedData([open_concept_data(folder) for folder in folders], mask_size, progress)
    return write_source(source, out, unlabelled=True, overwrite=overwrite, progress=progress)


class MergedData(ConceptSource[MergeReport]):
    """Several sets of concept data as one source."""

    def __init__(
        self, sets: Sequence[ConceptData], mask_size: int | None, progress: Progress
    ) -> None:
        """Hash every image and decode every mask.

        Args:
            sets: to merge.
            mask_size: as of `merge`.
            progress: receives each row.

        Raises:
            DataError: an image or a mask that cannot be read.
        """
        self._sets, self._mask_size = sets, mask_size
        self._rows: dict[str, Rows] = defaultdict(list)  # by sha256 of the image
        self._occurring = [np.zeros(len(data.concepts), np.bool_) for data in sets]
        with progress.step("read", 2 * sum(len(data.images) for data in sets)) as advance:
            for position, data in enumerate(sets):
                for image in data.images:
                    self._rows[_digest(image.path)].append((position, image))
                    advance(1)
            self._shown = {digest: self._shown_frames(rows) for digest, rows in self._rows.items()}
            for digest, rows in self._rows.items():
                for position, image in rows:
                    label_maps = self._label_maps(sets[position], image, self._shown[digest])
                    columns = np.unique(label_maps).astype(np.int64)
                    self._occurring[position][columns[columns > 0] - 1] = True
                    known = [*image.image_labels, *image.absent]
                    self._occurring[position][known] = True
                    advance(1)
        self._names = distinct_names(
            {
                digest: min(writable_name(_original_name(image.name, digest)) for _, image in rows)
                for digest, rows in self._rows.items()
            },
            self._categories(),
        )
        self._finer_masks = 0

    def _label_maps(
        self, data: ConceptData, image: ConceptImage, shown: Sequence[int]
    ) -> NDArray[np.uint16]:
        """Return an image's label maps, without labels in frames that are not shown."""
        label_maps = read_label_maps(data, image)
        hidden = np.setdiff1d(np.arange(image.frames), shown)
        for label_map in label_maps:
            label_map.reshape(image.frames, -1)[hidden] = 0
        side = self._mask_size
        return label_maps if side is None else resample(label_maps, (side * image.frames, side))

    def _categories(self) -> list[str]:
        return list(dict.fromkeys(name for data in self._sets for name in data.categories))

    def _occurring_pairs(self, position: int) -> list[tuple[str, str]]:
        """Return category and name of each concept that occurs in a set."""
        concepts = self._sets[position].concepts
        columns = self._occurring[position].nonzero()[0]
        return [(concepts[column].category, concepts[column].name) for column in columns]

    def concepts(self) -> dict[str, list[str]]:
        """Return the names of concepts that occur in any set, sorted, by category."""
        names: dict[str, list[str]] = {category: [] for category in self._categories()}
        positions = range(len(self._sets))
        pairs = {pair for position in positions for pair in self._occurring_pairs(position)}
        for category, name in sorted(pairs):
            names[category].append(name)
        return names

    def __len__(self) -> int:
        return len(self._rows)

    def images(self) -> Iterator[SourceImage]:
        """Yield each image with the labels of all sets.

        Raises:
            DataError: masks of one image that do not fit one another.
        """
        numbers = label_numbers(self.concepts())
        for digest, rows in self._rows.items():
            shown = self._shown[digest]
            shape = self._mask_shape(rows)
            masks: dict[str, dict[int, NDArray[np.uint8]]] = defaultdict(dict)
            for pair, counts in self._join_pixels(rows, shape, shown).items():
                masks[pair[0]][numbers[pair]] = counts
            labels = self._join_names(rows, lambda image: image.image_labels)
            absent = {  # what one set has, no other can deny
                category: [
                    name
                    for name in names
                    if name not in labels.get(category, [])
                    and numbers[category, name] not in masks.get(category, {})
                ]
                for category, names in self._join_names(rows, lambda image: image.absent).items()
            }
            splits = {image.split for _, image in rows}
            yield SourceImage(
                self._names[digest],
                rows[0][1].path,
                {category: pack_label_maps(counts) for category, counts in masks.items()},
                labels,
                absent,
                self._annotated(rows),
                split=splits.pop() if len(splits) == 1 else None,
                mask_shape=shape,
                frames=rows[0][1].frames,
                annotated_frames=shown,
            )

    def _join_pixels(self, rows: Rows, shape: tuple[int, int], shown: Sequence[int]) -> PixelCounts:
        """Return how often each concept counts at each pixel: the most that any row says."""
        joined: PixelCounts = {}
        for position, image in rows:
            data = self._sets[position]
            for pair, counts in _count_pixels(data, self._label_maps(data, image, shown)).items():
                fitted = resample(counts, shape)
                joined[pair] = np.maximum(joined[pair], fitted) if pair in joined else fitted
        return joined

    def _join_names(
        self, rows: Rows, columns: Callable[[ConceptImage], Sequence[int]]
    ) -> dict[str, list[str]]:
        """Return the names of the concepts that any row of an image has, by category."""
        names: dict[str, set[str]] = defaultdict(set)
        for position, image in rows:
            for column in columns(image):
                concept = self._sets[position].concepts[column]
                names[concept.category].add(concept.name)
        return {category: sorted(concepts) for category, concepts in names.items()}

    def _annotated(self, rows: Rows) -> set[str]:
        """Return the categories of which any row of an image says that it has nothing."""
        return {
            self._sets[position].categories[category]
            for position, image in rows
            for category in image.nothing_of
        }

    def _shown_frames(self, rows: Rows) -> list[int]:
        """Return the frames that all rows of an image annotate."""
        (position, first), *others = rows
        shown = set(first.annotated)
        for other, image in others:
            shown &= set(image.annotated)
            if image.frames != first.frames or not shown:
                what = "frames" if image.frames != first.frames else "annotated frames"
                raise DataError(
                    f"{what} of one image, {first.name!r}, do not fit one another",
                    file=self._sets[other].folder,
                    found=_frames_of(image),
                    expected=f"some of {_frames_of(first)} of {self._sets[position].folder}",
                )
        return sorted(shown)

    def _mask_shape(self, rows: Rows) -> tuple[int, int]:
        """Return the height and width that all masks of an image get."""
        if self._mask_size is not None:
            return self._mask_size * rows[0][1].frames, self._mask_size
        shapes = {(image.mask_height, image.mask_width) for _, image in rows if image.masks}
        if not shapes:
            return max((image.mask_height, image.mask_width) for _, image in rows)
        heights, widths = zip(*shapes, strict=True)
        height, width = math.lcm(*heights), math.lcm(*widths)
        if (height, width) != (max(heights), max(widths)):
            raise DataError(
                f"masks of one image, {rows[0][1].name!r}, do not fit one another",
                file=self._sets[rows[-1][0]].folder,
                found=" and ".join(f"{w}×{h}" for h, w in sorted(shapes)),
                expected="sides of which one is a multiple of the other",
                remedy="Resample all with --mask-size",
            )
        self._finer_masks += len(shapes) > 1
        return height, width

    def sources(self) -> dict[tuple[str, str], str]:
        """Return by what the labels of each concept were made, over the sets in which it occurs."""
        sources: dict[tuple[str, str], list[str]] = defaultdict(list)
        for data, occurring in zip(self._sets, self._occurring, strict=True):
            for column in occurring.nonzero()[0]:
                concept = data.concepts[column]
                sources[concept.category, concept.name].append(concept.source)
        return {pair: join_sources(names) for pair, names in sources.items()}

    def report(self, folder: Path, images: int) -> MergeReport:
        """Return the summary of the merge."""
        pairs = [self._occurring_pairs(position) for position in range(len(self._sets))]
        sets_with = Counter(pair for occurring in pairs for pair in occurring)
        positions = [[position for position, _ in rows] for rows in self._rows.values()]
        return MergeReport(
            folder,
            tuple(
                (data.folder, len(data.images), len(occurring))
                for data, occurring in zip(self._sets, pairs, strict=True)
            ),
            images,
            sum(len(set(sets)) > 1 for sets in positions),
            sum(len(sets) - len(set(sets)) for sets in positions),
            sum(SUFFIXED.fullmatch(name) is not None for name in self._names.values()),
            self._finer_masks,
            sum(
                any(len(image.annotated) > len(self._shown[digest]) for _, image in rows)
                for digest, rows in self._rows.items()
            ),
            {category: len(names) for category, names in self.concepts().items()},
            sum(count > 1 for count in sets_with.values()),
        )


def _frames_of(image: ConceptImage) -> str:
    some = f", annotated {';'.join(map(str, image.annotated))}"
    return f"{image.frames} frames{some if len(image.annotated) < image.frames else ''}"


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(read_whole(path)).hexdigest()
    except OSError as error:
        raise DataError(f"image cannot be read: {error.strerror}", file=path) from error


def _count_pixels(data: ConceptData, label_maps: NDArray[np.uint16]) -> PixelCounts:
    """Count at each pixel in how many label maps each concept is."""
    counts: PixelCounts = {}
    for label_map in label_maps:
        for column in np.unique(label_map[label_map > 0]).tolist():
            concept = data.concepts[column - 1]
            pair = concept.category, concept.name
            mask = (label_map == column).astype(np.uint8)
            counts[pair] = counts[pair] + mask if pair in counts else mask
    return counts


def _original_name(name: str, digest: str) -> str:
    """Return a name without the part of the sha256 that an earlier merge appended."""
    match = SUFFIXED.fullmatch(name)
    if match is None or match["digits"] != digest[:SUFFIX_DIGITS]:
        return name
    return match["stem"] + (match["suffix"] or "")
