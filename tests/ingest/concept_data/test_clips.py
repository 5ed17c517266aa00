"""Clips: images whose frames lie one below the other, read, checked, written and merged."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.checking.check import check
from conceptgraph.ingest.concept_data.images import open_image
from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.concept_data.writing.writer import BrodenWriter
from conceptgraph.ingest.sources.merge import merge
from conceptgraph.ingest.sources.source import ConceptSource, SourceImage, write_source
from tests.command_line import call
from tests.drawn_data import write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FRAMES, SIDE, MASK = 4, 16, 8


def strip(seed: int) -> Image.Image:
    """Four frames of noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (FRAMES * SIDE, SIDE, 3), np.uint8)
    return Image.fromarray(noise)


def label_map(number: int, *frames: int, side: int = MASK) -> NDArray[np.uint16]:
    """The left half of some frames."""
    labels = np.zeros((FRAMES, side, side), np.uint16)
    labels[list(frames), :, : side // 2] = number
    return labels.reshape(-1, side)


def write_clips(folder: Path, annotated: Sequence[int] | None = None, *, side: int = MASK) -> Path:
    """A clip with a bag in its annotated frames that is "walking", and a still with a bag."""
    concepts = {"object": ["bag"], "action": ["walking"]}
    with BrodenWriter(folder, concepts) as writer:
        shown = range(FRAMES) if annotated is None else annotated
        labels = {"object": [label_map(1, *shown, side=side)]}
        of_all = {"action": ["walking"]}
        writer.add(
            *("clip.png", strip(0), labels, of_all), frames=FRAMES, annotated_frames=annotated
        )
        writer.add("still.png", strip(1).crop((0, 0, SIDE, SIDE)), {"object": [labels_of_still()]})
    return folder


def labels_of_still() -> NDArray[np.uint16]:
    return label_map(1, 0)[:MASK]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rewrite(folder: Path, **cells: str) -> Path:
    """Write the clip's row of index.csv again, with other cells."""
    changed = [row | cells if row["image"] == "clip.png" else row for row in rows(folder)]
    write_csv(folder / "index.csv", tuple(changed[0]), [tuple(row.values()) for row in changed])
    return folder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    data = open_concept_data(write_clips(tmp_path / "set", [1, 3]))
    clip, still = data.images
    assert (clip.frames, clip.annotated, clip.height, clip.mask_height) == (4, (1, 3), 64, 32)
    assert (still.frames, still.annotated, still.height, still.mask_height) == (1, (0,), 16, 8)
    by_frame = read_label_maps(data, clip).reshape(FRAMES, MASK, MASK)
    assert [int((frame > 0).sum()) for frame in by_frame] == [0, 32, 0, 32]
    by_image = {row["image"]: row for row in rows(tmp_path / "set")}
    assert tuple(by_image["clip.png"])[4:8] == ("sh", "sw", "frames", "annotated")
    assert by_image["clip.png"]["annotated"] == "1;3"
    assert (by_image["still.png"]["frames"], by_image["still.png"]["annotated"]) == ("", "")
    with (tmp_path / "set/c_object.csv").open(encoding="utf-8") as file:
        (bag,) = csv.DictReader(file)
    assert float(bag["coverage"]) == pytest.approx(1)  # half of each annotated frame, twice


@pytest.mark.parametrize(
    ("cells", "error"),
    [
        ({"frames": "0"}, "frames; found '0'; expected a whole number from 1"),
        ({"frames": "some"}, "frames; found 'some'"),
        ({"frames": "-4"}, "frames; found '-4'"),
        ({"frames": "5"}, "ih; found 64; expected a multiple of 5, as frames says"),
        ({"frames": "64"}, "sh; found 32; expected a multiple of 64"),
        ({"annotated": "4"}, "annotated; found '4'; expected frames from 0 to 3"),
        ({"annotated": "3;1"}, "annotated; found '3;1'"),
        ({"annotated": "1;1"}, "annotated; found '1;1'"),
        ({"annotated": "1;-2"}, "annotated; found '1;-2'"),
        ({"annotated": "first"}, "annotated; found 'first'"),
        ({"frames": "", "annotated": "1"}, "annotated; found '1'; expected frames from 0 to 0"),
    ],
)
def test_frames_that_do_not_fit_are_one_line(
    tmp_path: Path, cells: dict[str, str], error: str
) -> None:
    folder = rewrite(write_clips(tmp_path / "set"), **cells)
    row = 2 + [row["image"] for row in rows(folder)].index("clip.png")
    with pytest.raises(DataError, match=f"row {row}: {error}"):
        open_concept_data(folder)
    assert (row, True) in [
        (defect.row, defect.what.startswith(error[:20])) for defect in check(folder).defects
    ]


def test_as_pandas_writes_them(tmp_path: Path) -> None:
    folder = rewrite(write_clips(tmp_path / "set", [3]), frames="4.0", annotated="3.0")
    assert open_concept_data(folder).images[0].annotated == (3,)


def test_the_digest_takes_in_frames_and_that_of_stills_is_as_before(tmp_path: Path) -> None:
    folder = write_clips(tmp_path / "set")

    def digest(**cells: str) -> str:
        return open_concept_data(rewrite(folder, **cells)).digest

    of_clip, of_some, stills = digest(), digest(annotated="0;1"), digest(frames="", annotated="")
    assert len({of_clip, of_some, stills, digest(frames="2")}) == 4
    assert digest(frames="1", annotated="0") == stills
    columns = tuple(name for name in rows(folder)[0] if name not in {"frames", "annotated"})
    cells = [[row[name] for name in columns] for row in rows(folder)]
    write_csv(folder / "index.csv", columns, cells)
    assert open_concept_data(folder).digest == stills


def test_a_set_of_stills_has_no_such_columns(tmp_path: Path) -> None:
    with BrodenWriter(tmp_path / "set", {"object": ["bag"]}) as writer:
        writer.add("still.png", strip(0).crop((0, 0, 8, 8)), {}, {"object": ["bag"]})
    assert set(rows(tmp_path / "set")[0]) == {"image", "split", "ih", "iw", "sh", "sw", "object"}
    (tmp_path / "set/category.csv").write_text("name\nframes\n", encoding="utf-8")
    with pytest.raises(DataError, match="no column of index"):
        open_concept_data(tmp_path / "set")


def test_the_writer_refuses_frames_that_do_not_fit(tmp_path: Path) -> None:
    with BrodenWriter(tmp_path / "set", {"object": ["bag"]}) as writer:
        for frames, shown in ((3, None), (0, None), (4, []), (4, [4]), (4, [2, 1]), (4, [0, 0])):
            with pytest.raises(DataError, match=r"a\.png: (annotated )?frames"):
                writer.add("a.png", strip(0), {}, frames=frames, annotated_frames=shown)
        writer.add("a.png", strip(0), {}, {"object": ["bag"]}, frames=4)


def test_check_counts_annotated_frames(tmp_path: Path) -> None:
    folder = write_clips(tmp_path / "set", [1, 3])
    report = check(folder)
    assert report.defects == ()
    assert (report.frames, report.annotated_frames) == ({1: 1, 4: 1}, 2)
    assert report.mask_sizes == {"8×8": 2}
    bag, walking = report.concepts
    assert (bag.images, bag.pixels, walking.images, walking.pixels) == (2, 3 * 32, 1, 2 * 64)
    assert [category.area for category in report.categories] == [3 * 64, 2 * 64]
    done = call("data", "check", str(folder), folder=tmp_path)
    assert done.status == 0
    words = " ".join(done.out.split())
    assert "Clips: 1 of 4 frames; 1 still. 2 of 4 frames of clips are annotated" in words


def test_check_names_labels_in_frames_that_are_not_annotated(tmp_path: Path) -> None:
    folder = rewrite(write_clips(tmp_path / "set"), annotated="0;2;3")
    (defect,) = check(folder).defects
    assert defect.file == "images/clip_object.png"
    assert defect.what == (
        "labels in a frame that is not annotated; found frame 1; expected a frame of '0;2;3'"
    )


def test_merged_with_stills_and_other_frames(tmp_path: Path) -> None:
    """Frames that both sets annotate; masks as fine as the finer ones; a merge of merges alike."""
    sets = [
        write_clips(tmp_path / "a", [0, 1, 3]),
        write_clips(tmp_path / "b", [1, 2, 3], side=2 * MASK),
        write_clips(tmp_path / "c"),
    ]
    report = merge(sets, tmp_path / "abc")
    assert (report.images, report.fewer_frames, report.finer_masks) == (2, 1, 1)
    data = open_concept_data(tmp_path / "abc")
    clip = data.images[0]
    assert (clip.frames, clip.annotated, clip.mask_height) == (4, (1, 3), 64)
    by_frame = read_label_maps(data, clip).reshape(FRAMES, -1)
    assert [int((frame > 0).sum()) for frame in by_frame] == [0, 128, 0, 128]
    assert check(tmp_path / "abc").defects == ()
    merge(sets[:2], tmp_path / "ab")
    merge([tmp_path / "ab", sets[2]], tmp_path / "ab_c")
    assert open_concept_data(tmp_path / "ab_c").digest == data.digest
    merge(sets, tmp_path / "small", mask_size=8)
    small = open_concept_data(tmp_path / "small")
    assert [image.mask_height for image in small.images] == [32, 8]
    assert int((read_label_maps(small, small.images[0]) > 0).sum()) == 2 * 32


@pytest.mark.parametrize(
    ("annotated", "cells", "error"),
    [
        ([0], {"annotated": "1"}, "annotated frames of one image, 'clip.png'"),
        (None, {"frames": "2"}, "frames of one image, 'clip.png'"),
    ],
)
def test_sets_that_do_not_agree_on_frames(
    tmp_path: Path, annotated: list[int] | None, cells: dict[str, str], error: str
) -> None:
    first = write_clips(tmp_path / "a", annotated)
    second = rewrite(write_clips(tmp_path / "b", annotated), **cells)
    with pytest.raises(DataError, match=error):
        merge([first, second], tmp_path / "ab")


class OneStrip(ConceptSource[int]):
    def concepts(self) -> dict[str, list[str]]:
        return {"object": ["bag"]}

    def __len__(self) -> int:
        return 1

    def images(self) -> Iterator[SourceImage]:
        colors = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
        frames = np.broadcast_to(colors[:, None, None], (FRAMES, SIDE, 2 * SIDE, 3))
        image = Image.fromarray(frames.reshape(-1, 2 * SIDE, 3))
        yield SourceImage("a.png", image, image_labels={"object": ["bag"]}, frames=FRAMES)

    def report(self, folder: Path, images: int) -> int:
        return images


def test_frames_are_resized_one_by_one(tmp_path: Path) -> None:
    write_source(OneStrip(), tmp_path / "set", image_size=24)
    pixels = np.asarray(open_image(tmp_path / "set/images/a.png")).reshape(FRAMES, -1, 3)
    assert pixels.shape == (FRAMES, 24 * 24, 3)
    assert [len(np.unique(frame, axis=0)) for frame in pixels] == [1] * FRAMES
