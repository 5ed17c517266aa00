"""From a run to the nodes and edges of its graph: plain records that any store can load.

Values are Python's own (no numpy scalars), uids are pure functions of names, and a shared Concept
carries only what its name determines, so loading a run twice, or two runs with the same concepts,
changes nothing that is already there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..errors import RunError
from .elements import Edge, Explained, Node, known
from .pruning import Kept, positive_sums, prune
from .run.explanations import explained
from .run.files import LATER
from .schema import block_label, block_number, category_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from .elements import Value
    from .run.reader import Run

_CHUNK = 65_536
EDGES_PER_TARGET = 32
"""Contributors, and again inhibitors, kept for each target."""


class Edges(Protocol):
    """Relationships in a fixed order, to be gone through any number of times."""

    def __len__(self) -> int:
        """How many."""

    def __iter__(self) -> Iterator[Edge]:
        """Begin again with the first."""


@dataclass(frozen=True)
class Records:
    """All of one run's graph; the first node is the Run.

    What was explained comes later than the run, and goes into a store that has the run already.
    """

    nodes: tuple[Node, ...]
    edges: Edges
    explained: tuple[Explained, ...] = ()

    @property
    def run(self) -> str:
        """The run's uid."""
        return self.nodes[0].uid

    @property
    def network(self) -> str | None:
        """The digest of the network that was dissected; None where the run does not state it."""
        digest = self.nodes[0].properties.get("model_digest")
        return None if digest is None else str(digest)

    def all_nodes(self) -> Iterator[Node]:
        """Nodes, those of explanations last; an Image may come more than once."""
        yield from self.nodes
        for each in self.explained:
            yield from each.nodes

    def all_edges(self) -> Iterator[Edge]:
        """Relationships, those of explanations last."""
        yield from self.edges
        for each in self.explained:
            yield from each.edges

    def __len__(self) -> int:
        """Nodes and edges."""
        parts = (len(each.nodes) + len(each.edges) for each in self.explained)
        return len(self.nodes) + len(self.edges) + sum(parts)


def records(run: Run, *, edges_per_target: int | None = EDGES_PER_TARGET) -> Records:
    """The graph of a run, with the strongest contributions of either sign for each target.

    The Run node's `share_left_out` is the part of all positive weight that was left out. With
    `edges_per_target` None no contribution but zero is left out: millions of edges, made as they
    are gone through and never all held.

    Raises:
        RunError: `edges_per_target` is below 1, or a file of the run does not fit.
    """
    if edges_per_target is None:
        edges_per_target = max(run.width(block) for block in run.blocks)
    if edges_per_target < 1:
        raise RunError("edges per target", found=edges_per_target, expected="at least 1")
    contributions = _Contributions(run, edges_per_target)
    few = (*_structure(run), *_presence(run), *_detections(run))
    nodes = [
        _run_node(run, edges_per_target, contributions.share_left_out),
        *_block_nodes(run),
        *_unit_nodes(run),
        *_concept_nodes(run),
        *_class_nodes(run),
    ]
    return Records(tuple(nodes), _RunEdges(few, contributions), explained(run))


def _run_node(run: Run, edges_per_target: int, share_left_out: float) -> Node:
    manifest = run.manifest
    properties = {
        "name": run.name,
        "model": manifest.get("model", {}).get("name"),
        "model_digest": manifest.get("model", {}).get("digest"),
        "created": manifest.get("created"),
        "device": manifest.get("device"),
        "settings": json.dumps(manifest.get("settings", {}), sort_keys=True),
        "settings_digest": manifest.get("settings_digest"),
        "min_iou": float(run.min_iou),
        "edges_per_target": edges_per_target,
        "share_left_out": share_left_out,
    }
    return Node(("Run",), run.name, known(properties))


def _block_nodes(run: Run) -> Iterator[Node]:
    for block in run.blocks:
        properties = {"name": block, **run.manifest["blocks"][block]}
        yield Node(("Block",), f"{run.name}/{block}", known(properties))


def _unit_nodes(run: Run) -> Iterator[Node]:
    pictures = _pictures(run.top_images)
    labels = {block: ("Unit", block_label(block)) for block in run.blocks}
    interpretable = run.interpretable.tolist()
    units = run.units.drop(columns=list(LATER["units"]))
    for row, named in zip(_rows(units), interpretable, strict=True):
        block = str(row.pop("block"))
        uid = str(row.pop("uid"))
        row |= {
            "name": f"{row['index']} {row['label']}" if named else str(row["index"]),
            "block": block_number(block),
            "interpretable": named,
            **pictures.get(uid, {}),
        }
        yield Node(labels[block], f"{run.name}/{uid}", known(row))


def _pictures(top_images: pd.DataFrame) -> dict[str, dict[str, Value]]:
    """Per unit, three parallel lists: its strongest images, how strong, their thumbnails."""
    names = {"image": "images", "activation": "activations", "thumbnail": "thumbnails"}
    columns = top_images.sort_values("rank").groupby("unit", sort=False)[list(names)].agg(list)
    lists = columns.rename(columns=names).to_dict("index")
    return {str(unit): dict(row) for unit, row in lists.items()}


def _concept_nodes(run: Run) -> Iterator[Node]:
    for row in _rows(run.concepts):
        name, category = str(row["name"]), str(row["category"])
        labels = ("Concept", category_label(category))
        yield Node(labels, str(row["uid"]), {"name": name, "category": category})


def _class_nodes(run: Run) -> Iterator[Node]:
    for row in _rows(run.classes):
        uid = f"{run.name}/{row.pop('uid')}"
        yield Node(("Class",), uid, known(row))


def _structure(run: Run) -> Iterator[Edge]:
    name = run.name
    for block in run.blocks:
        yield Edge("HAS_BLOCK", name, f"{name}/{block}", {})
    for block, uid in zip(run.units["block"], run.units["uid"], strict=True):
        yield Edge("HAS_UNIT", f"{name}/{block}", f"{name}/{uid}", {})
    for uid in run.classes["uid"]:
        yield Edge("HAS_CLASS", name, f"{name}/{uid}", {})
    for row in _rows(run.concepts[["uid", "images", "pixels", "center_bias"]]):
        yield Edge("HAS_CONCEPT", name, str(row.pop("uid")), known(row))


def _presence(run: Run) -> Iterator[Edge]:
    """How well concepts are read from blocks, where any held-out image has them."""
    for row in _rows(run.presence):
        block, concept = str(row.pop("block")), str(row.pop("concept"))
        if row["positions"]:
            yield Edge("PROBED_AT", concept, f"{run.name}/{block}", known(row))


def _detections(run: Run) -> Iterator[Edge]:
    for row in _rows(run.detections):
        unit, concept = str(row.pop("unit")), str(row.pop("concept"))
        if not run.is_tested:
            row.pop("significant")
        yield Edge("DETECTS", f"{run.name}/{unit}", concept, known(row))


class _Contributions:
    """The kept contributions of every hop, and how much weight they leave out."""

    def __init__(self, run: Run, count: int) -> None:
        self._run = run
        self._hops: list[tuple[str, str, Kept]] = []
        kept_weight = all_weight = 0.0
        for source, target in run.hops:
            weight = np.asarray(run.contributions(source, target))
            pre = np.asarray(run.contributions(source, target, pre=True))
            kept = prune(
                weight,
                pre,
                count,
                live_sources=run.live(source),
                live_targets=run.live(target),
            )
            self._hops.append((source, target, kept))
            kept_weight += float(np.maximum(kept.weight, 0).sum(dtype=np.float64))
            all_weight += float(positive_sums(weight).sum())
        self.share_left_out = max(0.0, 1 - kept_weight / all_weight) if all_weight else 0.0

    def __len__(self) -> int:
        return sum(len(kept.rank) for _, _, kept in self._hops)

    def __iter__(self) -> Iterator[Edge]:
        for source, target, kept in self._hops:
            sources, targets = self._uids(source), self._uids(target)
            for start in range(0, len(kept.rank), _CHUNK):
                part = Kept._make(column[start : start + _CHUNK] for column in kept)
                yield from _edges(sources[part.source], targets[part.target], part)

    def _uids(self, block: str) -> NDArray[np.object_]:
        name = self._run.name
        uids = [f"{block}/{index}" for index in range(self._run.width(block))]
        if block == "class":
            uids = list(self._run.classes["uid"])
        return np.array([f"{name}/{uid}" for uid in uids], dtype=object)


def _edges(
    sources: NDArray[np.object_], targets: NDArray[np.object_], kept: Kept
) -> Iterator[Edge]:
    for source, target, weight, pre, share, rank in zip(
        sources.tolist(), targets.tolist(), *(column.tolist() for column in kept[2:]), strict=True
    ):
        properties = {"weight": weight, "pre": pre, "share": share, "rank": rank}
        yield Edge("CONTRIBUTES", source, target, properties)


class _RunEdges:
    """The few edges that are held, then the contributions."""

    def __init__(self, few: tuple[Edge, ...], contributions: _Contributions) -> None:
        self._few, self._contributions = few, contributions

    def __len__(self) -> int:
        return len(self._few) + len(self._contributions)

    def __iter__(self) -> Iterator[Edge]:
        yield from self._few
        yield from self._contributions


def _rows(frame: pd.DataFrame) -> Iterator[dict[str, object]]:
    """A frame's rows as dicts of Python's own values."""
    names = list(frame.columns)
    for values in zip(*(frame[name].tolist() for name in names), strict=True):
        yield dict(zip(names, values, strict=True))
