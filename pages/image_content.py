"""The content of an image's page: from an explanation to the parts of a page."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..explain.name_sources import name_sources_note
from ..explain.no_answer import explanation_note
from ..explain.verdict import ASKED, motion_sentence, verdict
from ..ingest.network.preprocessing import unseen_text
from .image_parts import ImagePage, PageChange, PageName, PageThing
from .outlines import outline
from .path_content import image_paths_page, run_facts
from .pictures import (
    cam_overlay,
    data_uri,
    draw_on_seen,
    frame_seen,
    frames_of,
    painted_over,
    photograph_of,
    shrunk,
    thumbnail,
)
from .region_content import flow_page, leading_place, page_places, region_tables, unusual_tables
from .unit_content import page_ablation, page_attributions
from .wording import elsewhere_text, masked_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from ..explain.ablation import Ablation
    from ..explain.explanation import Explanation
    from ..explain.image_regions import ImageThing
    from ..explain.unusual import UnusualRegion
    from ..graph.run.reader import Run

_PAINTED = 360
"""Pixels of the longer side of a picture in which something is painted over."""
_MATTERS = 0.15
"""Share of the strongest thing from which on another one is outlined."""
_APART = 7.0
"""Percent of the photograph's sides that marks are apart."""


def image_page(
    run: Run,
    explanation: Explanation,
    ablations: Sequence[Ablation] = (),
    no_flip: str | None = None,
    unusual: Sequence[UnusualRegion] = (),
    *,
    with_paths: bool = True,
) -> ImagePage:
    """Return the page of one image.

    Args:
        run: that was asked.
        explanation: of the image.
        ablations: shown with what they change.
        no_flip: why no ablation was found that changes the decision, if that was asked.
        unusual: what is unusual about the image.
        with_paths: search the unit paths, and show them.
    """
    image, picture = photograph_of(explanation), explanation.picture
    versus, frames = explanation.versus, frames_of(explanation)
    small = thumbnail(image, frames)
    asked = picture.chosen
    return ImagePage(
        title=f"Why {explanation.class_name}{'' if versus is None else f', not {versus}'}?",
        verdict=verdict(explanation),
        motion=motion_sentence(explanation),
        target=explanation.class_name,
        versus=versus,
        seen_text=unseen_text(explanation.seen),
        masked_text=masked_text(picture),
        names_by=name_sources_note(run, explanation),
        elsewhere=elsewhere_text(picture),
        predicted=tuple((row.name, row.probability) for row in explanation.predicted[:3]),
        image=data_uri(frame_seen(image, explanation.seen)),
        size=image.size,
        frames=frames,
        seen=explanation.seen,
        maps=_maps(image, explanation),
        things=_things(image, explanation),
        asked=None if asked is None else _thing(image, explanation, ASKED, asked),
        leading=leading_place(picture),
        change=_change(image, explanation),
        places=page_places(picture),
        regions=region_tables(picture),
        unusual=unusual_tables(picture, unusual),
        flows=flow_page(run, explanation),
        total=explanation.total,
        biases=tuple(picture.biases_after.items()),
        unit_note=explanation_note(run, explanation, with_paths=with_paths),
        attributions=page_attributions(explanation, small),
        categories=tuple((row.category, row.contribution) for row in explanation.by_category),
        ablations=tuple(map(page_ablation, ablations)),
        no_flip=no_flip,
        paths=image_paths_page(run, explanation, small) if with_paths else None,
        accounting=path_sums(explanation) if with_paths else (),
        facts=(("image", Path(explanation.image).name), *run_facts(run)),
    )


def path_sums(explanation: Explanation) -> tuple[tuple[str, float], ...]:
    """Return the parts that unit paths add up from, by name, their sum last."""
    total = "logit" if explanation.versus is None else f"logit − logit of {explanation.versus}"
    names = ("paths shown", "other paths", "biases", total)
    return tuple(zip(names, explanation.accounting, strict=True))


def _maps(image: Image.Image, explanation: Explanation) -> tuple[tuple[str, str], ...]:
    """Return the evidence at each position of the last two blocks, over the photograph."""
    picture = explanation.picture
    small = shrunk(image, _PAINTED, frames_of(explanation))
    return tuple(
        (
            block,
            data_uri(
                draw_on_seen(
                    small, explanation.seen, partial(cam_overlay, cam=picture.evidence[block])
                )
            ),
        )
        for block in picture.blocks[-2:]
    )


def _things(image: Image.Image, explanation: Explanation) -> tuple[PageThing, ...]:
    """Return all things, with their marks apart from each other."""
    taken: list[tuple[float, float]] = []
    things = []
    for number, thing in enumerate(explanation.picture.things, start=1):
        made = _thing(image, explanation, str(number), thing, taken)
        taken.append(made.at)
        things.append(made)
    return tuple(things)


def _thing(
    image: Image.Image,
    explanation: Explanation,
    mark: str,
    thing: ImageThing,
    taken: Sequence[tuple[float, float]] = (),
) -> PageThing:
    seen, result = explanation.seen, thing.counterfactual
    shown = PageThing(
        mark,
        tuple(dict.fromkeys(PageName(*concept) for concept in thing.concepts)),
        thing.evidence,
        thing.coverage,
        outline(thing.mask, seen, *image.size),
        _mark_place(thing, explanation, taken),
    )
    if result is None:
        return shown
    return replace(
        shown,
        is_outlined=_matters(thing, explanation),
        measured=result.measured,
        answer=(result.answer.name, result.answer.probability),
        changes=result.answer.name != explanation.predicted[0].name,
        disputed=thing.disputed,
        painted=_painted(image, explanation, result.pixels),
    )


def _matters(thing: ImageThing, explanation: Explanation) -> bool:
    """Say whether a thing is strong beside the strongest one, or was asked about."""
    picture = explanation.picture
    strengths = [abs(other.strength) for other in picture.things]
    return thing is picture.chosen or abs(thing.strength) >= _MATTERS * max(strengths)


def _mark_place(
    thing: ImageThing, explanation: Explanation, taken: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """Return a point in percent inside a thing, near its top, apart from other marks."""
    seen = explanation.seen
    height, width = thing.mask.shape
    rows, columns = thing.mask.nonzero()
    steps = np.linspace(0, len(rows) - 1, 60).astype(int)  # from top to bottom
    points = [
        (
            100 * (seen.left + (column + 0.5) / width * (seen.right - seen.left)),
            100 * (seen.top + (row + 0.5) / height * (seen.bottom - seen.top)),
        )
        for row, column in zip(rows[steps].tolist(), columns[steps].tolist(), strict=True)
    ]
    points = [(min(max(x, 4.0), 96.0), min(max(y, 4.0), 96.0)) for x, y in points]
    return max(points, key=lambda point: min([_distance(point, t) for t in taken] + [_APART]))


def _distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return max(abs(a[0] - b[0]), abs(a[1] - b[1]))


def _change(image: Image.Image, explanation: Explanation) -> PageChange | None:
    change = explanation.picture.change
    if change is None:
        return None
    marks = tuple(str(number + 1) for number in change.things)
    answer = change.answer.name, change.answer.probability
    return PageChange(marks, answer, _painted(image, explanation, change.pixels))


def _painted(image: Image.Image, explanation: Explanation, pixels: NDArray[np.uint8]) -> str:
    """Return the photograph with what differs in `pixels` painted over."""
    small = shrunk(image, _PAINTED, frames_of(explanation))
    mask = (pixels != explanation.picture.pixels).any(axis=2)
    return data_uri(painted_over(small, explanation.seen, pixels, mask))
