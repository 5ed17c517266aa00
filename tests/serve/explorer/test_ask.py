"""Questions and Cypher asked in the explorer, on the graph in memory."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from conceptgraph import open_run, open_store
from conceptgraph.queries.catalogue import QUESTIONS, make
from tests.explorer_server import json_of, open_tab

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.explorer_server import ExplorerServer

VALUES = {
    "class": "road", "other": "juggling", "concept": "object/ball", "unit": "block4/1",
    "target": "block4/1", "block": "block3",
}  # fmt: skip


def test_a_question_by_its_form(browser: Browser, explorer: ExplorerServer, runs: Path) -> None:
    """A name is completed, the rows are those of the store, drawn, and each name is a link."""
    tab = open_tab(browser, explorer)
    page = tab.go("/ask", run="one")
    page.get_by_role("link", name="Strongest paths to a class", exact=True).click()
    page.wait_for_load_state()
    page.locator(".question [name=class]").press_sequentially("roa")
    expect(page.locator("datalist#names-class option[label=road]")).to_have_count(1)
    page.locator(".question [name=class]").fill("road")
    page.get_by_role("button", name="Ask").click()
    store = open_store(open_run(runs / "one.cg"))
    rows = store.ask(make(store, "one", "class-paths", {"class": "road"}))
    assert page.locator(".answer tbody tr").count() == len(rows)
    expect(page.locator(".graph-picture a").first).to_be_visible()
    page.locator(".answer tbody a").first.click()
    expect(page.locator("h1")).to_contain_text(str(rows[0][1]))
    tab.close()


def test_a_concept_in_a_picture_says_in_which_block(explorer: ExplorerServer) -> None:
    picture = explorer.get("/graph", run="one", name="leaning-classes", concept="object/ball").text
    boxes = re.findall(
        r'<a href="/concept[^"]+uid=object%2Fball">.*?<text[^>]*>(.*?)</text>', picture
    )
    assert sorted(boxes) == ["ball", "block3 ball", "block4 ball"]


@pytest.mark.slow
def test_every_question_opens_and_is_asked(explorer: ExplorerServer, runs: Path) -> None:
    """Rows as JSON are the store's; a question that needs something says what."""
    store = open_store(open_run(runs / "one.cg"))
    for name, question in QUESTIONS.items():
        assert explorer.get("/question", run="one", name=name).status == 200
        given = {key: VALUES[key] for key in question.parameter_types() if key in VALUES}
        answer = explorer.get("/rows.json", run="one", name=name, **given)
        if answer.status == 200:
            rows = store.ask(make(store, "one", name, given))
            asked = json_of(answer)
            assert [list(row.values()) for row in asked] == json.loads(json.dumps(rows)), name
        else:
            assert question.section == "Saved explanations", (name, answer.text)
    answer = explorer.get("/rows.csv", run="one", name="classes")
    table = list(csv.reader(io.StringIO(answer.text)))
    assert table[0] == ["uid", "name"]
    assert len(table) == 1 + len(store.ask(make(store, "one", "classes", {})))


def test_cypher_with_a_picture_and_its_link(browser: Browser, explorer: ExplorerServer) -> None:
    tab = open_tab(browser, explorer)
    page = tab.go("/cypher", run="one")
    page.locator("#text").press("Control+Enter")
    expect(page.locator("#answer svg.graph-picture")).to_be_visible(timeout=30_000)
    page.locator("#text").fill("MATCH (u:Unit {run: $run}) RETURN u.uid AS uid LIMIT 3")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#answer tbody tr")).to_have_count(3)
    with page.expect_download() as download:
        page.locator("#csv").click()
    assert download.value.path().read_text().count("\n") == 4
    address = page.url
    other = open_tab(browser, explorer)
    other.page.goto(address)
    expect(other.page.locator("#text")).to_have_value(
        "MATCH (u:Unit {run: $run}) RETURN u.uid AS uid LIMIT 3"
    )
    page.locator("#text").fill("MATCH (n) DETACH DELETE n")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#problem")).to_contain_text("only")
    other.close()
    tab.page.close()  # the refusal is a message on the console
    assert all("400" in message for message in tab.messages)


@pytest.mark.slow
def test_cypher_that_is_refused(explorer: ExplorerServer, runs: Path) -> None:
    """What writes, reads files or runs too long is one line; nothing changes."""
    secret = runs / "secret.csv"
    secret.write_text("name\nsecret\n")
    for text in (
        "CREATE (n:Unit {uid: 'x'}) RETURN n", "MATCH (n) SET n.x = 1", "MATCH (n) DETACH DELETE n",
        f"LOAD CSV WITH HEADERS FROM 'file://{secret}' AS row RETURN row", "nonsense", "",
        "RETURN $missing", "x" * 30_000,
        "CALL apoc.load.json('http://127.0.0.1:1/')", "CALL db.info()",
    ):  # fmt: skip
        answer = explorer.post("/cypher", run="one", text=text)
        assert answer.status == 400, text
        assert "\n" not in json_of(answer)["error"]
        assert "secret" not in json_of(answer)["error"].replace("secret.csv", "")
    many = explorer.post("/cypher", run="one", text="UNWIND range(1, 20000) AS n RETURN n")
    assert "10,000 rows, 200 shown There are more" in re.sub(r"<[^>]+>|\.", "", many.text)
    answer = explorer.post("/cypher", run="one", text="MATCH (n:Unit) RETURN count(n) AS n")
    assert answer.status == 200
    for body in (b"[]", b"{", b"null", b"[" * 5000):
        headers = {"Origin": f"http://127.0.0.1:{explorer.port}",
                   "Content-Type": "application/json"}  # fmt: skip
        assert explorer.request("POST", "/cypher", body, headers).status == 400
    headers = {"Origin": "http://evil.example", "Content-Type": "application/json"}
    assert explorer.request("POST", "/cypher", b"{}", headers).status == 403
