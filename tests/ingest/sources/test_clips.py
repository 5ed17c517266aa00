"""From annotated videos to clips: strips and masks against what was drawn, frame by frame."""

from __future__ import annotations

import csv
import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.checking.check import check
from conceptgraph.ingest.concept_data.images import open_image
from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.sources.annotations.build import BuildSettings, build
from conceptgraph.ingest.sources.annotations.clips import ClipSettings
from conceptgraph.ingest.sources.annotations.motion import name_motions
from tests.annotation_files import write_json, write_masks
from tests.command_line import call
from tests.drawn_data import write_csv
from tests.video_files import (
    HEIGHT,
    WIDTH,
    columns_of,
    frames_of,
    moving_right,
    square_at,
    turn,
    write_video,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from conceptgraph.ingest.concept_data.concepts import ConceptImage
    from conceptgraph.ingest.sources.annotations.report import BuildReport
    from tests.drawn_data import Bools

Place = tuple[float, float]
SIDE = 24
COLUMNS = ("video", "frame", "label", "x", "y", "width", "height")


def box(place: Place) -> tuple[int, int, int, int]:
    """Return left, top, width and height of the square."""
    y, x = square_at(*place).nonzero()
    return int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1


def write_boxes(path: Path, rows: Iterable[Sequence[object]], *more: str) -> Path:
    write_csv(path, (*COLUMNS, *more), list(rows))
    return path


def boxes_of(
    video: str, places: Sequence[Place], frames: Iterable[int], label: str = "ball", first: int = 0
) -> list[tuple[object, ...]]:
    return [(video, frame + first, label, *box(places[frame])) for frame in frames]


def make(
    annotations: Path, out: Path, frames: int = 8, *, videos: str = "clips", **settings: Any
) -> BuildReport:
    """Build clips from the videos beside the annotations."""
    names = {"first_frame", "motion"} & settings.keys()
    clips = ClipSettings(frames, **{name: settings.pop(name) for name in names})
    every = {"category": "object", "mask_size": SIDE, **settings}
    return build(annotations, out.parent / videos, out, BuildSettings(clips=clips, **every))


def by_name(folder: Path) -> dict[str, ConceptImage]:
    return {image.name: image for image in open_concept_data(folder).images}


def masks(folder: Path, image: str, concept: str) -> Bools:
    """Return a concept's masks, (frames, side, side)."""
    data = open_concept_data(folder)
    (column,) = [k for k, one in enumerate(data.concepts, 1) if one.name == concept]
    clip = by_name(folder)[image]
    label_maps = read_label_maps(data, clip)
    side = clip.mask_width
    strip: Bools = (label_maps == column).any(0).reshape(clip.frames, -1, side)
    return strip


def strip(folder: Path, image: str) -> Any:
    clip = by_name(folder)[image]
    return np.asarray(open_image(clip.path)).reshape(clip.frames, -1, clip.width, 3)


def small(place: Place, side: int = SIDE) -> Bools:
    """Return where half of the area is the square's, by cutting every pixel into many."""
    fine = np.kron(square_at(*place), np.ones((side, side), np.bool_))
    result: Bools = fine.reshape(side, HEIGHT, side, WIDTH).mean((1, 3)) >= 0.5
    return result


def test_boxes_of_video_files(tmp_path: Path) -> None:
    places, others = moving_right(40), moving_right(20)[::-1]
    write_video(tmp_path / "clips/sub/one.mp4", places)
    write_video(tmp_path / "clips/two.avi", others)
    rows = [*boxes_of("one", places, range(40)), *boxes_of("two.avi", others, range(0, 20, 5))]
    rows += boxes_of("two.avi", [(0, 0)] * 20, range(0, 20, 5), "corner")
    report = make(write_boxes(tmp_path / "boxes.csv", rows), tmp_path / "set")
    assert (report.images, report.frames, report.dropped, report.empty_images) == (2, 8, {}, 0)
    assert check(tmp_path / "set").defects == ()
    clips = by_name(tmp_path / "set")
    one, two = clips["sub/one.jpg"], clips["two.jpg"]
    assert (one.frames, one.annotated) == (8, tuple(range(8)))
    expected = [small(places[position]) for position in range(2, 40, 5)]
    assert np.array_equal(masks(tmp_path / "set", "sub/one.jpg", "ball"), expected)
    columns = [box(places[position])[0] for position in range(2, 40, 5)]
    assert (
        np.abs(np.subtract(columns_of(strip(tmp_path / "set", "sub/one.jpg")), columns)).max() < 2
    )
    # every fifth of 20 frames, of which eight are 2.5 apart: every other one can be met
    assert two.annotated == (0, 2, 4, 6)
    of_two = masks(tmp_path / "set", "two.jpg", "ball")
    assert np.array_equal(of_two[::2], [small(others[position]) for position in range(0, 20, 5)])
    assert not of_two[1::2].any()
    assert np.array_equal(masks(tmp_path / "set", "two.jpg", "corner")[::2], [small((0, 0))] * 4)
    assert report.notes == ("32 regions are in frames between the 8 of a clip, and are not used.",)


def test_frames_named_without_a_box_are_annotated(tmp_path: Path) -> None:
    places = moving_right(8)
    write_video(tmp_path / "clips/a.mp4", places)
    rows = [*boxes_of("a", places, [0, 5]), ("a", 3, "", "", "", "", "")]
    make(write_boxes(tmp_path / "boxes.csv", rows), tmp_path / "set")
    assert by_name(tmp_path / "set")["a.jpg"].annotated == (0, 3, 5)
    filled = masks(tmp_path / "set", "a.jpg", "ball").any((1, 2))
    assert filled.nonzero()[0].tolist() == [0, 5]


def test_frames_that_count_from_one(tmp_path: Path) -> None:
    places = moving_right(8)
    write_video(tmp_path / "clips/a.mp4", places)
    path = write_boxes(tmp_path / "boxes.csv", boxes_of("a", places, range(8), first=1))
    make(path, tmp_path / "set", first_frame=1)
    assert np.array_equal(masks(tmp_path / "set", "a.jpg", "ball"), [*map(small, places)])
    report = make(path, tmp_path / "other")  # from 0: there is no frame 8
    assert report.dropped == {"no frame of this number": 1}
    with (tmp_path / "other/dropped.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["image"], row["detail"]) == ("a/8", "the video has 8 frames")


def write_frames(folder: Path, places: Sequence[Place], first: int = 0, every: int = 1) -> Path:
    folder.mkdir(parents=True)
    for number, pixels in enumerate(frames_of(places)):
        Image.fromarray(pixels).save(folder / f"{first + every * number:05d}.jpg", quality=95)
    return folder


def test_davis(tmp_path: Path) -> None:
    """A palette mask for each frame; the same value is another thing in another video."""
    places = moving_right(10)
    write_frames(tmp_path / "clips/bear", places)
    write_frames(tmp_path / "clips/boat", places[::-1])
    values = {
        f"{video}/{frame:05d}.png": square_at(*place).astype(np.uint8)
        for video, along in (("bear", places), ("boat", places[::-1]))
        for frame, place in enumerate(along)
    }
    folder = write_masks(tmp_path / "masks", values)
    rows = [(1, "bear", "bear"), (1, "boat", "boat"), (255, "", "")]
    write_csv(folder / "labels.csv", ("value", "name", "video"), rows)
    report = make(folder, tmp_path / "set", 5, motion=True)
    assert [(one.category, one.concept, one.images) for one in report.concepts] == [
        ("object", "bear", 5),
        ("object", "boat", 5),
    ]
    expected = [small(places[position]) for position in range(1, 10, 2)]
    assert np.array_equal(masks(tmp_path / "set", "bear.jpg", "bear"), expected)
    assert np.array_equal(masks(tmp_path / "set", "bear.jpg", "right"), expected)
    assert np.array_equal(
        masks(tmp_path / "set", "boat.jpg", "left"), masks(tmp_path / "set", "boat.jpg", "boat")
    )


def test_youtube_vos(tmp_path: Path) -> None:
    """Every fifth frame is there; a thing is named by its number in the masks of its video."""
    places = moving_right(8)
    folder = tmp_path / "vos"
    write_frames(folder / "JPEGImages/a1", places, every=5)
    (folder / "Annotations/a1").mkdir(parents=True)
    names = [f"{5 * number:05d}" for number in range(8)]
    for name, place in zip(names, places, strict=True):
        values = Image.fromarray(square_at(*place).astype(np.uint8) * 3)
        values.save(folder / "Annotations/a1" / f"{name}.png")
    objects = {
        "3": {"category": "ape", "frames": names[:6]},
        "x": {"category": "dog", "frames": names},
        "4": {"category": "cat", "frames": ["00036", "last"]},
    }
    videos = {"a1": {"objects": objects}, "../a1": {"objects": objects}, "b": None}
    write_json(folder / "meta.json", {"videos": videos})
    report = build(
        folder,
        folder / "JPEGImages",
        tmp_path / "set",
        BuildSettings("object", mask_size=SIDE, clips=ClipSettings(8)),
    )
    assert sum(report.dropped.values()) == 5
    assert report.dropped.keys() == {"object", "mask", "frame", "video", "not a record"}
    assert by_name(tmp_path / "set")["a1.jpg"].annotated == tuple(range(6))
    expected = [*map(small, places[:6]), *[np.zeros((SIDE, SIDE), np.bool_)] * 2]
    assert np.array_equal(masks(tmp_path / "set", "a1.jpg", "ape"), expected)
    with pytest.raises(DataError, match=r"annotations of videos.*--videos"):
        build(folder, folder / "JPEGImages", tmp_path / "other", BuildSettings("object"))


def test_tracks_of_cvat(tmp_path: Path) -> None:
    """What is outside is not there, and the frame is annotated all the same."""
    places = moving_right(10)
    write_video(tmp_path / "clips/day 1/a.mp4", places)
    boxes = ""
    for frame, place in enumerate(places):
        x, y, width, height = box(place)
        corners = f'xtl="{x}" ytl="{y}" xbr="{x + width}" ybr="{y + height}"'
        boxes += f'<box frame="{frame}" outside="{int(frame > 6)}" {corners}/>'
    task = f"<start_frame>0</start_frame><stop_frame>{len(places) - 1}</stop_frame>"
    size = f"<original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>"
    meta = f"<meta><task><name>x</name>{task}{size}</task><source>a.mp4</source></meta>"
    track = f'<track id="0" label="ball">{boxes}</track>'
    path = tmp_path / "annotations.xml"
    path.write_text(f"<annotations>{meta}{track}</annotations>", encoding="utf-8")
    report = make(path, tmp_path / "set", 10, motion=True)
    assert report.dropped == {}
    clip = by_name(tmp_path / "set")["day 1/a.jpg"]
    assert clip.annotated == tuple(range(10))
    expected = [*map(small, places[:7]), *[np.zeros((SIDE, SIDE), np.bool_)] * 3]
    assert np.array_equal(masks(tmp_path / "set", "day 1/a.jpg", "ball"), expected)
    assert np.array_equal(masks(tmp_path / "set", "day 1/a.jpg", "right"), expected)
    path.write_text(f"<annotations><meta/>{track}</annotations>", encoding="utf-8")
    with pytest.raises(DataError, match="annotations of images, not of frames"):
        make(path, tmp_path / "other", 10)


def test_any_format_names_frames_of_a_folder(tmp_path: Path) -> None:
    places = moving_right(4)
    write_frames(tmp_path / "clips/a", places, first=7)
    images = [{"id": k, "file_name": f"a/{7 + k:05d}.jpg"} for k in range(4)]
    regions = [{"id": k, "image_id": k, "category_id": 1, "bbox": box(places[k])} for k in range(4)]
    content = {
        "images": images,
        "categories": [{"id": 1, "name": "ball", "supercategory": "object"}],
        "annotations": regions,
    }
    make(write_json(tmp_path / "coco.json", content), tmp_path / "set", 4, category=None)
    assert np.array_equal(masks(tmp_path / "set", "a.jpg", "ball"), [*map(small, places)])


def test_a_telephone_held_upright(tmp_path: Path) -> None:
    """Boxes are on the video as it is seen."""
    plain = write_video(tmp_path / "plain.mp4", [(0, 0)] * 4)
    (tmp_path / "clips").mkdir()
    turn(plain, 90, tmp_path / "clips/a.mp4")
    rows = [("a", frame, "ball", HEIGHT - 12, 0, 12, 12) for frame in range(4)]
    make(write_boxes(tmp_path / "boxes.csv", rows), tmp_path / "set", 4, mask_size=WIDTH)
    pixels = strip(tmp_path / "set", "a.jpg")
    assert pixels.shape == (4, WIDTH, HEIGHT, 3)
    mask = masks(tmp_path / "set", "a.jpg", "ball")[0]
    assert mask[:12, HEIGHT * 4 // 3 - 16 :].all()
    assert mask.sum() == 12 * 16
    assert pixels[0, 1:11, HEIGHT - 11 : -1].min() > 200


def test_sizes_of_frames(tmp_path: Path) -> None:
    write_frames(tmp_path / "clips/a", [(0, 0)] * 3)
    for path in (tmp_path / "clips/a").iterdir():
        Image.open(path).resize((1024, 512)).save(path)
    rows = [("a", frame, "ball", 0, 0, 512, 256) for frame in range(3)]
    path = write_boxes(tmp_path / "boxes.csv", rows)
    make(path, tmp_path / "set", 3)
    assert strip(tmp_path / "set", "a.jpg").shape == (3, 256, 512, 3)
    make(path, tmp_path / "square", 3, size=112)
    assert strip(tmp_path / "square", "a.jpg").shape == (3, 112, 112, 3)


def test_what_cannot_be_used_is_dropped_with_its_reason(tmp_path: Path) -> None:
    places = [(0.0, 0.0)] * 4
    write_video(tmp_path / "clips/a.mp4", places)
    (tmp_path / "clips/b.mp4").write_bytes(b"nothing")
    folder = write_frames(tmp_path / "clips/c", places)
    (folder / "00002.jpg").write_bytes(b"nothing")
    write_frames(tmp_path / "clips/a", places)  # beside a.mp4
    rows: list[list[tuple[object, ...]]] = [
        *(boxes_of(name, places, range(4)) for name in ("a.mp4", "a", "b", "c", "missing")),
        [("a.mp4", "one", "ball", 0, 0, 9, 9), ("a.mp4", 9, "ball", 0, 0, 9, 9)],
    ]
    path = write_boxes(tmp_path / "boxes.csv", [row for of in rows for row in of])
    report = make(path, tmp_path / "set", 4)
    assert report.dropped == {
        "video that cannot be read": 4,
        "frame that cannot be used": 1,
        "video that cannot be decoded": 3,
        "no video of this name": 4,
        "frame": 1,
        "no frame of this number": 1,
    }
    assert sorted(by_name(tmp_path / "set")) == ["a.jpg", "a.mp4.jpg"]
    assert make(path, tmp_path / "all", 4, empty_images=True).images == 2


def test_one_frame_is_repeated(tmp_path: Path) -> None:
    write_video(tmp_path / "clips/a.mp4", [(0.5, 0.5)])
    path = write_boxes(tmp_path / "boxes.csv", boxes_of("a", [(0.5, 0.5)], [0]))
    report = make(path, tmp_path / "set", 4, motion=True)
    assert "1 videos have fewer frames than a clip" in report.notes[0]
    assert np.array_equal(masks(tmp_path / "set", "a.jpg", "ball"), [small((0.5, 0.5))] * 4)
    names = [concept.name for concept in open_concept_data(tmp_path / "set").concepts]
    assert names == ["ball"]  # nobody can tell how it moves


@pytest.mark.parametrize(
    ("step", "names"),
    [
        ((0.5, 0.1), ["right"]),
        ((-0.5, 0.3), ["left"]),
        ((0.1, 0.5), ["down"]),
        ((0.0, -0.2), ["up"]),
        ((0.02, -0.02), ["still"]),
    ],
)
def test_names_of_motions(step: Place, names: list[str]) -> None:
    """Those of noisy places of a thing that moves so far in the time of the clip."""
    times = np.linspace(0.02, 0.98, 16)
    noise = np.random.default_rng(0).normal(0, 0.005, (16, 2))
    assert name_motions(times, times[:, None] * step + noise) == names * 16
    few = [0, 3, 4, 11]
    assert name_motions(times[few], times[few, None] * step) == names * 4
    assert name_motions(times[:1], np.zeros((1, 2))) == []


def test_a_thing_that_turns_around() -> None:
    times = np.linspace(0, 1, 17)
    places = np.stack([np.abs(times - 0.5), np.zeros(17)], 1)
    names = name_motions(times, places)
    assert names[:7] == ["left"] * 7
    assert names[8] == "still"
    assert names[10:] == ["right"] * 7


def test_tracks_tell_things_apart(tmp_path: Path) -> None:
    """Two balls that pass each other: without tracks, nothing is said of their motion."""
    there = [(place, 0.0) for place in np.linspace(0, 1, 8).tolist()]
    back = [(1 - x, 1.0) for x, _ in there]
    write_video(tmp_path / "clips/a.mp4", there)
    both = [*boxes_of("a", there, range(8)), *boxes_of("a", back, range(8))]
    tracked = [(*row, "one" if place < 8 else "two") for place, row in enumerate(both)]
    path = write_boxes(tmp_path / "tracked.csv", tracked, "track_id")
    report = make(path, tmp_path / "set", motion=True)
    assert report.notes == (
        "Motion is that of masks in the picture: the camera's own is not removed.",
    )
    assert np.array_equal(masks(tmp_path / "set", "a.jpg", "right"), [*map(small, there)])
    assert np.array_equal(masks(tmp_path / "set", "a.jpg", "left"), [*map(small, back)])
    made = {one.uid: one.source for one in open_concept_data(tmp_path / "set").concepts}
    assert made == {
        "motion/left": "movement of masks",
        "motion/right": "movement of masks",
        "object/ball": "",
    }
    for name, rows, more in (
        ("untracked", both, ()),
        ("workers", [(*row, row[1]) for row in both[:8]], ("worker",)),
    ):
        report = make(write_boxes(tmp_path / "b.csv", rows, *more), tmp_path / name, motion=True)
        assert report.notes[1].startswith("1 clips have no labels of motion")
        assert {one.category for one in open_concept_data(tmp_path / name).concepts} == {"object"}


def test_the_command(tmp_path: Path) -> None:
    write_video(tmp_path / "clips/a.mp4", moving_right(20))
    write_boxes(tmp_path / "boxes.csv", boxes_of("a", moving_right(20), range(20)))
    words = ("data", "build", "boxes.csv", "--videos", "clips", "--category", "object")
    done = call(*words, "--motion", "--out", "set", folder=tmp_path)
    assert (done.status, done.err) == (0, "")
    assert "set: 1 clip of 16 frames, 1 concept" in done.out
    assert call("data", "check", "set", folder=tmp_path).status == 0
    done = call(*words, "--frames", "4", "--json", "--out", "four", folder=tmp_path)
    assert json.loads(done.out)["frames"] == 4
    assert by_name(tmp_path / "four")["a.jpg"].frames == 4


@pytest.mark.parametrize(
    ("words", "status", "error"),
    [
        (("boxes.csv", "--videos", "clips", "--images", "clips"), 2, "either --images or --videos"),
        (("boxes.csv", "--motion"), 2, "things move in --videos"),
        (("boxes.csv", "--videos", "clips", "--frames", "0"), 1, "frames out of range; found 0"),
        (("boxes.csv", "--videos", "clips", "--frames", "999"), 1, "expected from 1 to 256"),
        (("boxes.csv", "--images", "clips"), 1, "boxes in frames of videos. Name the folder of"),
        (("clips/frames", "--videos", "clips"), 1, "clips/frames: PNG files without labels.csv."),
        (("boxes.csv", "--videos", "none"), 1, "none: no such folder"),
        (("boxes.csv", "--videos", "empty"), 1, "empty: no video 'a'"),
        (("pictures.csv", "--videos", "clips"), 1, "clips: annotations of images, not of frames"),
        (("boxes.pkl", "--videos", "clips"), 1, "boxes.pkl: a pickle, which can run any code, is"),
        (("puppets", "--videos", "clips"), 1, "puppets: a MATLAB file is not read. Convert it"),
    ],
)
def test_one_line_says_what_is_wrong(
    tmp_path: Path, words: tuple[str, ...], status: int, error: str
) -> None:
    (tmp_path / "empty").mkdir()
    write_video(tmp_path / "clips/a.mp4", [(0, 0)])
    write_boxes(tmp_path / "boxes.csv", boxes_of("a", [(0, 0)], [0]))
    (tmp_path / "pictures.csv").write_text("image,label,x,y,width,height\na.jpg,b,1,1,9,9\n")
    (tmp_path / "boxes.pkl").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "clips/frames").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "clips/frames/00000.png")
    (tmp_path / "puppets").mkdir()
    (tmp_path / "puppets/puppet_mask.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    done = call("data", "build", *words, "--category", "object", "--out", "set", folder=tmp_path)
    assert done.status == status
    assert error in " ".join(done.err.split())
    assert not (tmp_path / "set").exists()
    if status == 1:
        assert done.err.count("\n") == 1
