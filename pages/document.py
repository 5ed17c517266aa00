"""HTML documents from templates: escaping, styles and scripts that all pages share.

A page is one file that loads nothing: no host, no other file. Its styles, scripts and pictures are
inside it, and the content security policy of `head.html` makes a browser hold to that. Every value
is escaped where a template shows it; `tojson` escapes what a script reads.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..errors import DataError
from ..graph.evidence_graph import ELSEWHERE
from ..graph.uids import split_concept

if TYPE_CHECKING:
    from collections.abc import Iterable

TEMPLATES = Path(__file__).parent / "templates"
_INLINED = ("page.css", "flows.css", "flows.js", "image.css", "image.js", "paths.js", "report.js")


def render(template: str, **values: object) -> str:
    """Return the document that a template of `templates/` makes of some values.

    Raises:
        jinja2.UndefinedError: the template uses a value that is not among them.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    """Return the environment of all templates; `page.css` is a global there, as `page_css`."""
    environment = make_environment(TEMPLATES)
    for name in _INLINED:
        content = (TEMPLATES / name).read_text(encoding="utf-8")
        environment.globals[name.replace(".", "_")] = content
    return environment


def make_environment(*folders: Path) -> Environment:
    """Return an environment of the templates of some folders, the first one's first; it escapes."""
    environment = Environment(
        loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals["elsewhere"] = ELSEWHERE
    environment.filters |= {"signed": signed, "split_concept": split_concept}
    return environment


def signed(value: float, largest: float) -> str:
    """Return a number with its sign, rounded to three digits of the largest one beside it."""
    if largest == 0:
        return "0"
    digits = 2 - math.floor(math.log10(largest))
    text = f"{value:+.{max(digits, 0)}f}" if digits <= 6 else f"{value:+.2e}"
    if value and not float(text):
        text = f"{value:+.1g}"
    return text.replace("-", "−")


def largest(values: Iterable[float]) -> float:
    """Return the largest absolute value, by which bars are scaled; 1 where there is none."""
    return max(map(abs, values), default=1.0) or 1.0


def check_numbers(numbers: Iterable[float]) -> None:
    """Refuse numbers that cannot be shown.

    Raises:
        DataError: one is not finite.
    """
    for number in numbers:
        if not math.isfinite(number):
            raise DataError("a page cannot show this number", found=number, expected="a finite one")


def check_pictures(pictures: Iterable[str | None]) -> None:
    """Refuse pictures that would have to be loaded.

    Raises:
        DataError: one is no `data:` URI.
    """
    for picture in pictures:
        if picture is not None and not picture.startswith("data:image/"):
            raise DataError(
                "a picture is not embedded", found=picture[:60], expected="a data:image/… URI"
            )
