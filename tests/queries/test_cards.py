"""Cards of the small run, whose numbers are easy to check by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from conceptgraph.errors import QueryError, StoreError
from conceptgraph.graph.records import records
from conceptgraph.graph.stores.memory import MemoryStore
from conceptgraph.queries.cards import class_card, concept_card, unit_card
from conceptgraph.queries.parameters import UnitUid
from conceptgraph.queries.questions.fed_by import FedBy
from conceptgraph.queries.questions.inhibited_by import InhibitedBy
from tests.made_runs import random_run, small_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    """The small run, beside another run that must have no effect."""
    store = MemoryStore()
    store.load(records(small_run(tmp_path / "camvid.cg")))
    store.load(records(random_run(tmp_path / "other.cg", {"block3": 5, "block4": 5})))
    return store


def test_unit_card(store: MemoryStore) -> None:
    card = unit_card(store, "camvid", "block4/0")
    assert (card.name, card.status, card.threshold, card.interpretable) == (
        "0 juggling",
        "ok",
        2.0,
        True,
    )
    assert [(row.uid, row.iou, row.attainable_iou) for row in card.concepts] == [
        ("action/juggling", 0.3, 500 / 800),
        ("object/ball", 0.06, 450 / 800),
    ]
    assert [(row.uid, row.concept, row.weight, row.share) for row in card.fed_by] == [
        ("block3/0", "polka dotted", 2, 0.25),
        ("block3/1", "ball", 1, 0.125),
    ]
    assert card.inhibited_by == ()
    assert [(row.uid, row.name, row.share) for row in card.feeds] == [
        ("class/juggling", "juggling", 0.75)
    ]
    assert [(row.image, row.activation) for row in card.images] == [("a.jpg", 4), ("b.jpg", 3)]


def test_unit_card_shows_inhibitors_by_pre(store: MemoryStore) -> None:
    card = unit_card(store, "camvid", "block4/1")
    assert [(row.uid, row.pre, row.weight) for row in card.inhibited_by] == [("block3/1", -3, 0)]
    assert not card.interpretable
    assert [(row.name, row.iou) for row in card.concepts] == [("ball", 0.03)]


def test_card_of_a_dead_unit(store: MemoryStore) -> None:
    card = unit_card(store, "camvid", "block3/2")
    assert (card.name, card.status, card.interpretable) == ("2", "dead", False)
    assert not any((card.concepts, card.fed_by, card.feeds, card.images))


def test_units_that_it_feeds_have_their_captions(store: MemoryStore) -> None:
    feeds = unit_card(store, "camvid", "block3/1").feeds
    assert [(row.uid, row.name, row.concept) for row in feeds] == [
        ("block4/2", "2", None),
        ("block4/0", "0 juggling", "juggling"),
    ]


def test_concept_card(store: MemoryStore) -> None:
    card = concept_card(store, "camvid", "ball")
    assert (card.uid, card.name, card.category) == ("object/ball", "ball", "object")
    assert [(row.uid, row.iou, row.best) for row in card.units] == [
        ("block3/1", 0.10, True),
        ("block4/0", 0.06, False),
        ("block3/0", 0.05, False),
    ]
    assert card.classes == ()


def test_concept_card_of_a_label(store: MemoryStore) -> None:
    card = concept_card(store, "camvid", "action/juggling")
    assert [(row.uid, row.units, row.share) for row in card.classes] == [
        ("class/juggling", 1, 0.75)
    ]


def test_a_concept_that_no_unit_detects(store: MemoryStore) -> None:
    card = concept_card(store, "camvid", "object/juggling")
    assert not card.units
    assert not card.classes


def test_class_card(store: MemoryStore) -> None:
    card = class_card(store, "camvid", "juggling")
    assert [(row.uid, row.share) for row in card.fed_by] == [("block4/0", 0.75), ("block4/1", 0.25)]
    assert [(row.uid, row.share) for row in card.inhibited_by] == [("block4/2", -0.5)]
    assert [(row.uid, row.units, row.share) for row in card.concepts] == [
        ("action/juggling", 1, 0.75)
    ]
    assert class_card(store, "camvid", "road").concepts == ()


def test_cards_are_json(store: MemoryStore) -> None:
    card = json.loads(json.dumps(unit_card(store, "camvid", "block4/0").to_json()))
    assert card["concepts"][0] == {
        "uid": "action/juggling",
        "name": "juggling",
        "category": "action",
        "iou": 0.3,
        "attainable_iou": 0.625,
        "p": 0.001,
        "enrichment": 4.0,
        "significant": True,
        "precision": 0.8,
        "precision_low": 0.6,
        "chance": 0.1,
        "holds": True,
        "auc": None,
        "auc_low": None,
        "auc_significant": None,
    }
    assert set(card) == {
        *("run", "uid", "name", "status", "threshold", "interpretable", "named"),
        *("reversed", "frozen"),
        *("concepts", "fed_by", "inhibited_by", "feeds", "images"),
    }
    assert json.loads(json.dumps(concept_card(store, "camvid", "ball").to_json()))["units"][0]
    assert json.loads(json.dumps(class_card(store, "camvid", "road").to_json()))["fed_by"][0]


def test_top_limits_every_part(store: MemoryStore) -> None:
    card = unit_card(store, "camvid", "block4/0", top=1)
    assert [len(part) for part in (card.concepts, card.fed_by, card.images)] == [1, 1, 1]
    assert len(class_card(store, "camvid", "juggling", top=1).fed_by) == 1
    assert len(concept_card(store, "camvid", "ball", top=1).units) == 1


def test_the_first_rows_are_those_of_the_dense_matrices(tmp_path: Path) -> None:
    """Up to the number of edges kept, pruning cannot be noticed, for either order."""
    run = random_run(tmp_path / "a.cg", {"block3": 12, "block4": 6}, seed=3)
    store = MemoryStore()
    store.load(records(run, edges_per_target=3))
    alive = run.live("block3")
    for target in range(6):
        if not run.live("block4")[target]:
            continue
        weight = run.contributions("block3", "block4")[:, target].tolist()
        pre = run.contributions("block3", "block4", pre=True)[:, target].tolist()
        live = [i for i in range(12) if alive[i]]
        strongest = sorted((i for i in live if weight[i] > 0), key=lambda i: -weight[i])[:3]
        lowest = sorted((i for i in live if pre[i] < 0), key=lambda i: pre[i])[:3]
        uid = UnitUid(f"block4/{target}")
        contributors = [row.uid for row in store.ask(FedBy("a", uid, top=3))]
        inhibitors = [row.uid for row in store.ask(InhibitedBy("a", uid, top=3))]
        assert contributors == [f"block3/{i}" for i in strongest]
        assert inhibitors == [f"block3/{i}" for i in lowest]


def test_names_that_do_not_exist(store: MemoryStore) -> None:
    with pytest.raises(QueryError, match=r"no unit 'block4/12' in run camvid\. Did you mean"):
        unit_card(store, "camvid", "block4/12")
    with pytest.raises(QueryError, match="no unit 'class/road'"):
        unit_card(store, "camvid", "class/road")
    with pytest.raises(QueryError, match=r"no concept 'bal'\. Did you mean 'ball'"):
        concept_card(store, "camvid", "bal")
    with pytest.raises(QueryError, match=r"no class 'raod'\. Did you mean 'road'"):
        class_card(store, "camvid", "raod")
    with pytest.raises(StoreError, match=r"no run 'camvit' in the store\. Did you mean 'camvid'"):
        class_card(store, "camvit", "road")


def test_a_name_in_several_categories_asks_which(store: MemoryStore) -> None:
    message = r"2 concepts are called 'juggling'\. Say which: 'action/juggling', 'object/juggling'"
    with pytest.raises(QueryError, match=message):
        concept_card(store, "camvid", "juggling")
