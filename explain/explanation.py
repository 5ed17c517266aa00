"""What an explanation of one image says: typed values, JSON, and nothing that needs torch."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from ..queries.labels import UnitLabel, path_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


DISPUTED = 0.5
"""Share of a path's effect by which its prediction may miss it without being marked."""


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
        measured: what the logit really loses, along this path only, without its first unit.
        units: first to last.
        steps: for each unit, what all ways through it and the path's later units add to the logit;
            of the first one that is the path's own contribution.
    """

    rank: int
    contribution: float
    measured: float
    units: tuple[UnitLabel, ...]
    steps: tuple[float, ...]

    @property
    def disputed(self) -> bool:
        """Whether prediction and measurement differ by more than `DISPUTED` of the larger one."""
        larger = max(abs(self.contribution), abs(self.measured))
        return abs(self.contribution - self.measured) > DISPUTED * larger


class Accounting(NamedTuple):
    """How the logit (or difference of two) adds up; `total` is the sum of the other three."""

    paths: float
    other_paths: float
    biases: float
    total: float


class ConceptAttribution(NamedTuple):
    """What all paths through the units of one concept, in the first block, add to the logit.

    Attributes:
        name: None for all units without a concept together.
        category: likewise.
        contribution: what counts as the concept's own; equals `present`.
        present: where the concept's presence probe finds it (or, if that is poor, units fire).
        firing: where a unit exceeds its threshold, but the probe does not find the concept.
        below: the rest; evidence, but of no concept.
        probe: F1 of the presence probe on held-out images; None where it is too poor to be asked.
        for_class: compared with another class, the part of `contribution` (without a concept: of
            `firing`) that raises the logit of the class explained.
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


class CategoryAttribution(NamedTuple):
    """The shares of a category's concepts, added up."""

    category: str
    contribution: float
    present: float
    firing: float
    below: float


class Level(NamedTuple):
    """How far one block was searched for single paths, from the class backwards.

    Attributes:
        followed: endings of paths that were followed into the block before.
        of: all there were.
        share: of Σ |contribution| over all endings, what those followed carry.
        next: the largest contribution of an ending that was not followed.
    """

    followed: int
    of: int
    share: float
    next: float


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
        blocks: that the paths run through.
        coverage: of Σ |contribution| of all single paths followed, what those shown carry.
        searched: how far each of the blocks but the first was searched, last block first.
        by_concept: largest absolute contribution first; the last one gathers unlabelled units.
        cam: float32 (height, width), class activation map at the last block's resolution: its mean
            plus the bias is the logit.
        unit_maps: for each unit of the paths, by uid, float32 (height, width), its activation.
        concept_maps: for the strongest concepts, by "category/name", float32 (height, width), what
            each position adds to the concept's contribution.
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
    blocks: tuple[str, ...]
    coverage: float
    searched: tuple[Level, ...]
    by_concept: tuple[ConceptAttribution, ...]
    cam: NDArray[np.float32]
    unit_maps: Mapping[str, NDArray[np.float32]]
    concept_maps: Mapping[str, NDArray[np.float32]]

    @property
    def by_category(self) -> tuple[CategoryAttribution, ...]:
        """`by_concept` gathered by category, largest absolute contribution first."""
        sums: dict[str, list[float]] = {}
        for share in self.by_concept:
            if share.category is not None:
                parts = (share.contribution, share.present, share.firing, share.below)
                so_far = sums.get(share.category, [0.0] * 4)
                sums[share.category] = [a + b for a, b in zip(so_far, parts, strict=True)]
        found = [CategoryAttribution(category, *parts) for category, parts in sums.items()]
        return tuple(sorted(found, key=lambda each: (-abs(each.contribution), each.category)))

    @property
    def agreement(self) -> float | None:
        """Correlation of the paths' contributions with the measured effects; None below three."""
        predicted = [path.contribution for path in self.paths]
        measured = [path.measured for path in self.paths]
        if len(predicted) < 3 or len(set(predicted)) == 1 or len(set(measured)) == 1:
            return None
        return statistics.correlation(predicted, measured)

    def _repr_html_(self) -> str:
        """What a notebook shows: prediction, paths and how the logit adds up, as tables."""
        whole = self.class_name if self.versus is None else f"{self.class_name} − {self.versus}"
        paths = [
            (
                path.rank,
                f"{path.contribution:+.3f}",
                f"{path.measured:+.3f}",
                " → ".join(map(str, path.units)),
            )
            for path in self.paths
        ]
        sums = [[f"{value:+.3f}" for value in self.accounting]]
        shares = [
            (share.name or "units without a concept", f"{share.contribution:+.3f}")
            for share in self.by_concept[:8]
        ]
        return "".join(
            (
                f"<h4>Why {escape(whole)}? {self.probability:.1%}</h4>",
                _table(("rank", "adds", "measured", "path"), paths),
                _table(("paths shown", "other paths", "biases", whole), sums),
                _table(("concept", "adds"), shares),
            )
        )

    def to_json(self) -> dict[str, object]:
        """One JSON object."""
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
            "paths": [
                {
                    "rank": path.rank,
                    "contribution": path.contribution,
                    "measured": path.measured,
                    **path_json(path.units),
                }
                for path in self.paths
            ],
            "coverage": self.coverage,
            "agreement": self.agreement,
            "searched": [level._asdict() for level in self.searched],
            "accounting": self.accounting._asdict(),
            "by_concept": [share._asdict() for share in self.by_concept],
            "by_category": [share._asdict() for share in self.by_category],
        }


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
