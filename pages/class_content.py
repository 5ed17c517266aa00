"""The concepts that carry a class over images, as the page of a class draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..explain.verdict import category_rank
from ..graph.evidence_graph import ELSEWHERE
from ..graph.run.class_evidence import read_class_evidence
from ..queries.class_evidence import distinct_concepts, distinct_text, share_word
from .flow_content import flow_graph
from .image_parts import FlowBox, FlowPage
from .wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ..graph.run.class_evidence import SavedEvidence
    from ..graph.run.reader import Run
    from .image_parts import FlowGraph

_LEADING = 3
"""Concepts that the lead names."""


class ClassConceptGraph(NamedTuple):
    """The concept graph of a class over images.

    Attributes:
        flows: the graph; None where the run has no evidence of the class.
        lead: the concepts that carry the class most, in words; "" likewise.
        apart: those that set it apart from the other classes, in words; "" if none does.
        text: over which images, and compared with what; "" likewise.
    """

    flows: FlowPage | None = None
    lead: str = ""
    apart: str = ""
    text: str = ""

    @property
    def lead_and_apart(self) -> str:
        """What carries the class, and what sets it apart, in sentences; "" likewise."""
        apart = f"What sets it apart from the other classes: {self.apart}." if self.apart else ""
        return f"{self.lead} {apart}".strip()


def class_concepts(run: Run, class_name: str) -> ClassConceptGraph:
    """Return what `conceptgraph evidence` found of a class, if it was run.

    Raises:
        RunError: its files are damaged.
    """
    return class_concept_graph(read_class_evidence(run), class_name, run.noun)


def class_concept_graph(
    saved: SavedEvidence | None, class_name: str, noun: str
) -> ClassConceptGraph:
    """Return the concept graph of a class, from the evidence of a run, if it has any."""
    images = 0 if saved is None else saved.images.get(class_name, 0)
    if saved is None or not images:
        return ClassConceptGraph()
    evidence = saved.evidence[saved.evidence["class"] == class_name]
    flows = saved.flows[saved.flows["class"] == class_name]
    if flows.empty:
        return ClassConceptGraph()
    blocks = str(flows["source_block"].iloc[0]), str(flows["target_block"].iloc[0])
    categories = _categories(evidence[evidence["block"] == blocks[0]])
    last = evidence[evidence["block"] == blocks[1]]
    pairs = [(a, b) for a in categories for b in categories if b in set(last["category"])]
    graphs = [
        _graph(evidence, flows, blocks, pair, class_name)
        for pair in sorted(pairs, key=lambda pair: pair[0] != pair[1])
    ]
    if not graphs:
        return ClassConceptGraph()
    other = "the mean of all classes" if saved.versus is None else saved.versus
    text = f"mean over {counted(images, noun)} taken for {class_name}, against {other}"
    return ClassConceptGraph(
        FlowPage(blocks, tuple(graphs), of="of a picture on average"),
        _lead(class_name, evidence, blocks[0], categories[0]),
        distinct_text(distinct_concepts(saved, class_name)),
        text,
    )


def _graph(
    evidence: pd.DataFrame,
    flows: pd.DataFrame,
    blocks: tuple[str, str],
    pair: tuple[str, str],
    class_name: str,
) -> FlowGraph:
    chosen = flows[(flows["source_category"] == pair[0]) & (flows["target_category"] == pair[1])]
    boxes = [
        [
            FlowBox(name or ELSEWHERE, "concept" if name else "elsewhere", mean, coverage)
            for name, mean, coverage in _regions(evidence, block, category)
        ]
        for block, category in zip(blocks, pair, strict=True)
    ]
    names = [{box.name if box.kind == "concept" else "" for box in column} for column in boxes]
    amounts = {
        (source, target): mean
        for source, target, mean in zip(
            _texts(chosen["source_name"]),
            _texts(chosen["target_name"]),
            chosen["mean"],
            strict=True,
        )
        if source in names[0] and target in names[1]
    }
    return flow_graph(pair, boxes[0], boxes[1], amounts, None, class_name)


def _regions(evidence: pd.DataFrame, block: str, category: str) -> list[tuple[str, float, float]]:
    """Return name ("" for elsewhere), mean and coverage of a category's regions at a block."""
    rows = evidence[(evidence["block"] == block) & (evidence["category"] == category)]
    return list(zip(_texts(rows["name"]), rows["mean"], rows["coverage"], strict=True))


def _texts(column: pd.Series[str]) -> list[str]:
    return [str(text) for text in column.fillna("")]


def _categories(evidence: pd.DataFrame) -> list[str]:
    """Return the categories, that whose concepts name most evidence first, as the verdict does."""
    named = evidence[evidence["name"].notna()]
    sizes = named.assign(size=named["mean"].abs()).groupby("category")["size"].sum()
    return sorted(
        map(str, sizes.index),
        key=lambda category: category_rank(category, sizes[category]),
        reverse=True,
    )


def _lead(class_name: str, evidence: pd.DataFrame, block: str, category: str) -> str:
    """Return the concepts that speak most for the class, in words."""
    rows = _regions(evidence, block, category)
    strongest: Sequence[tuple[str, float, float]] = sorted(
        (row for row in rows if row[0] and row[1] > 0), key=lambda row: -row[1]
    )
    if not strongest:
        return ""
    parts = (
        f"{name} ({mean:+.2f}, {coverage:.0%} of a picture)"
        for name, mean, coverage in strongest[:_LEADING]
    )
    share = share_word(sum(row[1] for row in strongest[:_LEADING]), (row[1] for row in rows))
    return f"{class_name}: {share} because of what it sees as {', '.join(parts)}."
