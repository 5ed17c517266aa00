"""What the catalogue's questions must answer about the graph made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conceptgraph.queries import (
    blocks,
    chains,
    classes,
    concepts,
    contributions,
    names,
    saved,
    units,
)
from tests.hand_made_graph import AFTER, BEFORE, EVIL, IMAGE, OHARA, RUN

if TYPE_CHECKING:
    from conceptgraph.queries.question import CypherQuestion

Rows = list[tuple[object, ...]]
POLKA = "texture/polka dotted"
OHARA_UID = f"class/{OHARA}"
EVIL_UID = f"scene type/{EVIL}"

EXPECTED: list[tuple[CypherQuestion, Rows]] = [
    (
        chains.ClassPaths(RUN, "class/juggling"),
        [
            (0.375, "block3/0", "polka dotted", "block4/0", "juggling"),
            (0.1875, "block3/1", "ball", "block4/2", "ball"),
            (0.125, "block3/0", "polka dotted", "block4/1", None),
            (0.125, "block3/1", "ball", "block4/0", "juggling"),
        ],
    ),
    (
        chains.ClassPaths(RUN, "class/juggling", beam=1),
        [(0.375, "block3/0", "polka dotted", "block4/0", "juggling")],
    ),
    (
        chains.ClassPathsAgainst(RUN, "class/🎉"),
        [
            (-0.1875, "block3/0", "polka dotted", "block4/0", "juggling"),
            (-0.0625, "block3/1", "ball", "block4/0", "juggling"),
        ],
    ),
    (
        chains.ClassPathsLong(RUN, "class/juggling", top=2),
        [
            (score, "block1/0", "red", "block2/0", "polka dotted", *rest)
            for score, *rest in (
                (0.1875, "block3/0", "polka dotted", "block4/0", "juggling"),
                (0.0625, "block3/0", "polka dotted", "block4/1", None),
            )
        ],
    ),
    (
        chains.ConceptPaths(RUN, POLKA, "class/juggling"),
        [
            (0.375, "block3/0", 0.2, "block4/0", "juggling"),
            (0.125, "block3/0", 0.2, "block4/1", None),
        ],
    ),
    (
        classes.Bottlenecks(RUN),
        [
            ("block4/1", None, 2, 1),
            ("block4/2", "ball", 2, 1),
            ("block4/0", "juggling", 1, 2),
        ],
    ),
    (
        chains.ClassBottlenecks(RUN, "class/juggling"),
        [("block3/0", "polka dotted", 2, 0.5), ("block3/1", "ball", 2, 0.3125)],
    ),
    (
        concepts.ConceptsOfClass(RUN, "class/juggling"),
        [
            ("action/juggling", "juggling", "action", 1, 0.5),
            ("object/ball", "ball", "object", 1, 0.375),
        ],
    ),
    (classes.SharedConcepts(RUN, "class/juggling"), [(OHARA_UID, OHARA, 1, ["object/ball"])]),
    (
        classes.ClassDifference(RUN, "class/juggling", OHARA_UID),
        [
            ("action/juggling", "juggling", "action", 0.5, -0.5, 1.0),
            ("object/ball", "ball", "object", 0.375, 1.0, -0.625),
        ],
    ),
    (
        classes.TellApart(RUN, "class/juggling", OHARA_UID),
        [("block4/0", "juggling", 4.0, -1.0, 5.0)],
    ),
    (classes.UnnamedUnits(RUN, "class/juggling"), [("block4/1", 1.0, 0.125, 2)]),
    (
        names.ClassNames(RUN),
        [("class/juggling", "juggling"), (OHARA_UID, OHARA), ("class/🎉", "🎉")],
    ),
    (
        concepts.Detectors(RUN, "object/ball"),
        [
            ("block4/2", "2 ball", 0.25, True, None),
            ("block3/1", "1 ball", 0.1, True, False),
            ("block4/0", "0 juggling", 0.06, False, True),
            ("block3/0", "0 polka dotted", 0.05, False, None),
        ],
    ),
    (
        concepts.ClassesOfConcept(RUN, "object/ball"),
        [(OHARA_UID, OHARA, None, 1, 1.0), ("class/juggling", "juggling", None, 1, 0.375)],
    ),
    (
        concepts.ConceptSources(RUN, "action/juggling"),
        [
            (POLKA, "polka dotted", "texture", 1, 0.75),
            ("object/ball", "ball", "object", 1, 0.25),
        ],
    ),
    (
        concepts.ConceptPresence(RUN, "object/ball"),
        [("block3", 0.5, 0.5, 0.5, 12), ("block4", 0.75, 0.5, 0.75, 12)],
    ),
    (concepts.ConceptPresence(RUN, POLKA), []),
    (contributions.ConceptCarried(RUN, POLKA), [("block2/0", "block3/0", 2.0, 0.5, 0)]),
    (
        concepts.UndetectedConcepts(RUN),
        [
            (EVIL_UID, EVIL, "scene type", 9, 0.02),
            ("object/juggling", "juggling", "object", 5, None),
        ],
    ),
    (
        names.ConceptNames(RUN),
        [
            ("action/juggling", "juggling", "action", 1, 10, None),
            ("color/red", "red", "color", 3, 30, None),
            ("object/ball", "ball", "object", 4, 40, 0.25),
            ("object/juggling", "juggling", "object", 5, 50, None),
            (EVIL_UID, EVIL, "scene type", 9, 90, None),
            (POLKA, "polka dotted", "texture", 2, 20, None),
        ],
    ),
    (
        units.Unit(RUN, "block4/0"),
        [("block4/0", "0 juggling", "ok", 1.0, True, ["a.jpg"], [4.0], ["t/a.jpg"])],
    ),
    (units.Unit(RUN, "block3/2"), [("block3/2", "2", "dead", 1.0, False, [], [], [])]),
    (units.Unit(RUN, "class/juggling"), []),
    (
        units.UnitConcepts(RUN, "block4/0"),
        [
            ("action/juggling", "juggling", "action", 0.3, 0.5, 0.001, 8.0, True),
            ("object/ball", "ball", "object", 0.06, 1.0, 0.002, 2.0, True),
        ],
    ),
    (
        units.UnitConcepts(RUN, "block4/3"),
        [("object/ball", "ball", "object", 0.08, 0.0, None, None, None)],
    ),
    (
        contributions.UnitClasses(RUN, "block4/0"),
        [
            ("class/juggling", "juggling", 4.0, 0.5, 0),
            ("class/🎉", "🎉", -2.0, -0.25, 0),
            (OHARA_UID, OHARA, -1.0, -0.5, 0),
        ],
    ),
    (
        chains.UnitReach(RUN, "block3/1"),
        [(OHARA_UID, OHARA, 2, 0.375), ("class/juggling", "juggling", 2, 0.3125)],
    ),
    (
        contributions.FedBy(RUN, "class/juggling", top=2),
        [
            ("block4/0", "0 juggling", "juggling", "action", 0.3, 4.0, 4.0, 0.5),
            ("block4/2", "2 ball", "ball", "object", 0.25, 3.0, 3.0, 0.375),
        ],
    ),
    (
        contributions.FedBy(RUN, "block4/1"),
        [("block3/0", "0 polka dotted", "polka dotted", "texture", 0.2, 1.0, 1.0, 1.0)],
    ),
    (
        contributions.InhibitedBy(RUN, "block4/2"),
        [("block3/0", "0 polka dotted", "polka dotted", "texture", 0.2, 0.0, -1.0, 0.0)],
    ),
    (
        contributions.Feeds(RUN, "block3/0", top=2),
        [
            ("block4/1", "1", None, None, None, 1.0, 1.0, 1.0),
            ("block4/0", "0 juggling", "juggling", "action", 0.3, 3.0, 3.0, 0.75),
        ],
    ),
    (
        concepts.ConceptsIntoUnit(RUN, "block4/0"),
        [
            (POLKA, "polka dotted", "texture", 1, 0.75),
            ("object/ball", "ball", "object", 1, 0.25),
        ],
    ),
    (
        units.PolysemanticUnits(RUN),
        [
            ("block4/0", 2, "action/juggling", 0.3, "object/ball", 0.06),
            ("block3/0", 2, POLKA, 0.2, "object/ball", 0.05),
            ("block4/2", 2, "object/ball", 0.25, POLKA, 0.05),
        ],
    ),
    (
        units.UnitInOtherRuns(RUN, "block4/0"),
        [(BEFORE, "ball", "object", 0.5), (AFTER, None, None, None)],
    ),
    (units.UnitInOtherRuns(RUN, "block4/0", top=1), [(BEFORE, "ball", "object", 0.5)]),
    (units.UnitInOtherRuns(AFTER, "block4/9"), [(BEFORE, "ball", "object", 0.5)]),
    (units.QuietUnits(RUN), [("block3/2", "dead"), ("block4/3", "sparse")]),
    (
        names.UnitNames(RUN),
        [
            ("block1/0", "0 red", "ok"),
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
        blocks.Blocks(RUN),
        [
            ("block1", 1, 1, 0, 0, 0, 1),
            ("block2", 1, 1, 0, 0, 0, 1),
            ("block3", 3, 2, 0, 0, 1, 2),
            ("block4", 4, 2, 1, 1, 0, 2),
        ],
    ),
    (
        blocks.CategoriesByBlock(RUN),
        [
            ("block1", "color", 1, 0, 1),
            ("block2", "texture", 1, 0, 1),
            ("block3", "object", 1, 0, 1),
            ("block3", "texture", 1, 0, 1),
            ("block4", "action", 1, 1, 1),
            ("block4", "object", 1, 0, 1),
        ],
    ),
    (
        blocks.BlockConcepts(RUN, "block3"),
        [
            ("object/ball", "ball", "object", 1, 0.1),
            (POLKA, "polka dotted", "texture", 1, 0.2),
        ],
    ),
    (saved.SavedImages(RUN), [(IMAGE, "photos/a b.jpg", 1)]),
    (
        saved.ImageExplanations(RUN, IMAGE),
        [("explanation/1", "juggling", None, "exact", 5.0, 0.9, 0.8)],
    ),
    (
        saved.ExplanationPaths(RUN, "explanation/1", top=2),
        [
            (1, 2.0, 1.5, 0, "block3/0", "polka dotted"),
            (1, 2.0, 1.5, 1, "block4/0", "juggling"),
            (2, -0.5, None, 0, "block3/1", "ball"),
            (2, -0.5, None, 1, "block4/2", "ball"),
        ],
    ),
    (
        saved.ExplanationConcepts(RUN, "explanation/1"),
        [
            (POLKA, "polka dotted", "texture", 1, 2.0),
            ("object/ball", "ball", "object", 1, -0.5),
            (None, None, None, 1, 0.25),
        ],
    ),
    (
        saved.UnitExplanations(RUN, "block4/0"),
        [
            ("photos/a b.jpg", "juggling", 1, 2.0),
            ("photos/a b.jpg", "juggling", 3, 0.25),
        ],
    ),
]
