"""Concept data from tags: folders, tables, captions; what is dropped, and what is refused."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.checking.check import check
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.sources.merge import merge
from conceptgraph.ingest.sources.tags.build import write_tags
from conceptgraph.ingest.sources.tags.folders import read_synsets

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from conceptgraph.ingest.sources.tags.build import TagReport


def photographs(folder: Path, names: Iterable[str]) -> Path:
    """Write images that all differ."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 8), (number, 7 * number % 256, 90)).save(path)
    return folder


def content(folder: Path) -> dict[str, tuple[set[str], set[str]]]:
    """Return the concepts that each image has, and those that it is said not to have."""
    data = open_concept_data(folder)
    assert check(folder).defects == ()
    uid = [concept.uid for concept in data.concepts]
    return {
        image.name: ({uid[c] for c in image.image_labels}, {uid[c] for c in image.absent})
        for image in data.images
    }


def cells(folder: Path) -> dict[str, list[str]]:
    """Return the cells of the categories, by image."""
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        return {row["image"]: list(row.values())[6:] for row in csv.DictReader(file)}


def dropped(folder: Path) -> list[tuple[str, str]]:
    with (folder / "dropped.csv").open(encoding="utf-8", newline="") as file:
        return [(row["image"], row["reason"]) for row in csv.DictReader(file)]


def counts(report: TagReport) -> dict[str, tuple[int, int, bool]]:
    return {f"{c.category}/{c.concept}": (c.present, c.absent, c.asked) for c in report.concepts}


def write_table(folder: Path, text: str) -> Path:
    path = folder / "tags.csv"
    path.write_text(text, encoding="utf-8")
    return path


NAMES = [f"{number}.jpg" for number in range(6)]


def test_a_folder_for_each_concept(tmp_path: Path) -> None:
    names = ["striped/1.jpg", "striped/2.jpg", "polka dotted/deep/er/1.png", "none/1.jpg"]
    photos = photographs(tmp_path / "photos", names)
    report = write_tags(photos, tmp_path / "out")
    assert counts(report) == {"tag/polka dotted": (1, 3, False), "tag/striped": (2, 2, False)}
    assert content(tmp_path / "out") == {
        "striped/1.jpg": ({"tag/striped"}, set()),
        "striped/2.jpg": ({"tag/striped"}, set()),
        "polka dotted/deep/er/1.png": ({"tag/polka dotted"}, set()),
        "none/1.jpg": (set(), set()),
    }
    assert report.untagged == 1
    assert cells(tmp_path / "out")["none/1.jpg"] == ["-0"]
    assert check(tmp_path / "out").images_without == 1


def test_images_of_other_concepts_are_without_a_concept_of_any_category(tmp_path: Path) -> None:
    text = "image,label,category,answer\n" + "\n".join(
        ["0.jpg,red,color,yes", "1.jpg,wet,look,yes", "1.jpg,old,look,no", "2.jpg,old,look,no",
         "3.jpg,old,look,yes", "4.jpg,dusk,light,yes", "5.jpg,dusk,light,no", "6.jpg,,,"]
    )  # fmt: skip
    photographs(tmp_path, [*NAMES, "6.jpg"])
    report = write_tags(write_table(tmp_path, text), tmp_path / "out")
    assert cells(tmp_path / "out") == {  # color, light, look
        "0.jpg": ["1", "", "-0"], "1.jpg": ["-0", "", "4;-3"], "2.jpg": ["-0", "", "-3"],
        "3.jpg": ["-0", "", "3"], "4.jpg": ["-0", "2", "-0"], "5.jpg": ["-0", "-2", "-0"],
        "6.jpg": ["-0", "", "-0"],
    }  # fmt: skip
    assert report.untagged == 3
    assert report.dropped == {}
    checked = check(tmp_path / "out")
    assert (checked.bare_images, checked.images_without) == (0, 3)
    images = {row.category: row.images for row in checked.categories}
    assert images == {"color": 7, "light": 2, "look": 7}
    assert checked.unreachable == []


def test_a_merge_keeps_what_images_have_nothing_of(tmp_path: Path) -> None:
    photos = photographs(tmp_path / "photos", ["a/1.jpg", "none/2.jpg", "none/3.jpg"])
    write_tags(photos, tmp_path / "first")
    photographs(tmp_path / "more", ["none/1.jpg", "b/2.jpg", "none/3.jpg", "b/9.jpg"])
    write_tags(tmp_path / "more", tmp_path / "second", category="look")
    write_tags(photos, tmp_path / "third")
    folders = [tmp_path / name for name in ("first", "second", "third")]
    merge(folders, tmp_path / "all")
    merge(folders[:2], tmp_path / "two")
    merge([tmp_path / "two", folders[2]], tmp_path / "again")
    assert cells(tmp_path / "all") == {  # images of one number are equal
        "a/1.jpg": ["1", "-0"], "b/2.jpg": ["-0", "2"], "none/3.jpg": ["-0", "-0"],
        "b/9.jpg": ["", "2"],
    }  # fmt: skip
    for name in ("index.csv", "label.csv"):
        assert (tmp_path / "all" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_folders_of_categories_and_answers(tmp_path: Path) -> None:
    names = ["texture/striped/1.jpg", "color/red/yes/1.jpg", "color/red/no/1.jpg"]
    photos = photographs(tmp_path / "photos", names)
    report = write_tags(photos, tmp_path / "out")
    assert counts(report) == {"color/red": (1, 1, True), "texture/striped": (1, 2, False)}
    write_tags(photos, tmp_path / "one", category="look")
    assert {c.uid for c in open_concept_data(tmp_path / "one").concepts} == {
        "look/texture",
        "look/color",
    }


def test_folders_of_imagenet(tmp_path: Path) -> None:
    names = ["train/n01440764/a.JPEG", "val/n01440764/b.JPEG", "train/n01443537/c.JPEG"]
    photos = photographs(tmp_path / "imagenet", names)
    (tmp_path / "synsets.txt").write_text("n01440764 tench, Tinca tinca\nn01443537 goldfish\n")
    synsets = read_synsets(tmp_path / "synsets.txt")
    write_tags(photos, tmp_path / "out", names=synsets, category="object")
    data = open_concept_data(tmp_path / "out")
    assert [concept.uid for concept in data.concepts] == ["object/goldfish", "object/tench"]
    assert [image.split for image in data.images] == ["train", "train", "val"]
    index = json.dumps({"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]})
    (tmp_path / "index.json").write_text(index)
    assert read_synsets(tmp_path / "index.json") == synsets


def test_a_photograph_in_two_folders_has_both_concepts(tmp_path: Path) -> None:
    photos = photographs(tmp_path / "photos", ["striped/1.jpg", "red/2.jpg"])
    (photos / "red" / "other.jpg").write_bytes((photos / "striped" / "1.jpg").read_bytes())
    report = write_tags(photos, tmp_path / "out")
    assert report.images == 2
    assert content(tmp_path / "out")["red/other.jpg"][0] == {"tag/red", "tag/striped"}
    assert report.notes == ("Files equal to another, each counts once: 1.",)


@pytest.mark.parametrize(
    "text",
    [
        "image,label,category,answer\n0.jpg,red,color,yes\n1.jpg,red,color,no\n2.jpg,blue,color,\n",
        "0.jpg,red,color,yes\n1.jpg,red,color,no\n2.jpg,blue,color,yes\n",
        "filename;tag;category;present\n0.jpg;red;color;1\n1.jpg;red;color;0\n2.jpg;blue;color;1\n",
        "label\tCategory\tImage\tAnswer\nred\tcolor\t0\tTRUE\nred\tcolor\t1\tFALSE\n"
        "blue\tcolor\t2\tTRUE\n",
    ],
)
def test_tables(tmp_path: Path, text: str) -> None:
    photographs(tmp_path, NAMES)
    report = write_tags(write_table(tmp_path, text), tmp_path / "out")
    assert counts(report) == {"color/blue": (1, 2, False), "color/red": (1, 1, True)}
    assert content(tmp_path / "out") == {
        "0.jpg": ({"color/red"}, set()),
        "1.jpg": (set(), {"color/red"}),
        "2.jpg": ({"color/blue"}, set()),
    }


def test_a_table_with_a_column_for_each_tag(tmp_path: Path) -> None:
    photographs(tmp_path, NAMES)
    text = "image_id,Smiling,Hat\n0.jpg,1,-1\n1.jpg,-1,1\n2.jpg,,1\n3.jpg,perhaps,0\n"
    report = write_tags(write_table(tmp_path, text), tmp_path / "out")
    assert counts(report) == {"tag/Hat": (2, 2, True), "tag/Smiling": (1, 1, True)}
    assert dropped(tmp_path / "out") == [("3.jpg", "answer that is neither yes nor no")]


def test_several_labels_in_a_cell_and_the_majority_of_answers(tmp_path: Path) -> None:
    photographs(tmp_path, NAMES)
    text = "image,label,answer\n0.jpg,red;wet,yes\n0.jpg,red,no\n0.jpg,wet,yes\n1.jpg,wet,no\n"
    report = write_tags(write_table(tmp_path, text), tmp_path / "out")
    assert counts(report) == {"tag/wet": (1, 1, True)}
    assert dropped(tmp_path / "out") == [("0.jpg", "contradicting answers")] * 2


def test_captions(tmp_path: Path) -> None:
    photographs(tmp_path, NAMES)
    captions = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(NAMES)],
        "annotations": [
            {"image_id": 0, "caption": "Two dogs on a Boat."},
            {"image_id": 0, "caption": "A hot dog."},
            {"image_id": 1, "caption": "A catalogue, boats"},
            {"image_id": 2, "caption": "a cat"},
        ],
    }
    path = tmp_path / "captions.json"
    path.write_text(json.dumps(captions))
    with pytest.raises(DataError, match=r"captions without words\. Name a list with --words"):
        write_tags(path, tmp_path / "out")
    report = write_tags(path, tmp_path / "out", words=["dog", "cat", "boat", "unicorn"])
    assert counts(report) == {
        "tag/boat": (2, 1, False),
        "tag/cat": (1, 2, False),
        "tag/dog": (1, 2, False),
    }


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("nowhere.jpg,red,yes", "no image file of this name"),
        ("0.jpg,,yes", "no label"),
        ("0.jpg,,no", "no label"),
        ("0.jpg,red;,yes", "no label"),
        ("0.jpg,\u200b,yes", "no label"),
        (",red,yes", "image"),
        ("0.jpg,red,perhaps", "answer that is neither yes nor no"),
        ("0.jpg,red,2", "answer that is neither yes nor no"),
        ("0.jpg,red", "wrong number of cells"),
        ("0.jpg,red,yes,yes", "wrong number of cells"),
        ("empty.jpg,red,yes", "not an image"),
        ("text.jpg,red,yes", "not an image"),
        ("5.jpg,red,yes\n5.jpg,red,no", "contradicting answers"),
        ("5.jpg,red,yes\n5.jpg,RED,no", "contradicting answers"),
        ("0.JPG,red,no\n00.jpg,red,no", "no image file of this name"),
    ],
)
def test_what_cannot_be_used_is_dropped_alone(tmp_path: Path, row: str, reason: str) -> None:
    photographs(tmp_path, NAMES)
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no image")
    good = "image,label,answer\n1.jpg,red,yes\n2.jpg,red,no\n"
    report = write_tags(write_table(tmp_path, f"{good}{row}\n"), tmp_path / "out")
    assert list(report.dropped) == [reason]
    kept = content(tmp_path / "out")
    assert kept["1.jpg"] == ({"tag/red"}, set())
    assert kept["2.jpg"] == (set(), {"tag/red"})


def test_names_that_differ_in_case_are_one(tmp_path: Path) -> None:
    photographs(tmp_path, NAMES)
    text = "image,label\n0.jpg,Red\n1.jpg,red\n2.jpg,red\n3.jpg,blue\n4.jpg, red \n"
    report = write_tags(write_table(tmp_path, text), tmp_path / "out")
    assert counts(report)["tag/red"] == (4, 1, False)
    assert report.notes == ("tag/Red counts as tag/red.",)


def test_a_tag_with_only_no_is_left_out(tmp_path: Path) -> None:
    photographs(tmp_path, NAMES)
    text = "image,label,answer\n0.jpg,red,yes\n1.jpg,blue,no\n"
    report = write_tags(write_table(tmp_path, text), tmp_path / "out")
    assert counts(report) == {"tag/red": (1, 1, False)}
    assert report.notes == ("tag/blue: only no; left out.",)


@pytest.mark.parametrize(
    "text",
    [
        "image,label,answer\n0.jpg,red,yes\n1.jpg,Dusk,maybe\n2.jpg,Dusk,?\n3.jpg,RED,unknown\n",
        "image,red,Dusk\n0.jpg,1,maybe\n1.jpg,,\n2.jpg,n/a,\n",
    ],
)
def test_a_tag_of_which_nobody_knows_is_left_out_and_named(tmp_path: Path, text: str) -> None:
    photographs(tmp_path, NAMES)
    report = write_tags(write_table(tmp_path, text), tmp_path / "out")
    assert set(counts(report)) == {"tag/red"}
    assert report.notes == ("tag/Dusk: only unknown answers; left out.",)


@pytest.mark.parametrize(
    "unsure",
    ["0.jpg,a,maybe", "0.jpg,A,?", "0.jpg,a,yes\n0.jpg,a,no\n0.jpg,a,yes\n0.jpg,a,no"],
)
def test_an_image_of_which_it_is_unknown_is_neither_with_nor_without(
    tmp_path: Path, unsure: str
) -> None:
    photographs(tmp_path, NAMES)
    others = "".join(f"{name},b,yes\n" for name in NAMES[2:4])
    table = write_table(tmp_path, f"image,label,answer\n{unsure}\n1.jpg,a,yes\n{others}")
    report = write_tags(table, tmp_path / "out")
    if "no" in unsure:  # then it counts only where somebody was asked
        assert counts(report)["tag/a"] == (1, 0, True)
        return
    assert counts(report)["tag/a"] == (1, 2, True)
    has, lacks = content(tmp_path / "out")["0.jpg"]
    assert "tag/a" not in has | lacks
    assert content(tmp_path / "out")["2.jpg"] == ({"tag/b"}, {"tag/a"})


def test_an_image_of_a_row_without_a_usable_label_is_not_without_tags(tmp_path: Path) -> None:
    photographs(tmp_path, NAMES)
    table = write_table(tmp_path, "image,label,answer\n0.jpg,;,yes\n1.jpg,a,yes\n2.jpg,b,yes\n")
    assert counts(write_tags(table, tmp_path / "out"))["tag/a"] == (1, 1, False)
    assert "0.jpg" not in content(tmp_path / "out")


def test_columns_of_answers_that_are_not_read_are_named(tmp_path: Path) -> None:
    photographs(tmp_path, NAMES)
    table = write_table(tmp_path, "image,name,striped\n0.jpg,joe,1\n1.jpg,sue,0\n")
    report = write_tags(table, tmp_path / "out")
    assert "Labels are in the column name; not read: striped." in report.notes


def test_a_row_without_a_label_names_an_image_without_a_tag(tmp_path: Path) -> None:
    photographs(tmp_path, NAMES)
    text = "image,label\n0.jpg,red\n1.jpg,\n2.jpg, \n3.jpg,blue\n"
    report = write_tags(write_table(tmp_path, text), tmp_path / "out")
    assert (report.images, report.untagged, report.dropped) == (4, 2, {})
    assert counts(report) == {"tag/blue": (1, 3, False), "tag/red": (1, 3, False)}
    assert dropped(tmp_path / "out") == []
    assert cells(tmp_path / "out")["1.jpg"] == ["-0"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "row 1: no column of images; found an empty file; expected image,label"),
        ("image,label\n", "no tags; found image,label"),
        ("photo name,label\n0.jpg,red\n", "row 1: no column of images; found photo name,label"),
        ("image,remarks\n0.jpg,red\n", "row 1: no column of labels; found image,remarks"),
        ("image,image,label\n0.jpg,0.jpg,red\n", "column 'image' is duplicated"),
        ("0.jpg\n1.jpg\n", "row 1: no header"),
        ("0.jpg,red,color,yes,5\n", "row 1: no header"),
        ('image,label\n0.jpg,"red\n', "not CSV"),
        ("image,label\nx.jpg,red\n", "no tag is left; found 1 × no image file of this name. Name"),
        ("image,label,answer\n0.jpg,red,no\n", "no tag is left; found no yes"),
        ("image,label,category\n0.jpg,red,a/b\n", "no tag is left; found 1 × category"),
        ("image,label,category\n0.jpg,red,image\n", "no tag is left; found 1 × category"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    photographs(tmp_path, NAMES)
    with pytest.raises(DataError) as error:
        write_tags(write_table(tmp_path, text), tmp_path / "out")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_folders_and_files_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    photographs(tmp_path / "flat", NAMES)
    photographs(tmp_path / "nothing", ["none/1.jpg"])
    (tmp_path / "boxes.json").write_text('{"images": [], "annotations": [{"bbox": [1, 2, 3, 4]}]}')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\xfd")
    for name, message in {
        "empty": "no photographs",
        "flat": "no tag is left; found 6 × photograph in no folder of a concept",
        "nothing": "no tag is left",
        "missing": "no such file or folder",
        "boxes.json": "annotation without a caption; expected COCO captions. `conceptgraph data",
        "list.json": "not annotations",
        "bytes.csv": "not UTF-",
    }.items():
        with pytest.raises(DataError) as error:
            write_tags(tmp_path / name, tmp_path / "out", words=["red"])
        assert message in str(error.value)
    (tmp_path / "words.txt").write_text("red\n")
    with pytest.raises(DataError, match=r"words\.txt: no synsets; expected lines such as `n0144"):
        read_synsets(tmp_path / "words.txt")
    table = write_table(tmp_path, "image,label\n0.jpg,red\n")
    with pytest.raises(DataError, match="no such folder"):
        write_tags(table, tmp_path / "out", images=tmp_path / "elsewhere")


def test_what_one_set_has_no_other_denies(tmp_path: Path) -> None:
    photographs(tmp_path, NAMES)
    for name, text in {
        "a": "image,label,answer\n0.jpg,red,yes\n1.jpg,red,no\n",
        "b": "image,label,answer\n1.jpg,red,yes\n0.jpg,red,no\n2.jpg,red,no\n",
    }.items():
        write_tags(write_table(tmp_path, text), tmp_path / name)
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    assert content(tmp_path / "both") == {
        "0.jpg": ({"tag/red"}, set()),
        "1.jpg": ({"tag/red"}, set()),
        "2.jpg": (set(), {"tag/red"}),
    }


def test_an_image_with_and_without_a_concept_is_a_defect(tmp_path: Path) -> None:
    photographs(tmp_path, NAMES)
    table = write_table(tmp_path, "image,label,answer\n0.jpg,red,yes\n1.jpg,red,no\n")
    write_tags(table, tmp_path / "out")
    index = tmp_path / "out" / "index.csv"
    index.write_text(index.read_text(encoding="utf-8").replace(",-1", ",1;-1"), encoding="utf-8")
    (defect,) = check(tmp_path / "out").defects
    assert "found number 1, with and without a minus; expected one of both" in defect.what
    with pytest.raises(DataError, match="found number 1, with and without a minus"):
        open_concept_data(tmp_path / "out")
