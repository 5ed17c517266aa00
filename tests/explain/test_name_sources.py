"""The line that says which models made the names of an explanation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pandas as pd
import pytest

from conceptgraph.explain.explanation import ConceptAttribution
from conceptgraph.explain.name_sources import name_sources_note, run_sources_note
from conceptgraph.explain.presence import ConceptName
from conceptgraph.explain.regions import ConceptRegion

if TYPE_CHECKING:
    from conceptgraph.explain.explanation import Explanation
    from conceptgraph.graph.run.reader import Run

THINGS = [[ConceptName("sky", "object"), ConceptName("blue", "color")], [ConceptName("x", "part")]]


def explanation() -> Explanation:
    picture = SimpleNamespace(
        chosen=None,
        things=[SimpleNamespace(concepts=names) for names in THINGS],
        regions=[ConceptRegion("block4", "object", "road", 1.0, 0.5)],
        thing_block="block4",
    )
    by_concept = [
        ConceptAttribution("dusk", "scene", 1.0, 1.0, 0.0, 0.0),
        ConceptAttribution("night", "scene", 0.0, 0.0, 0.0, 0.0),
        ConceptAttribution(None, None, 0.0, 0.0, 0.0, 0.0),
    ]
    return cast("Explanation", SimpleNamespace(picture=picture, by_concept=by_concept))


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({}, ""),
        ({"object/grass": "SegFormer b0", "scene/night": "tags"}, ""),
        (
            {
                "object/sky": "SegFormer b0",
                "object/road": "SegFormer b0",
                "part/x": "people and tags",
                "scene/dusk": "tags",
            },
            "Names by SegFormer b0: sky, road; by people and tags: x; by tags, so where they are "
            "is rough: dusk.",
        ),
        (
            {
                "object/sky": "SegFormer b0, verified: 3 of 7 yes",
                "object/road": "SegFormer b0",
                "part/x": "people, verified: 1 of 1 yes",
                "scene/dusk": "tags, verified: 2 of 2 yes",
            },
            "Names by SegFormer b0: sky (verified: 3 of 7 yes), road; by tags, so where they are "
            "is rough: dusk (verified: 2 of 2 yes).",
        ),
    ],
)
def test_names_that_nobody_drew(sources: dict[str, str], expected: str) -> None:
    uids = ["object/sky", "color/blue", "part/x", "object/road", "object/grass", "scene/dusk"]
    uids += ["scene/night"]
    frame = pd.DataFrame({"uid": uids, "source": [sources.get(uid, "") for uid in uids]})
    run = cast("Run", SimpleNamespace(concepts=frame, words=None))
    assert name_sources_note(run, explanation()) == expected


def test_the_names_of_a_run_are_those_of_most_units_first() -> None:
    uids = ["object/sky", "object/road", "object/car", "color/blue", "object/none"]
    concepts = pd.DataFrame(
        {
            "uid": uids,
            "name": [uid.split("/")[1] for uid in uids],
            "source": ["SegFormer b0", "SegFormer b0", "SegFormer b0", "", "CLIPSeg"],
            "images": [3, 3, 3, 3, 0],
        }
    )
    units = pd.DataFrame({"category": "object", "label": ["car", "road", "car", "sky"]})
    named = pd.Series([True, True, True, False])
    run = cast("Run", SimpleNamespace(concepts=concepts, units=units, named=named))
    assert run_sources_note(run) == "Names by SegFormer b0: car, road, sky."
