"""A graph of nine units in four blocks, made by hand, so that answers can be computed by hand.

Its names have quotes, backticks, emoji, and text that tries to be Cypher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from conceptgraph.graph.elements import Edge, Node
from conceptgraph.graph.records import Records
from conceptgraph.graph.uids import block_concept_uid, category_label, flow_uid, graph_uid

if TYPE_CHECKING:
    from conceptgraph.graph.elements import Value

RUN = "it's 🎉"
BEFORE, AFTER = "it's", "z"
"""Two other runs of the same network; their names sort in this order."""
EVIL = "'}) DETACH DELETE n //"
OHARA = "o'hara `x`"
IMAGE = "a" * 64

# uid: (label, category, iou), status, interpretable
_UNITS = {
    "block1/0": (("red", "color", 0.2), "ok", True),
    "block2/0": (("polka dotted", "texture", 0.1), "ok", True),
    "block3/0": (("polka dotted", "texture", 0.2), "ok", True),
    "block3/1": (("ball", "object", 0.1), "ok", True),
    "block3/2": (None, "dead", False),
    "block4/0": (("juggling", "action", 0.3), "ok", True),
    "block4/1": (("ball", "object", 0.03), "ok", False),
    "block4/2": (("ball", "object", 0.25), "ok", True),
    "block4/3": (("ball", "object", 0.08), "sparse", False),
}
_UNNAMED = ("block1/0",)
"""Interpretable, but the label does not hold as a name."""
_FORMULAS: dict[str, tuple[str, float, str, float]] = {
    "block3/0": ("ball OR polka dotted", 0.25, "texture/polka dotted", 0.125),
    "block4/2": ("ball AND NOT red", 0.5, "object/ball", 0.25),
    "block1/0": (f'"{EVIL}" OR red', 0.25, "color/red", 0.125),
}
"""Of some units, with its IoU, and the best single concept with its."""
_MOTION: dict[str, dict[str, Value]] = {
    "block1/0": {"reversed": 0.25}, "block2/0": {"reversed": -0.5, "frozen": 0.75},
}  # fmt: skip
"""Correlations with reversed and frozen clips, of some units."""
# name, category, images, pixels
_CONCEPTS = [
    ("red", "color", 3, 30),
    ("polka dotted", "texture", 2, 20),
    ("ball", "object", 4, 40),
    ("juggling", "action", 1, 10),
    ("juggling", "object", 5, 50),
    (EVIL, "scene type", 9, 90),
]
_STATED: dict[str, dict[str, Value]] = {
    "ball": {"center_bias": 0.25},
    "polka dotted": {"source": "SegFormer b0"},
}
_CLASSES = ("juggling", OHARA, "🎉")
# unit, concept, iou, rank, activation area, concept area; some are tested, see _SIGNIFICANCE
_DETECTS = [
    ("block1/0", "color/red", 0.2, 0, 4, 8),
    ("block2/0", "texture/polka dotted", 0.1, 0, 8, 8),
    ("block3/0", "texture/polka dotted", 0.2, 0, 8, 8),
    ("block3/0", "object/ball", 0.05, 1, 8, 8),
    ("block3/1", "object/ball", 0.1, 0, 8, 8),
    ("block3/1", f"scene type/{EVIL}", 0.02, 1, 8, 8),
    ("block4/0", "action/juggling", 0.3, 0, 10, 5),
    ("block4/0", "object/ball", 0.06, 1, 10, 10),
    ("block4/1", "object/ball", 0.03, 0, 8, 8),
    ("block4/2", "object/ball", 0.25, 0, 8, 8),
    ("block4/2", "texture/polka dotted", 0.05, 1, 8, 8),
    ("block4/3", "object/ball", 0.08, 0, 0, 0),
]
# unit, concept: p, enrichment, significant
_SIGNIFICANCE: dict[tuple[str, str], dict[str, Value]] = {
    ("block3/0", "texture/polka dotted"): {"p": 0.25, "enrichment": 1.5, "significant": False},
    ("block3/1", "object/ball"): {"p": 0.5, "significant": False},
    ("block4/0", "action/juggling"): {
        "p": 0.001,
        "enrichment": 8.0,
        "significant": True,
        "precision": 0.75,
        "precision_low": 0.5,
        "chance": 0.125,
        "holds": True,
        "auc": 0.875,
        "auc_low": 0.75,
        "auc_p": 0.001,
        "auc_significant": True,
    },
    ("block4/0", "object/ball"): {"p": 0.002, "enrichment": 2.0, "significant": True},
    ("block4/1", "object/ball"): {"p": 0.001, "enrichment": 4.0, "significant": True},
}
# source, target, weight, pre, share, rank
_CONTRIBUTES = [
    ("block1/0", "block2/0", 4.0, 4.0, 1.0, 0),
    ("block2/0", "block3/0", 2.0, 2.0, 0.5, 0),
    ("block2/0", "block3/1", 1.0, 1.0, 0.25, 0),
    ("block3/0", "block4/0", 3.0, 3.0, 0.75, 0),
    ("block3/1", "block4/0", 1.0, 1.0, 0.25, 1),
    ("block3/0", "block4/1", 1.0, 1.0, 1.0, 0),
    ("block3/1", "block4/2", 2.0, 2.0, 0.5, 0),
    ("block3/0", "block4/2", 0.0, -1.0, 0.0, 0),
    ("block4/0", "class/juggling", 4.0, 4.0, 0.5, 0),
    ("block4/2", "class/juggling", 3.0, 3.0, 0.375, 1),
    ("block4/1", "class/juggling", 1.0, 1.0, 0.125, 2),
    ("block4/2", f"class/{OHARA}", 2.0, 2.0, 1.0, 0),
    ("block4/0", f"class/{OHARA}", -1.0, -1.0, -0.5, 0),
    ("block4/1", "class/🎉", 8.0, 8.0, 1.0, 0),
    ("block4/0", "class/🎉", -2.0, -2.0, -0.25, 0),
]
# block, concept, class, mean, coverage
_EVIDENCE = [
    (3, "texture/polka dotted", "juggling", 2.0, 0.25),
    (3, "object/ball", "juggling", 0.5, 0.5),
    (3, f"scene type/{EVIL}", "juggling", -1.0, 1.0),
    (4, "action/juggling", "juggling", 3.0, 0.25),
    (4, "object/juggling", "juggling", 0.25, 0.5),
    (4, "object/ball", "juggling", 1.0, 0.5),
    (3, "object/ball", OHARA, 1.5, 0.5),
    (4, "object/ball", OHARA, 0.25, 0.5),
]
# class, place in block4, its mean, and flows to it: place in block3, mean, share, rank
_FLOWS: list[tuple[str, str, float, list[tuple[str, float, float, int]]]] = [
    (
        "juggling",
        "action/juggling",
        3.0,
        [
            ("texture/polka dotted", 2.0, 0.75, 0),
            ("object/ball", 0.5, 0.5, 1),
            (f"scene type/{EVIL}", -1.0, 0.875, 5),
        ],
    ),
    (
        "juggling",
        "object/ball",
        1.0,
        [
            ("object/ball", 0.5, 1.0, 2),
            ("object", 0.25, 0.5, 3),
            ("texture/polka dotted", -0.25, 0.25, 4),
        ],
    ),
    (OHARA, "object", 0.5, [("object/ball", 0.5, 0.75, 1)]),
    (OHARA, "object/ball", 1.0, [("object/ball", 1.0, 0.25, 0)]),
]
# rank, contribution, measured, units
_PATHS: list[tuple[int, float, float | None, tuple[str, str]]] = [
    (1, 2.0, 1.5, ("block3/0", "block4/0")),
    (2, -0.5, None, ("block3/1", "block4/2")),
    (3, 0.25, 0.25, ("block3/2", "block4/0")),
]


def hand_made_beside() -> tuple[Records, Records]:
    """Make two small runs of the same network: one labels its units otherwise, one not at all."""
    runs = []
    for name, interpretable in ((AFTER, False), (BEFORE, True)):
        units = [
            Node(("Unit", "Block4"), f"{name}/block4/{index}",
                 {"run": name, "block": 4, "index": index, "status": "ok",
                  "interpretable": interpretable, "named": interpretable, "name": str(index),
                  "label": "ball", "category": "object", "iou": 0.5})
            for index in (0, 9)
        ]  # fmt: skip
        nodes = (
            Node(("Run",), name, _run_properties(name)),
            Node(("Block",), f"{name}/block4", {"run": name, "name": "block4"}),
            *units,
        )
        edges = [Edge("HAS_UNIT", f"{name}/block4", unit.uid, {}) for unit in units]
        runs.append(Records(nodes, (Edge("HAS_BLOCK", name, f"{name}/block4", {}), *edges)))
    return runs[0], runs[1]


def _run_properties(name: str) -> dict[str, Value]:
    return {"name": name, "model": "resnet18", "model_digest": "0f0f", "created": "2026-11-24",
            "label_settings": "quantile 0.01" if name == AFTER else "quantile 0.005",
            "min_iou": 0.04, "edges_per_target": 9, "share_left_out": 0.0}  # fmt: skip


def hand_made() -> Records:
    """Make the run's graph, with one saved explanation."""
    nodes = [
        Node(("Run",), RUN, _run_properties(RUN)),
        *(Node(("Block",), _uid(f"block{i}"), {"run": RUN, "name": f"block{i}"})
          for i in range(1, 5)),
        *_units(),
        *(Node(("Class",), _uid(f"class/{name}"), {"run": RUN, "name": name, "index": i})
          for i, name in enumerate(_CLASSES)),
        *(Node(("Concept", category_label(c)), f"{c}/{name}", {"name": name, "category": c})
          for name, c, _, _ in _CONCEPTS),
        *_block_concepts(),
        *_flow_nodes(),
        Node(("Image",), IMAGE, {"name": "a b.jpg", "path": "photos/a b.jpg"}),
        Node(("Explanation",), _uid("explanation/1"),
             {"run": RUN, "method": "exact", "logit": 5.0, "probability": 0.9, "coverage": 0.8}),
        *_paths(),
    ]  # fmt: skip
    edges = (*_structure(), *_measured(), *_seen(), *_flows(), *_explained())
    return Records(tuple(nodes), edges)


def _uid(local: str) -> str:
    return graph_uid(RUN, local)


def _units() -> list[Node]:
    nodes = []
    for uid, (label, status, interpretable) in _UNITS.items():
        block, index = int(uid[5]), int(uid[7:])
        properties: dict[str, Value] = {"run": RUN, "block": block, "index": index}
        properties["status"] = status
        properties |= {"threshold": 1.0, "interpretable": interpretable, "name": str(index)}
        properties["named"] = interpretable and uid not in _UNNAMED
        if label:
            properties |= dict(zip(("label", "category", "iou"), label, strict=True))
        if label and properties["named"]:
            properties["name"] = f"{index} {label[0]}"
        names = ("formula", "formula_iou", "formula_concept", "formula_concept_iou")
        properties |= dict(zip(names, _FORMULAS.get(uid, ()), strict=False))
        properties |= _MOTION.get(uid, {})
        if uid == "block4/0":
            properties |= {"images": ["a.jpg"], "activations": [4.0], "thumbnails": ["t/a.jpg"]}
        nodes.append(Node(("Unit", f"Block{block}"), _uid(uid), properties))
    return nodes


def _seen_uid(block: int, concept: str) -> str:
    return _uid(block_concept_uid(f"block{block}", concept))


def _block_concepts() -> list[Node]:
    seen = dict.fromkeys((block, concept) for block, concept, *_ in _EVIDENCE)
    return [
        Node(("BlockConcept", f"InBlock{block}"), _seen_uid(block, concept),
             {"run": RUN, "name": concept.split("/")[1], "category": concept.split("/")[0],
              "block": block, "images": 4, "coverage": 0.5})
        for block, concept in seen
    ]  # fmt: skip


def _flow(name: str, *places: str) -> Node:
    """Make the Flow at the last of places "category/concept" or "category", block4 first."""
    category, _, concept = places[-1].partition("/")
    parts = [(f"block{4 - i}", *place.split("/"), None)[:3] for i, place in enumerate(places)]
    properties: dict[str, Value] = {"run": RUN, "name": concept or "elsewhere", "class": name}
    properties |= {"category": category, "block": 5 - len(places)}
    if concept:
        properties["concept"] = places[-1]
    uid = _uid(flow_uid(_CLASSES.index(name), cast("list[tuple[str, str, str | None]]", parts)))
    return Node(("Flow", f"InBlock{5 - len(places)}"), uid, properties)


def _flow_nodes() -> list[Node]:
    nodes = []
    for name, target, _, sources in _FLOWS:
        nodes.append(_flow(name, target))
        nodes += [_flow(name, target, source) for source, *_ in sources]
    return nodes


def _seen() -> list[Edge]:
    edges = []
    for block, concept in dict.fromkeys((block, concept) for block, concept, *_ in _EVIDENCE):
        uid = _seen_uid(block, concept)
        edges += [Edge("SEES", _uid(f"block{block}"), uid, {}), Edge("IS", uid, concept, {})]
    for block, concept, name, mean, coverage in _EVIDENCE:
        evidence: dict[str, Value] = {
            "name": f"{mean:+.2f}", "class": name, "mean": mean, "spread": 0.5,
            "low": mean - 0.125, "high": mean + 0.125, "images": 4, "share": 0.5,
            "coverage": coverage, "rank": 0,
        }  # fmt: skip
        edges.append(Edge("EVIDENCE", _seen_uid(block, concept), _uid(f"class/{name}"), evidence))
    return edges


def _flows() -> list[Edge]:
    edges = []
    for name, target, mean, sources in _FLOWS:
        facts: dict[str, Value] = {"name": f"{mean:+.2f}", "class": name, "mean": mean, "images": 4}
        branch = _flow(name, target)
        edges.append(Edge("FLOWS", branch.uid, _uid(f"class/{name}"), {**facts, "rank": 0}))
        for source, amount, share, rank in sources:
            facts = {"name": f"{amount:+.2f}", "class": name, "mean": amount, "images": 2}
            facts |= {"share": share, "rank": rank}
            edges.append(Edge("FLOWS", _flow(name, target, source).uid, branch.uid, facts))
    at = [
        Edge("AT", node.uid, _seen_uid(int(str(node.properties["block"])), str(concept)), {})
        for node in _flow_nodes()
        if (concept := node.properties.get("concept"))
    ]
    return [*edges, *at]


def _paths() -> list[Node]:
    nodes = []
    for rank, contribution, measured, _ in _PATHS:
        properties: dict[str, Value] = {"run": RUN, "rank": rank, "contribution": contribution}
        if measured is not None:
            properties["measured"] = measured
        nodes.append(Node(("Path",), _uid(f"explanation/1/{rank}"), properties))
    return nodes


def _structure() -> list[Edge]:
    blocks = [Edge("HAS_BLOCK", RUN, _uid(f"block{i}"), {}) for i in range(1, 5)]
    units = [Edge("HAS_UNIT", _uid(uid[:6]), _uid(uid), {}) for uid in _UNITS]
    classes = [Edge("HAS_CLASS", RUN, _uid(f"class/{name}"), {}) for name in _CLASSES]
    concepts = [
        Edge(
            "HAS_CONCEPT",
            RUN,
            f"{category}/{name}",
            {"images": images, "pixels": pixels, **_STATED.get(name, {})},
        )
        for name, category, images, pixels in _CONCEPTS
    ]
    probed = [
        Edge("PROBED_AT", "object/ball", _uid(block),
             {"f1": f1, "precision": 0.5, "recall": f1, "threshold": 1.5, "positions": 12,
              "mcc": f1 / 2, "mcc_low": 0.125, "mcc_high": 0.5, "usable": f1 > 0.5})
        for block, f1 in (("block4", 0.75), ("block3", 0.5))
    ]  # fmt: skip
    return [*blocks, *units, *classes, *concepts, *probed]


def _measured() -> list[Edge]:
    detects = [
        Edge("DETECTS", _uid(unit), concept,
             {"iou": iou, "rank": rank, "activation": activation, "truth": truth,
              "attainable_iou": min(activation, truth) / max(activation, truth, 1),
              **_SIGNIFICANCE.get((unit, concept), {})})
        for unit, concept, iou, rank, activation, truth in _DETECTS
    ]  # fmt: skip
    contributes = [
        Edge("CONTRIBUTES", _uid(source), _uid(target),
             {"weight": weight, "pre": pre, "share": share, "rank": rank})
        for source, target, weight, pre, share, rank in _CONTRIBUTES
    ]  # fmt: skip
    return [*detects, *contributes]


def _explained() -> list[Edge]:
    explanation = _uid("explanation/1")
    edges = [
        Edge("EXPLAINED_BY", IMAGE, explanation, {}),
        Edge("OF", explanation, _uid("class/juggling"), {}),
    ]
    for rank, _, _, units in _PATHS:
        path = f"{explanation}/{rank}"
        edges.append(Edge("HAS_PATH", explanation, path, {}))
        edges += [
            Edge("STEP", path, _uid(unit), {"position": position})
            for position, unit in enumerate(units)
        ]
    return edges
