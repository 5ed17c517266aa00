"""The commands as users meet them, on a small drawn data set and an untrained network."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from PIL import Image

from conceptgraph import open_run
from conceptgraph.cli.app import app
from tests.command_line import PROGRAM, call, environment, run, run_cold
from tests.page_samples import open_file
from tests.user_folder import INGEST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.user_folder import UserFolder

pytestmark = pytest.mark.slow

ESCAPE = "\x1b["
NOTES = (b"input: ", b"source: ", b"note: ")
"""Beginnings of the lines in which an ingest tells what it gives the network."""


# Ingest


def test_ingest_prints_the_input_and_a_summary_and_nothing_else(user_folder: UserFolder) -> None:
    assert user_folder.ingested.status == 0
    size, source, advice = user_folder.ingested.err.splitlines()
    assert size.startswith("input: 64 × 64 pixels, whole photographs resized")
    assert source.startswith("source: size: --image-size; resizing: assumed")
    assert "conceptgraph predict" in advice
    lines = user_folder.ingested.out.split("\n")
    title, header, *rows, empty, quantile, named, tags, following, end = lines
    assert re.fullmatch(r"net\.cg: 16 images, \d+ concepts, [\d.]+ s on (cpu|cuda.*)", title)
    assert header.split()[:5] == ["block", "units", "interpretable", "significant", "named"]
    assert header.split()[5:8] == ["concepts", "dead", "sparse"]
    assert quantile.startswith("Quantile ")
    assert named.startswith("Named: ")
    assert tags.startswith("Units that tell a concept of whole images: ")
    units = [row.split()[:2] for row in rows]
    assert units == [["block1", "64"], ["block2", "128"], ["block3", "256"], ["block4", "512"]]
    assert (empty, end) == ("", "")
    assert user_folder.call(following.removeprefix("Next: conceptgraph "))


def test_the_summary_as_json_agrees_with_the_run(user_folder: UserFolder) -> None:
    summary = json.loads(
        call(
            *INGEST,
            "--out",
            "json.cg",
            "--blocks",
            "block3,block4",
            "--json",
            folder=user_folder.folder,
        ).out
    )
    assert list(summary) == [
        "run", "blocks", "whole_image_concepts", "seconds", "device", "images", "concepts",
        "quantile", "quantile_reason", "input",
    ]  # fmt: skip
    run = open_run(user_folder.folder / summary["run"])
    for row in summary["blocks"]:
        units = run.units[run.units["block"] == row["block"]]
        named = units[run.named[units.index]]
        assert row["units"] == len(units)
        assert row["interpretable"] == run.interpretable[units.index].sum()
        assert row["named"] == len(named)
        assert row["concepts"] == named.groupby(["category", "label"]).ngroups
        assert row["dead"] == (units["status"] == "dead").sum()
        assert row["sparse"] == (units["status"] == "sparse").sum()
        assert (row["best"] and row["best"]["iou"]) == (named["iou"].max() if len(named) else None)
    assert summary["concepts"] == len(pd.read_parquet(run.path / "concepts.parquet"))
    shutil.rmtree(run.path)


def test_modules_that_are_named_are_numbered_and_said(user_folder: UserFolder) -> None:
    words = (*INGEST, "--out", "named.cg", "--blocks", "stem=layer1,last=layer4", "--json")
    done = call(*words, folder=user_folder.folder)
    assert "block1: stem (layer1); block2: last (layer4)" in done.err
    assert [row["block"] for row in json.loads(done.out)["blocks"]] == ["block1", "block2"]
    shutil.rmtree(user_folder.folder / "named.cg")


def test_progress_is_shown_on_a_terminal_only(user_folder: UserFolder) -> None:
    master, terminal = pty.openpty()
    words = [*PROGRAM, *INGEST, "--out", "seen.cg", "--blocks", "block4", "--json"]
    with subprocess.Popen(
        words, cwd=user_folder.folder, stdout=subprocess.PIPE, stderr=terminal, env=environment()
    ) as process:
        os.close(terminal)
        shown = read_all(master)
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["images"] == 16
    for step in ("label statistics", "forward pass", "thresholds", "overlaps", "thumbnails"):
        assert step in shown
    assert "16/16" in shown
    shutil.rmtree(user_folder.folder / "seen.cg")


def read_all(handle: int) -> str:
    """Read what a terminal shows until its last writer closes it, an error on Linux."""
    content = b""
    with suppress(OSError):
        while chunk := os.read(handle, 65536):
            content += chunk
    os.close(handle)
    return content.decode()


@pytest.fixture
def with_sigint() -> Iterator[None]:
    """Let Ctrl-C interrupt: a test run in the background ignores it, and all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.usefixtures("with_sigint")
def test_an_interrupted_ingest_leaves_nothing(
    user_folder: UserFolder, number: int, status: int
) -> None:
    before = contents(user_folder.folder)
    partial = user_folder.folder / "net.cg.partial"
    words = [*PROGRAM, *INGEST, "--out", "net.cg", "--overwrite", "--batch-size", "1"]
    with subprocess.Popen(
        words,
        cwd=user_folder.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        deadline = time.monotonic() + 60
        while not (partial / "scratch").is_dir():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    told = [line for line in err.splitlines() if not line.startswith(NOTES)]
    assert (process.returncode, out, told) == (
        status,
        b"",
        [
            b"stopped; nothing was kept: the first checkpoint comes after 5 minutes "
            b"(--checkpoint-minutes); net.cg is as it was"
        ],
    )
    assert contents(user_folder.folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Show


def test_show_a_unit(user_folder: UserFolder) -> None:
    path = user_folder.json("why --class juggling --top 1 --all-labels")["paths"][0]
    uid = path["units"][1]
    card = user_folder.json(f"show {uid} --top 3 --all-labels")
    assert card["uid"] == uid
    assert card["concepts"][0]["name"] == path["concepts"][1]["name"]
    assert path["units"][0] in {
        row["uid"] for row in user_folder.json(f"show {uid} --top 99")["fed_by"]
    }
    text = user_folder.call(f"show {uid} --top 3 --all-labels")
    assert text.startswith(f"{uid}: detects {card['concepts'][0]['name']}; threshold")
    for row in card["images"]:
        assert row["image"] in text
        assert (user_folder.folder / "net.cg" / row["thumbnail"]).is_file()
    words = f"show {uid.replace('block', 'Block')} --top 3 --all-labels"
    assert user_folder.call(words) == text


def test_show_a_concept_and_a_class(user_folder: UserFolder) -> None:
    concept = user_folder.json("show --class juggling --all-labels")["concepts"][0]["name"]
    card = user_folder.json(f"show {shlex.quote(concept)} --all-labels")
    assert card["name"] == concept
    text = user_folder.call(f"show {shlex.quote(concept)} --all-labels")
    assert all(row["uid"] in text for row in card["units"])
    assert "juggling" in {row["name"] for row in card["classes"]}
    text = user_folder.call("show --class juggling --top 3")
    assert text.startswith("juggling: class\n")
    for row in user_folder.json("show --class juggling --top 3")["fed_by"]:
        assert row["uid"] in text


# Pages


@pytest.mark.parametrize(
    ("words", "heading", "paths"),
    [
        ("export html --class juggling --top 7 -o {page}", "Why juggling?", 7),
        ("why --class typing --html {page}", "Why typing?", 10),
        ("why --class typing --image x.jpg --json --html {page}", "Why typing?", 10),
    ],
)
def test_pages_open_without_complaint(
    user_folder: UserFolder, browser: Browser, tmp_path: Path, words: str, heading: str, paths: int
) -> None:
    page = tmp_path / "page.html"
    user_folder.call(words.format(page=page))
    opened = open_file(browser, page)
    assert opened.tab.locator("h1").inner_text() == heading
    assert opened.tab.locator("#paths li .rank").count() == paths
    opened.close()


# Which run


def test_which_run_is_meant(user_folder: UserFolder, tmp_path: Path) -> None:
    words = ("why", "--class", "juggling", "--json")
    for age, name in enumerate(("new.cg", "old.cg")):
        shutil.copytree(user_folder.folder / "net.cg", tmp_path / name)
        manifest = tmp_path / name / "manifest.json"
        manifest.write_text(manifest.read_text("utf-8").replace('"net"', f'"{name[:3]}"'))
        os.utime(manifest, (10**9 - age, 10**9 - age))

    newest = call(*words, folder=tmp_path)
    assert newest.err == "run: new.cg\n"
    assert json.loads(newest.out)["run"] == "new"
    named = call(*words, "--run", "old.cg", folder=tmp_path)
    assert (json.loads(named.out)["run"], named.err) == ("old", "")
    environ = {"CONCEPTGRAPH_RUN": "old.cg"}
    by_variable = run(*words, folder=tmp_path, env=environ)
    assert (json.loads(by_variable.out)["run"], by_variable.err) == ("old", "run: old.cg\n")
    both = run(*words, "--run", "new.cg", folder=tmp_path, env=environ)
    assert (json.loads(both.out)["run"], both.err) == ("new", "")


def test_no_run_at_all(tmp_path: Path) -> None:
    done = call("show", "block4/1", folder=tmp_path)
    assert (done.status, done.out) == (1, "")
    assert "conceptgraph ingest" in done.err
    assert "conceptgraph demo" in done.err


def test_why_asks_the_demo_only_if_that_is_said(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "x.png")
    for words in (("--image", "x.png"), ("--class", "juggling")):
        done = call("why", *words, folder=tmp_path)
        assert (done.status, done.out) == (1, "")
        assert "no run named, and no *.cg in this folder" in done.err
        assert "why --demo" in done.err
    both = call("why", "--class", "juggling", "--demo", "--run", "net.cg", folder=tmp_path)
    assert (both.status, "not both" in both.err) == (2, True)


# Terminals and pipes


COMMANDS = [command.name or "" for command in app.registered_commands]


@pytest.mark.parametrize("command", [*COMMANDS, "export html"])
def test_help_has_an_example_that_begins_with_the_command(
    user_folder: UserFolder, command: str
) -> None:
    text = user_folder.call(f"{command} --help")
    assert re.search(rf"Examples?:\s+conceptgraph {command} ", text)
    assert ESCAPE not in text


def test_help_without_a_command_and_the_version(tmp_path: Path) -> None:
    bare = call(folder=tmp_path)
    assert (bare.status, bare.err) == (2, "")
    helped = call("--help", folder=tmp_path)
    assert helped.status == 0
    assert bare.out.strip() == helped.out.strip()
    for command in [*COMMANDS, "export"]:
        assert re.search(rf"\b{command}\b", helped.out)
    assert re.fullmatch(r"conceptgraph \d+\.\d+\.\d+\n", call("--version", folder=tmp_path).out)


def test_a_reader_that_stops_early_is_no_error(user_folder: UserFolder) -> None:
    program = shlex.join(PROGRAM)
    for text in ("why --class juggling --json --top 20000", "why --class juggling", "--help"):
        done = subprocess.run(
            ["bash", "-c", f"{program} {text} | head -n 1"],
            cwd=user_folder.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr in {"", "run: net.cg\n"}


def test_pipes_get_whole_lines_without_colours(user_folder: UserFolder) -> None:
    blocks = "block1,block2,block3,block4"
    words = ("why", "--class", "juggling", "--blocks", blocks, "--top", "1", "--all-labels")
    piped = run(*words, folder=user_folder.folder)
    assert ESCAPE not in piped.out + piped.err
    title, _header, row, *_ = piped.out.splitlines()
    assert re.search("block1/.*block2/.*block3/.*block4/", row)
    narrow = run(*words, folder=user_folder.folder, env={"COLUMNS": "60"})
    assert narrow.out.startswith(title)
    assert max(map(len, narrow.out.splitlines()[1:])) <= 60


def test_letters_that_the_encoding_lacks_are_escaped(user_folder: UserFolder) -> None:
    done = run_cold(
        "why", "--class", "juggling", folder=user_folder.folder, env={"PYTHONIOENCODING": "ascii"}
    )
    assert done.status == 0
    assert "\\u2192 block4/" in done.out


def test_a_full_disk_behind_stdout(user_folder: UserFolder) -> None:
    done = subprocess.run(
        [*PROGRAM, "why", "--run", "net.cg", "--class", "juggling"],
        cwd=user_folder.folder,
        env=environment(),
        stdout=os.open("/dev/full", os.O_WRONLY),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "conceptgraph: error: output: No space left on device\n"
