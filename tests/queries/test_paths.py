"""The strongest paths against all paths."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conceptgraph.errors import QueryError
from conceptgraph.graph.run.reader import open_run
from conceptgraph.queries.best_paths import ScoredPath, strongest_paths
from conceptgraph.queries.paths import class_paths, class_to_ask
from tests.made_runs import CLASSES, random_run, small_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from conceptgraph.graph.run.reader import Run


def all_paths(
    matrices: Sequence[NDArray[np.float64]], target: int, count: int, sign: int
) -> list[ScoredPath]:
    """Score every path, one by one; return the best."""
    paths = []
    for indices in itertools.product(*(range(len(matrix)) for matrix in matrices)):
        ends = (*indices[1:], target)
        score = 1.0
        for matrix, i, j in zip(matrices, indices, ends, strict=True):
            score *= float(matrix[i, j])
        if sign * score > 0:
            paths.append(ScoredPath(score, indices))
    return sorted(paths, key=lambda path: (-sign * path.score, path.indices))[:count]


@st.composite
def nets(draw: st.DrawFn) -> list[NDArray[np.float64]]:
    """Draw one to four hops of either sign.

    The values are few and powers of two, so that ties are many and products exact.
    """
    values = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
    widths = draw(st.lists(st.integers(1, 5), min_size=2, max_size=5))
    return [
        draw(arrays(np.float64, shape, elements=values)) for shape in itertools.pairwise(widths)
    ]


@given(nets(), st.integers(1, 30), st.sampled_from([1, -1]))
def test_equals_all_paths_sorted(net: list[NDArray[np.float64]], count: int, sign: int) -> None:
    target = net[-1].shape[1] - 1
    assert strongest_paths(net, target, count, sign=sign) == all_paths(net, target, count, sign)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("seed", range(5))
def test_equals_all_paths_on_random_weights(seed: int, sign: int) -> None:
    rng = np.random.default_rng(seed)
    net = [rng.normal(size=shape) for shape in ((4, 5), (5, 6), (6, 5), (5, 3))]
    paths = strongest_paths(net, 1, 25, sign=sign)
    slow = all_paths(net, 1, 25, sign)
    assert [path.indices for path in paths] == [path.indices for path in slow]
    np.testing.assert_allclose([p.score for p in paths], [p.score for p in slow], rtol=1e-12)


def test_a_wide_net_of_equal_weights_does_not_explode() -> None:
    net = [np.ones((300, 300)) for _ in range(4)]
    paths = strongest_paths(net, 0, 3)
    assert [path.indices for path in paths] == [(0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 0, 2)]


def test_no_path_of_the_wanted_sign() -> None:
    net = [np.ones((3, 2)), np.ones((2, 1))]
    assert strongest_paths(net, 0, 5, sign=-1) == []
    assert len(strongest_paths(net, 0, 50)) == 6


def test_paths_of_the_small_run(tmp_path: Path) -> None:
    result = class_paths(small_run(tmp_path / "camvid.cg"), "juggling")
    expected = {
        "run": "camvid",
        "class": "juggling",
        "paths": [
            {
                "rank": 1,
                "score": 2 / 8 * 3 / 4,
                "units": ["block3/0", "block4/0"],
                "concepts": [
                    {"name": "polka dotted", "category": "texture", "iou": 0.2},
                    {"name": "juggling", "category": "action", "iou": 0.3},
                ],
            },
            {
                "rank": 2,
                "score": 1 / 8 * 3 / 4,
                "units": ["block3/1", "block4/0"],
                "concepts": [
                    {"name": "ball", "category": "object", "iou": 0.1},
                    {"name": "juggling", "category": "action", "iou": 0.3},
                ],
            },
            {
                "rank": 3,
                "score": 1 / 6 * 1 / 4,
                "units": ["block3/0", "block4/1"],
                "concepts": [{"name": "polka dotted", "category": "texture", "iou": 0.2}, None],
            },
        ],
    }
    assert json.loads(json.dumps(result.to_json())) == expected
    assert result.paths[0].shares == (2 / 8, 3 / 4)


def test_paths_against_a_class(tmp_path: Path) -> None:
    result = class_paths(small_run(tmp_path / "camvid.cg"), "juggling", sign=-1)
    assert [path.score for path in result.paths] == [pytest.approx(4 / 9 * -2 / 4)]
    assert [unit.uid for unit in result.paths[0].units] == ["block3/1", "block4/2"]
    assert result.paths[0].units[1].concept is None


WIDTHS = {"block1": 4, "block2": 5, "block3": 6, "block4": 7}


def slow_scores(run: Run, blocks: Sequence[str], target: int) -> list[tuple[float, list[str]]]:
    """Score all live paths from the files; return those with a positive score."""
    hops = [*itertools.pairwise(blocks), (blocks[-1], "class")]
    weights = [np.load(run.path / f"contributions_{a}_{b}.npy").astype(float) for a, b in hops]
    dead = set(run.units["uid"][run.units["status"] == "dead"])
    paths = []
    for indices in itertools.product(*(range(WIDTHS[block]) for block in blocks)):
        uids = [f"{block}/{index}" for block, index in zip(blocks, indices, strict=True)]
        score = 1.0
        for weight, i, j in zip(weights, indices, (*indices[1:], target), strict=True):
            total = sum(max(value, 0) for value in weight[:, j])
            score *= weight[i, j] / total if total > 0 else 0
        if score > 0 and not dead & set(uids):
            paths.append((score, uids))
    return sorted(paths, reverse=True)


@pytest.mark.parametrize("first", [1, 2, 3, 4])
def test_one_to_four_blocks(tmp_path: Path, first: int) -> None:
    run = random_run(tmp_path / "a.cg", WIDTHS, seed=first)
    assert (run.units["status"] == "dead").any()
    blocks = [f"block{number}" for number in range(first, 5)]
    result = class_paths(run, "road", blocks=blocks, top=8)
    slow = slow_scores(run, blocks, CLASSES.index("road"))[:8]
    assert [[unit.uid for unit in path.units] for path in result.paths] == [
        uids for _, uids in slow
    ]
    np.testing.assert_allclose([p.score for p in result.paths], [s for s, _ in slow], rtol=1e-6)
    for path in result.paths:
        assert path.score == pytest.approx(np.prod(path.shares))
        for unit in path.units:
            row = run.unit(unit.uid)
            named = bool(run.named[run.units["uid"] == unit.uid].all())
            assert (unit.concept is not None) == named
            assert unit.concept is None or unit.concept.name == row["label"]


def test_one_block_is_enough_for_a_run_of_one(tmp_path: Path) -> None:
    run = random_run(tmp_path / "a.cg", {"block4": 5})
    assert class_paths(run, "road").blocks == ("block4",)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "no such block; found none"),
        (["block5"], r"found block5; expected neighbouring blocks of block1, block2"),
        (["block2", "block4"], "blocks are not neighbours; found block2, block4"),
        (["block4", "block3"], "blocks are not neighbours; found block4, block3"),
        (["block4", "block4"], "blocks are not neighbours"),
        (["block2", "block3"], "from block3 to the classes in run a; expected blocks ending in"),
    ],
)
def test_blocks_that_are_no_chain_to_the_class(
    tmp_path: Path, blocks: list[str], message: str
) -> None:
    run = random_run(tmp_path / "a.cg", WIDTHS)
    with pytest.raises(QueryError, match=message):
        class_paths(run, "road", blocks=blocks)


def test_a_run_without_the_last_block(tmp_path: Path) -> None:
    run = random_run(tmp_path / "a.cg", {"block2": 3, "block3": 3})
    (run.path / "contributions_block3_class.npy").unlink()
    with pytest.raises(QueryError, match="Dissect the network's last block too"):
        class_paths(run, "road")


def test_names_that_do_not_exist(tmp_path: Path) -> None:
    run = small_run(tmp_path / "a.cg")
    with pytest.raises(QueryError, match=r"no class 'jugling'\. Did you mean 'juggling'"):
        class_paths(run, "jugling")
    with pytest.raises(QueryError, match="found 0; expected at least 1"):
        class_paths(run, "road", top=0)
    assert class_paths(run, "class/road").class_name == "road"


def test_the_class_to_ask_is_one_to_which_named_units_lead(tmp_path: Path) -> None:
    run = random_run(tmp_path / "net.cg", {"block3": 9, "block4": 12}, classes=list("abcde"))
    asked = class_to_ask(run)
    assert asked is not None
    weights = run.contributions("block4", "class")
    best: tuple[float, str] = 0.0, ""
    for column, name in enumerate("abcde"):
        total = sum(weight for weight in weights[:, column] if weight > 0)
        for index in range(12):
            row = run.units[run.units["uid"] == f"block4/{index}"].index[0]
            if run.named[row]:
                best = max(best, (float(weights[index, column] / total), name))
    assert asked == best[1]
    assert asked != "a"  # the first one, which would be no test


def test_no_class_to_ask_without_a_name_or_a_hop_to_classes(tmp_path: Path) -> None:
    run = small_run(tmp_path / "net.cg")
    assert class_to_ask(run) == "juggling"
    (run.path / "contributions_block4_class.npy").unlink()
    assert class_to_ask(open_run(run.path)) is None
    unnamed = small_run(tmp_path / "unnamed.cg")
    rows = unnamed.detections.assign(holds=False)
    rows.to_parquet(unnamed.path / "detections.parquet")
    assert class_to_ask(open_run(unnamed.path)) is None
