"""A user's folder with data, weights and a run, and the command line called there."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.command_line import CommandResult, call, run
from tests.drawn_data import draw_concept_data, write_untrained

if TYPE_CHECKING:
    from pathlib import Path

INGEST = shlex.split(
    "ingest --model resnet18 --weights data/untrained.pth.tar --classes data/classes.txt"
    " --data data --quantile 0.05 --image-size 64"
)


@dataclass(frozen=True)
class UserFolder:
    """A folder with data, weights, a photo, and the run that `ingest` made of them."""

    folder: Path
    ingested: CommandResult

    def call(self, text: str) -> str:
        """Return what a command prints; it must succeed and say nothing but which run it used."""
        done = call(*shlex.split(text), folder=self.folder)
        assert done.status == 0, done.err
        assert done.err in {"", "run: net.cg\n"}
        return done.out

    def json(self, text: str) -> Any:
        return json.loads(self.call(f"{text} --json"))


def make_user_folder(folder: Path) -> UserFolder:
    """Draw the data, and ingest them."""
    write_untrained(draw_concept_data(folder / "data", 16, size=64))
    shutil.copy(next((folder / "data" / "images").rglob("*.jpg")), folder / "x.jpg")
    return UserFolder(folder, run(*INGEST, "--out", "net.cg", folder=folder))
