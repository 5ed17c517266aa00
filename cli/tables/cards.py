"""Cards of units, concepts and classes as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graph.uids import WORD, is_class
from ...queries.cards import ClassCard, ConceptCard, UnitCard
from ..terminal import print_line, print_note, print_paragraph, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graph.run.reader import Run
    from ...queries.concept_shares import ShareRow
    from ...queries.contributions import ContributionRow
    from ...queries.questions.concept_presence import PresenceRow
    from ...queries.questions.unit_concepts import DetectionRow

_AUC = (
    "AUC: of two images, one with the concept and one without, how often the unit's peak is higher "
    "in the former; 0.5 by chance; from: the 95 % interval's lower end"
)
_SHARES = "Shares are of all positive weight into the same unit or class."


def concept_source(run: Run, card: ConceptCard) -> str:
    """Return by what the labels of a concept were made; "" if people drew them."""
    return str(run.concepts.loc[run.concepts["uid"] == card.uid, "source"].iloc[0])


def print_card(run: Run, card: UnitCard | ConceptCard | ClassCard, no_answer: str | None) -> None:
    """Print a card of any kind, and first why it has no concept or no unit, if so."""
    if isinstance(card, UnitCard):
        _print_unit(run, card, no_answer)
    elif isinstance(card, ConceptCard):
        _print_concept(run, card, no_answer)
    else:
        _print_class(card, no_answer)


def _print_unit(run: Run, card: UnitCard, no_answer: str | None) -> None:
    print_line(f"{card.uid}: {_unit_summary(run, card)}\n", "bold")
    print_paragraph(no_answer)
    print_paragraph(card.motion)
    if run.words is None:
        _print_detections(card.concepts)
    elif card.concepts:
        _print_word(run.words.source, card.concepts)
    _print_contributions("fed by", card.fed_by)
    _print_contributions("inhibited by", card.inhibited_by)
    _print_contributions("feeds", card.feeds)
    print_note(f"{_SHARES}\n")
    print_table(
        f"top {run.noun}s (thumbnails are in {run.path})",
        (run.noun, "activation", "thumbnail"),
        [(row.image, f"{row.activation:#.3g}", row.thumbnail) for row in card.images],
        right="b",
    )


def _print_word(source: str, concepts: Sequence[DetectionRow]) -> None:
    """Print the unit's best word."""
    print_table(
        f"word, by {source}",
        ("word", "AUC", "from", "p", "IoU of images", "holds as a name"),
        [
            (row.name, f"{row.auc:.2f}", f"{row.auc_low:.2f}", _p_value(row), f"{row.iou:.2f}",
             _yes(row.holds))
            for row in concepts
        ],
        right="bcde",
    )  # fmt: skip
    print_note(
        "AUC: how well the word's nearness tells the images in which the unit is strong, of those "
        "that had no part in the word's choice; IoU: of these images and the ones nearest to it\n"
    )


def _print_detections(concepts: Sequence[DetectionRow]) -> None:
    """Print the concepts of the unit, by IoU, and by AUC those that label whole images."""
    print_table(
        "concepts with the largest IoU",
        ("concept", "category", "IoU", "attainable IoU", "enrichment", "p", "precision", "chance"),
        [
            (
                row.name,
                row.category,
                f"{row.iou:.3f}",
                f"{row.attainable_iou:.3f}",
                "—" if row.enrichment is None else f"{row.enrichment:.1f}×",
                _p_value(row),
                f"{_precision(row)}{'†' if row.holds else ' '}",
                "—" if row.chance is None else f"{row.chance:.0%}",
            )
            for row in concepts
        ],
        right="cdefgh",
    )
    if any(row.significant for row in concepts):
        print_note("*: significant, at a false discovery rate over all labels of all units")
    print_note(
        "precision: the share of the unit's activation area that lies on the concept, in images "
        "held out; chance: the same with labels permuted between images; †: holds as a name\n"
    )
    _print_tags(concepts)


def _print_tags(concepts: Sequence[DetectionRow]) -> None:
    """Print how well the unit tells images with a concept, of those that label whole images."""
    rows = sorted((-row.auc, row) for row in concepts if row.auc is not None)
    if not rows:
        return
    print_table(
        "concepts of whole images with the largest AUC",
        ("concept", "category", "AUC", "from"),
        [
            (row.name, row.category, f"{row.auc:.2f}{'*' if row.auc_significant else ' '}",
             f"{row.auc_low:.2f}")
            for _, row in rows
        ],
        right="cd",
    )  # fmt: skip
    print_note(f"{_AUC}\n")


def _p_value(row: DetectionRow) -> str:
    if row.p is None:
        return "—"
    return f"{row.p:.2g}{'*' if row.significant else ' '}"


def _precision(row: DetectionRow) -> str:
    """Return the precision with its interval's lower end: "61 % (from 52 %)"."""
    if row.precision is None or row.precision_low is None:
        return "—"
    return f"{row.precision:.0%} (from {row.precision_low:.0%})"


def _unit_summary(run: Run, card: UnitCard) -> str:
    """Return what kind of unit it is, in a few words."""
    if card.status == "dead":
        return "dead, never active on these images"
    if card.status == "sparse":
        return "sparse, active in too few places to have a threshold"
    label = f"no concept with IoU above {run.min_iou:g}" if run.words is None else "no word"
    if card.named and card.concepts:
        label = f"detects {card.concepts[0].name}"
    elif card.interpretable and card.concepts:
        label = f"no name that holds, at best {card.concepts[0].name}"
    return label if card.threshold is None else f"{label}; threshold {card.threshold:.4g}"


def _print_concept(run: Run, card: ConceptCard, no_answer: str | None) -> None:
    print_line(f"{card.name}: concept, {card.category}\n", "bold")
    source = concept_source(run, card)
    if source:
        what = "Its nearness to images is" if card.category == WORD else "Its labels were made"
        print_note(f"{what} by {source}.\n")
    print_paragraph(no_answer)
    if card.presence:
        print_table(
            "presence probes of the blocks, at single positions of held-out images",
            ("block", "MCC", "95 %", "used", "F1", "precision", "recall"),
            [_presence_cells(row) for row in card.presence],
            right="bcefg",
        )
        print_note("MCC: Matthews correlation, 0 for a probe that does no better than chance\n")
    by_words = run.words is not None
    if not by_words:
        _print_units_by_auc(card)
    print_table(
        "units with this word" if by_words else f"detected by, IoU above {run.min_iou:g}",
        ("unit", "IoU of images" if by_words else "IoU", "is its name", "significant"),
        [(row.uid, f"{row.iou:.3f}", _yes(row.best), _yes(row.significant)) for row in card.units],
        right="b",
    )
    if card.center_bias is not None:
        print_note(
            f"Center-bias baseline: a box in the middle of every image has an IoU of "
            f"{card.center_bias:.3f}.\n"
        )
    last = run.blocks[-1]
    _print_shares(f"classes fed by units of {last} with this name", "class", card.classes)


def _print_units_by_auc(card: ConceptCard) -> None:
    """Print the units that tell images with the concept, if it labels whole images."""
    if not card.units_by_auc:
        return
    print_table(
        "units that tell images with it, by AUC",
        ("unit", "AUC", "from", "significant"),
        [
            (row.uid, f"{row.auc:.2f}", "—" if row.auc_low is None else f"{row.auc_low:.2f}",
             _yes(row.significant))
            for row in card.units_by_auc
        ],
        right="bc",
    )  # fmt: skip
    print_note(f"{_AUC}\n")


def _presence_cells(row: PresenceRow) -> tuple[str, ...]:
    interval = f"{row.mcc_low:.2f} to {row.mcc_high:.2f}"
    scores = (f"{value:.2f}" for value in (row.f1, row.precision, row.recall))
    return row.block, f"{row.mcc:.2f}", interval, _yes(row.usable), *scores


def _yes(holds: bool | None) -> str:
    return "—" if holds is None else "yes" if holds else "no"


def _print_class(card: ClassCard, no_answer: str | None) -> None:
    print_line(f"{card.name}: class\n", "bold")
    print_paragraph(no_answer)
    _print_shares("concepts whose units feed it", "concept", card.concepts)
    _print_contributions("fed by", card.fed_by)
    _print_contributions("inhibited by", card.inhibited_by)
    print_note(_SHARES)


def _print_shares(title: str, kind: str, rows: Sequence[ShareRow]) -> None:
    names = [f"{row.name} ({row.category})" if row.category else row.name for row in rows]
    print_table(
        title,
        (kind, "units", "share"),
        [(name, row.units, f"{row.share:.1%}") for name, row in zip(names, rows, strict=True)],
        right="bc",
    )


def _print_contributions(title: str, rows: Sequence[ContributionRow]) -> None:
    """Print units with their concepts, or classes, which have no concepts and no ReLU."""
    if not rows:
        return
    if is_class(rows[0].uid):
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
