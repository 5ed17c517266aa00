"""The README: its commands are those of the tutorial, which are run; its links lead somewhere."""

from __future__ import annotations

import re

from tests.repository import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def commands(program: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return re.findall(rf"^{program} .*", "\n".join(blocks), re.MULTILINE)


def test_its_commands_are_those_of_the_tutorial() -> None:
    session = commands("conceptgraph")
    assert len(session) >= 4
    for line in session:
        assert f"\n{line}\n" in TUTORIAL


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_make_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    goals = [line.split()[1] for line in commands("make")]
    assert goals
    for goal in goals:
        assert f"\n{goal}:" in makefile
