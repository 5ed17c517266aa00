"""Static and dynamic units: planted ones, against a plain slow reference, and in a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conceptgraph.graph.run.motion import read_motion
from conceptgraph.graph.stores.memory import open_store
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.dissection.motion import LEAST, MOST, measure_motion, motion_batches
from conceptgraph.ingest.inputs import Inputs
from conceptgraph.ingest.network.loading import ModuleNames, as_network
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.queries.cards import unit_card
from conceptgraph.settings import Settings
from tests.drawn_data import write_broden
from tests.ingest.dissection.test_clips import FRAMES, SETTINGS, SIDE, inputs_of, write_clips

if TYPE_CHECKING:
    from pathlib import Path

STATIC, RIGHTWARDS, DEAD = 0, 1, 2
MODEL = "tests.ingest.dissection.test_clips:ClipNet"


class PlantedNet(nn.Module):
    """Three units: one sees what is there, one what has moved to the right, one nothing."""

    frames, input_size = FRAMES, SIDE

    def __init__(self) -> None:
        super().__init__()
        convolution = nn.Conv3d(3, 3, 3, 1, 1, bias=False)
        self.layer1 = nn.Sequential(convolution, nn.ReLU())
        self.fc = nn.Linear(3, 2)
        weights = torch.zeros(3, 3, 3, 3, 3)
        weights[STATIC, :, 1, 1, 1] = 1
        weights[RIGHTWARDS, :, 2, 1, 1] = 1  # there is more of it afterwards,
        weights[RIGHTWARDS, :, 0, 1, 1] = -1  # where it was not before,
        weights[RIGHTWARDS, :, 0, 1, 0] = 1  # but on its left,
        weights[RIGHTWARDS, :, 2, 1, 0] = -1  # where it is no longer
        with torch.no_grad():
            convolution.weight.copy_(weights)

    def forward(self, clips: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.layer1(clips).mean((2, 3, 4)))
        return logits


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"))


def test_a_planted_static_and_a_planted_dynamic_unit(clips: Path) -> None:
    """All blocks of these clips move to the right."""
    network = as_network(PlantedNet(), "planted", names=ModuleNames(("layer1",)))
    settings = Settings(blocks=network.blocks, batch_size=5)
    inputs = Inputs(network, open_concept_data(clips), settings, torch.device("cpu"), workers=1)
    (scores,) = measure_motion(inputs, motion_batches(inputs)).values()
    for values in (scores.reversed, scores.frozen):
        assert values[STATIC] == pytest.approx(1)
        assert values[RIGHTWARDS] < 0.2
        assert torch.isnan(values[DEAD])


def test_scores_of_a_run_are_those_of_numpy(clips: Path, tmp_path: Path) -> None:
    run = ingest(MODEL, clips, tmp_path / "a.cg", SETTINGS, device="cpu", workers=1)
    table = read_motion(run)
    assert table is not None
    assert table["unit"].tolist() == run.units["uid"].tolist()
    inputs = inputs_of(clips)
    pixels = torch.cat([pixels for _, pixels in inputs.decoded(motion_batches(inputs))])
    middle = FRAMES // 2
    versions = pixels, pixels.flip(1), pixels[:, [middle] * FRAMES]
    expected: list[tuple[float, float]] = []
    for block in run.blocks:
        own, backwards, still = (inputs.outputs(version)[block].numpy() for version in versions)
        times = own.shape[2]
        slot = int((middle + 0.5) / FRAMES * times)
        inner = [times // 2] if times % 2 else [times // 2 - 1, times // 2]
        for unit in range(own.shape[1]):
            pairs = [
                (own[:, unit, inner], backwards[:, unit, ::-1][:, inner]),
                (own[:, unit, slot], still[:, unit, slot]),
            ]
            with np.errstate(invalid="ignore"):
                r = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]
            expected.append((r[0], r[1]))
    found = table[["reversed", "frozen"]].to_numpy()
    np.testing.assert_allclose(found, np.array(expected), atol=1e-5)
    uid, r = table["unit"].iloc[0], table["reversed"].iloc[0]
    card = unit_card(open_store(run), run.name, uid)
    assert card.reversed == r
    assert f"{r:.2f} with those of the reversed clip" in card.motion


def test_clips_are_spread_over_the_run_and_stills_are_none(tmp_path: Path) -> None:
    def chosen(count: int, frames: int) -> list[int]:
        sizes = {"ih": 2 * frames, "iw": 2, "sh": frames, "sw": 1, "frames": frames}
        rows: list[dict[str, str | int]] = [{"image": f"{n}.png", **sizes} for n in range(count)]
        folder = tmp_path / f"{count} {frames}"
        write_broden(folder, rows, [(1, "disc", "object")], ("object",), clips=True)
        inputs = inputs_of(folder)
        order = {number: place for place, number in enumerate(inputs.order)}
        return [order[n] for batch in motion_batches(inputs) for n in batch.images]

    assert chosen(40, 1) == []
    assert len(chosen(20, 2)) == 20
    places = chosen(16 * LEAST + 80, 2)
    assert len(set(places)) == LEAST + 5 < MOST
    assert np.diff([*places]).min() >= 15
