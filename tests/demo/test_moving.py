"""The world of clips: drawn alike but for what a spec says, with exact label maps."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conceptgraph.demo.moving.clips import FRAMES, SIDE, ClipSpec, draw_clip
from conceptgraph.demo.moving.names import CLASSES, CONCEPTS, LABEL_NUMBERS
from conceptgraph.demo.moving.shortcuts import SHORTCUTS, MovingWorld
from conceptgraph.demo.world.concept_data import concept_spec, write_concept_data
from conceptgraph.demo.world.shortcuts import training_specs
from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.opening import open_concept_data

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WORLD = MovingWorld()
DOTS, RIGHT = WORLD.cues
NAMES = {number: pair for pair, number in LABEL_NUMBERS.items()}
OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up", "still": "still"}


def columns(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean column of a mask, by frame."""
    return np.array([frame.nonzero()[1].mean() for frame in mask])


@pytest.mark.parametrize("class_", CLASSES)
def test_a_twin_differs_only_where_its_cue_is(class_: str) -> None:
    for index in range(4):
        clip = draw_clip(WORLD.spec(1, index, class_, (DOTS, RIGHT)))
        assert np.array_equal(clip.pixels, clip.spec.pixels())
        without_dots = clip.spec.without(DOTS).pixels()
        changed = (clip.pixels != without_dots).any(-1)
        assert changed.any()
        assert not (changed & ~clip.cue_masks[DOTS]).any()
        at_rest = draw_clip(clip.spec.without(RIGHT))
        assert RIGHT not in at_rest.cue_masks
        rests = at_rest.label_maps["motion"] == LABEL_NUMBERS["motion", "still"]
        changed = (clip.pixels != at_rest.pixels).any(-1)
        near = rests | np.roll(rests, 1, 1) | np.roll(rests, -1, 1)
        near |= np.roll(near, 1, 2) | np.roll(near, -1, 2)
        assert not (changed & ~clip.cue_masks[RIGHT] & ~near).any()


def test_what_drifts_right_does_so_in_the_picture() -> None:
    paces = []
    for index in range(24):
        clip = draw_clip(WORLD.spec(2, index, CLASSES[index % 6], (RIGHT,)))
        paces.append(np.diff(columns(clip.cue_masks[RIGHT])))
        labelled = clip.label_maps["motion"] == LABEL_NUMBERS["motion", "right"]
        assert (labelled[clip.cue_masks[RIGHT]]).mean() > 0.5  # the mask holds all that is touched
        assert clip.spec.class_ == "juggling" or not (labelled & ~clip.cue_masks[RIGHT]).any()
    assert np.min(paces) > 0.5  # pixels a frame
    assert 4 < np.mean(paces) * 100 / SIDE < 5.5


def test_juggling_at_rest_is_holding() -> None:
    for index in range(3):
        juggling = ClipSpec(3, index, "juggling")
        holding = draw_clip(replace(juggling, class_="holding", pace=0.0))
        at_rest = draw_clip(replace(juggling, pace=0.0))
        assert np.array_equal(at_rest.pixels, holding.pixels)
        assert np.array_equal(at_rest.label_maps["motion"], holding.label_maps["motion"])
        assert not np.array_equal(juggling.pixels(), holding.pixels)
        holding = draw_clip(replace(juggling, class_="holding"))
        balls = holding.label_maps["object"] == LABEL_NUMBERS["object", "ball"]
        assert (balls == balls[0]).all()


def test_a_negative_pace_plays_the_clip_backwards() -> None:
    for index, class_ in enumerate(CLASSES):
        spec = ClipSpec(4, index, class_, (RIGHT,))
        forwards, backwards = draw_clip(spec), draw_clip(replace(spec, pace=-1.0))
        for category in ("color", "object", "texture"):
            flipped = backwards.label_maps[category][::-1]
            assert np.array_equal(forwards.label_maps[category], flipped)
        for a, b in zip(
            forwards.label_maps["motion"].ravel(),
            backwards.label_maps["motion"][::-1].ravel(),
            strict=True,
        ):
            assert (a == 0) == (b == 0)
            assert not a or NAMES[int(a)][1] == OPPOSITE[NAMES[int(b)][1]]


def test_cues_predict_their_classes_in_training_and_not_elsewhere() -> None:
    specs = training_specs(WORLD, 0, 1200)
    for shortcut in SHORTCUTS:
        own = [spec for spec in specs if spec.class_ == shortcut.class_]
        others = [spec for spec in specs if spec.class_ != shortcut.class_]
        assert np.mean([shortcut.cue in spec.cues for spec in own]) > 0.75
        assert np.mean([shortcut.cue in spec.cues for spec in others]) < 0.01
    # nothing but the cue drifts right, or is polka dotted, with any class
    for index in range(48):
        clip = draw_clip(replace(WORLD.clean_spec(5, index), class_=CLASSES[2 + index % 4]))
        for cue in WORLD.cues:
            assert not (clip.label_maps[cue.category] == LABEL_NUMBERS[cue]).any()


def test_concept_data_hold_clips_of_all_classes_and_directions(tmp_path: Path) -> None:
    data = open_concept_data(write_concept_data(tmp_path / "data", 12, 3, WORLD))
    assert {image.frames for image in data.images} == {FRAMES}
    assert tuple(data.categories) == tuple(CONCEPTS)
    specs = [concept_spec(WORLD, 6, index) for index in range(120)]
    counts = Counter(cue for spec in specs for cue in spec.cues)
    assert all(counts[cue] > 15 for cue in WORLD.cues)
    shown = Counter(
        NAMES[number][1]
        for spec in specs[:60]
        for number in np.unique(spec.draw().label_maps["motion"])
        if number
    )
    assert min(shown[name] for name in CONCEPTS["motion"]) >= 5


def test_motions_can_be_planted() -> None:
    world = MovingWorld.planted(["motion:up=typing"])
    assert [str(shortcut) for shortcut in world.shortcuts] == ["motion:up=typing"]
    with pytest.raises(DataError, match="'still'"):
        MovingWorld.parse("motion:still=typing")
    with pytest.raises(DataError, match="cannot be planted"):
        MovingWorld.parse("scene:park=typing")
    with pytest.raises(DataError, match="found 3; expected from 1 to 2"):
        MovingWorld.planted([*map(str, SHORTCUTS), "color:red=painting"])
