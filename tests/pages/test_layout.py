"""Where the boxes stand: counted against plain loops."""

from __future__ import annotations

import itertools
import random

import pytest

from conceptgraph.errors import DataError
from conceptgraph.pages.layout import ROW, column_names, crossings, layered, rows


def plain_crossings(columns: list[list[int]], edges: dict[tuple[int, int], float]) -> int:
    column = {node: index for index, nodes in enumerate(columns) for node in nodes}
    row = {node: index for nodes in columns for index, node in enumerate(nodes)}
    count = 0
    for (a, b), (c, d) in itertools.combinations(edges, 2):
        if (column[a], column[b]) == (column[c], column[d]):
            count += (row[a] - row[c]) * (row[b] - row[d]) < 0
    return count


@pytest.mark.parametrize("seed", range(8))
def test_crossings_are_counted_and_layered_never_adds_any(seed: int) -> None:
    draw = random.Random(seed)
    columns = [list(range(9)), list(range(9, 15)), list(range(15, 25)), [25]]
    edges = {}
    for _ in range(40):
        left, right = sorted(draw.sample(range(4), 2))
        edges[draw.choice(columns[left]), draw.choice(columns[right])] = draw.uniform(-1, 1)
    order = layered(columns, edges)
    assert [sorted(column) for column in order] == columns
    assert crossings(columns, edges) == plain_crossings(columns, edges)
    assert crossings(order, edges) < plain_crossings(columns, edges)


def test_layered_untangles_what_can_be_untangled() -> None:
    edges = {(0, 5): 1.0, (1, 4): 1.0, (2, 3): 1.0}
    assert crossings([[0, 1, 2], [3, 4, 5]], edges) == 3
    assert crossings(layered([[0, 1, 2], [3, 4, 5]], edges), edges) == 0


def test_rows_are_even_centred_and_never_closer_than_a_row() -> None:
    heights, height = rows([list(range(40)), [40, 41, 42], [43], []])
    steps = [heights[node + 1] - heights[node] for node in range(39)]
    assert min(steps) >= ROW - 0.2
    assert max(steps) - min(steps) <= 0.2
    assert heights[41] == heights[43] == height / 2
    assert heights[40] > 0
    assert heights[39] + ROW / 2 <= height


def test_columns_follow_the_paths() -> None:
    assert column_names([["b", "c"], ["a", "b"], ["a", "c"]]) == ["a", "b", "c"]
    with pytest.raises(DataError, match="order of the blocks"):
        column_names([["a", "b"], ["b", "a"]])
