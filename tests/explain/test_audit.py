"""Audits of many images, against explanations and ablations of one image at a time."""

from __future__ import annotations

import csv
import html
import json
import shlex
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from conceptgraph.errors import DataError, QueryError, RunError
from conceptgraph.explain.ablation import ablate
from conceptgraph.explain.ablation_masks import ablation_of_concept
from conceptgraph.explain.audit import Audit, audit
from conceptgraph.explain.audit_counts import (
    MIN_CONCEPTS,
    MIN_MARGIN_SHARE,
    PUSHING,
    Suspect,
    Tally,
    excess,
    least_effect,
    without_effect,
)
from conceptgraph.explain.audit_rows import Auditor, AuditRow, RowFile, load_batches
from conceptgraph.explain.concept_attribution import concept_attributor
from conceptgraph.explain.explain import explain
from conceptgraph.explain.network import RunNetwork, open_network
from conceptgraph.graph.run.audits import kept_audits
from conceptgraph.pages.write import write_page
from conceptgraph.progress import NoProgress
from tests.command_line import call
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_run
from tests.page_samples import NARROW, WIDE, open_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from conceptgraph.graph.run.reader import Run

CLASSES = [f"class {i}" for i in range(4)]
Planted = tuple[str, list[tuple[str, str]]]
"""The concept that causes the mistakes, and the labels."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_concept_data(tmp_path_factory.mktemp("drawn"), 40)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return lively_run(data, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def network(run: Run) -> RunNetwork:
    return open_network(run)


@pytest.fixture(scope="module")
def labels(data: Path, network: RunNetwork) -> list[tuple[str, str]]:
    """Every third image is labelled with another class than the predicted one."""
    images = sorted((data / "images" / "drawn").glob("*.jpg"))
    rows = []
    for number, image in enumerate(images):
        predicted = CLASSES.index(explain(network, image, top=1, beam=1).class_name)
        rows.append((image.name, CLASSES[(predicted + (number % 3 == 0)) % 4]))
    return rows


class CompleteProgress(NoProgress):
    """Progress in which every step must come to its end."""

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        done: list[int] = []
        yield done.append
        assert sum(done) == total, name


def audited(
    network: RunNetwork, data: Path, labels: list[tuple[str, str]], **options: Any
) -> Audit:
    folder = data / "images" / "drawn"
    return audit(network, folder, labels, progress=CompleteProgress(), **options)


def row_files(run: Run) -> list[Path]:
    return sorted(file for file in (run.path / "audits").glob("*.jsonl") if "-" not in file.stem)


def files_beside(rows: Path) -> tuple[Path, Path]:
    """Return the files of the things and of the counts, beside the only file of rows."""
    others = {*rows.parent.glob("*.jsonl")} - {rows}
    (things,) = (file for file in others if file.stem.endswith("-things"))
    (counts,) = others - {things}
    return things, counts


@pytest.fixture
def clean(run: Run) -> None:
    for file in (run.path / "audits").glob("*.jsonl"):
        file.unlink()


@pytest.mark.usefixtures("clean")
def test_a_row_is_what_single_explanations_state(
    network: RunNetwork, data: Path, labels: list[tuple[str, str]]
) -> None:
    result = audited(network, data, labels, tries=0)
    assert result.images == len(labels)
    newest = next(iter(kept_audits(network.run).values()))
    assert newest["folder"] == str((data / "images" / "drawn").absolute())
    assert newest["audit"]["answers"] == result.answers
    assert [c["images"] for c in newest["audit"]["confusions"]] == [
        list(confusion.images) for confusion in result.confusions
    ]
    assert result.right == sum(number % 3 != 0 for number in range(len(labels)))
    (file,) = row_files(network.run)
    rows = list(RowFile(file))
    assert [(row.file, row.truth) for row in rows] == labels
    for row in rows[:8]:
        image = data / "images" / "drawn" / row.file
        explanation = explain(network, image, top=1, beam=1)
        difference = explain(network, image, versus=row.rival, top=1, beam=1)
        assert row.predicted == explanation.class_name
        assert row.probability == pytest.approx(explanation.probability, abs=1e-5)
        runner_up = explanation.predicted[1].name
        assert row.rival == (row.truth if row.wrong else runner_up)
        raises = sorted(c.present for c in explanation.by_concept[:-1])
        lowers = sorted(c.against_other or 0.0 for c in difference.by_concept[:-1])
        assert sorted(row.raises) == pytest.approx(raises, abs=1e-4)
        assert sorted(row.lowers) == pytest.approx(lowers, abs=1e-4)


@pytest.mark.usefixtures("clean")
def test_a_notebook_needs_run_folder_and_labels(
    run: Run, data: Path, labels: list[tuple[str, str]]
) -> None:
    result = audit(run, str(data / "images" / "drawn"), labels[:4])
    assert result == audited(open_network(run), data, labels[:4])
    assert result.images == 4


@pytest.mark.usefixtures("clean")
def test_confusions_and_suspects_are_counted(
    network: RunNetwork, data: Path, labels: list[tuple[str, str]]
) -> None:
    result = audited(network, data, labels, tries=0)
    (file,) = row_files(network.run)
    rows = list(RowFile(file))
    expected = Counter((row.truth, row.predicted) for row in rows if row.wrong)
    assert {(c.truth, c.predicted): len(c.images) for c in result.confusions} == expected
    counts = [len(c.images) for c in result.confusions]
    assert counts == sorted(counts, reverse=True)
    first = result.confusions[0]
    confused = [r for r in rows if (r.truth, r.predicted) == (first.truth, first.predicted)]
    assert [c.raises for c in first.concepts] == pytest.approx(
        sorted(np.mean([row.raises for row in confused], axis=0), reverse=True)
    )
    probability = {row.file: row.probability for row in confused}
    assert [probability[file] for file in first.images] == sorted(
        probability.values(), reverse=True
    )
    least = MIN_MARGIN_SHARE * np.mean([abs(row.margin) for row in rows])
    assert result.least_effect == pytest.approx(least)
    uids = concept_attributor(network.run, "block3").uids
    tally = Tally(uids, result.least_effect)
    for row in rows:
        tally.add(row)
    pushed = sum(concept.mistakes for concept in tally.pushing_mistakes())
    assert pushed == sum(
        sum(amount >= least for amount in sorted(row.raises, reverse=True)[:PUSHING])
        for row in rows
        if row.wrong
    )


@pytest.fixture(scope="module")
def planted(network: RunNetwork, data: Path, labels: list[tuple[str, str]]) -> Planted:
    """Label images so that a concept causes the mistakes: with it ablated, they are right."""
    folder = data / "images" / "drawn"
    names = [name for name, _ in labels]
    attributor = concept_attributor(network.run, "block3")
    auditor = Auditor(network, ("block3", "block4"), attributor)
    masks = [ablation_of_concept(network.run, uid, ["block3"])["block3"][0]
             for uid in attributor.uids]  # fmt: skip
    rows, after = [], []
    for batch, images in load_batches(network, folder, labels, 32):
        rows += auditor.rows(batch, images)
        after += auditor.ablated(images, masks)
    least = least_effect(rows)
    best: list[dict[str, str]] = []
    for concept in range(len(masks)):
        pushed = {
            row.file: classes[concept]
            for row, classes in zip(rows, after, strict=True)
            if row.raises[concept] >= max(least, sorted(row.raises)[-PUSHING])
        }
        predicted = {row.file: row.predicted for row in rows}
        best.append({n: c for n, c in pushed.items() if c != predicted[n]})
    chosen = max(range(len(masks)), key=lambda concept: len(best[concept]))
    predicted = {row.file: row.predicted for row in rows}
    answers = [(name, best[chosen].get(name, predicted[name])) for name in names]
    return attributor.uids[chosen], answers


@pytest.mark.usefixtures("clean")
def test_a_concept_that_causes_the_mistakes_is_a_suspect(
    network: RunNetwork, data: Path, planted: Planted
) -> None:
    concept, labels = planted
    result = audited(network, data, labels, tries=3)
    assert result.no_suspects is None
    suspect = {each.concept: each for each in result.suspects}[concept]
    assert suspect.low > 0
    rows = list(RowFile(row_files(network.run)[0]))
    for tried in (each for each in result.suspects if each.fixes is not None):
        fixes = breaks = 0
        for row in rows:
            image = data / "images" / "drawn" / row.file
            ablation = ablate(network, image, concepts=[tried.concept], at=["block3"])
            after = ablation.after[0].name
            fixes += row.wrong and after == row.truth
            breaks += not row.wrong and after != row.truth
        assert (tried.fixes, tried.breaks) == (fixes, breaks)
        assert fixes > 0
    untried = audited(network, data, labels, tries=0)
    assert concept in [each.concept for each in untried.suspects]


@pytest.mark.usefixtures("clean")
def test_an_audit_that_was_cut_off_resumes(
    network: RunNetwork, data: Path, planted: Planted
) -> None:
    _, labels = planted
    whole = audited(network, data, labels)
    (file,) = row_files(network.run)
    content = file.read_bytes()
    for end in (0, 10, content.find(b"\n") + 1, len(content) // 2, len(content) - 3):
        file.write_bytes(content[:end])
        assert audited(network, data, labels) == whole
        rows = list(RowFile(file))
        assert [row.file for row in rows] == [name for name, _ in labels]
    things, counts = files_beside(file)
    lines = counts.read_bytes()
    for end in (0, lines.find(b"\n") + 3, len(lines) - 1):
        counts.write_bytes(lines[:end])
        assert audited(network, data, labels) == whole
        assert counts.read_bytes() == lines
    content = things.read_bytes()
    for end in (10, len(content) // 2, len(content) - 3):
        things.write_bytes(content[:end])
        assert audited(network, data, labels) == whole
        assert things.read_bytes() == content
    file.write_text("garbage\n" * len(labels))
    with pytest.raises(RunError, match=r"not such rows.*Delete it"):
        audited(network, data, labels)
    other_labels = [(name, CLASSES[0]) for name, _ in labels]
    audited(network, data, other_labels, tries=0)
    assert len(row_files(network.run)) == 2


@pytest.mark.usefixtures("clean")
def test_images_that_are_unusual_or_cannot_be_read(network: RunNetwork, tmp_path: Path) -> None:
    folder = tmp_path / "images" / "drawn"
    folder.mkdir(parents=True)
    picture = Image.effect_mandelbrot((90, 60), (-2, -1, 1, 1), 30)
    picture.convert("RGB").save(folder / "plain.png")
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(np.asarray(picture).astype(np.uint16) * 257).save(folder / "sixteen.png")
    picture.save(folder / "moving.gif", save_all=True, append_images=[picture.rotate(90)])
    rotated = Image.Exif()
    rotated[0x0112] = 6
    picture.convert("RGB").rotate(90, expand=True).save(folder / "rotated.png", exif=rotated)
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    (folder / "cut.jpg").write_bytes((folder / "cmyk.jpg").read_bytes()[:700])
    (folder / "words.jpg").write_text("no image")
    Image.new("1", (20_000, 20_000)).save(folder / "huge.png")
    names = [
        "plain.png", "cmyk.jpg", "sixteen.png", "moving.gif", "rotated.png", "dot.png", "cut.jpg",
        "words.jpg", "huge.png", "absent.jpg",
    ]  # fmt: skip
    result = audited(network, tmp_path, [(name, CLASSES[0]) for name in names])
    assert result.images == 6
    reasons = dict(result.unreadable)
    assert list(reasons) == ["cut.jpg", "words.jpg", "huge.png", "absent.jpg"]
    for name, words in (
        ("cut.jpg", "cannot be decoded"), ("words.jpg", "not an image"),
        ("huge.png", "too large"), ("absent.jpg", "no such image"),
    ):  # fmt: skip
        assert words in reasons[name]
    rows = {row.file: row for row in RowFile(row_files(network.run)[0])}
    plain = rows["plain.png"].probability
    assert rows["rotated.png"].probability == pytest.approx(plain, abs=1e-4)
    assert rows["sixteen.png"].probability == pytest.approx(plain, abs=0.01)


@pytest.mark.usefixtures("clean")
def test_images_that_changed_get_new_rows(network: RunNetwork, tmp_path: Path) -> None:
    folder = tmp_path / "images" / "drawn"
    folder.mkdir(parents=True)
    labels = [("a.png", CLASSES[0])]
    with pytest.raises(DataError, match="none of the 1 labelled images is in the folder"):
        audited(network, tmp_path, labels)
    (folder / "link.png").symlink_to("a.png")
    Image.effect_mandelbrot((90, 60), (-2, -1, 1, 1), 30).convert("RGB").save(folder / "a.png")
    with pytest.raises(DataError, match=r"link.png: an image .* twice; found the same .* a.png"):
        audited(network, tmp_path, [*labels, ("link.png", CLASSES[0])])
    assert audited(network, tmp_path, labels).images == 1
    before = [row.probability for file in row_files(network.run) for row in RowFile(file)]
    Image.new("RGB", (80, 80), "red").save(folder / "a.png")
    audited(network, tmp_path, labels)
    after = [row.probability for file in row_files(network.run) for row in RowFile(file)]
    assert len(after) == len(before) + 1


def test_the_interval_is_newcombes() -> None:
    """Newcombe 1998, Statistics in Medicine 17:873, table II, method 10, cases a, c, e and h."""
    for counts, low, high in (
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ):
        difference, *interval = excess(*counts)
        assert difference == pytest.approx(counts[0] / counts[1] - counts[2] / counts[3])
        assert interval == pytest.approx([low, high], abs=6e-5)


NAMES = [f"object/{number}" for number in range(MIN_CONCEPTS)]


def tally_of(concepts: list[str], mistakes: list[tuple[float, ...]], rights: int) -> Tally:
    """Mistakes with these amounts, and right answers in which every concept adds the same."""
    tally = Tally(concepts, least=0.1)
    for number, raises in enumerate(mistakes):
        tally.add(AuditRow(f"{number}.jpg", "x", None, "y", 0.9, 2.0, "x", raises, raises))
    even = (0.0,) * len(concepts)
    for number in range(rights):
        tally.add(AuditRow(f"r{number}.jpg", "x", None, "x", 0.9, 2.0, "y", even, even))
    return tally


def test_no_mistakes_and_no_right_answers() -> None:
    tally = Tally(["object/ball"])
    nothing: tuple[list[Suspect], str] = ([], "no answer is wrong")
    assert (tally.images, tally.right, tally.confusions(), tally.suspects()) == (0, 0, [], nothing)
    tally.add(AuditRow("a.jpg", "x", None, "x", 0.9, 1.0, "y", (1.0,), (0.0,)))
    assert tally.suspects() == nothing
    tally.add(AuditRow("b.jpg", "x", None, "y", 0.9, 1.0, "x", (1.0,), (0.5,)))
    (suspect,) = tally.pushing_mistakes()
    assert (suspect.mistakes, suspect.rights, suspect.excess) == (1, 1, 0)


def test_suspects_need_concepts_effect_and_more_than_chance() -> None:
    large, small = (1.0, *[0.0] * (MIN_CONCEPTS - 1)), (0.01, *[0.0] * (MIN_CONCEPTS - 1))
    (suspect,), reason = tally_of(NAMES, [large] * 20, 20).suspects()
    assert (suspect.concept, suspect.mistakes, reason) == (NAMES[0], 20, None)
    suspects, reason = tally_of(NAMES, [small] * 20, 20).suspects()  # adds nothing to speak of
    assert not suspects
    assert reason is not None
    assert "at least 0.1 of the logit" in reason
    suspects, reason = tally_of(NAMES[:2], [(1.0, 0.0)] * 20, 20).suspects()  # one of two
    assert not suspects
    assert reason is not None
    assert "only 2 concepts" in reason
    suspects, _ = tally_of(NAMES, [large, *[small] * 19], 20).suspects()  # once by chance
    assert not suspects


def test_what_fixes_nothing_is_no_suspect() -> None:
    suspects = [Suspect(name, 9, 1, 0.4, 0.1, 0.6, fixes, 0)
                for name, fixes in (("a/a", 0), ("b/b", 2), ("c/c", None))]  # fmt: skip
    left, reason = without_effect(suspects)
    assert ([suspect.concept for suspect in left], reason) == (["b/b", "c/c"], None)
    left, reason = without_effect(suspects[:1])
    assert (left, reason) == ([], "ablating what pushes mistakes (a/a) fixes none of them")


def test_an_audit_without_suspects_says_why(
    run: Run, data: Path, labels: list[tuple[str, str]], tmp_path: Path
) -> None:
    result = audit(run, data / "images" / "drawn", [(n, CLASSES[0]) for n, _ in labels[:1]])
    assert not result.suspects
    write_page(run, result, tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert f"No suspects can be named: {result.no_suspects}." in html.unescape(page)


def test_labels_that_are_no_class(network: RunNetwork, data: Path) -> None:
    with pytest.raises(QueryError, match=r"a.jpg: no class 'clas 1'. Did you mean 'class 1'"):
        audited(network, data, [("a.jpg", "clas 1")])
    with pytest.raises(DataError, match="no labelled images"):
        audited(network, data, [])


# The command


@pytest.fixture(scope="module")
def labels_file(labels: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("labels") / "labels.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("image", "label"), *labels, ("gone.jpg", "class 1")])
    return file


def test_the_command_and_its_page(
    run: Run, data: Path, labels_file: Path, tmp_path: Path, browser: Browser
) -> None:
    torch.manual_seed(0)
    words = [
        "audit",
        "--run",
        run.path,
        "--images",
        data / "images" / "drawn",
        "--labels",
        labels_file,
    ]
    printed = call(*words, "--html", "audit.html", folder=tmp_path)
    assert printed.status == 0, printed.err
    assert "40 images, 26 right (65%)" in printed.out
    assert "not read: gone.jpg: no such image\n" in printed.out
    assert "`why --class` is about what the places of a concept add" in printed.out
    answer = json.loads(call(*words, "--json", folder=tmp_path).out)
    assert (answer["images"], answer["right"]) == (40, 26)
    command = printed.out.partition("To explain one of them: conceptgraph ")[2].splitlines()[0]
    single = call(*shlex.split(command), "--json", folder=tmp_path)
    assert single.status == 0, single.err
    first = answer["confusions"][0]
    assert json.loads(single.out)["class"] == first["predicted"]
    assert json.loads(single.out)["versus"] == first["truth"]
    for size in (WIDE, NARROW):
        opened = open_file(browser, tmp_path / "audit.html", size, dark=size == NARROW)
        tab = opened.tab
        assert tab.locator(".confusion").count() == len(answer["confusions"])
        assert tab.locator(".confusion img").count() >= len(answer["confusions"])
        assert tab.locator("th", has_text="gone.jpg").count() == 1
        assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        opened.close()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "expected image,label"),
        ("image;label\na;b\n", "found image;label; expected image,label"),
        (
            "image,label\na.jpg,class 1\na.jpg,class 2\n",
            "line 3: an image is labelled twice; found a.jpg, also in line 2",
        ),
        (
            "image,label\nb//a.jpg,class 1\n./b/a.jpg,class 1\n",
            "line 3: an image is labelled twice; found ./b/a.jpg, also in line 2 as b//a.jpg",
        ),
        ("image,Label\na,b\n", "found image,Label; expected image,label and perhaps concept, in"),
        ("image,label\na.jpg,x,y\n", "line 2: more cells than columns; found 3; expected 2: ima"),
        ("image,label\na.jpg\n", "line 2: a row without a label"),
        ("image,label\n../a.jpg,class 1\n", "an image outside the folder"),
        ("image,label\n/a.jpg,class 1\n", "an image outside the folder"),
        ("image,label\n,class 1\n", "an image outside the folder"),
        ("image,label\na.jpg,nothing\n", "no class 'nothing'"),
        (b"\xff\xfe\x00", "not a CSV file in UTF-8"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_labels_file_that_is_invalid(
    run: Run, data: Path, tmp_path: Path, content: str | bytes | None, words: str
) -> None:
    file = tmp_path / "labels.csv"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    failed = call(
        "audit", "--run", run.path, "--images", data / "images", "--labels", file, folder=tmp_path
    )
    assert failed.status == 1
    assert failed.out == ""
    (line,) = failed.err.splitlines()
    assert words in line
