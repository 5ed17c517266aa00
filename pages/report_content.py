"""What a report shows of a run, asked of the same questions as the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import QueryError
from ..queries.blocks import BlockConcepts, Blocks, CategoriesByBlock
from ..queries.cards import unit_card
from ..queries.contributions import FedBy
from ..queries.names import EVERY, ClassNames, find_class
from .pictures import strip

if TYPE_CHECKING:
    from pathlib import Path

    from ..graph.run.reader import Run
    from ..graph.stores.memory import MemoryStore
    from ..queries.blocks import BlockConceptRow, BlockRow, CategoryRow
    from ..queries.compare import Change, Comparison
    from ..queries.contributions import ContributionRow

GALLERY, CHANGES = 12, 12
"""Units with pictures: of each block, and of those that changed meaning."""
DRIVEN = 12
"""Classes shown of a unit."""


class Tile(NamedTuple):
    """A unit with its strongest images, masked to where it fires."""

    uid: str
    label: str | None
    category: str | None
    iou: float
    enrichment: float | None
    significant: bool | None
    picture: str | None


class Driven(NamedTuple):
    """A class, and a unit's weight in the final layer."""

    name: str
    weight: float


class Source(NamedTuple):
    """A unit that feeds a class or a unit, with its pictures and what feeds it in turn."""

    row: ContributionRow
    picture: str | None
    fed_by: tuple[Source, ...]


class Figures(NamedTuple):
    """The rows behind the figures."""

    blocks: list[BlockRow]
    categories: list[CategoryRow]
    concepts: dict[str, list[BlockConceptRow]]


def figures(run: Run, store: MemoryStore) -> Figures:
    """Figs. 4 and 6, and the table of the blocks."""
    concepts = {block: store.ask(BlockConcepts(run.name, block, EVERY)) for block in run.blocks}
    return Figures(store.ask(Blocks(run.name)), store.ask(CategoriesByBlock(run.name)), concepts)


def above_center_bias(run: Run) -> dict[str, int | None]:
    """Interpretable units of each block with a larger IoU than a box's; None in earlier runs."""
    if run.center_bias.isna().all():
        return dict.fromkeys(run.blocks)
    return {
        block: int(run.above_center_bias[run.units["block"] == block].sum()) for block in run.blocks
    }


def unit_rows(run: Run) -> list[list[object]]:
    """All units: uid, label, category, IoUs, enrichment, p, significant, status."""
    best = run.detections[run.detections["rank"] == 0].set_index("unit")
    rows: list[list[object]] = []
    columns = ("uid", "label", "category", "iou", "status")
    for uid, label, category, iou, status, box in zip(
        *(run.units[name].tolist() for name in columns), run.center_bias.tolist(), strict=True
    ):
        found = best.loc[uid] if uid in best.index else None
        attainable_iou, *chance = (
            [None] * 3
            if found is None
            else [found[c] for c in ("attainable_iou", "enrichment", "p")]
        )
        rows.append(
            [
                uid,
                label if isinstance(label, str) else None,
                category if isinstance(category, str) else None,
                *map(_rounded, (iou, attainable_iou, box, *chance)),
                bool(found is not None and found["significant"]),
                status,
            ]
        )
    return rows


def _rounded(value: object) -> float | None:
    if value is None or not np.isfinite(float(str(value))):
        return None
    return float(f"{float(str(value)):.4g}")


def gallery(run: Run, store: MemoryStore, block: str) -> list[Tile]:
    """The best unit of each of a block's concepts, the largest IoU first."""
    mine = run.units[(run.units["block"] == block) & run.interpretable]
    best = mine.sort_values(["iou", "index"], ascending=[False, True])
    best = best.drop_duplicates(["category", "label"])
    return [tile(run, store, str(uid)) for uid in best["uid"][:GALLERY]]


def tile(run: Run, store: MemoryStore, uid: str) -> Tile:
    """One unit under a run."""
    card = unit_card(store, run.name, uid, top=5)
    first = card.concepts[0] if card.concepts and card.interpretable else None
    picture = strip([run.path / row.thumbnail for row in card.images])
    if first is None:
        return Tile(uid, None, None, 0.0, None, None, picture)
    return Tile(
        uid, first.name, first.category, first.iou, first.enrichment, first.significant, picture
    )


def changed(
    comparison: Comparison, runs: tuple[Run, Run], stores: tuple[MemoryStore, MemoryStore]
) -> list[tuple[Tile, Tile]]:
    """Units that changed meaning, under both runs: those with a meaning in both first."""
    (pair,) = comparison.pairs

    def both(change: Change) -> bool:
        return change.before is None or change.after is None

    chosen = sorted(pair.changes, key=both)[:CHANGES]
    return [
        (tile(runs[0], stores[0], each.unit), tile(runs[1], stores[1], each.unit))
        for each in chosen
    ]


def chosen_unit(run: Run, uid: str | None) -> str:
    """The unit that was named, else the best detector of the last block.

    Raises:
        QueryError: no such unit, or one of an earlier block, which feeds no class.
    """
    last = run.blocks[-1]
    if uid is not None:
        if run.unit(uid)["block"] != last:
            raise QueryError(f"{uid} feeds no class directly", expected=f"a unit of {last}")
        return uid
    mine = run.units[(run.units["block"] == last) & (run.units["status"] == "ok")]
    best = mine.sort_values(["iou", "index"], ascending=[False, True])["uid"]
    return str(best.iloc[0]) if len(best) else f"{last}/0"


def chosen_class(run: Run, store: MemoryStore, name: str | None) -> str:
    """The uid of the class that was named, else of the first."""
    if name is None:
        return str(run.classes["uid"].iloc[0])
    return find_class(store.ask(ClassNames(run.name)), name).uid


def classes_of(run: Run, uid: str) -> list[Driven]:
    """Fig. 7: the classes to which a unit's weights are largest, from most for to most against."""
    block, _, index = uid.partition("/")
    weights = run.contributions(block, "class")[int(index)].tolist()
    rows = [
        Driven(str(name), each) for name, each in zip(run.classes["name"], weights, strict=True)
    ]
    strongest = sorted(rows, key=lambda row: -abs(row.weight))[:DRIVEN]
    return sorted(strongest, key=lambda row: -row.weight)


def sources(
    run: Run, store: MemoryStore, target: str, widths: tuple[int, ...]
) -> tuple[Source, ...]:
    """Fig. 8: what feeds a class, and what feeds that; so many at each step."""
    if not widths:
        return ()
    found = []
    for row in store.ask(FedBy(run.name, target, widths[0])):
        pictures: list[Path] = [
            run.path / each.thumbnail for each in unit_card(store, run.name, row.uid, top=3).images
        ]
        found.append(Source(row, strip(pictures), sources(run, store, row.uid, widths[1:])))
    return tuple(found)
