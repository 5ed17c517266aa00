"""What `flows.html` shows and `flows.js` draws of concept graphs, each box once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .document import check_numbers, check_pictures, largest, signed

if TYPE_CHECKING:
    from .image_parts import FlowBox, FlowPage

LISTED = 12
"""Flows that are listed where no script draws them."""


def flow_values(page: FlowPage) -> dict[str, object]:
    """Return what `flows.html` shows and `flows.js` draws."""
    check_pictures(picture for unit in page.units for picture in unit.picture or ())
    graphs = {graph.categories: graph for graph in page.graphs}
    categories = [list(dict.fromkeys(pair[side] for pair in graphs)) for side in (0, 1)]
    boxes = [
        [
            next(g.columns[side] for pair, g in graphs.items() if pair[side] == category)
            for category in categories[side]
        ]
        for side in (0, 1)
    ]
    first = page.graphs[0]
    evidence = [box.evidence for column in first.columns for box in column]
    check_numbers(evidence)
    return {
        "blocks": page.blocks,
        "has_biases": any(box.kind == "biases" for box in first.columns[0]),
        "listed": strongest_flows(page),
        "data": {
            "blocks": page.blocks,
            "categories": categories,
            "columns": [[[_box(box) for box in column] for column in side] for side in boxes],
            "edges": [
                [
                    [(*edge[:3], _rounded(edge[3])) for edge in graphs[source, target].edges]
                    for target in categories[1]
                ]
                for source in categories[0]
            ],
            "target": _box(first.columns[2][0]),
            "units": [
                {"uid": unit.uid, "concept": unit.concept, "picture": unit.picture}
                for unit in page.units
            ],
            "largest": largest(evidence),
            "of": page.of,
        },
    }


def _box(box: FlowBox) -> dict[str, object]:
    return vars(box) | {
        "evidence": _rounded(box.evidence),
        "units": [(uid, _rounded(evidence)) for uid, evidence in box.units],
        "others": _rounded(box.others),
        "coverage": None if box.coverage is None else round(box.coverage, 3),
    }


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def strongest_flows(page: FlowPage) -> list[tuple[str, str]]:
    """Return the strongest flows of the first graph in words."""
    graph = page.graphs[0]
    scale = largest(edge[3] for edge in graph.edges)
    return [
        (
            f"{graph.columns[column][source].name} → {graph.columns[column + 1][target].name}",
            signed(evidence, scale),
        )
        for column, source, target, evidence in graph.edges[:-LISTED:-1]
    ]
