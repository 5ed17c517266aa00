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

from conceptgraph import open_run
from conceptgraph.cli.app import app
from tests.command_line import PROGRAM, call, environment, run
from tests.page_samples import open_file
from tests.user_folder import INGEST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.user_folder import Desk

ESCAPE = "\x1b["


# Ingest


def test_ingest_prints_a_summary_and_nothing_else(desk: Desk) -> None:
    assert desk.ingested.status == 0
    assert desk.ingested.err == ""
    title, header, *rows, empty, following, end = desk.ingested.out.split("\n")
    assert re.fullmatch(r"net\.cg: 16 images, \d+ concepts, [\d.]+ s on (cpu|cuda.*)", title)
    assert header.split()[:5] == ["block", "units", "interpretable", "beyond", "chance"]
    assert header.split()[5:8] == ["concepts", "dead", "sparse"]
    units = [row.split()[:2] for row in rows]
    assert units == [["block1", "64"], ["block2", "128"], ["block3", "256"], ["block4", "512"]]
    assert (empty, end) == ("", "")
    assert desk.call(following.removeprefix("Next: conceptgraph "))


def test_the_summary_as_json_agrees_with_the_run(desk: Desk) -> None:
    found = json.loads(
        call(
            *INGEST, "--out", "json.cg", "--blocks", "block3,block4", "--json", folder=desk.folder
        ).out
    )
    assert list(found) == ["run", "blocks", "seconds", "device", "images", "concepts"]
    written = open_run(desk.folder / found["run"])
    for row in found["blocks"]:
        units = written.units[written.units["block"] == row["block"]]
        named = units[written.interpretable[units.index]]
        assert row["units"] == len(units)
        assert row["interpretable"] == len(named)
        assert row["concepts"] == named.groupby(["category", "label"]).ngroups
        assert row["dead"] == (units["status"] == "dead").sum()
        assert row["sparse"] == (units["status"] == "sparse").sum()
        assert row["best"]["iou"] == named["iou"].max()
    assert found["concepts"] == len(pd.read_parquet(written.path / "concepts.parquet"))
    shutil.rmtree(written.path)


def test_progress_is_shown_on_a_terminal_only(desk: Desk) -> None:
    master, terminal = pty.openpty()
    words = [*PROGRAM, *INGEST, "--out", "seen.cg", "--blocks", "block4", "--json"]
    with subprocess.Popen(
        words, cwd=desk.folder, stdout=subprocess.PIPE, stderr=terminal, env=environment()
    ) as process:
        os.close(terminal)
        shown = read_all(master)
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["images"] == 16
    for step in ("survey", "collect", "thresholds", "count", "thumbnails"):
        assert step in shown
    assert "16/16" in shown
    shutil.rmtree(desk.folder / "seen.cg")


def read_all(handle: int) -> str:
    """What a terminal shows until the last writer has gone, which Linux tells by an error."""
    content = b""
    with suppress(OSError):
        while chunk := os.read(handle, 65536):
            content += chunk
    os.close(handle)
    return content.decode()


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is not ignored, as it is in a test run in the background and all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.usefixtures("heard")
def test_an_interrupted_ingest_leaves_nothing(desk: Desk, number: int, status: int) -> None:
    before = contents(desk.folder)
    partial = desk.folder / "net.cg.partial"
    words = [*PROGRAM, *INGEST, "--out", "net.cg", "--overwrite", "--batch-size", "1"]
    with subprocess.Popen(
        words,
        cwd=desk.folder,
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
    assert (process.returncode, out, err) == (status, b"", b"")
    assert contents(desk.folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Show


def test_show_a_unit(desk: Desk) -> None:
    path = desk.json("why --class juggling --top 1")["paths"][0]
    uid = path["units"][1]
    card = desk.json(f"show {uid} --top 3")
    assert card["uid"] == uid
    assert card["concepts"][0]["name"] == path["concepts"][1]["name"]
    assert path["units"][0] in {row["uid"] for row in desk.json(f"show {uid} --top 99")["fed_by"]}
    text = desk.call(f"show {uid} --top 3")
    assert text.startswith(f"{uid}: detects {card['concepts'][0]['name']}; fires above")
    for row in card["images"]:
        assert row["image"] in text
        assert (desk.folder / "net.cg" / row["thumbnail"]).is_file()
    assert desk.call(f"show {uid.replace('block', 'Block')} --top 3") == text


def test_show_a_concept_and_a_class(desk: Desk) -> None:
    concept = desk.json("show --class juggling")["concepts"][0]["name"]
    card = desk.json(f"show {shlex.quote(concept)}")
    assert card["name"] == concept
    assert all(row["uid"] in desk.call(f"show {shlex.quote(concept)}") for row in card["units"])
    assert "juggling" in {row["name"] for row in card["classes"]}
    text = desk.call("show --class juggling --top 3")
    assert text.startswith("juggling: class\n")
    for row in desk.json("show --class juggling --top 3")["fed_by"]:
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
    desk: Desk, browser: Browser, tmp_path: Path, words: str, heading: str, paths: int
) -> None:
    page = tmp_path / "page.html"
    desk.call(words.format(page=page))
    opened = open_file(browser, page)
    assert opened.tab.locator("h1").inner_text() == heading
    assert opened.tab.locator("#paths li .rank").count() == paths
    opened.close()


# Which run


def test_which_run_is_meant(desk: Desk, tmp_path: Path) -> None:
    words = ("why", "--class", "juggling", "--json")
    for age, name in enumerate(("new.cg", "old.cg")):
        shutil.copytree(desk.folder / "net.cg", tmp_path / name)
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


# Terminals and pipes


COMMANDS = [command.name or "" for command in app.registered_commands]


@pytest.mark.parametrize("command", [*COMMANDS, "export html"])
def test_help_has_an_example_that_begins_with_the_command(desk: Desk, command: str) -> None:
    text = desk.call(f"{command} --help")
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


def test_a_reader_that_stops_early_is_no_error(desk: Desk) -> None:
    program = shlex.join(PROGRAM)
    for text in ("why --class juggling --json --top 20000", "why --class juggling", "--help"):
        done = subprocess.run(
            ["bash", "-c", f"{program} {text} | head -n 1"],
            cwd=desk.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr in {"", "run: net.cg\n"}


def test_pipes_get_whole_lines_without_colours(desk: Desk) -> None:
    words = ("why", "--class", "juggling", "--blocks", "block1,block2,block3,block4", "--top", "1")
    piped = run(*words, folder=desk.folder)
    assert ESCAPE not in piped.out + piped.err
    title, _header, row, *_ = piped.out.splitlines()
    assert re.search("block1/.*block2/.*block3/.*block4/", row)
    narrow = run(*words, folder=desk.folder, env={"COLUMNS": "60"})
    assert narrow.out.startswith(title)
    assert max(map(len, narrow.out.splitlines()[1:])) <= 60


def test_letters_that_the_encoding_lacks_are_escaped(desk: Desk) -> None:
    done = run("why", "--class", "juggling", folder=desk.folder, env={"PYTHONIOENCODING": "ascii"})
    assert done.status == 0
    assert "\\u2192 block4/" in done.out


def test_a_full_disk_behind_stdout(desk: Desk) -> None:
    done = subprocess.run(
        [*PROGRAM, "why", "--run", "net.cg", "--class", "juggling"],
        cwd=desk.folder,
        env=environment(),
        stdout=os.open("/dev/full", os.O_WRONLY),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "conceptgraph: error: output: No space left on device\n"
