"""What all tests share: settings, real Neo4j servers, and a real browser."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import hypothesis
import pytest
import torch
from playwright.sync_api import sync_playwright

from tests.neo4j_contents import connect
from tests.neo4j_server import NEO4J_5, NEO4J_2026, Neo4jServer, Release, ServerError
from tests.page_samples import FLAGS
from tests.user_folder import Desk, made_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from conceptgraph.graph.stores.neo4j_store import Neo4jStore

torch.set_num_threads(1)  # small tensors: more threads only wait for one another
hypothesis.settings.register_profile("tests", deadline=None, max_examples=60)
hypothesis.settings.load_profile("tests")


def _running(release: Release) -> Iterator[Neo4jServer]:
    try:
        server = Neo4jServer(release)
    except ServerError as error:
        pytest.fail(str(error), pytrace=False)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def neo4j_5() -> Iterator[Neo4jServer]:
    """Neo4j 5.26, started when a test first asks for it."""
    yield from _running(NEO4J_5)


@pytest.fixture(scope="session")
def neo4j_2026() -> Iterator[Neo4jServer]:
    """Neo4j 2026.09, started when a test first asks for it."""
    yield from _running(NEO4J_2026)


@pytest.fixture(params=["neo4j_5", "neo4j_2026"])
def neo4j_server(request: pytest.FixtureRequest) -> Neo4jServer:
    """Each server line in turn, emptied."""
    server: Neo4jServer = request.getfixturevalue(request.param)
    server.clear()
    return server


@pytest.fixture
def store(neo4j_server: Neo4jServer) -> Iterator[Neo4jStore]:
    """A store on each of them."""
    with connect(neo4j_server) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "these tests need Chromium: install it, or name it in $CHROMIUM"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return made_in(tmp_path_factory.mktemp("desk"))
