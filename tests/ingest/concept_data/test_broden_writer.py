"""What the writer writes, the reader reads back equal; counts are compared with plain loops."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.concept_data.writing.writer import BrodenWriter, split_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from conceptgraph.ingest.concept_data.concepts import ConceptImage

CONCEPTS = {
    "color": ["red", "pale, red", "ends in -c"],
    "object": ["bag", "Zürich 雪", "never there"],
    "scene": ["street", "bag"],
}


def png(value: int, side: int = 6) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (value % 256, value // 256, 7)).save(file, "PNG")
    return file.getvalue()


def random_label_map(
    rng: np.random.Generator, numbers: Sequence[int], side: int = 4
) -> NDArray[np.int64]:
    return rng.choice([0, *numbers], (side, side))


def examples(writer: BrodenWriter, count: int = 12) -> list[tuple[str, bytes, Any, Any]]:
    """Images with zero to two label maps a category, and image-level labels."""
    rng = np.random.default_rng(0)
    made = []
    for place in range(count):
        label_maps = {
            category: [
                random_label_map(
                    rng, [writer.numbers[category, name] for name in CONCEPTS[category][:2]]
                )
                for _ in range(rng.integers(0, 3))
            ]
            for category in ("color", "object")
        }
        image_labels = {
            "scene": ["street"][: rng.integers(0, 2)],
            "color": ["ends in -c"][: place % 2],
        }
        made.append((f"folder {place % 2}/é,{place}.png", png(place), label_maps, image_labels))
    return made


def write(folder: Path, order: Sequence[int] = range(12)) -> list[tuple[str, bytes, Any, Any]]:
    with BrodenWriter(folder, CONCEPTS, mask_shape=(4, 4)) as writer:
        made = examples(writer)
        for place in order:
            writer.add(*made[place])
    return made


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_reader_gets_back_what_was_written(tmp_path: Path) -> None:
    made = write(tmp_path / "set")
    data = open_concept_data(tmp_path / "set")
    assert data.categories == tuple(CONCEPTS)
    assert [(concept.category, concept.name) for concept in data.concepts] == [
        ("color", "red"),
        ("color", "pale, red"),
        ("color", "ends in -c"),
        ("object", "bag"),
        ("object", "Zürich 雪"),
        ("scene", "street"),
    ]
    by_name = {name: rest for name, *rest in made}
    for image in data.images:
        content, label_maps, image_labels = by_name[image.name]
        assert image.path.read_bytes() == content
        assert (image.height, image.width, image.mask_height, image.mask_width) == (6, 6, 4, 4)
        read = read_label_maps(data, image)
        given_maps = [
            label_map for maps in label_maps.values() for label_map in maps if label_map.any()
        ]
        numbers = np.array([0, *(concept.number for concept in data.concepts)])
        assert np.array_equal(numbers[read], np.array(given_maps).reshape(read.shape))
        names = {data.concepts[column].name for column in image.image_labels}
        assert names == {name for category in image_labels.values() for name in category}


def test_frequency_and_coverage_are_plain_counts(tmp_path: Path) -> None:
    made = write(tmp_path / "set")
    numbers = BrodenWriter(tmp_path / "other", CONCEPTS).numbers
    for row in rows(tmp_path / "set" / "label.csv"):
        category = row["category"].partition("(")[0]
        name = row["name"].removesuffix({"color": "-c", "scene": "-s"}.get(category, ""))
        images, coverage = 0, 0.0
        for _, _, label_maps, image_labels in made:
            share = sum(
                float((label_map == numbers[category, name]).mean())
                for label_map in label_maps.get(category, [])
            ) + (name in image_labels.get(category, []))
            images += share > 0
            coverage += share
        assert row["category"] == f"{category}({images})"
        assert int(row["frequency"]) == images
        assert float(row["coverage"]) == pytest.approx(coverage, rel=1e-8)
    for row in rows(tmp_path / "set" / "category.csv"):
        codes = rows(tmp_path / "set" / f"c_{row['name']}.csv")
        assert [int(code["code"]) for code in codes] == list(range(1, int(row["count"]) + 1))
        counts = [int(code["frequency"]) for code in codes]
        assert counts == sorted(counts, reverse=True)
        assert sum(counts) == int(row["frequency"])


def test_files_do_not_depend_on_the_order_of_adding(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b", np.random.default_rng(1).permutation(12).tolist())
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) > 12
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    splits = [row["split"] for row in rows(tmp_path / "a" / "index.csv")]
    assert set(splits) == {"train", "val"}
    shares = [split_of(f"{value:08x}") == "train" for value in range(0, 16**8, 16**8 // 1000)]
    assert sum(shares) / len(shares) == pytest.approx(0.7, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.integers(1, 9), st.lists(st.integers(0, 700), max_size=3)),
        min_size=1,
        max_size=4,
    )
)
def test_any_masks_come_back(images: list[tuple[int, int, list[int]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        names = [f"thing {number}" for number in range(1, 701)]
        with BrodenWriter(Path(folder, "set"), {"object": names}) as writer:
            writer.add("first.png", png(999), {"object": [np.full((1, 1), 700)]})
            given_maps = {}
            for place, (height, width, numbers) in enumerate(images):
                label_maps = [np.full((height, width), number) for number in numbers]
                given_maps[f"{place}.png"] = [
                    label_map for label_map in label_maps if label_map.any()
                ]
                writer.add(f"{place}.png", png(place), {"object": label_maps})
        data = open_concept_data(Path(folder, "set"))
        numbers_of = np.array([0, *(concept.number for concept in data.concepts)])
        for image in data.images:
            if image.name in given_maps:
                read = numbers_of[read_label_maps(data, image)]
                assert len(read) == len(given_maps[image.name])
                assert all(map(np.array_equal, read, given_maps[image.name]))


def test_pillow_images_paths_and_given_splits(tmp_path: Path) -> None:
    (tmp_path / "copied.png").write_bytes(png(5))
    drawn = Image.new("RGBA", (9, 7), (10, 200, 30, 255))
    with BrodenWriter(tmp_path / "set", {"object": ["bag"]}) as writer:
        writer.add("a.png", drawn, image_labels={"object": ["bag"]}, split="test")
        writer.add("a.jpg", drawn, {"object": [np.ones((2, 3), np.uint8)]}, split="test")
        writer.add("b.PNG", tmp_path / "copied.png")
    data = open_concept_data(tmp_path / "set")
    assert {image.name: image.split for image in data.images}["a.png"] == "test"
    shapes = {
        image.name: (image.height, image.width, image.mask_height, image.mask_width)
        for image in data.images
    }
    assert shapes == {"a.png": (7, 9, 7, 9), "a.jpg": (7, 9, 2, 3), "b.PNG": (6, 6, 6, 6)}
    assert np.asarray(Image.open(data.folder / "images" / "a.png"))[0, 0].tolist() == [10, 200, 30]


@pytest.mark.parametrize(
    "name",
    [
        *("", "/a.png", "../a.png", "a/./b.png", "a;b.png", "a\\b.png", " a.png", "a\n.png", "12"),
        *("a" * 300 + ".png", "\ud800.png", "a//b.png", "C:a.png"),
    ],
)
def test_names_of_images_that_cannot_be_written(name: str, tmp_path: Path) -> None:
    with BrodenWriter(tmp_path / "set", {"object": ["bag"]}) as writer:
        writer.add("good.png", png(1), image_labels={"object": ["bag"]})
        with pytest.raises(DataError, match="name of an image"):
            writer.add(name, png(2))
    assert len(open_concept_data(tmp_path / "set").images) == 1


@pytest.mark.parametrize(
    "concepts",
    [
        {"a/b": ["x"]},
        {"image": ["x"]},
        {"a(b": ["x"]},
        {" a": ["x"]},
        {"a": [""]},
        {"a": ["x "]},
        {"a": ["x\ny"]},
        {"a": ["\ud800"]},
        {"a": ["x", "x"]},
        {"a": [str(number) for number in range(65_535)]},
    ],
)
def test_concepts_that_cannot_be_written(concepts: dict[str, list[str]], tmp_path: Path) -> None:
    with pytest.raises(DataError):
        BrodenWriter(tmp_path / "set", concepts)


@pytest.mark.parametrize(
    ("name", "image", "label_maps", "image_labels", "message"),
    [
        ("a.png", png(1), None, None, "written twice"),
        ("a_object.png", png(1), None, None, "written twice"),
        ("b.png", b"no image", None, None, "not an image"),
        ("b.png", Path("nowhere.png"), None, None, "cannot be read"),
        ("b.gif", Image.new("RGB", (2, 2)), None, None, "expected .png or .jpg"),
        ("b.png", png(1), {"object": [np.array([[9]])]}, None, "found number 9"),
        ("b.png", png(1), {"object": [np.array([[-1]])]}, None, "found number -1"),
        ("b.png", png(1), {"object": [np.array([[1.0]])]}, None, "float64"),
        ("b.png", png(1), {"color": [np.array([[1]])]}, None, "category 'color'"),
        ("b.png", png(1), {"object": [np.ones((2, 2), int), np.ones((2, 1), int)]}, None, "differ"),
        ("b.png", png(1), {"object": [np.ones((2, 0), int)]}, None, "differ"),
        ("b.png", png(1), None, {"object": ["bagg"]}, "Did you mean 'bag'"),
        ("b.png", png(1), None, {"objects": ["bag"]}, "Did you mean 'object'"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_left(
    name: str, image: Any, label_maps: Any, image_labels: Any, message: str, tmp_path: Path
) -> None:
    writer = BrodenWriter(tmp_path / "set", {"object": ["bag"], "color": ["red"]})

    def fill() -> None:
        with writer:
            writer.add("a.png", png(0), {"object": [np.ones((2, 2), int)]})
            writer.add(name, image, label_maps, image_labels)

    with pytest.raises(DataError, match=message):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_tables_beside_the_data_and_the_size_of_masks_an_image_lacks(tmp_path: Path) -> None:
    with BrodenWriter(tmp_path / "set", {"object": ["bag"]}, mask_shape=(4, 4)) as writer:
        writer.add("a.png", png(1), image_labels={"object": ["bag"]}, mask_shape=(3, 2))
        writer.add("b.png", png(2), {"object": [np.ones((5, 5), int)]}, mask_shape=(3, 2))
        writer.add("c.png", png(3))
        writer.add_table("more.csv", ("x", "y"), [("é", 1)])
    sides = {image.name: (image.mask_height, image.mask_width) for image in images(tmp_path)}
    assert sides == {"a.png": (3, 2), "b.png": (5, 5), "c.png": (4, 4)}
    assert (tmp_path / "set" / "more.csv").read_text("utf-8") == "x,y\né,1\n"


def images(folder: Path) -> tuple[ConceptImage, ...]:
    return open_concept_data(folder / "set").images


def fill(folder: Path, value: int, *, stop: bool = False) -> None:
    with BrodenWriter(folder / "set", {"object": ["bag"]}, overwrite=True) as writer:
        writer.add(f"{value}.png", png(value), image_labels={"object": ["bag"]})
        if stop:
            raise KeyboardInterrupt


def test_a_set_is_replaced_once_the_new_one_is_whole(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, 2, stop=True)
    assert [image.name for image in images(tmp_path)] == ["1.png"]
    fill(tmp_path, 2)
    assert [image.name for image in images(tmp_path)] == ["2.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    (tmp_path / "set" / "index.csv").unlink()
    with pytest.raises(DataError, match="no data set, so it is not replaced"):
        fill(tmp_path, 3)


def test_the_earlier_set_comes_back_if_the_new_one_cannot_take_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 1)
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if path.name.endswith(".partial"):
            raise OSError("no")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="no"):
        fill(tmp_path, 2)
    assert [image.name for image in images(tmp_path)] == ["1.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_set_is_written_once_and_never_empty(tmp_path: Path) -> None:
    write(tmp_path / "set")
    with pytest.raises(DataError, match="already exists"):
        BrodenWriter(tmp_path / "set", CONCEPTS)
    with pytest.raises(DataError, match="no images"), BrodenWriter(tmp_path / "none", CONCEPTS):
        pass
    with (
        pytest.raises(DataError, match="no image has a concept"),
        BrodenWriter(tmp_path / "none", CONCEPTS) as writer,
    ):
        writer.add("a.png", png(0))
    with pytest.raises(DataError, match="with statement"):
        BrodenWriter(tmp_path / "none", CONCEPTS).add("a.png", png(0))
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
