"""The nodes and edges of the evidence of classes that a run keeps.

    (Block)-[:SEES]->(BlockConcept)-[:IS]->(Concept)
    (BlockConcept)-[:EVIDENCE]->(Class)
    (BlockConcept)-[:FLOWS]->(BlockConcept)

A BlockConcept is a concept as a block sees it in the images of one class. Each class has its own,
so a class is drawn with its hierarchy of concepts and without those of other classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import RunError
from .elements import Edge, Node
from .run.class_evidence import read_class_evidence
from .uids import (
    block_concept_label,
    block_concept_uid,
    block_number,
    concept_uid,
    concept_uids,
    graph_uid,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from .elements import Value
    from .run.reader import Run

_EVIDENCE = ["class", "mean", "spread", "low", "high", "images", "share", "coverage", "rank"]
_FLOWS = ["class", "mean", "images", "share", "rank"]


class EvidenceGraph(NamedTuple):
    """The evidence's part of a run's graph; empty if the run has none."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()


def evidence_graph(run: Run, count: int) -> EvidenceGraph:
    """Make the graph of the evidence of classes.

    Args:
        run: the run.
        count: concepts to keep of each class and block, and flows of each of these; the largest
            |mean| first.

    Raises:
        RunError: the evidence is damaged.
    """
    saved = read_class_evidence(run)
    if saved is None:
        return EvidenceGraph()
    uids = _Uids(run)
    evidence = _ranked(saved.evidence[saved.evidence["name"].notna()], ["class", "block"], count)
    evidence = evidence.assign(uid=uids.of(evidence, ""))
    if not evidence["uid"].is_unique:
        raise RunError("a row is duplicated", file=run.path / "evidence.parquet")
    flows = _kept_flows(saved.flows, uids, set(evidence["uid"]), count)
    return EvidenceGraph(
        tuple(_nodes(run, evidence)), (*_evidence_edges(run, uids, evidence), *_flow_edges(flows))
    )


class _Uids:
    def __init__(self, run: Run) -> None:
        names, uids = run.classes["name"], run.classes["uid"]
        self._run = run.name
        self._index = dict(zip(names, run.classes["index"].tolist(), strict=True))
        self.classes = {
            str(name): graph_uid(run.name, str(uid)) for name, uid in zip(names, uids, strict=True)
        }

    def of(self, table: pd.DataFrame, end: str) -> list[str]:
        """Return the uid of each row's BlockConcept, of its columns that begin with `end`."""
        columns = ("class", f"{end}block", f"{end}category", f"{end}name")
        return [
            graph_uid(
                self._run,
                block_concept_uid(block, concept_uid(category, name), self._index[class_name]),
            )
            for class_name, block, category, name in zip(
                *(table[column] for column in columns), strict=True
            )
        ]


def _ranked(table: pd.DataFrame, by: list[str], count: int) -> pd.DataFrame:
    """Return the rows with the largest |mean| of each group, with their rank from 0."""
    order = table["mean"].abs().sort_values(ascending=False, kind="stable").index
    rank = table.loc[order].groupby(by, sort=False).cumcount().reindex(table.index)
    kept: pd.DataFrame = table.assign(rank=rank)[rank < count]
    return kept


def _kept_flows(flows: pd.DataFrame, uids: _Uids, kept: set[str], count: int) -> pd.DataFrame:
    """Return the strongest flows between kept concepts, by target.

    `share` is of Σ |mean| of all flows from the same source by way of the target's category, those
    by way of none of it included.
    """
    size = flows["mean"].abs()
    source = ["class", "source_block", "source_category", "source_name", "target_category"]
    sums = size.groupby([flows[name] for name in source], dropna=False).transform("sum")
    flows = flows.assign(share=(size / sums).fillna(0.0))
    flows = flows[flows["source_name"].notna() & flows["target_name"].notna()]
    flows = flows.assign(source=uids.of(flows, "source_"), target=uids.of(flows, "target_"))
    flows = flows[flows["source"].isin(kept) & flows["target"].isin(kept)]
    return _ranked(flows, ["target"], count)


def _nodes(run: Run, evidence: pd.DataFrame) -> Iterator[Node]:
    for row in evidence.to_dict("records"):
        properties: dict[str, Value] = {
            "run": run.name,
            "name": str(row["name"]),
            "category": str(row["category"]),
            "block": block_number(str(row["block"])),
            "class": str(row["class"]),
            "images": int(row["images"]),
            "coverage": float(row["coverage"]),
        }
        labels = ("BlockConcept", block_concept_label(str(row["block"])))
        yield Node(labels, str(row["uid"]), properties)


def _evidence_edges(run: Run, uids: _Uids, evidence: pd.DataFrame) -> Iterator[Edge]:
    concepts = concept_uids(evidence["category"], evidence["name"])
    for uid, block in zip(evidence["uid"], evidence["block"], strict=True):
        yield Edge("SEES", graph_uid(run.name, block), uid, {})
    for uid, concept in zip(evidence["uid"], concepts, strict=True):
        yield Edge("IS", uid, concept, {})
    for uid, properties in zip(evidence["uid"], _properties(evidence, _EVIDENCE), strict=True):
        yield Edge("EVIDENCE", uid, uids.classes[str(properties["class"])], properties)


def _flow_edges(flows: pd.DataFrame) -> Iterator[Edge]:
    rows = _properties(flows, _FLOWS)
    for source, target, properties in zip(flows["source"], flows["target"], rows, strict=True):
        yield Edge("FLOWS", source, target, properties)


def _properties(table: pd.DataFrame, names: list[str]) -> Iterator[dict[str, Value]]:
    """Yield the values of columns, row by row, as Python's own, and the mean as a caption."""
    for values in zip(*(table[name].tolist() for name in names), strict=True):
        properties = dict(zip(names, values, strict=True))
        yield {"name": f"{properties['mean']:+.2f}", **properties}
