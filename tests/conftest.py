"""What all tests share: settings, real Neo4j servers, and a real browser."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import hypothesis
import pytest
import torch
from playwright.sync_api import expect, sync_playwright

from tests.neo4j_contents import connect
from tests.neo4j_server import NEO4J_5, NEO4J_2026, Neo4jServer, Release, ServerError
from tests.page_samples import FLAGS
from tests.user_folder import UserFolder, make_user_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from conceptgraph.graph.stores.neo4j_store import Neo4jStore

NEEDS_MORE = {"neo4j_5", "neo4j_2026", "neo4j_server", "neo4j", "store", "browser"}
"""Fixtures that start a server or a browser."""

os.environ.pop("COLUMNS", None)  # pytest-xdist sets it, and commands would fold their lines
torch.set_num_threads(1)  # tensors are small: more threads are slower
hypothesis.settings.register_profile("tests", deadline=None, max_examples=60)
hypothesis.settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what starts a server or a browser."""
    for item in items:
        if isinstance(item, pytest.Function) and NEEDS_MORE.intersection(item.fixturenames):
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def _trust_store_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the runs that the tests trust apart from those of who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("user data")))
        yield


def _started_server(release: Release) -> Iterator[Neo4jServer]:
    """Start a server, and stop it after the tests; fail plainly where that is impossible."""
    try:
        server = Neo4jServer(release)
    except ServerError as error:
        pytest.fail(str(error), pytrace=False)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def neo4j_5() -> Iterator[Neo4jServer]:
    """Start Neo4j 5.26 when a test first uses it."""
    yield from _started_server(NEO4J_5)


@pytest.fixture(scope="session")
def neo4j_2026() -> Iterator[Neo4jServer]:
    """Start Neo4j 2026.09 when a test first uses it."""
    yield from _started_server(NEO4J_2026)


@pytest.fixture(params=["neo4j_5", "neo4j_2026"])
def neo4j_server(request: pytest.FixtureRequest) -> Neo4jServer:
    """Empty each of the two servers in turn."""
    server: Neo4jServer = request.getfixturevalue(request.param)
    server.clear()
    return server


@pytest.fixture
def store(neo4j_server: Neo4jServer) -> Iterator[Neo4jStore]:
    """Connect to each of the two servers in turn, emptied."""
    with connect(neo4j_server) as neo4j_store:
        yield neo4j_store


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start headless Chromium."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "these tests need Chromium: install it, or set $CHROMIUM to its path"
    expect.set_options(timeout=30_000)  # 5 s are too few for a busy machine
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def user_folder(tmp_path_factory: pytest.TempPathFactory) -> UserFolder:
    """Make a user's folder with data, weights and a run, once for all tests."""
    return make_user_folder(tmp_path_factory.mktemp("user"))
