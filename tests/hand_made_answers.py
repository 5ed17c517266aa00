"""What the catalogue's questions must answer about the graph made by hand.

An answer is the name of a question, its parameters by their names in Cypher, and the rows. The
question is about the run `RUN` unless the parameters name another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conceptgraph.queries.catalogue import build
from tests.hand_made_graph import AFTER, BEFORE, EVIL, IMAGE, OHARA, RUN

if TYPE_CHECKING:
    from conceptgraph.queries.question import CypherQuestion

Rows = list[tuple[object, ...]]
POLKA = "texture/polka dotted"
UNKNOWN = (None, None, None, None)
NO_AUC = (None, None, None)
OHARA_UID = f"class/{OHARA}"
EVIL_UID = f"scene type/{EVIL}"
FIRST_TWO = ("block1/0", None, "block2/0", "polka dotted")

ANSWERS: list[tuple[str, dict[str, object], Rows]] = [
    (
        "class-paths",
        {"class": "class/juggling"},
        [
            (0.375, "block3/0", "polka dotted", "block4/0", "juggling"),
            (0.1875, "block3/1", "ball", "block4/2", "ball"),
            (0.125, "block3/0", "polka dotted", "block4/1", None),
            (0.125, "block3/1", "ball", "block4/0", "juggling"),
        ],
    ),
    (
        "class-paths",
        {"class": "class/juggling", "beam": 1},
        [(0.375, "block3/0", "polka dotted", "block4/0", "juggling")],
    ),
    (
        "class-paths-against",
        {"class": "class/🎉"},
        [
            (-0.1875, "block3/0", "polka dotted", "block4/0", "juggling"),
            (-0.0625, "block3/1", "ball", "block4/0", "juggling"),
        ],
    ),
    (
        "class-paths-long",
        {"class": "class/juggling", "top": 2},
        [
            (0.1875, *FIRST_TWO, "block3/0", "polka dotted", "block4/0", "juggling"),
            (0.0625, *FIRST_TWO, "block3/0", "polka dotted", "block4/1", None),
        ],
    ),
    (
        "concept-paths",
        {"concept": POLKA, "class": "class/juggling"},
        [
            (0.375, "block3/0", 0.2, "block4/0", "juggling"),
            (0.125, "block3/0", 0.2, "block4/1", None),
        ],
    ),
    (
        "bottlenecks",
        {},
        [
            ("block4/1", None, 2, 1),
            ("block4/2", "ball", 2, 1),
            ("block4/0", "juggling", 1, 2),
        ],
    ),
    (
        "class-bottlenecks",
        {"class": "class/juggling"},
        [("block3/0", "polka dotted", 2, 0.5), ("block3/1", "ball", 2, 0.3125)],
    ),
    (
        "class-concepts",
        {"class": "class/juggling"},
        [
            ("action/juggling", "juggling", "action", 1, 0.5),
            ("object/ball", "ball", "object", 1, 0.375),
        ],
    ),
    ("shared-concepts", {"class": "class/juggling"}, [(OHARA_UID, OHARA, 1, ["object/ball"])]),
    (
        "class-difference",
        {"class": "class/juggling", "other": OHARA_UID},
        [
            ("action/juggling", "juggling", "action", 1, 0.5, 1, -0.5, 1.0),
            ("object/ball", "ball", "object", 1, 0.375, 1, 1.0, -0.625),
        ],
    ),
    (
        "class-difference",
        {"class": "class/🎉", "other": OHARA_UID},
        [
            ("object/ball", "ball", "object", 0, 0.0, 1, 1.0, -1.0),
            ("action/juggling", "juggling", "action", 1, -0.25, 1, -0.5, 0.25),
        ],
    ),
    (
        "tell-apart",
        {"class": "class/juggling", "other": OHARA_UID},
        [("block4/0", "juggling", 4.0, -1.0, 5.0)],
    ),
    ("unnamed-units", {"class": "class/juggling"}, [("block4/1", 1.0, 0.125, 2)]),
    ("classes", {}, [("class/juggling", "juggling"), (OHARA_UID, OHARA), ("class/🎉", "🎉")]),
    (
        "detectors",
        {"concept": "object/ball"},
        [
            ("block4/2", "2 ball", 0.25, True, None),
            ("block3/1", "1 ball", 0.1, True, False),
            ("block4/0", "0 juggling", 0.06, False, True),
            ("block3/0", "0 polka dotted", 0.05, False, None),
        ],
    ),
    (
        "concept-classes",
        {"concept": "object/ball"},
        [(OHARA_UID, OHARA, None, 1, 1.0), ("class/juggling", "juggling", None, 1, 0.375)],
    ),
    (
        "concept-sources",
        {"concept": "action/juggling"},
        [
            (POLKA, "polka dotted", "texture", 1, 0.75),
            ("object/ball", "ball", "object", 1, 0.25),
        ],
    ),
    (
        "concept-presence",
        {"concept": "object/ball"},
        [
            ("block3", 0.25, 0.125, 0.5, False, 0.5, 0.5, 0.5, 12),
            ("block4", 0.375, 0.125, 0.5, True, 0.75, 0.5, 0.75, 12),
        ],
    ),
    ("concept-presence", {"concept": POLKA}, []),
    ("concept-carried", {"concept": POLKA}, [("block2/0", "block3/0", 2.0, 0.5, 0)]),
    (
        "undetected-concepts",
        {},
        [
            (EVIL_UID, EVIL, "scene type", 9, 0.02),
            ("object/juggling", "juggling", "object", 5, None),
        ],
    ),
    (
        "concepts",
        {},
        [
            ("action/juggling", "juggling", "action", 1, 10, None, None),
            ("color/red", "red", "color", 3, 30, None, None),
            ("object/ball", "ball", "object", 4, 40, 0.25, None),
            ("object/juggling", "juggling", "object", 5, 50, None, None),
            (EVIL_UID, EVIL, "scene type", 9, 90, None, None),
            (POLKA, "polka dotted", "texture", 2, 20, None, "SegFormer b0"),
        ],
    ),
    (
        "unit",
        {"unit": "block4/0"},
        [
            (
                "block4/0",
                "0 juggling",
                "ok",
                1.0,
                True,
                True,
                None,
                None,
                ["a.jpg"],
                [4.0],
                ["t/a.jpg"],
            )
        ],
    ),
    (
        "unit",
        {"unit": "block1/0"},
        [("block1/0", "0", "ok", 1.0, True, False, 0.25, None, [], [], [])],
    ),
    (
        "unit",
        {"unit": "block3/2"},
        [("block3/2", "2", "dead", 1.0, False, False, None, None, [], [], [])],
    ),
    ("unit", {"unit": "class/juggling"}, []),
    (
        "unit-concepts",
        {"unit": "block4/0"},
        [
            (
                "action/juggling",
                "juggling",
                "action",
                0.3,
                0.5,
                0.001,
                8.0,
                True,
                0.75,
                0.5,
                0.125,
                True,
                0.875,
                0.75,
                True,
            ),
            ("object/ball", "ball", "object", 0.06, 1.0, 0.002, 2.0, True, *UNKNOWN, *NO_AUC),
        ],
    ),
    (
        "unit-concepts",
        {"unit": "block4/3"},
        [("object/ball", "ball", "object", 0.08, 0.0, None, None, None, *UNKNOWN, *NO_AUC)],
    ),
    (
        "unit-classes",
        {"unit": "block4/0"},
        [
            ("class/juggling", "juggling", 4.0, 0.5, 0),
            ("class/🎉", "🎉", -2.0, -0.25, 0),
            (OHARA_UID, OHARA, -1.0, -0.5, 0),
        ],
    ),
    (
        "unit-reach",
        {"unit": "block3/1"},
        [(OHARA_UID, OHARA, 2, 0.375), ("class/juggling", "juggling", 2, 0.3125)],
    ),
    (
        "fed-by",
        {"target": "class/juggling", "top": 2},
        [
            ("block4/0", "0 juggling", "juggling", "action", 0.3, 4.0, 4.0, 0.5),
            ("block4/2", "2 ball", "ball", "object", 0.25, 3.0, 3.0, 0.375),
        ],
    ),
    (
        "fed-by",
        {"target": "block4/1"},
        [("block3/0", "0 polka dotted", "polka dotted", "texture", 0.2, 1.0, 1.0, 1.0)],
    ),
    (
        "inhibited-by",
        {"target": "block4/2"},
        [("block3/0", "0 polka dotted", "polka dotted", "texture", 0.2, 0.0, -1.0, 0.0)],
    ),
    (
        "feeds",
        {"unit": "block3/0", "top": 2},
        [
            ("block4/1", "1", None, None, None, 1.0, 1.0, 1.0),
            ("block4/0", "0 juggling", "juggling", "action", 0.3, 3.0, 3.0, 0.75),
        ],
    ),
    (
        "unit-sources",
        {"unit": "block4/0"},
        [
            (POLKA, "polka dotted", "texture", 1, 0.75),
            ("object/ball", "ball", "object", 1, 0.25),
        ],
    ),
    (
        "polysemantic-units",
        {},
        [
            ("block4/0", 2, "action/juggling", 0.3, "object/ball", 0.06),
            ("block3/0", 2, POLKA, 0.2, "object/ball", 0.05),
            ("block4/2", 2, "object/ball", 0.25, POLKA, 0.05),
        ],
    ),
    (
        "unit-in-other-runs",
        {"unit": "block4/0"},
        [(BEFORE, "ball", "object", 0.5, None), (AFTER, None, None, None, "quantile 0.01")],
    ),
    ("unit-in-other-runs", {"unit": "block4/0", "top": 1}, [(BEFORE, "ball", "object", 0.5, None)]),
    (
        "unit-in-other-runs",
        {"run": AFTER, "unit": "block4/9"},
        [(BEFORE, "ball", "object", 0.5, "quantile 0.005")],
    ),
    (
        "dynamic-units",
        {},
        [("block2/0", "polka dotted", -0.5, 0.75), ("block1/0", None, 0.25, None)],
    ),
    ("dynamic-units", {"top": 1}, [("block2/0", "polka dotted", -0.5, 0.75)]),
    ("quiet-units", {}, [("block3/2", "dead"), ("block4/3", "sparse")]),
    (
        "units",
        {},
        [
            ("block1/0", "0", "ok"),
            ("block2/0", "0 polka dotted", "ok"),
            ("block3/0", "0 polka dotted", "ok"),
            ("block3/1", "1 ball", "ok"),
            ("block3/2", "2", "dead"),
            ("block4/0", "0 juggling", "ok"),
            ("block4/1", "1", "ok"),
            ("block4/2", "2 ball", "ok"),
            ("block4/3", "3", "sparse"),
        ],
    ),
    (
        "blocks",
        {},
        [
            ("block1", 1, 1, 0, 0, 0, 0, 0),
            ("block2", 1, 1, 0, 1, 0, 0, 1),
            ("block3", 3, 2, 0, 2, 0, 1, 2),
            ("block4", 4, 2, 1, 2, 1, 0, 2),
        ],
    ),
    (
        "categories-by-block",
        {},
        [
            ("block2", "texture", 1, 0, 1),
            ("block3", "object", 1, 0, 1),
            ("block3", "texture", 1, 0, 1),
            ("block4", "action", 1, 1, 1),
            ("block4", "object", 1, 0, 1),
        ],
    ),
    (
        "block-concepts",
        {"block": "block3"},
        [
            ("object/ball", "ball", "object", 1, 0.1),
            (POLKA, "polka dotted", "texture", 1, 0.2),
        ],
    ),
    ("saved-images", {}, [(IMAGE, "photos/a b.jpg", 1)]),
    (
        "image-explanations",
        {"image": IMAGE},
        [("explanation/1", "juggling", None, "exact", 5.0, 0.9, 0.8)],
    ),
    (
        "explanation-paths",
        {"explanation": "explanation/1", "top": 2},
        [
            (1, 2.0, 1.5, 0, "block3/0", "polka dotted"),
            (1, 2.0, 1.5, 1, "block4/0", "juggling"),
            (2, -0.5, None, 0, "block3/1", "ball"),
            (2, -0.5, None, 1, "block4/2", "ball"),
        ],
    ),
    (
        "explanation-concepts",
        {"explanation": "explanation/1"},
        [
            (POLKA, "polka dotted", "texture", 1, 2.0),
            ("object/ball", "ball", "object", 1, -0.5),
            (None, None, None, 1, 0.25),
        ],
    ),
    (
        "unit-explanations",
        {"unit": "block4/0"},
        [
            ("photos/a b.jpg", "juggling", 1, 2.0),
            ("photos/a b.jpg", "juggling", 3, 0.25),
        ],
    ),
    (
        "concept-hierarchy",
        {"class": "class/juggling"},
        [
            (POLKA, "texture", 3, "action/juggling", "action", 4, 2.0, 2, 3.0),
            ("object/ball", "object", 3, "action/juggling", "action", 4, 0.5, 2, 3.0),
            ("object/ball", "object", 3, "object/ball", "object", 4, 0.5, 2, 1.0),
            (None, "object", 3, "object/ball", "object", 4, 0.25, 2, 1.0),
            (POLKA, "texture", 3, "object/ball", "object", 4, -0.25, 2, 1.0),
            (EVIL_UID, "scene type", 3, "action/juggling", "action", 4, -1.0, 2, 3.0),
        ],
    ),
    (
        "concept-hierarchy",
        {"class": OHARA_UID, "category": "object"},
        [
            ("object/ball", "object", 3, "object/ball", "object", 4, 1.0, 2, 1.0),
            ("object/ball", "object", 3, None, "object", 4, 0.5, 2, 0.5),
        ],
    ),
    ("concept-hierarchy", {"class": OHARA_UID, "category": "action"}, []),
    (
        "evidence-difference",
        {"class": "class/juggling", "other": OHARA_UID, "block": "block3"},
        [
            (POLKA, "polka dotted", "texture", 2.0, None, 2.0),
            ("object/ball", "ball", "object", 0.5, 1.5, -1.0),
            (EVIL_UID, EVIL, "scene type", -1.0, None, -1.0),
        ],
    ),
    (
        "leaning-classes",
        {"concept": "object/ball"},
        [
            (OHARA_UID, OHARA, 3, 1.5, 1.375, 1.625, 0.5, 0.5),
            ("class/juggling", "juggling", 4, 1.0, 0.875, 1.125, 0.5, 0.5),
        ],
    ),
    ("leaning-classes", {"concept": "color/red"}, []),
    (
        "only-through",
        {"class": "class/juggling"},
        [
            (POLKA, 3, "action/juggling", 4, 2.0, 0.75, 2),
            ("object/ball", 3, "action/juggling", 4, 0.5, 0.5, 2),
            (EVIL_UID, 3, "action/juggling", 4, -1.0, 0.875, 2),
        ],
    ),
    ("only-through", {"class": OHARA_UID, "share": 0.25}, []),
    (
        "backgrounds",
        {"block": "block3"},
        [
            ("class/juggling", "juggling", POLKA, 2.0, 0.25, None, 2.0),
            ("class/juggling", "juggling", "object/ball", 0.5, 0.5, None, 0.5),
        ],
    ),
    ("backgrounds", {"block": "block4"}, []),
    (
        "formulas",
        {"top": 3},
        [
            ("block4/2", "ball AND NOT red", 0.5, "object/ball", 0.25),
            ("block1/0", f'"{EVIL}" OR red', 0.25, "color/red", 0.125),
            ("block3/0", "ball OR polka dotted", 0.25, "texture/polka dotted", 0.125),
        ],
    ),
    ("formulas", {"top": 1}, [("block4/2", "ball AND NOT red", 0.5, "object/ball", 0.25)]),
    (
        "units-by-auc",
        {"concept": "action/juggling"},
        [("block4/0", "0 juggling", 0.875, 0.75, True)],
    ),
    ("units-by-auc", {"concept": "object/ball"}, []),
    (
        "unit-labels",
        {},
        [
            ("block1/0", "red", "color", 0.2, "ok", True, False, None),
            ("block2/0", "polka dotted", "texture", 0.1, "ok", True, True, None),
            ("block3/0", "polka dotted", "texture", 0.2, "ok", True, True, False),
            ("block3/1", "ball", "object", 0.1, "ok", True, True, False),
            ("block3/2", None, None, None, "dead", False, False, None),
            ("block4/0", "juggling", "action", 0.3, "ok", True, True, True),
            ("block4/1", "ball", "object", 0.03, "ok", False, False, None),
            ("block4/2", "ball", "object", 0.25, "ok", True, True, None),
            ("block4/3", "ball", "object", 0.08, "sparse", False, False, None),
        ],
    ),
    (
        "unit-labels",
        {"top": 1},
        [("block1/0", "red", "color", 0.2, "ok", True, False, None)],
    ),
]


def _question(name: str, parameters: dict[str, object]) -> CypherQuestion:
    values = {"run": RUN, **parameters}
    return build(name, str(values.pop("run")), values)


EXPECTED = [(_question(name, parameters), rows) for name, parameters, rows in ANSWERS]
"""The questions themselves, with their rows."""
