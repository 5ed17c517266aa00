"""Verified labels: who is asked about what, how answers are kept, and what they make of data."""

from __future__ import annotations

import os
import random
import shutil
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import binomtest

from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.checking.check import check
from conceptgraph.ingest.concept_data.labels import join_sources
from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.sources.annotations.build import BuildSettings, build
from conceptgraph.ingest.sources.annotations.consensus import AgreementRules
from conceptgraph.ingest.sources.merge import merge
from conceptgraph.ingest.sources.tags.build import write_tags
from conceptgraph.ingest.sources.verified.agreement import count, interval, is_disputed, verdict
from conceptgraph.ingest.sources.verified.answers import (
    AnswerFile,
    AnswerRow,
    check_worker,
    read_answers,
)
from conceptgraph.ingest.sources.verified.kept import write_verified
from conceptgraph.ingest.sources.verified.labels import (
    choose_concepts,
    find_labels,
    read_region,
    sample,
)
from conceptgraph.ingest.sources.verified.settings import VerifySettings
from conceptgraph.ingest.sources.verified.verification import Verification
from tests.drawn_data import draw_concept_data, write_broden, write_mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conceptgraph.ingest.sources.verified.agreement import LabelAnswers
    from conceptgraph.ingest.sources.verified.labels import DataLabels

ROW = AnswerRow("a.jpg", "color", "red", 0, 0, 4, 4, 8, 8, "ana", "yes", "123456", "2026-01-01")


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> DataLabels:
    folder = draw_concept_data(tmp_path_factory.mktemp("drawn") / "concepts", 24)
    return find_labels(open_concept_data(folder))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[AnswerFile]:
    with AnswerFile(tmp_path / "answers.csv") as opened:
        yield opened


def test_all_labels_are_found(labels: DataLabels) -> None:
    """Compared with a plain look at each image."""
    data = labels.data
    expected = set()
    for image in data.images:
        maps = read_label_maps(data, image)
        for column, concept in enumerate(data.concepts):
            has_mask = any((one == column + 1).any() for one in maps)
            if has_mask or column in image.image_labels:
                expected.add((concept.uid, image.name, has_mask))
    found = {
        (data.concepts[label.concept].uid, data.images[label.image].name, label.has_mask)
        for of_concept in labels.by_concept.values()
        for label in of_concept
    }
    assert found == expected
    assert {has_mask for _, _, has_mask in found} == {True, False}
    keys = [label.key for of_concept in labels.by_concept.values() for label in of_concept]
    assert len(set(keys)) == len(keys) == len(expected)


def test_regions_and_their_boxes(labels: DataLabels) -> None:
    for of_concept in labels.by_concept.values():
        for label in of_concept[:2]:
            image, region = labels.data.images[label.image], read_region(labels.data, label)
            left, top, right, bottom = region.box
            if region.mask is None:
                assert region.box == (0, 0, image.width, image.height)
                continue
            assert 0 <= left < right <= image.width
            assert 0 <= top < bottom <= image.height
            scale = image.width // image.mask_width  # 2: exact
            large = region.mask.repeat(scale, 0).repeat(scale, 1)
            assert large[top:bottom, left:right].sum() == large.sum()
            for edge in (
                large[top, left:right], large[bottom - 1, left:right],
                large[top:bottom, left], large[top:bottom, right - 1],
            ):  # fmt: skip
                assert edge.any()


def test_a_larger_sample_begins_with_the_smaller_one(labels: DataLabels) -> None:
    of_concept = max(labels.by_concept.values(), key=len)
    small, large = (sample(of_concept, number, 3) for number in (4, 9))
    assert large[:4] == small
    assert sample(of_concept, 4, 4) != small
    assert sorted(sample(of_concept, 999, 3)) == sorted(of_concept)


def test_which_concepts_are_asked_about(tmp_path: Path) -> None:
    folder = write_broden(
        tmp_path / "data",
        [{"image": "a.jpg", "object": "1;2;3;4"}],
        [],
        ["object"],
    )
    (folder / "label.csv").write_text(
        "number,name,category,source\n1,ball,object(1),SegFormer b0\n2,box,object(1),\n"
        "3,dusk,object(1),tags and SegFormer b0\n4,sky,object(1),people and tags\n5,rare,object,\n",
        encoding="utf-8",
    )
    found = find_labels(open_concept_data(folder))

    def chosen(names: tuple[str, ...] = (), source: str | None = None) -> list[str]:
        columns = choose_concepts(found, names, source)
        return [found.data.concepts[column].name for column in columns]

    assert chosen() == ["ball", "dusk", "sky"]
    assert chosen(source="all") == ["ball", "box", "dusk", "sky"]
    assert chosen(source="people") == ["box", "sky"]
    assert chosen(source="SegFormer b0") == ["ball", "dusk"]
    assert chosen(("object/box", "ball", "box")) == ["box", "ball"]
    assert chosen(source="SegF") == ["ball", "dusk"]
    assert chosen(source="p") == ["box", "sky"]
    with pytest.raises(DataError, match="no labels by 'CLIP'; expected SegFormer b0, people, tags"):
        chosen(source="CLIP")
    with pytest.raises(DataError, match=r"no concept 'bal'\. Did you mean 'ball'"):
        chosen(("bal",))
    with pytest.raises(DataError, match="no image has the concept 'rare'"):
        chosen(("rare",))


@pytest.mark.parametrize(("yes", "decided"), [(0, 1), (1, 1), (9, 10), (10, 10), (31, 50)])
def test_the_interval_is_wilsons(yes: int, decided: int) -> None:
    expected = binomtest(yes, decided).proportion_ci(0.95, method="wilson")
    assert interval(yes, decided) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_counts_of_answers() -> None:
    answers: list[LabelAnswers] = [
        {"ana": True, "bo": True, "cy": False},
        {"ana": True, "bo": False},
        {"ana": False, "bo": None},
        {"ana": None},
        {},
    ]
    assert [verdict(one) for one in answers] == [True, None, False, None, None]
    assert [is_disputed(one) for one in answers] == [False, True, False, False, False]
    counts = count(90, answers, 0.1)
    assert counts[:3] == (90, 5, 4)
    assert (counts.share.yes, counts.share.decided, counts.disputed) == (1, 2, 1)
    assert (counts.pairs, counts.agreeing) == (4, 1)
    assert (counts.done, counts.needed) == (False, 1)
    assert [count(9, one, 0.1).needed for one in (answers[:1], answers[1:2])] == [0, 0]
    assert [count(9, one, 0.1).done for one in (answers[:1], answers[1:2])] == [True, False]


@pytest.mark.parametrize("rate", [0.5, 0.9, 1.0])
def test_how_many_more_are_needed(rate: float) -> None:
    """A concept is done after about as many labels as were announced, and not before."""
    rng, margin = random.Random(1), 0.1
    answers: list[LabelAnswers] = [{} for _ in range(300)]
    announced = []
    for position in range(300):
        counts = count(300, answers, margin)
        assert counts.done == (counts.share.margin <= margin)
        if counts.done:
            break
        announced.append(position + counts.needed)
        answers[position]["ana"] = rng.random() < rate
    assert counts.done
    assert announced[0] <= 100
    assert announced[-1] == position  # the last time, one more
    slow = next(n for n in range(1, 300) if np.diff(interval(n / 2, n))[0] <= 2 * margin)
    assert announced[0] == slow
    for k in range(300):
        answers[k]["ana"] = True
    assert count(300, answers, 0.0001).done  # all have an answer


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.8, 0.9, 0.98])
def test_the_interval_holds_the_share_also_when_answers_end_with_it(rate: float) -> None:
    """In about 95 of 100 concepts, though each ends as soon as its interval is narrow enough."""
    rng, concepts, hits = np.random.default_rng(7), 400, 0
    for _ in range(concepts):
        yes = np.cumsum(rng.random(100) < rate).tolist()
        bounds = (interval(yes[n], n + 1) for n in range(100))
        low, high = next((lo, hi) for lo, hi in bounds if (hi - lo) / 2 <= 0.1)
        hits += low <= rate <= high
    assert hits / concepts >= 0.91


def test_a_full_disk_loses_no_answer(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "answers.csv"
    with AnswerFile(path) as file:
        file.add(ROW)
        before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
        try:
            with pytest.raises(DataError, match=r"answers\.csv: cannot be written: File too large"):
                file.add(ROW._replace(worker="bo"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == before
        assert file.answers == [ROW]
        file.add(ROW._replace(worker="cy"))
    assert [one.worker for one in read_answers(path)] == ["ana", "cy"]


def test_answers_are_read_while_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    with AnswerFile(path) as file:
        file.add(ROW)
        with path.open("ab") as other:
            other.write(b"a.jpg,color,red,0")  # a part of a row
        with AnswerFile(path, read_only=True) as reading:
            assert reading.answers == [ROW]
        with path.open("ab") as other:
            other.write(b"\n")
        with pytest.raises(DataError, match="row 3: wrong number of cells"):
            AnswerFile(path, read_only=True)


def test_rounds(labels: DataLabels, file: AnswerFile) -> None:
    """Each label is shown to two people, and to a third if they differ; never twice to one."""
    settings = VerifySettings(per_concept=8, margin=0.01, source="all")
    verification = Verification(labels, file, settings)
    rng = random.Random(0)
    people = ("ana", "bo", "cy")
    shown: dict[str, list[str]] = {}
    first_round = True
    while queues := {who: q for who in people if (q := list(verification.queue(who)))}:
        worker = rng.choice(list(queues))
        label = queues[worker][0]
        unanswered = [one for one in queues[worker] if not verification.said(one)]
        differ = [one for one in queues[worker] if is_disputed(verification.said(one))]
        if unanswered:
            assert label in unanswered
            assert verification.round_of(label, worker) == 1
            assert first_round
        else:
            first_round = False
            assert not differ or label in differ
        shown.setdefault(label.key, []).append(worker)
        assert verification.answer(label, worker, rng.choice(["yes", "yes", "no", ""]))
    asked = [label for of in verification.concepts.values() for label in of.sample]
    assert set(shown) == {label.key for label in asked}
    numbers = {}
    for label in asked:
        said = verification.said(label)
        assert sorted(said) == sorted(shown[label.key])
        first_two = {who: said[who] for who in shown[label.key][:2]}
        assert len(said) == (3 if is_disputed(first_two) else 2)
        numbers[label.key] = len(said)
    assert set(numbers.values()) == {2, 3}
    again = Verification(labels, file, settings)  # as a new call reads the file
    assert all(again.said(label) == verification.said(label) for label in asked)
    assert again.unused == 0


def test_a_concept_that_is_done_is_left(labels: DataLabels, file: AnswerFile) -> None:
    settings = VerifySettings(concepts=("disc", "square"), margin=0.4)
    verification = Verification(labels, file, settings)
    first, second = verification.concepts
    for _ in range(2):
        label = next(verification.queue("ana"))
        assert verification.concept(label).uid == first
        verification.answer(label, "ana", "yes")
        count_now = verification.progress(first)
        if count_now.done:
            break
    assert verification.progress(first).answered < verification.progress(first).asked
    assert verification.concept(next(verification.queue("ana"))).uid == second
    alone = next(verification.queue("ana", first))  # asked for, it goes on
    assert verification.concept(alone).uid == first
    assert not verification.said(alone)


def test_people_who_differ_leave_a_concept_open(labels: DataLabels, file: AnswerFile) -> None:
    """A third person is asked about nothing else."""
    verification = Verification(labels, file, VerifySettings(concepts=("disc",), per_concept=4))
    (uid,) = verification.concepts
    for worker, verified in (("ana", "yes"), ("bob", "no")):
        for label in list(verification.queue(worker)):
            verification.answer(label, worker, verified)
    so_far = verification.progress(uid)
    assert (so_far.answered, so_far.disputed, so_far.needed, so_far.done) == (4, 4, 0, False)
    assert list(verification.queue("ana")) == []
    for label in list(verification.queue("cy")):
        verification.answer(label, "cy", "")
    assert not verification.progress(uid).done  # who cannot tell decides nothing
    third = list(verification.queue("di"))
    assert len(third) == 4
    for label in third:
        verification.answer(label, "di", "yes")
    assert verification.progress(uid).done


def test_a_disputed_label_asks_for_no_more_new_ones(labels: DataLabels, file: AnswerFile) -> None:
    verification = Verification(labels, file, VerifySettings(concepts=("disc",), margin=0.4))
    (uid,) = verification.concepts
    first = next(verification.queue("ana"))
    while verification.progress(uid).needed:
        verification.answer(next(verification.queue("ana")), "ana", "yes")
    verification.answer(first, "bob", "no")
    verification.answer(next(verification.queue("bob")), "bob", "yes")
    so_far = verification.progress(uid)
    assert (so_far.disputed, so_far.done) == (1, False)
    asked = list(verification.queue("cy"))
    assert asked[0] == first
    assert bool(so_far.needed) == any(not verification.said(label) for label in asked)


def test_people_see_labels_in_orders_of_their_own(labels: DataLabels, file: AnswerFile) -> None:
    verification = Verification(labels, file, VerifySettings(concepts=("disc",)))
    ana, bo = (list(verification.queue(who)) for who in ("ana", "bo"))
    assert ana != bo
    assert sorted(ana) == sorted(bo)
    assert ana == list(verification.queue("ana"))


def test_undo(labels: DataLabels, file: AnswerFile) -> None:
    verification = Verification(labels, file, VerifySettings(concepts=("disc",)))
    first = next(verification.queue("ana"))
    verification.answer(first, "ana", "no")
    second = next(verification.queue("ana"))
    verification.answer(second, "ana", "yes")
    verification.answer(next(verification.queue("bo")), "bo", "yes")
    assert not verification.answer(second, "ana", "no")  # in another tab
    assert verification.undo("ana") == second
    assert verification.said(second) == {}
    assert verification.undo("ana") == first
    assert verification.undo("ana") is None
    assert [one.worker for one in read_answers(file.path)] == ["bo"]
    assert verification.answers_of("bo") == 1


def test_an_undo_leaves_what_is_not_asked_about(labels: DataLabels, file: AnswerFile) -> None:
    discs = Verification(labels, file, VerifySettings(concepts=("disc",)))
    discs.answer(next(discs.queue("ana")), "ana", "yes")
    squares = Verification(labels, file, VerifySettings(concepts=("square",)))
    assert squares.undo("ana") is None
    assert len(file.answers) == 1


def test_answers_survive_a_crash(tmp_path: Path) -> None:
    """A row that was cut off is removed; whatever the byte at which it ends."""
    path = tmp_path / "answers.csv"
    with AnswerFile(path) as file:
        file.add(ROW)
        file.add(ROW._replace(label='a "quoted", name', worker="bo"))
    whole = path.read_bytes()
    first = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        with AnswerFile(path) as file:
            assert file.answers[0] == ROW
            kept = len(file.answers)
            assert file.was_cut_off == (kept == 1 and end > first)
            if kept == 2:  # at most the time is cut off
                second = ROW._replace(label='a "quoted", name', worker="bo", time="")
                assert file.answers[1]._replace(time="") == second
            file.add(ROW._replace(worker="cy"))
        assert [one.worker for one in read_answers(path)][-1] == "cy"
        assert len(read_answers(path)) == kept + 1


def test_a_name_with_line_ends_that_was_cut_off(tmp_path: Path) -> None:
    """Is cut off as a whole; the rows before it, also such, are kept."""
    path, image = tmp_path / "answers.csv", 'a\n"b",ü\r\n.jpg'
    with AnswerFile(path) as file:
        file.add(ROW._replace(image=image))
        file.add(ROW._replace(image=image, worker="bo"))
    whole = path.read_bytes()
    first = whole.index(ROW.time.encode()) + len(ROW.time) + 1
    for end in range(first, len(whole) - len(ROW.time) - 1):
        path.write_bytes(whole[:end])
        with AnswerFile(path) as file:
            assert file.answers == [ROW._replace(image=image)]
            assert file.was_cut_off == (end > first)
        assert path.read_bytes() == whole[:first]


def test_a_crash_in_the_very_first_row(tmp_path: Path) -> None:
    path, header = tmp_path / "answers.csv", ",".join(ROW._fields).encode()
    for begin in (b"", header[:30], header):
        path.write_bytes(begin)
        with AnswerFile(path, read_only=True) as file:
            assert file.answers == []
        with AnswerFile(path) as file:
            assert path.read_bytes() == begin  # until there is an answer
            file.add(ROW)
        assert read_answers(path) == [ROW]


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_only_utf_8_is_written(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "answers.csv"
    row = ",".join(map(str, ROW._replace(label="größe")))
    content = f"{','.join(ROW._fields)}\n{row}\n{row[:20]}".encode(encoding)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"not UTF-8; .*Save the table as UTF-8"):
        AnswerFile(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("line_end", ["\r", "\r\n"])
def test_line_ends_and_the_mark_of_other_programs(tmp_path: Path, line_end: str) -> None:
    path = tmp_path / "answers.csv"
    lines = [",".join(ROW._fields), ",".join(map(str, ROW)), ""]
    path.write_bytes(line_end.join(lines).encode("utf-8-sig"))
    with AnswerFile(path) as file:
        assert not file.was_cut_off
        file.add(ROW._replace(worker="bo"))
    assert [one.worker for one in read_answers(path)] == ["ana", "bo"]


def test_another_program_changes_the_answers(tmp_path: Path) -> None:
    """What it wrote is never lost, and no answer is said to be saved that is not."""
    path = tmp_path / "answers.csv"
    by_hand = ",".join(map(str, ROW._replace(worker="cy"))).encode() + b"\n"
    with AnswerFile(path) as file:
        file.add(ROW)
        with path.open("ab") as other:
            other.write(by_hand)
        changed = path.read_bytes()
        with pytest.raises(DataError, match=r"changed by another program\. Start"):
            file.undo("ana")
        with pytest.raises(DataError, match=r"changed by another program\. Start"):
            file.add(ROW)
        assert path.read_bytes() == changed
        assert file.answers == [ROW]
    with AnswerFile(path) as file:
        assert len(file.answers) == 2
        path.unlink()
        with pytest.raises(DataError, match="changed by another program"):
            file.add(ROW)
    assert not path.exists()
    with AnswerFile(path) as file:
        path.write_bytes(changed)  # before the first answer
        with pytest.raises(DataError, match="changed by another program"):
            file.add(ROW)
    assert path.read_bytes() == changed


def test_links_to_answers(tmp_path: Path) -> None:
    """What they lead to is locked and written; the link stays."""
    (tmp_path / "far").mkdir()
    path, link = tmp_path / "far" / "answers.csv", tmp_path / "link.csv"
    link.symlink_to(path)
    with AnswerFile(link) as file:
        file.add(ROW)
        file.add(ROW._replace(worker="bo"))
        file.undo("ana")
        with pytest.raises(DataError, match="another `data verify` writes these"):
            AnswerFile(path)
    assert link.is_symlink()
    assert [one.worker for one in read_answers(path)] == ["bo"]
    assert {one.name for one in tmp_path.iterdir()} == {"far", "link.csv"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("read_only", [False, True])
def test_pipes_and_devices_are_no_answers(tmp_path: Path, read_only: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/full")):
        with pytest.raises(DataError, match="no regular file; expected a file of answers"):
            AnswerFile(path, read_only=read_only)


def test_one_server_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    with AnswerFile(path), pytest.raises(DataError, match="another `data verify` writes these"):
        AnswerFile(path)
    with AnswerFile(path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,label\n", "column missing"),
        (",".join(ROW._fields) + ",note\n", "other columns"),
        (";".join(ROW._fields) + "\n", "column missing"),
        (",".join(ROW._fields) + "\na,b\n", "wrong number of cells"),
        (",".join(ROW._fields) + "\na,b,c,0,0,1,1,1,1,ana,maybe,,\n", "expected yes, no or noth"),
        (",".join(ROW._fields) + "\na,b,c,0,0,1,x,1,1,ana,yes,,\n", "ymax; found 'x'"),
        (",".join(ROW._fields) + "\na,b,c,0,0,1,1,1,1,,yes,,\n", "row 2: the name '' cannot"),
        (",".join(ROW._fields) + "\na,b,c,0,0,1,1,1,1,=cmd(),yes,,\n", "row 2: the name '=cmd"),
        (",".join(ROW._fields) + '\na,"b,c,0,0,1,1,1,1,ana,yes,,\na', "Close the quotation mark"),
        (",".join(ROW._fields) + "\n" + "a" * 140_000, "row 2: not CSV: field larger"),
        ("milk\nbread\nlast line", "column missing"),
        ("\x89PNG\r\n\x1a\n" + "\0" * 40, "not UTF-8 text; found a byte 0x00"),
        (",".join(ROW._fields) + "\n" + ",".join("abc000000abcde"), "wrong number of cells"),
    ],
)
def test_tables_that_are_no_answers(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(DataError, match=message):
        AnswerFile(path)
    kept = path.read_bytes()
    assert kept.removesuffix(b"\n") == text.encode().removesuffix(b"\n")
    assert [file.name for file in tmp_path.iterdir()] == ["answers.csv"]  # no lock is left


@pytest.mark.parametrize("name", ["", " ", "=1+1", "@x", "-x", "a" * 61, "a\nb;", "a,b", "<b>"])
def test_names_that_nobody_has(tmp_path: Path, name: str) -> None:
    path = tmp_path / "answers.csv"
    with AnswerFile(path) as file:
        file.add(ROW)
        file.add(ROW._replace(worker=name))
    with pytest.raises(DataError, match=r"answers\.csv: row \d: the name .* cannot be used"):
        AnswerFile(path)


@pytest.mark.parametrize(
    "name", ["Zoë", "Zoe\u0308", "स्मिता", "محمّد", "O’Neil", "an na", "a.b@c-d", "3rd", "ü" * 60]
)
def test_names_that_people_have(name: str) -> None:
    assert check_worker(f" {name} ") == unicodedata.normalize("NFC", name)


def test_answers_about_other_data(labels: DataLabels, file: AnswerFile, tmp_path: Path) -> None:
    file.add(ROW)
    with pytest.raises(DataError, match="answers about other data; found none of 1 is about"):
        Verification(labels, file, VerifySettings())
    verification_file = AnswerFile(tmp_path / "second.csv")
    verification = Verification(labels, verification_file, VerifySettings(concepts=("disc",)))
    for label in list(verification.queue("ana"))[:2]:
        verification.answer(label, "ana", "no")
    changed = verification_file.answers[0]._replace(region="000000000000")
    verification_file.answers[0] = changed  # another mask was shown
    assert Verification(labels, verification_file, VerifySettings()).unused == 1
    verification_file.close()


@pytest.mark.parametrize(
    "settings",
    [
        VerifySettings(per_concept=0),
        VerifySettings(rounds=0),
        VerifySettings(margin=0),
        VerifySettings(margin=0.5),
        VerifySettings(margin=float("nan")),
    ],
)
def test_settings_out_of_range(
    labels: DataLabels, file: AnswerFile, settings: VerifySettings
) -> None:
    with pytest.raises(DataError, match="out of range"):
        Verification(labels, file, settings)


def _pixels(labels: DataLabels) -> dict[tuple[str, str], int | str]:
    """Return the pixels of each label, by concept and image; of a tag, `tag`."""
    content: dict[tuple[str, str], int | str] = {}
    for of_concept in labels.by_concept.values():
        for label in of_concept:
            uid = labels.data.concepts[label.concept].uid
            maps = read_label_maps(labels.data, labels.data.images[label.image])
            pixels = int((maps == label.concept + 1).sum())
            content[uid, labels.data.images[label.image].name] = pixels or "tag"
    return content


@pytest.mark.parametrize("verified_only", [False, True])
def test_what_is_kept(
    labels: DataLabels, file: AnswerFile, tmp_path: Path, verified_only: bool
) -> None:
    rng = random.Random(5)
    verification = Verification(labels, file, VerifySettings(per_concept=10, source="all"))
    expected = _pixels(labels)
    for of in verification.concepts.values():
        for label in of.sample:
            said = [rng.choice(["yes", "no", ""]) for _ in range(rng.randrange(4))]
            for worker, answer in zip(("ana", "bo", "cy"), said, strict=False):
                verification.answer(label, worker, answer)
            yes, no = said.count("yes"), said.count("no")
            if (no and no >= yes) or (verified_only and yes <= no):
                del expected[of.concept.uid, verification.image(label).name]
        if verified_only:
            for label in set(labels.by_concept[of.sample[0].concept]) - set(of.sample):
                del expected[of.concept.uid, verification.image(label).name]
    out = tmp_path / "kept"
    report = write_verified(labels, file, out, verified_only=verified_only)
    kept = find_labels(open_concept_data(out))
    assert _pixels(kept) == expected
    assert report.kept == len(expected) == report.labels - sum(report.dropped.values())
    assert len(kept.data.images) == len(labels.data.images)
    assert {image.split for image in kept.data.images} == {"train", "val"}
    assert check(out).defects == ()


@pytest.mark.parametrize("place", ["data", "answers"])
def test_what_was_verified_is_not_replaced(tmp_path: Path, place: str) -> None:
    outer = draw_concept_data(tmp_path / "outer", 4)
    data = draw_concept_data((outer if place == "data" else tmp_path) / "inner", 4)
    labels = find_labels(open_concept_data(data))
    with AnswerFile((outer if place == "answers" else tmp_path) / "answers.csv") as file:
        verification = Verification(labels, file, VerifySettings(source="all"))
        verification.answer(next(verification.queue("ana")), "ana", "yes")
        with pytest.raises(DataError, match=rf"outer: the {place}.* in it\. Choose another name"):
            write_verified(labels, file, outer, overwrite=True)
        assert file.path.exists()
    assert (data / "index.csv").exists()


def test_a_truncated_photograph_is_left_out(tmp_path: Path, file: AnswerFile) -> None:
    folder = draw_concept_data(tmp_path / "data", 6)
    labels = find_labels(open_concept_data(folder))
    verification = Verification(labels, file, VerifySettings(source="all"))
    verification.answer(next(verification.queue("ana")), "ana", "yes")
    image = labels.data.images[2]
    image.path.write_bytes(image.path.read_bytes()[:-600])
    of_image = sum(one.image == 2 for of in labels.by_concept.values() for one in of)
    report = write_verified(labels, file, tmp_path / "kept")
    assert (report.images, report.damaged) == (5, 1)
    assert report.dropped == {"image cannot be read": of_image}
    assert report.kept == report.labels - of_image
    kept = find_labels(open_concept_data(report.folder))
    assert report.kept == sum(map(len, kept.by_concept.values()))
    assert check(report.folder).defects == ()


@pytest.mark.parametrize(
    ("said", "verified_only", "message"),
    [
        (["no"], False, r"people refused all (\d+) labels; found most say no \1"),
        (["yes", "no"], False, r"people refused all (\d+) labels; found as many say yes as no \1"),
        ([""], True, r"no label is kept; found not verified \d+"),
    ],
)
def test_nothing_is_kept(
    tmp_path: Path, file: AnswerFile, said: list[str], verified_only: bool, message: str
) -> None:
    labels = find_labels(open_concept_data(draw_concept_data(tmp_path / "data", 3)))
    verification = Verification(labels, file, VerifySettings(source="all"))
    for of in verification.concepts.values():
        for label in of.sample:
            for worker, answer in zip(("ana", "bo"), said, strict=False):
                verification.answer(label, worker, answer)
    with pytest.raises(DataError, match=message):
        write_verified(labels, file, tmp_path / "kept", verified_only=verified_only)
    assert {one.name for one in tmp_path.iterdir()} == {"data", "answers.csv", ".answers.csv.lock"}


def test_a_beginning_that_several_sources_have(tmp_path: Path) -> None:
    folder = write_broden(tmp_path / "data", [{"image": "a.jpg", "object": "1;2"}], [], ["object"])
    (folder / "label.csv").write_text(
        "number,name,category,source\n1,ball,object(1),SegFormer b0\n2,box,object(1),SegFormer b\n",
        encoding="utf-8",
    )
    found = find_labels(open_concept_data(folder))
    with pytest.raises(DataError, match="'Seg' names several; expected SegFormer b, SegFormer b0"):
        choose_concepts(found, (), "Seg")
    assert [found.data.concepts[k].name for k in choose_concepts(found, (), "SegFormer b")] == [
        "box"
    ]


def test_concepts_keep_what_people_said(tmp_path: Path, file: AnswerFile) -> None:
    """In their source, also after merging, and replaced when they are verified again."""
    names = [f"{number}.jpg" for number in range(8)]
    rows: list[dict[str, str | int]] = [{"image": name, "object": "1;2;3"} for name in names]
    folder = write_broden(tmp_path / "data", rows, [], ["object"])
    (folder / "label.csv").write_text(
        "number,name,category,source\n1,ball,object(8),SegFormer b0\n2,box,object(8),\n"
        "3,dusk,object(8),people and tags\n",
        encoding="utf-8",
    )

    def sources(out: Path) -> dict[str, str]:
        return {one.name: one.source for one in open_concept_data(out).concepts}

    labels = find_labels(open_concept_data(folder))
    verification = Verification(labels, file, VerifySettings(concepts=("ball", "box")))
    said: dict[str, Sequence[tuple[str, ...]]] = {
        "object/ball": [("yes",), ("yes", "", "yes"), ("yes", "yes", "no"), ("no",), ("yes", "no"),
                        ("no", "no"), ("no",), ("",)],
        "object/box": [("yes",), ("",)],
    }  # fmt: skip
    for uid, of_concept in said.items():
        for label, answers in zip(verification.concepts[uid].sample, of_concept, strict=False):
            for worker, answer in zip(("ana", "bo", "cy"), answers, strict=False):
                verification.answer(label, worker, answer)
    write_verified(labels, file, tmp_path / "kept")
    expected = {
        "ball": "SegFormer b0, verified: 3 of 7 yes",
        "box": "people, verified: 1 of 1 yes",
        "dusk": "people and tags",
    }
    assert sources(tmp_path / "kept") == expected
    report = merge([tmp_path / "kept", folder], tmp_path / "merged")
    assert sources(report.folder) == expected
    again = find_labels(open_concept_data(tmp_path / "kept"))
    columns = choose_concepts(again)
    assert [again.data.concepts[column].name for column in columns] == ["ball", "dusk"]
    assert choose_concepts(again, (), "SegFormer b0") == columns[:1]
    with AnswerFile(tmp_path / "again.csv") as second:
        verification = Verification(again, second, VerifySettings(concepts=("ball",)))
        for label in verification.concepts["object/ball"].sample[:2]:
            verification.answer(label, "ana", "yes")
        write_verified(again, second, tmp_path / "twice")
    assert sources(tmp_path / "twice") == {
        **expected,
        "ball": "SegFormer b0, verified: 2 of 2 yes",
    }


@pytest.mark.parametrize(
    ("sources", "joined"),
    [
        (["", ""], ""),
        (["tags, verified: 3 of 7 yes", ""], "people and tags, verified: 3 of 7 yes"),
        (["", "people, verified: 1 of 1 yes"], "people, verified: 1 of 1 yes"),
        (
            ["b, verified: 3 of 7 yes", "a and b, verified: 1 of 2 yes; 3 of 7 yes", "a"],
            "a and b, verified: 1 of 2 yes; 3 of 7 yes",
        ),
    ],
)
def test_joined_sources_keep_what_people_said(sources: list[str], joined: str) -> None:
    assert join_sources(sources) == joined
    assert join_sources([join_sources(sources[:1]), *sources[1:]]) == joined


def test_a_refused_tag_is_a_no_where_somebody_was_asked(tmp_path: Path, file: AnswerFile) -> None:
    drawn = draw_concept_data(tmp_path / "drawn", 6)
    photos = sorted((drawn / "images" / "drawn").glob("*.jpg"))
    rows = [(0, "dusk,yes"), (1, "dusk,yes"), (2, "dusk,no"), (3, "rain"), (4, "rain")]
    for number in range(5):
        shutil.copy(photos[number], tmp_path / f"{number}.jpg")
    lines = [f"{number}.jpg,{rest}" for number, rest in rows]
    text = "image,label,answer\n" + "\n".join(
        line if line.count(",") == 2 else f"{line},yes" for line in lines
    )
    (tmp_path / "tags.csv").write_text(text + "\n", encoding="utf-8")
    write_tags(tmp_path / "tags.csv", tmp_path / "tags")
    labels = find_labels(open_concept_data(tmp_path / "tags"))
    verification = Verification(labels, file, VerifySettings())
    for label in list(verification.queue("ana")):
        first = verification.image(label).name in {"0.jpg", "3.jpg"}
        verification.answer(label, "ana", "no" if first else "yes")
    write_verified(labels, file, tmp_path / "kept")
    data = open_concept_data(tmp_path / "kept")
    names = [concept.name for concept in data.concepts]
    sources = {concept.source for concept in data.concepts}
    assert sources == {"tags, verified: 1 of 2 yes"}
    found = {
        image.name: ([names[k] for k in image.image_labels], [names[k] for k in image.absent])
        for image in data.images
    }
    assert found == {
        "0.jpg": ([], ["dusk"]), "1.jpg": (["dusk"], []), "2.jpg": ([], ["dusk"]),
        "3.jpg": ([], []), "4.jpg": (["rain"], []),
    }  # fmt: skip
    nothing = {image.name for image in data.images if image.nothing_of}
    assert nothing == {"3.jpg"}  # without rain


def test_data_build_reads_the_answers(labels: DataLabels, file: AnswerFile, tmp_path: Path) -> None:
    """As boxes, of which a majority of the people says yes."""
    verification = Verification(labels, file, VerifySettings(concepts=("disc",), rounds=3))
    wanted = ["yes yes no", "no no yes", "yes yes yes"]
    said = {one: text.split() for one, text in zip(verification.queue("ana"), wanted, strict=False)}
    for label, answers in said.items():
        for worker, answer in zip(("ana", "bo", "cy"), answers, strict=True):
            verification.answer(label, worker, answer)
    report = build(
        file.path,
        labels.data.folder / "images",
        tmp_path / "boxes",
        BuildSettings(rules=AgreementRules(verified_only=True)),
    )
    kept = open_concept_data(report.folder)
    accepted = [label for label, answers in said.items() if answers.count("yes") > 1]
    names = {verification.image(label).name for label in accepted}
    assert {image.name for image in kept.images} == names


def test_no_labels_and_damaged_masks(tmp_path: Path) -> None:
    numbers = np.full((8, 8), 1)
    rows: list[dict[str, str | int]] = [{"image": f"{k}.jpg", "object": f"{k}.png"} for k in "ab"]
    folder = write_broden(tmp_path / "data", rows, [(1, "ball", "object")], ["object"])
    for name in "ab":
        write_mask(folder / "images" / f"{name}.png", numbers)
    damaged = bytearray((folder / "images" / "b.png").read_bytes())
    damaged[50] ^= 255
    (folder / "images" / "b.png").write_bytes(damaged)
    found = find_labels(open_concept_data(folder, strict=False))
    assert [len(of_concept) for of_concept in found.by_concept.values()] == [1]
    assert list(found.damaged) == ["b.jpg"]
    write_mask(folder / "images" / "a.png", np.zeros((8, 8), np.int64))
    with pytest.raises(DataError, match="no label to verify"):
        find_labels(open_concept_data(folder, strict=False))
