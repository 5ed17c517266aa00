"""Merged sets have exactly the labels of the sets, in whatever order they are merged."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.checking.check import check
from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.concept_data.writing.writer import BrodenWriter, split_of
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.ingest.sources.merge import merge
from conceptgraph.settings import BLOCKS, Settings
from tests.annotation_files import write_image
from tests.command_line import call
from tests.drawn_data import draw_concept_data, write_broden, write_csv, write_mask

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.graph.run.reader import Run
    from conceptgraph.ingest.concept_data.concepts import ConceptImage
    from conceptgraph.settings import IouVariant

# How often each concept counts at each pixel of each image, by the image's content.
Counts = dict[str, Counter[tuple[str, str, int]]]


def counts(folder: Path) -> Counts:
    """By content of the image: category, name and pixel (-1 is the whole image) → times."""
    data = open_concept_data(folder)
    by_image: Counts = {}
    for image in data.images:
        pixels: Counter[tuple[str, str, int]] = Counter()
        for label_map in read_label_maps(data, image):
            for pixel in label_map.ravel().nonzero()[0].tolist():
                concept = data.concepts[int(label_map.ravel()[pixel]) - 1]
                pixels[concept.category, concept.name, pixel] += 1
        for column in image.image_labels:
            pixels[data.concepts[column].category, data.concepts[column].name, -1] += 1
        key = hashlib.sha256(image.path.read_bytes()).hexdigest()
        by_image[key] = pixels | by_image.get(key, Counter())  # the larger of each
    return by_image


def joined(*folders: Path) -> Counts:
    """Return the counts that their merge must have."""
    by_image: Counts = {}
    for folder in folders:
        for key, pixels in counts(folder).items():
            by_image[key] = pixels | by_image.get(key, Counter())
    return by_image


def read_files(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def random_set(folder: Path, seed: int, *, names: str = "abcdef", mask_size: int = 8) -> Path:
    """Some of ten images under random names and splits, with labels in up to two categories."""
    rng = np.random.default_rng(seed)
    categories = rng.permutation(["color", "object", "part"])[:2].tolist()
    labels = [
        (number, str(rng.choice(["x", "y", "z", "ring", "unused"])) + f"{number % 3}", "")
        for number in range(1, 8)
    ]
    taken: set[tuple[str, str]] = set()
    table = []
    for number, name, _ in labels:
        category = str(rng.choice(categories))
        if (category, name) not in taken:
            taken.add((category, name))
            table.append((number, name, category))
    numbers = [0, *(number for number, _, _ in table[1:])]  # the first is in no mask
    rows: list[dict[str, str | int]] = []
    for place, image in enumerate(rng.permutation(10)[:6].tolist()):
        name = f"{names[place % len(names)]}{place // len(names)}.png"
        write_image(folder / "images" / name, image, 8, 8)
        cells: dict[str, str] = {}
        for category in categories:
            items = []
            for k in range(int(rng.integers(0, 3))):
                mask = f"{name[:-4]}_{category}_m{k}.png"
                pixels = rng.choice(numbers, (mask_size, mask_size))
                write_mask(folder / "images" / mask, pixels)
                items.append(mask)
            items += [str(rng.choice(numbers[1:]))] * int(rng.integers(0, 2))
            cells[category] = ";".join(items)
        split = str(rng.choice(["train", "val"]))
        rows.append({"image": name, "split": split, **cells})
    return write_broden(folder, rows, table, categories, size=8, mask_size=mask_size)


def sources(folder: Path) -> dict[str, str]:
    return {concept.uid: concept.source for concept in open_concept_data(folder).concepts}


def test_a_merge_keeps_by_what_labels_were_made(tmp_path: Path) -> None:
    folders = []
    for number, source in enumerate(("", "tags", "SegFormer b0", "tags and SegFormer b0")):
        folder = tmp_path / f"set{number}"
        folders.append(folder)
        with BrodenWriter(folder, {"object": ["bag", f"ball{number}"]}) as writer:
            image = Image.new("RGB", (8, 8), (number, 0, 0))
            writer.add(f"{number}.png", image, {}, {"object": ["bag", f"ball{number}"]})
            writer.name_sources({("object", "bag"): source, ("object", "ball2"): source})
    merge(folders[:2], tmp_path / "ab")
    assert sources(tmp_path / "ab")["object/bag"] == "people and tags"
    merge([tmp_path / "ab", *folders[2:]], tmp_path / "all")
    assert sources(tmp_path / "all") == {
        "object/bag": "SegFormer b0 and people and tags",
        "object/ball0": "",
        "object/ball1": "",
        "object/ball2": "SegFormer b0",
        "object/ball3": "",
    }
    merge(folders[::-1], tmp_path / "one")
    assert read_files(tmp_path / "one") == read_files(tmp_path / "all")


@pytest.mark.parametrize("seed", range(12))
def test_what_is_merged_and_that_a_merge_of_merges_is_one_merge(tmp_path: Path, seed: int) -> None:
    sets = [random_set(tmp_path / f"set{k}", 10 * seed + k) for k in range(3)]
    a, b, c = sets
    merge(sets, tmp_path / "one")
    assert counts(tmp_path / "one") == joined(*sets)
    merge([a, b], tmp_path / "ab")
    merge([tmp_path / "ab", c], tmp_path / "left")
    merge([b, c], tmp_path / "bc")
    merge([a, tmp_path / "bc"], tmp_path / "right")
    merge([tmp_path / "one"], tmp_path / "again")
    merge([tmp_path / "one", tmp_path / "one"], tmp_path / "twice")
    expected = read_files(tmp_path / "one")
    for name in ("left", "right", "again", "twice"):
        assert read_files(tmp_path / name) == expected, name
    assert check(tmp_path / "one").defects == ()


def test_labels_are_joined_by_name_and_category_only(tmp_path: Path) -> None:
    for name, concepts in (("a", {"scene": ["street"]}), ("b", {"object": ["street", "bag"]})):
        with BrodenWriter(tmp_path / name, concepts) as writer:
            for seed in range(2):
                image = write_image(tmp_path / f"{seed}.png", seed, 8, 8)
                writer.add(f"{name}{seed}.png", image, image_labels=concepts)
    report = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "set")
    data = open_concept_data(tmp_path / "set")
    assert data.categories == ("scene", "object")
    assert [concept.uid for concept in data.concepts] == [
        "scene/street",
        "object/bag",
        "object/street",
    ]
    assert [concept.number for concept in data.concepts] == [1, 2, 3]
    assert [image.name for image in data.images] == ["a0.png", "a1.png"]
    assert (report.images, report.shared_images, report.shared_concepts) == (2, 2, 0)
    assert report.concepts == {"scene": 1, "object": 2}


def test_a_label_of_several_categories_goes_to_its_primary_one(tmp_path: Path) -> None:
    """`ring` is an object and a part of the drawn set; its label maps do not say which."""
    drawn = draw_concept_data(tmp_path / "drawn", 8, size=16, mask_size=8)
    merge([drawn], tmp_path / "set")
    assert counts(tmp_path / "set") == counts(drawn)
    with (tmp_path / "set" / "label.csv").open(newline="") as file:
        cells = {row["name"]: row["category"] for row in csv.DictReader(file)}
    assert cells["ring"].split("(")[0] in {"object", "part"}
    assert ";" not in "".join(cells.values())


def small_set(
    folder: Path, names: dict[str, int], split: str = "train", side: int = 8, columns: int = 8
) -> Path:
    """Images by name and seed, each with its left columns labelled `bag`."""
    with BrodenWriter(folder, {"object": ["bag"]}) as writer:
        for name, seed in names.items():
            mask = np.zeros((side, side), np.uint8)
            mask[:, :columns] = 1
            image = write_image(folder.parent / "image.png", seed, 8, 8)
            writer.add(name, image, {"object": [mask]}, split=split)
    return folder


def images(folder: Path) -> dict[str, ConceptImage]:
    return {image.name: image for image in open_concept_data(folder).images}


def mark(seed: int, folder: Path) -> str:
    content = write_image(folder / "image.png", seed, 8, 8).read_bytes()
    return hashlib.sha256(content).hexdigest()[:8]


def test_names(tmp_path: Path) -> None:
    first = small_set(tmp_path / "a", {"x.png": 0, "y.png": 1, "z_object.png": 2})
    second = small_set(tmp_path / "b", {"X.jpg": 3, "a/y.png": 1, "w.png": 4})
    report = merge([first, second], tmp_path / "set")
    expected = {
        f"x~{mark(0, tmp_path)}.png",
        f"X~{mark(3, tmp_path)}.jpg",
        "a/y.png",
        f"z_object~{mark(2, tmp_path)}.png",
        "w.png",
    }
    assert set(images(tmp_path / "set")) == expected
    assert report.renamed == 3
    third = small_set(tmp_path / "c", {"x.png": 5})
    merge([tmp_path / "set", third], tmp_path / "more")
    assert set(images(tmp_path / "more")) == expected | {f"x~{mark(5, tmp_path)}.png"}
    merge([first], tmp_path / "alone")
    assert "x.png" in images(tmp_path / "alone")


def test_splits(tmp_path: Path) -> None:
    """An image keeps its split; where sets disagree, it follows from the content."""
    names = {f"{seed}.png": seed for seed in range(9)}
    small_set(tmp_path / "a", names, "train")
    small_set(tmp_path / "b", names | {"other.png": 9}, "val")
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "set")
    merged = images(tmp_path / "set")
    assert merged.pop("other.png").split == "val"
    splits = {name: image.split for name, image in merged.items()}
    assert set(splits.values()) == {"train", "val"}
    for name, split in splits.items():
        assert split == split_of(hashlib.sha256(merged[name].path.read_bytes()).hexdigest())


def test_rows_of_one_image(tmp_path: Path) -> None:
    sets = [
        small_set(tmp_path / "a", {"x.png": 0, "y.png": 1, "again.png": 1}),
        small_set(tmp_path / "b", {"x.png": 0, "z.png": 2}),
    ]
    report = merge(sets, tmp_path / "set")
    assert set(images(tmp_path / "set")) == {"x.png", "again.png", "z.png"}
    assert (report.images, report.shared_images, report.repeated_rows) == (3, 1, 1)


def test_masks_of_different_sizes(tmp_path: Path) -> None:
    coarse = small_set(tmp_path / "a", {"x.png": 0, "y.png": 1}, side=4, columns=1)
    fine = small_set(tmp_path / "b", {"x.png": 0}, side=8, columns=1)
    report = merge([coarse, fine], tmp_path / "set")
    data = open_concept_data(tmp_path / "set")
    merged = images(tmp_path / "set")
    assert (merged["x.png"].mask_height, merged["y.png"].mask_height) == (8, 4)
    assert report.finer_masks == 1
    expected = np.zeros((8, 8), np.bool_)
    expected[:, :2] = True
    assert np.array_equal(read_label_maps(data, merged["x.png"])[0] > 0, expected)
    odd = small_set(tmp_path / "c", {"x.png": 0}, side=6, columns=6)
    with pytest.raises(DataError, match=r"found 4×4 and 6×6 and 8×8.*--mask-size"):
        merge([coarse, fine, odd], tmp_path / "three")
    merge([coarse, fine, odd], tmp_path / "three", mask_size=12)
    merge([coarse, fine], tmp_path / "two", mask_size=12)
    merge([tmp_path / "two", odd], tmp_path / "left", mask_size=12)
    assert read_files(tmp_path / "left") == read_files(tmp_path / "three")
    assert {image.mask_height for image in images(tmp_path / "three").values()} == {12}


def test_images_without_masks_keep_the_size_their_labels_weigh(tmp_path: Path) -> None:
    for name, side in (("a", 4), ("b", 6)):
        with BrodenWriter(tmp_path / name, {"scene": ["street"]}, mask_shape=(side, side)) as one:
            image = write_image(tmp_path / "x.png", 0, 8, 8)
            one.add("x.png", image, image_labels={"scene": ["street"]})
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "set")
    assert images(tmp_path / "set")["x.png"].mask_height == 6
    masked = small_set(tmp_path / "c", {"x.png": 0}, side=5)
    merge([tmp_path / "set", masked], tmp_path / "more")
    assert images(tmp_path / "more")["x.png"].mask_height == 5


def test_whole_or_nothing(tmp_path: Path) -> None:
    first = small_set(tmp_path / "a", {"x.png": 0})
    second = small_set(tmp_path / "b", {"y.png": 1})
    merge([first], tmp_path / "set")
    before = read_files(tmp_path)
    with pytest.raises(DataError, match="already exists"):
        merge([first, second], tmp_path / "set")
    with pytest.raises(DataError, match="one of the sets to merge"):
        merge([first, second], tmp_path / "a", overwrite=True)
    with pytest.raises(DataError, match="not concept data"):
        merge([first, tmp_path / "c"], tmp_path / "set", overwrite=True)
    assert read_files(tmp_path) == before
    mask = next((second / "images").glob("*_object.png"))
    mask.write_bytes(mask.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"y_object\.png: damaged PNG.*row 2"):
        merge([first, second], tmp_path / "set", overwrite=True)
    assert set(images(tmp_path / "set")) == {"x.png"}
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "set", "image.png"}
    shutil.rmtree(second)
    third = small_set(tmp_path / "c", {"z.png": 2})
    merge([first, third], tmp_path / "set", overwrite=True)
    assert set(images(tmp_path / "set")) == {"x.png", "z.png"}


def test_the_command(tmp_path: Path) -> None:
    small_set(tmp_path / "a", {"x.png": 0, "y.png": 1})
    small_set(tmp_path / "b", {"x.png": 0, "y.png": 2})
    done = call("data", "merge", "a", "b", "--out", "set", folder=tmp_path)
    assert done.status == 0, done.err
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[2:5] == ["a 2 1", "b 2 1", "set 3 1"]
    assert "In several sets: 1 of the concepts, 1 of the images" in done.out
    assert "2 images share a name with another" in done.out
    assert lines[-1] == "Next: conceptgraph data check set"
    assert call("data", "merge", "a", "--out", "set", folder=tmp_path).status == 1
    words = ("data", "merge", "a", "b", "--out", "set", "--overwrite", "--json")
    report = json.loads(call(*words, folder=tmp_path).out)
    assert report["sets"][1] == {"folder": "b", "images": 2, "concepts": 1}
    assert report["concepts"] == {"object": 1}


# Dissecting the merged set for one category gives that category's own counts.


def basic_model() -> object:
    from tests.random_networks import random_network

    return random_network("basic").module


def detections(run: Run, category: str) -> dict[tuple[str, str], tuple[int, ...]]:
    """Intersection, activation and truth, by unit and concept of the category."""
    rows = run.detections[run.detections["category"] == category]
    columns = ["unit", "concept", "intersection", "activation", "truth"]
    return {(row[0], row[1]): tuple(row[2:]) for row in rows[columns].itertuples(index=False)}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same pictures with actions, with everything else, and both merged."""
    folder = tmp_path_factory.mktemp("sets")
    remaining = ("color", "object", "part", "scene", "texture")
    draw_concept_data(folder / "action", 16, categories=("action",))
    draw_concept_data(folder / "remaining", 16, categories=remaining)
    merge([folder / "remaining", folder / "action"], folder / "joined")
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("iou", ["paper", "lite", "unrestricted"])
def test_merging_changes_no_count(tmp_path: Path, sets: dict[str, Path], iou: IouVariant) -> None:
    settings = dataclasses.replace(
        Settings(quantile=0.05, batch_size=5, top_labels=1000, top_images=1, blocks=BLOCKS[1:]),
        iou=iou,
    )
    model = f"{__name__}:basic_model"
    runs = {
        name: ingest(model, path, tmp_path / f"{name}.cg", settings) for name, path in sets.items()
    }
    for run in runs.values():
        assert run.units["threshold"].tolist() == runs["joined"].units["threshold"].tolist()
    compared = {
        "action": "action",
        "color": "remaining",
        "object": "remaining",
        "part": "remaining",
    }
    if iou != "lite":  # there, the set's own label 0 counts as a texture
        compared |= {"scene": "remaining", "texture": "remaining"}
    for category, name in compared.items():
        alone = detections(runs[name], category)
        assert len(alone) > 20
        assert detections(runs["joined"], category) == alone
        for column in ("images", "pixels"):
            totals = [
                run.concepts[run.concepts["category"] == category].set_index("uid")[column]
                for run in (runs["joined"], runs[name])
            ]
            seen = totals[1][totals[1] > 0]
            assert totals[0].to_dict() == seen.to_dict()


def test_images_of_another_set_do_not_count_for_a_category(tmp_path: Path) -> None:
    """`paper` counts activations only where the category is annotated, merged or not."""
    first = small_set(tmp_path / "a", {"x.png": 0, "y.png": 1})
    with BrodenWriter(tmp_path / "b", {"action": ["riding"]}, mask_shape=(8, 8)) as writer:
        image = Image.open(write_image(tmp_path / "image.png", 9, 8, 8))
        writer.add("z.png", image, image_labels={"action": ["riding"]})
    merge([first, tmp_path / "b"], tmp_path / "set")
    counts_of = {row.category: row for row in check(tmp_path / "set").categories}
    assert (counts_of["object"].images, counts_of["action"].images) == (2, 1)


ODD_NAMES = ["soccer\u00a0ball", "foot  ball", "می\u200cدود", "a\tb", "x\x07y", 'q"uote', "a, b;c"]
ODD_IMAGES = [
    "a:1.jpg",
    "b?.jpg",
    "nb\u00a0sp.jpg",
    "line\nend.jpg",
    " outer.jpg",
    f"{'x' * 230}.jpg",
]
ODD_CATEGORIES = ["my\u00a0things", "a  b", "می\u200cدود"]


@pytest.mark.parametrize("category", ODD_CATEGORIES)
def test_what_check_takes_merge_takes(category: str, tmp_path: Path) -> None:
    for part in ("one", "two"):
        folder = tmp_path / part
        rows = []
        for place, name in enumerate(ODD_IMAGES):
            write_image(folder / "images" / name, place + 10 * (part == "two"))
            rows.append((name, "train", 40, 60, 8, 8, "m.png", place + 1))
        write_mask(folder / "images" / "m.png", np.full((8, 8), 1))
        columns = ("image", "split", "ih", "iw", "sh", "sw", category, "scene")
        write_csv(folder / "index.csv", columns, rows)
        labels = [(k, name, category) for k, name in enumerate(ODD_NAMES, 1)]
        write_csv(folder / "label.csv", ("number", "name", "category"), labels)
        write_csv(folder / "category.csv", ("name",), [(category,), ("scene",)])
        report = check(folder)
        assert report.defects == ()
        assert set(report.renamed) == {"soccer\u00a0ball", "foot  ball", "a\tb", "x\x07y"}
    merge([tmp_path / "one", tmp_path / "two"], tmp_path / "joined")
    assert check(tmp_path / "joined").defects == ()
    names = {concept.name for concept in open_concept_data(tmp_path / "joined").concepts}
    assert names <= {"soccer ball", "foot ball", "می\u200cدود", "a b", "xy", 'q"uote', "a, b;c"}
    assert counts(tmp_path / "joined") == joined(tmp_path / "one", tmp_path / "two")
    merge([tmp_path / "one", tmp_path / "joined"], tmp_path / "again")
    assert read_files(tmp_path / "again") == read_files(tmp_path / "joined")


@pytest.mark.parametrize("name", ["a/b", "a;b", "a(b)", " a", "image", "split", "a\nb", "a\u200bb"])
def test_a_category_that_cannot_be_written_is_not_read_either(name: str, tmp_path: Path) -> None:
    folder = draw_concept_data(tmp_path / "set", 4, size=32, mask_size=16)
    write_csv(folder / "category.csv", ("name",), [(name,)])
    with pytest.raises(DataError, match=r"category\.csv: row \d: category name"):
        check(folder)
    with pytest.raises(DataError, match=r"category\.csv: row \d: category name"):
        merge([folder], tmp_path / "joined")
    with pytest.raises(DataError, match="category that cannot be written"):
        BrodenWriter(tmp_path / "new", {name: ["x"]})


def test_whole_numbers_as_pandas_writes_them(tmp_path: Path) -> None:
    folder = draw_concept_data(tmp_path / "set", 6, size=32, mask_size=16)
    expected = open_concept_data(folder)
    for table in ("index.csv", "label.csv"):
        with (folder / table).open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        cells = [[f"{cell}.0" if cell.isdigit() else cell for cell in row] for row in rows]
        write_csv(folder / table, ["", *header], [[k, *row] for k, row in enumerate(cells)])
    assert open_concept_data(folder).images == expected.images
    assert open_concept_data(folder).concepts == expected.concepts
    assert check(folder).defects == ()
