"""Records and the networkx store: the graph holds what the run holds."""

from __future__ import annotations

import json
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
from conceptgraph.graph.run.explanations import save_explanation
from conceptgraph.graph.run.reader import Run
from conceptgraph.graph.schema import NODES, RELATIONSHIPS
from conceptgraph.graph.stores.memory import MemoryStore
from conceptgraph.graph.uids import block_number, category_label
from tests.hand_made_graph import RUN, hand_made
from tests.made_runs import add_evidence, random_run, small_run

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
    """Prune target by target, source by source."""
    edges = []
    for target in range(weight.shape[1]):
        total = sum(max(float(weight[source, target]), 0) for source in range(len(weight)))
        live = [source for source in range(len(weight)) if source not in dead]
        largest = sorted((-weight[source, target], source) for source in live)
        contributors = [source for value, source in largest if value < 0][:count]
        smallest = sorted((pre[s, target], s) for s in live if s not in contributors)
        inhibitors = [source for value, source in smallest if value < 0][:count]
        for group in (contributors, inhibitors):
            for rank, source in enumerate(group):
                w, p = float(weight[source, target]), float(pre[source, target])
                share = w / total if total > 0 else 0.0
                edges.append(SlowEdge(source, target, w, p, share, rank))
    return sorted(edges)


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
    all_live = np.ones(weight.shape[1], dtype=np.bool_)
    edges = prune(weight, pre, count, live_sources=live, live_targets=all_live)
    columns = (column.tolist() for column in edges)
    fast = sorted(SlowEdge(*row) for row in zip(*columns, strict=True))
    assert fast == slow_prune(weight, pre, count, dead)


def test_dead_targets_have_no_edge() -> None:
    weight = np.ones((2, 2), dtype=np.float32)
    live = np.array([True, True])
    edges = prune(weight, -weight, 2, live_sources=live, live_targets=np.array([True, False]))
    assert set(edges.target.tolist()) == {0}


def test_shares_of_a_target_without_contributors_are_zero() -> None:
    weight = np.array([[1, -1], [3, 0], [-4, -2]], dtype=np.float32)
    np.testing.assert_array_equal(incoming_shares(weight), [[0.25, 0], [0.75, 0], [-1, 0]])


def _node(graph: Records, uid: str) -> Node:
    return next(node for node in graph.nodes if node.uid == uid)


def _edge(graph: Records, source: str, target: str) -> Edge:
    return next(e for e in graph.edges if (e.source, e.target) == (source, target))


def test_nodes_of_the_small_run(tmp_path: Path) -> None:
    run = small_run(tmp_path / "camvid.cg")
    graph = records(run)
    assert graph.run == "camvid"
    node = graph.nodes[0]
    assert (node.labels, node.properties["model"]) == (("Run",), "resnet18")
    assert json.loads(str(node.properties["settings"])) == run.manifest["settings"]
    assert node.properties["edges_per_target"] == run.settings.top_k
    best = _node(graph, "camvid/block4/0")
    assert best.labels == ("Unit", "Block4")
    assert best.properties == {
        "run": "camvid",
        "name": "0 juggling",
        "block": 4,
        "index": 0,
        "label": "juggling",
        "category": "action",
        "iou": 0.3,
        "threshold": 2.0,
        "status": "ok",
        "interpretable": True,
        "named": True,
        "images": ["a.jpg", "b.jpg"],
        "activations": [4.0, 3.0],
        "thumbnails": ["thumbnails/a.jpg", "thumbnails/b.jpg"],
    }
    dead = {
        "run": "camvid",
        "name": "2",
        "block": 3,
        "index": 2,
        "threshold": 0.0,
        "status": "dead",
    }
    assert _node(graph, "camvid/block3/2").properties == {
        **dead,
        "interpretable": False,
        "named": False,
    }
    names = [_node(graph, f"camvid/block4/{i}").properties["name"] for i in (1, 2)]
    assert names == ["1", "2"]
    action = _node(graph, "action/juggling")
    assert action.labels == ("Concept", "Action")
    assert action.properties == {"name": "juggling", "category": "action"}
    assert _node(graph, "camvid/class/juggling").labels == ("Class",)


def test_every_node_of_one_run_says_so(tmp_path: Path) -> None:
    """The Run is itself; concepts and images are shared."""
    run = small_run(tmp_path / "camvid.cg")
    (tmp_path / "a.jpg").write_bytes(b"one")
    paths = [{"rank": 1, "contribution": 2.0, "measured": 1.0, "units": ["block4/0"]}]
    answer: dict[str, object] = {
        "image": "a.jpg", "class": "road", "versus": None, "method": "exact", "logit": 4.0,
        "probability": 0.75, "coverage": 0.5, "paths": paths, "accounting": {},
    }  # fmt: skip
    save_explanation(run, tmp_path / "a.jpg", {}, answer)
    owners = {(node.labels[0], node.properties.get("run")) for node in records(run).all_nodes()}
    own = {(label, "camvid") for label in ("Block", "Unit", "Class", "Explanation", "Path")}
    assert owners == own | {("Run", None), ("Concept", None), ("Image", None)}


def test_edges_of_the_small_run(tmp_path: Path) -> None:
    graph = records(small_run(tmp_path / "camvid.cg"))
    edge = _edge(graph, "camvid/block3/0", "camvid/block4/0")
    assert edge == Edge(
        "CONTRIBUTES", edge.source, edge.target, {"weight": 2, "pre": 2, "share": 0.25, "rank": 0}
    )
    inhibits = _edge(graph, "camvid/block4/2", "camvid/class/juggling").properties
    assert inhibits == {"weight": -2, "pre": -2, "share": -0.5, "rank": 0}
    hidden_by_relu = _edge(graph, "camvid/block3/1", "camvid/block4/1").properties
    assert hidden_by_relu == {"weight": 0, "pre": -3, "share": 0, "rank": 0}
    detects = _edge(graph, "camvid/block4/0", "action/juggling").properties
    assert (detects["iou"], detects["truth"]) == (0.3, 500)
    concept = _edge(graph, "camvid", "object/ball").properties
    assert concept == {"images": 10, "pixels": 500, "center_bias": 0.15}
    assert not any("block3/2" in edge.source for edge in graph.edges)


@pytest.mark.parametrize(("count", "weight"), [(1, 2 + 1 + 4 + 3 + 4), (32, 33 - 15)])
def test_share_left_out(tmp_path: Path, count: int, weight: int) -> None:
    """The positive weights sum to 33; the dead unit's 15 are never in the graph."""
    graph = records(small_run(tmp_path / "camvid.cg"), edges_per_target=count)
    assert graph.nodes[0].properties["share_left_out"] == pytest.approx(1 - weight / 33)


def test_no_edges_at_all_is_refused(tmp_path: Path) -> None:
    run = small_run(tmp_path / "camvid.cg")
    with pytest.raises(RunError, match="found 0; expected at least 1"):
        records(run, edges_per_target=0)


def test_the_runs_own_setting_decides_how_many_edges(tmp_path: Path) -> None:
    run = random_run(tmp_path / "a.cg", {"block3": 9, "block4": 8}, seed=3)
    settings = {**run.manifest["settings"], "top_k": 2}
    few = records(Run(run.path, {**run.manifest, "settings": settings}))
    assert few.nodes[0].properties["edges_per_target"] == 2
    assert list(few.edges) == list(records(run, edges_per_target=2).edges)
    assert len(few.edges) < len(records(run).edges) <= len(records(run, dense=True).edges)


def test_all_records_fit_the_schema(tmp_path: Path) -> None:
    run = random_run(tmp_path / "a.cg", {"block2": 7, "block3": 9, "block4": 8}, seed=1)
    add_evidence(run)
    graph = records(run, edges_per_target=3)
    labels = {node.uid: node.labels for node in graph.nodes}
    assert len(labels) == len(graph.nodes)
    for node in graph.nodes:
        _check_types(node.properties, NODES[node.labels[0]])
    for edge in graph.edges:
        kind = RELATIONSHIPS[edge.type]
        assert labels[edge.source][0] == kind.source
        assert labels[edge.target][0] in kind.targets
        _check_types(edge.properties, kind.properties)
    ends = [(edge.source, edge.target) for edge in graph.edges]
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
    graph = records(small_run(tmp_path / "a.cg"))
    store = MemoryStore()
    store.load(graph)
    before = _content(store)
    (tmp_path / "again").mkdir()
    store.load(records(small_run(tmp_path / "again" / "a.cg")))
    assert _content(store) == before


def _content(store: MemoryStore) -> tuple[list[str], list[str]]:
    nodes, edges = store.graph.nodes(data=True), store.graph.edges(data=True)
    return sorted(map(str, nodes)), sorted(map(str, edges))


def test_several_runs_share_concepts_and_are_unloaded_one_by_one(tmp_path: Path) -> None:
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


def test_unloading_removes_the_images_that_no_other_run_explains() -> None:
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


def test_one_uid_for_two_nodes_of_a_run_is_refused(tmp_path: Path) -> None:
    concepts = ("object/ball", "action/block4/1")
    run = random_run(tmp_path / "action.cg", {"block4": 3}, concepts=concepts)
    with pytest.raises(StoreError, match="'action/block4/1' stands for two nodes; found Unit and"):
        MemoryStore().load(records(run))


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
def test_category_labels_are_safe_and_none_of_the_schema(category: str, label: str) -> None:
    assert category_label(category) == label


@pytest.mark.parametrize("name", ["layer4", "block", "block-1", "blockx", "block4/2"])
def test_invalid_block_names(name: str) -> None:
    with pytest.raises(ValueError, match="not a block name"):
        block_number(name)
