"""write_page: the page of any result, of the right run."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from conceptgraph.errors import QueryError
from conceptgraph.explain.ablation import ablate
from conceptgraph.explain.audit import audit
from conceptgraph.explain.explain import explain
from conceptgraph.explain.network import open_network
from conceptgraph.pages.report_page import Report
from conceptgraph.pages.write import render_page, write_page
from conceptgraph.queries.paths import class_paths
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_run
from tests.made_runs import small_run
from tests.page_samples import draw_thumbnails
from tests.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.explain.audit import Audit
    from conceptgraph.graph.run.reader import Run
    from conceptgraph.queries.paths import StrongestPaths


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_concept_data(tmp_path_factory.mktemp("data"), 8)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return lively_run(data, tmp_path_factory.mktemp("runs"))


def heading(document: str) -> str:
    (text,) = re.findall(r"<h1>(.*?)</h1>", document)
    return re.sub("<[^>]*>", "", text)


def test_each_result_has_its_page(run: Run, data: Path, tmp_path: Path) -> None:
    images = sorted((data / "images" / "drawn").glob("*.jpg"))
    name = str(run.classes["name"].iloc[1])
    network = open_network(run)
    explanation = explain(network, images[0], name, top=2)
    confusions = audit(network, images[0].parent, [(image.name, name) for image in images])
    results: dict[str, StrongestPaths | Audit | Report] = {
        f"Why {name}?": class_paths(run, name),
        f"Audit of {run.name}": confusions,
        f"Concepts of {run.name}": Report(class_name=name),
    }
    for title, result in results.items():
        write_page(run, result, tmp_path / "page.html")
        assert heading((tmp_path / "page.html").read_text("utf-8")) == title
    units = [explanation.paths[0].units[0].uid]
    ablation = ablate(network, images[0], units=units)
    write_page(run, explanation, str(tmp_path / "why.html"), ablations=[ablation])
    document = (tmp_path / "why.html").read_text("utf-8")
    assert heading(document) == f"Why {name}?"
    assert f"<b><bdi>{units[0]}</bdi></b>, 1 unit: the decision" in document


def test_a_result_of_another_run_is_refused(tmp_path: Path) -> None:
    run = small_run(tmp_path / "a.cg")
    paths = replace(class_paths(run, "juggling"), run="b")
    with pytest.raises(QueryError, match="of another run; found b; expected a"):
        write_page(run, paths, tmp_path / "a.html")
    with pytest.raises(QueryError, match="no page shows a str"):
        render_page(run, cast("Any", "juggling"))
    assert not (tmp_path / "a.html").exists()


def test_a_page_without_a_network_does_not_import_torch(tmp_path: Path) -> None:
    draw_thumbnails(small_run(tmp_path / "a.cg"))
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from conceptgraph import class_paths, open_run, write_page\n"
        "run = open_run(Path('a.cg'))\n"
        "write_page(run, class_paths(run, 'juggling'), 'a.html')\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Why juggling?" in (tmp_path / "a.html").read_text("utf-8")
