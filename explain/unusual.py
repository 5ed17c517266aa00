"""What is unusual about an image: its evidence less the mean evidence of a class's images.

Both are of the same quantity, the class's logit less the mean of all logits (or less that of the
class which the run's evidence is compared with). Sums of exact sums are exact: per block and
category, the differences add up to what the image's value differs by, less that of its bias terms.
After the last block these are the same for all images, and cancel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..graph.run.class_evidence import read_class_evidence
from ..queries.class_evidence import class_concepts
from ..queries.labels import class_index
from .image_evidence import ImageEvidence, RegionKey
from .verdict import shown_regions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..queries.class_evidence import CarryingConcepts
    from .explanation import Explanation
    from .image_evidence import EvidenceRow
    from .image_regions import ImageRegions
    from .network import RunNetwork

SHOWN = 4
"""How many concepts are shown for a class."""
FEWEST_IMAGES = 2
"""Of a class: with fewer there is no spread."""


class UnusualRegion(NamedTuple):
    """A region's evidence in an image, and in the images of a class.

    Attributes:
        class_name: the class.
        block: whose probes find the concept.
        category: of the concept.
        name: None for the places where none of the category is found.
        evidence: in this image.
        mean: over the images taken for the class.
        spread: standard deviation over them.
        coverage: share of this image.
        mean_coverage: likewise of theirs.
    """

    class_name: str
    block: str
    category: str
    name: str | None
    evidence: float
    mean: float
    spread: float
    coverage: float
    mean_coverage: float

    @property
    def difference(self) -> float:
        """What this image has more than the mean, in units of the logit."""
        return self.evidence - self.mean

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        values = self._asdict()
        return {"class": values.pop("class_name"), **values, "difference": self.difference}


def unusual_regions(
    network: RunNetwork, explanation: Explanation, classes: Sequence[str]
) -> tuple[UnusualRegion, ...] | None:
    """Compare an image's evidence for classes with the mean of the images taken for them.

    Args:
        network: of a run.
        explanation: of the image.
        classes: names or uids; one that fewer than `FEWEST_IMAGES` were taken for is left out.

    Returns:
        For each class the largest |difference| first; None if the run has no evidence of classes.

    Raises:
        RunError: the evidence is damaged.
    """
    saved = read_class_evidence(network.run)
    if saved is None:
        return None
    other = None if saved.versus is None else class_index(network.run, saved.versus)
    source = ImageEvidence(network, other)
    batch = network.as_input(explanation.picture.pixels[None])
    regions: list[UnusualRegion] = []
    for index in dict.fromkeys(class_index(network.run, name) for name in classes):
        name = str(network.run.classes["name"].iloc[index])
        usual = class_concepts(saved, name)
        if usual.images < FEWEST_IMAGES or name == saved.versus:
            continue
        row = source.row(explanation.image, batch, index)
        of_class = _compared(usual, source.keys, row)
        regions += sorted(of_class, key=lambda region: -abs(region.difference))
    return tuple(regions)


def shown_unusual(
    picture: ImageRegions, unusual: Sequence[UnusualRegion]
) -> dict[str, list[UnusualRegion]]:
    """Return by class what is most unusual, of the block and the category that are shown."""
    shown = {(region.block, region.category) for region in shown_regions(picture)}
    by_class: dict[str, list[UnusualRegion]] = {}
    for region in unusual:
        if region.name is not None and (region.block, region.category) in shown:
            by_class.setdefault(region.class_name, []).append(region)
    return {name: regions[:SHOWN] for name, regions in by_class.items()}


def _compared(
    usual: CarryingConcepts, keys: Sequence[RegionKey], row: EvidenceRow
) -> Iterator[UnusualRegion]:
    """Yield the regions that the image or some image of the class has."""
    means = {
        RegionKey(one.block, one.category, one.name): (one.mean, one.spread, one.coverage)
        for one in usual.evidence
    }
    for key, evidence, coverage in zip(keys, row.evidence, row.coverage, strict=True):
        if coverage or key in means:
            mean, spread, mean_coverage = means.get(key, (0.0, 0.0, 0.0))
            yield UnusualRegion(
                usual.class_name, *key, evidence, mean, spread, coverage, mean_coverage
            )
