"""Writes the site's pages of commands, from their `--help`, and of the library, from its names."""

from __future__ import annotations

import re
from html import unescape
from itertools import groupby

import mkdocs_gen_files
import typer.main
from typer.cli import get_docs_for_click
from typer.core import MARKUP_MODE_KEY

import conceptgraph
from conceptgraph.cli.app import app

_EXAMPLE = re.compile(r"^(?:Example: )?<span style=\"font-weight: bold\">(.*)</span>$")


def commands_page() -> str:
    """Return the page of all commands, their examples as code."""
    command = typer.main.get_command(app)
    context = typer.Context(command, obj={MARKUP_MODE_KEY: "rich"})
    text = get_docs_for_click(obj=command, ctx=context, name="conceptgraph")
    lines = []
    for is_example, group in groupby(text.splitlines(), lambda line: bool(_EXAMPLE.match(line))):
        if is_example:
            examples = [unescape(_EXAMPLE.sub(r"\1", line)) for line in group]
            lines += ["", "```sh", *examples, "```", ""]
        else:
            lines += [
                line.replace("[", r"\[") if line.startswith("* `") else line for line in group
            ]
    return "# Commands\n" + "\n".join(lines).removeprefix("# `conceptgraph`")


def library_page() -> str:
    """Return the page of the library: each public name where it is defined."""
    values = [getattr(conceptgraph, name) for name in conceptgraph.__all__]
    parts = [
        f"::: {value.__module__}.{value.__qualname__}\n    options:\n      heading_level: 2"
        for value in values
    ]
    opening = (
        "# Python\n\nEvery command is a thin skin over a call of one of these. "
        "`from conceptgraph import …` gives all of them; importing the package loads no torch."
    )
    return "\n\n".join([opening, *parts]) + "\n"


for name, content in (("commands.md", commands_page()), ("api.md", library_page())):
    with mkdocs_gen_files.open(name, "w", encoding="utf-8") as file:
        file.write(content)
