"""The graph's vocabulary: labels, relationship types and their properties.

    (Run)-[:HAS_BLOCK]->(Block)-[:HAS_UNIT]->(Unit)
    (Run)-[:HAS_CLASS]->(Class)
    (Run)-[:HAS_CONCEPT {images, pixels, …}]->(Concept)
    (Concept)-[:PROBED_AT {f1, …}]->(Block)
    (Unit)-[:DETECTS {iou, …}]->(Concept)
    (Unit)-[:CONTRIBUTES {weight, …}]->(Unit | Class)
    (Block)-[:SEES]->(BlockConcept)-[:IS]->(Concept)
    (BlockConcept)-[:EVIDENCE {mean, …}]->(Class)
    (Flow)-[:FLOWS {mean, …}]->(Flow | Class)
    (Flow)-[:AT]->(BlockConcept)
    (Unit)-[:SAME_UNIT]->(Unit)    of another run of the same network
    (Image)-[:EXPLAINED_BY]->(Explanation)-[:OF]->(Class)
    (Explanation)-[:HAS_PATH]->(Path)-[:STEP {position}]->(Unit)

Every node has a `uid` (see `uids`), unique within its label, and a node that belongs to one run has
the run's uid as `run`: all but the Run itself, and Concept and Image, which runs share. `name` is
the caption that a browser shows. No property is called `id`, `title` or `type`, which some engines
use themselves. A property without a value is absent, never null.

Run          model and model_digest (sha256 over its name and weights); created, device; settings
             (JSON), settings_digest; label_settings: those that decide labels, as text;
             min_iou: a unit is interpretable above this IoU;
             edges_per_target: contributions per target and sign in the graph; share_left_out: the
             share of all positive weight that is not in the graph
Block        units; height and width of their activation maps
Unit         block, index; label, category, iou: the concept with the largest IoU; threshold: T_k,
             the unit detects where its activation exceeds it; status: ok, dead (never active) or
             sparse (threshold 0); interpretable: status ok and IoU above min_iou;
             named: interpretable, and the label holds; images, activations, thumbnails: its top
             images, its activation there, their pictures; formula: of several concepts, if it has
             one ("water OR river"); formula_iou: over all images, whatever they are annotated with;
             formula_concept, formula_concept_iou: uid and IoU of the best single concept, likewise;
             reversed, frozen: of a run of clips, how its maps correlate with those of the same
             clips reversed and frozen
HAS_CONCEPT  images and pixels that have the concept in the run's data; center_bias: the IoU of the
             center-bias baseline, the best of eight boxes in the middle of every image; source: by
             what its labels were made, a model or tags; absent if people drew them
PROBED_AT    threshold: the score, in standard deviations above its mean, from which the presence
             probe of the block predicts the concept; precision, recall, f1 at held-out positions;
             mcc, mcc_low, mcc_high: Matthews correlation there, and its 95 % interval; positions:
             of these, the labelled ones; usable: whether explanations use the probe
DETECTS      iou, and its rank among the unit's concepts, from 0; category of the concept;
             activation, truth, intersection: pixels of the activation area, of the concept area and
             of both; p: p-value under the permutation null; enrichment: intersection over its mean
             under the null; attainable_iou: the largest IoU that two areas of these sizes can have;
             significant: at the run's false discovery rate; precision: share of the unit's
             activation area that lies on the concept, in images held out; precision_low: lower end
             of its 95 % interval; chance: the precision with labels permuted between images; holds:
             the concept may name the unit. Without null samples p, enrichment, significant, chance
             and holds are absent. Of a concept that labels whole images also auc: how well the
             unit's peak in an image tells those with the concept from those without (0.5 by
             chance); auc_low: lower end of its 95 % interval; auc_p, auc_significant: under
             permuted answers. To a word (category `word`, of a run NAME.words, whose min_iou is 0)
             areas are images in place of pixels; source: by what the word is, a model
CONTRIBUTES  weight: the one-unit contribution after the target's ReLU (to a class: the final
             layer's weight); pre: before the ReLU, signed; share: weight over all positive weight
             into the target; rank from 0, among the target's contributors or among its inhibitors
BlockConcept a concept where a block's presence probe finds it; name, category, block; images that
             have it, coverage: mean share of the image, over the images of all classes
EVIDENCE     mean: what it adds to the class's logit (less the mean of all, or less that of the
             class compared with), over the images taken for the class; name: the mean as text;
             spread: standard deviation; low, high: the mean's 95 % interval; images, share: those
             that have it; coverage; rank from 0 within the class and block, by |mean|
Flow         a place on the way to a class: where a block finds a concept of a category, or none
             ("elsewhere", without `concept`); each class has a tree of its own
FLOWS        mean: what reaches the class from it, by way of the Flow it leads to, if to one;
             images that have it; share: of Σ |mean| from its place by way of the next one's
             category, none of it included; rank from 0 within the class: by |mean|, times the
             shares of the image that both places leave free
Explanation  method; versus: the class compared with, if any; logit and probability of the class;
             coverage: the share of the |contribution| of all searched paths that its paths have
Path         rank from 1; contribution to the logit (or difference of logits); measured: what the
             logit loses along this path when its first unit is ablated
STEP         position of the unit on the path, from 0
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

PropertyType: TypeAlias = Literal["string", "long", "double", "boolean", "string[]", "double[]"]
"""A property's type, by the names of Neo4j's import."""
Properties: TypeAlias = Mapping[str, PropertyType]

VERSION = 1
"""Version of this vocabulary; a database states the one that a run was loaded with."""


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
        "label_settings": "string",
        "min_iou": "double",
        "edges_per_target": "long",
        "share_left_out": "double",
    },
    "Block": {
        "run": "string",
        "name": "string",
        "units": "long",
        "height": "long",
        "width": "long",
    },
    "Unit": {
        "run": "string",
        "name": "string",
        "block": "long",
        "index": "long",
        "label": "string",
        "category": "string",
        "iou": "double",
        "threshold": "double",
        "status": "string",
        "interpretable": "boolean",
        "named": "boolean",
        "reversed": "double",
        "frozen": "double",
        "formula": "string",
        "formula_iou": "double",
        "formula_concept": "string",
        "formula_concept_iou": "double",
        "images": "string[]",
        "activations": "double[]",
        "thumbnails": "string[]",
    },
    "Concept": {"name": "string", "category": "string"},
    "Class": {"run": "string", "name": "string", "index": "long"},
    "BlockConcept": {
        "run": "string",
        "name": "string",
        "category": "string",
        "block": "long",
        "images": "long",
        "coverage": "double",
    },
    "Flow": {
        "run": "string",
        "name": "string",
        "category": "string",
        "concept": "string",
        "block": "long",
        "class": "string",
    },
    "Image": {"name": "string", "path": "string"},
    "Explanation": {
        "run": "string",
        "name": "string",
        "method": "string",
        "versus": "string",
        "logit": "double",
        "probability": "double",
        "coverage": "double",
    },
    "Path": {
        "run": "string",
        "name": "string",
        "rank": "long",
        "contribution": "double",
        "measured": "double",
    },
}

RELATIONSHIPS: dict[str, Relationship] = {
    "HAS_BLOCK": Relationship("Run", ("Block",)),
    "HAS_UNIT": Relationship("Block", ("Unit",)),
    "HAS_CLASS": Relationship("Run", ("Class",)),
    "HAS_CONCEPT": Relationship(
        "Run",
        ("Concept",),
        {"images": "long", "pixels": "long", "center_bias": "double", "source": "string"},
    ),
    "PROBED_AT": Relationship(
        "Concept",
        ("Block",),
        {
            "f1": "double",
            "mcc": "double",
            "mcc_low": "double",
            "mcc_high": "double",
            "usable": "boolean",
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
            "precision": "double",
            "precision_low": "double",
            "chance": "double",
            "holds": "boolean",
            "auc": "double",
            "auc_low": "double",
            "auc_p": "double",
            "auc_significant": "boolean",
            "source": "string",
        },
    ),
    "CONTRIBUTES": Relationship(
        "Unit",
        ("Unit", "Class"),
        {"weight": "double", "pre": "double", "share": "double", "rank": "long"},
    ),
    "SEES": Relationship("Block", ("BlockConcept",)),
    "IS": Relationship("BlockConcept", ("Concept",)),
    "EVIDENCE": Relationship(
        "BlockConcept",
        ("Class",),
        {
            "name": "string",
            "class": "string",
            "mean": "double",
            "spread": "double",
            "low": "double",
            "high": "double",
            "images": "long",
            "share": "double",
            "coverage": "double",
            "rank": "long",
        },
    ),
    "AT": Relationship("Flow", ("BlockConcept",)),
    "FLOWS": Relationship(
        "Flow",
        ("Flow", "Class"),
        {
            "name": "string",
            "class": "string",
            "mean": "double",
            "images": "long",
            "share": "double",
            "rank": "long",
        },
    ),
    "SAME_UNIT": Relationship("Unit", ("Unit",)),
    "EXPLAINED_BY": Relationship("Image", ("Explanation",)),
    "OF": Relationship("Explanation", ("Class",)),
    "HAS_PATH": Relationship("Explanation", ("Path",)),
    "STEP": Relationship("Path", ("Unit",), {"position": "long"}),
}
