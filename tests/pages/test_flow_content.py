"""The concept graph's boxes and edges: all of a column, and all that a box receives, add up."""

from __future__ import annotations

import random

import pytest

from conceptgraph.pages import flow_content
from conceptgraph.pages.flow_content import MOST, Biases, flow_graph
from conceptgraph.pages.image_parts import FlowBox, FlowGraph

BIASES = Biases(-2.5, 0.75)


def graph_of(sources: int, targets: int, seed: int = 0) -> FlowGraph:
    draw = random.Random(seed)
    names = [[*(f"concept {i}" for i in range(count)), ""] for count in (sources, targets)]
    flows = {(a, b): draw.uniform(-1, 1) for a in names[0] for b in names[1]}
    shares = [draw.uniform(-1, 1) for _ in names[1]]
    shares = [share * BIASES.between / sum(shares) for share in shares]
    evidence = [
        [sum(flows[name, other] for other in names[1]) for name in names[0]],
        [
            sum(flows[other, name] for other in names[0]) + share
            for name, share in zip(names[1], shares, strict=True)
        ],
    ]
    first, last = (
        [
            FlowBox(n or "elsewhere", "concept" if n else "elsewhere", e)
            for n, e in zip(*column, strict=True)
        ]
        for column in zip(names, evidence, strict=True)
    )
    return flow_graph(("object", "texture"), first, last, flows, BIASES, "juggling")


@pytest.mark.parametrize(("sources", "targets"), [(0, 0), (2, 3), (7, 8), (12, 30)])
def test_columns_and_edges_add_up(
    sources: int, targets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_content, "SHOWN", 0.0)
    graph = graph_of(sources, targets)
    first, last, (target,) = graph.columns
    total = sum(box.evidence for box in last)
    assert target.evidence == pytest.approx(total)
    assert sum(box.evidence for box in first) + BIASES.after == pytest.approx(total)
    for column, boxes in ((0, last), (1, (target,))):
        for row, box in enumerate(boxes):
            received = sum(e for c, _, to, e in graph.edges if (c, to) == (column, row))
            expected = 0.0 if box.kind == "biases" else box.evidence
            assert received == pytest.approx(expected, abs=1e-9)
    for row, box in enumerate(first):
        sent = sum(e for c, source, _, e in graph.edges if (c, source) == (0, row))
        assert sent == pytest.approx(box.evidence, abs=1e-9)


def test_at_most_eight_boxes_of_concepts_and_the_strongest_have_their_own() -> None:
    graph = graph_of(30, 5)
    kinds = [[box.kind for box in column] for column in graph.columns]
    assert kinds[0] == ["concept"] * MOST + ["rest", "elsewhere", "biases"]
    assert kinds[1] == ["concept"] * 5 + ["elsewhere", "biases"]
    assert graph.columns[0][MOST].name == f"{30 - MOST} others"
    shown = [box.evidence for box in graph.columns[0][:MOST]]
    assert shown == sorted(shown, reverse=True)


def test_thin_edges_are_left_out_and_the_strongest_is_on_top() -> None:
    amounts = [abs(edge[3]) for edge in graph_of(6, 6).edges]
    assert amounts == sorted(amounts)
    assert amounts[0] >= flow_content.SHOWN * amounts[-1]
