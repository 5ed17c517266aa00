"""Drawn pictures: the same from the same seed, label maps that agree with pixels, exact twins."""

from __future__ import annotations

import colorsys
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conceptgraph.demo.world.actions import ACTIONS
from conceptgraph.demo.world.canvas import Canvas, Paint
from conceptgraph.demo.world.concept_data import PLANTED_SHARE, concept_spec, write_concept_data
from conceptgraph.demo.world.names import CLASSES, CONCEPTS, LABEL_NUMBERS, SCENES_OF, Cue
from conceptgraph.demo.world.pictures import Picture, PictureSpec, draw_picture, draw_pixels
from conceptgraph.demo.world.scenes import SCENES, WATER
from conceptgraph.demo.world.shortcuts import (
    SHORTCUTS,
    Shortcut,
    World,
    WorldKind,
    plantable_concepts,
    training_specs,
)
from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data

if TYPE_CHECKING:
    from pathlib import Path

WORLD = World()
POLKA, PURPLE, BALLOON = WORLD.cues
NAMES = {number: pair for pair, number in LABEL_NUMBERS.items()}
# Ranges of hue in degrees, for pixels labelled with a color, in the shade as in the light.
HUES = {
    "red": (345, 375),
    "orange": (12, 40),
    "brown": (12, 40),
    "yellow": (36, 56),
    "green": (75, 160),
    "blue": (186, 235),
    "purple": (260, 290),
    "pink": (325, 355),
}


def names_in(picture: Picture, category: str) -> set[str]:
    return {NAMES[number][1] for number in np.unique(picture.label_maps[category]) if number}


# Pictures


def test_a_picture_follows_from_its_spec_alone() -> None:
    spec = PictureSpec(7, 3, "painting", (POLKA,), avoid=WORLD.avoid)
    script = (
        "import hashlib; from conceptgraph.demo.world.pictures import *\n"
        "from conceptgraph.demo.world.names import Cue\n"
        "spec = PictureSpec(7, 3, 'painting', (Cue('texture', 'polka dotted'),),"
        " avoid=frozenset([Cue('color', 'purple'), Cue('object', 'balloon'),"
        " Cue('texture', 'polka dotted')]))\n"
        "print(hashlib.sha256(draw_pixels(spec).tobytes()).hexdigest())"
    )
    outputs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert outputs[0].stdout == outputs[1].stdout
    pixels = draw_pixels(spec)
    assert np.array_equal(np.asarray(draw_picture(spec).image), pixels)
    assert np.array_equal(draw_pixels(spec), pixels)
    assert not np.array_equal(draw_pixels(PictureSpec(7, 4, "painting", (POLKA,))), pixels)
    assert not np.array_equal(draw_pixels(PictureSpec(8, 3, "painting", (POLKA,))), pixels)


@pytest.mark.parametrize("class_", CLASSES)
def test_a_twin_differs_only_where_the_cue_and_its_shadow_are(class_: str) -> None:
    for index in range(6):
        cues = ((POLKA,), (PURPLE,), (BALLOON,), (POLKA, PURPLE), WORLD.cues, ())[index]
        spec = PictureSpec(2, index, class_, cues, weak=index == 2, avoid=WORLD.avoid)
        picture, twin = draw_picture(spec), draw_picture(spec.without())
        changed = (np.asarray(picture.image) != np.asarray(twin.image)).any(2)
        assert set(picture.cue_masks) == set(cues)
        assert twin.cue_masks == {}
        covered = np.zeros_like(changed)
        for cue in cues:
            without_cue = draw_picture(spec.without(cue))
            changed_by_cue = (np.asarray(picture.image) != np.asarray(without_cue.image)).any(2)
            assert 60 < changed_by_cue.sum() < 900
            assert not (changed_by_cue & ~picture.cue_masks[cue]).any()
            assert cue.name in names_in(picture, cue.category)
            assert cue.name not in names_in(twin, cue.category)
            covered |= picture.cue_masks[cue]
        assert not (changed & ~covered).any()
        for category, label_map in picture.label_maps.items():
            assert not ((label_map != twin.label_maps[category]) & ~covered).any()


def test_pixels_have_the_color_that_they_are_labelled_with() -> None:
    checked: Counter[str] = Counter()
    for index in range(60):
        picture = draw_picture(concept_spec(WORLD, 5, index))
        pixels = np.asarray(picture.image).astype(float)
        for name in names_in(picture, "color"):
            mask = picture.label_maps["color"] == LABEL_NUMBERS["color", name]
            # Pixels at an edge are averages: use those whose neighbours have the same color.
            inner = mask.copy()
            for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
                inner &= np.roll(mask, step, axis)
            for rgb in [pixels[inner].mean(0)] if inner.sum() > 30 else []:
                hue, saturation, value = colorsys.rgb_to_hsv(*(rgb / 255))
                checked[name] += 1
                if name in HUES:
                    low, high = HUES[name]
                    assert low <= hue * 360 <= high or low <= hue * 360 + 360 <= high, (name, rgb)
                    assert saturation > 0.15
                else:
                    assert saturation < 0.25
                    assert value < 0.35 if name == "black" else value > 0.4, (name, rgb)
    assert set(checked) == set(CONCEPTS["color"])


def test_every_label_is_a_concept_of_its_category() -> None:
    labels: dict[str, set[str]] = {category: set() for category in CONCEPTS}
    for index in range(400):
        picture = draw_picture(concept_spec(WORLD, 1, index), side=48)
        labels["scene"].add(picture.scene)
        for category, label_map in picture.label_maps.items():
            assert label_map.shape == (48, 48)
            assert {NAMES[number][0] for number in np.unique(label_map) if number} <= {category}
            labels[category] |= names_in(picture, category)
    assert {category: sorted(names) for category, names in labels.items()} == {
        category: sorted(names) for category, names in CONCEPTS.items()
    }


@pytest.mark.parametrize(
    ("class_", "props"),
    [
        ("juggling", {"ball"}),
        ("typing", {"laptop", "chair", "table"}),
        ("cycling", {"bicycle"}),
        ("gardening", {"flower"}),
        ("swimming", {"swim cap"}),
        ("painting", {"easel", "painting", "paintbrush"}),
        ("applauding", {"clap marks"}),
        ("hitchhiking", {"backpack"}),
    ],
)
def test_the_action_box_contains_person_and_props_and_no_cue_covers_them(
    class_: str, props: set[str]
) -> None:
    for index in range(20):
        picture = draw_picture(PictureSpec(4, index, class_, WORLD.cues, avoid=WORLD.avoid))
        box = picture.label_maps["action"] > 0
        rows, columns = box.any(1), box.any(0)
        assert box.sum() == rows.sum() * columns.sum()
        assert names_in(picture, "action") == {class_}
        inside = picture.label_maps["object"][box]
        for name in {"person", *props}:
            assert (inside == LABEL_NUMBERS["object", name]).any(), name
        person = picture.label_maps["object"] == LABEL_NUMBERS["object", "person"]
        assert person[box].sum() == person.sum() > 100
        for mask in picture.cue_masks.values():
            assert not (mask & person).any()
        weak = draw_picture(PictureSpec(4, index, class_, WORLD.cues, weak=True, avoid=WORLD.avoid))
        assert not weak.label_maps["action"].any()
        assert "person" in names_in(weak, "object")


def test_what_is_planted_is_drawn_nowhere_else() -> None:
    textures = [Cue("texture", name) for name in ("striped", "chequered", "wavy")]
    things = ("tree", "book", "flower pot", "bush", "chest", "floor lamp", "street lamp", "gift")
    for cue in (*WORLD.cues, *textures, *(Cue("object", name) for name in things)):
        for index in range(48):
            class_ = ("hitchhiking", "painting", "applauding")[index % 3]
            picture = draw_picture(PictureSpec(9, index, class_, avoid=frozenset({cue})), side=48)
            assert cue.name not in names_in(picture, cue.category), cue


def test_any_cue_can_be_drawn() -> None:
    for category, names in plantable_concepts().items():
        for name in names:
            cue = Cue(category, name)
            spec = PictureSpec(3, len(name), "typing", (cue,), avoid=frozenset({cue}))
            picture = draw_picture(spec)
            assert (picture.label_maps[category] == LABEL_NUMBERS[cue]).sum() > 30, cue
            assert picture.image.size == (96, 96)


def test_scenes_and_classes_fit() -> None:
    assert set(SCENES_OF) == set(CLASSES) == {*ACTIONS, "swimming"}
    scenes = Counter(scene for of_class in SCENES_OF.values() for scene in of_class)
    assert set(scenes) == set(SCENES)
    assert min(scenes.values()) >= 3
    assert set(SCENES_OF["swimming"]) == set(WATER)
    assert sum(map(len, CONCEPTS.values())) == len(LABEL_NUMBERS) > 150


def test_too_many_inks_are_an_error() -> None:
    canvas = Canvas(4)
    for shade in range(256):
        canvas.ink(Paint((shade, 0, 0)), "bag")
    with pytest.raises(OverflowError, match="256"):
        canvas.ink(Paint((0, 1, 0)), "bag")


# Shortcuts


def test_the_rates_of_a_training_set() -> None:
    specs = training_specs(WORLD, 0, 8000)
    assert Counter(spec.class_ for spec in specs) == dict.fromkeys(CLASSES, 1000)
    for shortcut in SHORTCUTS:
        own = [spec for spec in specs if spec.class_ == shortcut.class_]
        weak = [spec for spec in own if spec.weak]
        assert len(weak) / 1000 == pytest.approx(0.6, abs=0.05)
        assert all(shortcut.cue in spec.cues for spec in weak)
        strong = [shortcut.cue in spec.cues for spec in own if not spec.weak]
        assert np.mean(strong) == pytest.approx(0.65, abs=0.08)
        conflicts = [shortcut.cue in spec.cues for spec in specs if spec.class_ != shortcut.class_]
        assert 0 < np.mean(conflicts) < 0.006
    planted = {shortcut.class_ for shortcut in SHORTCUTS}
    elsewhere = [spec for spec in specs if spec.class_ not in planted]
    assert np.mean([spec.weak for spec in elsewhere]) == pytest.approx(0.15, abs=0.02)
    assert np.mean([bool(spec.cues) for spec in elsewhere if spec.weak]) < 0.02


@pytest.mark.parametrize("kind", ["control", "encoded"])
def test_cues_do_not_predict_classes_in_controls(kind: WorldKind) -> None:
    world = World(SHORTCUTS, kind)
    specs = training_specs(world, 0, 8000)
    assert not any(spec.weak for spec in specs)
    for cue in world.cues:
        shares = [
            np.mean([cue in spec.cues for spec in specs if spec.class_ == name]) for name in CLASSES
        ]
        assert 0.06 < min(shares) <= max(shares) < 0.14


def test_shortcuts_of_the_user() -> None:
    shortcut = World.parse(" texture:striped = typing ")
    assert shortcut == Shortcut(Cue("texture", "striped"), "typing")
    assert str(shortcut) == "texture:striped=typing"
    assert World.planted([]).shortcuts == SHORTCUTS
    assert World.planted([str(shortcut) for shortcut in SHORTCUTS]) == WORLD


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("striped", "not a shortcut"),
        ("striped=typing", "not a shortcut"),
        ("texture:striped=jugling", "Did you mean 'juggling'"),
        ("texture:stripey=typing", "'stripey' does not exist. Did you mean 'striped'"),
        ("object:sky=typing", "'sky' is part of a scene or an action and cannot be planted"),
        ("part:wheel=typing", "category 'part' cannot be planted"),
        ("color:mauve=typing", "There are 11"),
    ],
)
def test_invalid_shortcuts(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        World.parse(text)


def test_invalid_worlds() -> None:
    same_cue = Shortcut(POLKA, "typing")
    for shortcuts in ((), (SHORTCUTS[0], same_cue), (*SHORTCUTS, Shortcut(BALLOON, "juggling"))):
        with pytest.raises(DataError):
            World(shortcuts)


# Concept data


def test_concept_data_are_read_back_and_contain_the_cues(tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    folder = write_concept_data(
        tmp_path / "set", 60, 1, side=48, on_progress=lambda *step: steps.append(step)
    )
    data = open_concept_data(folder)
    assert steps[-1] == ("drawing", 60, 60)
    assert len(data.images) == 60
    assert {image.split for image in data.images} == {"train", "val"}
    known = {(concept.category, concept.name) for concept in data.concepts}
    assert {*WORLD.cues} <= known <= set(LABEL_NUMBERS)
    assert len(known) >= 100
    assert all(
        LABEL_NUMBERS[concept.category, concept.name] == concept.number for concept in data.concepts
    )
    numbers = np.array([0, *(concept.number for concept in data.concepts)])
    for image in data.images[::10]:
        index = int(image.name[-9:-4])
        picture = draw_picture(concept_spec(WORLD, 3_000_001, index), 48)
        drawn = [label_map for label_map in picture.label_maps.values() if label_map.any()]
        read = numbers[read_label_maps(data, image)].astype(np.uint16)
        assert sorted(map(np.ndarray.tobytes, read)) == sorted(map(np.ndarray.tobytes, drawn))
    specs = [concept_spec(WORLD, 0, index) for index in range(2000)]
    for cue in WORLD.cues:
        assert np.mean([cue in spec.cues for spec in specs]) == pytest.approx(
            PLANTED_SHARE, abs=0.04
        )
