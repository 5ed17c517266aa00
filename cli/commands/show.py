"""`conceptgraph show`: the card of a unit, a concept or a class."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from ..options import AllLabelsOption, JsonOption, Labels, LabelsOption, RunOption


def show(
    target: Annotated[
        str | None, typer.Argument(help="A unit (block4/290) or a concept (typing, action/typing).")
    ] = None,
    class_name: Annotated[str | None, typer.Option("--class", help="A class, by name.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Rows in each part.")] = 10,
    labels: LabelsOption = Labels.MASKS,
    all_labels: AllLabelsOption = False,
    run_path: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a unit, a concept or a class is, what feeds it and what it feeds.

    Examples:
    [bold]conceptgraph show block4/290[/bold]
    [bold]conceptgraph show "polka dotted"[/bold]
    [bold]conceptgraph show --class juggling[/bold]
    [bold]conceptgraph show "polka dotted" --all-labels[/bold]
    """
    if (target is None) == (class_name is None):
        raise typer.BadParameter("give a unit, a concept, or --class", param_hint="TARGET")
    from ...graph.stores.memory import open_store
    from ...queries.cards import (
        ClassCard,
        ConceptCard,
        UnitCard,
        class_card,
        concept_card,
        unit_card,
    )
    from ...queries.unnamed import card_note
    from ..opening import open_chosen_run
    from ..tables.cards import concept_source, print_card
    from ..tables.formulas import print_formula, unit_formula
    from ..tables.words import print_word, unit_word
    from ..terminal import print_json

    run = open_chosen_run(run_path, labels=labels, all_labels=all_labels)
    store = open_store(run)
    card: UnitCard | ConceptCard | ClassCard
    if class_name is not None:
        card = class_card(store, run.name, class_name, top=top)
    elif target is not None and re.fullmatch(r"(?i)block\d+/.*", target):
        card = unit_card(store, run.name, target.lower(), top=top)
    else:
        card = concept_card(store, run.name, target or "", top=top)
    no_answer = card_note(run, card)
    word = unit_word(run, card.uid) if isinstance(card, UnitCard) else None
    formula = unit_formula(run, card.uid) if isinstance(card, UnitCard) else None
    if as_json:
        source = {"source": concept_source(run, card)} if isinstance(card, ConceptCard) else {}
        found = {"word": word} if word else {}
        found |= {"formula": formula} if formula else {}
        print_json({**card.to_json(), **source, **found, "no_answer": no_answer})
    else:
        print_card(run, card, no_answer)
        if run.words is None or no_answer:
            print_word(word)
        print_formula(formula)
