"""A mistake that a planted shortcut causes, found and explained, in a picture or a clip.

1. draw      concept data in which every cue is frequent enough
2. ingest    the network with the shortcuts, and the control that saw the cues with all classes
3. find      a picture of another class that the network predicts as the shortcut's class because of
             the cue: without the cue it is right, and the control is right
4. explain   the mistake, against the true class; the contribution of the cue's concept to it, to
             the twin, and in the control; and the prediction when the concept is ablated
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import DataError, QueryError
from ..explain.ablation import Ablation, ablate
from ..explain.explain import explain
from ..explain.network import open_network
from ..graph.run.reader import open_run
from ..ingest.pipeline import ingest
from .networks.scores import predict, shortcut_mistakes, true_classes
from .networks.shipped import factory_of, write_classes
from .world.names import LABEL_NUMBERS

if TYPE_CHECKING:
    from pathlib import Path

    from ..explain.explanation import Explanation, Prediction
    from ..explain.network import RunNetwork
    from ..graph.run.reader import Run
    from ..progress import Progress
    from .world.shortcuts import DrawnWorld, Shortcut
    from .world.specs import DrawnSpec

SHOWN = 384
"""Side of the pictures in pixels; the network is given them resized to its own input."""
_SMALL = 96  # side at which cues are measured
_SEED = 4_000_000  # added to the seed of the training: the network has not seen these pictures
_CANDIDATES = {"picture": 448, "clip": 112}  # to draw, by the world's noun; a clip takes longer
_PREFERRED = ("applauding", "bag")  # the class and the carrier closest to the paper's example


@dataclass(frozen=True)
class Observation:
    """One picture as one network sees it.

    Attributes:
        name: of the picture and the network.
        picture: the file; of a clip, the folder of its frames.
        predicted: the most probable classes.
        cue_contribution: of the cue's concept, where present, to the logit of the shortcut's class;
            None where no unit of the paths' first block detects the concept.
    """

    name: str
    picture: Path
    predicted: tuple[Prediction, ...]
    cue_contribution: float | None


@dataclass(frozen=True)
class ExplainedMistake:
    """A mistake that a shortcut causes, and its explanation.

    Attributes:
        shortcut: the planted shortcut.
        true_class: of the picture.
        noun: "picture" or "clip".
        run: the network's.
        mistake: the picture.
        twin: the same picture without the cue.
        control: the picture as the control sees it; None without a control.
        explanation: of the mistake, against the true class.
        ablation: of the cue's concept; None where no unit detects it.
    """

    shortcut: Shortcut
    true_class: str
    noun: str
    run: Run
    mistake: Observation
    twin: Observation
    control: Observation | None
    explanation: Explanation
    ablation: Ablation | None


def dissect_network(
    world: DrawnWorld[DrawnSpec],
    weights: Path,
    data: Path,
    out: Path,
    progress: Progress | None = None,
) -> Run:
    """Ingest a world's network with drawn concept data; an earlier run at `out` is replaced."""
    classes, model = write_classes(out.with_name("classes.txt"), world), factory_of(world)
    ingest(model, data, out, weights=weights, classes=classes, overwrite=True, progress=progress)
    return open_run(out)


def explain_mistake(
    run: Run,
    control: Run | None,
    world: DrawnWorld[DrawnSpec],
    shortcut: Shortcut,
    folder: Path,
    seed: int = 0,
) -> ExplainedMistake:
    """Find a mistake and explain it (steps 3 and 4).

    Args:
        run: of the network with the shortcuts.
        control: of the control network, if there is one.
        world: that the shortcut is planted in.
        shortcut: the one to explain a mistake of.
        folder: to write the pictures to.
        seed: of the network's training.

    Raises:
        DataError: the shortcut causes no such mistake.
    """
    network = open_network(run)
    control_network = None if control is None else open_network(control)
    spec = _find_mistake(network, control_network, world, shortcut, seed)
    folder.mkdir(parents=True, exist_ok=True)
    picture = spec.draw(SHOWN).save(folder / world.noun)
    twin = spec.without().draw(SHOWN).save(folder / "twin")
    explanation = explain(network, picture, shortcut.class_, versus=spec.class_)
    try:
        ablation = ablate(network, picture, concepts=["/".join(shortcut.cue)])
    except QueryError:  # no unit detects it
        ablation = None
    return ExplainedMistake(
        shortcut,
        spec.class_,
        world.noun,
        run,
        _observe(f"the {world.noun}", network, picture, shortcut),
        _observe("its twin", network, twin, shortcut),
        None
        if control_network is None
        else _observe("the control", control_network, picture, shortcut),
        explanation,
        ablation,
    )


def _find_mistake(
    network: RunNetwork,
    control: RunNetwork | None,
    world: DrawnWorld[DrawnSpec],
    shortcut: Shortcut,
    seed: int,
) -> DrawnSpec:
    """Choose a mistake, preferably one like the paper's example."""
    module = network.network.module
    candidates = _CANDIDATES[world.noun]
    mistakes = shortcut_mistakes(module, world, shortcut, seed + _SEED, candidates)
    if control is not None:
        right = predict(control.network.module, mistakes) == true_classes(world, mistakes)
        mistakes = [spec for spec, is_right in zip(mistakes, right, strict=True) if is_right]
    if not mistakes:
        raise DataError(
            f"the network did not learn the shortcut {shortcut}",
            found=f"none of {candidates} {world.noun}s is mistaken because of it",
            remedy="Plant it with another --seed, or choose a concept that is easier to see",
        )
    return max(mistakes[:64], key=_preference)


def _preference(spec: DrawnSpec) -> tuple[bool, bool, int]:
    """Rank pictures like the paper's example first, then those whose cue covers most."""
    picture = spec.draw(_SMALL)
    (cue_mask,) = picture.cue_masks.values()
    carrier = picture.label_maps["object"][cue_mask] == LABEL_NUMBERS["object", _PREFERRED[1]]
    return spec.class_ == _PREFERRED[0], bool(carrier.mean() > 0.3), int(cue_mask.sum())


def _observe(name: str, network: RunNetwork, picture: Path, shortcut: Shortcut) -> Observation:
    explanation = explain(network, picture, shortcut.class_, top=1, beam=1)
    contribution = next(
        (
            concept.present
            for concept in explanation.by_concept
            if (concept.category, concept.name) == tuple(shortcut.cue)
        ),
        None,
    )
    return Observation(name, picture, explanation.predicted, contribution)
