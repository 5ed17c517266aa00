"""`conceptgraph audit`: many labelled images, their confusions, and what pushes them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import DataError
from ..options import JsonOption, RunOption, TrustPickleOption, WeightsOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...explain.audit import Audit
    from ...graph.run.reader import Run


def audit(
    images: Annotated[Path, typer.Option(help="The folder that the labels' files are in.")],
    labels: Annotated[Path, typer.Option(help="A CSV with the columns image and label.")],
    blocks: Annotated[
        str | None, typer.Option(help="Blocks up to the last; concepts are the first one's.")
    ] = None,
    tries: Annotated[
        int, typer.Option("--try", min=0, help="Suspects to silence really, on all images.")
    ] = 5,
    html: Annotated[Path | None, typer.Option(help="Also write a page.")] = None,
    weights: WeightsOption = None,
    run_path: RunOption = None,
    trust_pickle: TrustPickleOption = False,
    as_json: JsonOption = False,
) -> None:
    """What the network confuses, which concepts push it there, and what silencing them would do.

    An audit that was cut off goes on where it was when it is started again.

    Example: [bold]conceptgraph audit --images photos --labels labels.csv --html audit.html[/bold]
    """
    from ...explain.audit import audit as look
    from ...explain.network import open_network
    from ..terminal import Bars, block_names, open_chosen_run, print_json, say

    rows = read_labels(labels)
    run = open_chosen_run(run_path)
    subject = open_network(run, weights=weights, trust_pickle=trust_pickle)
    found = look(subject, images, rows, blocks=block_names(blocks), tries=tries, steps=Bars().step)
    options = [
        *(("--blocks", blocks) if blocks else ()),
        *(("--weights", weights) if weights else ()),
        *(("--trust-pickle",) if trust_pickle else ()),
    ]
    if html is not None:
        from ...pages.audit_page import write_audit_page

        write_audit_page(run, found, images, html, options)
    if as_json:
        print_json(found.to_json())
        return
    print_audit(found, run, images, options)
    if html is not None:
        say(f"page: {html}")


def read_labels(path: Path) -> list[tuple[str, str]]:
    """The rows of a CSV with the columns image and label; DataError for what is none."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not {"image", "label"} <= set(reader.fieldnames or ()):
                raise DataError(
                    "columns",
                    file=path,
                    found=",".join(reader.fieldnames or ()) or "none",
                    expected="image,label",
                )
            rows = [(row["image"], row["label"]) for row in reader]
            for image, _ in rows:
                if not image or Path(image).is_absolute() or ".." in Path(image).parts:
                    raise DataError(
                        "an image outside the folder", file=path, found=repr(image),
                        expected="a path relative to --images",
                    )  # fmt: skip
            if any(label is None for _, label in rows):
                raise DataError("a row without a label", file=path, expected="image,label")
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("not a CSV file in UTF-8", file=path) from error
    if len({image for image, _ in rows}) < len(rows):
        raise DataError("an image is labelled twice", file=path, expected="one row an image")
    return rows


def print_audit(found: Audit, run: Run, folder: Path, options: Sequence[str] = ()) -> None:
    """Confusions, suspects, and what could not be read, as tables."""
    from ...pages.audit_page import why_command
    from ..terminal import note, print_table, say

    say(f"{found.images} images, {found.right} right ({_percent(found.right, found.images)})")
    print_table(
        "confusions, and the concepts that raise the class predicted most",
        ("class", "taken for", "images", "raised by"),
        [
            (
                each.truth,
                each.predicted,
                len(each.images),
                ", ".join(f"{c.concept} {c.raises:+.2f}" for c in each.concepts[:3]),
            )
            for each in found.confusions[:15]
        ],
        right="c",
    )
    wrong = found.images - found.right
    print_table(
        "concepts that push mistakes more than right answers",
        ("concept", "of mistakes", "of right", "excess", "95 %", "fixes", "breaks"),
        [
            (
                each.concept,
                _percent(each.mistakes, wrong),
                _percent(each.rights, found.right),
                f"{each.excess:+.0%}",
                f"{each.low:+.0%} to {each.high:+.0%}",
                "–" if each.fixes is None else each.fixes,
                "–" if each.breaks is None else each.breaks,
            )
            for each in found.suspects[:12]
            if each.excess > 0
        ],
        right="bcdefg",
    )
    note(
        "A concept pushes a decision when it is among the three that raise it most, where it is "
        "present. Fixes, breaks: mistakes made right, right answers made wrong, with the units of "
        f"{found.block} that detect it silent where it is (why --without … --at {found.block}; "
        "–: not tried)."
    )
    for file, why in found.unreadable[:20]:
        note(f"not read: {file}: {why}")
    if found.confusions:
        note(f"One of them: {why_command(run, found.confusions[0], folder, options)}")


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"
