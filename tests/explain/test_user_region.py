"""The part of an image that a user asks about, as the network sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from conceptgraph.errors import ConceptGraphError
from conceptgraph.explain.user_region import chosen_region
from tests.made_runs import small_run

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.graph.run.reader import Run

WIDTH, HEIGHT = 80, 40


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return small_run(tmp_path / "a.cg")  # its network sees 224 × 224 pixels, the image resized


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "x.jpg"
    Image.new("RGB", (WIDTH, HEIGHT)).save(path)
    return path


def test_nothing_is_asked_about(run: Run, image: Path) -> None:
    assert chosen_region(run, image) is None


def test_a_rectangle_is_in_pixels_of_the_image(run: Run, image: Path) -> None:
    chosen = chosen_region(run, image, f"{WIDTH // 2},0,{WIDTH // 2},{HEIGHT // 2}")
    assert chosen is not None
    assert chosen.shape == (224, 224)
    expected = np.zeros((224, 224), np.bool_)
    expected[:112, 112:] = True
    assert (chosen != expected).mean() < 0.01


def test_a_rectangle_is_in_the_image_as_it_is_seen(run: Run, tmp_path: Path) -> None:
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying, seen upright
    Image.new("RGB", (WIDTH, HEIGHT)).save(turned, exif=exif)
    assert chosen_region(run, turned, f"0,{HEIGHT},{HEIGHT},{WIDTH - HEIGHT}") is not None
    with pytest.raises(ConceptGraphError, match=f"{HEIGHT} × {WIDTH}"):
        chosen_region(run, turned, f"{HEIGHT},0,{WIDTH - HEIGHT},{HEIGHT}")


def test_a_mask_is_a_picture_of_the_images_size(run: Run, image: Path, tmp_path: Path) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, : WIDTH // 4] = 1
    Image.fromarray(mask).save(tmp_path / "mask.png")
    chosen = chosen_region(run, image, mask=tmp_path / "mask.png")
    assert chosen is not None
    assert chosen.mean() == pytest.approx(0.25, abs=0.01)
    assert chosen[:, :50].all()


@pytest.mark.parametrize(
    "region", ["1,2,3", "a,b,c,d", "0,0,0,5", "0,0,81,5", "70,0,11,1", "-1,0,2,2"]
)
def test_what_is_no_rectangle_inside_the_image(run: Run, image: Path, region: str) -> None:
    with pytest.raises(ConceptGraphError, match=r"no rectangle inside the image.*80 × 40"):
        chosen_region(run, image, region)


def test_nothing_is_left_to_paint_the_whole_image_over_from(
    run: Run, image: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConceptGraphError, match="is all that the network sees"):
        chosen_region(run, image, f"0,0,{WIDTH},{HEIGHT}")
    Image.new("L", (WIDTH, HEIGHT), 255).save(tmp_path / "all.png")
    with pytest.raises(ConceptGraphError, match="leaves something to paint it over from"):
        chosen_region(run, image, mask=tmp_path / "all.png")
    assert chosen_region(run, image, f"0,0,{WIDTH},{HEIGHT - 1}") is not None


def test_masks_that_cannot_be_used(run: Run, image: Path, tmp_path: Path) -> None:
    Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "empty.png")
    Image.new("L", (9, 9), 255).save(tmp_path / "small.png")
    with pytest.raises(ConceptGraphError, match=r"empty.png: an empty mask"):
        chosen_region(run, image, mask=tmp_path / "empty.png")
    with pytest.raises(ConceptGraphError, match=r"small.png.*found 9 × 9; expected 80 × 40"):
        chosen_region(run, image, mask=tmp_path / "small.png")
    with pytest.raises(ConceptGraphError, match="both"):
        chosen_region(run, image, "0,0,2,2", tmp_path / "empty.png")


def test_a_part_outside_the_crop_is_not_seen(run: Run, image: Path) -> None:
    run.manifest["input"] |= {"resize": 224}
    with pytest.raises(ConceptGraphError, match="is not seen by the network"):
        chosen_region(run, image, "0,0,5,40")
    assert chosen_region(run, image, "30,0,20,40") is not None
