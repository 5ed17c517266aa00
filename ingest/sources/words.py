"""Lists of words, one a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import DataError
from ..concept_data.csv_tables import read_text
from ..concept_data.labels import plain_name

if TYPE_CHECKING:
    from pathlib import Path


def read_words(path: Path) -> list[str]:
    """Read words, one a line.

    Raises:
        DataError: no word, or one twice.
    """
    words: dict[str, int] = {}
    for line, text in enumerate(read_text(path).splitlines(), 1):
        word = plain_name(text)
        if not word:
            continue
        if word in words:
            what = f"row {line}: word {word!r} is duplicated, first in row {words[word]}"
            raise DataError(what, file=path)
        words[word] = line
    if not words:
        raise DataError("no words", file=path, expected="one word a line")
    return list(words)
