"""The demo's story: a mistake that a planted shortcut makes, and what is known of it.

1. draw      concept data, with every cue at a healthy rate
2. ingest    the network of the shortcuts, and the control that saw the same cues anywhere
3. find      a picture of another class that the cue makes the network call the shortcut's class:
             without the cue it is right, and the control is right on both
4. explain   the mistake, against the true class; what the cue's concept adds there, to the twin,
             and in the control; and what silencing it does
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import DataError, QueryError
from ..explain.ablation import Ablation, what_if
from ..explain.explain import explain
from ..explain.network import open_network
from ..graph.run.reader import open_run
from ..ingest.inputs import Source
from ..ingest.pipeline import ingest as run_ingest
from .networks.scores import answers
from .networks.shipped import write_classes
from .networks.small_resnet import FACTORY
from .world.names import CLASSES, NUMBERS
from .world.pictures import draw
from .world.shortcuts import conflict_set

if TYPE_CHECKING:
    from pathlib import Path

    from ..explain.explanation import Explanation, Prediction
    from ..explain.network import RunNetwork
    from ..graph.run.reader import Run
    from ..progress import Progress
    from .world.pictures import Spec
    from .world.shortcuts import Shortcut, World

_SEED = 4_000_000  # added to a network's: it has not seen these pictures
_CANDIDATES = 448
_PLEASANT = ("applauding", "bag")  # the class and the carrier that the paper's example is nearest


@dataclass(frozen=True)
class Witness:
    """One picture as one network sees it.

    Attributes:
        name: of the picture and the network.
        picture: the file.
        predicted: the most probable classes.
        cue: what the cue's concept adds to the logit of the shortcut's class, where present; None
            where no unit of the paths' first block detects it.
    """

    name: str
    picture: Path
    predicted: tuple[Prediction, ...]
    cue: float | None


@dataclass(frozen=True)
class Story:
    """A mistake and what is known of it.

    Attributes:
        shortcut: what was planted.
        truth: what the picture really shows.
        run: the network's.
        mistake: the picture.
        twin: the same without the cue.
        control: the picture, seen by the control; None without one.
        explanation: of the mistake, against the truth.
        silenced: the network without the units of the cue's concept; None where there are none.
    """

    shortcut: Shortcut
    truth: str
    run: Run
    mistake: Witness
    twin: Witness
    control: Witness | None
    explanation: Explanation
    silenced: Ablation | None


def dissect(weights: Path, data: Path, out: Path, progress: Progress | None = None) -> Run:
    """The run of a small network on drawn concept data; one that is there is replaced."""
    classes = write_classes(out.with_name("classes.txt"))
    source = Source(FACTORY, str(weights), classes, data)
    run_ingest(source, out, overwrite=True, progress=progress)
    return open_run(out)


def tell_story(
    run: Run, control: Run | None, world: World, shortcut: Shortcut, folder: Path, seed: int = 0
) -> Story:
    """Steps 3 and 4.

    Args:
        run: of the network with the shortcuts.
        control: of the network without, if there is one.
        world: what was planted.
        shortcut: the one to tell of.
        folder: where pictures go.
        seed: of the network's training.

    Raises:
        DataError: no such mistake is found: the shortcut did not take.
    """
    subject = open_network(run)
    other = None if control is None else open_network(control)
    spec = _find(subject, other, world, shortcut, seed)
    folder.mkdir(parents=True, exist_ok=True)
    picture, twin = folder / "picture.png", folder / "twin.png"
    draw(spec).image.save(picture)
    draw(spec.without()).image.save(twin)
    found = explain(subject, picture, shortcut.class_, versus=spec.class_)
    try:
        silenced = what_if(subject, picture, concepts=["/".join(shortcut.cue)])
    except QueryError:  # no unit detects it
        silenced = None
    return Story(
        shortcut,
        spec.class_,
        run,
        _witness("the picture", subject, picture, shortcut),
        _witness("its twin", subject, twin, shortcut),
        None if other is None else _witness("the control", other, picture, shortcut),
        found,
        silenced,
    )


def _find(
    subject: RunNetwork, control: RunNetwork | None, world: World, shortcut: Shortcut, seed: int
) -> Spec:
    """The surest mistake, of the pleasant ones if there are any."""
    specs = conflict_set(world, shortcut, seed + _SEED, _CANDIDATES)
    twins = [spec.without() for spec in specs]
    module = subject.network.module
    said, bare = (answers(module, each) for each in (specs, twins))
    fits = [
        CLASSES[a] == shortcut.class_ and CLASSES[b] == spec.class_
        for spec, a, b in zip(specs, said, bare, strict=True)
    ]
    if control is not None:
        right = answers(control.network.module, specs)
        fits = [f and CLASSES[c] == s.class_ for f, c, s in zip(fits, right, specs, strict=True)]
    mistakes = [spec for spec, yes in zip(specs, fits, strict=True) if yes]
    if not mistakes:
        raise DataError(
            f"the shortcut {shortcut} did not take",
            found=f"none of {len(specs)} pictures is mistaken because of it",
            remedy="Plant it with another --seed, or choose something that is easier to see",
        )
    return max(mistakes[:64], key=_pleasure)


def _pleasure(spec: Spec) -> tuple[bool, bool, int]:
    """Nearest to the paper's example first; then the cue that covers most."""
    picture = draw(spec)
    (cue,) = picture.cues.values()
    carrier = picture.planes["object"][cue] == NUMBERS["object", _PLEASANT[1]]
    return spec.class_ == _PLEASANT[0], bool(carrier.mean() > 0.3), int(cue.sum())


def _witness(name: str, subject: RunNetwork, picture: Path, shortcut: Shortcut) -> Witness:
    found = explain(subject, picture, shortcut.class_, top=1, beam=1)
    category, concept = shortcut.cue
    cue = next(
        (s.present for s in found.by_concept if (s.category, s.name) == (category, concept)), None
    )
    return Witness(name, picture, found.predicted, cue)
