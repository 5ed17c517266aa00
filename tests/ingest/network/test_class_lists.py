"""Class lists in the shapes in which people have them; nothing else becomes names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from conceptgraph.errors import ModelError
from conceptgraph.ingest.network.class_lists import read_classes

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("tench", "great white shark", "cock")
LISTS = {
    "plain.txt": "tench\ngreat white shark\n\n cock \n",
    "index.txt": "0 tench\n1 great white shark\n2 cock\n",
    "index_from_1.txt": "1: tench\n2: great white shark\n3: cock\n",
    "index_comma.csv": "0,tench\n1,great white shark\n2,cock\n",
    "index_tab.tsv": "0\ttench\n1\tgreat white shark\n2\tcock\n",
    "header.csv": "class_id,name\n0,tench\n1,great white shark\n2,cock\n",
    "out_of_order.csv": "name,index\ncock,2\ntench,0\ngreat white shark,1\n",
    "quoted.csv": '0,"tench"\n1,"great white shark"\n2,"cock"\n',
    "name_comma.txt": "tench,0\ngreat white shark,1\ncock,2\n",
    "name_space.txt": "tench 0\ngreat white shark 1\ncock 2\n",
    "synsets.txt": "n01440764 tench, Tinca tinca\nn01484850 great white shark, man-eater\n"
    "n01514668 cock\n",
    "synsets_index.txt": "n01484850 2 great white shark\nn01440764 1 tench\nn01514668 3 cock\n",
    "python.txt": "{0: 'tench, Tinca tinca',\n 1: \"great white shark, man-eater\",\n 2: 'cock'}\n",
    "assigned.py": "classes = ['tench', 'great white shark', 'cock']\n",
    "tuple.txt": "['tench', 'great white shark', 'cock',]",
    "list.json": json.dumps(NAMES),
    "dict.json": json.dumps(dict(enumerate(NAMES))),
    "reversed.json": json.dumps({name: index for index, name in enumerate(NAMES)}),
    "index.json": json.dumps({k: [f"n0000000{k}", name] for k, name in enumerate(NAMES)}),
    "pairs.json": json.dumps([[f"n0000000{k}", name] for k, name in enumerate(NAMES)]),
    "config.json": json.dumps({"id2label": dict(enumerate(NAMES)), "model_type": "resnet"}),
    "coco.json": json.dumps({"categories": [{"id": k, "name": n} for k, n in enumerate(NAMES)]}),
    "data.yaml": "nc: 3\nnames:\n  0: tench\n  1: great white shark\n  2: cock\n",
    "three.csv": "class_id,synset,name\n0,n01440764,tench\n1,n01484850,great white shark\n"
    "2,n01514668,cock\n",
    "commas.txt": "'tench',\n'great white shark',\n'cock'\n",
    "dashes.txt": "names:\n- tench\n- great white shark\n- cock\n",
    "data.yml": "names: [tench, great white shark, cock]\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_the_usual_shapes(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(LISTS[name], encoding="utf-8-sig" if name.endswith(".txt") else "utf-8")
    assert read_classes(path) == NAMES


PLAIN = [
    ("class 0", "class 1", "class 2"),
    ("0", "1", "2"),
    ("Boeing 737", "Boeing 747", "DC 10"),
    ("3 of clubs", "4 of clubs", "5 of clubs"),
    ("salt, pepper", "oil, vinegar", "bread"),
    ("n01440764", "n01443537"),
    ("index finger", "thumb"),
    ("playing+music", "a/b", "caf\u00e9"),
]


@pytest.mark.parametrize("names", PLAIN)
def test_names_that_look_like_something_else(names: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(names), encoding="utf-8")
    assert read_classes(path) == names


def test_places(tmp_path: Path) -> None:
    path = tmp_path / "categories.txt"
    path.write_text("/a/airfield 0\n/a/apartment_building/outdoor 1\n", encoding="utf-8")
    assert read_classes(path) == ("airfield", "apartment_building/outdoor")


def test_equal_names_get_their_index(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("crane\nmaillot\ncrane\n", encoding="utf-8")
    assert read_classes(path) == ("crane (0)", "maillot", "crane (2)")


REFUSED = {
    "{0: 'tench',\n": "neither JSON nor a Python literal; found {0: 'tench',",
    "[\n 'a' 'b'\n": "neither JSON nor a Python literal",
    "{'a': __import__('os')}": "neither JSON nor a Python literal",
    '{"a": "b"}': "not a class name or a list of them; found {'a': 'b'}",
    "[1, 2]": "class 0: not a class name",
    '["a", ""]': "class 1: not a class name",
    '{"0": "a", "2": "b"}': "indices of classes; found 0, 2, …; expected 0, 1, 2, … without gaps",
    "<!DOCTYPE html><html>": "not class names; found a page of HTML",
    "a\tx\nb\ty\n": "not class names; found 'a\\tx'",
    "item {\n  id: 1\n  name: 'cat'\n}\n": "not class names; found 'item {'",
    "[]": "names no classes",
    "\n \n": "names no classes",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_list_of_names(text: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        read_classes(path)
    assert REFUSED[text] in str(caught.value)
    assert str(caught.value).startswith(str(path))
