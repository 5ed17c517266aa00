"""The page of a class: its concept graph, where the run has evidence of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from conceptgraph.graph.run.class_evidence import EVIDENCE, FLOWS, write_class_evidence
from conceptgraph.pages.path_content import class_page
from conceptgraph.pages.write import write_page
from conceptgraph.queries.paths import class_paths
from tests.made_runs import small_run
from tests.page_samples import NARROW, WIDE, draw_thumbnails, open_file

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from conceptgraph.graph.run.reader import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = small_run(tmp_path / "a.cg")
    draw_thumbnails(run)
    return run


def add_evidence(run: Run) -> None:
    """Write evidence of juggling: by the ball in block3, of which most goes on by the road."""
    means = {"ball": 1.5, "juggling": -0.25, None: 0.5}
    evidence = pd.DataFrame(
        [
            ("juggling", block, "object", name, mean, 0.1, 0.0, 2.0, 7, 1.0, 0.25)
            for block in ("block3", "block4")
            for name, mean in means.items()
        ],
        columns=list(EVIDENCE),
    )
    flows = pd.DataFrame(
        [
            ("juggling", "block3", "object", "ball", "block4", "object", "juggling", 1.25, 7, 0),
            ("juggling", "block3", "object", None, "block4", "object", "ball", 0.5, 7, 1),
        ],
        columns=list(FLOWS),
    )
    write_class_evidence(run, evidence, flows, None, {"juggling": 7})


def test_the_concept_graph_of_a_class(run: Run) -> None:
    paths = class_paths(run, "juggling")
    assert class_page(run, paths).concepts is None
    add_evidence(run)
    page = class_page(run, paths)
    assert page.lead == (
        "juggling: mostly because of what it sees as ball (+1.50, 25% of a picture)."
    )
    assert (
        page.concepts_text
        == "mean over 7 images taken for juggling, against the mean of all classes"
    )
    assert page.concepts is not None
    (graph,) = page.concepts.graphs
    first, last, (target,) = graph.columns
    assert [(box.name, box.kind, box.evidence) for box in first] == [
        ("ball", "concept", 1.5), ("juggling", "concept", -0.25), ("elsewhere", "elsewhere", 0.5)
    ]  # fmt: skip
    assert first == last
    assert target.evidence == 1.75
    assert set(graph.edges[:-1]) >= {(0, 0, 1, 1.25), (0, 2, 0, 0.5)}
    assert class_page(run, class_paths(run, "road")).concepts is None


def test_it_is_drawn_before_the_unit_paths(run: Run, tmp_path: Path, browser: Browser) -> None:
    add_evidence(run)
    write_page(run, class_paths(run, "juggling"), tmp_path / "class.html")
    for size in (WIDE, NARROW):
        opened = open_file(browser, tmp_path / "class.html", size, dark=size == NARROW)
        tab = opened.tab
        boxes = tab.locator(".flow-column > *").all_inner_texts()
        assert [" ".join(box.split()) for box in boxes][-1] == "juggling +1.75"
        graph, units = (tab.locator(name).bounding_box() for name in (".flow-graph", "#canvas"))
        assert graph is not None
        assert units is not None
        assert graph["y"] + graph["height"] < units["y"]
        heights = tab.evaluate(
            "['.flow-column', '.flow-graph svg'].map(n => document.querySelector(n).clientHeight)"
        )
        assert heights[0] == heights[1]  # so that edges meet their boxes
        tab.locator(".flow-column button").first.click()
        words = tab.locator(".flow-box").inner_text()
        assert words.startswith("ball in block3: +1.50, 25 % of a picture on average")
        assert opened.cut_off() == []
        opened.close()
