"""Reads XML files of annotations; an error names line and column."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring, iterparse

from ....errors import DataError
from ....files import read_whole
from .folders import list_files

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element


def read_xml(path: Path) -> Element:
    """Read a file; return its root.

    Raises:
        DataError: unreadable, not XML, or with a document type.
    """
    try:
        root: Element = fromstring(read_whole(path), forbid_dtd=True)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from error
    except ParseError as error:
        line, column = error.position
        raise DataError(f"line {line}, column {column}: not XML: {error}", file=path) from error
    except (DefusedXmlException, ValueError, LookupError) as error:
        what = f"XML with a document type or an encoding that is refused: {error}"
        raise DataError(what, file=path) from error
    return root


def root_tag(path: Path) -> str:
    """Return the tag of an XML file's root, or of the first XML file in a folder that has one."""
    if path.is_dir():
        names = [name for name in list_files(path) if name.lower().endswith(".xml")]
        return next(filter(None, map(root_tag, (path / name for name in names))), "")
    if path.suffix.lower() != ".xml" or not path.is_file():
        return ""
    return _recent_tag(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _recent_tag(path: Path, changed: int) -> str:
    """Read a root's tag, or return it again for the next format; `changed` is the file's time."""
    try:
        with path.open("rb") as file:
            for _, element in iterparse(file, events=("start",), forbid_dtd=True):
                return str(element.tag)
    except (OSError, ParseError, DefusedXmlException, ValueError, LookupError):
        pass
    return ""
