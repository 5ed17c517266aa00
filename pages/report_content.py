"""The content of a report, from the same questions that the command line asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import QueryError
from ..graph.run.formulas import read_formulas
from ..graph.uids import split_unit, unit_uid
from ..queries.cards import unit_card
from ..queries.names import ALL_ROWS, find_class
from ..queries.parameters import BlockName, ClassUid
from ..queries.questions.block_concepts import BlockConcepts
from ..queries.questions.blocks import Blocks
from ..queries.questions.categories_by_block import CategoriesByBlock
from ..queries.questions.classes import Classes
from ..queries.questions.fed_by import FedBy
from .pictures import strip

if TYPE_CHECKING:
    from ..graph.run.reader import Run
    from ..graph.stores.memory import MemoryStore
    from ..queries.compare import Comparison, LabelChange
    from ..queries.contributions import ContributionRow
    from ..queries.parameters import TargetUid
    from ..queries.questions.block_concepts import BlockConceptRow
    from ..queries.questions.blocks import BlockRow
    from ..queries.questions.categories_by_block import CategoryRow
    from .pictures import Picture

GALLERY, CHANGES = 12, 12
"""Units with pictures: of each block, and of those whose label changed."""
CLASSES = 12
"""Classes shown with a unit."""


class UnitSummary(NamedTuple):
    """A unit's label, its top images masked to its activation area, and its formula, if shown."""

    uid: str
    label: str | None
    category: str | None
    iou: float
    enrichment: float | None
    significant: bool | None
    picture: Picture | None
    formula: str | None = None


class ClassWeight(NamedTuple):
    """A class, and a unit's weight in the final layer."""

    name: str
    weight: float


class Contributor(NamedTuple):
    """A unit that feeds a class or a unit, with its top images and its own contributors."""

    row: ContributionRow
    picture: Picture | None
    fed_by: tuple[Contributor, ...]


class FigureRows(NamedTuple):
    """The rows behind the figures."""

    blocks: list[BlockRow]
    categories: list[CategoryRow]
    concepts: dict[str, list[BlockConceptRow]]


def figure_rows(run: Run, store: MemoryStore) -> FigureRows:
    """Return the rows of Figs. 4 and 6, and of the table of blocks."""
    concepts = {
        block: store.ask(BlockConcepts(run.name, BlockName(block), ALL_ROWS))
        for block in run.blocks
    }
    blocks = store.ask(Blocks(run.name))
    return FigureRows(blocks, store.ask(CategoriesByBlock(run.name)), concepts)


def above_center_bias(run: Run) -> dict[str, int | None]:
    """Count each block's interpretable units with a larger IoU than the center-bias baseline."""
    if run.center_bias.isna().all():
        return dict.fromkeys(run.blocks)
    return {
        block: int(run.above_center_bias[run.units["block"] == block].sum()) for block in run.blocks
    }


def unit_rows(run: Run) -> list[list[object]]:
    """Return uid, label, category, IoUs, enrichment, p, significant and status of all units."""
    best = run.detections[run.detections["rank"] == 0].set_index("unit")
    rows: list[list[object]] = []
    columns = ("uid", "label", "category", "iou", "status")
    for uid, label, category, iou, status, center_bias in zip(
        *(run.units[name].tolist() for name in columns), run.center_bias.tolist(), strict=True
    ):
        detection = best.loc[uid] if uid in best.index else None
        attainable_iou, enrichment, p = (
            (None, None, None)
            if detection is None
            else (detection[column] for column in ("attainable_iou", "enrichment", "p"))
        )
        rows.append(
            [
                uid,
                label if isinstance(label, str) else None,
                category if isinstance(category, str) else None,
                *map(_rounded, (iou, attainable_iou, center_bias, enrichment, p)),
                bool(detection is not None and detection["significant"]),
                status,
            ]
        )
    return rows


def _rounded(value: object) -> float | None:
    if value is None or not np.isfinite(float(str(value))):
        return None
    return float(f"{float(str(value)):.4g}")


def gallery(run: Run, store: MemoryStore, block: str) -> list[UnitSummary]:
    """Return the unit with the largest IoU for each of a block's concepts, largest first."""
    units = run.units[(run.units["block"] == block) & run.named]
    best = units.sort_values(["iou", "index"], ascending=[False, True])
    best = best.drop_duplicates(["category", "label"])
    return [unit_summary(run, store, str(uid)) for uid in best["uid"][:GALLERY]]


def with_formulas(run: Run, store: MemoryStore) -> list[UnitSummary]:
    """Return for each formula the unit with the largest IoU, largest first, if the run has any."""
    formulas = read_formulas(run)
    if formulas is None:
        return []
    given = formulas.labels[formulas.labels["holds"]]
    best = given.sort_values("iou", ascending=False, kind="stable").drop_duplicates("formula")
    rows = best[["unit", "formula"]][:GALLERY].itertuples(index=False)
    return [unit_summary(run, store, str(uid))._replace(formula=formula) for uid, formula in rows]


def unit_summary(run: Run, store: MemoryStore, uid: str) -> UnitSummary:
    """Return a unit's label and top images in a run."""
    card = unit_card(store, run.name, uid, top=5)
    label = card.concepts[0] if card.concepts and card.named else None
    picture = strip(run, [row.thumbnail for row in card.images])
    if label is None:
        return UnitSummary(uid, None, None, 0.0, None, None, picture)
    return UnitSummary(
        uid, label.name, label.category, label.iou, label.enrichment, label.significant, picture
    )


def changed_units(
    comparison: Comparison, runs: tuple[Run, Run], stores: tuple[MemoryStore, MemoryStore]
) -> list[tuple[UnitSummary, UnitSummary]]:
    """Return units whose label changed, in both runs: those with a label in both first."""
    (pair,) = comparison.pairs

    def without_label(change: LabelChange) -> bool:
        return change.before is None or change.after is None

    changes = sorted(pair.changes, key=without_label)[:CHANGES]
    return [
        (
            unit_summary(runs[0], stores[0], change.unit),
            unit_summary(runs[1], stores[1], change.unit),
        )
        for change in changes
    ]


def chosen_unit(run: Run, uid: str | None) -> str:
    """Return the unit that was named, else that of the last block with the largest IoU.

    Raises:
        QueryError: no such unit, or one of an earlier block, which feeds no class.
    """
    last = run.blocks[-1]
    if uid is not None:
        if run.unit(uid)["block"] != last:
            raise QueryError(f"{uid} feeds no class directly", expected=f"a unit of {last}")
        return uid
    units = run.units[(run.units["block"] == last) & (run.units["status"] == "ok")]
    best = units.sort_values(["iou", "index"], ascending=[False, True])["uid"]
    return str(best.iloc[0]) if len(best) else unit_uid(last, 0)


def chosen_class(run: Run, store: MemoryStore, name: str | None) -> ClassUid:
    """Return the uid of the class that was named, else of the first one."""
    if name is None:
        return ClassUid(run.classes["uid"].iloc[0])
    return find_class(store.ask(Classes(run.name)), name).uid


def class_weights(run: Run, uid: str) -> list[ClassWeight]:
    """Return Fig. 7: the classes with a unit's largest weights, from most for to most against."""
    block, index = split_unit(uid)
    weights = run.contributions(block, "class")[index].tolist()
    rows = [
        ClassWeight(str(name), weight)
        for name, weight in zip(run.classes["name"], weights, strict=True)
    ]
    strongest = sorted(rows, key=lambda row: -abs(row.weight))[:CLASSES]
    return sorted(strongest, key=lambda row: -row.weight)


def contributors(
    run: Run, store: MemoryStore, target: TargetUid, counts: tuple[int, ...]
) -> tuple[Contributor, ...]:
    """Return Fig. 8: units that feed a class, and units that feed them; `counts` at each step."""
    if not counts:
        return ()
    units = []
    for row in store.ask(FedBy(run.name, target, counts[0])):
        images = unit_card(store, run.name, row.uid, top=3).images
        picture = strip(run, [image.thumbnail for image in images])
        units.append(Contributor(row, picture, contributors(run, store, row.uid, counts[1:])))
    return tuple(units)
