"""Records and the networkx store: what a run says is what its graph says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conceptgraph.errors import RunError, StoreError
from conceptgraph.graph.elements import Edge, Node
from conceptgraph.graph.pruning import incoming_shares, prune
from conceptgraph.graph.records import Records, records
from conceptgraph.graph.schema import NODES, RELATIONSHIPS, block_number, category_label
from conceptgraph.graph.stores.memory import MemoryStore
from tests.hand_made_graph import RUN, hand_made
from tests.made_runs import random_run, small_run

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from conceptgraph.graph.elements import Value
    from conceptgraph.graph.schema import Properties


class SlowEdge(NamedTuple):
    source: int
    target: int
    weight: float
    pre: float
    share: float
    rank: int


def slow_prune(
    weight: NDArray[np.float32], pre: NDArray[np.float32], count: int, dead: set[int]
) -> list[SlowEdge]:
    """Target by target, source by source."""
    kept = []
    for target in range(weight.shape[1]):
        total = sum(max(float(weight[source, target]), 0) for source in range(len(weight)))
        live = [source for source in range(len(weight)) if source not in dead]
        for_it = sorted((-weight[source, target], source) for source in live)
        contributors = [source for value, source in for_it if value < 0][:count]
        against = sorted((pre[s, target], s) for s in live if s not in contributors)
        inhibitors = [source for value, source in against if value < 0][:count]
        for group in (contributors, inhibitors):
            for rank, source in enumerate(group):
                w, p = float(weight[source, target]), float(pre[source, target])
                share = w / total if total > 0 else 0.0
                kept.append(SlowEdge(source, target, w, p, share, rank))
    return sorted(kept)


# Few distinct values, so that ties are common.
_VALUES = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])
_PAIRS = st.tuples(st.integers(1, 6), st.integers(1, 4)).flatmap(
    lambda shape: st.tuples(
        arrays(np.float32, shape, elements=_VALUES), arrays(np.float32, shape, elements=_VALUES)
    )
)


@given(_PAIRS, st.integers(1, 7), st.sets(st.integers(0, 5)))
def test_pruning_equals_a_slow_loop(
    pair: tuple[NDArray[np.float32], NDArray[np.float32]], count: int, dead: set[int]
) -> None:
    weight, pre = pair
    live = np.array([source not in dead for source in range(len(weight))])
    alive = np.ones(weight.shape[1], dtype=np.bool_)
    kept = prune(weight, pre, count, live_sources=live, live_targets=alive)
    columns = (column.tolist() for column in kept)
    fast = sorted(SlowEdge(*row) for row in zip(*columns, strict=True))
    assert fast == slow_prune(weight, pre, count, dead)


def test_dead_targets_keep_no_edge() -> None:
    weight = np.ones((2, 2), dtype=np.float32)
    alive = np.array([True, True])
    kept = prune(weight, -weight, 2, live_sources=alive, live_targets=np.array([True, False]))
    assert set(kept.target.tolist()) == {0}


def test_shares_of_a_target_without_contributors_are_zero() -> None:
    weight = np.array([[1, -1], [3, 0], [-4, -2]], dtype=np.float32)
    np.testing.assert_array_equal(incoming_shares(weight), [[0.25, 0], [0.75, 0], [-1, 0]])


def _node(found: Records, uid: str) -> Node:
    return next(node for node in found.nodes if node.uid == uid)


def _edge(found: Records, source: str, target: str) -> Edge:
    return next(e for e in found.edges if (e.source, e.target) == (source, target))


def test_nodes_of_the_small_run(tmp_path: Path) -> None:
    found = records(small_run(tmp_path / "camvid.cg"))
    assert found.run == "camvid"
    run = found.nodes[0]
    assert (run.labels, run.properties["model"]) == (("Run",), "resnet18")
    assert run.properties["settings"] == '{"quantile": 0.995}'
    best = _node(found, "camvid/block4/0")
    assert best.labels == ("Unit", "Block4")
    assert best.properties == {
        "name": "0 juggling",
        "block": 4,
        "index": 0,
        "label": "juggling",
        "category": "action",
        "iou": 0.3,
        "threshold": 2.0,
        "status": "ok",
        "interpretable": True,
        "images": ["a.jpg", "b.jpg"],
        "activations": [4.0, 3.0],
        "thumbnails": ["thumbnails/a.jpg", "thumbnails/b.jpg"],
    }
    dead = {"name": "2", "block": 3, "index": 2, "threshold": 0.0, "status": "dead"}
    assert _node(found, "camvid/block3/2").properties == {**dead, "interpretable": False}
    names = [_node(found, f"camvid/block4/{i}").properties["name"] for i in (1, 2)]
    assert names == ["1", "2"]
    action = _node(found, "action/juggling")
    assert action.labels == ("Concept", "Action")
    assert action.properties == {"name": "juggling", "category": "action"}
    assert _node(found, "camvid/class/juggling").labels == ("Class",)


def test_edges_of_the_small_run(tmp_path: Path) -> None:
    found = records(small_run(tmp_path / "camvid.cg"))
    step = _edge(found, "camvid/block3/0", "camvid/block4/0")
    assert step == Edge(
        "CONTRIBUTES", step.source, step.target, {"weight": 2, "pre": 2, "share": 0.25, "rank": 0}
    )
    against = _edge(found, "camvid/block4/2", "camvid/class/juggling").properties
    assert against == {"weight": -2, "pre": -2, "share": -0.5, "rank": 0}
    hidden = _edge(found, "camvid/block3/1", "camvid/block4/1").properties
    assert hidden == {"weight": 0, "pre": -3, "share": 0, "rank": 0}
    detects = _edge(found, "camvid/block4/0", "action/juggling").properties
    assert (detects["iou"], detects["truth"]) == (0.3, 500)
    concept = _edge(found, "camvid", "object/ball").properties
    assert concept == {"images": 10, "pixels": 500, "center_bias": 0.15}
    assert not any("block3/2" in edge.source for edge in found.edges)


@pytest.mark.parametrize(("count", "kept"), [(1, 2 + 1 + 4 + 3 + 4), (32, 33 - 15)])
def test_share_left_out(tmp_path: Path, count: int, kept: int) -> None:
    """33 of positive weight in all, of which the dead unit's 15 are never kept."""
    found = records(small_run(tmp_path / "camvid.cg"), edges_per_target=count)
    assert found.nodes[0].properties["share_left_out"] == pytest.approx(1 - kept / 33)


def test_no_edges_at_all_is_refused(tmp_path: Path) -> None:
    run = small_run(tmp_path / "camvid.cg")
    with pytest.raises(RunError, match="found 0; expected at least 1"):
        records(run, edges_per_target=0)


def test_all_records_fit_the_schema(tmp_path: Path) -> None:
    run = random_run(tmp_path / "a.cg", {"block2": 7, "block3": 9, "block4": 8}, seed=1)
    found = records(run, edges_per_target=3)
    labels = {node.uid: node.labels for node in found.nodes}
    assert len(labels) == len(found.nodes)
    for node in found.nodes:
        _check_types(node.properties, NODES[node.labels[0]])
    for edge in found.edges:
        kind = RELATIONSHIPS[edge.type]
        assert labels[edge.source][0] == kind.source
        assert labels[edge.target][0] in kind.targets
        _check_types(edge.properties, kind.properties)
    ends = [(edge.source, edge.target) for edge in found.edges]
    assert len(set(ends)) == len(ends)


def _check_types(properties: dict[str, Value], types: Properties) -> None:
    python = {"string": str, "long": int, "double": float, "boolean": bool}
    for name, value in properties.items():
        kind = types[name]
        if kind.endswith("[]"):
            assert isinstance(value, list)
            assert {type(item) for item in value} == {python[kind[:-2]]}
        else:
            assert type(value) is python[kind]


def test_the_store_gives_back_the_run(tmp_path: Path) -> None:
    run = random_run(tmp_path / "a.cg", {"block3": 9, "block4": 8}, seed=2)
    store = MemoryStore()
    store.load(records(run))
    stored = {
        (unit.removeprefix("a/"), concept): edge["iou"]
        for unit, concept, edge in store.graph.edges(data=True)
        if edge["type"] == "DETECTS"
    }
    table = run.detections
    columns = (table[name] for name in ("unit", "concept", "iou"))
    assert stored == {(unit, concept): iou for unit, concept, iou in zip(*columns, strict=True)}
    weight = np.asarray(run.contributions("block3", "block4"))
    for source, target, edge in store.graph.edges(data=True):
        if edge["type"] == "CONTRIBUTES" and "/block4/" in target:
            i, j = int(source.split("/")[-1]), int(target.split("/")[-1])
            assert edge["weight"] == weight[i, j]
    units = [node for node in store.graph.nodes.values() if "Unit" in node["labels"]]
    assert [node["status"] for node in units] == run.units["status"].tolist()


def test_loading_twice_changes_nothing(tmp_path: Path) -> None:
    found = records(small_run(tmp_path / "a.cg"))
    store = MemoryStore()
    store.load(found)
    before = _content(store)
    (tmp_path / "again").mkdir()
    store.load(records(small_run(tmp_path / "again" / "a.cg")))
    assert _content(store) == before


def _content(store: MemoryStore) -> tuple[list[str], list[str]]:
    nodes, edges = store.graph.nodes(data=True), store.graph.edges(data=True)
    return sorted(map(str, nodes)), sorted(map(str, edges))


def test_several_runs_share_concepts_and_leave_apart(tmp_path: Path) -> None:
    store = MemoryStore()
    store.load(records(small_run(tmp_path / "b.cg")))
    more = ("object/ball", "scene/park")
    store.load(records(random_run(tmp_path / "a.cg", {"block4": 4}, concepts=more)))
    assert [run.uid for run in store.runs()] == ["a", "b"]
    assert store.runs()[1].model == "resnet18"
    assert store.runs()[1].share_left_out == pytest.approx(15 / 33)
    assert set(store.graph.pred["object/ball"]) >= {"a", "b"}
    store.unload("b")
    assert [run.uid for run in store.runs()] == ["a"]
    assert "scene/park" in store.graph
    assert "texture/polka dotted" not in store.graph
    assert not any(uid.startswith("b/") for uid in store.graph)
    store.unload("a")
    assert len(store.graph) == 0
    with pytest.raises(StoreError, match=r"no run 'a' in the store.*load a run first"):
        store.unload("a")


def test_unloading_takes_the_images_that_nobody_else_explains() -> None:
    store = MemoryStore()
    store.load(hand_made())
    store.unload(RUN)
    assert not store.graph


def test_unloading_a_run_named_like_a_category_spares_the_concepts(tmp_path: Path) -> None:
    store = MemoryStore()
    store.load(records(small_run(tmp_path / "object.cg")))
    store.load(records(small_run(tmp_path / "b.cg")))
    store.unload("object")
    assert "object/ball" in store.graph
    assert "object/block4/0" not in store.graph


def test_one_uid_for_two_nodes_is_refused(tmp_path: Path) -> None:
    store = MemoryStore()
    concepts = ("object/ball", "action/block4")
    store.load(records(random_run(tmp_path / "a.cg", {"block4": 3}, concepts=concepts)))
    run = random_run(tmp_path / "action.cg", {"block4": 3})
    with pytest.raises(StoreError, match="'action/block4' stands for two nodes; found Concept"):
        store.load(records(run))


@pytest.mark.parametrize(
    ("category", "label"),
    [
        ("action", "Action"),
        ("scene type", "SceneType"),
        ("x`) DETACH DELETE (n", "XDETACHDELETEN"),
        ("unit", "UnitConcept"),
        ("block4", "Block4Concept"),
        ("3d", "Category3d"),
        ("動作", "Category"),
        ("", "Category"),
    ],
)
def test_category_labels_are_safe_and_never_ours(category: str, label: str) -> None:
    assert category_label(category) == label


@pytest.mark.parametrize("name", ["layer4", "block", "block-1", "blockx", "block4/2"])
def test_what_is_no_block(name: str) -> None:
    with pytest.raises(ValueError, match="not a block name"):
        block_number(name)
