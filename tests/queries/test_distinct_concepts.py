"""Which concepts set a class apart from the others, against a plain slow definition."""

from __future__ import annotations

import random

import pandas as pd
import pytest

from conceptgraph.graph.run.class_evidence import SavedEvidence
from conceptgraph.queries.class_evidence import ConceptEvidence, distinct_concepts, distinct_text

CLASSES = ("juggling", "typing", "cycling", "never")
CONCEPTS = ("texture/dots", "object/floor", "object/bag", "color/red", "scene/street")


def saved(rows: dict[tuple[str, str, str], tuple[float, float]]) -> SavedEvidence:
    """Return evidence of mean and lower bound; no image is taken for never."""
    table = pd.DataFrame(
        [
            (name, block, *concept.split("/"), mean, 1.0, low, mean + 1, 5, 0.5, 0.25)
            for (name, block, concept), (mean, low) in rows.items()
        ]
        + [(name, "block3", "object", None, 9.0, 1.0, 8.0, 10.0, 5, 0.5, 0.5) for name in CLASSES],
        columns=["class", *ConceptEvidence._fields],
    )
    images = {name: 0 if name == "never" else 5 for name in CLASSES}
    return SavedEvidence(table, pd.DataFrame(), None, images)


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_plain_definition(seed: int) -> None:
    rng = random.Random(seed)
    rows = {}
    for name in CLASSES[:3]:
        for block in ("block2", "block3", "block4"):
            for concept in CONCEPTS:
                if rng.random() < 0.7:
                    mean = rng.uniform(-2, 4)
                    rows[name, block, concept] = mean, mean - rng.uniform(0, 1)
    found = distinct_concepts(saved(rows), "juggling")
    expected = []
    for concept in CONCEPTS:
        if ("juggling", "block3", concept) not in rows:
            continue
        mean, low = rows["juggling", "block3", concept]
        others = [rows.get((name, "block3", concept), (0.0, 0.0))[0] for name in CLASSES[1:3]]
        usual = sum(others) / 2
        if low > max(usual, 0.0):
            expected.append((mean - usual, concept, mean))
    expected.sort(reverse=True)
    assert [f"{row.category}/{row.name}" for row in found] == [row[1] for row in expected]
    assert [row.more for row in found] == pytest.approx([row[0] for row in expected])
    assert [row.mean for row in found] == pytest.approx([row[2] for row in expected])


def test_what_all_classes_stand_on_sets_none_apart() -> None:
    rows = {(name, "block3", "object/floor"): (3.0, 2.9) for name in CLASSES[:3]}
    rows["juggling", "block3", "texture/dots"] = 2.0, 1.5
    evidence = saved(rows)
    assert distinct_text(distinct_concepts(evidence, "juggling")) == "dots (texture, +2.00 on 25%)"
    assert distinct_concepts(evidence, "typing") == ()
    assert distinct_concepts(evidence, "never") == ()
    assert distinct_concepts(evidence, "no class") == ()
