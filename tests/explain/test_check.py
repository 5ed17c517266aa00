"""`conceptgraph check`: each line, and the runs that must fail it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.names import keep_concepts
from conceptgraph.demo.networks.shipped import SHIPPED, write_classes
from conceptgraph.demo.networks.small_resnet import FACTORY
from conceptgraph.demo.world.concept_data import write_concept_data
from conceptgraph.errors import RunError
from conceptgraph.explain.check import check_run
from conceptgraph.explain.check_images import SHARES, circuit_curves, correlation
from conceptgraph.explain.check_random import RandomMeasures, with_random_weights
from conceptgraph.explain.decomposition import Decomposition, Downstream, decompose
from conceptgraph.graph.run.check import read_check, write_check
from conceptgraph.graph.run.reader import Run, open_run
from conceptgraph.graph.uids import concept_uids
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.settings import Settings
from tests.command_line import call
from tests.explain.test_decomposition import run_network
from tests.random_networks import random_network

if TYPE_CHECKING:
    from pathlib import Path

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_concept_data(tmp_path_factory.mktemp("check") / "data", 300)


def dissect(data: Path, out: Path, weights: Path | str) -> Run:
    classes = write_classes(out.with_suffix(".txt"))
    return ingest(FACTORY, data, out, Settings(), weights=weights, classes=classes)


@pytest.fixture(scope="module")
def trained(data: Path) -> Run:
    return dissect(data, data.parent / "trained.cg", SHIPPED["shortcut"])


# On images


@pytest.fixture(scope="module")
def decomposed() -> tuple[Downstream, Decomposition]:
    logits, downstream, output = run_network(random_network("basic"), 2, torch.float64)
    direction = torch.zeros(len(logits), dtype=torch.float64)
    direction[int(logits.argmax())] = 1
    return downstream, decompose(downstream, output, direction)


def test_circuit_curves_are_those_of_plain_ablation(
    decomposed: tuple[Downstream, Decomposition],
) -> None:
    downstream, decomposition = decomposed
    maps = decomposition.maps[0]
    by_unit = decomposition.by_position.flatten(1).sum(dim=1)
    order = sorted(range(len(by_unit)), key=lambda unit: -abs(float(by_unit[unit])))

    def logit(units: list[int]) -> float:
        kept = torch.zeros_like(maps)
        for unit in units:
            kept[unit] = maps[unit]
        with torch.no_grad():
            return float(downstream.logits(kept.unsqueeze(0))[0] @ decomposition.direction)

    empty, whole = logit([]), logit(order)
    found = circuit_curves(downstream, decomposition, by_unit, torch.Generator().manual_seed(0))
    assert found is not None
    for place, share in enumerate(SHARES):
        count = round(share * len(order))
        kept = (logit(order[:count]) - empty) / (whole - empty)
        lost = (logit(order[count:]) - empty) / (whole - empty)
        assert found.kept[place] == pytest.approx(kept, abs=1e-9)
        assert found.lost[place] == pytest.approx(lost, abs=1e-9)
    assert (found.random[0], found.random[-1]) == (0, pytest.approx(1))


def test_a_logit_that_does_not_depend_on_the_block_has_no_curve(
    decomposed: tuple[Downstream, Decomposition],
) -> None:
    downstream, decomposition = decomposed
    nothing = replace(decomposition, direction=torch.zeros_like(decomposition.direction))
    units = torch.zeros(len(decomposition.maps[0]))
    assert circuit_curves(downstream, nothing, units, torch.Generator()) is None


def test_correlation_of_constants_is_none() -> None:
    assert correlation(np.ones(4), np.arange(4.0)) is None
    assert correlation(np.arange(4.0), 1 - np.arange(4.0)) == pytest.approx(-1)


# Random weights


@pytest.mark.parametrize("kind", ["basic", "bottleneck"])
def test_random_weights_are_others_and_follow_from_the_seed(kind: str) -> None:
    network = random_network(kind)
    network = replace(network, name="tests.random_networks:any")  # which code makes
    before = [parameter.clone() for parameter in network.module.parameters()]
    first, again, other = (with_random_weights(network, seed) for seed in (1, 1, 2))
    weights = [list(one.module.parameters()) for one in (first, again, other)]
    for old, now, same, else_ in zip(before, *weights, strict=True):
        assert torch.equal(now, same)
        if old.ndim > 1:
            assert not torch.equal(now, old)
            assert not torch.equal(now, else_)
    assert all(map(torch.equal, before, network.module.parameters()))


def test_a_network_of_a_known_name_is_built_anew() -> None:
    network = replace(random_network("basic"), name="resnet18", classes=("a", "b", "c"))
    module = with_random_weights(network).module
    assert module.get_parameter("fc.weight").shape == (3, 512)


@slow
def test_a_name_is_learnt_above_the_bound_of_its_block(trained: Run) -> None:
    units = trained.units
    uids = concept_uids(units["category"], units["label"])
    bound = float(units["iou"][trained.named].median())
    best = {"block4": pd.Series(bound, trained.concepts["uid"])}
    learnt = RandomMeasures(1, 1, (1, 1), best, 0, 0).learnt(trained)
    for row, uid in enumerate(uids):
        unit = units.iloc[row]
        expected = trained.named.iloc[row]
        if unit["block"] == "block4" and uid in best["block4"]:
            expected &= unit["iou"] > bound
        assert learnt.iloc[row] == expected


# The lines


@slow
def test_a_trained_network_passes(trained: Run) -> None:
    check = check_run(trained, sample=6, dissected=150)
    assert [line.name for line in check.lines] == [
        "sums", "effects", "names", "probes", "weights", "circuit", "named",
    ]  # fmt: skip
    assert check.failed == ()
    assert check.images == 6


@slow
def test_an_untrained_network_fails(data: Path) -> None:
    run = dissect(data, data.parent / "untrained.cg", "random")
    failed = check_run(run, sample=4, dissected=150).failed
    assert {"names", "weights", "named"} <= set(failed)


@slow
def test_names_of_two_concepts_cannot_be_tested(data: Path, trained: Run, tmp_path: Path) -> None:
    few = trained.detections[trained.detections["holds"]]["concept"].value_counts().index[:2]
    kept = keep_concepts(data, tmp_path / "data", set(few))
    run = dissect(kept, tmp_path / "two.cg", SHIPPED["shortcut"])
    assert "names" in check_run(run, sample=2, dissected=0).failed


@slow
def test_without_the_concept_data_one_line_is_not_measured(trained: Run, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    first = open_concept_data(trained.path.parent / "data").images[0].path
    (tmp_path / "photos" / first.name).write_bytes(first.read_bytes())
    check = check_run(trained, tmp_path / "photos", dissected=0)
    assert check.unmeasured == ("names", "weights", "named")
    assert check.images == 1


# The command


@slow
def test_the_command_keeps_the_check(trained: Run) -> None:
    folder = trained.path.parent
    words = ("check", "--run", trained.path.name, "--sample", "2", "--dissected", "0")
    done = call(*words, "--json", "--strict", folder=folder)
    assert done.status == 1, done.err
    kept = read_check(open_run(trained.path))
    assert kept is not None
    assert json.loads(done.out) == json.loads(json.dumps(kept.to_json()))
    call("report", "--run", trained.path.name, "-o", "report.html", folder=folder)
    assert "How far to believe this run" in (folder / "report.html").read_text("utf-8")
    whole = kept._replace(lines=tuple(line._replace(passed=True) for line in kept.lines))
    assert write_check(trained, whole)
    done = call(*words, folder=folder)
    assert "4 of 7 lines looked at, all hold; not measured: names, weights, named." in done.out
    assert "not kept: the run has a check in which all lines were measured" in done.err
    assert read_check(trained) == whole
    failing = kept._replace(lines=(kept.lines[0]._replace(passed=False),))
    assert failing.failed == ("sums",)
    write_check(trained, failing)
    assert read_check(trained) == failing
    (trained.path / "check.json").write_text('{"lines": 3}')
    with pytest.raises(RunError, match="not a check"):
        read_check(trained)
    (trained.path / "check.json").unlink()
