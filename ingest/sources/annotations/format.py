"""Formats of annotations: which there are, and which one a file or folder has.

Each module in `formats` is a format. Its name is that of `--format`, and its constant `FORMAT` says
how to recognise and how to read the format; nothing else lists the formats.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from ....errors import DataError, nearest
from ....progress import NoProgress
from . import formats
from .assumptions import with_notes, with_plain_labels, with_shares
from .folders import files_below, has_file
from .regions import Annotations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ....progress import Progress


_PICKLE = "a pickle, which can run any code,"
_REFUSED = {".pkl": _PICKLE, ".pickle": _PICKLE, ".mat": "a MATLAB file"}


class AnnotationInput(NamedTuple):
    """What a format's reader is given.

    Attributes:
        path: the file or folder of annotations.
        images: the folder of the images, or of videos.
        category: of all concepts; as the annotations say if None.
        progress: receives what takes long.
        videos: whether frames of videos are annotated; they are named VIDEO/FRAME.
    """

    path: Path
    images: Path
    category: str | None
    progress: Progress
    videos: bool = False

    def required_category(self) -> str:
        """Return the category, for formats that have none of their own.

        Raises:
            DataError: none was given.
        """
        if self.category is None:
            remedy = "Name one with --category"
            raise DataError("annotations without a category", file=self.path, remedy=remedy)
        return self.category


@dataclass(frozen=True)
class AnnotationFormat:
    """One format.

    Attributes:
        recognises: whether a file or folder seems to have the format.
        read: reads it, or raises a DataError that names file and item.
    """

    recognises: Callable[[Path], bool]
    read: Callable[[AnnotationInput], Annotations]


def read_files(
    given: AnnotationInput,
    suffix: str,
    read_file: Callable[[Annotations, AnnotationInput, Path, str], None],
) -> Annotations:
    """Read one file, or every file below a folder, of a format that has no categories of its own.

    Args:
        given: what the format's reader is given.
        suffix: of the files of a folder; one that cannot be read is dropped.
        read_file: adds the annotations of a file, with their category.

    Raises:
        DataError: no category, no such file, or a single file that cannot be read.
    """
    annotations, category = Annotations(), given.required_category()
    if not given.path.is_dir():
        read_file(annotations, given, given.path, category)
        return annotations
    for path in files_below(given.path, (suffix,)):
        with annotations.file(path):
            read_file(annotations, given, path, category)
    return annotations


def load_format(name: str) -> AnnotationFormat:
    """Import the format of that name.

    Raises:
        DataError: there is none.
    """
    names = formats.format_names()
    if name not in names:
        raise DataError(f"no format {name!r} of annotations", remedy=nearest(name, names))
    loaded: AnnotationFormat = import_module(f"{formats.__name__}.{name}").FORMAT
    return loaded


def detect_format(path: Path) -> str:
    """Return the name of the format that a file or folder has.

    Raises:
        DataError: it does not exist, or has no format or several.
    """
    if not path.exists():
        raise DataError("no such file or folder", file=path)
    refused = [path, *path.iterdir()] if path.is_dir() else [path]
    kind = next((_REFUSED[file.suffix] for file in refused if file.suffix in _REFUSED), None)
    names = formats.format_names()
    matches = [name for name in names if load_format(name).recognises(path)]
    if kind and not matches:
        remedy = "Convert it to a table of boxes or to masks: docs/video.md"
        raise DataError(f"{kind} is not read", file=path, remedy=remedy)
    if not matches and has_file(path, ".png"):
        remedy = "If they are masks, say what their values are in a table labels.csv: value,name"
        raise DataError("PNG files without labels.csv", file=path, remedy=remedy)
    if len(matches) != 1:
        raise DataError(
            "format of the annotations cannot be determined",
            file=path,
            found=" and ".join(matches) or "none that is known",
            remedy=f"Name it with --format: {', '.join(names)}",
        )
    return matches[0]


def read_annotations(
    path: Path,
    images: Path,
    *,
    category: str | None = None,
    format_name: str | None = None,
    progress: Progress | None = None,
    videos: bool = False,
) -> Annotations:
    """Read annotations.

    Args:
        path: a file or a folder.
        images: the folder of the images, or of videos.
        category: of all concepts; as the annotations say if None.
        format_name: the format; detected if None.
        progress: receives what takes long.
        videos: whether frames of videos are annotated.

    Raises:
        DataError: anything invalid, no category, or a format that cannot be determined.
    """
    if not path.exists():
        raise DataError("no such file or folder", file=path)
    annotation_format = load_format(format_name or detect_format(path))
    given = AnnotationInput(path, images, category, progress or NoProgress(), videos)
    return with_notes(with_shares(with_plain_labels(annotation_format.read(given))))
