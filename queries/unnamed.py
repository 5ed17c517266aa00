"""Why units have no name, in words: what was looked for, what stands against it, what would help.

A unit *detects* concepts above `min_iou`; it is *named* after the best only if that holds. In a run
whose units are labelled with words, a unit detects the word that names it, and nothing else.
Every answer that has no concept in it says so with one of these texts, on the terminal, in JSON and
on pages. What it proposes follows from the run's own settings, and never names the one in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph.uids import WORD
from .cards import ClassCard, ConceptCard, UnitCard

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ..graph.run.reader import Run
    from .paths import StrongestPaths
    from .questions.unit_concepts import DetectionRow

FEW_CONCEPTS = 10
"""Data with fewer concepts leave most of what units detect without a name."""
_QUANTILES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
"""What can be proposed; with larger ones units overlap large concepts by chance."""
_OFTEN = 0.25
"""Of all concepts: when so many are out of reach of activation areas, that is the cause."""


def class_paths_note(run: Run, paths: StrongestPaths) -> str | None:
    """Return why no unit on the paths to a class has a name; None if one has."""
    units = {unit.uid: unit for path in paths.paths for unit in path.units}
    if any(unit.concept for unit in units.values()):
        return None
    opening = f"No concept leads to {paths.class_name} here: "
    if not units:
        return f"{opening}no path through {_listed(paths.blocks)} was found. " + unnamed_units(
            run, paths.blocks
        )
    return (
        f"{opening}none of the {len(units)} units on these paths is named after one. "
        f"{unnamed_units(run, paths.blocks)}"
    )


def card_note(run: Run, card: UnitCard | ConceptCard | ClassCard) -> str | None:
    """Return why a card has no concept or no unit; None if it has."""
    if isinstance(card, UnitCard):
        return None if card.named else _unit_note(run, card)
    if isinstance(card, ConceptCard):
        if card.units:
            return None
        return _concept_note(run, card) if run.words is None else _word_note(run, card)
    if card.concepts:
        return None
    return f"No concept feeds {card.name}. {unnamed_units(run, run.blocks[-1:])}"


def unnamed_units(run: Run, blocks: Sequence[str]) -> str:
    """Return how many units of some blocks have a name, why not more, and what would help."""
    in_blocks = run.units["block"].isin(list(blocks))
    units = run.units[in_blocks]
    detecting, named = (int(flags[in_blocks].sum()) for flags in (run.interpretable, run.named))
    if run.words is not None:
        return (
            f"Of the {len(units)} units of {_listed(blocks)}, {named or 'none'} "
            f"{'has' if named < 2 else 'have'} a word for sure ({word_criterion(run)}): more words "
            "may name more, and so may more images."
        )
    opening = (
        f"Of the {len(units)} units of {_listed(blocks)}, {detecting or 'none'} "
        f"{'is' if detecting < 2 else 'are'} interpretable ({_criterion(run)})"
    )
    if named < detecting:
        return f"{opening}, and {_without_a_name(run, detecting - named)}"
    reason = _silent(run, units) or _out_of_reach(run) or _too_few(run)
    return f"{opening}. {_closest(units, detecting)}{reason}"


def _without_a_name(run: Run, count: int) -> str:
    """Say why interpretable units have no name, as the end of a sentence, and what would help."""
    if not run.is_tested:
        return (
            f"{count} of them {'has' if count == 1 else 'have'} no name, since none can hold "
            "without null samples: ingest again with null_samples above 0, or use --all-labels."
        )
    few = f" {_too_few(run)}" if len(run.concepts) < FEW_CONCEPTS else ""
    return (
        f"{count} of them {'has' if count == 1 else 'have'} no name, since the label does not hold "
        f"({_name_criterion(run)}): --all-labels shows it nevertheless.{few}"
    )


def _closest(units: pd.DataFrame, detecting: int) -> str:
    usable = units[(units["status"] == "ok") & units["label"].notna()]
    if detecting or usable.empty:
        return ""
    best = usable.loc[usable["iou"].idxmax()]
    return f"The largest IoU is {best['iou']:.3f}, of {best['uid']} with {best['label']}. "


def _silent(run: Run, units: pd.DataFrame) -> str | None:
    """Say that most units hardly ever fire on the data, if so."""
    dead, sparse = (int((units["status"] == status).sum()) for status in ("dead", "sparse"))
    if dead + sparse <= len(units) / 2:
        return None
    seen = f"{run.manifest['data']['images']} {run.noun}s"
    return (
        f"{dead} are never active on the {seen} of the concept "
        f"data, and {sparse} too rarely for a threshold: concept data with {run.noun}s as the "
        "network was trained on would help."
    )


def _out_of_reach(run: Run) -> str | None:
    """Say that concepts are much larger or smaller than activation areas, if many are.

    Those that label whole images, for which there is an AUC, are left out.
    """
    whole = run.detections.loc[run.detections["auc"].notna(), "concept"]
    ratios = _area_ratios(run).drop(whole.unique(), errors="ignore")
    large, small = ratios[1 / ratios <= run.min_iou], ratios[ratios <= run.min_iou]
    misfits = max(large, small, key=len)
    if misfits.empty or len(misfits) < _OFTEN * len(ratios):
        return None
    size, median = "large" if misfits is large else "small", float(misfits.median())
    return (
        f"{len(misfits)} of {len(ratios)} concepts are too {size} for activation areas at this "
        f"quantile to reach that IoU: their median covers {_times(median)} of one."
        f"{_other_quantile(run, median)}"
    )


def _area_ratios(run: Run) -> pd.Series[float]:
    """Return by uid how many times as large a concept is as the activation areas that meet it."""
    rows = run.detections[run.detections["activation"] > 0]
    ratios: pd.Series[float] = (
        (rows["truth"] / rows["activation"]).groupby(rows["concept"]).median()
    )
    return ratios[ratios > 0]


def _times(ratio: float) -> str:
    return f"{ratio:.0f} times the pixels" if ratio >= 10 else f"{ratio:.2g} times the pixels"


def _other_quantile(run: Run, ratio: float) -> str:
    """Propose a quantile at which activation areas are nearer to concepts of a size; "" if none is.

    `ratio` is the size of the concepts, in activation areas of now.
    """
    now, share = run.quantile, run.quantile * ratio
    nearer = [q for q in _QUANTILES if now < q <= share] or [
        q for q in reversed(_QUANTILES) if share <= q < now
    ]
    if not nearer:
        return ""
    size = "larger" if nearer[0] > now else "smaller"
    return f" A {size} quantile would help: ingest again with --quantile {nearer[-1]:g}."


def _too_few(run: Run) -> str:
    count = len(run.concepts)
    if count < FEW_CONCEPTS:
        return (
            f"The concept data have {_counted(count, 'concept')} only, and units that detect "
            "anything else have no name: add concepts (conceptgraph data build, data merge)."
        )
    return (
        f"Activation areas could reach that IoU with most of the {count} concepts, so these units "
        "detect something else, or several things: look at the images on which one fires "
        "(conceptgraph show UNIT), and add concepts for what you see (conceptgraph data merge)."
    )


def _unit_note(run: Run, card: UnitCard) -> str:
    seen = f"{run.manifest['data']['images']} {run.noun}s"
    if card.status == "dead":
        return (
            f"{card.uid} has no name: it is never active on the {seen} of the concept "
            f"data. Concept data with {run.noun}s as the network was trained on may activate it."
        )
    if card.status == "sparse":
        smaller = [q for q in _QUANTILES if q < run.quantile]
        proposal = f" Ingest again with --quantile {smaller[-1]:g}." if smaller else ""
        return (
            f"{card.uid} has no name: less than {run.quantile:.2g} of its activations are above 0, "
            f"so it has no threshold. A smaller quantile may give it one.{proposal}"
        )
    if run.words is not None:
        return f"{card.uid} has no name: no word is its own for sure ({word_criterion(run)})."
    if not card.concepts:
        return f"{card.uid} has no name: no concept overlaps it ({_criterion(run)})."
    best = card.concepts[0]
    if card.interpretable:
        return (
            f"{card.uid} has no name: {best.name}, its best concept, does not hold as one. "
            f"{_why_not(run, best)} With --all-labels it is named {best.name} nevertheless."
        )
    helps = "Its top images show what it fires on."
    if best.attainable_iou <= run.min_iou and best.auc is None:
        helps = _other_quantile(run, float(_area_ratios(run).loc[best.uid])).strip() or helps
    return (
        f"{card.uid} has no name: none of its concepts is enough ({_criterion(run)}). The best, "
        f"{best.name}, has an IoU of {best.iou:.3f}; areas of these sizes could reach "
        f"{best.attainable_iou:.3f}. {helps}"
    )


def _word_note(run: Run, card: ConceptCard) -> str:
    if card.category == WORD:
        return f"No unit has the word {card.name} ({word_criterion(run)})."
    return (
        f"Units are labelled with words here, and none with {card.uid}: ask without --labels words "
        "which units detect it."
    )


def word_criterion(run: Run) -> str:
    """Return what a word must have to name a unit."""
    least = (1 + run.settings.min_precision) / 2
    return f"AUC above {least:g}, and significant, in images that had no part in the word's choice"


def _why_not(run: Run, row: DetectionRow) -> str:
    """Return why a concept does not hold as a name."""
    if row.holds is None:
        return "Labels were not permuted (null_samples is 0), so no name can hold."
    if row.precision is None or row.precision_low is None:
        return "The unit does not fire in the annotated images that were held out."
    chance = "" if row.chance is None else f", {row.chance:.0%} by chance"
    return (
        f"{row.precision:.0%} (from {row.precision_low:.0%}) of the activation area is on it"
        f"{chance}; a name needs {_name_criterion(run)}."
    )


def _concept_note(run: Run, card: ConceptCard) -> str:
    if card.units_by_auc:
        return f"{_whole_image_note(card)}{_probe_note(card)}"
    best = max(((float(run.iou(b)[card.uid].max()), b) for b in run.blocks), default=(0.0, ""))
    uid = str(run.iou(best[1])[card.uid].idxmax())
    parts = [
        f"No unit detects {card.name} ({_criterion(run)}): the largest IoU is {best[0]:.3f}, of "
        f"{uid}."
    ]
    ratios = _area_ratios(run)
    if card.uid in ratios.index:
        ratio = float(ratios.loc[card.uid])
        attainable = min(ratio, 1 / ratio)
        parts.append(
            f"It covers {_times(ratio)} of an activation area, so {attainable:.3f} is about the "
            "largest that it can be."
        )
        if attainable < 2 * run.min_iou:
            parts.append(_other_quantile(run, ratio).strip())
    return " ".join(filter(None, parts)) + _probe_note(card)


def _whole_image_note(card: ConceptCard) -> str:
    """Say which unit tells images with a concept that labels whole images."""
    best = card.units_by_auc[0]
    opening = (
        f"{card.name} labels whole images, and a unit fires on a part of one: AUC is the measure, "
        "not IoU. "
    )
    if not best.significant:
        return (
            f"{opening}No unit tells these images for sure; {best.uid} does best ({best.auc:.2f})."
        )
    return f"{opening}{best.uid} tells these images best ({best.auc:.2f})."


def _probe_note(card: ConceptCard) -> str:
    """Say how well the best presence probe predicts a concept; "" without one."""
    if not card.presence:
        return ""
    probe = max(card.presence, key=lambda row: row.mcc)
    return (
        f" A presence probe of {probe.block} has a Matthews correlation of {probe.mcc:.2f} for "
        "it: that is how well the block's units predict it together."
    )


def _criterion(run: Run) -> str:
    return f"IoU above {run.min_iou:g} at quantile {run.quantile:g}"


def _name_criterion(run: Run) -> str:
    return (
        f"more than {run.settings.min_precision:.0%} of the activation area on the concept, in "
        "images held out, beyond chance"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listed(blocks: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(blocks[:-1]), blocks[-1])))
