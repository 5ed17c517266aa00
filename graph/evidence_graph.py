"""The nodes and edges of the evidence of classes that a run keeps.

    (Block)-[:SEES]->(BlockConcept)-[:IS]->(Concept)
    (BlockConcept)-[:EVIDENCE]->(Class)
    (Class)<-[:FLOWS]-(Flow)<-[:FLOWS]-(Flow)-[:AT]->(BlockConcept)

A BlockConcept is a concept as a block sees it, for all classes. The flows of a class are a tree of
nodes of its own: so a browser, which joins all nodes that it shows, draws a hierarchy and no net.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .elements import Edge, Node, drop_missing
from .run.class_evidence import read_class_evidence
from .uids import (
    block_concept_label,
    block_concept_uid,
    block_number,
    concept_uid,
    concept_uids,
    flow_uid,
    graph_uid,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from .elements import Value
    from .run.reader import Run

FLOWS_PER_EDGE = 2
"""Flows to keep of a class for each concept that is kept of a class and block."""
ELSEWHERE = "elsewhere"
"""The name of a flow's place where none of a category is found."""
_EVIDENCE = ["class", "mean", "spread", "low", "high", "images", "share", "coverage", "rank"]
_PLACE = ["block", "category", "name"]


class EvidenceGraph(NamedTuple):
    """The evidence's part of a run's graph; empty if the run has none."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()


def evidence_graph(run: Run, count: int) -> EvidenceGraph:
    """Make the graph of the evidence of classes.

    Args:
        run: the run.
        count: concepts to keep of each class and block, the largest |mean| first; of each class
            `FLOWS_PER_EDGE` times as many flows are kept.

    Raises:
        RunError: the evidence is damaged.
    """
    saved = read_class_evidence(run)
    if saved is None:
        return EvidenceGraph()
    named = saved.evidence[saved.evidence["name"].notna()]
    evidence = _first(named, named["mean"].abs(), ["class", "block"], count)
    concepts = dict(_block_concepts(run, named, saved.images))
    flows = _ranked_flows(saved.flows, saved.evidence, count * FLOWS_PER_EDGE)
    tree = _Tree(run, concepts)
    tree.grow(flows, saved.evidence)
    kept = {concepts[place].uid for place in _places(evidence)}
    kept |= {edge.target for edge in tree.edges if edge.type == "AT"}
    nodes = {node.uid: node for node in concepts.values() if node.uid in kept}
    edges = (*_structure(run, nodes), *_evidence_edges(run, concepts, evidence), *tree.edges)
    return EvidenceGraph((*nodes.values(), *tree.nodes), edges)


def _first(table: pd.DataFrame, size: pd.Series[float], by: list[str], count: int) -> pd.DataFrame:
    """Return the rows with the largest `size` of each group, with their rank from 0."""
    order = size.sort_values(ascending=False, kind="stable").index
    rank = table.loc[order].groupby(by, sort=False).cumcount().reindex(table.index)
    kept: pd.DataFrame = table.assign(rank=rank)[rank < count]
    return kept


def _places(table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Yield block and concept of each row."""
    return zip(table["block"], concept_uids(table["category"], table["name"]), strict=True)


def _block_concepts(
    run: Run, named: pd.DataFrame, images: Mapping[str, int]
) -> Iterator[tuple[tuple[str, str], Node]]:
    """Yield a node for each block and concept, with counts over all classes."""
    of_class = named["class"].map(images).astype(float)
    table = named.assign(covered=named["coverage"] * of_class)
    sums = table.groupby(_PLACE, sort=False)[["images", "covered"]].sum().reset_index()
    total = max(1, sum(images.values()))
    columns = (sums[name].tolist() for name in ("name", "category", "images", "covered"))
    for place, name, category, count, covered in zip(_places(sums), *columns, strict=True):
        properties: dict[str, Value] = {
            "run": run.name,
            "name": name,
            "category": category,
            "block": block_number(place[0]),
            "images": count,
            "coverage": covered / total,
        }
        labels = ("BlockConcept", block_concept_label(place[0]))
        yield place, Node(labels, graph_uid(run.name, block_concept_uid(*place)), properties)


def _structure(run: Run, nodes: Mapping[str, Node]) -> Iterator[Edge]:
    for node in nodes.values():
        block = graph_uid(run.name, f"block{node.properties['block']}")
        yield Edge("SEES", block, node.uid, {})
    for node in nodes.values():
        yield Edge("IS", node.uid, f"{node.properties['category']}/{node.properties['name']}", {})


def _evidence_edges(
    run: Run, concepts: Mapping[tuple[str, str], Node], evidence: pd.DataFrame
) -> Iterator[Edge]:
    classes = _class_uids(run)
    for place, row in zip(_places(evidence), _rows(evidence[_EVIDENCE]), strict=True):
        properties = {"name": _caption(row), **row}
        yield Edge("EVIDENCE", concepts[place].uid, classes[str(row["class"])], properties)


def _ranked_flows(flows: pd.DataFrame, evidence: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the flows of each class that tell most, with share and rank.

    What covers the whole image names everything and tells nothing: a flow counts by the shares of
    the image that both its ends leave free. One between two places of no concept counts 0.
    """
    size = flows["mean"].abs()
    source = ["class", "source_block", "source_category", "source_name", "target_category"]
    sums = size.groupby([flows[name] for name in source], dropna=False).transform("sum")
    told = size.copy()
    coverage = dict(zip(_seen(evidence), evidence["coverage"].tolist(), strict=True))
    for end in ("source_", "target_"):
        told *= [1 - coverage.get(place, 0.0) for place in _seen(flows, end)]
    told[flows["source_name"].isna() & flows["target_name"].isna()] = 0.0
    return _first(flows.assign(share=(size / sums).fillna(0.0)), told, ["class"], count)


class _Place(NamedTuple):
    """Where a block finds a concept of a category, or none of them (None)."""

    block: str
    category: str
    name: str | None

    @property
    def concept(self) -> str | None:
        """The uid of the concept, if it is one."""
        return None if self.name is None else concept_uid(self.category, self.name)


class _Tree:
    """The flows of each class as a tree; the strongest first.

    Attributes:
        nodes: Flows.
        edges: FLOWS, and AT where a concept is.
    """

    def __init__(self, run: Run, concepts: Mapping[tuple[str, str], Node]) -> None:
        self._run, self._concepts, self._classes = run.name, concepts, _class_uids(run)
        self._index = dict(zip(run.classes["name"], run.classes["index"].tolist(), strict=True))
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []

    def grow(self, flows: pd.DataFrame, evidence: pd.DataFrame) -> None:
        """Add flows and, before the first flow to a place, the place's evidence for its class."""
        means = dict(zip(_seen(evidence), _rows(evidence[["mean", "images"]]), strict=True))
        branches: dict[tuple[str, _Place], str] = {}
        flows = flows.sort_values("rank", kind="stable")
        ends = zip(_seen(flows, "source_"), _seen(flows, "target_"), strict=True)
        facts = _rows(flows[["mean", "images", "share", "rank"]])
        for ((name, source), (_, target)), row in zip(ends, facts, strict=True):
            if (name, target) not in branches:
                whole = {
                    **means.get((name, target), {"mean": 0.0, "images": 0}),
                    "rank": row["rank"],
                }
                branches[name, target] = self._add(name, (target,), self._classes[name], whole)
            self._add(name, (target, source), branches[name, target], row)

    def _add(
        self, class_name: str, places: tuple[_Place, ...], parent: str, facts: dict[str, Value]
    ) -> str:
        """Add a Flow below `parent`, and return its uid."""
        place = places[-1]
        uid = graph_uid(self._run, flow_uid(self._index[class_name], places))
        properties = {
            "run": self._run,
            "name": place.name or ELSEWHERE,
            "category": place.category,
            "concept": place.concept,
            "block": block_number(place.block),
            "class": class_name,
        }
        labels = ("Flow", block_concept_label(place.block))
        self.nodes.append(Node(labels, uid, drop_missing(properties)))
        edge = {"name": _caption(facts), "class": class_name, **facts}
        self.edges.append(Edge("FLOWS", uid, parent, edge))
        if at := self._concepts.get((place.block, place.concept or "")):
            self.edges.append(Edge("AT", uid, at.uid, {}))
        return uid


def _seen(table: pd.DataFrame, end: str = "") -> Iterator[tuple[str, _Place]]:
    """Yield each row's class, and the place in its columns that begin with `end`."""
    columns = (table[f"{end}{name}"].tolist() for name in _PLACE)
    for class_name, block, category, name in zip(table["class"].tolist(), *columns, strict=True):
        yield class_name, _Place(block, category, name if isinstance(name, str) else None)


def _class_uids(run: Run) -> dict[str, str]:
    names, uids = run.classes["name"], run.classes["uid"]
    return {str(n): graph_uid(run.name, str(u)) for n, u in zip(names, uids, strict=True)}


def _rows(table: pd.DataFrame) -> Iterator[dict[str, Value]]:
    """Yield rows as dicts of Python's own values."""
    for values in zip(*(table[name].tolist() for name in table.columns), strict=True):
        yield dict(zip(table.columns, values, strict=True))


def _caption(facts: Mapping[str, Value]) -> str:
    return f"{facts['mean']:+.2f}"
