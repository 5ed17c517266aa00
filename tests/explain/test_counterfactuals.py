"""Parts painted over, one by one and together, against plainly running the network on each."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from conceptgraph.explain.counterfactuals import (
    OriginalImage,
    fewest_that_change,
    logits_of,
    painted,
)
from conceptgraph.explain.inpainting import paint_over
from conceptgraph.explain.network import RunNetwork, open_network
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_concept_data(tmp_path_factory.mktemp("drawn"), 40)


@pytest.fixture(scope="module")
def network(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunNetwork:
    return open_network(lively_run(data, tmp_path_factory.mktemp("runs"), "even_network"))


@pytest.fixture(scope="module")
def images(network: RunNetwork, data: Path) -> list[OriginalImage]:
    files = sorted((data / "images").rglob("*.jpg"))
    pixels = [network.load_photograph(file).pixels for file in files]
    direction = torch.tensor([1.0, -1, 0, 0])
    return [OriginalImage(one, logits_of(network, [one])[0], direction) for one in pixels]


@pytest.fixture(scope="module")
def masks(images: list[OriginalImage]) -> list[NDArray[np.bool_]]:
    """Return the quarters of an image, apart from each other."""
    side = len(images[0].pixels)
    halves = slice(2, side // 2 - 1), slice(side // 2 + 1, side - 2)
    quarters = []
    for rows, columns in product(halves, halves):
        mask = np.zeros((side, side), np.bool_)
        mask[rows, columns] = True
        quarters.append(mask)
    return quarters


def test_each_part_is_painted_over_by_itself(
    network: RunNetwork, images: list[OriginalImage], masks: list[NDArray[np.bool_]]
) -> None:
    image = images[0]
    before = image.logits.tolist()
    for mask, result in zip(masks, painted(network, image, masks), strict=True):
        pixels = paint_over(image.pixels, mask)
        after = logits_of(network, [pixels])[0]
        np.testing.assert_array_equal(result.pixels, pixels)
        expected = (before[0] - before[1]) - float(after[0] - after[1])
        assert result.measured == pytest.approx(expected, abs=1e-4)
        assert result.answer.name == network.run.classes["name"].iloc[int(after.argmax())]
        assert result.answer.probability == pytest.approx(float(after.softmax(0).max()), abs=1e-5)
    assert painted(network, image, []) == []


def test_no_part_is_painted_over_that_the_change_does_not_need(
    network: RunNetwork, images: list[OriginalImage], masks: list[NDArray[np.bool_]]
) -> None:
    sizes = set()
    for image in images:

        def answer(numbers: Sequence[int], image: OriginalImage = image) -> int:
            covered = np.logical_or.reduce([masks[i] for i in numbers])
            return int(logits_of(network, [paint_over(image.pixels, covered)])[0].argmax())

        expected = _plainly_needed(answer, int(image.logits.argmax()), len(masks))
        result = fewest_that_change(network, image, masks, painted(network, image, masks))
        assert (result and result[0]) == expected
        if result is not None:
            assert network.run.classes["name"].iloc[answer(result[0])] == result[1].answer.name
        sizes.add(0 if expected is None else len(expected))
    assert sizes >= {0, 1, 2}


def _plainly_needed(
    answer: Callable[[Sequence[int]], int], predicted: int, parts: int
) -> tuple[int, ...] | None:
    """Add parts until the answer changes, then leave out each that the change does not need."""
    counts = [count for count in range(1, parts + 1) if answer(range(count)) != predicted]
    if not counts:
        return None
    chosen = list(range(counts[0]))
    for number in range(counts[0] - 1):
        fewer = [other for other in chosen if other != number]
        chosen = fewer if answer(fewer) != predicted else chosen
    return tuple(chosen)
