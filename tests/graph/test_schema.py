"""What a run may hold: files, sizes, types, ranges and names are checked before they are used."""

from __future__ import annotations

import json
import os
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conceptgraph.errors import RunError
from conceptgraph.files import atomic_file
from conceptgraph.graph.records import records
from conceptgraph.graph.run.class_evidence import read_class_evidence
from conceptgraph.graph.run.explanations import saved_explanations
from conceptgraph.graph.run.reader import open_run
from conceptgraph.graph.run.schema import KEYS, LONGEST_NAME, TABLES, kind_of
from conceptgraph.graph.run.word_labels import read_word_labels
from tests.made_runs import add_evidence, random_run, small_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from conceptgraph.graph.run.reader import Run


PATH = {"rank": 1, "contribution": 1.0, "measured": 1.0, "units": ["block4/1"]}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return small_run(tmp_path / "a.cg")


def change(file: Path, column: str, value: object, row: int = 0) -> None:
    """Change a cell, whatever its type was."""
    table = pq.read_table(file)
    values = table[column].to_pylist()
    values[row] = value
    kind = pa.float64() if isinstance(value, float) else table.schema.field(column).type
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, pa.array(values, kind)), file)


def test_every_kind_of_every_column_is_known() -> None:
    assert KEYS.keys() == TABLES.keys()
    for name, columns in TABLES.items():
        assert set(KEYS[name]) <= columns.keys()
        for kind in columns.values():
            assert pa.type_for_alias(kind_of(kind).arrow)


@pytest.mark.parametrize(
    ("table", "column", "value", "message"),
    [
        ("units", "iou", -0.5, "column iou; found -0.5; expected 0 or more"),
        ("units", "iou", float("inf"), "column iou; found inf"),
        ("units", "threshold", None, "column threshold; found a missing value"),
        ("units", "threshold", float("nan"), "column threshold; found nan; expected a finite"),
        ("units", "status", "asleep", "found 'asleep'; expected ok, dead, sparse"),
        ("units", "index", -1, "column index; found -1; expected 0 or more"),
        ("units", "index", 2, "uid does not fit the others; found 'block3/0'; expected 'block3/2'"),
        ("units", "block", "block9", "found 'block9'; expected a block of the run"),
        ("units", "uid", "block3/9", "found 'block3/9'; expected a unit of the run"),
        ("units", "label", "ball", "no concept of the run; found 'texture/ball'"),
        ("units", "label", None, "found a label without its category"),
        ("units", "label", "", "a label that is no concept of the run; found 'texture/'"),
        ("concepts", "category", "a/b", "found 'a/b'; expected a name without /"),
        ("concepts", "name", "x", "uid does not fit.*found 'texture/polka dotted'; expected"),
        ("concepts", "name", "x" * 5000, r"a text in column name; expected at most 4,096 bytes"),
        ("classes", "uid", "juggling", "found 'juggling'; expected 'class/juggling'"),
        ("classes", "index", 1, "classes out of order"),
        ("detections", "concept", "object/road", "expected a concept of the run"),
        ("detections", "category", "object", "category does not fit the others"),
        ("detections", "holds", None, "column holds; found a missing value"),
        ("detections", "rank", 0.5, "rank of another type; found double; expected int64"),
        ("presence", "mcc", -1.5, "column mcc; found -1.5; expected -1 to 1"),
        ("presence", "block", "block4", "presence_block4.npy: cannot be read"),
        ("top_images", "thumbnail", "../x.jpg", r"found '\.\./x\.jpg'; expected a path inside"),
        ("top_images", "thumbnail", "/etc/passwd", "expected a path inside the run"),
        ("top_images", "activation", 1e39, r"found 1e\+39; expected a finite number"),
    ],
)
def test_a_value_that_cannot_be(
    run: Run, table: str, column: str, value: object, message: str
) -> None:
    change(run.path / f"{table}.parquet", column, value)
    with pytest.raises(RunError, match=rf"{table}\.parquet: .*{message}|{message}"):
        open_run(run.path).check()


def test_text_that_is_not_utf_8(run: Run) -> None:
    file = run.path / "classes.parquet"
    table = pq.read_table(file)
    names = pa.array([b"\xff", b"road"])
    invalid = pa.Array.from_buffers(pa.string(), 2, names.buffers())
    pq.write_table(table.set_column(1, "name", invalid), file)
    with pytest.raises(RunError, match=r"classes\.parquet: not the table it should be"):
        _ = open_run(run.path).classes


@pytest.mark.parametrize("kind", [pa.float64(), pa.binary(), pa.list_(pa.string())])
def test_a_column_of_another_type(run: Run, kind: pa.DataType) -> None:
    file = run.path / "classes.parquet"
    table = pq.read_table(file)
    pq.write_table(table.set_column(1, "name", pa.nulls(2, kind)), file)
    with pytest.raises(RunError, match=r"column name of another type; found .*; expected string"):
        _ = open_run(run.path).classes


def test_a_row_twice(run: Run) -> None:
    file = run.path / "detections.parquet"
    table = pd.read_parquet(file)
    pd.concat([table, table[:1]]).to_parquet(file)
    with pytest.raises(RunError, match="a row is duplicated; found block3/0, texture/polka dotted"):
        _ = open_run(run.path).detections


def test_more_rows_than_there_can_be_are_not_read(run: Run) -> None:
    """A table of one row a million times is a small file."""
    file = run.path / "detections.parquet"
    table = pq.read_table(file)
    pq.write_table(pa.concat_tables([table.take([0] * 1_000_000)] * 20), file, compression="zstd")
    assert file.stat().st_size < 3_000_000
    before = pa.total_allocated_bytes()
    pool = pa.default_memory_pool()
    with pytest.raises(RunError, match=r"20,000,000 rows; expected at most 24"):
        _ = open_run(run.path).detections
    assert pool.bytes_allocated() <= before


@pytest.mark.parametrize(
    ("use_dictionary", "message"),
    [
        (True, f"a text in column label; expected at most {LONGEST_NAME:,}"),
        (False, "bytes, decompressed; expected at most"),
    ],
)
def test_long_text_is_not_repeated_in_memory(
    tmp_path: Path, use_dictionary: bool, message: str
) -> None:
    """Texts are dictionaries while they are checked: 8 MB of text in each of 200 rows."""
    run = random_run(tmp_path / "a.cg", {"block4": 200})
    file = run.path / "units.parquet"
    table = pq.read_table(file)
    text = pa.array(["x" * (1 << 23)]).take(pa.array([0] * 200))
    table = table.set_column(3, "label", text)
    pq.write_table(table, file, use_dictionary=use_dictionary, compression="zstd")
    with pytest.raises(RunError, match=message):
        _ = open_run(run.path).units


@pytest.mark.parametrize(
    "name",
    ["manifest.json", "units.parquet", "iou_block4.npy", "words.json", "evidence.json",
     "flows.parquet", "explanations/ab.json"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "link"])
def test_what_is_no_file_of_the_run_is_not_opened(run: Run, name: str, kind: str) -> None:
    add_evidence(run)
    file = run.path / name
    file.parent.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to({"device": "/dev/zero", "link": "/etc/hostname"}[kind])

    def read() -> None:
        opened = open_run(run.path)
        opened.check()
        read_word_labels(opened)
        read_class_evidence(opened)
        saved_explanations(opened)

    with pytest.raises(RunError, match=r"not a file|outside of it"):
        read()


def test_a_pipe_as_a_thumbnail_is_not_opened(run: Run) -> None:
    os.mkfifo(run.path / "pipe.jpg")
    with pytest.raises(RunError, match="not a file"):
        run.file("pipe.jpg")


@pytest.mark.parametrize(
    ("name", "size"),
    [("manifest.json", 1 << 36), ("units.parquet", 1 << 36), ("words.json", 1 << 31)],
)
def test_huge_files_are_not_read(run: Run, name: str, size: int) -> None:
    with (run.path / name).open("ab") as file:
        file.truncate(size)

    def read() -> None:
        opened = open_run(run.path)
        opened.check()
        read_word_labels(opened)

    with pytest.raises(RunError, match=f"larger than such a file of a run can be; found {size:,}"):
        read()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((3, 4), 0.5), r"found \(3, 4\) <f8; expected \(3, 4\) float32"),
        (np.full((3, 4), np.nan, np.float32), "values out of range; found values from nan"),
        (
            np.full((3, 4), -0.5, np.float32),
            "found values from -0.5 to -0.5; expected from 0 to 64",
        ),
        (np.asfortranarray(np.full((3, 4), 0.5, np.float32)), "float32 in columns"),
        (np.full((3, 4), 0.5, object), r"found \(3, 4\) \|O; expected"),
    ],
)
def test_an_array_that_cannot_be(run: Run, array: Any, message: str) -> None:
    np.save(run.path / "iou_block4.npy", array)
    with pytest.raises(RunError, match=message):
        open_run(run.path).iou("block4")


@pytest.mark.parametrize("size", [-4, 4, 1 << 36])
def test_an_array_of_another_size(run: Run, size: int) -> None:
    file = run.path / "iou_block4.npy"
    with file.open("rb+") as stream:
        stream.truncate(file.stat().st_size + size)
    with pytest.raises(RunError, match=r"not a \.npy array; found .* bytes of values; expected 48"):
        open_run(run.path).iou("block4")


@pytest.mark.parametrize(
    "shape", ["(" * 3000 + ")" * 3000, "(3, 4)" + " " * 20_000, "(-3, 4)", "((((", "x"]
)
def test_a_header_that_is_none(run: Run, shape: str) -> None:
    file = run.path / "iou_block4.npy"
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    file.write_bytes(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + b"\0" * 48)
    with pytest.raises(RunError, match=r"iou_block4\.npy: not a \.npy array"):
        open_run(run.path).iou("block4")


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_manifest_nested_deeply(run: Run, opening: str) -> None:
    (run.path / "manifest.json").write_text('{"schema": 1, "x": ' + opening * 200_000)
    with pytest.raises(RunError, match="nested too deeply"):
        open_run(run.path)


@pytest.mark.parametrize(
    ("change_manifest", "message"),
    [
        (lambda m: m["blocks"]["block4"].update(units=8.0), "Expected `int`, got `float`"),
        (lambda m: m["blocks"]["block4"].update(units=True), "Expected `int`, got `bool`"),
        (lambda m: m["blocks"]["block4"].update(units=10**9), "Expected `int` <= 250000"),
        (lambda m: m["blocks"].update({f"block{n}": {"units": 250_000, "height": 1, "width": 1}
                                       for n in (5, 6)}), "more units than a run can have"),
        (lambda m: m.update(quantile=1), "Expected `float` < 1"),
        (lambda m: m.update(min_iou=-0.1), "Expected `float` >= 0"),
        (lambda m: m.update(uid="a/b"), "Expected `str` matching regex"),
        (lambda m: m.update(device="x" * 5000), "Expected `str` of length <= 4096"),
        (lambda m: m["input"].update(std=[0.0]), "Expected `float` > 0"),
        (lambda m: m["input"].update(mean=[]), "Expected `array` of length >= 1"),
        (lambda m: m["input"].update(interpolation="magic"), "Invalid enum value 'magic'"),
        (lambda m: m["settings"].update(seed=[1]), "settings not valid.*`int`, got `array`"),
        (lambda m: m["settings"].update(seed=-1), "settings not valid; found seed out of range"),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be(
    run: Run, change_manifest: Callable[[dict[str, Any]], object], message: str
) -> None:
    file = run.path / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    change_manifest(manifest)
    file.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(RunError, match=message):
        open_run(run.path)


def test_what_follows_a_link_is_not_written(run: Run, tmp_path: Path) -> None:
    """Whoever made a run could leave a link under the name that a file has while it is written."""
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    (run.path / ".evidence.json.partial").symlink_to(mine)
    add_evidence(run)
    assert mine.read_text() == "mine"
    assert not list(run.path.glob(".*"))
    with atomic_file(run.path / "x") as partial:
        partial.write_text("x")
    assert read_class_evidence(run) is not None


def test_evidence_is_written_whole_or_not_at_all(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    add_evidence(run)
    before = {file.name: file.read_bytes() for file in run.path.iterdir() if file.is_file()}

    def fail(self: Path, *_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(RunError, match="cannot be written: No space left"):
        add_evidence(run, seed=1)
    assert {file.name: file.read_bytes() for file in run.path.iterdir() if file.is_file()} == before


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("class", "nobody", "no 'nobody' in the run"),
        ("versus", "nobody", "no 'nobody' in the run"),
        ("logit", "5", "Expected `float`, got `str`"),
        ("probability", 1.5, "Expected `float` <= 1"),
        ("paths", [PATH | {"units": []}], "length >= 1"),
        ("paths", [PATH | {"units": ["block9/1"]}], "no 'block9/1' in the run"),
        ("paths", [PATH, PATH], "Delete it, and explain again"),
    ],
)  # fmt: skip
def test_an_explanation_that_cannot_be(run: Run, part: str, value: object, message: str) -> None:
    answer = {
        "class": "road", "versus": None, "method": "exact", "logit": 4.0, "probability": 0.75,
        "coverage": 0.5, "paths": [], "accounting": {}, part: value,
    }  # fmt: skip
    saved = {"schema": 1, "image": "0" * 64, "path": "x.jpg", "answer": answer}
    (run.path / "explanations").mkdir()
    (run.path / "explanations" / "ab.json").write_text(json.dumps(saved))
    with pytest.raises(RunError, match=rf"ab\.json: not an explanation.*{message}"):
        records(open_run(run.path))


def test_the_same_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    """No range is narrower than what an ingest writes: a random run passes."""
    for seed, widths in product(range(2), ({"block1": 5, "block2": 7}, {"block3": 9, "block4": 2})):
        made = random_run(tmp_path / f"{seed}-{min(widths)}.cg", widths, seed=seed)
        add_evidence(made)
        opened = open_run(made.path)
        opened.check()
        assert read_class_evidence(opened) is not None
        assert len(records(opened)) > 0
