"""The explorer over a real Neo4j: the same pages, numbers and questions as from the folder."""

from __future__ import annotations

import asyncio
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import neo4j

from conceptgraph.graph.records import records
from conceptgraph.graph.stores.neo4j_errors import check_address
from conceptgraph.graph.stores.neo4j_store import Neo4jStore
from conceptgraph.serve.explorer.app import explorer_app
from conceptgraph.serve.explorer.library import Library
from tests.explorer_server import exploring, json_of, open_tab
from tests.neo4j_contents import connect
from tests.serve.explorer.runs import explored_run

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path

    from playwright.sync_api import Browser
    from starlette.types import ASGIApp

    from tests.neo4j_server import Neo4jServer

PAGES = (
    "/?run=one", "/units?run=one", "/unit?run=one&uid=block4/1", "/concepts?run=one",
    "/concept?run=one&uid=object/ball", "/classes?run=one",
    "/class?run=one&uid=road&versus=juggling",
    "/question?run=one&name=class-paths&class=road", "/ask?run=one", "/cypher?run=one",
    "/search?run=one&q=ball", "/compare?run=one", "/evidence?run=one", "/audit?run=one",
    "/verify?run=one",
)  # fmt: skip
WRITES = (
    "CREATE (n:Unit {uid: 'x'}) RETURN n",
    "MATCH (n:Unit) SET n.name = 'x' RETURN n",
    "MATCH (n) DETACH DELETE n",
    "MERGE (n:Unit {uid: 'x'}) RETURN n",
    "LOAD CSV FROM 'file:///etc/passwd' AS row RETURN row",
    "LOAD CSV FROM 'http://127.0.0.1:1/x' AS row RETURN row",
)


def test_the_same_pages_from_a_database(
    browser: Browser, neo4j_2026: Neo4jServer, tmp_path: Path
) -> None:
    """With the run's folder beside it there are pictures, without it none; answers are equal."""
    neo4j_2026.clear()
    run = explored_run(tmp_path / "one.cg", words=False)
    with connect(neo4j_2026) as store:
        store.load(records(run))
    user, password = neo4j_2026.auth or ("", "")
    access = {"NEO4J_USERNAME": user, "NEO4J_PASSWORD": password}
    words = ("--neo4j", neo4j_2026.uri)
    (tmp_path / "empty").mkdir()
    with (
        exploring(tmp_path) as folder,
        exploring(tmp_path, *words, env=access) as both,
        exploring(tmp_path / "empty", *words, env=access) as alone,
    ):
        for path in PAGES:
            assert alone.get(path).status == 200, path
            page = folder.get(path).text
            if "/cypher" not in path:
                assert _told(both.get(path).text) == _told(page), path
        unit = f"/unit?run=one&uid={run.top_images['unit'].iloc[0]}"
        assert "/picture?" in both.get(unit).text
        assert "/picture?" not in alone.get(unit).text
        query = "/rows.json?run=one&name=class-paths&class=road"
        assert json_of(alone.get(query)) == json_of(folder.get(query))
        for text in WRITES:
            assert alone.post("/cypher", run="one", text=text).status == 400, text
        counted = alone.post("/cypher", run="one", text="MATCH (n:Unit) RETURN count(n) AS n")
        assert f">{len(run.units)}<" in counted.text
        tab = open_tab(browser, alone)
        opened = tab.go("/cypher", run="one")
        opened.get_by_role("button", name="Run").click()
        opened.locator("#answer svg.graph-picture").wait_for()
        tab.close()


def test_a_database_that_went_away(tmp_path: Path) -> None:
    """Each page says so."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        uri = f"bolt://127.0.0.1:{free.getsockname()[1]}"
    driver = neo4j.GraphDatabase.driver(uri, max_transaction_retry_time=0.1)
    library = Library(tmp_path, Neo4jStore(driver, check_address(uri, None)))
    app = explorer_app(library)
    asked = (("/", b""), ("/", b"run=one"), ("/units", b"run=one"), ("/explain", b""))
    with ThreadPoolExecutor(1) as thread:  # without the loop that the browser's tests have
        for path, query in asked:
            answer = thread.submit(asyncio.run, _messages(app, path, query))
            start, body = answer.result()
            assert start["status"] == 500
            assert f"no Neo4j answers at {uri}: Connection refused" in body["body"].decode()
    library.close()


async def _messages(app: ASGIApp, path: str, query: bytes) -> list[MutableMapping[str, Any]]:
    """Ask an application without a server, and return what it sends."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query,
             "headers": [(b"host", b"localhost")]}  # fmt: skip
    await app(scope, receive, send)
    return sent


def _told(page: str) -> list[str]:
    """Return the text of a page's main part."""
    return re.sub(r"<[^>]+>", " ", page.partition("<main")[2]).split()
