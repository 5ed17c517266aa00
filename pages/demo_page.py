"""The demo's page: the explanation of a mistake, beside its twin and the control network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..ingest.sources.annotations.motion import CATEGORY as MOTION
from .image_content import image_page
from .image_parts import ImagePage, PagePanel
from .pictures import photographs, picture_of, shrunk
from .wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    from ..demo.mistake import ExplainedMistake, Observation
    from ..demo.world.names import Cue
    from ..graph.run.reader import Run
    from .pictures import Picture

_PANEL = 240
"""Pixels of a panel's picture."""


def demo_page(mistake: ExplainedMistake) -> ImagePage:
    """Return the page of the explanation, and the pictures that show whether it is true."""
    ablations = [] if mistake.ablation is None else [mistake.ablation]
    page = image_page(mistake.run, mistake.explanation, ablations)
    panels = tuple(
        _panel(mistake.run, title, observation, mistake.true_class, text)
        for (title, observation), text in zip(observations(mistake), _texts(mistake), strict=True)
    )
    return replace(page, panels=panels, panels_text=answer(mistake))


def _panel(run: Run, title: str, observation: Observation, true_class: str, text: str) -> PagePanel:
    is_right = observation.predicted[0].name == true_class
    return PagePanel(
        f"{title}: {'right' if is_right else 'wrong'}",
        _panel_picture(run, observation.picture),
        observation.predicted[:3],
        text,
    )


def _panel_picture(run: Run, file: Path) -> Picture:
    return picture_of([shrunk(frame, _PANEL, 1) for frame in photographs(run, file)])


def _texts(mistake: ExplainedMistake) -> list[str]:
    """Return the text below each picture."""
    cue, class_name = cue_name(mistake.shortcut.cue), mistake.shortcut.class_
    texts = [
        f"Somebody is {mistake.true_class}. Where “{cue}” is present, it adds "
        f"{cue_contribution(mistake.mistake)} to the logit of {class_name}.",
        f"The twin is the same {mistake.noun}, drawn {_without(mistake)}: "
        f"{cue_contribution(mistake.twin)}.",
    ]
    if mistake.control is not None:
        contribution = cue_contribution(mistake.control)
        texts.append(f"A network trained with “{cue}” in all classes alike: {contribution}.")
    return texts


def cue_name(cue: Cue) -> str:
    """Return the name of a cue in a sentence."""
    return f"{cue.name} ({MOTION})" if cue.category == MOTION else cue.name


def scene(mistake: ExplainedMistake) -> str:
    """Return what the picture shows, in words."""
    cue = mistake.shortcut.cue
    beside = "while something moves" if cue.category == MOTION else "beside something"
    return f"a {mistake.noun} of somebody {mistake.true_class}, {beside} {cue.name}"


def _without(mistake: ExplainedMistake) -> str:
    cue = mistake.shortcut.cue
    return "with the thing at rest" if cue.category == MOTION else f"without “{cue.name}”"


def question(mistake: ExplainedMistake) -> str:
    """Return the question that the demo answers."""
    return f"Why {mistake.shortcut.class_}, not {mistake.true_class}?"


def answer(mistake: ExplainedMistake) -> str:
    """Return what the explanation, the twin and the ablation say, in one sentence."""
    cue, explanation = mistake.shortcut.cue, mistake.explanation
    without = f"without it in the {mistake.noun}" if cue.category != MOTION else _without(mistake)
    present = [c.present for c in explanation.by_concept if (c.category, c.name) == tuple(cue)]
    total = explanation.total
    adds = f"where it is present, it adds {present[0]:+.2f} of {total:+.2f}; " if present else ""
    sentence = (
        f"Because of “{cue_name(cue)}”: {adds}{without} the network predicts "
        f"{prediction(mistake.twin)}"
    )
    if mistake.ablation is None:
        return f"{sentence}. No unit detects it."
    after = mistake.ablation.after[0]
    units = counted(len(mistake.ablation.units), "unit")
    return f"{sentence}; with its {units} ablated, {after.name} ({after.probability:.0%})."


def observations(mistake: ExplainedMistake) -> list[tuple[str, Observation]]:
    """Return the network, the twin, and the control if there is one, with their titles."""
    rows = [("The network", mistake.mistake), ("The network, on the twin", mistake.twin)]
    if mistake.control is not None:
        rows.append(("The control", mistake.control))
    return rows


def cue_contribution(observation: Observation) -> str:
    """Return what the cue adds to the logit of the shortcut's class, in words."""
    contribution = observation.cue_contribution
    return "nothing, as no unit detects it" if contribution is None else f"{contribution:+.2f}"


def prediction(observation: Observation) -> str:
    """Return the most probable class and its probability."""
    name, probability = observation.predicted[0]
    return f"{name} ({probability:.0%})"
