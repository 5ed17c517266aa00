"""Cards of units, concepts and classes, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...pages.wording import bar
from ...queries.cards import ClassCard, ConceptCard, UnitCard
from ..terminal import note, print_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graph.run.reader import Run
    from ...queries.concepts import ReachRow
    from ...queries.contributions import ContributionRow
    from ...queries.units import DetectionRow

_SHARES = "Shares are of all the positive weight that arrives at the same unit or class."


def print_card(run: Run, card: UnitCard | ConceptCard | ClassCard) -> None:
    """A card of any kind."""
    if isinstance(card, UnitCard):
        _print_unit(run, card)
    elif isinstance(card, ConceptCard):
        _print_concept(run, card)
    else:
        _print_class(card)


def _print_unit(run: Run, card: UnitCard) -> None:
    say(f"{card.uid}: {_standing(run, card)}\n", "bold")
    print_table(
        "nearest concepts",
        ("concept", "category", "IoU", "attainable", "× chance", "p"),
        [
            (
                row.name,
                row.category,
                f"{row.iou:.3f}",
                f"{row.attainable_iou:.3f}",
                "—" if row.enrichment is None else f"{row.enrichment:.1f}",
                _p(row),
            )
            for row in card.concepts
        ],
        right="cdef",
    )
    if any(row.significant for row in card.concepts):
        note("*: beyond chance, tested together with all labels of all units\n")
    _print_contributions("fed by", card.fed_by)
    _print_contributions("held back by", card.inhibited_by)
    _print_contributions("feeds", card.feeds)
    note(f"{_SHARES}\n")
    print_table(
        f"strongest images (thumbnails are in {run.path})",
        ("image", "activation", "thumbnail"),
        [(row.image, f"{row.activation:#.3g}", row.thumbnail) for row in card.images],
        right="b",
    )


def _p(row: DetectionRow) -> str:
    if row.p is None:
        return "—"
    return f"{row.p:.2g}{'*' if row.significant else ' '}"


def _standing(run: Run, card: UnitCard) -> str:
    """What kind of unit it is, in a few words."""
    if card.status == "dead":
        return "dead, never active on these images"
    if card.status == "sparse":
        return "sparse, active in too few places to have a threshold"
    named = f"detects {card.concepts[0].name}" if card.interpretable and card.concepts else None
    threshold = "" if card.threshold is None else f"; fires above {card.threshold:.4g}"
    return (named or f"no concept with an {bar(run)}") + threshold


def _print_concept(run: Run, card: ConceptCard) -> None:
    say(f"{card.name}: concept, {card.category}\n", "bold")
    if card.presence:
        print_table(
            "read by a probe of the whole block, at single positions of held-out images",
            ("block", "F1", "precision", "recall"),
            [
                (row.block, f"{row.f1:.2f}", f"{row.precision:.2f}", f"{row.recall:.2f}")
                for row in card.presence
            ],
            right="bcd",
        )
    print_table(
        f"detected by, {bar(run)}",
        ("unit", "IoU", "named after it", "beyond chance"),
        [(row.uid, f"{row.iou:.3f}", _yes(row.best), _yes(row.significant)) for row in card.units],
        right="b",
    )
    if card.center_bias is not None:
        note(f"A box in the middle of every image would have an IoU of {card.center_bias:.3f}.\n")
    _print_reach(f"classes fed by units of {run.blocks[-1]} named after it", "class", card.classes)


def _yes(holds: bool | None) -> str:
    return "—" if holds is None else "yes" if holds else "no"


def _print_class(card: ClassCard) -> None:
    say(f"{card.name}: class\n", "bold")
    _print_reach("concepts whose units feed it", "concept", card.concepts)
    _print_contributions("fed by", card.fed_by)
    _print_contributions("held back by", card.inhibited_by)
    note(_SHARES)


def _print_reach(title: str, kind: str, rows: Sequence[ReachRow]) -> None:
    names = [f"{row.name} ({row.category})" if row.category else row.name for row in rows]
    print_table(
        title,
        (kind, "units", "share"),
        [(name, row.units, f"{row.share:.1%}") for name, row in zip(names, rows, strict=True)],
        right="bc",
    )


def _print_contributions(title: str, rows: Sequence[ContributionRow]) -> None:
    """Units with their concepts, or classes, which have none and no ReLU."""
    if not rows:
        return
    if rows[0].uid.startswith("class/"):
        print_table(
            title,
            ("class", "weight", "share"),
            [(row.name, f"{row.weight:#.3g}", f"{row.share:.2%}") for row in rows],
            right="bc",
        )
        return
    print_table(
        title,
        ("unit", "concept", "IoU", "weight", "before ReLU", "share"),
        [
            (
                row.uid,
                row.concept or "—",
                "" if row.iou is None else f"{row.iou:.2f}",
                f"{row.weight:#.3g}",
                f"{row.pre:#.3g}",
                f"{row.share:.2%}",
            )
            for row in rows
        ],
        right="cdef",
    )
