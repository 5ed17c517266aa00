"""`conceptgraph predict`: what the network says of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import DataError
from ..options import JsonOption, RunOption, TrustPickleOption, WeightsOption

if TYPE_CHECKING:
    from ...graph.run.reader import Run


def predict(
    images: Annotated[list[Path], typer.Argument(help="Image files.", show_default=False)],
    top: Annotated[int, typer.Option(min=1, help="Classes to show.")] = 5,
    weights: WeightsOption = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …")] = "cpu",
    run_path: RunOption = None,
    trust_pickle: TrustPickleOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what the network predicts for images, to compare with what you know of it.

    An image that cannot be read is left out and named; the exit status is 1 then.

    Example: [bold]conceptgraph predict --run net.cg x.jpg y.jpg[/bold]
    """
    from ...explain.network import open_network
    from ...explain.predict import predict as run_predict
    from ...ingest.network.preprocessing import input_lines, unseen_text
    from ..opening import open_chosen_run
    from ..terminal import print_json, print_status, print_table

    run = open_chosen_run(run_path)
    problems = {image: _problem(run, image) for image in images}
    readable = [image for image in images if problems[image] is None]
    for problem in filter(None, problems.values()):
        if not readable:
            raise problem
        print_status(f"left out: {problem}")
    shape = run.manifest["input"]
    for line in input_lines(shape):
        print_status(line)
    network = open_network(run, weights=weights, trust_pickle=trust_pickle)
    answers = run_predict(network, readable, top=top, device=device)
    if as_json:
        predictions = [answer.to_json() for answer in answers]
        print_json({"run": run.name, "preprocess": shape, "images": predictions})
    else:
        for answer in answers:
            if unseen := unseen_text(answer.seen):
                print_status(f"{answer.image}: {unseen}")
            rows = [(name, f"{probability:.2%}") for name, probability in answer.predicted]
            print_table(str(answer.image), ("class", "probability"), rows, right="b")
    if len(readable) < len(images):
        raise typer.Exit(1)


def _problem(run: Run, image: Path) -> DataError | None:
    """Return why an image cannot be read; None if it can.

    Raises:
        DataError: there is none: its name may be misspelt.
    """
    from ...explain.question import check_question

    try:
        check_question(run, image)
    except DataError as error:
        if not image.is_file():
            raise
        return error
    return None
