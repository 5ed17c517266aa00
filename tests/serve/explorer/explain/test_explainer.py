"""Answers of the explorer about photographs are those of `explain` and `ablate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from conceptgraph import ablate, explain, open_run
from conceptgraph.errors import QueryError
from conceptgraph.graph.run.explanations import saved_explanations
from conceptgraph.serve.explorer.explain.explainer import Explainer
from conceptgraph.serve.explorer.explain.photographs import Photographs
from conceptgraph.serve.explorer.explain.question import ImageQuestion
from tests.made_runs import random_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conceptgraph.graph.run.reader import Run
    from conceptgraph.serve.explorer.explain.explainer import Answer
    from tests.user_folder import UserFolder


@pytest.fixture(scope="module")
def run(user_folder: UserFolder) -> Iterator[Run]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(user_folder.folder)
        yield open_run("net.cg")


@pytest.fixture(scope="module")
def explainer(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explainer]:
    explainer = Explainer(run, Photographs(run, tmp_path_factory.mktemp("photographs")))
    yield explainer
    explainer.close()
    explainer.join(60)


@pytest.fixture(scope="module")
def question(explainer: Explainer) -> ImageQuestion:
    return ImageQuestion(explainer.photographs.add(Path("x.jpg").read_bytes()))


def answered(explainer: Explainer, question: ImageQuestion) -> Answer:
    explainer.check(question)
    job = explainer.ask(question)
    assert job.ended.wait(120)
    assert job.error is None
    assert job.answer is not None
    return job.answer


def test_the_answer_is_that_of_explain(
    explainer: Explainer, question: ImageQuestion, run: Run
) -> None:
    answer = answered(explainer, question)
    plain = explain(run, "x.jpg").to_json()
    assert {**answer.explanation.to_json(), "image": "x.jpg"} == plain
    job = explainer.ask(question)
    assert job.early == answer.explanation.predicted


def test_its_unit_paths_are_a_page_of_their_own(
    explainer: Explainer, question: ImageQuestion, run: Run
) -> None:
    plain = explain(run, "x.jpg")
    values: dict[str, Any] = explainer.unit_paths(question)
    assert [path.value for path in values["paths"]["listed"]] == [
        path.contribution for path in plain.paths
    ]
    assert [bar.value for bar in values["bars"]] == list(plain.accounting)


def test_ablations_are_those_of_ablate(
    explainer: Explainer, question: ImageQuestion, run: Run
) -> None:
    unit = run.units["uid"].iloc[-1]
    answer = answered(explainer, replace(question, units=(unit,), flip=True))
    (shown,) = answer.page.ablations[:1]
    plain = ablate(run, "x.jpg", units=[unit])
    assert [row[1:] for row in shown.rows] == [change[1:] for change in plain.changes]


def test_what_is_painted_over_is_a_photograph_of_its_own(
    explainer: Explainer, question: ImageQuestion
) -> None:
    asked = replace(question, region="4,4,30,30")
    answer = answered(explainer, asked)
    painted = replace(asked, image=explainer.paint_over(asked, "R"), region=None)
    changed = np.asarray(Image.open(explainer.photographs.file(painted.image)), int)
    before = np.asarray(Image.open("x.jpg").convert("RGB"), int)
    outside = np.ones(before.shape[:2], bool)
    outside[3:35, 3:35] = False
    assert (changed[outside] == before[outside]).all()
    assert (changed != before).any()
    again = answered(explainer, painted)
    chosen = answer.explanation.picture.chosen
    assert chosen is not None
    assert chosen.counterfactual is not None
    said = chosen.counterfactual.answer.probability
    assert again.explanation.predicted[0].probability == pytest.approx(said, abs=0.02)


def test_an_explanation_is_kept_on_request(
    explainer: Explainer, question: ImageQuestion, run: Run
) -> None:
    for file in (run.path / "explanations").glob("*"):  # of other tests of the same run
        file.unlink()
    answered(explainer, question)
    assert saved_explanations(run) == []
    explainer.keep(question)
    assert len(saved_explanations(run)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"image": "0" * 32},
        {"class_name": "no such class"},
        {"versus": "no such class"},
        {"region": "0,0,9000,9000"},
        {"ablate": ("no such concept",)},
        {"units": ("block9/1",)},
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(
    explainer: Explainer, question: ImageQuestion, changes: dict[str, object]
) -> None:
    with pytest.raises(QueryError):
        explainer.check(replace(question, **changes))  # type: ignore[arg-type]


def test_the_network_of_a_run_from_somebody_else_is_not_loaded_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights, which its manifest names, would be downloaded."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    run = random_run(tmp_path / "a.cg", {"block4": 4})
    explainer = Explainer(run, Photographs(run, tmp_path / "photographs"))
    explainer.close()
    explainer.join(60)
    assert not (tmp_path / "torch").exists()


def test_without_an_answer_nothing_is_painted_or_kept(
    explainer: Explainer, question: ImageQuestion
) -> None:
    unknown = ImageQuestion("0" * 32)
    with pytest.raises(QueryError, match="no such photograph"):
        explainer.paint_over(unknown, "1")
    with pytest.raises(QueryError, match="no such photograph"):
        explainer.keep(unknown)
    explainer.cancel(question)  # as if the run had been opened again: it is answered anew
    with pytest.raises(QueryError, match="painted over"):
        explainer.paint_over(question, "99")
