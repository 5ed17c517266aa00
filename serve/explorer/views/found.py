"""What a search finds: as a page, and as JSON for the list under the search box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..rendering import Page, url
from ..search import LONGEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..library import ServedRun
    from ..search import Kind, Result, Results

_EACH = 40
_PAGES: Mapping[Kind, str] = {
    "class": "/class", "concept": "/concept", "unit": "/unit", "image": "/image",
}  # fmt: skip
_PLURALS: Mapping[Kind, str] = {
    "class": "Classes", "concept": "Concepts", "unit": "Units", "image": "Images",
}  # fmt: skip


@dataclass(frozen=True)
class FoundPage:
    """What a search finds.

    Attributes:
        text: what was searched for.
        kinds: name of the kind, its results with their addresses, and how many there are.
        is_guess: whether no name has the text, and these are like it.
    """

    text: str
    kinds: list[tuple[str, list[tuple[Result, str]], int]]
    is_guess: bool


def found(served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the page of a search for `q`."""
    text = asked.get("q", "")[:LONGEST]
    results = served.index.find(text, _EACH)
    kinds = [
        (_PLURALS[each.kind], [(row, _address(served, row)) for row in each.rows], each.total)
        for each in results
    ]
    content = FoundPage(text, kinds, any(each.is_guess for each in results))
    return Page("found.html", f"Search: {text}" if text else "Search", content)


def found_json(served: ServedRun, asked: Mapping[str, str]) -> list[dict[str, object]]:
    """Return what a search for `q` finds, as the search box shows it."""
    return [_json(served, each) for each in served.index.find(asked.get("q", ""))]


def _json(served: ServedRun, results: Results) -> dict[str, object]:
    return {
        "key": results.kind,
        "kind": _PLURALS[results.kind],
        "total": results.total,
        "guess": results.is_guess,
        "rows": [
            {
                "uid": row.uid,
                "name": row.name,
                "detail": row.detail,
                "category": row.category,
                "url": _address(served, row),
                "picture": _picture(served, row),
            }
            for row in results.rows
        ],
    }


def _address(served: ServedRun, row: Result) -> str:
    return url(_PAGES[row.kind], run=served.key, uid=row.uid)


def _picture(served: ServedRun, row: Result) -> str | None:
    uid = row.uid
    if row.kind == "concept":
        units = served.named_after.get(uid)
        uid = units[0].uid if units else ""
    ranks = served.thumbnails.get(uid) if row.kind in {"unit", "concept"} else None
    return url("/picture", run=served.key, unit=uid, rank=next(iter(ranks))) if ranks else None
