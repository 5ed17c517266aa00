"""A how-to of the docs, followed in a copy of the repository."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tests.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_FILE = re.compile(r"`([a-z]\w*/[\w./-]+)`:\n\n```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_MODULES = {"conceptgraph": "conceptgraph.cli.app", "pytest": "pytest", "ruff": "ruff"}
_NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "*.cg", "build")


class PageFile(NamedTuple):
    """A file that a page gives: its name, the language of the block, and the block."""

    name: str
    language: str
    content: str


@dataclass(frozen=True)
class HowTo:
    """A page of `docs/`."""

    name: str

    @property
    def text(self) -> str:
        return (ROOT / "docs" / self.name).read_text(encoding="utf-8")

    @property
    def files(self) -> list[PageFile]:
        return [PageFile(*match) for match in _FILE.findall(self.text)]

    def blocks(self, language: str) -> list[str]:
        """Return all blocks of a language."""
        return re.findall(rf"^```{language}\n(.*?)^```", self.text, re.DOTALL | re.MULTILINE)

    def commands(self, number: int) -> list[list[str]]:
        """Return the commands of a block of the shell."""
        return [shlex.split(line, comments=True) for line in self.blocks("sh")[number].splitlines()]

    def copy_repository(self, folder: Path) -> None:
        """Copy the repository, and write and change the files of the page."""
        shutil.copytree(ROOT, folder, symlinks=True, ignore=_NOT_COPIED, dirs_exist_ok=True)
        for file in self.files:
            path = folder / file.name
            if file.language == "diff":
                changed = apply_diff(path.read_text("utf-8"), file.content)
                path.write_text(changed, encoding="utf-8")
            elif not path.exists():
                path.write_text(file.content, encoding="utf-8")


def apply_diff(text: str, diff: str) -> str:
    """Apply the hunks of a diff without line numbers; each must fit in one place."""
    for hunk in diff.split("@@\n")[1:]:
        lines = hunk.splitlines(keepends=True)
        before, after = (
            "".join(line[1:] or "\n" for line in lines if line[0] in f" \n{sign}") for sign in "-+"
        )
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def follow(words: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a command of a page in a copy, with this Python; return what it prints."""
    program, *arguments = words
    start = [] if program == "python" else ["-m", _MODULES[program]]
    done = subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(env or {})},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
