"""Checkpoints given to the command line: what is said of them, and what a run remembers."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
import torch

from conceptgraph import open_run
from conceptgraph.explain.network import open_network
from tests.checkpoint_wrappings import MEAN, STD, basic, normaliser, prefixed, shifted
from tests.command_line import call
from tests.drawn_data import draw_concept_data

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import CommandResult

KEY = "state_dict.encoder_k"
NORMALISER = "the normaliser state_dict.normalize.mean and state_dict.normalize.std"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Concept data, and a checkpoint with two encoders, a queue and a normaliser."""
    folder = tmp_path_factory.mktemp("user")
    draw_concept_data(folder / "data", 8, size=32)
    torch.manual_seed(0)
    state = basic(4).state_dict()
    encoders = prefixed(state, "encoder_q.") | prefixed(shifted(state), "encoder_k.")
    content = {**encoders, **normaliser("normalize."), "queue": torch.zeros(4, 4)}
    torch.save({"state_dict": content}, folder / "moco.pth")
    return folder


def ingest(folder: Path, *more: str) -> CommandResult:
    words = "ingest --model tests.checkpoint_wrappings:basic --weights moco.pth --data data"
    return call(*shlex.split(words), "--quantile", "0.1", *more, folder=folder)


def test_an_ingest_says_what_it_took_and_the_run_remembers_it(folder: Path) -> None:
    done = ingest(folder, "--out", "q.cg")
    assert done.status == 0, done.err
    for line in (
        "checkpoint: left out state_dict.queue",
        "checkpoint: weights from state_dict.encoder_q; with --weights-key from " + KEY,
    ):
        assert f"{line}\n" in done.err
    source = f"mean and std: {NORMALISER} in moco.pth"
    assert f"; {source}\n" in done.err
    manifest = open_run(folder / "q.cg").manifest
    assert len(manifest["model"]["weights_notes"]) == 2
    assert manifest["model"]["weights_key"] is None
    assert (manifest["input"]["mean"], manifest["input"]["std"]) == (list(MEAN), list(STD))
    assert manifest["input"]["source"].endswith(source)


def test_a_run_of_a_chosen_part_is_explained_with_that_part(folder: Path) -> None:
    done = ingest(folder, "--out", "k.cg", "--weights-key", KEY)
    assert done.status == 0, done.err
    run = open_run(folder / "k.cg")
    assert run.manifest["model"]["weights_key"] == KEY
    loaded = open_network(run).network
    state = torch.load(folder / "moco.pth")["state_dict"]
    weight = loaded.module.get_submodule("conv1").get_parameter("weight")
    assert torch.equal(weight, state["encoder_k.conv1.weight"])


def test_a_part_that_does_not_exist_is_one_line(folder: Path) -> None:
    done = ingest(folder, "--out", "x.cg", "--weights-key", "ema")
    assert done.status == 1
    assert done.err == (
        "conceptgraph: error: moco.pth: no part 'ema' fits tests.checkpoint_wrappings:basic; "
        f"expected --weights-key state_dict.encoder_q or {KEY}\n"
    )
