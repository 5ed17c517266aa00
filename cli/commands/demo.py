"""`conceptgraph demo`: a drawn world, a shortcut planted in it, an explanation that finds it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...demo.cached import CLIPS, PICTURES

if TYPE_CHECKING:
    from ...demo.world.shortcuts import DrawnWorld
    from ...demo.world.specs import DrawnSpec


def demo(
    out: Annotated[Path, typer.Option(help="The folder for everything that is made.")] = Path(
        "demo"
    ),
    video: Annotated[
        bool, typer.Option("--video", help="A world of clips; a shortcut is a motion.")
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option(help="Draw a world of your own from this seed, and train on it (minutes)."),
    ] = None,
    shortcut: Annotated[
        list[str] | None,
        typer.Option(
            help="A shortcut to plant, category:concept=class; trains a network. Repeatable.",
            show_default="those of the network that comes with the package",
        ),
    ] = None,
    pictures: Annotated[
        int | None,
        typer.Option(
            min=64,
            help="Pictures (or clips) of concepts to draw and dissect with.",
            show_default=f"{PICTURES}, or {CLIPS} clips",
        ),
    ] = None,
    control: Annotated[
        bool, typer.Option("--control", help="Also train a control without the shortcut.")
    ] = False,
) -> None:
    """See planted shortcuts found and explained. Needs no network and no data of yours.

    Pictures are drawn and two networks dissected: one has learnt to take a polka-dotted bag for
    juggling. One of its mistakes is explained beside the mistake's twin, the same picture without
    the bag. With --video, it is clips: another shortcut is that something drifts to the right.

    Examples:
    [bold]conceptgraph demo[/bold]
    [bold]conceptgraph demo --video[/bold]
    [bold]conceptgraph demo --seed 7 --shortcut "texture:striped=typing"[/bold]
    """
    from ...demo.folder import prepare_folder
    from ...demo.mistake import dissect_network, explain_mistake
    from ...demo.moving.shortcuts import MovingWorld
    from ...demo.networks.shipped import shipped_weights
    from ...demo.world.concept_data import write_concept_data
    from ...demo.world.shortcuts import World
    from ...pages.write import write_page
    from ..tables.demo import print_mistake
    from ..terminal import ProgressBars, print_status

    kind: type[DrawnWorld[DrawnSpec]] = MovingWorld if video else World
    world = kind.planted(shortcut or [])
    planted = [str(each) for each in world.shortcuts]
    prepare_folder(out, {"video": video, "seed": seed, "shortcuts": planted})
    is_own = seed is not None or bool(shortcut)
    networks = (
        _trained(world, out, seed or 0, control=control) if is_own else shipped_weights(world)
    )
    bars = ProgressBars()
    with bars.steps() as on_progress:
        count = pictures or (CLIPS if video else PICTURES)
        data = write_concept_data(out / "data", count, seed or 0, world, on_progress=on_progress)
    runs = {}
    for name, weights in networks.items():
        print_status(f"ingest {name}.cg")
        runs[name] = dissect_network(world, weights, data, out / f"{name}.cg", bars)
    # of pictures the first; of clips a motion too
    for own in world.shortcuts if video else world.shortcuts[:1]:
        place = out / own.class_ if video else out
        mistake = explain_mistake(
            runs["shortcut"], runs.get("control"), world, own, place, seed or 0
        )
        page = place / "why.html"
        write_page(mistake.run, mistake, page)
        print_mistake(mistake, page)


def _trained(
    world: DrawnWorld[DrawnSpec], out: Path, seed: int, *, control: bool
) -> dict[str, Path]:
    """Train a network in the world, and a control if asked for; print at once how good they are."""
    from ...demo.cached import trained_network
    from ..tables.demo import print_scores
    from ..terminal import ProgressBars

    worlds = {"shortcut": world}
    if control:
        worlds["control"] = replace(world, kind="control")
    networks = {}
    for name, own_world in worlds.items():
        networks[name] = out / f"{name}.safetensors"
        with ProgressBars().steps() as on_progress:
            scores = trained_network(own_world, networks[name], seed, on_progress)
        print_scores(networks[name], own_world, scores)
    return networks
