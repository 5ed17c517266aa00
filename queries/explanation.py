"""What an explanation of one image says: typed values, JSON, and nothing that needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .labels import UnitLabel, path_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Prediction(NamedTuple):
    """A class and its probability."""

    name: str
    probability: float


@dataclass(frozen=True)
class ImagePath:
    """A path through the network on this image.

    Attributes:
        rank: from 1, by size of the contribution, whatever its sign.
        contribution: what it adds to the logit.
        units: first to last.
        steps: for each unit, its contribution to the next unit's mean activation, and of the last
            one to the logit.
    """

    rank: int
    contribution: float
    units: tuple[UnitLabel, ...]
    steps: tuple[float, ...]


class Accounting(NamedTuple):
    """How the logit (or difference of two) adds up; `total` is the sum of the other three."""

    paths: float
    other_paths: float
    biases: float
    total: float


class ConceptShare(NamedTuple):
    """What all paths through the units of one concept, in the first block, add to the logit.

    Attributes:
        name: None for all units without a concept together.
        category: likewise.
        contribution: what counts as the concept's own; equals `present`.
        present: where the concept is taken to be there.
        firing: where a unit exceeds its threshold, but the concept is not taken to be there.
        below: where no unit exceeds its threshold; evidence, but of no concept.
    """

    name: str | None
    category: str | None
    contribution: float
    present: float
    firing: float
    below: float


@dataclass(frozen=True)
class Explanation:
    """Why the network gave a class this logit, on one image.

    Attributes:
        run: uid of the run.
        image: the image file, as given.
        class_name: the class explained.
        versus: the class it is compared with, if any; then every number is of logit − its logit.
        method: `exact`, or `one-unit`: how the paths' contributions were found.
        logit: of the class (not the difference).
        probability: of the class.
        predicted: the most probable classes.
        paths: the strongest, positive and negative.
        accounting: how the logit adds up.
        searched: units of the last block whose paths were looked at, of how many that matter, and
            the share of Σ |weight · activation| that they carry.
        by_concept: largest absolute contribution first; the last one gathers unlabelled units.
        cam: float32 (height, width), class activation map at the last block's resolution: its mean
            plus the bias is the logit.
    """

    run: str
    image: str
    class_name: str
    versus: str | None
    method: str
    logit: float
    probability: float
    predicted: tuple[Prediction, ...]
    paths: tuple[ImagePath, ...]
    accounting: Accounting
    searched: tuple[int, int, float]
    by_concept: tuple[ConceptShare, ...]
    cam: NDArray[np.float32]

    def to_json(self) -> dict[str, object]:
        """One JSON object; `measured` is null until an effect was really measured."""
        return {
            "run": self.run,
            "image": self.image,
            "class": self.class_name,
            "versus": self.versus,
            "method": self.method,
            "logit": self.logit,
            "probability": self.probability,
            "predicted": [
                {"class": name, "probability": probability} for name, probability in self.predicted
            ],
            "paths": [
                {
                    "rank": path.rank,
                    "contribution": path.contribution,
                    "measured": None,
                    **path_json(path.units),
                }
                for path in self.paths
            ],
            "accounting": self.accounting._asdict(),
            "by_concept": [share._asdict() for share in self.by_concept],
        }
