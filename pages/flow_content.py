"""The concept graph: what reaches a class from concepts in one block through those of the next.

In each column stand the strongest concepts, then all others in one box, the positions where none is
found, and the bias terms up to the next column. So the boxes of the second block add up to the
logit, those of the first to the logit less the bias terms after the second block.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from .image_parts import FlowBox, FlowGraph
from .wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST = 6
"""Concepts with a box of their own, in each block."""
SHOWN = 0.02
"""An edge is drawn from this share of the largest one on."""


class Biases(NamedTuple):
    """Bias terms between the two blocks, and after the second one."""

    between: float
    after: float


def flow_graph(
    categories: tuple[str, str],
    sources: Sequence[FlowBox],
    targets: Sequence[FlowBox],
    flows: Mapping[tuple[str, str], float],
    biases: Biases | None,
    class_name: str,
) -> FlowGraph:
    """Return the graph of two blocks and a class.

    Args:
        categories: of the concepts of each block.
        sources: boxes of the first block: each of kind "concept", or "elsewhere".
        targets: likewise, of the second block.
        flows: by name of source and of target ("" for elsewhere), the evidence.
        biases: bias terms; None for the graph of a class, whose means leave them out.
        class_name: of the class, or of the difference of two.
    """
    columns = [_gathered(boxes) for boxes in (sources, targets)]
    rows = [
        _row_of(column, boxes) for column, boxes in zip(columns, (sources, targets), strict=True)
    ]
    amounts: dict[tuple[int, int, int], float] = defaultdict(float)
    for (source, target), evidence in flows.items():
        amounts[0, rows[0][source], rows[1][target]] += evidence
    if biases is not None:
        bias_row = len(columns[0])
        for row, box in enumerate(columns[1]):
            reached = sum(amounts[0, source, row] for source in range(bias_row))
            amounts[0, bias_row, row] = box.evidence - reached
        columns[0].append(FlowBox("bias terms", "biases", biases.between))
        columns[1].append(FlowBox("bias terms", "biases", biases.after))
    amounts |= {(1, row, 0): box.evidence for row, box in enumerate(columns[1])}
    total = sum(box.evidence for box in columns[1])
    columns.append([FlowBox(class_name, "class", total)])
    return FlowGraph(categories, tuple(map(tuple, columns)), _drawn(amounts))


def _gathered(boxes: Sequence[FlowBox]) -> list[FlowBox]:
    """Return the strongest concepts, all others in one box, and elsewhere; by evidence."""
    concepts = [box for box in boxes if box.kind == "concept"]
    concepts.sort(key=lambda box: -abs(box.evidence))
    few = len(concepts) <= MOST + 1
    shown, others = (concepts, []) if few else (concepts[:MOST], concepts[MOST:])
    column = sorted(shown, key=lambda box: -box.evidence)
    if others:
        name = f"{counted(len(others), 'other')}"
        column.append(FlowBox(name, "rest", sum(box.evidence for box in others)))
    return [*column, *(box for box in boxes if box.kind == "elsewhere")]


def _row_of(column: Sequence[FlowBox], boxes: Sequence[FlowBox]) -> dict[str, int]:
    """Return for each name the row of its box; "" for elsewhere."""
    places = {box.name: row for row, box in enumerate(column) if box.kind == "concept"}
    rest = next((row for row, box in enumerate(column) if box.kind == "rest"), 0)
    rows = {box.name: places.get(box.name, rest) for box in boxes if box.kind == "concept"}
    rows.update(("", row) for row, box in enumerate(column) if box.kind == "elsewhere")
    return rows


def _drawn(
    amounts: Mapping[tuple[int, int, int], float],
) -> tuple[tuple[int, int, int, float], ...]:
    """Return the edges that are not too thin to be seen, the strongest last: it is on top."""
    least = SHOWN * max(map(abs, amounts.values()), default=0.0)
    edges = [(*key, amount) for key, amount in amounts.items() if abs(amount) >= max(least, 1e-12)]
    return tuple(sorted(edges, key=lambda edge: abs(edge[3])))
