"""Captions of COCO: an image has the words of a list that occur in its captions.

A word is looked for as a whole, in any case, also in its plural on -s or -es. What nobody mentions
is taken not to be there: captions leave much out, so such tags are rough.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ....errors import DataError
from ..annotations.fields import read_image_name
from ..annotations.items import AnnotationItem
from ..annotations.json_files import read_json_object, read_list, read_record
from .answers import CATEGORY, Answer, Answers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def read_captions(path: Path, category: str | None, words: Sequence[str]) -> Answers:
    """Read captions.

    Args:
        path: of the JSON file.
        category: of all words; `tag` if None.
        words: to look for.

    Raises:
        DataError: not captions, or no words are given.
    """
    record = read_json_object(path)
    whole = AnnotationItem(path, "file")
    captions: dict[str, list[str]] = {}
    for annotation in read_list(whole, record, "annotations"):
        fields = read_record(whole, annotation)
        if not isinstance(fields.get("caption"), str):
            raise whole.error(
                "annotation without a caption",
                expected="COCO captions",
                remedy="`conceptgraph data build` reads boxes and masks",
            )
        captions.setdefault(str(fields.get("image_id")), []).append(str(fields["caption"]))
    if not words:
        raise DataError("captions without words", file=path, remedy="Name a list with --words")
    answers = Answers()
    patterns = {word: re.compile(rf"(?<!\w){re.escape(word)}(s|es)?(?!\w)", re.IGNORECASE)
                for word in words}  # fmt: skip
    for image in read_list(whole, record, "images"):
        fields = read_record(whole, image)
        item = AnnotationItem(path, f"image {fields.get('id')}")
        name = read_image_name(item, fields.get("file_name"))
        text = "\n".join(captions.get(str(fields.get("id")), []))
        if text:
            answers.images.setdefault(name)
        for word, pattern in patterns.items():
            if pattern.search(text):
                answers.add(Answer(name, category or CATEGORY, word, True, item.source))
    answers.notes.append(
        "A word that no caption of an image mentions is taken not to be there: check some with "
        "`data verify`, or give answers in a table."
    )
    return answers
