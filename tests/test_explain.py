"""Exact accounting against finite differences, and explanations of a whole run."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conceptgraph.graph.errors import ModelError, QueryError
from conceptgraph.graph.run import Run
from conceptgraph.ingest.affine import affine_copy, shifts
from conceptgraph.ingest.forward import watching
from conceptgraph.ingest.images import open_image, to_array
from conceptgraph.ingest.pipeline import Source, ingest
from conceptgraph.ingest.settings import Settings
from conceptgraph.queries.accounting import Ledger, Tail, account, search
from conceptgraph.queries.explain import explain, open_subject

from .drawn import draw_concept_data
from .networks import KINDS, OwnNetwork, random_network

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.ingest.networks import Network


def lively() -> nn.Module:
    """The network of the run below, as `module:factory` finds it again."""
    return random_network("basic", classes=4, seed=3).module


class Gated(OwnNetwork):
    """A last block that no accounting by paths and shifts can explain."""

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__(num_classes)
        self.layer3 = nn.Sequential(*self.layer3, nn.Sigmoid())


def tail_of(network: Network, dtype: torch.dtype) -> tuple[nn.Module, Tail]:
    module = affine_copy(network.module).to(dtype)
    stage = module.get_submodule(network.blocks[-1].replace("block", "layer"))
    fc = module.get_submodule("fc")
    assert isinstance(fc, nn.Linear)
    return module, Tail(stage, fc, shifts(stage))


def source_of(network: Network, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Logits of the plain network for a random image, and the output of its last block but one."""
    plain = affine_copy(network.module).to(dtype)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)).to(dtype)
    seen: list[Tensor] = []
    stage = plain.get_submodule(network.blocks[-2].replace("block", "layer"))
    handle = stage.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        logits = plain(image)[0]
    handle.remove()
    return logits, seen[0]


def accounted(network: Network, dtype: torch.dtype) -> tuple[Tensor, Tail, Ledger]:
    logits, source = source_of(network, dtype)
    _, tail = tail_of(network, dtype)
    assert tail.fc.bias is not None
    weights, bias = tail.fc.weight[1].detach(), tail.fc.bias[1].detach()
    return logits, tail, account(tail, source, weights, bias)


@pytest.mark.parametrize("kind", KINDS)
def test_paths_and_biases_are_the_logit(kind: str) -> None:
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        logits, tail, ledger = accounted(random_network(kind), dtype)
        size = max(1.0, float((ledger.weights * ledger.means).abs().sum()))
        every = search(tail, ledger, cover=1.0, batch=7)
        paths = float((ledger.weights[every.targets] @ every.steps).double().sum())
        assert abs(paths + ledger.biases - float(logits[1])) <= tolerance * size
        assert abs(ledger.total - float(logits[1])) <= tolerance * size
        by_position = float(ledger.by_position.double().sum())
        assert abs(by_position + ledger.biases - float(logits[1])) <= tolerance * size
        assert abs(ledger.biases) > 1e-3  # far from trivial


@pytest.mark.parametrize("kind", KINDS)
def test_each_path_is_what_a_small_change_of_its_unit_does(kind: str) -> None:
    _, tail, ledger = accounted(random_network(kind, seed=2), torch.float64)
    found = search(tail, ledger, cover=1.0)
    small = 1e-7
    for v in range(len(ledger.source)):
        moved = ledger.source.clone()
        moved[v] *= 1 + small
        with torch.no_grad():
            means = tail.stage(moved.unsqueeze(0)).mean((2, 3))[0]
        slope = (means - ledger.means) / small
        np.testing.assert_allclose(found.steps[:, v], slope[found.targets], atol=1e-5, rtol=1e-5)


def test_the_search_stops_when_the_asked_share_is_covered() -> None:
    _, tail, ledger = accounted(random_network("basic"), torch.float64)
    size = (ledger.weights * ledger.means).abs().numpy()
    every = search(tail, ledger, cover=1.0)
    assert sorted(every.targets.tolist()) == np.flatnonzero(size).tolist()
    for cover in (0.1, 0.5, 0.9):
        found = search(tail, ledger, cover=cover, batch=3)
        order = np.argsort(-size, kind="stable")
        needed = 1
        while size[order[:needed]].sum() < cover * size.sum():
            needed += 1
        assert found.targets.tolist() == order[:needed].tolist()
        assert found.share == pytest.approx(size[order[:needed]].sum() / size.sum())
        np.testing.assert_allclose(found.steps, every.steps[:needed], rtol=1e-9)


def test_a_block_that_is_not_piecewise_affine_is_refused() -> None:
    network = dataclasses.replace(random_network("factory"), module=Gated().eval())
    _, source = source_of(network, torch.float64)
    _, tail = tail_of(network, torch.float64)
    with pytest.raises(QueryError, match="does not add up"):
        account(tail, source, tail.fc.weight[0].detach() * 100, tail.fc.weight.new_zeros(()))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_concept_data(tmp_path_factory.mktemp("drawn"), 12)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    source = Source("tests.test_explain:lively", None, None, data)
    out = tmp_path_factory.mktemp("runs") / "lively.cg"
    return ingest(source, out, Settings(quantile=0.1, min_iou=0.01, top_images=1))


@pytest.fixture(scope="module")
def image(data: Path) -> Path:
    return sorted((data / "images").rglob("*.jpg"))[0]


def test_an_explanation_adds_up_and_agrees_with_the_network(run: Run, image: Path) -> None:
    subject = open_subject(run, dtype=torch.float64)
    for index, name in enumerate(run.classes["name"]):
        found = explain(subject, image, name, top=7)
        parts = found.accounting
        assert parts.paths + parts.other_paths + parts.biases == pytest.approx(
            parts.total, abs=1e-9
        )
        assert parts.total == pytest.approx(found.logit, abs=1e-9)
        assert parts.paths == pytest.approx(sum(path.contribution for path in found.paths))
        bias = subject.tail.fc.bias[index] if subject.tail.fc.bias is not None else 0.0
        assert float(found.cam.mean()) + float(bias) == pytest.approx(found.logit, abs=1e-5)
        everything = sum(share.present + share.firing + share.below for share in found.by_concept)
        assert everything == pytest.approx(parts.paths + parts.other_paths, abs=1e-9)
    assert sum(p.probability for p in found.predicted) == pytest.approx(1.0)


def test_paths_are_the_strongest_of_all(run: Run, image: Path) -> None:
    subject = open_subject(run, dtype=torch.float64)
    found = explain(subject, image, top=25, cover=1.0)
    sizes = [abs(path.contribution) for path in found.paths]
    assert sizes == sorted(sizes, reverse=True)
    assert [path.rank for path in found.paths] == list(range(1, 26))
    every = explain(subject, image, top=10**6, cover=1.0)
    assert sizes == [abs(path.contribution) for path in every.paths[:25]]
    assert every.accounting.other_paths == pytest.approx(0, abs=1e-9)
    assert found.class_name == found.predicted[0].name


def test_versus_explains_the_difference(run: Run, image: Path) -> None:
    subject = open_subject(run, dtype=torch.float64)
    one, other = run.classes["name"][:2]
    found = explain(subject, image, one, versus=other)
    logits = [explain(subject, image, name).logit for name in (one, other)]
    assert found.logit == pytest.approx(logits[0])
    assert found.accounting.total == pytest.approx(logits[0] - logits[1])
    with pytest.raises(QueryError, match="compared with itself"):
        explain(subject, image, one, versus=one)


def test_the_papers_edges_are_still_accounted_for(run: Run, image: Path) -> None:
    found = explain(run, image, method="one-unit", top=5)
    exact = explain(run, image, top=5)
    assert found.accounting.total == pytest.approx(exact.accounting.total, rel=1e-5)
    assert found.accounting.biases == pytest.approx(exact.accounting.biases, rel=1e-5)
    assert [p.units for p in found.paths] != [p.units for p in exact.paths]


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
    assert list(shares[0]) == keys


def test_a_unit_speaks_for_its_concept_only_where_it_exceeds_its_threshold(
    run: Run, image: Path
) -> None:
    subject = open_subject(run, dtype=torch.float64)
    found = explain(subject, image, "class 1")
    shape = run.manifest["input"]
    pixels = to_array(open_image(image), shape["height"], shape["width"]) / 255.0
    batch = torch.from_numpy((pixels - shape["mean"]) / shape["std"]).permute(2, 0, 1)[None]
    with watching(subject.module, {"a": subject.module.get_submodule("layer3")}) as outputs:
        subject.module(batch)
    weights, bias = subject.tail.fc.weight[1].detach(), subject.tail.fc.bias[1].detach()
    ledger = account(subject.tail, outputs["a"], weights, bias)
    expected: dict[str | None, list[float]] = {}
    for unit, row in run.units[run.units["block"] == "block3"].set_index("index").iterrows():
        label = f"{row['category']}/{row['label']}"
        named = row["status"] == "ok" and row["iou"] > run.min_iou
        entry = expected.setdefault(label if named else None, [0.0, 0.0])
        values, parts = ledger.source[unit].flatten(), ledger.by_position[unit].flatten()
        for value, part in zip(values.tolist(), parts.tolist(), strict=True):
            entry[0 if value > row["threshold"] else 1] += part
    mine = {
        None if s.name is None else f"{s.category}/{s.name}": (s.present + s.firing, s.below)
        for s in found.by_concept
    }
    assert mine.keys() == expected.keys()
    for key, (above, below) in mine.items():
        assert (above, below) == pytest.approx(expected[key], abs=1e-6)
    assert all(s.contribution == s.present and s.firing == 0 for s in found.by_concept[:-1])
    assert found.by_concept[-1].contribution == 0


def test_other_weights_than_those_dissected_are_refused(run: Run) -> None:
    changed = {**run.manifest, "model": {**run.manifest["model"], "digest": "0" * 64}}
    with pytest.raises(ModelError, match=r"not the weights that were dissected.*expected 0000"):
        open_subject(Run(run.path, changed))  # type: ignore[arg-type]
