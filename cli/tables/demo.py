"""The demo's mistake and the scores of its networks, as tables and lines."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ...pages.demo_page import (
    answer,
    cue_contribution,
    cue_name,
    observations,
    prediction,
    question,
    scene,
)
from ..terminal import print_line, print_note, print_table
from .explanation import print_explanation

if TYPE_CHECKING:
    from pathlib import Path

    from ...demo.mistake import ExplainedMistake
    from ...demo.networks.shipped import ScoresRecord
    from ...demo.world.shortcuts import DrawnWorld
    from ...demo.world.specs import DrawnSpec

_LEARNT = 0.4
"""Share of the pictures with a cue that a network must be fooled by to have learnt a shortcut."""


def print_mistake(mistake: ExplainedMistake, page: Path) -> None:
    """Print the pictures, the explanation, the answer, and the next command."""
    cue = cue_name(mistake.shortcut.cue)
    print_table(
        scene(mistake),
        ("seen by", "predicted", f"“{cue}” adds to {mistake.shortcut.class_}", "file"),
        [
            (title, prediction(observation), cue_contribution(observation), observation.picture)
            for title, observation in observations(mistake)
        ],
        right="c",
    )
    print_explanation(mistake.explanation, [mistake.ablation] if mistake.ablation else [])
    print_line(f"page: {page}")
    print_line(f"{question(mistake)} {answer(mistake)}", "bold")
    print_note(
        f"Next: conceptgraph why --run {shlex.quote(str(mistake.run.path))} "
        f"--image {shlex.quote(str(mistake.twin.picture))}"
    )


def print_scores(path: Path, world: DrawnWorld[DrawnSpec], scores: ScoresRecord) -> None:
    """Print how good a trained network is, and whether it learnt the shortcuts."""
    print_line(f"{path.name}: {scores['accuracy']:.0%} of {world.noun}s without any cue right")
    for score in scores["shortcuts"]:
        learnt = score["fooled"] >= _LEARNT or world.kind != "shortcut"
        print_line(
            f"{score['shortcut']}: fools it on {score['fooled']:.0%} of {world.noun}s of others"
            f"{'' if learnt else ': it did not learn it'}"
        )
