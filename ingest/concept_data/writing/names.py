"""Names of the images of a new data set: neither images nor their masks share one."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from .input_checks import LONGEST_PART, UNWRITABLE, is_image_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SUFFIX_DIGITS = 8
"""Of the sha256 appended to a name that several images have."""
SUFFIXED = re.compile(
    rf"(?P<stem>.+)~(?P<digits>[0-9a-f]{{{SUFFIX_DIGITS}}})(?P<suffix>\.[^./~]*)?"
)
"""A name to which it was appended."""


def distinct_names(originals: Mapping[str, str], categories: Iterable[str]) -> dict[str, str]:
    """Name each image, by digest, so that neither images nor their masks share a name.

    Names are compared without their suffix, which masks do not have, and without case, which some
    file systems ignore. A name that cannot be written everywhere is changed.
    """
    any_category = "|".join(map(re.escape, categories))
    like_a_mask = re.compile(rf".*_({any_category})(_\d+)?", re.IGNORECASE | re.DOTALL)
    writable = {digest: writable_name(name) for digest, name in originals.items()}
    stems = {digest: str(PurePosixPath(name).with_suffix("")) for digest, name in writable.items()}
    images = Counter(stem.casefold() for stem in stems.values())
    names = {}
    for digest, name in writable.items():
        stem = stems[digest]
        ambiguous = images[stem.casefold()] > 1 or like_a_mask.fullmatch(stem)
        digits = f"~{digest[:SUFFIX_DIGITS]}" if ambiguous else ""
        names[digest] = f"{stem}{digits}{name[len(stem) :]}"
    return names


def output_names(names: Iterable[str], categories: Iterable[str]) -> dict[str, str]:
    """Return the name that each image gets in the data set, by its name now."""
    digests = {hashlib.sha256(name.encode("utf-8", "replace")).hexdigest(): name for name in names}
    written = distinct_names(digests, categories)
    return {name: written[digest] for digest, name in digests.items()}


def writable_name(name: str) -> str:
    """Return a name with `_` for what some file system cannot hold, and no part too long."""
    if is_image_name(name):
        return name
    text = "".join("_" if char in UNWRITABLE or not char.isprintable() else char for char in name)
    parts = [part.strip() or "_" for part in text.encode("utf-8", "replace").decode().split("/")]
    shortened = "/".join(map(_shorten, parts))
    return shortened if is_image_name(shortened) else f"{shortened}_"  # only digits


def _shorten(part: str) -> str:
    suffix = PurePosixPath(part).suffix[:8]
    room = LONGEST_PART - SUFFIX_DIGITS - 1 - len(suffix.encode())
    if len(part.encode()) <= room + len(suffix.encode()):
        return part
    return part.encode()[:room].decode("utf-8", "ignore").strip() + suffix
