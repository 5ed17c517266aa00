"""An explanation in a notebook: what IPython shows of it, and what it can do."""

from __future__ import annotations

import base64
import inspect
import re
import shutil
from dataclasses import replace
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.patches import Rectangle
from PIL import Image

import conceptgraph
from conceptgraph.explain.ablation import ablate
from conceptgraph.explain.explain import explain as explain_image
from conceptgraph.explain.network import open_network
from conceptgraph.explain.verdict import verdict
from conceptgraph.pages.pictures import photograph
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from conceptgraph.graph.run.reader import Run
    from conceptgraph.pages.notebook import ImageExplanation


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("notebook")
    return lively_run(draw_concept_data(folder / "data", 12), folder)


@pytest.fixture
def image(run: Run, tmp_path: Path) -> Path:
    """Copy an image, so that a test can remove it."""
    images = Path(run.manifest["data"]["folder"], "images").rglob("*.jpg")
    return Path(shutil.copy(min(images), tmp_path / "x.jpg"))


@pytest.fixture
def explanation(run: Run, image: Path) -> ImageExplanation:
    return conceptgraph.explain(run, image, "class 1", versus="class 2", top=4)


def shown(value: object, kind: str) -> Any:
    """Return what IPython shows of a cell's value."""
    formatter: Any = InteractiveShell.instance().display_formatter
    data, _ = formatter.format(value)
    assert kind in data, sorted(data)
    return data[kind]


def pictures(html: str) -> list[Image.Image]:
    encoded = re.findall(r'src="data:image/jpeg;base64,([\w+/=]+)"', html)
    return [Image.open(BytesIO(base64.b64decode(data))) for data in encoded]


def test_a_cell_shows_photograph_decision_and_concepts(run: Run, image: Path) -> None:
    explanation = conceptgraph.explain(run, image, top=4)
    html = shown(explanation, "text/html")
    (photo,) = pictures(html)  # nothing is found in it
    expected = np.asarray(photograph(image), np.int64)
    assert np.abs(np.asarray(photo, np.int64) - expected).mean() < 8
    assert f"Why {explanation.class_name}?" in html
    assert escape(verdict(explanation)) in html
    for row in explanation.predicted[:3]:
        assert f'{row.name}</bdi></th><td class="number">{row.probability:.1%}'[:-1] in html
    names = [concept.name for concept in explanation.by_concept if concept.name]
    assert names
    assert all(f"<bdi>{name}</bdi>" in html for name in names[:8])
    assert "No concept is found in any part of this picture." in html
    assert all(" → ".join(map(str, path.units)) in html for path in explanation.paths)
    assert "<script" not in html


def test_names_are_text(explanation: ImageExplanation) -> None:
    html = replace(explanation, class_name="<script>x</script>")._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;x" in html


def test_without_the_photograph_the_rest_is_shown(explanation: ImageExplanation) -> None:
    Path(explanation.image).unlink()
    html = shown(explanation, "text/html")
    assert "no such image" in html
    assert explanation.paths[0].units[0].uid in html
    assert pictures(html) == []


def test_a_terminal_shows_one_line(explanation: ImageExplanation) -> None:
    text = shown(explanation, "text/plain")
    assert text.startswith(f"<ImageExplanation of {explanation.image} by lively: class 1 − class 2")
    assert "\n" not in text


def test_lists_are_tables(explanation: ImageExplanation, run: Run) -> None:
    paths = conceptgraph.class_paths(run, "class 1")
    ablation = explanation.ablate(units=["block4/1"])
    for rows in (
        explanation.paths, explanation.by_concept, explanation.by_category, explanation.predicted,
        explanation.unit_paths.searched, explanation.paths[0].units, paths, paths.paths, ablation,
        ablation.before,
    ):  # fmt: skip
        assert "<table" in shown(rows, "text/html")
    assert explanation.by_concept.frame()["present"].tolist() == [
        concept.present for concept in explanation.by_concept
    ]
    assert "units without a concept" in repr(explanation.by_concept)


def test_a_cell_fits_a_narrow_window(
    browser: Browser, explanation: ImageExplanation, tmp_path: Path
) -> None:
    file = tmp_path / "cell.html"
    html = shown(explanation, "text/html")
    file.write_text(f'<!doctype html><meta charset="utf-8">{html}', encoding="utf-8")
    for width in (420, 1000):
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.goto(file.as_uri())
        loaded = tab.evaluate("[...document.images].map(image => image.naturalWidth)")
        assert len(loaded) == 1
        assert all(loaded)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.close()


def test_the_page_of_an_explanation(explanation: ImageExplanation, tmp_path: Path) -> None:
    ablation = explanation.ablate(units=["block4/1"])
    document = explanation.to_html(tmp_path / "why.html", ablations=[ablation])
    assert (tmp_path / "why.html").read_text("utf-8") == document
    assert "Why class 1, not class 2?" in document
    assert "block4/1</bdi></b>, 1 unit" in document
    assert "block4/1</bdi></b>, 1 unit" not in explanation.to_html()


def test_ablating_at_an_explanation(explanation: ImageExplanation, run: Run) -> None:
    concept = explanation.by_concept[0]
    name = f"{concept.category}/{concept.name}"
    expected = ablate(
        run, explanation.image, concepts=[name], everywhere=True, blocks=explanation.blocks
    )
    assert explanation.ablate(name, everywhere=True) == expected
    assert f"{name} ablated: " in repr(expected)


def test_the_plot(explanation: ImageExplanation) -> None:
    figure = replace(explanation, class_name="$1").plot()
    photo, cam, concepts = figure.axes
    size = photograph(Path(explanation.image)).size
    for axes in (photo, cam):
        assert np.asarray(axes.images[0].get_array()).shape[:2] == size[::-1]
    bars = [bar.get_width() for bar in concepts.patches if isinstance(bar, Rectangle)]
    assert bars[::-1] == [concept.contribution for concept in explanation.by_concept[:-1][:8]]
    assert Image.open(BytesIO(shown(figure, "image/png"))).width == 960


def test_the_public_function_is_the_same(run: Run, image: Path) -> None:
    assert inspect.signature(conceptgraph.explain) == inspect.signature(explain_image)
    assert conceptgraph.explain.__doc__ == explain_image.__doc__
    network = open_network(run)
    explanation = conceptgraph.explain(network, image)
    assert explanation.network is network
    assert explanation.to_json() == explain_image(network, image).to_json()
