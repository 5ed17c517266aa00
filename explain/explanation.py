"""The explanation of one image: typed values and their JSON, without torch."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from ..queries.labels import UnitLabel, path_json
from ..queries.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from ..graph.run.manifest import InputShape
    from ..ingest.network.preprocessing import SeenBox
    from .counterfactuals import Counterfactual
    from .image_regions import ImageRegions


FROZEN, REVERSED = "frozen", "reversed"
"""Clips without their motion: stopped at the middle frame, and played backwards."""
DISPUTED = 0.5
"""A path or thing is disputed if predicted and measured effect differ by more than this share of
the larger one."""


def disagree(predicted: float, measured: float) -> bool:
    """Return whether predicted and measured effect differ by more than `DISPUTED`."""
    return abs(predicted - measured) > DISPUTED * max(abs(predicted), abs(measured))


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
        measured: what the logit loses, along this path only, when its first unit is ablated.
        units: first to last.
        steps: for each unit, what all paths add to the logit that run through it and through this
            path's later units; for the first unit that is the path's own contribution.
    """

    rank: int
    contribution: float
    measured: float
    units: Rows[UnitLabel]
    steps: tuple[float, ...]

    @property
    def disputed(self) -> bool:
        """Whether contribution and measured effect differ by more than `DISPUTED`."""
        return disagree(self.contribution, self.measured)

    def cells(self) -> dict[str, object]:
        """Return what a table shows: rank, path, and both effects."""
        path = " → ".join(map(str, self.units))
        values = {"contribution": self.contribution, "measured": self.measured}
        return {"rank": self.rank, "path": path, **values}


class Accounting(NamedTuple):
    """How the logit, or a difference of two, adds up; `total` is the sum of the other three."""

    paths: float
    other_paths: float
    biases: float
    total: float


class ConceptAttribution(NamedTuple):
    """What all paths that start at the units of one concept add to the logit.

    Attributes:
        name: the concept; None for all units without a concept together.
        category: the concept's category; None likewise.
        contribution: the evidence that counts as the concept's; equals `present`.
        present: at positions where the presence probe finds the concept (where its units exceed
            their thresholds, if the probe is poor).
        firing: at other positions where a unit exceeds its threshold.
        below: at all other positions; evidence, but for no concept.
        probe: Matthews correlation of the presence probe on held-out images; None if it is too poor
            to be used.
        for_class: with another class to compare with, the part of `contribution` (of `firing`, for
            units without a concept) that raises the logit of the class explained.
        against_other: likewise, the part that lowers the logit of the other class; it is no
            evidence for the class explained.
    """

    name: str | None
    category: str | None
    contribution: float
    present: float
    firing: float
    below: float
    probe: float | None = None
    for_class: float | None = None
    against_other: float | None = None

    def cells(self) -> dict[str, object]:
        """Return what a table shows: all but `contribution`, which `present` equals."""
        name = "units without a concept" if self.name is None else self.name
        cells = {"concept": name, **self._asdict()}
        del cells["name"], cells["contribution"]
        return cells


class CategoryAttribution(NamedTuple):
    """The attributions of a category's concepts, added up."""

    category: str
    contribution: float
    present: float
    firing: float
    below: float


class SearchedBlock(NamedTuple):
    """How many path suffixes that start in one block were extended into the block before.

    Attributes:
        followed: suffixes that were extended.
        of: all suffixes.
        share: of Σ |contribution| over all suffixes, the share of those that were extended.
        next: the largest |contribution| of a suffix that was not extended.
    """

    followed: int
    of: int
    share: float
    next: float


class UnitPaths(NamedTuple):
    """The strongest paths of units, and how far they were searched.

    Attributes:
        paths: those with the largest |contribution|.
        coverage: of Σ |contribution| over all paths that were searched, the share of `paths`.
        searched: how far the search went at each block but the first, last block first.
        maps: by uid, the activation map of each unit of `paths`, float32 (*grid).
    """

    paths: Rows[ImagePath]
    coverage: float
    searched: Rows[SearchedBlock]
    maps: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Explanation:
    """Why the network gives a class this logit, on one image.

    Attributes:
        run: uid of the run.
        image: the image file, as given.
        class_name: the class explained.
        versus: the class it is compared with, if any. Then `total`, `biases`, `by_concept`, `cam`
            and the unit paths are about the difference of the two logits.
        method: how the paths' contributions were computed, `exact` or `one-unit`.
        logit: of the class (not the difference).
        probability: of the class.
        predicted: the most probable classes.
        shape: what the network was given, and where that is stated.
        seen: the part of the image that the network sees.
        total: what is explained: the logit, or the difference.
        biases: what bias terms after the first of `blocks` add to it.
        blocks: the blocks that the paths run through.
        by_concept: attributions, largest |contribution| first; the last one is that of the units
            without a concept.
        cam: class activation map at the last block's resolution, float32 (*grid); its mean plus the
            head's bias is the logit.
        concept_maps: by "category/name", for the concepts with the largest |contribution|, what
            each position adds to it, float32 (*grid).
        picture: the same logit by regions of the image, and what happens without its things.
        find_paths: searches the unit paths, which takes as long as all the rest; `unit_paths` calls
            it once, when they are asked for.
        motion: of a clip, what the network says without its motion (`without_motion`).
        linearised: functions of the network that are linearised at the image; with none of them
            contributions are exact.
        multi_label: whether each class is a decision of its own, so that probabilities do not add
            up to 1.
    """

    run: str
    image: str
    class_name: str
    versus: str | None
    method: str
    logit: float
    probability: float
    predicted: Rows[Prediction]
    shape: InputShape
    seen: SeenBox
    total: float
    biases: float
    blocks: tuple[str, ...]
    by_concept: Rows[ConceptAttribution]
    cam: NDArray[np.float32]
    concept_maps: Mapping[str, NDArray[np.float32]]
    picture: ImageRegions
    find_paths: Callable[[], UnitPaths] = field(repr=False, compare=False)
    motion: Mapping[str, Counterfactual] = field(default_factory=dict)
    linearised: tuple[str, ...] = ()
    multi_label: bool = False

    @property
    def target(self) -> str:
        """What is explained: the class, or "juggling − typing" for a difference of two logits."""
        return self.class_name if self.versus is None else f"{self.class_name} − {self.versus}"

    @property
    def is_ahead(self) -> bool:
        """Whether the logit explained is at least that of the class it is compared with."""
        return self.versus is None or self.total >= 0

    @cached_property
    def unit_paths(self) -> UnitPaths:
        """The strongest unit paths; they are searched when they are asked for first."""
        return self.find_paths()

    @property
    def paths(self) -> Rows[ImagePath]:
        """The unit paths with the largest |contribution|."""
        return self.unit_paths.paths

    @property
    def accounting(self) -> Accounting:
        """How what is explained adds up from the unit paths."""
        shown = sum(path.contribution for path in self.paths)
        others = self.total - self.biases - shown
        return Accounting(shown, others, self.biases, shown + others + self.biases)

    @property
    def exactness(self) -> str | None:
        """Say what is linearised at the image, and how well effects are predicted, if not exact."""
        if not self.linearised:
            return None
        text = f"linearised at this image: {', '.join(self.linearised)}. Sums still meet the logit"
        if self.agreement is None:
            return f"{text}."
        return f"{text}; predicted and measured effects of these paths: r {self.agreement:.2f}."

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} of {self.image} by {self.run}: {self.target}, "
            f"{self.probability:.1%}, logit {self.total:+.3f}; "
            f"{len(self.by_concept) - 1} concepts>"
        )

    @property
    def by_category(self) -> Rows[CategoryAttribution]:
        """`by_concept` summed over each category, largest |contribution| first."""
        sums: dict[str, list[float]] = {}
        for concept in self.by_concept:
            if concept.category is not None:
                values = (concept.contribution, concept.present, concept.firing, concept.below)
                before = sums.get(concept.category, [0.0] * 4)
                sums[concept.category] = [a + b for a, b in zip(before, values, strict=True)]
        categories = [CategoryAttribution(name, *values) for name, values in sums.items()]
        return Rows(sorted(categories, key=lambda c: (-abs(c.contribution), c.category)))

    @property
    def agreement(self) -> float | None:
        """Correlation of the paths' contributions with their measured effects.

        None for fewer than three paths, or if either does not vary.
        """
        predicted = [path.contribution for path in self.paths]
        measured = [path.measured for path in self.paths]
        if len(predicted) < 3 or len(set(predicted)) == 1 or len(set(measured)) == 1:
            return None
        return statistics.correlation(predicted, measured)

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        return {
            "run": self.run,
            "image": self.image,
            "class": self.class_name,
            "versus": self.versus,
            "method": self.method,
            "blocks": list(self.blocks),
            "logit": self.logit,
            "probability": self.probability,
            "predicted": [
                {"class": name, "probability": probability} for name, probability in self.predicted
            ],
            "preprocess": {**self.shape, "seen": list(self.seen)},
            "paths": [
                {
                    "rank": path.rank,
                    "contribution": path.contribution,
                    "measured": path.measured,
                    **path_json(path.units),
                }
                for path in self.paths
            ],
            "coverage": self.unit_paths.coverage,
            "agreement": self.agreement,
            "linearised": list(self.linearised),
            "multi_label": self.multi_label,
            "searched": [block._asdict() for block in self.unit_paths.searched],
            "accounting": self.accounting._asdict(),
            "by_concept": [concept._asdict() for concept in self.by_concept],
            "by_category": [category._asdict() for category in self.by_category],
            **self.picture.to_json(),
            **({"motion": self._motion_json()} if self.motion else {}),
        }

    def _motion_json(self) -> dict[str, object]:
        return {
            name: {
                "measured": result.measured,
                "class": result.answer.name,
                "probability": result.answer.probability,
            }
            for name, result in self.motion.items()
        }
