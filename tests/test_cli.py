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
from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from PIL import Image

from conceptgraph import open_run
from conceptgraph.cli.app import app

from .commands import PROGRAM, Result, call, environment, run
from .drawn import CLASSES, draw_concept_data, write_untrained
from .pages import open_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

INGEST = shlex.split(
    "ingest --model resnet18 --weights data/untrained.pth.tar --classes data/classes.txt"
    " --data data --quantile 0.05"
)
ESCAPE = "\x1b["


@dataclass(frozen=True)
class Desk:
    """A folder with data, weights, a photo, and the run that a first `ingest` made of them."""

    folder: Path
    ingested: Result

    def call(self, text: str) -> str:
        """What a command prints; it must end well, and say on stderr at most which run it took."""
        done = call(*shlex.split(text), folder=self.folder)
        assert done.status == 0, done.err
        assert done.err in {"", "run: net.cg\n"}
        return done.out

    def json(self, text: str) -> Any:
        return json.loads(self.call(f"{text} --json"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    write_untrained(draw_concept_data(folder / "data", 16, size=64))
    shutil.copy(next((folder / "data" / "images").rglob("*.jpg")), folder / "x.jpg")
    return Desk(folder, run(*INGEST, "--out", "net.cg", folder=folder))


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


# Why


def test_why_of_a_class(desk: Desk) -> None:
    found = desk.json("why --class juggling --top 4")
    assert list(found) == ["run", "class", "paths"]
    assert (found["run"], found["class"]) == ("net", "juggling")
    assert [path["rank"] for path in found["paths"]] == [1, 2, 3, 4]
    scores = [path["score"] for path in found["paths"]]
    assert scores == sorted(scores, reverse=True)
    assert list(found["paths"][0]) == ["rank", "score", "units", "concepts"]
    lines = desk.call("why --class juggling --top 4").splitlines()
    for line, path in zip(lines[2:6], found["paths"], strict=True):
        assert [word for word in line.split() if word.startswith("block")] == path["units"]
        for concept in path["concepts"]:
            text = f"{concept['name']} ({concept['iou']:.2f})" if concept else "—"
            assert text in line


def test_why_through_all_blocks(desk: Desk) -> None:
    found = desk.json("why --class typing --blocks block1,block2,block3,block4 --top 2")
    blocks = [[unit.split("/")[0] for unit in path["units"]] for path in found["paths"]]
    assert blocks == [["block1", "block2", "block3", "block4"]] * 2


def test_why_of_an_image(desk: Desk) -> None:
    found = desk.json("why --class juggling --image x.jpg --top 5")
    assert list(found) == [
        "run", "image", "class", "versus", "method", "blocks", "logit", "probability", "predicted",
        "paths", "coverage", "agreement", "searched", "accounting", "by_concept", "by_category",
        "what_if",
    ]  # fmt: skip
    assert (found["image"], found["class"], found["versus"]) == ("x.jpg", "juggling", None)
    predicted = {row["class"]: row["probability"] for row in found["predicted"]}
    assert set(predicted) == set(CLASSES)
    assert fsum(predicted.values()) == pytest.approx(1)
    assert predicted["juggling"] == found["probability"]
    path = found["paths"][0]
    assert list(path) == ["rank", "contribution", "measured", "units", "concepts"]
    assert [unit.split("/")[0] for unit in path["units"]] == ["block3", "block4"]
    sizes = [abs(path["contribution"]) for path in found["paths"]]
    assert sizes == sorted(sizes, reverse=True)
    adds_up(found, found["logit"])


def adds_up(found: Any, whole: float) -> None:
    account = found["accounting"]
    assert list(account) == ["paths", "other_paths", "biases", "total"]
    assert account["total"] == pytest.approx(whole, abs=1e-4)
    parts = account["paths"], account["other_paths"], account["biases"]
    assert fsum(parts) == pytest.approx(account["total"], abs=1e-12)
    assert account["paths"] == pytest.approx(fsum(path["contribution"] for path in found["paths"]))
    for share in found["by_concept"]:
        assert list(share) == [
            "name", "category", "contribution", "present", "firing", "below", "probe",
            "for_class", "against_other",
        ]  # fmt: skip
        assert share["contribution"] == share["present"]
    shares = fsum(s["present"] + s["firing"] + s["below"] for s in found["by_concept"])
    assert shares + account["biases"] == pytest.approx(whole, abs=1e-3)


def test_why_this_class_and_not_that(desk: Desk) -> None:
    logits = {name: desk.json(f"why --class {name} --image x.jpg")["logit"] for name in CLASSES[:2]}
    found = desk.json("why --class juggling --versus typing --image x.jpg")
    assert (found["versus"], found["logit"]) == ("typing", logits["juggling"])
    adds_up(found, logits["juggling"] - logits["typing"])
    text = desk.call("why --class juggling --versus typing --image x.jpg")
    assert "juggling − typing" in text
    assert "raises juggling" in text
    assert "lowers typing" in text


def test_longer_paths_of_an_image(desk: Desk) -> None:
    blocks = ["block1", "block2", "block3", "block4"]
    for first in range(4):
        chosen = blocks[first:]
        words = f"why --class juggling --image x.jpg --top 4 --blocks {','.join(chosen)} --beam 8"
        found = desk.json(words)
        assert found["blocks"] == chosen
        assert [len(path["units"]) for path in found["paths"]] == [len(chosen)] * 4
        assert [level["followed"] for level in found["searched"]] == [8] * (len(chosen) - 1)
        adds_up(found, found["logit"])
        text = desk.call(words)
        assert "measured" in text
        assert text.count("Followed from") == len(chosen) - 1
    failed = call("why", "--image", "x.jpg", "--blocks", "block2,block3", folder=desk.folder)
    assert failed.status == 1
    assert "neighbouring blocks to the network's last" in failed.err


def test_what_if_some_units_saw_nothing(desk: Desk) -> None:
    cards = desk.json("why --class juggling")["paths"][0]["concepts"]
    concept = next(each["name"] for each in cards if each)
    category = next(each["category"] for each in cards if each)
    words = f"why --image x.jpg --without {shlex.quote(f'{category}/{concept}')}"
    found = desk.json(f"{words} --without-unit block3/7 --at block3,block4 --flip --everywhere")
    first = found["what_if"][0]
    keys = [
        "concepts",
        "units",
        "everywhere",
        "found",
        "least",
        "flips",
        "before",
        "after",
        "took_over",
    ]
    assert list(first) == keys
    assert first["concepts"] == [f"{category}/{concept}"]
    assert "block3/7" in first["units"]
    assert {each.split("/")[0] for each in first["units"]} <= {"block3", "block4"}
    predicted = found["predicted"][0]
    assert first["before"][0] == pytest.approx(predicted)
    assert first["flips"] == (first["after"][0]["class"] != predicted["class"])
    assert all(trial["flips"] for trial in found["what_if"][1:])
    text = desk.call(words)
    assert f"without {category}/{concept}" in text
    failed = call("why", "--image", "x.jpg", "--without", "polka doted", folder=desk.folder)
    assert "Did you mean 'polka dotted'" in failed.err
    refused = call("why", "--class", "juggling", "--flip", folder=desk.folder)
    assert refused.status == 2
    assert "--flip" in refused.err


def test_an_explanation_is_kept_and_found_again(desk: Desk) -> None:
    kept = desk.folder / "net.cg" / "explanations"
    shutil.rmtree(kept, ignore_errors=True)
    desk.call("why --image x.jpg --no-keep")
    assert not kept.exists()
    for _ in range(2):
        found = desk.json("why --image x.jpg --class typing --top 2")
    (file,) = kept.glob("*.json")
    assert json.loads(file.read_text())["answer"]["paths"] == found["paths"]
    with Image.open(file.with_suffix(".png")) as picture:
        assert picture.format == "PNG"
    desk.call("why --image x.jpg --class typing --versus juggling")
    (row,) = desk.json("query saved-images")
    assert (row["path"], row["explanations"]) == ("x.jpg", 2)
    rows = desk.json("query image-explanations -p image=x.jpg")
    assert {row["versus"] for row in rows} == {None, "juggling"}


def test_a_wrong_prediction_suggests_what_to_compare(desk: Desk) -> None:
    predicted = desk.json("why --image x.jpg")["class"]
    wrong = next(name for name in CLASSES if name != predicted)
    text = desk.call(f"why --image x.jpg --class {wrong}")
    assert f"--class {wrong} --versus {predicted}" in text
    assert "--versus" not in desk.call("why --image x.jpg")


def test_without_a_class_the_prediction_is_explained(desk: Desk) -> None:
    found = desk.json("why --image x.jpg")
    assert found["class"] == found["predicted"][0]["class"]


def test_the_tables_of_an_image_show_all_that_adds_up(desk: Desk) -> None:
    found = desk.json("why --image x.jpg --class typing --top 3")
    text = desk.call("why --image x.jpg --class typing --top 3")
    account = next(
        line for line in after(text, "how the logit adds up") if "+" in line or "-" in line
    )
    assert account.split() == [f"{value:+.3f}" for value in found["accounting"].values()]
    rows = [
        re.findall(r"[+-]\d+\.\d{3}", line) for line in after(text, "all paths by the concept")[1:]
    ]
    assert {len(row) for row in rows} == {3}
    shown = fsum(float(number) for row in rows for number in row)
    total = found["accounting"]["total"] - found["accounting"]["biases"]
    assert shown == pytest.approx(total, abs=0.02)  # each is rounded to 0.001


def after(text: str, title: str) -> list[str]:
    """The lines of one table: header and rows."""
    part = text[text.index(title) :]
    return part.split("\n\n")[0].splitlines()[1:]


def test_the_class_activation_map_is_a_picture_of_the_image(desk: Desk, tmp_path: Path) -> None:
    assert "x.cam.png" in desk.call("why --image x.jpg")
    default = desk.folder / "x.cam.png"
    desk.call(f"why --image x.jpg --cam {tmp_path / 'own.png'} --json")
    with Image.open(desk.folder / "x.jpg") as photo, Image.open(default) as cam:
        assert (cam.format, cam.size, cam.mode) == ("PNG", photo.size, "RGB")
        assert cam.tobytes() != photo.tobytes()
    assert (tmp_path / "own.png").read_bytes() == default.read_bytes()
    default.unlink()
    desk.call("why --image x.jpg --json")
    assert not default.exists()


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
