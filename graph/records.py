"""From a run to the nodes and edges of its graph: plain records that any store can load.

Values are Python's own (no numpy scalars), uids are pure functions of names, and a shared Concept
carries only what its name determines, so loading a run twice, or two runs with the same concepts,
changes nothing that is already there.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from ..errors import RunError
from .elements import Edge, ExplanationGraph, Node, drop_missing
from .evidence_graph import evidence_graph
from .explanation_graph import explanation_graphs
from .pruning import PrunedEdges, positive_sums, prune
from .run.formulas import read_formulas
from .run.measurement import label_settings
from .run.motion import read_motion
from .uids import block_label, block_number, category_label, graph_uid, unit_uid

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from .elements import Value
    from .run.reader import Run

_CHUNK = 65_536
_TOP_IMAGES = {"image": "images", "activation": "activations", "thumbnail": "thumbnails"}
"""Columns of `top_images`, and what a unit's lists of them are called."""
_NOT_IN_GRAPH = ["pixels", "label_unrestricted", "category_unrestricted", "iou_unrestricted"]
"""Columns of `units` that the graph leaves out."""


class Edges(Protocol):
    """Relationships in a fixed order, which can be iterated any number of times."""

    def __len__(self) -> int:
        """Return their number."""

    def __iter__(self) -> Iterator[Edge]:
        """Start again with the first."""


@dataclass(frozen=True)
class Records:
    """All of one run's graph; the first node is the Run.

    Explanations come later than the run, and go into a store that has the run already.
    """

    nodes: tuple[Node, ...]
    edges: Edges
    explanations: tuple[ExplanationGraph, ...] = ()

    @property
    def run(self) -> str:
        """The run's uid."""
        return self.nodes[0].uid

    @property
    def network_digest(self) -> str:
        """The digest of the network that was dissected."""
        return str(self.nodes[0].properties["model_digest"])

    def all_nodes(self) -> Iterator[Node]:
        """Yield the nodes, those of explanations last; an Image may come more than once."""
        yield from self.nodes
        for explanation in self.explanations:
            yield from explanation.nodes

    def all_edges(self) -> Iterator[Edge]:
        """Yield the relationships, those of explanations last."""
        yield from self.edges
        for explanation in self.explanations:
            yield from explanation.edges

    def __len__(self) -> int:
        """Return the number of nodes and edges, those of explanations included."""
        explanations = (len(each.nodes) + len(each.edges) for each in self.explanations)
        return len(self.nodes) + len(self.edges) + sum(explanations)


def records(run: Run, *, edges_per_target: int | None = None, dense: bool = False) -> Records:
    """Make the graph of a run, with the strongest contributions of either sign for each target.

    The Run node's `share_left_out` is the share of all positive weight that was left out.

    Args:
        run: the run.
        edges_per_target: contributions per target and sign, concepts per class and block, and flows
            per concept; the run's own setting `top_k` if None.
        dense: take every contribution but zero: millions of edges, made while they are iterated and
            never all held.

    Raises:
        RunError: `edges_per_target` is below 1, or a file of the run does not fit.
    """
    count = run.settings.top_k if edges_per_target is None else edges_per_target
    if dense:
        count = max(run.width(block) for block in run.blocks)
    if count < 1:
        raise RunError("edges per target", found=count, expected="at least 1")
    contributions = _Contributions(run, count)
    evidence = evidence_graph(run, count)
    nodes = [
        _run_node(run, count, contributions.share_left_out),
        *_block_nodes(run),
        *_unit_nodes(run),
        *_concept_nodes(run),
        *_class_nodes(run),
        *evidence.nodes,
    ]
    held = (*_structure(run), *_presence(run), *_detections(run), *evidence.edges)
    return Records(tuple(nodes), _RunEdges(held, contributions), explanation_graphs(run))


def _run_node(run: Run, edges_per_target: int, share_left_out: float) -> Node:
    manifest = run.manifest
    properties: dict[str, Value] = {
        "name": run.name,
        "model": manifest["model"]["name"],
        "model_digest": manifest["model"]["digest"],
        "created": manifest["created"],
        "device": manifest["device"],
        "settings": json.dumps(manifest["settings"], sort_keys=True),
        "settings_digest": manifest["settings_digest"],
        "label_settings": label_settings(run),
        "min_iou": float(run.min_iou),
        "edges_per_target": edges_per_target,
        "share_left_out": share_left_out,
    }
    return Node(("Run",), run.name, properties)


def _block_nodes(run: Run) -> Iterator[Node]:
    for block in run.blocks:
        properties = {"run": run.name, "name": block, **run.manifest["blocks"][block]}
        yield Node(("Block",), graph_uid(run.name, block), drop_missing(properties))


def _unit_nodes(run: Run) -> Iterator[Node]:
    top_images, formulas, motion = _top_images(run.top_images), _formulas(run), _motion(run)
    labels = {block: ("Unit", block_label(block)) for block in run.blocks}
    units = run.units.drop(columns=_NOT_IN_GRAPH)
    for row, interpretable, named in zip(
        _rows(units), run.interpretable.tolist(), run.named.tolist(), strict=True
    ):
        block = str(row.pop("block"))
        uid = str(row.pop("uid"))
        row |= {
            "run": run.name,
            "name": f"{row['index']} {row['label']}" if named else str(row["index"]),
            "block": block_number(block),
            "interpretable": interpretable,
            "named": named,
            **top_images.get(uid, {}),
            **formulas.get(uid, {}),
            **motion.get(uid, {}),
        }
        yield Node(labels[block], graph_uid(run.name, uid), drop_missing(row))


def _top_images(table: pd.DataFrame) -> dict[str, dict[str, Value]]:
    """Return per unit three parallel lists: its top images, its activation there, thumbnails."""
    lists: dict[str, dict[str, Value]] = {}
    columns = table.sort_values("rank", kind="stable")
    for unit, *row in zip(
        *(columns[name].tolist() for name in ("unit", *_TOP_IMAGES)), strict=True
    ):
        of_unit = lists.setdefault(unit, {name: [] for name in _TOP_IMAGES.values()})
        for name, value in zip(_TOP_IMAGES.values(), row, strict=True):
            cast("list[object]", of_unit[name]).append(value)
    return lists


def _formulas(run: Run) -> dict[str, dict[str, Value]]:
    """Return per unit its formula, if the run has formulas and it holds."""
    formulas = read_formulas(run)
    if formulas is None:
        return {}
    columns = {"formula": "formula", "iou": "formula_iou", "concept": "formula_concept"}
    columns["concept_iou"] = "formula_concept_iou"
    given = formulas.labels[formulas.labels["holds"]].set_index("unit")[list(columns)]
    rows = given.rename(columns=columns).to_dict("index")
    return {str(unit): dict(row) for unit, row in rows.items()}


def _motion(run: Run) -> dict[str, dict[str, Value]]:
    """Return per unit how far it sees motion, if the run is of clips."""
    table = read_motion(run)
    if table is None:
        return {}
    rows = table.set_index("unit").to_dict("index")
    return {str(unit): dict(row) for unit, row in rows.items()}


def _concept_nodes(run: Run) -> Iterator[Node]:
    for row in _rows(run.concepts):
        name, category = str(row["name"]), str(row["category"])
        labels = ("Concept", category_label(category))
        yield Node(labels, str(row["uid"]), {"name": name, "category": category})


def _class_nodes(run: Run) -> Iterator[Node]:
    for row in _rows(run.classes):
        uid = graph_uid(run.name, str(row.pop("uid")))
        yield Node(("Class",), uid, drop_missing({"run": run.name, **row}))


def _structure(run: Run) -> Iterator[Edge]:
    name = run.name
    for block in run.blocks:
        yield Edge("HAS_BLOCK", name, graph_uid(name, block), {})
    for block, uid in zip(run.units["block"], run.units["uid"], strict=True):
        yield Edge("HAS_UNIT", graph_uid(name, block), graph_uid(name, uid), {})
    for uid in run.classes["uid"]:
        yield Edge("HAS_CLASS", name, graph_uid(name, uid), {})
    for row in _rows(run.concepts[["uid", "images", "pixels", "center_bias", "source"]]):
        row["source"] = row["source"] or None
        yield Edge("HAS_CONCEPT", name, str(row.pop("uid")), drop_missing(row))


def _presence(run: Run) -> Iterator[Edge]:
    """Yield the scores of the presence probes, for concepts that some held-out position has."""
    for row in _rows(run.presence):
        block, concept = str(row.pop("block")), str(row.pop("concept"))
        if row["positions"]:
            yield Edge("PROBED_AT", concept, graph_uid(run.name, block), drop_missing(row))


def _detections(run: Run) -> Iterator[Edge]:
    for row in _rows(run.detections):
        unit, concept = str(row.pop("unit")), str(row.pop("concept"))
        if not run.is_tested:
            del row["significant"], row["holds"]
        if math.isnan(cast("float", row["auc"])):
            del row["auc_significant"]
        yield Edge("DETECTS", graph_uid(run.name, unit), concept, drop_missing(row))


class _Contributions:
    """The strongest contributions between all neighbouring blocks and to the classes.

    Attributes:
        share_left_out: the share of all positive weight that is not among them.
    """

    def __init__(self, run: Run, count: int) -> None:
        self._run = run
        self._hops: list[tuple[str, str, PrunedEdges]] = []
        pruned_weight = all_weight = 0.0
        for source, target in run.hops:
            weight = np.asarray(run.contributions(source, target))
            pre = np.asarray(run.contributions(source, target, pre=True))
            live = {"live_sources": run.live(source), "live_targets": run.live(target)}
            edges = prune(weight, pre, count, **live)
            self._hops.append((source, target, edges))
            pruned_weight += float(np.maximum(edges.weight, 0).sum(dtype=np.float64))
            all_weight += float(positive_sums(weight).sum())
        self.share_left_out = max(0.0, 1 - pruned_weight / all_weight) if all_weight else 0.0

    def __len__(self) -> int:
        return sum(len(edges.rank) for _, _, edges in self._hops)

    def __iter__(self) -> Iterator[Edge]:
        for source, target, edges in self._hops:
            sources, targets = self._uids(source), self._uids(target)
            for start in range(0, len(edges.rank), _CHUNK):
                chunk = PrunedEdges._make(column[start : start + _CHUNK] for column in edges)
                yield from _edges(sources[chunk.source], targets[chunk.target], chunk)

    def _uids(self, block: str) -> NDArray[np.object_]:
        uids = [unit_uid(block, index) for index in range(self._run.width(block))]
        if block == "class":
            uids = list(self._run.classes["uid"])
        return np.array([graph_uid(self._run.name, uid) for uid in uids], dtype=object)


def _edges(
    sources: NDArray[np.object_], targets: NDArray[np.object_], edges: PrunedEdges
) -> Iterator[Edge]:
    for source, target, weight, pre, share, rank in zip(
        sources.tolist(), targets.tolist(), *(column.tolist() for column in edges[2:]), strict=True
    ):
        properties = {"weight": weight, "pre": pre, "share": share, "rank": rank}
        yield Edge("CONTRIBUTES", source, target, properties)


class _RunEdges:
    """The edges that are held in memory, then the contributions."""

    def __init__(self, held: tuple[Edge, ...], contributions: _Contributions) -> None:
        self._held, self._contributions = held, contributions

    def __len__(self) -> int:
        return len(self._held) + len(self._contributions)

    def __iter__(self) -> Iterator[Edge]:
        yield from self._held
        yield from self._contributions


def _rows(frame: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Yield a frame's rows as dicts of Python's own values."""
    names = list(frame.columns)
    for values in zip(*(frame[name].tolist() for name in names), strict=True):
        yield dict(zip(names, values, strict=True))
