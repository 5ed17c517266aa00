"""`conceptgraph demo`: a drawn world, a shortcut planted in it, an explanation that finds it."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...demo.mistake import ExplainedMistake, Observation
    from ...demo.world.shortcuts import World
    from ...graph.run.reader import Run
    from ...ingest.inputs import Source

PICTURES = 800


def demo(
    out: Annotated[Path, typer.Option(help="The folder for everything that is made.")] = Path(
        "demo"
    ),
    seed: Annotated[
        int | None,
        typer.Option(help="Draw and train a world of your own, from this seed (minutes)."),
    ] = None,
    shortcut: Annotated[
        list[str] | None,
        typer.Option(
            help="What to plant, category:concept=class; trains a network. Repeatable.",
            show_default="those of the network that comes with the package",
        ),
    ] = None,
    pictures: Annotated[
        int, typer.Option(min=64, help="Pictures of concepts to draw and dissect with.")
    ] = PICTURES,
    control: Annotated[
        bool, typer.Option("--control", help="Train a control, too, that never saw the shortcut.")
    ] = False,
) -> None:
    """See it work: a network that was taught a shortcut, caught and explained. Nothing is needed.

    Pictures are drawn, two networks dissected (one took a polka-dotted bag for juggling), and a
    mistake is explained beside its twin, the same picture without the bag.

    Examples:
    [bold]conceptgraph demo[/bold]
    [bold]conceptgraph demo --seed 7 --shortcut "texture:striped=typing"[/bold]
    """
    from ...demo.folder import prepare_folder
    from ...demo.mistake import dissect_network, explain_mistake
    from ...demo.world.concept_data import write_concept_data
    from ...demo.world.shortcuts import World, parse_shortcuts
    from ..terminal import Bars, remark

    world = World(parse_shortcuts(shortcut or []))
    settings = {"seed": seed, "shortcuts": [str(planted) for planted in world.shortcuts]}
    prepare_folder(out, settings)
    own = seed is not None or bool(shortcut)
    weights, other = _networks(world, out, seed or 0, own=own, control=control)
    bars = Bars()
    with bars.steps() as tell:
        data = write_concept_data(out / "data", pictures, seed or 0, world, on_progress=tell)
    runs = []
    for name, each in (("shortcut", weights), ("control", other)):
        if each is not None:
            remark(f"ingest {name}.cg")
            runs.append(dissect_network(each, data, out / f"{name}.cg", bars))
    told = explain_mistake(runs[0], (*runs[1:], None)[0], world, world.shortcuts[0], out, seed or 0)
    page = out / "why.html"
    _write_page(told, page)
    _print_explained_mistake(told, page)


def demo_source() -> Source:
    """The network with the shortcuts and its concept data, drawn once into the user's cache."""
    from platformdirs import user_cache_path

    from ...demo.networks.shipped import SHIPPED, write_classes
    from ...demo.networks.small_resnet import FACTORY
    from ...demo.world.concept_data import write_concept_data
    from ...files import write_bytes
    from ...ingest.inputs import Source
    from ..terminal import Bars

    folder = user_cache_path("conceptgraph") / f"demo-{version('conceptgraph')}"
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "shortcut.safetensors"  # here the run finds it again, wherever we go
    write_bytes(weights, SHIPPED["shortcut"].read_bytes())
    data = folder / "data"
    if not data.is_dir():
        with Bars().steps() as tell:
            write_concept_data(data, PICTURES, on_progress=tell)
    classes = write_classes(folder / "classes.txt")
    return Source(FACTORY, str(weights), classes, data)


def demo_run() -> Run:
    """The run of that, in the cache; made when it is first asked for."""
    from ...graph.run.reader import open_run
    from ...ingest.pipeline import ingest
    from ..terminal import Bars, remark

    source = demo_source()
    out = source.data.with_name("demo.cg")
    remark(f"run: the demo's, {out}")
    if not out.is_dir():
        remark("no run here: the demo's network is dissected first (once)")
        ingest(source, out, progress=Bars())
    return open_run(out)


def _networks(
    world: World, out: Path, seed: int, *, own: bool, control: bool
) -> tuple[Path, Path | None]:
    """Weights of the network with the shortcuts, and of the control; trained if they are one's own.

    Whether the shortcuts took is said at once.
    """
    from ...demo.networks.shipped import SHIPPED

    if not own:
        return SHIPPED["shortcut"], SHIPPED["control"]
    weights = _train(world, out / "shortcut.safetensors", seed)
    if not control:
        return weights, None
    return weights, _train(replace(world, kind="control"), out / "control.safetensors", seed)


def _train(world: World, path: Path, seed: int) -> Path:
    """Train a network, unless an earlier demo with the same settings did; say how good it is."""
    from ...demo.networks.scores import score
    from ...demo.networks.training import Recipe, save_weights, train
    from ..terminal import Bars, say

    figures = path.with_suffix(".json")
    if not figures.is_file():
        with Bars().steps() as tell:
            network = train(world, Recipe(seed), tell)
        save_weights(network, path)
        figures.write_text(json.dumps(asdict(score(network, world, seed, 400))), encoding="utf-8")
    scores = json.loads(figures.read_text(encoding="utf-8"))
    say(f"{path.name}: {scores['accuracy']:.0%} of pictures without any cue right")
    for each in scores["shortcuts"]:
        took = "" if each["fooled"] >= 0.4 or world.kind != "shortcut" else ": it did not take"
        say(f"{each['shortcut']}: fools it on {each['fooled']:.0%} of pictures of others{took}")
    return path


def _print_explained_mistake(told: ExplainedMistake, page: Path) -> None:
    from ..tables.explanation import print_explanation
    from ..terminal import note, print_table, say

    cue = told.shortcut.cue.name
    print_table(
        f"a picture of somebody {told.true_class}, beside something {cue}",
        ("seen by", "says", f"“{cue}” there adds to {told.shortcut.class_}", "file"),
        [(name, _say(each), _amount(each), each.picture) for name, each in _witnesses(told)],
        right="c",
    )
    silenced = [] if told.ablation is None else [told.ablation]
    print_explanation(told.explanation, silenced, None, page)
    say(_verdict(told), "bold")
    note(
        f"Go on: conceptgraph why --run {shlex.quote(str(told.run.path))} "
        f"--image {shlex.quote(str(told.twin.picture))}"
    )


def _witnesses(told: ExplainedMistake) -> list[tuple[str, Observation]]:
    cue = told.shortcut.cue.name
    found = [("the network", told.mistake), (f"the same without “{cue}”", told.twin)]
    if told.control is not None:
        found.append((f"a network that never learnt “{cue}”", told.control))
    return found


def _amount(each: Observation) -> str:
    return (
        "nothing, no unit there detects it"
        if each.cue_contribution is None
        else f"{each.cue_contribution:+.2f}"
    )


def _say(each: Observation) -> str:
    return f"{each.predicted[0].name} ({each.predicted[0].probability:.0%})"


def _verdict(told: ExplainedMistake) -> str:
    """What happened, in one sentence that is true."""
    cue, class_, total = told.shortcut.cue, told.shortcut.class_, told.explanation.accounting.total
    own = [s.present for s in told.explanation.by_concept if (s.category, s.name) == tuple(cue)]
    adds = f"where that is, it adds {own[0]:+.2f} of {total:+.2f}; " if own else ""
    words = (
        f"Why {class_}, not {told.true_class}? Because of “{cue.name}”: {adds}without it in the "
        f"picture the network says {_say(told.twin)}"
    )
    if told.ablation is None:
        return f"{words}. No unit detects it."
    units = len(told.ablation.units)
    return (
        f"{words}; with its {units} unit{'s' * (units != 1)} silent where it is, "
        f"{told.ablation.after[0].name} ({told.ablation.after[0].probability:.0%})."
    )


def _write_page(told: ExplainedMistake, page: Path) -> None:
    from ...pages.path_content import explanation_page, path_sentence
    from ...pages.path_parts import PageTile
    from ...pages.pictures import data_uri, photograph, write_page

    cue, class_ = told.shortcut.cue.name, told.shortcut.class_
    words = [
        f"Somebody is {told.true_class}. Where “{cue}” is, it adds {_amount(told.mistake)} to the "
        f"logit of {class_}.",
        f"The same picture, drawn without it: {_amount(told.twin)}.",
    ]
    if told.control is not None:
        words.append(f"It saw “{cue}” with every class alike: {_amount(told.control)}.")
    silenced = [] if told.ablation is None else [told.ablation]
    content = explanation_page(told.run, told.explanation, silenced)
    lead = f"{_verdict(told).partition('? ')[2]} {path_sentence(told.explanation)}"
    tiles = tuple(
        PageTile(
            f"{name.capitalize()}: {'right' if each.predicted[0].name == told.true_class else 'wrong'}",
            data_uri(photograph(each.picture)),
            tuple((p.name, p.probability) for p in each.predicted[:3]),
            text,
        )
        for (name, each), text in zip(_witnesses(told), words, strict=True)
    )
    write_page(replace(content, lead=lead, story=tiles), page)
