"""Explanations of images, by a run of a small network that was ingested for real."""

from __future__ import annotations

import gc
import weakref
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from conceptgraph.errors import ModelError, QueryError
from conceptgraph.explain.decomposition import decompose
from conceptgraph.explain.explain import explain
from conceptgraph.explain.network import open_network
from conceptgraph.graph.run.reader import Run
from conceptgraph.ingest.concept_data.images import open_image, to_array
from conceptgraph.ingest.network.forward import record_outputs
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_network, lively_run
from tests.random_networks import linear_head

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.explain.decomposition import Decomposition


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
    network = open_network(run, dtype=torch.float64)
    for index, name in enumerate(run.classes["name"]):
        explanation = explain(network, image, name, top=7)
        accounting = explanation.accounting
        assert accounting.paths + accounting.other_paths + accounting.biases == pytest.approx(
            accounting.total, abs=1e-9
        )
        assert accounting.total == pytest.approx(explanation.logit, abs=1e-9)
        shown = sum(path.contribution for path in explanation.paths)
        assert accounting.paths == pytest.approx(shown)
        bias = float(linear_head(network.network).bias[index])
        assert float(explanation.cam.mean()) + bias == pytest.approx(explanation.logit, abs=1e-5)
        all_paths = sum(c.present + c.firing + c.below for c in explanation.by_concept)
        assert all_paths == pytest.approx(accounting.paths + accounting.other_paths, abs=1e-9)
    assert sum(p.probability for p in explanation.predicted) == pytest.approx(1.0)


def test_the_class_activation_map_weighs_the_last_maps(run: Run, image: Path) -> None:
    network = open_network(run, dtype=torch.float64)
    explanation = explain(network, image, "class 1", versus="class 2")
    _, maps = network.forward(network.load_image(image), "block4")
    weight = linear_head(network.network).weight.double()
    weights = weight[1] - weight[2]
    expected = (weights[:, None, None] * maps[0]).sum(dim=0).numpy()
    np.testing.assert_allclose(explanation.cam, expected, rtol=1e-5, atol=1e-6)


def test_paths_are_the_strongest_of_all(run: Run, image: Path) -> None:
    network = open_network(run, dtype=torch.float64)
    explanation = explain(network, image, top=25, beam=10**6)
    sizes = [abs(path.contribution) for path in explanation.paths]
    assert sizes == sorted(sizes, reverse=True)
    assert [path.rank for path in explanation.paths] == list(range(1, 26))
    everything = explain(network, image, top=10**6, beam=10**6)
    assert sizes == [abs(path.contribution) for path in everything.paths[:25]]
    assert everything.accounting.other_paths == pytest.approx(0, abs=1e-9)
    assert explanation.class_name == explanation.predicted[0].name


def test_versus_explains_the_difference(run: Run, image: Path) -> None:
    network = open_network(run, dtype=torch.float64)
    first, second = run.classes["name"][:2]
    difference = explain(network, image, first, versus=second)
    logits = [explain(network, image, name).logit for name in (first, second)]
    assert difference.logit == pytest.approx(logits[0])
    assert difference.accounting.total == pytest.approx(logits[0] - logits[1])
    for concept in difference.by_concept[:-1]:
        assert concept.for_class is not None
        assert concept.against_other is not None
        total = concept.for_class + concept.against_other
        assert total == pytest.approx(concept.contribution)
    alone = explain(network, image, first).by_concept
    contributions = {(c.name, c.category): c.contribution for c in alone if c.name is not None}
    evidence_for = {
        (c.name, c.category): c.for_class for c in difference.by_concept if c.name is not None
    }
    assert evidence_for == pytest.approx(contributions)
    with pytest.raises(QueryError, match="compared with itself"):
        explain(network, image, first, versus=first)


def test_with_the_papers_edges_the_accounting_stays_exact(run: Run, image: Path) -> None:
    one_unit = explain(run, image, method="one-unit", top=5)
    exact = explain(run, image, top=5)
    assert one_unit.accounting.total == pytest.approx(exact.accounting.total, rel=1e-5)
    assert one_unit.accounting.biases == pytest.approx(exact.accounting.biases, rel=1e-5)
    assert [p.units for p in one_unit.paths] != [p.units for p in exact.paths]


def test_json_has_the_fixed_keys(run: Run, image: Path) -> None:
    answer = explain(run, image, top=3).to_json()
    assert set(answer) >= {
        "run", "image", "class", "versus", "logit", "probability", "predicted", "paths",
        "accounting", "by_concept",
    }  # fmt: skip
    paths = answer["paths"]
    assert isinstance(paths, list)
    assert set(paths[0]) == {"rank", "contribution", "measured", "units", "concepts"}
    assert isinstance(answer["accounting"], dict)
    assert list(answer["accounting"]) == ["paths", "other_paths", "biases", "total"]
    concepts = answer["by_concept"]
    assert isinstance(concepts, list)
    keys = ["name", "category", "contribution", "present", "firing", "below"]
    assert list(concepts[0])[:6] == keys


def test_a_concept_counts_where_its_probe_finds_it_or_else_where_its_units_fire(
    run: Run, image: Path
) -> None:
    network = open_network(run, dtype=torch.float64)
    explanation = explain(network, image, "class 1")
    shape = run.manifest["input"]
    pixels = to_array(open_image(image), shape["height"], shape["width"]) / 255.0
    batch = torch.from_numpy((pixels - shape["mean"]) / shape["std"]).permute(2, 0, 1)[None]
    with record_outputs({"a": network.stage("block3")}) as outputs:
        network.module(batch)
    downstream = network.downstream(("block3", "block4"))
    decomposition = decompose(downstream, outputs["a"], network.direction(1))
    expected = amounts_by_concept(run, decomposition)
    actual = {
        None if c.name is None else f"{c.category}/{c.name}": (c.present, c.firing, c.below)
        for c in explanation.by_concept
    }
    assert len(actual) > 3
    assert actual.keys() | {None} == expected.keys() | {None}
    for key, amounts in actual.items():
        assert amounts == pytest.approx(expected.get(key, (0, 0, 0)), abs=1e-6)
    probes = run.presence[run.presence["block"] == "block3"].set_index("concept")
    concepts = explanation.by_concept[:-1]
    assert all(c.contribution == c.present for c in concepts)
    with_probe = {f"{c.category}/{c.name}" for c in concepts if c.probe is not None}
    good = {uid for uid in probes.index if probes.at[uid, "usable"]}
    assert with_probe == good & actual.keys()
    assert 0 < len(with_probe) < len(concepts)
    assert explanation.by_concept[-1].contribution == 0
    assert sum(c.present for c in explanation.by_category) == pytest.approx(
        sum(c.present for c in concepts)
    )
    assert [c.category for c in explanation.by_category] == sorted(
        {c.category for c in concepts if c.category},
        key=lambda name: -abs(sum(c.present for c in concepts if c.category == name)),
    )


def amounts_by_concept(run: Run, decomposition: Decomposition) -> dict[str | None, list[float]]:
    """Present, firing, below of block3's concepts by uid, position by position."""
    maps = decomposition.maps[0]
    probes = run.presence[run.presence["block"] == "block3"].set_index("concept")
    weights = torch.tensor(run.probes("block3")).double()
    scores = torch.einsum("uyx,uc->cyx", maps, weights[:-1]) + weights[-1][:, None, None]
    column = {uid: i for i, uid in enumerate(run.concepts["uid"])}
    amounts: dict[str | None, list[float]] = {}
    detections = run.detections[run.detections["iou"] > run.min_iou]
    for unit, row in run.units[run.units["block"] == "block3"].set_index("index").iterrows():
        named = row["status"] == "ok" and row["iou"] > run.min_iou
        own = detections[detections["unit"] == row["uid"]] if named else detections[:0]
        ious = {str(c): float(iou) for c, iou in zip(own["concept"], own["iou"], strict=True)}
        shares: dict[str | None, float] = {c: i / sum(ious.values()) for c, i in ious.items()}
        for concept, share in (shares or {None: 1.0}).items():
            entry = amounts.setdefault(concept, [0.0, 0.0, 0.0])
            for y, x in product(range(maps.shape[1]), range(maps.shape[2])):
                fires = float(maps[unit, y, x]) > row["threshold"]
                present = False
                if concept is not None:
                    present = fires
                    if probes.at[concept, "usable"]:
                        score = float(scores[column[concept], y, x])
                        present = score >= probes.at[concept, "threshold"]
                kind = 0 if present else 1 if fires else 2
                entry[kind] += share * float(decomposition.by_position[unit, y, x])
    return amounts


def test_the_network_is_loaded_once_for_an_open_run(run: Run, image: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    save_file(lively_network().state_dict(), weights)
    model = {**run.manifest["model"], "weights": str(weights)}
    moved = Run(run.path, {**run.manifest, "model": model})  # type: ignore[typeddict-item]
    open_network(moved, trust_run=True)
    first = explain(moved, image, top=3)
    weights.unlink()
    assert explain(moved, image, top=3).to_json() == first.to_json()
    assert open_network(moved).module is open_network(moved).module
    for options in ({"trust_pickle": True}, {"dtype": torch.float64}, {"weights": str(weights)}):
        with pytest.raises(ModelError):  # with other options it is loaded anew
            open_network(moved, **options)
    with pytest.raises(ModelError, match="the weights that were dissected are missing"):
        explain(Run(moved.path, moved.manifest), image)


def test_a_network_is_freed_with_its_run(run: Run) -> None:
    again = Run(run.path, run.manifest)
    loaded = weakref.ref(open_network(again).module)
    assert loaded() is not None
    del again
    gc.collect()
    assert loaded() is None


def test_other_weights_than_those_dissected_are_refused(run: Run) -> None:
    model = {**run.manifest["model"], "digest": "0" * 64}
    changed = {**run.manifest, "model": model}
    with pytest.raises(ModelError, match=r"not the weights that were dissected.*expected 0000"):
        open_network(Run(run.path, changed), trust_run=True)  # type: ignore[arg-type]
