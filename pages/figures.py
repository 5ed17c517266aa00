"""The paper's figures of a run, as SVG for a page: without fonts, scripts or other files.

Categories differ by colour and by hatching, so that colour-blind readers and prints without colour
can tell them apart. The same numbers give the same bytes.
"""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..queries.questions.block_concepts import BlockConceptRow
    from ..queries.questions.categories_by_block import CategoryRow

# Okabe and Ito's colours, which colour-blind readers can tell apart, each with a hatching.
_STYLES = (
    ("#0072B2", ""), ("#E69F00", "//"), ("#009E73", ".."), ("#CC79A7", "xx"),
    ("#56B4E9", "\\\\"), ("#D55E00", "--"), ("#F0E442", "++"), ("#999999", "oo"),
)  # fmt: skip
WIDTH = 5.2
"""Inches of all figures, in which text is 9 points: as wide as a telephone shows unscaled."""
CONCEPTS = 40
"""The most concepts shown of a block, those with most units."""


def concepts_by_units(rows: Sequence[BlockConceptRow], categories: Sequence[str], name: str) -> str:
    """Draw the paper's Fig. 4: a block's concepts by how many units detect them."""
    shown = rows[:CONCEPTS]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, row in enumerate(shown):
            colour, hatch = style(row.category, categories)
            axes.barh(place, row.units, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
            axes.text(row.units, place, f" {row.units}", va="center", fontsize=8)
        axes.set_yticks(range(len(shown)), [row.name for row in shown])
        axes.invert_yaxis()
        axes.set_xlabel("units")
        axes.locator_params(axis="x", integer=True)
        axes.margins(y=0.01)
        _legend(figure, {row.category for row in shown}, categories)

    return _svg(name, (WIDTH, 1.0 + 0.19 * max(len(shown), 4)), draw)


def categories_by_block(
    rows: Sequence[CategoryRow], blocks: Sequence[str], categories: Sequence[str]
) -> str:
    """Draw the paper's Fig. 6: the units and concepts of each block, stacked by category."""

    def draw(figure: Figure) -> None:
        for axes, column in zip(figure.subplots(1, 2), ("units", "concepts"), strict=True):
            _stacks(axes, rows, column, blocks, categories)
        _legend(figure, {row.category for row in rows}, categories)

    return _svg("blocks", (WIDTH, 2.8), draw)


def _stacks(
    axes: Axes,
    rows: Sequence[CategoryRow],
    column: str,
    blocks: Sequence[str],
    categories: Sequence[str],
) -> None:
    """Draw one column of the rows, a stack for each block."""
    values = {(row.block, row.category): int(getattr(row, column)) for row in rows}
    for place, block in enumerate(blocks):
        base = 0
        for category in categories:
            value = values.get((block, category), 0)
            if not value:  # a bar without height would limit the axis
                continue
            colour, hatch = style(category, categories)
            axes.bar(
                place, value, 0.65, base, color=colour, hatch=hatch, edgecolor="white", linewidth=0
            )
            base += value
        axes.text(place, base, str(base), ha="center", va="bottom", fontsize=8)
    axes.set_xticks(range(len(blocks)), list(blocks))
    title = "named units" if column == "units" else column
    axes.set_title(title, loc="left", fontsize=10, pad=10)
    axes.locator_params(axis="y", integer=True)
    axes.set_xlim(-0.6, len(blocks) - 0.4)
    axes.margins(y=0.15)


def style(category: str, categories: Sequence[str]) -> tuple[str, str]:
    """Return colour and hatching of a category, by its place among the run's."""
    return _STYLES[list(categories).index(category) % len(_STYLES)]


def _legend(figure: Figure, shown: Collection[str], categories: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    handles = []
    for category in (name for name in categories if name in shown):
        colour, hatch = style(category, categories)
        handles.append(Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=category))
    if handles:
        figure.legend(
            handles=handles,
            loc="outside lower left",
            ncols=4,
            frameon=False,
            fontsize=8,
            handleheight=1.1,
        )


def _svg(name: str, size: tuple[float, float], draw: Callable[[Figure], None]) -> str:
    """Return a drawing as an `svg` element; ids begin with `name`, so that a page can have two."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    text = StringIO()
    with rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "conceptgraph",
            "text.parse_math": False,
            "font.family": "sans-serif",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "hatch.linewidth": 0.6,
        }
    ):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    element = text.getvalue()
    element = element[element.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    # The page's own colours, so that a figure is light or dark as the page is.
    for fixed, colour in (("#000000", "currentColor"), ("#ffffff", "var(--surface)")):
        element = re.sub(rf'(fill|stroke)(: |="){fixed}', rf"\1\2{colour}", element)
    element = re.sub(r'\bid="', f'id="{name}-', element)
    element = re.sub(r'(url\(|href=")#', rf"\g<1>#{name}-", element)
    return re.sub(r' (width|height)="[\d.]+pt"', "", element, count=2)
