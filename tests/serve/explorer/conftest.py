"""One server for all tests of the explorer that do not change its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.explorer_server import ExplorerServer, exploring
from tests.serve.explorer.runs import explored_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="package")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of two runs of one network."""
    folder = tmp_path_factory.mktemp("runs")
    explored_run(folder / "one.cg")
    explored_run(folder / "two.cg", seed=4, words=False)
    return folder


@pytest.fixture(scope="package")
def explorer(runs: Path) -> Iterator[ExplorerServer]:
    """Serve both."""
    with exploring(runs) as server:
        yield server
