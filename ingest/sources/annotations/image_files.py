"""Finds the image files that annotations name, and the view on which their regions were drawn.

A name is looked for below the folder of images: as it is; by its last parts; then with another
Unicode normal form, another case, another suffix. It is found if exactly one file fits best, and no
other name of the annotations fits that file as well.

Regions were drawn on the image as it is seen, rotated as its EXIF orientation says: annotation
tools show it so. If the annotations state the size of the stored pixels instead, and it differs,
they were drawn on those.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from functools import cache, cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from ....errors import DataError, nearest
from ...concept_data.images import has_image_suffix, open_image, read_header
from ...concept_data.videos import FrameFolder, has_video_suffix
from .draw import read_values
from .folders import list_files
from .regions import MaskValue
from .run_lengths import RunLengths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ...concept_data.videos import Video
    from .regions import Region

    Key = Callable[[str], str]

Size = tuple[int, int]
_SUGGESTED = 20  # missing images for which a similar name is looked for; each takes a while


class View(NamedTuple):
    """What the regions of an image were drawn on.

    Attributes:
        height: of the pixels on which they were drawn.
        width: of these.
        orientation: EXIF's, by which their masks are still to be rotated; 1 if by none.
        rotated: whether the image itself has an orientation.
    """

    height: int
    width: int
    orientation: int
    rotated: bool

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.height, self.width


class Match(NamedTuple):
    """A file that fits a name; the smaller `rank`, the better."""

    rank: tuple[int, bool]
    file: str


class ImageFiles:
    """The image files below a folder."""

    def __init__(self, folder: Path) -> None:
        """Look at nothing yet.

        Args:
            folder: of the images.
        """
        self._folder = folder

    def resolve(self, names: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Find the files of several names.

        Returns:
            Files by name, as paths below the folder with `/`; and for names without a file what is
            in the way.
        """
        found: dict[str, str] = {}
        problems: dict[str, str] = {}
        by_file: dict[str, list[tuple[tuple[int, bool], str]]] = defaultdict(list)
        for name in names:
            match = self.find(name)
            if isinstance(match, Match):
                by_file[match.file].append((match.rank, name))
            else:
                problems[name] = match or self._suggest(name, len(problems))
        for file, claims in by_file.items():
            best = min(claims)[0]
            first, *others = sorted(name for rank, name in claims if rank == best)
            if others:
                what = f"{file!r} fits several names: " + ", ".join(map(repr, [first, *others][:3]))
                problems.update(dict.fromkeys([first, *others], what))
            else:
                found[first] = file
            what = f"{file!r} is the image of {first!r}"
            problems.update({name: what for rank, name in claims if rank != best})
        return found, problems

    def find(self, name: str) -> Match | str | None:
        """Find the file that fits a name best; if several do, say so; None if none does."""
        if has_image(self._folder, name):
            return Match((-1, False), name)
        return self._find_alike(name)

    def _find_alike(self, name: str) -> Match | str | None:
        wanted = PurePosixPath(name).parts
        for rank, key in enumerate(_KEYS):
            files = self._by_key(key).get(key(wanted[-1]), [])
            if not files:
                continue
            shared = {file: _shared_parts(wanted, PurePosixPath(file).parts) for file in files}
            best = [file for file in files if shared[file] == max(shared.values())]
            if len(best) > 1:
                return f"several files fit: {', '.join(map(repr, best[:3]))}"
            rest = len(PurePosixPath(best[0]).parts) > shared[best[0]] < len(wanted)
            return Match((rank, rest), best[0])
        return None

    @cached_property
    def _files(self) -> list[str]:
        return [name for name in list_files(self._folder) if has_image_suffix(name)]

    @cache  # noqa: B019 - lives as long as one build
    def _by_key(self, key: Key) -> dict[str, list[str]]:
        files: dict[str, list[str]] = defaultdict(list)
        for file in self._files:
            files[key(PurePosixPath(file).name)].append(file)
        return files

    def _suggest(self, name: str, before: int) -> str:
        files = self._files if before < _SUGGESTED else []
        return nearest(name, files) if files else ""


class VideoFiles(ImageFiles):
    """The videos below a folder: video files, and folders with frames in them."""

    def find(self, name: str) -> Match | str | None:
        """Find the video that fits a name best; if several do, say so; None if none does."""
        return Match((-1, False), name) if name in self._files else self._find_alike(name)

    @cached_property
    def _files(self) -> list[str]:
        files = list_files(self._folder)
        folders = {str(PurePosixPath(file).parent) for file in files if has_image_suffix(file)}
        return sorted({*folders, *filter(has_video_suffix, files)} - {"."})


def has_image(folder: Path, name: str) -> bool:
    """Return whether a file of that name is below a folder; False also for impossible names."""
    try:
        return (folder / name).is_file()
    except (OSError, ValueError):
        return False


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def stem(name: str) -> str:
    """Return a name without the suffix of an image or a video."""
    has_suffix = has_image_suffix(name) or has_video_suffix(name)
    return name[: -len(PurePosixPath(name).suffix)] if has_suffix else name


_KEYS: tuple[Callable[[str], str], ...] = (
    str,
    _composed,
    _folded,
    stem,
    lambda name: _composed(stem(name)),
    lambda name: _folded(stem(name)),
)
"""What names and files are compared by, the strictest first."""


def _shared_parts(first: Sequence[str], second: Sequence[str]) -> int:
    """Count the folders that two paths share before their names, from the end; and the name."""
    pairs = zip(reversed(first[:-1]), reversed(second[:-1]), strict=False)
    shared = 1
    for a, b in pairs:
        if _folded(a) != _folded(b):
            break
        shared += 1
    return shared


def find_view(path: Path, stated: Size | None, regions: Sequence[Region]) -> View:
    """Find what the regions of an image were drawn on.

    Args:
        path: the image file.
        stated: height and width that the annotations state.
        regions: of the image; run lengths state a size, too.

    Raises:
        DataError: not an image that can be read, or one of neither size.
    """
    header = read_header(path)
    if header.deep:
        open_image(path)  # raises if its values cannot be shown
    claim = stated or _size_of(regions)
    rotated = header.orientation != 1
    if claim is None or claim == header.shown:
        return View(*header.shown, 1, rotated)
    if claim == header.stored:
        return View(*header.stored, header.orientation, rotated)
    raise _wrong_size(path, header.shown, claim)


def find_frame_view(
    video: Video, position: int, stated: Size | None, regions: Sequence[Region]
) -> View:
    """Find what the regions of a video's frame were drawn on; arguments as of `find_view`.

    Raises:
        DataError: as `find_view`, or a mask that cannot be read.
    """
    masks = [region.geometry for region in regions if isinstance(region.geometry, MaskValue)]
    sizes = {read_values(path).shape for path in {mask.path for mask in masks}}
    claim = stated or next(((height, width) for height, width in sizes), _size_of(regions))
    if isinstance(video, FrameFolder):
        return find_view(video.path / video.names[position], claim, regions)
    if claim is None or claim == video.size:
        return View(*video.size, 1, rotated=False)
    raise _wrong_size(video.path, video.size, claim)


def _size_of(regions: Sequence[Region]) -> Size | None:
    """Return the size that run lengths state."""
    runs = (region.geometry for region in regions if isinstance(region.geometry, RunLengths))
    return next(((one.height, one.width) for one in runs), None)


def _wrong_size(path: Path, size: Size, claim: Size) -> DataError:
    return DataError(
        "image of another size than annotated",
        file=path,
        found=f"{size[1]}×{size[0]}",
        expected=f"{claim[1]}×{claim[0]}, as the annotations say",
        remedy="Give the images that were annotated, not resized copies",
    )
