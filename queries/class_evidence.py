"""The concepts that carry a class over images, as answers list them, from the evidence of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from ..graph.run.class_evidence import SavedEvidence


DISTINCT = 3
"""Concepts that are said to set a class apart."""
COLOR = "color"
"""The category whose names say less than those of others."""
NO_EVIDENCE: dict[str, object] = {"versus": None, "images": None, "evidence": [], "flows": []}
"""The keys of `CarryingConcepts.to_json`, of a run that has no evidence."""


class ConceptEvidence(NamedTuple):
    """What the places where a block's probes find a concept add to a class, over its images.

    Attributes:
        block: whose probes find it.
        category: of the concept.
        name: None for the places where none of the category is found.
        mean: in units of the logit.
        spread: standard deviation over the images.
        low: of the mean's 95 % interval.
        high: likewise.
        images: that have it.
        share: of the class's images, those that have it.
        coverage: mean share of the image that it covers.
    """

    block: str
    category: str
    name: str | None
    mean: float
    spread: float
    low: float
    high: float
    images: int
    share: float
    coverage: float

    def to_json(self, class_name: str) -> dict[str, object]:
        """Return one JSON object."""
        return {"class": class_name, **self._asdict()}


class MeanFlow(NamedTuple):
    """A concept path of a class: what reaches it from one region by way of another one.

    Attributes:
        source_block: the earlier block.
        source_category: of the concept in it.
        source_name: None for none of the category.
        target_block: the later block.
        target_category: likewise.
        target_name: likewise.
        mean: in units of the logit.
        images: that have it.
        rank: from 0, within the class and the pair of categories, by |mean|.
    """

    source_block: str
    source_category: str
    source_name: str | None
    target_block: str
    target_category: str
    target_name: str | None
    mean: float
    images: int
    rank: int

    def to_json(self, class_name: str) -> dict[str, object]:
        """Return one JSON object; its ends as those of an image's flows."""
        keys = ("block", "category", "name")
        return {
            "class": class_name,
            "from": dict(zip(keys, self[:3], strict=True)),
            "to": dict(zip(keys, self[3:6], strict=True)),
            "mean": self.mean,
            "images": self.images,
            "rank": self.rank,
        }


class DistinctConcept(NamedTuple):
    """A concept that is more evidence for a class than for the other classes, over their images.

    Attributes:
        category: of the concept.
        name: of the concept.
        mean: its evidence for the class, in units of the logit.
        more: that, less its mean evidence for the others, each over its own images.
        coverage: mean share of the image that it covers.
    """

    category: str
    name: str
    mean: float
    more: float
    coverage: float


@dataclass(frozen=True)
class CarryingConcepts:
    """The evidence of one class.

    Attributes:
        class_name: the class.
        images: how many were taken for it.
        versus: the class that its logit is compared with; None means the mean of all.
        evidence: of all blocks, categories and regions.
        flows: between the last two blocks.
    """

    class_name: str
    images: int
    versus: str | None
    evidence: tuple[ConceptEvidence, ...]
    flows: tuple[MeanFlow, ...]

    def to_json(self) -> dict[str, object]:
        """Return the keys that an answer about the class has for it."""
        return {
            "versus": self.versus,
            "images": self.images,
            "evidence": [row.to_json(self.class_name) for row in self.evidence],
            "flows": [flow.to_json(self.class_name) for flow in self.flows],
        }

    def block(self) -> str | None:
        """Return the block to show: the last but one, whose positions are small enough."""
        blocks = sorted({row.block for row in self.evidence})
        return blocks[max(0, len(blocks) - 2)] if blocks else None

    def shown(self, block: str | None = None) -> list[ConceptEvidence]:
        """Return a block's rows in the category whose concepts name most.

        The largest |mean| first, elsewhere last.

        Args:
            block: None means `block()`.
        """
        wanted = block or self.block()
        by_category: dict[str, list[ConceptEvidence]] = {}
        for row in self.evidence:
            if row.block == wanted:
                by_category.setdefault(row.category, []).append(row)
        rows = max(by_category.values(), key=_named, default=[])
        return sorted(rows, key=lambda row: (row.name is None, -abs(row.mean), row.name or ""))

    def paths(self, category: str | None = None) -> list[MeanFlow]:
        """Return the flows within a category, those of none of it left out, largest |mean| first.

        Args:
            category: None means that of `shown()`.
        """
        if category is None:
            category = next((row.category for row in self.shown()), None)
        flows = [
            flow
            for flow in self.flows
            if flow.source_category == category == flow.target_category
            and (flow.source_name or flow.target_name)
        ]
        return sorted(flows, key=lambda flow: flow.rank)


def class_concepts(saved: SavedEvidence, class_name: str) -> CarryingConcepts:
    """Return the evidence of one class; of none of the images, if no image was taken for it."""
    frames = (frame[frame["class"] == class_name] for frame in (saved.evidence, saved.flows))
    evidence, flows = (_values(frame.drop(columns="class")) for frame in frames)
    return CarryingConcepts(
        class_name,
        saved.images.get(class_name, 0),
        saved.versus,
        tuple(map(ConceptEvidence._make, evidence)),
        tuple(map(MeanFlow._make, flows)),
    )


def distinct_concepts(saved: SavedEvidence, class_name: str) -> tuple[DistinctConcept, ...]:
    """Return the concepts that set a class apart from the others, of all categories.

    What is evidence for every class, as a floor under all that people do, tells none from another.
    So a concept's evidence counts less its mean for the other classes that images were taken for;
    where it is found in none of a class's images, it is none. Of the block of
    `CarryingConcepts.block`; only concepts whose 95 % interval lies above the others' mean.
    """
    blocks = sorted(saved.evidence["block"].unique())
    rows = saved.evidence[
        saved.evidence["name"].notna()
        & (saved.evidence["block"] == (blocks[max(0, len(blocks) - 2)] if blocks else ""))
    ]
    others = [name for name, images in saved.images.items() if images and name != class_name]
    own = rows[rows["class"] == class_name].set_index(["category", "name"])
    if own.empty or not others:
        return ()
    sums = rows[rows["class"].isin(others)].groupby(["category", "name"])["mean"].sum()
    usual = sums.reindex(own.index, fill_value=0.0) / len(others)
    more = (own["mean"] - usual)[own["low"] > usual.clip(lower=0.0)]
    more = more.sort_values(ascending=False, kind="stable")
    return tuple(
        DistinctConcept(
            category, name, float(own.at[place, "mean"]), float(value),
            float(own.at[place, "coverage"]),
        )
        for place, value in more.items()
        for category, name in [place]
    )  # fmt: skip


def distinct_text(concepts: Sequence[DistinctConcept]) -> str:
    """Return what sets a class apart: "polka dotted (texture, +3.67 on 2%)"; "" if nothing does."""
    return ", ".join(
        f"{row.name} ({row.category}, {row.mean:+.2f} on {row.coverage:.0%})"
        for row in concepts[:DISTINCT]
    )


def strongest_rows(frame: pd.DataFrame, by: Sequence[str], top: int | None) -> pd.DataFrame:
    """Return, for each group, the rows with the largest |mean|, in the order of the table.

    Args:
        frame: `SavedEvidence.evidence` or `.flows`.
        by: the columns that make a group.
        top: how many; None means all.
    """
    if top is None:
        return frame
    order = frame["mean"].abs().sort_values(ascending=False, kind="stable").index
    rank = frame.loc[order].groupby(list(by), sort=False).cumcount()
    kept: pd.DataFrame = frame[rank.reindex(frame.index) < top]
    return kept


def unnamed_places(blocks: str) -> str:
    """Return why no place has a name where blocks have no usable presence probe."""
    return (
        f"nothing can be said by concepts, since no presence probe of {blocks} is good enough to "
        "find one (`conceptgraph show CONCEPT` tells how good each is; more annotated images help)"
    )


MOSTLY = "mostly"


def share_word(amount: float, evidence: Iterable[float]) -> str:
    """Return "mostly" for at least half of all that is evidence for a class, else "first of all".

    Args:
        amount: a part of it.
        evidence: of all places, those where no concept is found too.
    """
    total = sum(value for value in evidence if value > 0)
    return MOSTLY if amount > 0 and amount >= total / 2 else "first of all"


def named_evidence(category: str, parts: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Rank a category by how much evidence its concepts name.

    A concept that covers the whole image names everything and says nothing, so |evidence| counts
    by the share of the image that the concept leaves free; for colors half.

    Args:
        category: its name.
        parts: evidence and coverage of each of its concepts.
    """
    amounts = [(abs(evidence), abs(evidence) * (1 - coverage)) for evidence, coverage in parts]
    weight = 0.5 if category == COLOR else 1.0
    return weight * sum(told for _, told in amounts), sum(size for size, _ in amounts)


def _named(rows: Sequence[ConceptEvidence]) -> tuple[float, float]:
    parts = ((row.mean, row.coverage) for row in rows if row.name is not None)
    return named_evidence(rows[0].category, parts)


def _values(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    """Return rows of Python's own values; a missing name is None."""
    columns = (
        [None if value != value else value for value in frame[name].tolist()]  # noqa: PLR0124
        for name in frame.columns
    )
    return list(zip(*columns, strict=True))
