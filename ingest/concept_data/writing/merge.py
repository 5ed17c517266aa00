"""Several sets of concept data as one.

1. Read every set's tables; every image's content is hashed, every mask decoded once, so that it is
   known which concepts there are and which images are the same.
2. Concepts are joined by name and category. A label that a set lists under several categories goes
   to its primary one, where it counts anyway. Numbers are new: categories in the order in which
   the sets first name them (that of category.csv decides ties), names in alphabetical order.
3. Images of the same content become one row, with everything that any set says of them. A label
   that two sets give the same pixel counts once; what one set counts twice (two planes) still does.
4. An image keeps its name; of several names, the first in alphabetical order. Different images of
   one name get the start of their sha256 behind it. It keeps its split; where sets disagree, the
   split follows from its content.

All of this depends on what the sets hold, not on how they are put together: a merge of merges is
byte for byte the merge of all. An image counts for a category exactly if one of the sets says so,
so dissecting the merged set for one category gives the counts of that category's set alone.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from ....errors import DataError
from ....progress import NoProgress
from .input_checks import check_folder
from .writer import BrodenWriter
from .label_maps import pack_label_maps
from ..masks import read_label_maps
from ..opening import open_concept_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ....progress import Progress
    from ..concepts import ConceptData, ConceptImage

    # An image's rows in all sets: which set, and which row.
    Rows = list[tuple[int, ConceptImage]]
    Times = dict[tuple[str, str], NDArray[np.uint8]]

Pixel = TypeVar("Pixel", bound=np.integer)

_MARK = 8  # digits of the sha256 behind a name that several images have
_MARKED = re.compile(rf"(?P<stem>.+)~(?P<mark>[0-9a-f]{{{_MARK}}})(?P<suffix>\.[^./~]*)?")


class MergeReport(NamedTuple):
    """What was merged.

    Attributes:
        folder: the merged set.
        sets: per set its folder, rows and concepts that are seen.
        images: rows of the merged set.
        shared_images: of these, in several sets.
        repeated_rows: rows of a set that show an image which another row of it shows already.
        renamed: images that got a mark behind their name.
        finer_masks: images whose masks were made finer, to fit those of another set.
        concepts: per category, in order.
        shared_concepts: of all concepts, in several sets.
    """

    folder: Path
    sets: tuple[tuple[Path, int, int], ...]
    images: int
    shared_images: int
    repeated_rows: int
    renamed: int
    finer_masks: int
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
        mask_size: resample all masks to this side, by the nearest pixel. None keeps their sizes;
            where two sets have masks of one image, the coarser are made as fine as the others,
            whose sides must be multiples of theirs.
        overwrite: replace a data set that is there, once the new one is complete.
        progress: told of each step.

    Raises:
        DataError: a set that is not as it should be, or masks of an image that do not fit one
            another; nothing is left then.
    """
    progress = progress or NoProgress()
    out = check_folder(Path(out), overwrite=overwrite)
    if out.resolve() in {Path(folder).resolve() for folder in folders}:
        raise DataError("is one of the sets to merge", file=out, remedy="Choose another name")
    if mask_size is not None and not 8 <= mask_size <= 4096:
        raise DataError("mask-size out of range", found=mask_size, expected="from 8 to 4096")
    merging = _Merging([open_concept_data(folder) for folder in folders], mask_size)
    with progress.step("read", merging.rows) as advance:
        for _ in merging.survey():
            advance(1)
    writer = BrodenWriter(out, merging.concepts(), overwrite=overwrite)
    with writer, progress.step("write", len(merging.images)) as advance:
        for digest in merging.images:
            merging.write(digest, writer)
            advance(1)
    return merging.report(out)


class _Merging:
    """One merge.

    Attributes:
        images: by sha256 of their files.
        rows: of all sets.
    """

    def __init__(self, sets: Sequence[ConceptData], mask_size: int | None) -> None:
        self.images: dict[str, Rows] = defaultdict(list)
        self.rows = sum(len(data.images) for data in sets)
        self._sets, self._mask_size = sets, mask_size
        self._seen = [np.zeros(len(data.concepts), np.bool_) for data in sets]
        self._names: dict[str, str] = {}
        self._finer = 0

    def survey(self) -> Iterable[None]:
        """Hash every image and decode every mask, one row after the other."""
        for place, data in enumerate(self._sets):
            for image in data.images:
                self.images[_digest(image.path)].append((place, image))
                seen = np.unique(self._planes(data, image))
                self._seen[place][seen[seen > 0].astype(np.int64) - 1] = True
                self._seen[place][list(image.image_labels)] = True
                yield
        self._names = _names(
            {
                digest: min(_base(image.name, digest) for _, image in rows)
                for digest, rows in self.images.items()
            },
            self._categories(),
        )

    def _planes(self, data: ConceptData, image: ConceptImage) -> NDArray[np.uint16]:
        planes = read_label_maps(data, image)
        side = self._mask_size
        return planes if side is None else _fit(planes, (side, side))

    def _categories(self) -> list[str]:
        return list(dict.fromkeys(name for data in self._sets for name in data.categories))

    def _pairs(self, place: int) -> list[tuple[str, str]]:
        """Category and name of each concept of a set that is seen somewhere."""
        concepts = self._sets[place].concepts
        return [(concepts[c].category, concepts[c].name) for c in self._seen[place].nonzero()[0]]

    def concepts(self) -> dict[str, list[str]]:
        """Names by category, in order; of all concepts that are seen somewhere."""
        found: dict[str, list[str]] = {category: [] for category in self._categories()}
        pairs = {pair for place in range(len(self._sets)) for pair in self._pairs(place)}
        for category, name in sorted(pairs):
            found[category].append(name)
        return found

    def write(self, digest: str, writer: BrodenWriter) -> None:
        """Write one image."""
        rows = self.images[digest]
        shape = self._shape(rows)
        times: Times = {}
        image_labels: dict[str, set[str]] = defaultdict(set)
        for place, image in rows:
            data = self._sets[place]
            for pair, count in _times(data, self._planes(data, image)).items():
                fitted = _fit(count, shape)
                times[pair] = np.maximum(times[pair], fitted) if pair in times else fitted
            for column in image.image_labels:
                image_labels[data.concepts[column].category].add(data.concepts[column].name)
        by_category: dict[str, dict[int, NDArray[np.uint8]]] = defaultdict(dict)
        for pair, count in times.items():
            by_category[pair[0]][writer.numbers[pair]] = count
        splits = {image.split for _, image in rows}
        writer.add(
            self._names[digest],
            rows[0][1].path,
            {category: pack_label_maps(each) for category, each in by_category.items()},
            {category: sorted(names) for category, names in image_labels.items()},
            split=splits.pop() if len(splits) == 1 else None,
            mask_shape=shape,
        )

    def _shape(self, rows: Rows) -> tuple[int, int]:
        """Height and width that all masks of an image shall have."""
        if self._mask_size is not None:
            return self._mask_size, self._mask_size
        shapes = {(i.mask_height, i.mask_width) for _, i in rows if i.masks}
        if not shapes:
            return max((i.mask_height, i.mask_width) for _, i in rows)
        sides = list(zip(*shapes, strict=True))
        height, width = (math.lcm(*each) for each in sides)
        if [height, width] != [max(each) for each in sides]:
            raise DataError(
                f"masks of one image, {rows[0][1].name!r}, do not fit one another",
                file=self._sets[rows[-1][0]].folder,
                found=" and ".join(f"{w}×{h}" for h, w in sorted(shapes)),
                expected="sides of which one is a multiple of the other",
                remedy="Resample all with --mask-size",
            )
        self._finer += len(shapes) > 1
        return height, width

    def report(self, folder: Path) -> MergeReport:
        """What was merged."""
        pairs = [self._pairs(place) for place in range(len(self._sets))]
        times = Counter(pair for each in pairs for pair in each)
        places = [[place for place, _ in rows] for rows in self.images.values()]
        return MergeReport(
            folder,
            tuple(
                (data.folder, len(data.images), len(own))
                for data, own in zip(self._sets, pairs, strict=True)
            ),
            len(self.images),
            sum(len(set(each)) > 1 for each in places),
            sum(len(each) - len(set(each)) for each in places),
            sum(_MARKED.fullmatch(name) is not None for name in self._names.values()),
            self._finer,
            {category: len(names) for category, names in self.concepts().items()},
            sum(count > 1 for count in times.values()),
        )


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"image cannot be read: {error.strerror}", file=path) from error


def _times(data: ConceptData, planes: NDArray[np.uint16]) -> Times:
    """How often each concept counts at each pixel, by category and name."""
    found: Times = {}
    for plane in planes:
        for column in np.unique(plane[plane > 0]).tolist():
            concept = data.concepts[column - 1]
            pair = concept.category, concept.name
            here = (plane == column).astype(np.uint8)
            found[pair] = found[pair] + here if pair in found else here
    return found


def _fit(pixels: NDArray[Pixel], shape: tuple[int, int]) -> NDArray[Pixel]:
    """The nearest pixels, (…, height, width); exact where the new sides are multiples."""
    if pixels.shape[-2:] == shape:
        return pixels
    rows, columns = (
        ((2 * np.arange(new) + 1) * old) // (2 * new)
        for new, old in zip(shape, pixels.shape[-2:], strict=True)
    )
    return pixels[..., rows[:, None], columns]


def _base(name: str, digest: str) -> str:
    """The name without the mark that an earlier merge gave it."""
    match = _MARKED.fullmatch(name)
    if match is None or match["mark"] != digest[:_MARK]:
        return name
    return match["stem"] + (match["suffix"] or "")


def _names(bases: Mapping[str, str], categories: Sequence[str]) -> dict[str, str]:
    """A name for each image, by digest; marked where several would have one, or one of their masks.

    Names are told apart without their suffix, which masks lose, and without case, as some file
    systems do.
    """
    own = "|".join(map(re.escape, categories))
    like_a_mask = re.compile(rf".*_({own})(_\d+)?", re.IGNORECASE | re.DOTALL)
    stems = {digest: str(PurePosixPath(base).with_suffix("")) for digest, base in bases.items()}
    images: dict[str, int] = defaultdict(int)
    for stem in stems.values():
        images[stem.casefold()] += 1
    names = {}
    for digest, base in bases.items():
        stem = stems[digest]
        unclear = images[stem.casefold()] > 1 or like_a_mask.fullmatch(stem)
        mark = f"~{digest[:_MARK]}" if unclear else ""
        names[digest] = f"{stem}{mark}{base[len(stem) :]}"
    return names
