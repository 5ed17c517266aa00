"""The contact sheet of machine labels: of each concept the surest labels, and some at random."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from ..files import write_bytes
from ..graph.uids import split_concept
from ..ingest.concept_data.csv_tables import read_csv
from ..ingest.concept_data.masks import read_label_maps
from ..ingest.concept_data.opening import open_concept_data
from .document import render
from .pictures import crop_around, data_uri, outlined, photograph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..ingest.concept_data.concepts import ConceptData

CONCEPTS, EACH = 80, 6
"""The most concepts that are shown, those of most images; pictures of each kind."""
_SIDE = 150


class _Label(NamedTuple):
    """A row of machine_labels.csv."""

    score: float
    image: str
    model: str


class ContactPicture(NamedTuple):
    """A label: its image's name, its mean score, and the part of the image around it, outlined."""

    image: str
    score: float
    picture: str


class ContactConcept(NamedTuple):
    """A concept, how many images have it, and its labels with the highest scores and others."""

    name: str
    category: str
    model: str
    images: int
    best: tuple[ContactPicture, ...]
    others: tuple[ContactPicture, ...]


def write_contact_sheet(folder: Path) -> Path:
    """Write contact.html into concept data that `data annotate` made; return its path.

    Raises:
        ConceptGraphError: the data cannot be read, or the page not be written.
    """
    labels: dict[str, list[_Label]] = defaultdict(list)
    for row in read_csv(folder / "machine_labels.csv", ["image", "category", "concept"]).rows:
        cells = row.cells
        label = _Label(float(cells["score"]), cells["image"], cells["model"])
        labels[f"{cells['category']}/{cells['concept']}"].append(label)
    shown = dict(sorted(labels.items(), key=lambda item: (-len(item[1]), item[0]))[:CONCEPTS])
    best = {uid: sorted(of, reverse=True)[:EACH] for uid, of in shown.items()}
    others = {uid: _some([one for one in of if one not in best[uid]], uid)
              for uid, of in shown.items()}  # fmt: skip
    pictures = _pictures(open_concept_data(folder), [best, others])
    concepts = []
    for uid, of in shown.items():
        category, name = split_concept(uid)
        best_pictures, other_pictures = (
            tuple(ContactPicture(one.image, one.score, pictures[uid, one.image]) for one in some)
            for some in (best[uid], others[uid])
        )
        facts = (name, category, of[0].model, len(of))
        concepts.append(ContactConcept(*facts, best_pictures, other_pictures))
    path = folder / "contact.html"
    document = render("contact.html", folder=folder.name, concepts=concepts, all=len(labels))
    write_bytes(path, document.encode())
    return path


def _some(labels: Sequence[_Label], uid: str) -> list[_Label]:
    """Return some labels at random, the same ones each time."""
    rng = random.Random(uid)  # noqa: S311
    return rng.sample(sorted(labels), min(EACH, len(labels)))


def _pictures(
    data: ConceptData, chosen: Sequence[Mapping[str, Sequence[_Label]]]
) -> dict[tuple[str, str], str]:
    """Return a picture of each label, by concept and image; each image is decoded once."""
    by_image: dict[str, set[str]] = defaultdict(set)
    for labels in chosen:
        for uid, of in labels.items():
            for label in of:
                by_image[label.image].add(uid)
    columns = {concept.uid: column for column, concept in enumerate(data.concepts, 1)}
    pictures = {}
    for image in data.images:
        if image.name not in by_image:
            continue
        opened, label_maps = photograph(image.path), read_label_maps(data, image)
        for uid in by_image[image.name]:
            mask = (label_maps == columns[uid]).any(0)
            pictures[uid, image.name] = data_uri(outlined(*crop_around(opened, mask), _SIDE))
    return pictures
