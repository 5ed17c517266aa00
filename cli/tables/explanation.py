"""Answers of `why` as tables: the paths to a class, and the explanation of an image."""

from __future__ import annotations

import shlex
from string import ascii_lowercase
from typing import TYPE_CHECKING

from ...explain.explanation import DISPUTED
from ...ingest.network.preprocessing import input_text, unseen_text
from ...pages.wording import (
    CONCEPTS_SHOWN,
    ablation_outcome,
    ablation_scope,
    evidence_after,
    masked_text,
)
from ..terminal import concept_text, print_line, print_note, print_paragraph, print_table
from .picture import picture_notes, print_picture, print_unusual

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ...explain.ablation import Ablation
    from ...explain.explanation import ConceptAttribution, Explanation
    from ...explain.unusual import UnusualRegion
    from ...queries.labels import UnitLabel
    from ...queries.paths import StrongestPaths

_UNUSUAL = (
    "Unusual: of a class's logit less the mean of all logits (or less that of the class that "
    "`evidence --versus` named), so figures differ from those above."
)
_METHODS = {"exact": "exact accounting", "one-unit": "one-unit contributions × activation"}


def print_class_paths(paths: StrongestPaths, no_answer: str | None) -> None:
    """Print the paths to a class, without an image; first why they have no concept, if so."""
    print_paragraph(no_answer)
    _print_paths(
        f"{paths.class_name}: strongest concept paths in {paths.run}, exact over all units",
        ("score",),
        [(path.rank, (f"{path.score:.2e}",), path.units) for path in paths.paths],
        paths.blocks,
    )
    print_note(
        "A score is the product of each hop's share of its target's positive weight. Scores rank "
        "paths; they are not shares of a logit."
    )


def print_explanation(
    explanation: Explanation,
    ablations: Sequence[Ablation],
    no_answer: str | None = None,
    no_flip: str | None = None,
    *,
    paths: bool = False,
    unusual: Sequence[UnusualRegion] = (),
    names_by: str = "",
) -> None:
    """Print the finding, what the network sees where, ablations; and unit paths, if asked for.

    `no_answer` says why no concept explains it, `no_flip` why no ablation set was found, if so;
    `unusual` is what differs from the images of its classes; `names_by` says which models made the
    names, if any did.
    """
    predicted = ", ".join(f"{name} {share:.0%}" for name, share in explanation.predicted[:3])
    print_line(f"{explanation.image}: {predicted}")
    print_picture(explanation)
    print_unusual(explanation.picture, unusual)
    for ablation in ablations:
        _print_ablation(ablation)
    print_paragraph(no_flip)
    if paths:
        print_paragraph(no_answer)
        _print_unit_paths(explanation)
    notes = (
        *picture_notes(explanation.picture),
        names_by,
        _UNUSUAL if unusual else None,
        masked_text(explanation.picture),
        explanation.exactness,
        input_text(explanation.shape),
        unseen_text(explanation.seen),
    )
    for line in filter(None, notes):
        print_note(line)
    if explanation.multi_label:
        print_note("Each class is a decision of its own: yes from 50% on.")
    predicted_class = explanation.predicted[0].name
    if explanation.versus is None and explanation.class_name != predicted_class:
        words = f"--class {shlex.quote(explanation.class_name)}"
        print_note(
            f"The network predicts {predicted_class}. To explain the difference: {words} "
            f"--versus {shlex.quote(predicted_class)}"
        )


def _print_unit_paths(explanation: Explanation) -> None:
    """Print single paths of units, how they add up, and concepts by the units that detect them."""
    _print_image_paths(explanation)
    value = "logit" if explanation.versus is None else "difference"
    print_table(
        f"how the {value} adds up",
        ("paths shown", "other paths", "biases", value),
        [[f"{part:+.3f}" for part in explanation.accounting]],
        right="abcd",
    )
    _print_concepts(explanation)
    for note in _notes(explanation):
        print_note(note)


def _print_image_paths(explanation: Explanation) -> None:
    _print_paths(
        f"{explanation.target}: strongest paths by {_METHODS[explanation.method]}, in units of "
        "the logit",
        ("adds", "measured"),
        [
            (
                path.rank,
                (f"{path.contribution:+.3f}", f"{path.measured:+.3f}{'?' * path.disputed}"),
                path.units,
            )
            for path in explanation.paths
        ],
        explanation.blocks,
    )


def _print_paths(
    title: str,
    values: Sequence[str],
    rows: Iterable[tuple[int, Sequence[str], Sequence[UnitLabel]]],
    blocks: Sequence[str],
) -> None:
    """Print paths as rows, with a column for each block."""
    print_table(
        title,
        ("rank", *values, *blocks),
        [
            (
                rank,
                *numbers,
                *(
                    f"{'→ ' if step else ''}{unit.uid} {concept_text(unit.concept)}"
                    for step, unit in enumerate(units)
                ),
            )
            for rank, numbers, units in rows
        ],
        right=ascii_lowercase[: 1 + len(values)],
    )


def _print_concepts(explanation: Explanation) -> None:
    """Print the strongest concepts, and all others in one row, so that the columns add up."""
    *concepts, unlabelled = explanation.by_concept
    rows = [
        (concept.name or "", concept.category or "", *_sums([concept]), _probe(concept))
        for concept in concepts[:CONCEPTS_SHOWN]
    ]
    if others := concepts[CONCEPTS_SHOWN:]:
        rows.append((f"{len(others)} more concepts", "", *_sums(others), ""))
    rows.append(("units without a concept", "", *_sums([unlabelled]), ""))
    print_table(
        f"all paths by the concept of their {explanation.blocks[0]} unit",
        ("concept", "category", "present", "firing", "below", "probe MCC"),
        rows,
        right="cdef",
    )
    if explanation.by_category:
        sums = (f"{row.category} {row.contribution:+.3f}" for row in explanation.by_category)
        print_line(f"By category, where present: {', '.join(sums)}\n")
    if explanation.versus is not None:
        raises, lowers = f"raises {explanation.class_name}", f"lowers {explanation.versus}"
        print_table(
            f"evidence for {explanation.class_name}, and evidence against {explanation.versus}",
            ("concept", raises, lowers),
            [
                (concept.name or "", f"{concept.for_class:+.3f}", f"{concept.against_other:+.3f}")
                for concept in concepts[:CONCEPTS_SHOWN]
            ],
            right="bc",
        )


def _sums(concepts: Sequence[ConceptAttribution]) -> tuple[str, str, str]:
    present, firing, below = (
        f"{sum(parts):+.3f}"
        for parts in zip(*((c.present, c.firing, c.below) for c in concepts), strict=True)
    )
    return present, firing, below


def _probe(concept: ConceptAttribution) -> str:
    return "poor" if concept.probe is None else f"{concept.probe:.2f}"


def _print_ablation(ablation: Ablation) -> None:
    after = dict(ablation.after)
    kind = "minimal ablation set" if ablation.is_minimal else "ablation"
    names = ", ".join(ablation.concepts or ablation.units)
    print_table(
        f"{kind}: {names} ({ablation_scope(ablation)}): {ablation_outcome(ablation)}",
        ("class", "before", "after"),
        [(name, f"{before:.1%}", f"{after[name]:.1%}") for name, before in ablation.before],
        right="bc",
    )
    if evidence := evidence_after(ablation):
        print_line(f"{evidence}\n")


def _notes(explanation: Explanation) -> Iterator[str]:
    """Yield what the columns mean, how far paths were searched, and what to compare with."""
    measured = (
        "“measured”: what the logit loses, along this path only, when the path's first unit is "
        f"ablated; “?” where this differs from “adds” by more than {DISPUTED:.0%}"
    )
    if explanation.agreement is not None:
        measured += f". Correlation over the paths shown: {explanation.agreement:.3f}"
    yield f"{measured}."
    if explanation.method == "one-unit":
        yield (
            "One-unit paths are estimates that do not add up: “other paths” is the difference to "
            "the exact sum."
        )
    else:
        yield (
            "“present”: at positions where the presence probe of the block predicts the concept; "
            "only this counts as evidence of the concept. “firing”: at others, where a unit "
            "exceeds its threshold. “below”: the rest. “poor”: with a poor probe, every position "
            "where a unit fires counts as present."
        )
        yield from _search_notes(explanation)


def _search_notes(explanation: Explanation) -> Iterator[str]:
    for block, search in zip(
        reversed(explanation.blocks), explanation.unit_paths.searched, strict=False
    ):
        if search.followed < search.of:
            yield (
                f"Beam search at {block}: {search.followed} of {search.of} path suffixes were "
                f"extended, with {search.share:.0%} of Σ |contribution|; the largest of the others "
                f"has {search.next:.3f}."
            )
