"""Exact accounting against finite differences, and explanations of a whole run."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
import torch

from conceptgraph.errors import ModelError, QueryError
from conceptgraph.explain.concept_attribution import POOR
from conceptgraph.explain.decomposition import account
from conceptgraph.explain.explain import explain
from conceptgraph.explain.network import open_network
from conceptgraph.graph.run.reader import Run
from conceptgraph.ingest.concept_data.images import open_image, to_array
from conceptgraph.ingest.network.forward import watching
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_concept_data(tmp_path_factory.mktemp("drawn"), 12)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return lively_run(data, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def image(data: Path) -> Path:
    return sorted((data / "images").rglob("*.jpg"))[0]


def test_an_explanation_adds_up_and_agrees_with_the_network(run: Run, image: Path) -> None:
    subject = open_network(run, dtype=torch.float64)
    for index, name in enumerate(run.classes["name"]):
        found = explain(subject, image, name, top=7)
        parts = found.accounting
        assert parts.paths + parts.other_paths + parts.biases == pytest.approx(
            parts.total, abs=1e-9
        )
        assert parts.total == pytest.approx(found.logit, abs=1e-9)
        assert parts.paths == pytest.approx(sum(path.contribution for path in found.paths))
        bias = subject.head.bias[index]
        assert float(found.cam.mean()) + float(bias) == pytest.approx(found.logit, abs=1e-5)
        everything = sum(share.present + share.firing + share.below for share in found.by_concept)
        assert everything == pytest.approx(parts.paths + parts.other_paths, abs=1e-9)
    assert sum(p.probability for p in found.predicted) == pytest.approx(1.0)


def test_paths_are_the_strongest_of_all(run: Run, image: Path) -> None:
    subject = open_network(run, dtype=torch.float64)
    found = explain(subject, image, top=25, beam=10**6)
    sizes = [abs(path.contribution) for path in found.paths]
    assert sizes == sorted(sizes, reverse=True)
    assert [path.rank for path in found.paths] == list(range(1, 26))
    every = explain(subject, image, top=10**6, beam=10**6)
    assert sizes == [abs(path.contribution) for path in every.paths[:25]]
    assert every.accounting.other_paths == pytest.approx(0, abs=1e-9)
    assert found.class_name == found.predicted[0].name


def test_versus_explains_the_difference(run: Run, image: Path) -> None:
    subject = open_network(run, dtype=torch.float64)
    one, other = run.classes["name"][:2]
    found = explain(subject, image, one, versus=other)
    logits = [explain(subject, image, name).logit for name in (one, other)]
    assert found.logit == pytest.approx(logits[0])
    assert found.accounting.total == pytest.approx(logits[0] - logits[1])
    for share in found.by_concept[:-1]:
        assert share.for_class is not None
        assert share.against_other is not None
        assert share.for_class + share.against_other == pytest.approx(share.contribution)
    alone = explain(subject, image, one).by_concept
    names = {(s.name, s.category): s.contribution for s in alone if s.name is not None}
    apart = {(s.name, s.category): s.for_class for s in found.by_concept if s.name is not None}
    assert apart == pytest.approx(names)
    with pytest.raises(QueryError, match="compared with itself"):
        explain(subject, image, one, versus=one)


def test_the_papers_edges_are_still_accounted_for(run: Run, image: Path) -> None:
    found = explain(run, image, method="one-unit", top=5)
    exact = explain(run, image, top=5)
    assert found.accounting.total == pytest.approx(exact.accounting.total, rel=1e-5)
    assert found.accounting.biases == pytest.approx(exact.accounting.biases, rel=1e-5)
    assert [p.units for p in found.paths] != [p.units for p in exact.paths]


def test_a_notebook_shows_tables(run: Run, image: Path) -> None:
    found = explain(run, image, top=3)
    html = dataclasses.replace(found, class_name="<b>")._repr_html_()
    assert html.count("<table>") == html.count("</table>") == 3
    assert "Why &lt;b&gt;?" in html
    for path in found.paths:
        assert f"{path.contribution:+.3f}" in html
        assert all(unit.uid in html for unit in path.units)


def test_json_has_the_fixed_keys(run: Run, image: Path) -> None:
    found = explain(run, image, top=3).to_json()
    assert set(found) >= {
        "run", "image", "class", "versus", "logit", "probability", "predicted", "paths",
        "accounting", "by_concept",
    }  # fmt: skip
    paths = found["paths"]
    assert isinstance(paths, list)
    assert set(paths[0]) == {"rank", "contribution", "measured", "units", "concepts"}
    assert isinstance(found["accounting"], dict)
    assert list(found["accounting"]) == ["paths", "other_paths", "biases", "total"]
    shares = found["by_concept"]
    assert isinstance(shares, list)
    keys = ["name", "category", "contribution", "present", "firing", "below"]
    assert list(shares[0])[:6] == keys


def test_a_concept_counts_where_its_probe_finds_it_or_else_where_its_units_fire(
    run: Run, image: Path
) -> None:
    subject = open_network(run, dtype=torch.float64)
    found = explain(subject, image, "class 1")
    shape = run.manifest["input"]
    pixels = to_array(open_image(image), shape["height"], shape["width"]) / 255.0
    batch = torch.from_numpy((pixels - shape["mean"]) / shape["std"]).permute(2, 0, 1)[None]
    with watching(subject.module, {"a": subject.module.get_submodule("layer3")}) as outputs:
        subject.module(batch)
    weights, bias = subject.head.weight[1].detach(), subject.head.bias[1].detach()
    ledger = account(subject.tail(("block3", "block4")), outputs["a"], weights, bias)
    probes = run.presence[run.presence["block"] == "block3"].set_index("concept")
    readings = torch.tensor(run.probes("block3")).double()
    readings = torch.einsum("uyx,uc->cyx", ledger.maps[0], readings[:-1])
    readings += torch.tensor(run.probes("block3")[-1]).double()[:, None, None]
    column = {uid: i for i, uid in enumerate(run.concepts["uid"])}
    expected: dict[str | None, list[float]] = {}
    detected = run.detections[run.detections["iou"] > run.min_iou]
    for unit, row in run.units[run.units["block"] == "block3"].set_index("index").iterrows():
        named = row["status"] == "ok" and row["iou"] > run.min_iou
        own = detected[detected["unit"] == row["uid"]] if named else detected[:0]
        ious = {str(c): float(iou) for c, iou in zip(own["concept"], own["iou"], strict=True)}
        divided: dict[str | None, float] = {c: i / sum(ious.values()) for c, i in ious.items()}
        for concept, division in (divided or {None: 1.0}).items():
            entry = expected.setdefault(concept, [0.0, 0.0, 0.0])
            for y, x in (
                (y, x) for y in range(readings.shape[1]) for x in range(readings.shape[2])
            ):
                fires = float(ledger.maps[0][unit, y, x]) > row["threshold"]
                there = False
                if concept is not None:
                    there = fires
                    if probes.at[concept, "f1"] >= POOR:
                        level = probes.at[concept, "threshold"]
                        there = float(readings[column[concept], y, x]) >= level
                place = 0 if there else 1 if fires else 2
                entry[place] += division * float(ledger.by_position[unit, y, x])
    mine = {
        None if s.name is None else f"{s.category}/{s.name}": (s.present, s.firing, s.below)
        for s in found.by_concept
    }
    assert len(mine) > 3
    assert mine.keys() | {None} == expected.keys() | {None}
    for key, parts in mine.items():
        assert parts == pytest.approx(expected.get(key, (0, 0, 0)), abs=1e-6)
    shares = found.by_concept[:-1]
    assert all(s.contribution == s.present for s in shares)
    believed = {f"{s.category}/{s.name}" for s in shares if s.probe is not None}
    assert believed == {uid for uid in probes.index if probes.at[uid, "f1"] >= POOR} & mine.keys()
    assert 0 < len(believed) < len(shares)
    assert found.by_concept[-1].contribution == 0
    assert sum(c.present for c in found.by_category) == pytest.approx(
        sum(s.present for s in shares)
    )
    assert [c.category for c in found.by_category] == sorted(
        {s.category for s in shares if s.category},
        key=lambda name: -abs(sum(s.present for s in shares if s.category == name)),
    )


def test_other_weights_than_those_dissected_are_refused(run: Run) -> None:
    changed = {**run.manifest, "model": {**run.manifest["model"], "digest": "0" * 64}}
    with pytest.raises(ModelError, match=r"not the weights that were dissected.*expected 0000"):
        open_network(Run(run.path, changed))  # type: ignore[arg-type]
