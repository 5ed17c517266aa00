"""YOLO: text files with one region a line, one file per image, and a list of names.

    DATA/data.yaml          names: [walking, cycling]      or classes.txt, obj.names
         labels/a.txt       0 0.33 0.5 0.33 0.75           class, center, width, height
         images/a.jpg       0 0.2 0.1 0.5 0.1 0.5 0.9      class, x, y of each corner

Numbers are shares of the image's width and height. A sixth number is a confidence. `a.txt` belongs
to the image `a`, with any suffix; `labels/` in its path stands for `images/`.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import yaml

from .....errors import DataError
from .....files import read_whole
from ....network.class_lists import read_classes
from ..fields import read_box, read_image_name, read_numbers, read_rings
from ..folders import files_below, list_files
from ..format import AnnotationFormat
from ..items import AnnotationItem
from ..regions import Annotations, Shares

if TYPE_CHECKING:
    from ..format import AnnotationInput
    from ..regions import Box, Polygons

_LISTS = (
    *("classes.txt", "obj.names", "labels.txt", "class.names", "predefined_classes.txt"),
    *("names.txt", "_darknet.labels"),
)
_UP = 2  # folders above the labels in which the names may be


def read(given: AnnotationInput) -> Annotations:
    """Read every label file below a folder, or beside and below its list of names.

    Raises:
        DataError: no category, as YOLO has none; no list of names, or no label file.
    """
    folder, category = given.path, given.required_category()
    source = _find_names(folder) if folder.is_dir() else folder
    folder = folder if folder.is_dir() else folder.parent
    if source is None:
        expected = f"a list of names: data.yaml, {', '.join(_LISTS[:2])}"
        raise DataError("no names of the classes", file=folder, expected=expected)
    names = read_classes(source)
    keypoints = _has_keypoints(source)
    annotations = Annotations(notes=[f"The names of the classes are those of {source}."])
    for path in files_below(folder, (".txt",)):
        with annotations.file(path):
            lines = read_whole(path).decode("utf-8-sig", "replace").splitlines()
            if path == source or not _is_label_file(lines):
                continue
            _read_file(annotations, path, folder, lines, (names, category), keypoints=keypoints)
    return annotations


def _recognises(path: Path) -> bool:
    """Return whether a folder has a list of names and a file of numbers; or it is data.yaml."""
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        return "names" in _read_yaml(path)
    if not path.is_dir() or _find_names(path) is None:
        return False
    names = [name for name in list_files(path) if name.lower().endswith(".txt")]
    return any(_starts_with_numbers(path / name) for name in names)


FORMAT = AnnotationFormat(recognises=_recognises, read=read)


def _find_names(folder: Path) -> Path | None:
    """Find the list of names in a folder, or one or two folders above it."""
    for place in (folder, *folder.absolute().parents[:_UP]):
        paths = [*sorted(place.glob("*.yaml")), *sorted(place.glob("*.yml"))]
        paths = [path for path in paths if "names" in _read_yaml(path)]
        paths += [place / name for name in _LISTS if (place / name).is_file()]
        paths += sorted(place.glob("*.names"))
        if paths:
            return paths[0]
    return None


def _read_yaml(path: Path) -> dict[str, object]:
    try:
        value = yaml.safe_load(read_whole(path).decode("utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return value if isinstance(value, dict) else {}


def _has_keypoints(source: Path) -> bool:
    return source.suffix in {".yaml", ".yml"} and "kpt_shape" in _read_yaml(source)


def _starts_with_numbers(path: Path) -> bool:
    try:
        words = read_whole(path).decode("utf-8-sig").partition("\n")[0].split()
    except (OSError, ValueError):
        return False
    return len(words) >= 5 and all(_is_number(word) for word in words)


def _is_label_file(lines: list[str]) -> bool:
    """Return whether a file is one of labels: empty, or with a line of numbers."""
    filled = [line.split() for line in lines if line.strip()]
    return not filled or any(len(words) >= 5 and _is_number(words[0]) for words in filled)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _read_file(
    annotations: Annotations,
    path: Path,
    folder: Path,
    lines: list[str],
    concepts: tuple[tuple[str, ...], str],
    *,
    keypoints: bool,
) -> None:
    names, category = concepts
    stem = PurePosixPath(path.relative_to(folder).as_posix()).with_suffix("")
    parts = ["images" if part == "labels" else part for part in stem.parts[:-1]]
    image = read_image_name(AnnotationItem(path, "file"), "/".join([*parts, stem.name]))
    annotations.add_image(image)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        item = AnnotationItem(path, f"line {number}")
        with annotations.region(item) as draft:
            draft.image, draft.category = image, category
            first, *numbers = line.split()
            if not first.isdigit() or int(first) >= len(names):
                expected = f"one of the {len(names)} names, from 0"
                raise item.error("class", found=repr(first[:20]), expected=expected)
            draft.concept = names[int(first)]
            draft.geometry = Shares(_read_shape(item, list(numbers), keypoints=keypoints))


def _read_shape(item: AnnotationItem, words: list[str], *, keypoints: bool) -> Box | Polygons:
    if len(words) in {4, 5} or keypoints or (len(words) > 6 and len(words) % 2):
        x, y, width, height = read_numbers(item, "box", words[:4])
        return read_box(item, (x - width / 2, y - height / 2, width, height))
    return read_rings(item, [words])
