"""Why an explanation, a search or an audit found no concept, in words, and what would help.

Each returns None where there is an answer. `queries.unnamed` says why units have no name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..queries.unnamed import unnamed_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..graph.run.reader import Run
    from .audit import Audit
    from .explanation import ConceptAttribution, Explanation

_NAMED = 5
"""Concepts that are listed by name."""


def explanation_note(run: Run, explanation: Explanation, *, with_paths: bool = True) -> str | None:
    """Return why units tell of no concept in an image; None if they do.

    It is about units alone: regions and things may have names all the same.

    Args:
        run: that was asked.
        explanation: of the image.
        with_paths: also say so if none of the unit paths, which are shown, has a name.
    """
    *concepts, _ = explanation.by_concept
    first = explanation.blocks[0]
    if not concepts:
        reason = unnamed_units(run, (first,))
        return f"No unit of {first} detects a concept, so unit paths have no names. {reason}"
    if not any(concept.contribution for concept in concepts):
        return (
            f"Of the {len(concepts)} concepts that units of {first} detect ({_names(concepts)}) "
            f"none is present in this image, so unit paths tell of none.{_poor(concepts)} "
            f"{_earlier_block(run, explanation)}"
        )
    if with_paths and not any(unit.concept for path in explanation.paths for unit in path.units):
        strongest = max(concepts, key=lambda concept: abs(concept.contribution))
        return (
            "None of the units on these paths has a name. Over all paths, units that detect a "
            f"concept add: {strongest.name} {strongest.contribution:+.2f} is the most (see by "
            f"concept). {unnamed_units(run, explanation.blocks)}"
        )
    return None


def flip_note(
    run: Run,
    explanation: Explanation,
    *,
    most: int,
    at: Sequence[str] | None = None,
    everywhere: bool = False,
) -> str:
    """Return why `--flip` found no concepts whose ablation changes what it was to change.

    Args:
        run: the run.
        explanation: of the image.
        most: how many concepts are ablated at once.
        at: as it was asked.
        everywhere: likewise.
    """
    *concepts, unlabelled = explanation.by_concept
    unchanged = f"the network still predicts {explanation.predicted[0].name}"
    if explanation.versus is not None:
        pair = explanation.class_name, explanation.versus
        ahead, behind = pair if explanation.is_ahead else pair[::-1]
        unchanged = f"the logit of {ahead} still exceeds that of {behind}"
    if not concepts:
        reason = unnamed_units(run, explanation.blocks[:1])
        return f"--flip found nothing to ablate: no unit detects a concept. {reason}"
    where = "on their whole maps" if everywhere else "where it is present"
    blocks = f" of {', '.join(at)}" if at else ""
    rest = unlabelled.firing + unlabelled.below
    parts = [
        f"--flip found no answer: with {_up_to(most, len(concepts))} ({_names(concepts)}) ablated, "
        f"the units{blocks} that detect each {where}, {unchanged}.",
        f"Units that detect none, which it does not ablate, add {rest:+.2f} to the "
        f"{explanation.total:+.2f} explained.",
        f"What else can be tried: {'; '.join(_other_ablations(explanation, at, everywhere))}.",
    ]
    return " ".join(parts)


def audit_note(run: Run, audit: Audit) -> str | None:
    """Return why an audit has no suspects; None if it has."""
    if audit.no_suspects is None:
        return None
    opening = "No suspects can be named: "
    if audit.right == audit.images:
        return f"{opening}{audit.no_suspects}."
    if not run.interpretable[run.units["block"] == audit.block].any():
        reason = unnamed_units(run, (audit.block,))
        return f"{opening}no unit of {audit.block} detects a concept. {reason}"
    return (
        f"{opening}{audit.no_suspects}. What the {audit.mistakes} mistakes have in "
        f"common may be no concept of {audit.block}: explain one of them, or audit with an earlier "
        "block first (--blocks)."
    )


def _names(concepts: Sequence[ConceptAttribution]) -> str:
    names = [concept.name or "" for concept in concepts[:_NAMED]]
    return ", ".join(names) + (", …" if len(concepts) > _NAMED else "")


def _poor(concepts: Sequence[ConceptAttribution]) -> str:
    """Say how many probes are poor, so that only firing units can tell that a concept is there."""
    poor = sum(concept.probe is None for concept in concepts)
    if not poor:
        return ""
    return f" {poor} of their presence probes {'is' if poor == 1 else 'are'} poor."


def _up_to(most: int, concepts: int) -> str:
    if concepts == 1:
        return "its only concept"
    return f"up to {most} of {concepts} concepts" if most < concepts else f"all {concepts} concepts"


def _earlier_block(run: Run, explanation: Explanation) -> str:
    """Propose to begin one block earlier, if some unit there detects a concept; else to look."""
    earlier = run.blocks[: run.blocks.index(explanation.blocks[0])][-1:]
    if earlier and run.interpretable[run.units["block"] == earlier[0]].any():
        blocks = ",".join((*earlier, *explanation.blocks))
        return f"Concepts of {earlier[0]} may be: --blocks {blocks}."
    if not explanation.paths:
        return ""
    unit = explanation.paths[0].units[0].uid
    return f"See on which images the strongest path's unit fires: conceptgraph show {unit}."


def _other_ablations(
    explanation: Explanation, at: Sequence[str] | None, everywhere: bool
) -> list[str]:
    """List what was not asked for yet."""
    options = []
    if not everywhere:
        options.append("--everywhere, which ablates these units on their whole maps")
    if at:
        options.append("no --at, which ablates units of all blocks")
    if explanation.paths:
        unit = explanation.paths[0].units[0].uid
        options.append(f"--ablate-unit {unit}, the first unit of the strongest path")
    return options or ["--ablate-unit with units of your choice"]
