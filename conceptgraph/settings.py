"""Every number and choice that decides the result of an ingest, with its default.

The command line takes its defaults from here; a run's manifest has the settings and their digest.
How the work is done (device, processes, workers) is no setting: between kinds of device only the
last digits of floats differ. But a GPU has another batch size, if none is given, and with it other
permutations in the significance test and other positions for the presence probes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .errors import ConceptGraphError

if TYPE_CHECKING:
    from collections.abc import Mapping

IouVariant = Literal["paper", "lite", "unrestricted"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Quantile = float | Literal["auto"]

PREPROCESSINGS = ("model", "resize", "imagenet", "netdissect")
BLOCKS = ("block1", "block2", "block3", "block4")
_BLOCK = re.compile(r"block([1-9]\d*)")
_LEAST = {
    "seed": 0,
    "null_samples": 0,
    "batch_size": 1,
    "calibration_images": 1,
    "top_labels": 1,
    "top_images": 1,
    "top_k": 1,
    "image_size": 32,
}
USUAL_BATCH, LARGEST_BATCH = 32, 256  # images, if no batch size is given
BATCHES = 32  # at least, if batches are larger than usual
GIGABYTES = 0.085
"""GPU memory per image of a batch (ResNet-50 on images of 224², half of it for cells)."""
AUDIT_TRIES, AUDIT_THINGS = 5, 3
"""Suspects that an audit ablates, and things of an image that it paints over; not of a run."""


@dataclass(frozen=True)
class Settings:
    """Settings of one ingest.

    Attributes:
        blocks: which residual stages to dissect, in network order; none means all of the network's.
        modules: names of the modules that are block1, block2, …, where they are not found by
            themselves.
        head: name of the layer that gives the logits, likewise.
        multi_label: whether each class is a decision of its own (sigmoid); as the network states it
            if None.
        quantile: share of a unit's activations, over all images and positions, above its threshold;
            `auto` chooses one that suits the sizes of the concepts. A run states what was chosen.
        iou: which activations count against a concept: in images labelled with its category
            (`paper`), NetDissect-Lite's variant (`lite`), or everywhere (`unrestricted`).
        min_iou: a unit is interpretable when its best IoU exceeds this.
        min_precision: a unit is named after its best concept when, in images held out, more than
            this share of its activation area lies on the concept, beyond chance.
        preprocess: what becomes of photographs, and how colors are normalised: as the `model`
            states it; the whole image resized (`resize`); the shorter side resized to 256 and the
            center cropped to 224 (`imagenet`); NetDissect's, for parity (`netdissect`); or a JSON
            file that says it.
        precision: number format of the forward pass; `auto` is float32.
        image_size: side of the network's input; None takes what the network was made for.
        batch_size: images per forward pass; None leaves it to `batch_size_for`.
        threshold_split: fit thresholds on images of this split only.
        seed: fixes the order of the images (and an untrained network).
        calibration_images: images that give the lower bounds of the thresholds.
        null_samples: samples of the permutation null per concept and block, at least; 0 leaves the
            significance test out.
        significance: the false discovery rate among significant labels.
        top_labels: labels stored per unit, besides the best of each category.
        top_images: images stored per unit.
        top_k: contributions per target and sign in the run's graph.
    """

    blocks: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    head: str | None = None
    multi_label: bool | None = None
    quantile: Quantile = "auto"
    iou: IouVariant = "paper"
    min_iou: float = 0.04
    min_precision: float = 0.5
    preprocess: str = "model"
    precision: Precision = "auto"
    image_size: int | None = None
    batch_size: int | None = None
    threshold_split: str | None = None
    seed: int = 0
    calibration_images: int = 128
    null_samples: int = 500
    significance: float = 0.05
    top_labels: int = 5
    top_images: int = 5
    top_k: int = 32

    def __post_init__(self) -> None:
        """Refuse invalid values.

        Raises:
            ConceptGraphError: naming the setting, the value, and what it may be.
        """
        numbers = [_BLOCK.fullmatch(block) for block in self.blocks]
        order = [int(number[1]) if number else 0 for number in numbers]
        if 0 in order or order != sorted(set(order)):
            raise ConceptGraphError(
                "blocks must be distinct and in network order",
                found=",".join(self.blocks),
                expected="such as " + ",".join(BLOCKS),
            )
        if self.quantile != "auto" and not 0 < self.quantile < 1:
            raise ConceptGraphError(
                "quantile out of range", found=self.quantile, expected="between 0 and 1, or auto"
            )
        for name in ("min_iou", "min_precision"):
            if not 0 <= getattr(self, name) < 1:
                raise ConceptGraphError(
                    f"{name.replace('_', '-')} out of range",
                    found=getattr(self, name),
                    expected="from 0 to below 1",
                )
        if not 0 < self.significance < 1:
            raise ConceptGraphError(
                "significance out of range", found=self.significance, expected="between 0 and 1"
            )
        if self.preprocess not in PREPROCESSINGS and not self.preprocess.endswith(".json"):
            raise ConceptGraphError(
                f"there is no preprocessing {self.preprocess!r}",
                expected=f"{', '.join(PREPROCESSINGS)}, or a .json file",
            )
        for name, least in _LEAST.items():
            if getattr(self, name) is not None and getattr(self, name) < least:
                raise ConceptGraphError(
                    f"{name.replace('_', '-')} out of range",
                    found=getattr(self, name),
                    expected=f"{least} or more",
                )

    def batch_size_for(self, images: int, pixels: int, gigabytes: float | None) -> int:
        """Return the number of images per forward pass.

        A GPU is fastest with as many as its memory holds; but the permutation null, which permutes
        labels within a batch, needs many batches.

        Args:
            images: of the run.
            pixels: of the largest input or mask.
            gigabytes: memory of the GPU; None on CPU.
        """
        if self.batch_size is not None:
            return self.batch_size
        if gigabytes is None:
            return USUAL_BATCH
        most = LARGEST_BATCH
        while most > USUAL_BATCH and gigabytes < most * GIGABYTES * pixels / 224**2:
            most //= 2
        return min(most, max(USUAL_BATCH, images // BATCHES))

    def as_dict(self) -> dict[str, object]:
        """Return plain values, as the manifest stores them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Settings:
        """Return the settings that `as_dict` gave these values for, also by way of JSON.

        Raises:
            ConceptGraphError: a setting is missing, unknown or out of range.
            ValueError: one is of another type.
        """
        import msgspec

        names = {field.name for field in dataclasses.fields(cls)}
        for what, wrong in (("no", names - values.keys()), ("unknown", values.keys() - names)):
            if wrong:
                raise ConceptGraphError(f"{what} setting {', '.join(sorted(wrong))}")
        return msgspec.convert(values, cls)

    @property
    def digest(self) -> str:
        """sha256 over all settings."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()
