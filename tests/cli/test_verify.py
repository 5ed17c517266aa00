"""`data verify` on the command line: bad input, results, what is kept, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.sources.verified.answers import AnswerFile
from conceptgraph.ingest.sources.verified.labels import find_labels
from conceptgraph.ingest.sources.verified.settings import VerifySettings
from conceptgraph.ingest.sources.verified.verification import Verification
from tests.command_line import call, run
from tests.drawn_data import draw_concept_data
from tests.verify_server import verifying

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make concept data of which 6 discs have answers: 4 yes, one no, one that is disputed."""
    folder = draw_concept_data(tmp_path / "concepts", 24)
    with AnswerFile(tmp_path / "concepts.verified.csv") as file:
        labels = find_labels(open_concept_data(folder))
        verification = Verification(labels, file, VerifySettings(concepts=("disc",)))
        for number, label in enumerate(list(verification.queue("ana"))[:6]):
            verification.answer(label, "ana", "no" if number == 0 else "yes")
            if number == 1:
                verification.answer(label, "bo", "no")
    return folder


def test_bad_input(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "other.csv").write_text("image,label\na.jpg,red\n", encoding="utf-8")
    (tmp_path / "of_others.csv").write_text(
        (tmp_path / "concepts.verified.csv").read_text(encoding="utf-8").replace("disc", "dice"),
        encoding="utf-8",
    )
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        for words, message in (
            (["nothing"], "not concept data in the Broden layout; found no such folder"),
            (["photos"], "not concept data in the Broden layout; found no index.csv"),
            (["concepts", "--concept", "dsc"], "no concept 'dsc'. Did you mean 'disc'"),
            (["concepts", "--source", "CLIP"], "no labels by 'CLIP'; expected people, all"),
            (["concepts", "--answers", "other.csv"], "row 1: column missing: category"),
            (
                ["concepts", "--answers", "of_others.csv"],
                "answers about other data; found none of 7",
            ),
            (["concepts", "--answers", "photos"], "a folder; expected a file of answers"),
            (["concepts", "--answers", "photos", "--results"], "photos: a folder; expected a file"),
            (["concepts", "--answers", "no/a.csv"], "cannot be written: No such file"),
            (["concepts", "--per-concept", "0"], "per-concept out of range; found 0"),
            (["concepts", "--rounds", "0"], "rounds out of range"),
            (["concepts", "--margin", "1"], "margin out of range"),
            (["concepts", "--worker", "=x"], "the name '=x' cannot be used; expected up to 60"),
            (["concepts", "--worker", ""], "the name '' cannot be used; expected up to 60"),
            (["concepts", "--results", "--apply", "x"], "--results, --apply: only one of them"),
            (["concepts", "--port", port], f"cannot listen on port {port}: Address already in use"),
            (["concepts", "--port", "70000"], "Invalid value for '--port'"),
            (["concepts", "--verified-only"], "only with --apply OUT"),
            (["concepts", "--apply", "concepts"], "already exists"),
            (["concepts", "--apply", "concepts", "--overwrite"], "the data that were verified"),
            (["concepts", "--apply", "x", "--answers", "no.csv"], "no answers yet"),
        ):
            done = call("data", "verify", *words, "--no-browser", folder=tmp_path)
            assert done.status in {1, 2}, words
            assert message in done.err
            assert done.err.count("\n") == 1
            assert done.out == ""
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"concepts", "concepts.verified.csv", "of_others.csv", "other.csv", "photos"}


def test_results(folder: Path, tmp_path: Path) -> None:
    done = call("data", "verify", "concepts", "--concept", "disc", "--results", folder=tmp_path)
    assert done.status == 0
    assert re.search(r"object +disc +6 of \d+ +4 of 5", done.out)
    assert "0 of 1" in done.out  # where two answered, they differ
    assert "7 answers in concepts.verified.csv." in done.out
    assert "1 label with as many yes as no: another person is needed" in done.out
    assert re.search(r"about \d+ more, 1 disputed", done.out)
    assert "To go on answering: conceptgraph data verify concepts --concept disc\n" in done.out
    assert "Next: conceptgraph data verify concepts --apply OUT" in done.out
    done = call("data", "verify", "concepts", "--results", "--json", folder=tmp_path)
    result = json.loads(done.out)
    (disc,) = (one for one in result["concepts"] if one["concept"] == "disc")
    assert (disc["answered"], disc["disputed"], disc["pairs"], disc["agreeing"]) == (6, 1, 1, 0)
    assert (disc["share"]["yes"], disc["share"]["decided"]) == (4, 5)
    assert result["workers"] == {"ana": 6, "bo": 1}
    assert len(result["concepts"]) > 20
    moved = tmp_path / "concepts.verified.csv"
    moved.rename(tmp_path / "mine.csv")
    words = ("--concept", "disc", "--results")
    done = call("data", "verify", "concepts", *words, "--rounds", "3", folder=tmp_path)
    assert "No answers yet in concepts.verified.csv." in done.out
    assert "Next: conceptgraph data verify concepts --concept disc --rounds 3\n" in done.out
    done = call("data", "verify", "concepts", *words, "--answers", "mine.csv", folder=tmp_path)
    assert "data verify concepts --answers mine.csv --apply OUT" in done.out


def test_apply(folder: Path, tmp_path: Path) -> None:
    words = ("data", "verify", "concepts", "--apply")
    done = call(*words, "kept", folder=tmp_path)
    assert done.status == 0, done.err
    assert "Dropped: most say no 1, as many say yes as no 1 (kept/dropped.csv)." in done.out
    assert "Next: conceptgraph data check kept" in done.out
    checked = call("data", "check", "kept", folder=tmp_path)
    assert checked.status == 0
    assert "Labels that people verified: disc (4 of 6 yes)." in checked.out
    done = call(*words, "kept", "--verified-only", "--overwrite", "--json", folder=tmp_path)
    report = json.loads(done.out)
    assert (report["kept"], report["verified"], report["dropped"]["most say no"]) == (4, 4, 1)
    kept = open_concept_data(tmp_path / "kept")
    assert [concept.uid for concept in kept.concepts] == ["object/disc"]


def test_where_the_answers_lie(folder: Path, tmp_path: Path) -> None:
    """Beside the data, however the folder is named, so that replacing the data leaves them."""
    for name, below in (("concepts", tmp_path), ("concepts/", tmp_path), (".", folder),
                        (str(folder), folder), ("../concepts", folder)):  # fmt: skip
        words = ("--concept", "disc", "--results", "--json")
        done = call("data", "verify", name, *words, folder=below)
        assert json.loads(done.out)["concepts"][0]["answered"] == 6, name
        plain = call("data", "verify", name, *words[:-1], folder=below).out
        assert f"Next: conceptgraph data verify {name.rstrip('/')} --apply OUT" in plain


@pytest.mark.slow
def test_how_it_ends(folder: Path, tmp_path: Path) -> None:
    words = ("--concept", "disc", "--worker", "cy")
    with verifying(folder, *words) as server:
        assert call("data", "verify", "concepts", "--results", folder=tmp_path).status == 0
        second = run("data", "verify", "concepts", "--no-browser", folder=tmp_path)
        assert (second.status, second.err.count("\n")) == (1, 1)
        assert "another `data verify` writes these answers" in second.err
        server.post("/answer", label=server.state()["label"]["key"], answer="skip")
        done = server.stop()
    assert done.status == 0
    assert "Traceback" not in done.err
    assert "8 answers in concepts.verified.csv, 1 of them given now." in done.out
    with verifying(folder, *words, "--json") as server:
        server.post("/answer", label=server.state()["label"]["key"], answer="no")
        done = server.stop()
    assert json.loads(done.out)["workers"] == {"ana": 6, "bo": 1, "cy": 2}
    for number in (signal.SIGTERM, signal.SIGHUP):
        with verifying(folder, *words) as server:
            done = server.stop(number)
            assert done.status == 128 + signal.SIGTERM
            assert "9 answers in concepts.verified.csv, 0 of them given now." in done.out
    with verifying(folder, *words) as server:
        server.post("/answer", label=server.state()["label"]["key"], answer="no")
        server.program.kill()
    with verifying(folder, *words) as server:
        assert server.state()["mine"] == 3
        server.stop()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".lock")]


@pytest.mark.slow
def test_it_opens_the_browser(folder: Path, tmp_path: Path) -> None:
    script, seen = tmp_path / "browser.sh", tmp_path / "seen.txt"
    script.write_text(f'#!/bin/sh\necho "$1" > {seen}.part && mv {seen}.part {seen}\n')
    script.chmod(0o755)
    with verifying(folder, browser=f"{script} %s") as server:
        for _ in range(200):
            if seen.exists():
                break
            time.sleep(0.05)
        assert seen.read_text(encoding="utf-8").strip() == server.url
        server.stop()
