"""The graph's vocabulary: labels, relationship types and their properties, in one place.

    (Run)-[:HAS_BLOCK]->(Block)-[:HAS_UNIT]->(Unit)
    (Run)-[:HAS_CLASS]->(Class)
    (Run)-[:HAS_CONCEPT {images, pixels, …}]->(Concept)
    (Concept)-[:PROBED_AT {f1, …}]->(Block)
    (Unit)-[:DETECTS]->(Concept)
    (Unit)-[:CONTRIBUTES]->(Unit | Class)
    (Unit)-[:SAME_UNIT]->(Unit)    of another run of the same network
    (Image)-[:EXPLAINED_BY]->(Explanation)-[:OF]->(Class)
    (Explanation)-[:HAS_PATH]->(Path)-[:STEP {position}]->(Unit)

Every node has a `uid`, a pure function of names, unique within its label. No property is called
`id`, `title` or `type` (structural in some engines), and `name` is the caption a browser shows.
A property that is not known is absent, as in Neo4j, never null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

Type: TypeAlias = Literal["string", "long", "double", "boolean", "string[]", "double[]"]
"""A property's type, by the names of Neo4j's import."""
Properties: TypeAlias = Mapping[str, Type]

VERSION = 1
"""Of this vocabulary; a database states the one that a run was loaded with."""


class Relationship(NamedTuple):
    """A relationship type: the labels at its ends and the properties it may carry."""

    source: str
    targets: tuple[str, ...]
    properties: Properties = {}  # noqa: RUF012 (nobody writes to it)


NODES: dict[str, Properties] = {
    "Run": {
        "name": "string",
        "model": "string",
        "model_digest": "string",
        "created": "string",
        "device": "string",
        "settings": "string",
        "settings_digest": "string",
        "min_iou": "double",
        "edges_per_target": "long",
        "share_left_out": "double",
    },
    "Block": {"name": "string", "units": "long", "height": "long", "width": "long"},
    "Unit": {
        "name": "string",
        "block": "long",
        "index": "long",
        "label": "string",
        "category": "string",
        "iou": "double",
        "threshold": "double",
        "status": "string",
        "interpretable": "boolean",
        "images": "string[]",
        "activations": "double[]",
        "thumbnails": "string[]",
    },
    "Concept": {"name": "string", "category": "string"},
    "Class": {"name": "string", "index": "long"},
    "Image": {"name": "string", "path": "string"},
    "Explanation": {
        "name": "string",
        "method": "string",
        "versus": "string",
        "logit": "double",
        "probability": "double",
        "coverage": "double",
    },
    "Path": {"name": "string", "rank": "long", "contribution": "double", "measured": "double"},
}

RELATIONSHIPS: dict[str, Relationship] = {
    "HAS_BLOCK": Relationship("Run", ("Block",)),
    "HAS_UNIT": Relationship("Block", ("Unit",)),
    "HAS_CLASS": Relationship("Run", ("Class",)),
    "HAS_CONCEPT": Relationship(
        "Run", ("Concept",), {"images": "long", "pixels": "long", "center_bias": "double"}
    ),
    "PROBED_AT": Relationship(
        "Concept",
        ("Block",),
        {
            "f1": "double",
            "precision": "double",
            "recall": "double",
            "threshold": "double",
            "positions": "long",
        },
    ),
    "DETECTS": Relationship(
        "Unit",
        ("Concept",),
        {
            "iou": "double",
            "rank": "long",
            "category": "string",
            "intersection": "long",
            "activation": "long",
            "truth": "long",
            "p": "double",
            "enrichment": "double",
            "attainable_iou": "double",
            "significant": "boolean",
        },
    ),
    "CONTRIBUTES": Relationship(
        "Unit",
        ("Unit", "Class"),
        {"weight": "double", "pre": "double", "share": "double", "rank": "long"},
    ),
    "SAME_UNIT": Relationship("Unit", ("Unit",)),
    "EXPLAINED_BY": Relationship("Image", ("Explanation",)),
    "OF": Relationship("Explanation", ("Class",)),
    "HAS_PATH": Relationship("Explanation", ("Path",)),
    "STEP": Relationship("Path", ("Unit",), {"position": "long"}),
}


def block_number(block: str) -> int:
    """4 for "block4"; ValueError for a name that is not `block` and a number."""
    prefix, number = block[:5], block[5:]
    if prefix != "block" or not number.isdecimal():
        message = f"not a block name: {block!r}"
        raise ValueError(message)
    return int(number)


def block_label(block: str) -> str:
    """The second label of a block's units: "Block4" for "block4"."""
    return f"Block{block_number(block)}"


def category_label(category: str) -> str:
    """The second label of a category's concepts: "Action" for "action".

    Labels cannot be parameters in Cypher, so only ASCII letters, digits and underscores are left
    ("scene type" → "SceneType"); a label of our own gets a suffix ("class" → "ClassConcept").
    The exact name stays in the property `category`.
    """
    words = re.findall(r"[A-Za-z0-9_]+", category)
    label = "".join(word[0].upper() + word[1:] for word in words)
    if not label or not label[0].isalpha():
        label = f"Category{label}"
    taken = label in NODES or re.fullmatch(r"Block\d+", label)
    return f"{label}Concept" if taken else label
