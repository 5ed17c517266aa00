"""Pages of the explorer from what views return: templates, addresses, and what is on every page.

Names can be anything, so they stand in the query of an address, never in its path, where a browser
would read ".." and "/" as its own.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from ...pages.document import TEMPLATES, make_environment
from ...pages.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Environment

FOLDER = Path(__file__).parent / "templates"


class Crumb(NamedTuple):
    """A page above the one that is shown."""

    text: str
    url: str


class Page(NamedTuple):
    """What a view returns.

    Attributes:
        template: in `templates/`.
        title: of the window, without the run.
        content: what the template shows, as `page`.
        here: the address of the entry in the navigation that is lit; "" for none.
        crumbs: the pages above it, the run's first page left out.
    """

    template: str
    title: str
    content: object
    here: str = ""
    crumbs: Sequence[Crumb] = ()


class NavigationEntry(NamedTuple):
    """A link that every page of a run has."""

    path: str
    text: str


NAVIGATION = (
    NavigationEntry("/", "Overview"),
    NavigationEntry("/classes", "Classes"),
    NavigationEntry("/concepts", "Concepts"),
    NavigationEntry("/units", "Units"),
    NavigationEntry("/explain", "Explain"),
    NavigationEntry("/evidence", "Evidence"),
    NavigationEntry("/audit", "Audit"),
    NavigationEntry("/ask", "Ask"),
    NavigationEntry("/compare", "Compare"),
    NavigationEntry("/verify", "Verify"),
)


def url(path: str, **query: object) -> str:
    """Return an address; parameters of None are left out."""
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def render(page: Page, run: str | None, noun: str = "image") -> str:
    """Return the HTML document.

    Args:
        page: of a view.
        run: key of the run that it is about; None for a page about none.
        noun: what the run's network sees, "image" or "clip".
    """
    return _environment().get_template(page.template).render(
        page=page.content, title=page.title, here=page.here, crumbs=page.crumbs, run=run,
        noun=noun, navigation=NAVIGATION,
    )  # fmt: skip


def render_part(template: str, content: object, run: str, noun: str = "image") -> str:
    """Return a part of a page, which a script puts into it; the template shows it as `page`."""
    return _environment().get_template(template).render(page=content, run=run, noun=noun)


@cache
def _environment() -> Environment:
    environment = make_environment(FOLDER, TEMPLATES)
    environment.globals |= {"url": url, "counted": counted}
    environment.filters |= {"percent": percent, "digits": digits}
    return environment


def percent(share: float) -> str:
    """Return a share as "63 %", "6.3 %" or "0.63 %"."""
    value = 100 * share
    if value >= 9.95 or value == 0:
        return f"{value:.0f} %"
    return f"{value:.1f} %" if value >= 0.995 else f"{value:.2g} %"


def digits(value: float | None, places: int = 3) -> str:
    """Return a number to so many digits, "–" for None."""
    if value is None:
        return "–"
    text = f"{value:.{places}g}"
    return text.replace("-", "−")
