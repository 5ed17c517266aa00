"""The page of `data verify`, in a real browser, worked by keys."""

from __future__ import annotations

import csv
import random
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from tests.drawn_data import draw_concept_data, write_broden
from tests.page_samples import NARROW
from tests.verify_server import SAID, open_verify_page, verifying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.verify_server import VerifyServer

WORDS = {"y": "yes", "n": "no", "s": ""}
HOSTILE = "<img src=x onerror=document.title='taken'>"
CONCEPTS = [word for name in ("red", "blue", "disc", "square", "striped") for word in
            ("--concept", name)]  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_concept_data(tmp_path_factory.mktemp("drawn") / "concepts", 160)


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Path:
    (tmp_path / "concepts").symlink_to(drawn)
    return tmp_path / "concepts"


@pytest.fixture
def server(folder: Path) -> Iterator[VerifyServer]:
    words = ("--worker", "ana", "--per-concept", 40, "--margin", 0.001)
    with verifying(folder, *words, *CONCEPTS) as running:
        yield running


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder.parent / "concepts.verified.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_two_hundred_labels_by_keys(browser: Browser, server: VerifyServer, folder: Path) -> None:
    """With an undo here and there, and reloads in the middle, nothing is lost."""
    page, rng = open_verify_page(browser, server.url), random.Random(3)
    given: dict[str, str] = {}
    undone = 0
    while label := page.label():
        key = rng.choice("yyyynns")
        page.press(key)
        assert label not in given
        given[label] = WORDS[key]
        if len(given) % 17 == 0:
            page.press("u")
            assert page.label() == label  # it is shown again
            del given[label]
            undone += 1
            page.press("n")
            given[label] = "no"
        if len(given) in {60, 61, 150}:
            page.tab.reload()
            page.wait()
            assert page.tab.inner_text("#overall").startswith(f"{len(given)} of 200 labels")
    assert (len(given), undone) == (200, 11)
    assert "there is nothing left to ask you" in page.tab.inner_text("#end")
    expected = Counter(given.values())
    written = rows(folder)
    assert Counter(row["verified"] for row in written) == expected
    assert {row["worker"] for row in written} == {"ana"}
    assert len({(row["category"], row["label"], row["image"]) for row in written}) == 200
    assert page.messages == []
    assert all(url.startswith((server.url, "data:")) for url in page.requests)
    done = server.stop()
    assert done.status == 0
    assert "200 answers in concepts.verified.csv, 200 of them given now." in done.out
    assert "Next: conceptgraph data verify concepts --apply OUT" in done.out
    page.tab.close()


def test_two_people_at_once(browser: Browser, server: VerifyServer, folder: Path) -> None:
    """They share the first round; in the second each is asked about what the other answered."""
    ana = open_verify_page(browser, f"{server.url}?concept=object%2Fdisc")
    bo = open_verify_page(browser, f"{server.url}?worker=bo&concept=object%2Fdisc")
    people = {"ana": ana, "bo": bo}
    shown: dict[str, set[str]] = {"ana": set(), "bo": set()}
    for _ in range(100):
        for name, page in people.items():
            if label := page.label():
                assert label not in shown[name]
                shown[name].add(label)
                # They agree but on every fifth.
                differs = int(label, 16) % 5 == 0 and name == "bo"
                page.press("n" if differs else "y")
                expect(page.tab.locator("#error")).to_be_empty()
    assert [page.label() for page in people.values()] == ["", ""]
    assert shown["ana"] == shown["bo"]
    assert len(shown["ana"]) == 40
    differ = sum(int(label, 16) % 5 == 0 for label in shown["ana"])
    assert 0 < differ < 40
    ana.tab.reload()
    ana.wait()
    agree = round(100 * (40 - differ) / 40)
    assert f"they agree in {agree} %" in ana.tab.inner_text("#overall")
    row = ana.tab.inner_text("#concepts button[aria-pressed=true]")
    assert f"{differ} disputed: another person is needed" in row
    end = ana.tab.inner_text("#next-step")
    assert f"{differ} labels are disputed (as many yes as no). Another person is needed" in end
    third = open_verify_page(browser, f"{server.url}?worker=cy&concept=object%2Fdisc")
    assert "round 3" in third.tab.inner_text("#round")  # only what they differ about
    for _ in range(differ):
        third.press("y")
    assert third.label() == ""
    assert Counter(row["worker"] for row in rows(folder)) == {"ana": 40, "bo": 40, "cy": differ}
    for page in (ana, bo, third):
        assert page.messages == []
        page.tab.close()


def test_buttons_focus_and_names(browser: Browser, server: VerifyServer, folder: Path) -> None:
    page = open_verify_page(browser, server.url)
    first = page.label()
    page.tab.focus("#worker")
    page.tab.keyboard.type("ny")  # a name, no answers
    assert page.tab.input_value("#worker") == "anany"
    page.tab.keyboard.press("Enter")
    page.tab.wait_for_url("**/?worker=anany")
    page.wait()
    assert server.state()["mine"] == 0
    page.tab.focus("#no")
    outline = page.tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.tab.keyboard.press("Shift+Tab")
    outline = page.tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    assert page.tab.evaluate("document.activeElement.id") == "yes"
    page.tab.evaluate("document.getElementById('said').textContent = ''")
    page.tab.keyboard.press("Enter")
    page.tab.wait_for_function(SAID)
    said = page.tab.inner_text("#said")
    assert said.startswith("Saved: yes. 1 of 40 answered. Is this ")
    assert page.tab.get_attribute("#said", "role") == "status"
    page.tab.locator("#undo").click()
    expect(page.tab.locator("#said")).to_contain_text("Undone.")
    page.press("u")
    assert page.tab.inner_text("#said").startswith("Nothing to undo.")
    assert rows(folder) == []
    assert first
    page.tab.locator("#concepts button", has_text="striped").click()
    expect(page.tab.locator("#question")).to_have_text("Is the tag striped right for this picture?")
    assert page.tab.is_hidden("#crop")
    page.tab.reload()
    page.wait()
    assert page.question() == "Is the tag striped right for this picture?"
    page.tab.keyboard.down("y")
    for _ in range(5):
        page.tab.keyboard.down("y")  # held: one answer
    page.tab.keyboard.up("y")
    page.tab.keyboard.press("Control+n")
    expect(page.tab.locator("#said")).to_contain_text("1 of 40 answered")
    assert len(rows(folder)) == 1
    page.tab.close()


def test_the_end_of_a_concept(browser: Browser, server: VerifyServer) -> None:
    """Enter, or the button, goes on with all; where an answer was clicked, too."""
    page = open_verify_page(browser, f"{server.url}?concept=object%2Fdisc")
    while page.label():
        page.press("y")
    assert "Ctrl-C" not in page.tab.inner_text("main")
    page.tab.focus("#no")
    page.tab.keyboard.press("Enter")
    page.tab.wait_for_selector("#asking:not([hidden])")
    assert "concept=" not in page.tab.url
    assert page.question() != "Is this disc?"
    assert page.tab.is_hidden("#go-on")
    page.tab.locator("#concepts button", has_text="disc").click()
    page.tab.locator("#go-on").click()
    page.tab.wait_for_selector("#asking:not([hidden])")
    assert server.state()["mine"] == 40
    assert page.messages == []
    page.tab.close()


def test_two_concepts_of_one_name(browser: Browser, tmp_path: Path) -> None:
    folder = write_broden(
        tmp_path / "concepts",
        [{"image": "a.jpg", "object": "1", "thing": "2"}, {"image": "b.jpg", "object": "3"}],
        [(1, "road", "object"), (2, "road", "thing"), (3, "sky", "object")],
        ["object", "thing"],
    )
    with verifying(folder) as server:
        page = open_verify_page(browser, server.url)
        kinds = page.tab.locator("#concepts .kind").all_inner_texts()
        assert kinds == ["object, labelled by people", "thing, labelled by people", ""]
        page.tab.close()


@pytest.mark.parametrize("size", [(1300, 900), NARROW])
def test_accessibility(browser: Browser, server: VerifyServer, size: tuple[int, int]) -> None:
    page = open_verify_page(browser, server.url, size)
    page.press("y")
    for scheme in ("light", "dark"):
        page.tab.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        found = Axe().run(page.tab).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
    wide = page.tab.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    page.tab.close()


def test_the_next_pictures_are_there_before(browser: Browser, server: VerifyServer) -> None:
    page = open_verify_page(browser, f"{server.url}?concept=object%2Fdisc")
    for _ in range(4):
        page.tab.wait_for_load_state("networkidle")
        page.requests.clear()
        page.press("y")
        label = page.label()
        assert f"{server.url}picture/{label}" not in page.requests  # it was loaded before
    page.tab.close()


def test_a_server_that_has_ended(browser: Browser, server: VerifyServer, folder: Path) -> None:
    page = open_verify_page(browser, server.url)
    page.press("y")
    server.program.kill()
    page.tab.keyboard.press("n")
    expect(page.tab.locator("#error")).to_contain_text("All answers so far are saved")
    assert [row["verified"] for row in rows(folder)] == ["yes"]
    with verifying(folder, "--worker", "ana", *CONCEPTS) as again:
        assert again.state()["mine"] == 1
    page.tab.close()


def test_hostile_names(browser: Browser, tmp_path: Path) -> None:
    category, image = "<b>x<", "a&<i>.jpg"
    folder = write_broden(
        tmp_path / "<s>concepts",
        [{"image": image, category: "1;2"}, {"image": "b.jpg", category: "1"}],
        [(1, HOSTILE, category), (2, "{{ 7 * 7 }}${alert(1)}", category)],
        [category],
    )
    with verifying(folder) as server:
        page = open_verify_page(browser, f"{server.url}?worker=cy")
        assert page.question() == f"Is the tag {HOSTILE} right for this picture?"
        page.press("y")
        page.press("n")
        assert page.question() == "Is the tag {{ 7 * 7 }}${alert(1)} right for this picture?"
        assert page.tab.title() == "Verify <s>concepts"
        assert page.tab.locator("main img").count() == 1
        assert page.tab.locator("main :is(b, i, s)").count() == 0
        assert page.messages == []
        page.tab.goto(f"{server.url}?worker={HOSTILE}&concept={HOSTILE}")
        expect(page.tab.locator("#error")).to_contain_text(
            "cannot be used; expected up to 60 letters"
        )
        assert page.tab.input_value("#worker") == HOSTILE
        assert page.tab.inner_text("h1") == "Verify labels"
        assert page.tab.locator("img").count() == 0
        page.tab.close()
    table = tmp_path / "<s>concepts.verified.csv"
    with table.open(encoding="utf-8", newline="") as file:
        assert {row["label"] for row in csv.DictReader(file)} == {HOSTILE}


def test_an_image_that_cannot_be_read(browser: Browser, drawn: Path, tmp_path: Path) -> None:
    """It is left out and named, whether it would be shown now or next."""
    folder = tmp_path / "concepts"
    shutil.copytree(drawn, folder)
    words = ("--worker", "ana", "--concept", "disc", "--per-concept", 6)
    with verifying(folder, *words) as server:
        state = server.state()
        names = [state["label"]["image"], state["following"]["image"]]
    for name in names:
        (folder / "images" / name).write_bytes(b"no image")
    with verifying(folder, *words) as server:
        page = open_verify_page(browser, server.url)
        for _ in range(4):
            page.press("y")
        assert page.label() == ""
        text = page.tab.inner_text("#overall")
        assert text.startswith("4 of 4 labels answered")
        assert f"Left out, cannot be read: {', '.join(sorted(names))}." in text
        done = server.stop()
        assert all(
            f"left out: {folder.name}/images/{name}: not an image" in done.out for name in names
        )
        page.tab.close()


def test_labels_that_change_while_they_are_asked_about(
    browser: Browser, drawn: Path, tmp_path: Path
) -> None:
    """No answer is saved for a region that was not shown, and nobody is stuck at a label."""
    folder = tmp_path / "concepts"
    shutil.copytree(drawn, folder)
    with verifying(folder, "--worker", "ana", "--concept", "square", "--per-concept", 6) as server:
        page = open_verify_page(browser, server.url)
        first = page.label()
        masks = sorted((folder / "images").rglob("*.png"))
        kept = {mask: mask.read_bytes() for mask in masks}
        for mask in masks:
            with Image.open(mask) as image:
                turned = image.transpose(Image.Transpose.ROTATE_180)
            turned.save(mask)
        for _ in range(2):
            page.tab.keyboard.press("y")
            expect(page.tab.locator("#error")).to_have_text(
                "the label is not as it was shown. Load the page again"
            )
        assert not (tmp_path / "concepts.verified.csv").exists()
        page.tab.reload()
        page.wait()
        assert page.label() == first
        page.press("y")
        assert len(rows(folder)) == 1
        for mask in kept:
            mask.unlink()
        while page.label():  # the pictures of the next one may have been drawn
            page.press("n")
            assert page.tab.inner_text("#said").startswith("Not saved: the label cannot be read")
        expect(page.tab.locator("#error")).to_be_empty()
        assert len(rows(folder)) == 1
        page.tab.close()
