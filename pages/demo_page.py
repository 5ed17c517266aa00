"""The demo's page: the explanation of a mistake, beside its twin and the control network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .image_content import image_page
from .image_parts import ImagePage, PagePanel
from .pictures import data_uri, photograph
from .wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

    from ..demo.mistake import ExplainedMistake, Observation


_PANEL = 240
"""Pixels of a panel's picture."""


def demo_page(mistake: ExplainedMistake) -> ImagePage:
    """Return the page of the explanation, and the pictures that show whether it is true."""
    ablations = [] if mistake.ablation is None else [mistake.ablation]
    page = image_page(mistake.run, mistake.explanation, ablations)
    panels = tuple(
        _panel(title, observation, mistake.true_class, text)
        for (title, observation), text in zip(observations(mistake), _texts(mistake), strict=True)
    )
    return replace(page, panels=panels, panels_text=answer(mistake))


def _panel(title: str, observation: Observation, true_class: str, text: str) -> PagePanel:
    is_right = observation.predicted[0].name == true_class
    return PagePanel(
        f"{title}: {'right' if is_right else 'wrong'}",
        data_uri(_panel_picture(observation.picture)),
        observation.predicted[:3],
        text,
    )


def _panel_picture(file: Path) -> Image.Image:
    picture = photograph(file)
    picture.thumbnail((_PANEL, _PANEL))
    return picture


def _texts(mistake: ExplainedMistake) -> list[str]:
    """Return the text below each picture."""
    cue, class_name = mistake.shortcut.cue.name, mistake.shortcut.class_
    texts = [
        f"Somebody is {mistake.true_class}. Where “{cue}” is present, it adds "
        f"{cue_contribution(mistake.mistake)} to the logit of {class_name}.",
        f"The twin is the same picture, drawn without “{cue}”: {cue_contribution(mistake.twin)}.",
    ]
    if mistake.control is not None:
        contribution = cue_contribution(mistake.control)
        texts.append(f"A network trained with “{cue}” in all classes alike: {contribution}.")
    return texts


def question(mistake: ExplainedMistake) -> str:
    """Return the question that the demo answers."""
    return f"Why {mistake.shortcut.class_}, not {mistake.true_class}?"


def answer(mistake: ExplainedMistake) -> str:
    """Return what the explanation, the twin and the ablation say, in one sentence."""
    cue, explanation = mistake.shortcut.cue, mistake.explanation
    present = [c.present for c in explanation.by_concept if (c.category, c.name) == tuple(cue)]
    total = explanation.total
    adds = f"where it is present, it adds {present[0]:+.2f} of {total:+.2f}; " if present else ""
    sentence = (
        f"Because of “{cue.name}”: {adds}without it in the picture the network predicts "
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
