"""`conceptgraph data verify`: people say which labels of concept data are right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...ingest.sources.verified.settings import VerifySettings, check_settings

if TYPE_CHECKING:
    from ...ingest.sources.verified.answers import AnswerFile
    from ...ingest.sources.verified.labels import DataLabels
    from ...ingest.sources.verified.verification import Verification

DEFAULT = VerifySettings()


def verify(
    folder: Annotated[Path, typer.Argument(help="Concept data in the Broden layout.")],
    concepts: Annotated[
        list[str] | None,
        typer.Option("--concept", help="A concept to ask about; once for each."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            help="Ask about concepts labelled by this model (its name, or how it begins), by tags, "
            "by people, or all.",
            show_default="models and tags; all, if people drew all",
        ),
    ] = None,
    per_concept: Annotated[
        int, typer.Option(help="Labels of each concept to ask about, drawn at random.")
    ] = DEFAULT.per_concept,
    rounds: Annotated[
        int,
        typer.Option(help="People to ask about each label; one more as long as they differ."),
    ] = DEFAULT.rounds,
    margin: Annotated[
        float,
        typer.Option(help="A concept is done when its share of yes is known to ± this (95 %)."),
    ] = DEFAULT.margin,
    seed: Annotated[int, typer.Option(help="Of the sample, and of the order.")] = DEFAULT.seed,
    worker: Annotated[
        str | None,
        typer.Option(help="Your name; the page can change it.", show_default="your login name"),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(help="The table of answers.", show_default="FOLDER.verified.csv, beside it"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65_535, help="Of 127.0.0.1.", show_default="a free one"),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address only.")
    ] = False,
    results: Annotated[
        bool, typer.Option("--results", help="Print what the answers say so far, and ask nothing.")
    ] = False,
    apply: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT",
            help="Write concept data without the labels that people refused, and ask nothing.",
        ),
    ] = None,
    verified_only: Annotated[
        bool,
        typer.Option("--verified-only", help="With --apply: keep only labels that they accepted."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --apply: replace an existing data set.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    r"""Ask people in the browser whether labels are right: yes or no, one key each.

    A page on this machine shows each image with the label outlined. Every answer is saved at once;
    Ctrl-C ends. Several people can answer, on one page each.

    Example:
    [bold]conceptgraph data verify concepts[/bold]
    [bold]conceptgraph data verify concepts --apply verified[/bold]
    """
    from ...ingest.concept_data.opening import open_concept_data
    from ...ingest.sources.verified.answers import AnswerFile, answers_beside
    from ...ingest.sources.verified.labels import find_labels
    from ...ingest.sources.verified.verification import Verification
    from ..terminal import ProgressBars

    settings = VerifySettings(tuple(concepts or ()), source, per_concept, rounds, margin, seed)
    check_settings(settings)
    if apply is None and (verified_only or overwrite):
        raise typer.BadParameter("only with --apply OUT", param_hint="--verified-only, --overwrite")
    if apply is not None and results:
        raise typer.BadParameter("only one of them", param_hint="--results, --apply")
    data = open_concept_data(folder, strict=False)
    file = answers or answers_beside(folder)
    with AnswerFile(file, read_only=results or apply is not None) as answer_file:
        labels = find_labels(data, ProgressBars())
        if apply is not None:
            _write(labels, answer_file, apply, verified_only, overwrite, as_json)
            return
        verification = Verification(labels, answer_file, settings)
        if results:
            _print_results(verification, as_json)
        else:
            _ask(verification, worker, port, no_browser, as_json)


def _ask(
    verification: Verification,
    worker: str | None,
    port: int | None,
    no_browser: bool,
    as_json: bool,
) -> None:
    from ...ingest.sources.verified.answers import check_worker
    from ...serve.local_server import address, open_port, serve
    from ...serve.verify.app import verify_app
    from ...serve.verify.session import Session, login_name
    from ..tables.verified_labels import print_start

    session = Session(verification, check_worker(login_name() if worker is None else worker))
    listener = open_port(port)
    where = address(listener)
    print_start(verification, where)
    try:
        serve(verify_app(session), listener, browser=None if no_browser else where)
    finally:  # SIGTERM raises SystemExit
        _print_results(verification, as_json, given=session.given)


def _print_results(verification: Verification, as_json: bool, given: int | None = None) -> None:
    from ..tables.verified_labels import print_results, results_json
    from ..terminal import print_json

    if as_json:
        print_json(results_json(verification))
    else:
        print_results(verification, given)


def _write(
    labels: DataLabels,
    file: AnswerFile,
    out: Path,
    verified_only: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    from ...ingest.sources.verified.kept import write_verified
    from ..tables.verified_labels import kept_json, print_kept
    from ..terminal import ProgressBars, print_json

    report = write_verified(
        labels,
        file,
        out,
        verified_only=verified_only,
        overwrite=overwrite,
        progress=ProgressBars(),
    )
    if as_json:
        print_json(kept_json(report))
    else:
        print_kept(report)
