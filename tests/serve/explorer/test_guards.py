"""What the explorer refuses: other hosts and sites, and names of what does not exist."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import pytest

from conceptgraph.serve.explorer.library import Library
from tests.explorer_server import exploring
from tests.serve.explorer.runs import explored_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.explorer_server import ExplorerServer

HOSTILE = (
    "../../../etc/passwd", "/etc/passwd", "..", "", "\0", "a" * 5000, "one.cg", "one/../two",
    "%2e%2e%2f", "<script>", "'; MATCH (n) DETACH DELETE n", "block4/999999999999999999999",
    "block4/-1", "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),
)  # fmt: skip
PARAMETERS = {
    "/": ("run",), "/class": ("run", "uid", "versus"), "/classes": ("run", "q", "page"),
    "/concept": ("run", "uid"), "/concepts": ("run", "q", "category", "order", "page"),
    "/unit": ("run", "uid"), "/units": ("run", "q", "block", "category", "show", "order", "page"),
    "/image": ("run", "uid"), "/picture": ("run", "unit", "rank"), "/search": ("run", "q"),
    "/search.json": ("run", "q"), "/audit": ("run", "audit", "class", "order", "q", "page"),
    "/audit-images": ("run", "audit", "truth", "group", "page"), "/ask": ("run",),
    "/evidence": ("run", "class", "block", "category", "order", "q", "page"),
    "/compare": ("run", "with"), "/cypher": ("run",), "/question": ("run", "name", "class", "top"),
    "/rows.csv": ("run", "name", "class", "top"), "/graph": ("run", "name", "class", "top"),
    "/audit-photograph": ("run", "file", "audit", "small"), "/examples": ("run", "uid"),
    "/example": ("run", "uid", "number"),
}  # fmt: skip
VALID = {
    "/class": {"uid": "road"}, "/concept": {"uid": "object/ball"}, "/unit": {"uid": "block4/1"},
    "/picture": {"unit": "block4/1", "rank": "0"}, "/compare": {"with": "two"},
    "/question": {"name": "class-paths", "class": "road"},
    "/rows.csv": {"name": "class-paths", "class": "road"},
    "/graph": {"name": "class-paths", "class": "road"},
    "/audit-photograph": {"audit": "a1", "file": "b.jpg"},
    "/examples": {"uid": "object/ball"}, "/example": {"uid": "object/ball", "number": "0"},
}  # fmt: skip


@pytest.mark.slow
def test_no_parameter_leads_out_or_breaks(explorer: ExplorerServer, runs: Path) -> None:
    """Whatever a parameter is, the answer is a page or a 404 that names no file of the machine."""
    for path, names in PARAMETERS.items():
        for name in names:
            for value in HOSTILE:
                query = {"run": "one", **VALID.get(path, {}), name: value}
                answer = explorer.get(path, **query)
                assert answer.status in {200, 404}, (path, query)
                assert b"root:" not in answer.content
                assert str(runs).encode() not in answer.content


@pytest.mark.slow
def test_files_are_no_addresses(explorer: ExplorerServer) -> None:
    for path in (
        "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/etc/passwd",
        "//etc/passwd", "/one.cg/manifest.json", "/static/", "/picture/../../x", "/%00", "/..;/",
    ):  # fmt: skip
        answer = explorer.request("GET", path)
        assert answer.status == 404
        assert b"No such page." in answer.content


@pytest.mark.slow
def test_other_hosts_and_sites(explorer: ExplorerServer) -> None:
    for host in ("evil.example", f"evil.example:{explorer.port}", ""):
        assert explorer.request("GET", "/", headers={"Host": host}).status == 421
    for path in ("/", "/search.json?q=a", "/picture?unit=block4/1&rank=0"):
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
        assert explorer.request("GET", path, headers=headers).status == 403
    answer = explorer.get("/", run="one")
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.slow
def test_another_host_needs_the_token(runs: Path) -> None:
    """It is given once in the address, then kept in a cookie; without it there is nothing."""
    with exploring(runs, "--host", "0.0.0.0") as server:
        assert "?token=" in server.url
        token = server.url.partition("?token=")[2]
        for path in ("/", "/static/page.css", "/?token=", "/?token=wrong", "/search.json?q=a"):
            assert server.request("GET", path).status == 403
        first = server.request("GET", f"/units?run=one&token={token}")
        assert (first.status, first.headers["location"]) == (303, "/units?run=one")
        cookie = first.headers["set-cookie"].partition(";")[0]
        assert "httponly" in first.headers["set-cookie"].lower()
        again = server.request("GET", "/units?run=one", headers={"Cookie": cookie, "Host": "a.b"})
        assert again.status == 200
        led = server.request("GET", f"//evil.example/?token={token}")
        assert led.headers["location"] == "/evil.example/"


@pytest.mark.slow
def test_a_run_that_is_replaced_or_removed(tmp_path: Path) -> None:
    """The next page is of the new run; of a removed one it is a 404, and the server goes on."""
    explored_run(tmp_path / "a.cg", words=False)
    explored_run(tmp_path / "b.cg", words=False)
    with exploring(tmp_path) as server:
        before = server.get("/units", run="a", show="named").text
        shutil.rmtree(tmp_path / "a.cg")
        assert server.get("/units", run="a").status == 404
        explored_run(tmp_path / "a.cg", seed=9, words=False)
        after = server.get("/units", run="a", show="named").text
        assert before != after
        (tmp_path / "b.cg" / "units.parquet").write_bytes(b"no table")
        (tmp_path / "b.cg" / "manifest.json").touch()
        answer = server.get("/", run="b")
        assert answer.status == 500
        assert "units.parquet" in answer.text
        assert server.get("/", run="a").status == 200


def test_a_kept_explanation_is_seen_without_waiting(tmp_path: Path) -> None:
    """Pages show the run as it was until it is open again; an ingest is never mixed with it."""
    explored_run(tmp_path / "one.cg")
    library = Library(tmp_path)
    before = library.open("one")
    folder = tmp_path / "one.cg" / "explanations"
    folder.mkdir()
    assert library.open("one") is before
    for _ in range(2000):
        if library.open("one") is not before:
            break
        time.sleep(0.01)
    else:
        pytest.fail("it was not opened again")
    again = library.open("one")
    explored_run(tmp_path / "new.cg", seed=9).path.rename(tmp_path / "other.cg")
    (tmp_path / "one.cg").rename(tmp_path / "old")
    (tmp_path / "other.cg").rename(tmp_path / "one.cg")
    assert library.open("one") not in {before, again}
