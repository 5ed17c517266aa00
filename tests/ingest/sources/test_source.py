"""Any source is written completely or not at all, image by image, with its tables and report."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.sources.source import ConceptSource, ExtraTable, SourceImage, write_source
from conceptgraph.progress import NoProgress
from tests.annotation_files import write_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conceptgraph.progress import Advance

CONCEPTS = {"object": ["bag", "ball"], "scene": ["street"]}


def label_map(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.full((4, 4), number)


@dataclass
class ListedImages(ConceptSource[str]):
    """Images from a list; an error in the list is raised."""

    listed: Sequence[SourceImage | BaseException]
    given: list[str] = field(default_factory=list)

    def concepts(self) -> dict[str, list[str]]:
        return CONCEPTS

    def __len__(self) -> int:
        return len(self.listed)

    def images(self) -> Iterator[SourceImage]:
        for image in self.listed:
            if isinstance(image, BaseException):
                raise image
            self.given.append(image.name)
            yield image

    def report(self, folder: Path, images: int) -> str:
        return f"{images} in {folder.name}"


class WithTable(ListedImages):
    def tables(self) -> list[ExtraTable]:
        return [ExtraTable("given.csv", ("image",), [(name,) for name in self.given])]


def picture(value: int, side: int = 8) -> Image.Image:
    return Image.new("RGB", (side, side), (value, 0, 0))


def examples() -> list[SourceImage]:
    return [
        SourceImage("a.png", picture(1), {"object": [label_map(1), label_map(2)]}),
        SourceImage("b.png", picture(2), {}, {"scene": ["street"]}, mask_shape=(3, 5)),
        SourceImage("c.png", picture(3), {"object": [label_map(0)]}, split="test"),
        SourceImage("d.png", picture(4), {"object": [label_map(2)]}, split="test"),
    ]


def test_what_a_source_gives_is_read_back(tmp_path: Path) -> None:
    assert write_source(ListedImages(examples()), tmp_path / "set") == "3 in set"
    data = open_concept_data(tmp_path / "set")
    assert data.categories == ("object", "scene")
    assert [concept.uid for concept in data.concepts] == [
        "object/bag",
        "object/ball",
        "scene/street",
    ]
    a, b, d = data.images
    assert np.unique(read_label_maps(data, a)).tolist() == [1, 2]
    assert (b.mask_height, b.mask_width, b.image_labels) == (3, 5, (2,))
    assert (d.name, d.split) == ("d.png", "test")


def test_images_without_a_label_are_written_when_asked(tmp_path: Path) -> None:
    write_source(ListedImages(examples()), tmp_path / "set", unlabelled=True)
    names = [image.name for image in open_concept_data(tmp_path / "set").images]
    assert names == ["a.png", "b.png", "c.png", "d.png"]


def test_tables_are_asked_for_after_the_last_image(tmp_path: Path) -> None:
    write_source(WithTable(examples()), tmp_path / "set")
    text = (tmp_path / "set" / "given.csv").read_text("utf-8")
    assert text == "image\na.png\nb.png\nc.png\nd.png\n"
    assert ListedImages([]).tables() == ()


def test_one_image_after_the_other(tmp_path: Path) -> None:
    """An image is on the disk before the next one is asked for."""

    class Watching(ListedImages):
        def images(self) -> Iterator[SourceImage]:
            for image in super().images():
                yield image
                assert list(tmp_path.rglob(image.name)), image.name

    write_source(Watching(examples()), tmp_path / "set", unlabelled=True)


@pytest.mark.parametrize(
    "error", [DataError("what is wrong"), KeyboardInterrupt(), ValueError("a defect of the source")]
)
def test_whole_or_not_at_all(tmp_path: Path, error: BaseException) -> None:
    write_source(ListedImages(examples()[:1]), tmp_path / "set")
    broken = ListedImages([*examples()[1:], error])
    for name in ("set", "new"):
        with pytest.raises(type(error)):
            write_source(broken, tmp_path / name, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert [image.name for image in open_concept_data(tmp_path / "set").images] == ["a.png"]
    with pytest.raises(DataError, match="already exists"):
        write_source(ListedImages(examples()), tmp_path / "set")
    write_source(ListedImages(examples()[1:]), tmp_path / "set", overwrite=True)
    assert len(open_concept_data(tmp_path / "set").images) == 2


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (SourceImage("../x.png", picture(0), {"object": [label_map(1)]}), "name of an image"),
        (SourceImage("x.png", picture(0), {"object": [label_map(3)]}), "found number 3"),
        (SourceImage("x.png", picture(0), {}, {"scene": ["strret"]}), "Did you mean 'street'"),
        (SourceImage("x.png", Path("nowhere.png"), {"object": [label_map(1)]}), "cannot be read"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, image: SourceImage, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_source(ListedImages([*examples(), image]), tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_no_label_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to write: no images"):
        write_source(ListedImages([examples()[2]]), tmp_path / "set")
    with pytest.raises(DataError, match="no image has a concept"):
        write_source(ListedImages([examples()[2]]), tmp_path / "set", unlabelled=True)
    assert list(tmp_path.iterdir()) == []


def test_images_are_resized(tmp_path: Path) -> None:
    labels = {"object": [label_map(1)]}
    for name, side in (("x.webp", 50), ("y.webp", 16)):
        write_image(tmp_path / "photos" / name, height=side, width=side)
    images = [
        SourceImage("drawn.png", picture(9).convert("L"), labels),
        SourceImage("x.webp", tmp_path / "photos" / "x.webp", labels),
        SourceImage("y.webp", tmp_path / "photos" / "y.webp", labels),
    ]
    write_source(ListedImages(images), tmp_path / "set", image_size=16)
    data = open_concept_data(tmp_path / "set")
    assert [image.name for image in data.images] == ["drawn.png", "x.png", "y.webp"]
    for image in data.images:
        assert (image.height, image.width, image.mask_height) == (16, 16, 4)
        assert Image.open(image.path).size == (16, 16)
    same = (tmp_path / "photos" / "y.webp").read_bytes()
    assert data.images[2].path.read_bytes() == same
    with pytest.raises(DataError, match="size out of range; found 5000"):
        write_source(ListedImages(images), tmp_path / "large", image_size=5000)


def test_progress_counts_every_image(tmp_path: Path) -> None:
    steps: list[tuple[str, int]] = []
    done: list[int] = []

    class Recorder(NoProgress):
        @contextmanager
        def step(self, name: str, total: int) -> Iterator[Advance]:
            steps.append((name, total))
            yield done.append

    write_source(ListedImages(examples()), tmp_path / "set", progress=Recorder())
    assert steps == [("write", 4)]
    assert done == [1, 1, 1, 1]
