"""A run as one page: its figures, its pictures, and the table of its units, in a browser."""

from __future__ import annotations

import copy
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
import torch

from conceptgraph.errors import ModelError, QueryError
from conceptgraph.explain.class_activation import class_map
from conceptgraph.explain.network import open_network
from conceptgraph.graph.run.reader import Run, open_run
from conceptgraph.graph.run.trust import remember_run
from conceptgraph.graph.stores.memory import open_store
from conceptgraph.pages.figures import categories_by_block, concepts_by_units
from conceptgraph.pages.report_content import chosen_unit, class_weights
from conceptgraph.pages.report_page import Report
from conceptgraph.pages.write import write_page
from conceptgraph.queries.questions.block_concepts import BlockConceptRow
from conceptgraph.queries.questions.blocks import Blocks
from conceptgraph.queries.questions.categories_by_block import CategoryRow
from tests.command_line import call
from tests.drawn_data import draw_concept_data, write_untrained
from tests.made_runs import random_run, small_run
from tests.page_samples import NARROW, WIDE, draw_thumbnails, open_file
from tests.random_networks import linear_head

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EVIL = "<b>$x_1$ & 'y'</b>"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """Return runs of one untrained network at two quantiles, all of whose labels hold as names.

    (Of sixteen images and an untrained network hardly one does.)
    """
    folder = tmp_path_factory.mktemp("report")
    draw_concept_data(folder / "data", 16)
    weights, classes = write_untrained(folder / "data")
    for name, quantile in (("first", "0.05"), ("second", "0.2")):
        done = call(
            "ingest", "--model", "resnet18", "--weights", weights, "--classes", classes,
            "--data", folder / "data", "--blocks", "block3,block4", "--quantile", quantile,
            "--device", "cpu", "--image-size", "64", "--out", f"{name}.cg", folder=folder,
        )  # fmt: skip
        assert done.status == 0, done.err
        detections = open_run(folder / f"{name}.cg").detections.assign(holds=True)
        detections.to_parquet(folder / f"{name}.cg" / "detections.parquet")
    return open_run(folder / "first.cg"), open_run(folder / "second.cg")


def test_the_page_in_a_browser(runs: tuple[Run, Run], tmp_path: Path, browser: Browser) -> None:
    run, other = runs
    words = ["report", "--run", run.path, "--versus", other.path, "--class", "juggling"]
    done = call(*words, "-o", "report.html", folder=tmp_path)
    assert (done.status, done.err) == (0, "")
    for size in (WIDE, NARROW):
        opened = open_file(browser, tmp_path / "report.html", size, dark=size == NARROW)
        tab = opened.tab
        assert opened.cut_off() == []
        ink, paper = (
            tab.evaluate(f"getComputedStyle(document.querySelector('{place}')).{name}")
            for place, name in ((".figure svg text", "fill"), (".section", "backgroundColor"))
        )
        assert (brightness(ink) > brightness(paper)) is (size == NARROW)  # that one is dark
        assert tab.locator("figure img").count() > 5
        assert tab.locator(".change").count() == 12
        versus = tab.locator("section[aria-label^=Comparison]").inner_text()
        assert "quantile differs, so these are two measurements" in versus
        assert "quantile 0.05 0.2 yes" in " ".join(versus.split())
        assert tab.locator(".tree > li").count() == 5
        assert tab.locator("figure.cam img").count() == 1
        assert "class activation map of juggling" in tab.locator("figure.cam").inner_text()
        cells = tab.locator("section[aria-label=Blocks] tbody tr").all_inner_texts()
        for row, text in zip(open_store(run).ask(Blocks(run.name)), cells, strict=True):
            in_block = run.units["block"] == row.block
            above = (run.above_center_bias & in_block).sum()
            numbers = [
                row.units,
                row.interpretable,
                row.significant,
                above,
                row.named,
                row.concepts,
            ]
            assert text.split() == [row.block, *map(str, [*numbers, row.dead, row.sparse])]
        opened.close()


def brightness(colour: str) -> int:
    """Return the sum of the parts of a computed colour."""
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


def test_the_table_of_ten_thousand_units(tmp_path: Path, browser: Browser) -> None:
    concepts = [f"object/thing {i}" for i in range(60)] + [f"texture/{EVIL}"]
    run = random_run(tmp_path / "a.cg", {"block3": 4000, "block4": 6000}, concepts=concepts)
    draw_thumbnails(run)
    write_page(run, Report(), tmp_path / "a.html")
    opened = open_file(browser, tmp_path / "a.html")
    tab = opened.tab
    rows = tab.locator("#units tbody tr")
    assert rows.count() == 100
    assert tab.locator("#status").inner_text() == "10000 of 10000 units, 100 shown"
    best = run.units.sort_values("iou", ascending=False)["iou"].iloc[0]
    assert rows.first.locator("td").nth(2).inner_text() == f"{best:.3f}"
    started = time.perf_counter()
    tab.get_by_label("Search units").fill("block4 <B>$x_1$")
    matches = run.units["uid"].str.contains("block4") & (run.units["label"] == EVIL)
    assert tab.locator("#status").inner_text().startswith(f"{matches.sum()} of 10000")
    assert time.perf_counter() - started < 5
    assert set(tab.locator("#units .chip").all_inner_texts()) == {EVIL}
    tab.get_by_label("Search units").fill("")
    tab.locator("#units thead button").first.click()
    assert rows.first.locator("th").inner_text() == "block3/0"
    tab.locator("#units thead button").first.click()
    assert rows.first.locator("th").inner_text() == "block4/5999"
    tab.get_by_label("only significant labels").check()
    significant = run.detections[(run.detections["rank"] == 0) & run.detections["significant"]]
    assert tab.locator("#status").inner_text().startswith(f"{len(significant)} of")
    tab.get_by_role("button", name="Show more").click()
    assert rows.count() == 600
    opened.close()


CATEGORIES = ("object", "texture")
CONCEPTS = [
    BlockConceptRow(f"texture/{EVIL}", EVIL, "texture", 5, 0.2),
    *(BlockConceptRow(f"object/{i}", str(i), "object", 1, 0.1) for i in range(50)),
]


def test_figures_are_the_same_each_time_and_load_nothing() -> None:
    rows = [CategoryRow("block1", "texture", 5, 2, 1), CategoryRow("block2", "object", 50, 9, 50)]
    drawn, again = (
        (
            categories_by_block(rows, ("block1", "block2"), CATEGORIES),
            concepts_by_units(CONCEPTS, CATEGORIES, "block1"),
        )
        for _ in range(2)
    )
    assert drawn == again
    for text in drawn:
        assert not re.search("(?i)#(000000|ffffff)", text)  # the page's colours, light or dark
        ElementTree.fromstring(text)
        assert text.startswith("<svg")
        assert set(re.findall(r'(?:src|href)="([^#])', text)) == set()
        ids = re.findall(r'\bid="([^"]*)"', text)
        assert set(re.findall(r'(?:url\(|href=")#([^")]*)', text)) <= set(ids)
    texts = [text.strip() for text in ElementTree.fromstring(drawn[1]).itertext()]
    assert EVIL in texts
    assert "38" in texts
    assert "39" not in texts  # the first 40 are shown


def test_the_map_is_that_of_the_network(runs: tuple[Run, Run]) -> None:
    """It is that of the most probable image; its mean and the bias are the logit."""
    network = open_network(runs[0])
    folder = Path(str(runs[0].manifest["data"]["folder"]), "images")
    images = [folder / name for name in runs[0].top_images["image"].unique()[:9]]
    class_activation = class_map(network, "juggling", [*images, folder / "gone.png"])
    logits = torch.cat([network.module(network.load_image(image)) for image in images])
    index = list(runs[0].classes["name"]).index("juggling")
    best = int(logits.softmax(1)[:, index].argmax())
    assert class_activation.image == images[best]
    bias = float(linear_head(network.network).bias[index])
    assert float(class_activation.cam.mean()) + bias == pytest.approx(
        float(logits[best, index]), rel=1e-4
    )
    assert class_activation.predicted.probability == pytest.approx(
        float(logits[best].softmax(0).max())
    )
    with pytest.raises(QueryError, match=r"gone\.png: no such image"):
        class_map(network, "juggling", [folder / "gone.png"])
    with pytest.raises(QueryError, match="no image to explain"):
        class_map(network, "juggling", [])


def test_the_class_activation_map_of_an_image_of_the_users(
    runs: tuple[Run, Run], tmp_path: Path
) -> None:
    from PIL import Image

    Image.new("RGB", (300, 200), "teal").save(tmp_path / "teal.png")
    words = ("report", "--run", runs[0].path, "-o", "a.html", "--image")
    assert call(*words, "teal.png", folder=tmp_path).status == 0
    assert "teal.png: " in (tmp_path / "a.html").read_text()
    failed = call(*words, "gone.png", folder=tmp_path)
    assert failed.status == 1
    assert "no such image" in failed.err


def test_a_page_without_the_network(runs: tuple[Run, Run], tmp_path: Path) -> None:
    run = Run(runs[0].path, copy.deepcopy(runs[0].manifest))
    run.manifest["model"]["weights"] = "/gone/weights.pth"
    write_page(run, Report(), tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert "No class activation map" in page
    assert "the weights that were dissected are missing" in page
    run = Run(runs[0].path, copy.deepcopy(runs[0].manifest))
    run.manifest["data"]["folder"] = "/gone"
    remember_run(run, None)
    write_page(run, Report(), tmp_path / "b.html")
    assert "no such image" in (tmp_path / "b.html").read_text()
    run = Run(runs[0].path, runs[0].manifest)
    run.top_images = run.top_images.iloc[:0]
    write_page(run, Report(), tmp_path / "d.html")
    assert "no image to explain" in (tmp_path / "d.html").read_text()
    with pytest.raises(ModelError, match="no such file"):
        write_page(run, Report(weights="/gone/w.pth"), tmp_path / "c.html")
    assert not (tmp_path / "c.html").exists()


def test_what_is_not_there(runs: tuple[Run, Run], tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"block3/1 feeds no class directly.*block4"):
        write_page(runs[0], Report(unit="block3/1"), tmp_path / "a.html")
    with pytest.raises(QueryError, match="no unit 'block4/9999'"):
        write_page(runs[0], Report(unit="block4/9999"), tmp_path / "a.html")
    with pytest.raises(QueryError, match="Did you mean 'juggling'"):
        write_page(runs[0], Report(class_name="jugling"), tmp_path / "a.html")
    assert list(tmp_path.iterdir()) == []


def test_the_classes_of_a_unit(tmp_path: Path) -> None:
    run = small_run(tmp_path / "a.cg")
    assert class_weights(run, "block4/2") == [("road", 4.0), ("juggling", -2.0)]
    assert chosen_unit(run, None) == "block4/0"


def test_a_run_without_the_last_block(tmp_path: Path, browser: Browser) -> None:
    run = random_run(tmp_path / "a.cg", {"block1": 4, "block2": 5})
    for file in run.path.glob("contributions_block2_class*.npy"):
        file.unlink()
    (run.path / "top_images.parquet").write_bytes(_no_images(run))
    write_page(open_run(run.path), Report(), tmp_path / "a.html")
    opened = open_file(browser, tmp_path / "a.html")
    assert opened.tab.locator("section[aria-label='From a class to its units']").count() == 0
    opened.close()


def _no_images(run: Run) -> bytes:
    from io import BytesIO

    stream = BytesIO()
    run.top_images.iloc[:0].to_parquet(stream)
    return stream.getvalue()
