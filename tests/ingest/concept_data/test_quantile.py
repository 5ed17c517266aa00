"""`--quantile auto`: chosen from the sizes of the concepts, and said with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptgraph.demo.world.concept_data import write_concept_data
from conceptgraph.errors import ConceptGraphError
from conceptgraph.ingest.concept_data.checking.check import check
from conceptgraph.ingest.concept_data.quantile import (
    ENOUGH,
    QUANTILES,
    ConceptAreas,
    can_be_detected,
    choose_quantile,
)
from conceptgraph.settings import Settings
from tests.command_line import call
from tests.drawn_data import write_broden, write_mask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MIN_IOU = 0.04


def areas(
    shares: Sequence[float], images: int = 100, image_level: Sequence[int] = ()
) -> ConceptAreas:
    flags = np.isin(np.arange(len(shares)), image_level)
    return ConceptAreas(np.array(shares), np.full(len(shares), images), flags)


def plain_iou(mask: set[int], concept: set[int]) -> float:
    return len(mask & concept) / len(mask | concept)


@pytest.mark.parametrize("quantile", [0.005, 0.02, 0.05])
@pytest.mark.parametrize("share", [0.0002, 0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1])
@pytest.mark.parametrize("min_iou", [0.02, 0.04, 0.2])
def test_which_concepts_can_be_detected(quantile: float, share: float, min_iou: float) -> None:
    pixels = 1_000_000
    q, a = round(quantile * pixels), round(share * pixels)
    chance, most = round(quantile * a), min(q, a)
    concept = set(range(a))

    def mask(overlap: int) -> set[int]:
        return set(range(overlap)) | set(range(a, a + q - overlap))

    expected = (
        plain_iou(mask(chance), concept) <= min_iou
        and plain_iou(mask((chance + most) // 2), concept) > min_iou
    )
    assert can_be_detected(np.array([share]), quantile, min_iou).tolist() == [expected]


def test_many_small_concepts_come_out_at_network_dissections_quantile() -> None:
    """As in Broden: colors and a few walls are large, hundreds of objects and parts are small."""
    shares = [0.2, 0.16, 0.13, 0.09, 0.07, *(0.1 / rank for rank in range(1, 800))]
    scenes = [0.002] * 400
    chosen = choose_quantile(
        "auto", areas(shares + scenes, image_level=range(len(shares), len(shares) + 400)), MIN_IOU
    )
    assert chosen.quantile == 0.005
    assert "of the 804 concepts with masks can be detected (IoU above 0.04; " in chosen.reason


def test_large_concepts_need_a_larger_one() -> None:
    streets = [0.25, 0.24, 0.137, 0.12, 0.084, 0.055, 0.02, 0.018, 0.015, 0.011, 0.006]
    assert choose_quantile("auto", areas(streets), MIN_IOU).quantile == 0.02
    assert choose_quantile("auto", areas([0.25]), MIN_IOU).quantile == 0.02
    assert choose_quantile("auto", areas([0.084, 0.03]), MIN_IOU).quantile == 0.01
    assert choose_quantile("auto", areas([0.03, 0.02]), MIN_IOU).quantile == 0.005


@pytest.mark.parametrize(("images", "quantile"), [((99, 9, 9), 0.02), ((50, 5, 5), 0.005)])
def test_rare_concepts_are_not_counted(images: tuple[int, ...], quantile: float) -> None:
    some = ConceptAreas(np.array([0.25, 0.005, 0.0007]), np.array(images), np.zeros(3, bool))
    assert choose_quantile("auto", some, MIN_IOU).quantile == quantile


def test_whole_images_are_counted_only_if_there_are_no_masks() -> None:
    tags = [0.5, 0.3, 0.2]
    assert choose_quantile("auto", areas([*tags, 0.01], image_level=[0, 1, 2]), 0.04)[0] == 0.005
    assert choose_quantile("auto", areas(tags, image_level=[0, 1, 2]), MIN_IOU).quantile == 0.03


def test_what_was_asked_for_is_used_and_auto_is_named_where_it_differs() -> None:
    streets = areas([0.25, 0.24, 0.137])
    auto = choose_quantile("auto", streets, MIN_IOU)
    assert choose_quantile(auto.quantile, streets, MIN_IOU) == (auto.quantile, "")
    quantile, reason = choose_quantile(0.005, streets, MIN_IOU)
    assert quantile == 0.005
    assert reason == f"as asked; auto would be {auto.quantile:g}, at which {auto.reason}"


@given(
    shares=st.lists(st.floats(0, 1), max_size=30),
    images=st.integers(0, 20),
    min_iou=st.floats(0, 0.99),
)
def test_any_data_give_the_smallest_quantile_with_enough(
    shares: list[float], images: int, min_iou: float
) -> None:
    chosen = choose_quantile("auto", areas(shares, images), min_iou).quantile
    shares = shares if images else []
    counts = [
        sum(can_be_detected(np.array([share]), quantile, min_iou)[0] for share in shares if share)
        for quantile in QUANTILES
    ]
    enough = [
        q for q, count in zip(QUANTILES, counts, strict=True) if count >= ENOUGH * max(counts)
    ]
    assert chosen == enough[0]


def test_settings_take_auto_or_a_share() -> None:
    assert Settings().quantile == "auto"
    assert Settings(quantile=0.005).digest != Settings().digest
    assert Settings.from_dict(Settings().as_dict()) == Settings()
    with pytest.raises(ConceptGraphError, match=r"found 1\.5; expected between 0 and 1, or auto"):
        Settings(quantile=1.5)


def test_the_drawn_world_comes_out_at_network_dissections_quantile(tmp_path: Path) -> None:
    write_concept_data(tmp_path / "data", 60)
    assert check(tmp_path / "data").quantile == 0.005


def draw_halves(folder: Path) -> Path:
    """Draw 12 images, of which a concept covers a quarter."""
    numbers = np.zeros((8, 8), int)
    numbers[:4, :4] = 1
    write_mask(folder / "images" / "m.png", numbers)
    rows: list[dict[str, str | int]] = [
        {"image": f"{number}.png", "object": "m.png"} for number in range(12)
    ]
    return write_broden(folder, rows, [(1, "wall", "object")], ("object",))


def test_check_says_which_it_will_be(tmp_path: Path) -> None:
    folder = draw_halves(tmp_path / "data")
    report = check(folder)
    assert report.quantile == 0.02
    assert report.concepts[0].attainable == pytest.approx(0.02 / 0.25)
    done = call("data", "check", "data", folder=tmp_path)
    assert (
        "Quantile of an ingest: 0.02 (1 of the 1 concepts with masks can be detected (IoU above "
        "0.04; 0 at 0.005, 0 at 0.01, 1 at 0.03, 0 at 0.05))." in done.out
    )
    asked = call("data", "check", "data", "--quantile", ".005", folder=tmp_path)
    assert "Quantile of an ingest: 0.005 (as asked; auto would be 0.02, at which" in asked.out
    wrong = call("data", "check", "data", "--quantile", "lots", folder=tmp_path)
    assert wrong.status == 2
    assert "'lots' is neither a number nor auto" in wrong.err
