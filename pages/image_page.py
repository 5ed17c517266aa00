"""The page of an image: the photograph with its things, and what they add to a class's logit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .document import check_numbers, check_pictures, largest, render
from .flow_values import flow_values, strongest_flows
from .image_parts import RegionRow
from .path_page import path_values, vis_network
from .wording import DISPUTED_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .image_parts import ImagePage, RegionTable
    from .path_parts import PathPage

NOTEBOOK_FLOWS = 6
"""The most flows listed in a notebook."""
ROWS = 10
"""The most regions of a table with a row of their own."""
_HINT = "The things that matter most, outlined. Blue: evidence for the class; red, dashed: against."
_LEGEND = "Blue: evidence for the class; red: against."


class WaterfallBar(NamedTuple):
    """One row of the accounting; `left` and `width` in percent of the strip."""

    name: str
    value: float
    left: float
    width: float


def render_image(page: ImagePage) -> str:
    """Return the whole HTML document.

    Raises:
        DataError: a number is not finite, or a picture is not embedded.
    """
    return render("image.html", **image_values(page), vis=vis_network())


def image_values(
    page: ImagePage,
    link: Callable[[str, str], str] | None = None,
    below_title: str = "",
    paths_link: str = "",
) -> dict[str, object]:
    """Return what `image_body.html` shows.

    Args:
        page: what the page shows.
        link: returns the address of a concept, given its name and category, where the body is a
            part of another page.
        below_title: what that page has there: escaped HTML, as markupsafe.Markup.
        paths_link: the address of the unit paths, if they are a page of their own.

    Raises:
        DataError: as `render_image`.
    """
    _check(page)
    return dict(
        **_values(page),
        link=link,
        below_title=below_title,
        paths_link=paths_link,
        weaker=[thing for thing in page.things if not thing.painted],
        regions=[_table(table, page.total) for table in page.regions],
        flows=None if page.flows is None else flow_values(page.flows),
        **image_path_values(page.paths, page.accounting),
        data={
            "places": page.places,
            "seen": page.seen,
            "size": page.size,
            "frames": page.frames,
            "maps": [picture for _, picture in page.maps],
            "leading": page.leading,
            "change": page.change.marks if page.change else (),
            "hint": _HINT if page.things else "",
            "legend": _LEGEND,
        },
    )


def image_path_values(
    paths: PathPage | None, accounting: Sequence[tuple[str, float]]
) -> dict[str, object]:
    """Return what `image_paths.html` shows.

    Raises:
        DataError: as `render_image`.
    """
    return {"paths": paths and path_values(paths), "bars": waterfall(accounting)}


def notebook_values(page: ImagePage) -> dict[str, object]:
    """Return what `notebook.html` shows: a part of a page that needs no script."""
    _check(page)
    return {
        **_values(page),
        "regions": [_table(table, page.total) for table in page.regions[:1]],
        "flows": [] if page.flows is None else strongest_flows(page.flows)[:NOTEBOOK_FLOWS],
    }


def _values(page: ImagePage) -> dict[str, object]:
    """Return what page and notebook share."""
    marked = [*([] if page.asked is None else [page.asked]), *page.things]
    return {
        "page": page,
        "marked": marked,
        "disputed_text": DISPUTED_TEXT,
        "value": "logit" if page.versus is None else f"logit less that of {page.versus}",
        "largest_part": largest(row.present for row in page.attributions),
        "largest_unusual": largest(row.difference for t in page.unusual for row in t.rows),
        "largest_thing": largest(v for t in marked for v in (t.evidence, t.measured or 0.0)),
    }


def _check(page: ImagePage) -> None:
    things = [*page.things, *([page.asked] if page.asked else [])]
    check_numbers(v for t in things for v in (t.evidence, t.measured or 0.0))
    check_numbers(row.evidence for table in page.regions for row in table.rows)
    check_numbers(value for t in page.unusual for row in t.rows for value in row[1:7])
    check_numbers(value for row in page.attributions for value in row.values)
    check_numbers(value for _, value in (*page.accounting, *page.biases))
    check_pictures(
        [
            page.image,
            *(picture for _, picture in page.maps),
            *(thing.painted for thing in things),
            *(row.map for row in page.attributions),
            *(picture for panel in page.panels for picture in panel.image),
            page.change and page.change.painted,
        ]
    )


def _table(
    table: RegionTable, total: float
) -> tuple[RegionTable, float, list[RegionRow]]:  # fmt: skip
    """Return a table, what its bars are scaled by, and its rows, the weaker ones in one."""
    *named, none = table.rows
    shown, rest = (named, []) if len(named) <= ROWS else (named[: ROWS - 1], named[ROWS - 1 :])
    rows = list(shown)
    if rest:
        evidence = sum(row.evidence for row in rest)
        rows.append(RegionRow(f"{len(rest)} more", evidence, None, None, None))
    rows += [none, RegionRow(f"bias terms after {table.block}", table.biases, None, None, None)]
    return table, largest([total, *(row.evidence for row in rows)]), rows


def waterfall(parts: Sequence[tuple[str, float]]) -> list[WaterfallBar]:
    """Return bars that start where the one before ended; the last, their sum, starts at zero."""
    if not parts:
        return []
    spans, reached = [], 0.0
    for _, value in parts[:-1]:
        spans.append((reached, reached + value))
        reached += value
    spans.append((0.0, parts[-1][1]))
    low, high = min(map(min, spans)), max(map(max, spans))
    scale = 100 / ((high - low) or 1.0)
    return [
        WaterfallBar(name, value, round((min(span) - low) * scale, 2), round(abs(value) * scale, 2))
        for (name, value), span in zip(parts, spans, strict=True)
    ]
