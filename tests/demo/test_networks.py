"""Networks of the drawn world: the shipped ones score as their records say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from conceptgraph.demo.moving.clips import FRAMES
from conceptgraph.demo.moving.clips import SIDE as SIDE_OF_CLIPS
from conceptgraph.demo.moving.shortcuts import MovingWorld
from conceptgraph.demo.networks import small_video_resnet
from conceptgraph.demo.networks.scores import predict, score, shortcut_mistakes, true_classes
from conceptgraph.demo.networks.shipped import (
    SHIPPED,
    shipped_network,
    shipped_records,
    write_classes,
)
from conceptgraph.demo.networks.small_resnet import FACTORY, SmallResNet, small_resnet, to_input
from conceptgraph.demo.networks.training import Recipe, main, save_weights, train
from conceptgraph.demo.world.names import CLASSES
from conceptgraph.demo.world.pictures import SIDE
from conceptgraph.demo.world.shortcuts import (
    SHORTCUTS,
    DrawnWorld,
    World,
    WorldKind,
    clean_specs,
    conflict_specs,
)
from conceptgraph.ingest.network.loading import load_network

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.demo.world.specs import DrawnSpec

# How far scores on a few hundred new pictures may differ from those in recipe.json.
TOLERANCE = 0.08


def test_the_architecture() -> None:
    network = small_resnet()
    assert 1.2e6 < sum(tensor.numel() for tensor in network.parameters()) < 1.3e6
    pictures = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8)
    with torch.inference_mode():
        assert network(to_input(pictures, SmallResNet.mean, SmallResNet.std)).shape == (2, 8)
    # written in its file, which imports nothing of the world
    assert SmallResNet.input_size == SIDE
    assert network.fc.out_features == len(CLASSES)
    loaded = load_network(FACTORY)
    assert loaded.blocks == ("block1", "block2", "block3", "block4")
    assert loaded.architecture.input[3:5] == (SmallResNet.mean, SmallResNet.std)
    assert load_network(FACTORY).digest == loaded.digest


def test_the_architecture_of_clips() -> None:
    loaded = load_network(small_video_resnet.FACTORY)
    assert loaded.blocks == ("block1", "block2", "block3", "block4")
    assert loaded.architecture.input.frames == small_video_resnet.SmallVideoResNet.frames == FRAMES
    assert small_video_resnet.SmallVideoResNet.input_size == SIDE_OF_CLIPS
    world = MovingWorld()
    assert len(loaded.classes) == len(world.classes)
    recipe = Recipe(seed=3, pictures=32, epochs=2, batch=32)
    states = [train(world, recipe).state_dict()["fc.weight"] for _ in range(2)]
    assert torch.equal(*states)


@pytest.mark.parametrize("kind", ["shortcut", "control", "encoded"])
def test_two_steps_of_training_are_reproducible(kind: WorldKind, tmp_path: Path) -> None:
    recipe = Recipe(seed=3, pictures=32, epochs=2, batch=32)
    steps: list[tuple[str, int, int]] = []
    world = World(SHORTCUTS, kind)
    states = [train(world, recipe, lambda *step: steps.append(step)).state_dict() for _ in range(2)]
    assert steps[-1] == ("training", 2, 2)
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    untrained = small_resnet().state_dict()
    assert not torch.equal(states[0]["fc.weight"], untrained["fc.weight"])
    network = train(world, recipe)
    save_weights(network, tmp_path / "a.safetensors")
    loaded = load_network(FACTORY, str(tmp_path / "a.safetensors"), write_classes(tmp_path / "c"))
    assert loaded.classes == CLASSES
    weights = loaded.module.state_dict()["fc.weight"]
    assert torch.equal(weights, states[0]["fc.weight"].half().float())


def test_the_command_trains_scores_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "below" / "own.safetensors"
    options = ["--shortcut", "texture:striped=typing", "--pictures", "64", "--epochs", "1"]
    main([*options, "--out", str(out), "--score", "16"])
    record = json.loads(out.with_suffix(".json").read_text("utf-8"))
    assert record == json.loads(capsys.readouterr().out)
    assert record["shortcuts"] == ["texture:striped=typing"]
    assert record["recipe"]["pictures"] == 64
    assert len(load_network(FACTORY, str(out)).classes) == 8


@pytest.mark.parametrize("kind", list(SHIPPED))
def test_shipped_networks_score_as_recorded(kind: str) -> None:
    record = shipped_records()[kind]
    network = shipped_network(kind)
    own = MovingWorld if kind.startswith("video-") else World
    world: DrawnWorld[DrawnSpec] = own.planted(record["shortcuts"])
    assert world == own()
    assert network.classes == world.classes
    assert record["kind"] == kind.removeprefix("video-")
    scores, recorded = score(network.module, world, 77, 240), record["scores"]
    assert scores.accuracy == pytest.approx(recorded["accuracy"], abs=TOLERANCE / 2)
    for shortcut, expected in zip(scores.shortcuts, recorded["shortcuts"], strict=True):
        assert shortcut.fooled == pytest.approx(expected["fooled"], abs=3 * TOLERANCE)


def test_recorded_scores_suffice_for_the_demo() -> None:
    records = shipped_records()
    for record in records.values():
        assert record["scores"]["accuracy"] >= 0.92
        assert min(record["scores"]["by_class"].values()) >= 0.8
    for prefix, most in (("", 6_000_000), ("video-", 4_000_000)):
        for shortcut in records[f"{prefix}shortcut"]["scores"]["shortcuts"]:
            assert shortcut["fooled"] >= 0.4
            assert shortcut["twins_right"] >= 0.9
        control = records[f"{prefix}control"]["scores"]["shortcuts"]
        assert all(each["fooled"] <= 0.05 for each in control)
        files = [SHIPPED[f"{prefix}{kind}"] for kind in ("shortcut", "control")]
        assert sum(path.stat().st_size for path in files) <= most


def test_predictions_and_mistakes() -> None:
    network = shipped_network().module
    specs = clean_specs(World(), 5, 70)
    assert (true_classes(World(), specs) == [CLASSES.index(spec.class_) for spec in specs]).all()
    predictions = predict(network, specs)
    assert predictions.shape == (70,)
    assert (predict(network, specs[64:]) == predictions[64:]).all()
    assert predict(network, []).shape == (0,)
    mistakes = shortcut_mistakes(network, World(), SHORTCUTS[1], 6, 40)
    assert mistakes
    assert (predict(network, mistakes) == CLASSES.index("painting")).all()
    twins = [spec.without() for spec in mistakes]
    assert (predict(network, twins) == true_classes(World(), twins)).all()
    conflicts = conflict_specs(World(), SHORTCUTS[0], 5, 14)
    assert {spec.class_ for spec in conflicts} == set(CLASSES) - {SHORTCUTS[0].class_}
