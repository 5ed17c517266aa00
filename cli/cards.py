"""Cards of units, concepts and classes, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..queries.cards import ClassCard, ConceptCard, UnitCard
from .terminal import out, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..graph.run import Run
    from ..queries.concepts import ReachRow
    from ..queries.contributions import ContributionRow


def print_card(run: Run, card: UnitCard | ConceptCard | ClassCard) -> None:
    """A card of any kind."""
    if isinstance(card, UnitCard):
        _print_unit(run, card)
    elif isinstance(card, ConceptCard):
        _print_concept(card)
    else:
        _print_class(card)


def _print_unit(run: Run, card: UnitCard) -> None:
    named = "" if card.interpretable else ", below the least IoU for a name"
    threshold = "unknown" if card.threshold is None else f"{card.threshold:.4g}"
    out.print(f"[bold]{card.uid}[/bold]  {card.status}{named}, threshold {threshold}\n")
    print_table(
        "detects",
        ("concept", "category", "IoU", "attainable"),
        [(row.name, row.category, f"{row.iou:.3f}", f"{row.ceiling:.3f}") for row in card.concepts],
        right="cd",
    )
    _print_contributions("fed by", card.fed_by)
    _print_contributions("held back by", card.held_back_by)
    _print_contributions("feeds", card.feeds)
    print_table(
        "strongest images",
        ("image", "activation", "thumbnail"),
        [(row.image, f"{row.activation:.3g}", run.path / row.thumbnail) for row in card.images],
        right="b",
    )


def _print_concept(card: ConceptCard) -> None:
    out.print(f"[bold]{card.name}[/bold]  {card.category}\n")
    print_table(
        "detected by",
        ("unit", "IoU", "its best label"),
        [(row.uid, f"{row.iou:.3f}", "yes" if row.best else "no") for row in card.units],
        right="b",
    )
    _print_reach("classes its units feed", "class", card.classes)


def _print_class(card: ClassCard) -> None:
    out.print(f"[bold]{card.name}[/bold]  class\n")
    _print_reach("concepts whose units feed it", "concept", card.concepts)
    _print_contributions("fed by", card.fed_by)
    _print_contributions("held back by", card.held_back_by)


def _print_reach(title: str, kind: str, rows: Sequence[ReachRow]) -> None:
    print_table(
        title,
        (kind, "category", "units", "share"),
        [(row.name, row.category or "", row.units, f"{row.share:.3f}") for row in rows],
        right="cd",
    )


def _print_contributions(title: str, rows: Sequence[ContributionRow]) -> None:
    if not rows:
        return
    print_table(
        title,
        ("unit or class", "concept", "IoU", "weight", "before ReLU", "share"),
        [
            (
                row.uid,
                row.concept or "",
                "" if row.iou is None else f"{row.iou:.2f}",
                f"{row.weight:.3g}",
                f"{row.pre:.3g}",
                f"{row.share:.2%}",
            )
            for row in rows
        ],
        right="cdef",
    )
