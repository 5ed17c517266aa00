"""The names of the moving world: classes, their scenes, directions, concepts."""

from __future__ import annotations

from ..world import names as pictures

CLASSES = ("juggling", "holding", "cycling", "typing", "painting", "applauding")

SCENES_OF = {**pictures.SCENES_OF, "holding": pictures.SCENES_OF["juggling"]}
"""The scenes of each class. Those that differ by motion alone have the same."""

DIRECTIONS = ("left", "right", "up", "down", "still")

CONCEPTS: dict[str, tuple[str, ...]] = {
    **{name: concepts for name, concepts in pictures.CONCEPTS.items() if name != "action"},
    "scene": tuple(sorted({scene for name in CLASSES for scene in SCENES_OF[name]})),
    "action": CLASSES,
    "motion": DIRECTIONS,
}
"""All concepts by category, in the order of their label numbers."""

LABEL_NUMBERS = {
    pair: number
    for number, pair in enumerate(
        ((category, name) for category, names in CONCEPTS.items() for name in names), 1
    )
}
