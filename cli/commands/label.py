"""`conceptgraph label`: words for units, from embeddings of images and words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...ingest.sources.embeddings import FEWEST_IMAGES
from ..options import (
    JsonOption,
    NetworkModelOption,
    RunOption,
    TrustPickleOption,
    TrustRunOption,
    WeightsOption,
)


def label(
    embeddings: Annotated[
        Path,
        typer.Option(
            "--embeddings",
            help="A folder with images.npy, images.csv, texts.npy and names.txt, of "
            f"{FEWEST_IMAGES} photographs or more: `data embed` makes it.",
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(help="The folder of the images; as meta.json says, if omitted."),
    ] = None,
    weights: WeightsOption = None,
    model: NetworkModelOption = None,
    run_path: RunOption = None,
    trust_run: TrustRunOption = False,
    trust_pickle: TrustPickleOption = False,
    as_json: JsonOption = False,
) -> None:
    """Label the units of a run with words that nobody has to draw, or with none of them.

    A word is chosen on half of the images and tested on the others. The labels are kept in the run,
    in place of earlier ones; `show` has them on the cards of units, and `--labels words` names
    units by them.

    Example: [bold]conceptgraph label --run net.cg --embeddings words.emb[/bold]
    """
    from ...explain.network import open_network
    from ...explain.word_labels import label_by_words
    from ...graph.run.word_labels import write_word_labels
    from ...ingest.sources.embeddings.folder import read_embeddings
    from ..opening import open_chosen_run
    from ..tables.words import print_words, words_json
    from ..terminal import ProgressBars, print_json, print_status

    run = open_chosen_run(run_path)
    given = read_embeddings(embeddings, images)
    network = open_network(
        run, weights=weights, model=model, trust_run=trust_run, trust_pickle=trust_pickle
    )
    labels = label_by_words(network, given, progress=ProgressBars())
    has_earlier = run.file("words.json").is_file()
    write_word_labels(run, labels)
    if has_earlier:
        print_status("these words replace those that the run had")
    if as_json:
        print_json(words_json(run, labels))
    else:
        print_words(run, labels)
