"""Folders: photographs sorted into a folder for each concept.

    striped/1.jpg                          striped
    striped/yes/1.jpg  striped/no/2.jpg    striped, and not striped
    texture/striped/1.jpg                  striped, of the category texture; if all of the first
                                           folders are names of usual categories
    none/1.jpg                             nothing of any of them
    train/n01440764/1.JPEG                 a synset of ImageNet, and the split; `names` names it

Folders further down say nothing. A photograph in several folders, found by its content, has all of
their concepts.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ....errors import DataError
from ...concept_data.csv_tables import read_text
from ...concept_data.images import has_image_suffix
from ..annotations.folders import list_files
from ..annotations.items import AnnotationItem
from .answers import CATEGORY, Answer, Answers, read_category

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SPLITS = {"train": "train", "training": "train"} | dict.fromkeys(
    ("val", "valid", "validation", "test", "testing"), "val"
)
_CATEGORIES = {"action", "attribute", "color", "material", "object", "part", "scene", "texture"}
_SYNSET = re.compile(r"(n\d{8})[\s,:;\"']+([^,\"']+)")
_NOTHING = {"none", "nothing", "other", "others", "background", "negative", "negatives", "no"}
_ANSWERS = {"yes": True, "no": False}


def read_folders(folder: Path, category: str | None, names: Mapping[str, str]) -> Answers:
    """Read photographs sorted into folders.

    Args:
        folder: with the folders.
        category: of all concepts; that of the folders, or `tag`, if None.
        names: of synsets.

    Raises:
        DataError: no photograph in a folder.
    """
    answers, places = Answers(), {}
    for file in list_files(folder):
        if has_image_suffix(file):
            places[file] = PurePosixPath(file).parts[:-1]
    if not places:
        raise DataError("no photographs", file=folder, expected="images in a folder per concept")
    splits = {file: _SPLITS.get(parts[0].casefold()) if parts else None
              for file, parts in places.items()}  # fmt: skip
    if all(splits.values()):
        answers.splits = {file: split for file, split in splits.items() if split}
        places = {file: parts[1:] for file, parts in places.items()}
    first = {parts[0].casefold() for parts in places.values() if parts}
    with_categories = category is None and first <= _CATEGORIES
    for file, parts in places.items():
        item = AnnotationItem(folder, file)
        inner = parts[1:] if with_categories else parts
        if not inner:
            answers.drop(item, item.error("photograph in no folder of a concept"), file)
            continue
        answers.images.setdefault(file)
        if inner[0].casefold() in _NOTHING:
            continue
        of = read_category(item, parts[0] if with_categories else category or CATEGORY)
        is_present = _ANSWERS.get(inner[1].casefold(), True) if len(inner) > 1 else True
        answers.add(Answer(file, of, names.get(inner[0], inner[0]), is_present, item.source))
    return answers


def read_synsets(path: Path) -> dict[str, str]:
    """Read the names of ImageNet's synsets, the first of each.

    Args:
        path: of lines such as `n01440764 tench, Tinca tinca`, or ImageNet's index in JSON.

    Raises:
        DataError: no synset in it.
    """
    names = {synset: name.strip() for synset, name in _SYNSET.findall(read_text(path))}
    if not names:
        raise DataError("no synsets", file=path, expected="lines such as `n01440764 tench`")
    return names
