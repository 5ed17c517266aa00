"""A hand-made explanation by regions of an image of which the network sees the middle."""

from __future__ import annotations

import base64
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from conceptgraph.explain.counterfactuals import Counterfactual
from conceptgraph.explain.explanation import (
    ConceptAttribution,
    Explanation,
    Prediction,
    UnitPaths,
)
from conceptgraph.explain.flows import Flow, FlowNode
from conceptgraph.explain.image_regions import Change, ImageRegions, ImageThing, PixelBox
from conceptgraph.explain.places import Place, UnitEvidence
from conceptgraph.explain.presence import ConceptName
from conceptgraph.explain.regions import ConceptRegion
from conceptgraph.ingest.network import preprocessing
from conceptgraph.queries.rows import Rows

if TYPE_CHECKING:
    from conceptgraph.graph.run.reader import Run

BALL, ROAD = ConceptName("ball", "object"), ConceptName("road", "object")
RED, BLUE = (220, 30, 30), (30, 30, 220)
SIDE = 40
"""Pixels of the network's input."""
_NAMES = ("ball", "road", None)


def image_explanation(run: Run) -> Explanation:
    """Explain a photograph of 200 × 100 pixels, of which the network sees the middle square.

    In it a ball is red, in the upper left quarter of what is seen; all else is blue. Painted over,
    the answer is another one.
    """
    file = run.path.parent / "ball.png"
    picture = Image.new("RGB", (200, 100), BLUE)
    picture.paste(RED, (50, 0, 100, 50))
    picture.save(file)
    none = ConceptAttribution(None, None, 0.0, 0.0, 1.5, 0.5)
    return Explanation(
        run=run.name, image=str(file), class_name="juggling", versus=None, method="exact",
        logit=3.0, probability=0.6,
        predicted=Rows((Prediction("juggling", 0.6), Prediction("typing", 0.4))),
        total=3.0, biases=1.0, blocks=("block3", "block4"), by_concept=Rows((none,)),
        cam=np.ones((2, 2), np.float32), concept_maps={},
        shape=run.manifest["input"], seen=preprocessing.SeenBox(0.25, 0.0, 0.75, 1.0),
        picture=image_regions(), find_paths=lambda: UnitPaths(Rows(()), 0.0, Rows(()), {}),
    )  # fmt: skip


def image_regions() -> ImageRegions:
    """Return what the network sees in it: +2 at the ball, −0.5 at the road, 0.5 elsewhere."""
    pixels = np.full((SIDE, SIDE, 3), BLUE, np.uint8)
    pixels[: SIDE // 2, : SIDE // 2] = RED
    painted = np.full((SIDE, SIDE, 3), BLUE, np.uint8)
    typing = Counterfactual(2.25, Prediction("typing", 0.9), painted)
    ball = _thing(BALL, 2.0, np.s_[: SIDE // 2, : SIDE // 2])
    road = _thing(ROAD, -0.5, np.s_[SIDE // 2 :])
    evidence = {"ball": (2.0, 0.25), "road": (-0.5, 0.5), None: (0.5, 0.25)}
    blocks = ("block3", "block4")
    nodes = {b: [FlowNode(b, "object", name) for name in _NAMES] for b in blocks}
    return ImageRegions(
        blocks,
        dict.fromkeys(blocks, 1.0),
        tuple(
            ConceptRegion(block, "object", name, *evidence[name], None if name is None else 0.1)
            for block in blocks for name in _NAMES
        ),
        (replace(ball, counterfactual=typing), road),
        None,
        Change((0,), typing.answer, painted),
        tuple(
            Flow(source, target, evidence[source.name][0] if source.name == target.name else 0.0)
            for source in nodes["block3"] for target in nodes["block4"]
        ),
        {
            node: Place(
                np.eye(2, dtype=bool), (UnitEvidence(f"{block}/0", 0.25),),
                evidence[node.name][0] - 0.25,
            )
            for block in blocks for node in nodes[block]
        },
        {block: np.ones((2, 2), np.float32) for block in blocks},
        pixels,
    )  # fmt: skip


def _thing(concept: ConceptName, evidence: float, where: tuple[slice, ...] | slice) -> ImageThing:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[where] = True
    return ImageThing(
        (concept,), "block3", evidence, float(mask.mean()), PixelBox(0, 0, SIDE, SIDE), mask
    )


def open_picture(uri: str) -> Image.Image:
    """Open a picture of a page."""
    return Image.open(BytesIO(base64.b64decode(uri.partition(",")[2])))
