"""Labels verified in the explorer, and images of a concept, of a run that was ingested here."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.drawn_data import draw_concept_data
from tests.explorer_server import exploring, open_tab
from tests.lively_run import lively_run

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, which is trusted, and its concept data."""
    folder = tmp_path_factory.mktemp("lively")
    lively_run(draw_concept_data(folder / "concepts", 24), folder)
    return folder


def test_images_of_a_concept_and_its_labels_verified(browser: Browser, folder: Path) -> None:
    """From the concept's page to the question about one of its labels, answered by a key."""
    with exploring(folder) as server:
        tab = open_tab(browser, server)
        page = tab.go("/concept", uid="object/disc")
        images = page.locator("#examples ~ div img")
        expect(images.first).to_be_visible(timeout=20_000)
        assert images.evaluate_all("all => all.every(i => i.complete && i.naturalWidth)")
        page.get_by_role("link", name="Verify these labels").click()
        page.get_by_role("button", name="Start").click()
        page.wait_for_selector("#asking:not([hidden])", timeout=30_000)
        page.keyboard.press("y")
        expect(page.locator("#said")).to_contain_text("Saved: yes.")
        page.get_by_role("link", name="Back to the explorer").click()
        expect(page.get_by_role("link", name="Overview")).to_be_visible()
        tab.close()
        assert server.get("/verify/7/").status == 404
    with (folder / "concepts.verified.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["label"], row["verified"]) for row in rows] == [("disc", "yes")]


def test_a_photograph_only_of_a_run_that_is_trusted(folder: Path, tmp_path: Path) -> None:
    """A copy of somebody else's run names a folder of this machine: nothing is read from it."""
    manifest = folder / "lively.cg" / "manifest.json"
    with exploring(folder) as server:
        file = next(iter(csv.DictReader((folder / "concepts" / "index.csv").open())))["image"]
        answers = [server.get("/photograph", run="lively", image=f"data/{name}").status
                   for name in (file, "../index.csv", "/etc/passwd")]  # fmt: skip
        assert answers[1:] == [404, 404]
        manifest.write_text(manifest.read_text().replace("lively", "other"))
        for name in (file, "../index.csv"):
            assert server.get("/photograph", run="lively", image=f"data/{name}").status == 404
        assert "only of runs" in server.get("/examples", uid="object/disc").text
        assert "runs that you made" in server.get("/verify").text
