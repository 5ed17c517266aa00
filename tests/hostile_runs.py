"""Runs from somebody else: a run whose files are damaged or forged, and the commands that read it.

`python -m tests.hostile_runs --mutants 2000 --seed 1` makes that many and prints what came out; the
tests take a short slice. A *mutant* is a copy of a run with one file changed. Whatever is in it, a
command answers, or says in one line what is wrong: it raises nothing, prints no warning, ends
within `SECONDS`, takes less than `GIGABYTES`, and leaves no half-written file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from conceptgraph.graph.run.check import CheckLine, RunCheck, write_check
from conceptgraph.graph.run.formulas import FORMULAS, FormulaLabels, write_formulas
from conceptgraph.graph.run.reader import open_run
from conceptgraph.graph.run.word_labels import WordLabels, write_word_labels
from tests.command_line import call
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_run
from tests.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Mutation = Callable[[Path, random.Random], str]

SECONDS, GIGABYTES, LONGEST_ERROR = 30, 4.0, 3000
UNDETECTED = "action/balancing"
NETWORK = ("--model", "tests.lively_run:even_network")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("show", "block4/1"),
    ("show", "disc"),
    ("show", "--class", "class 1", "--json"),
    ("query", "unit-concepts", "-p", "unit=block4/1"),
    ("query", "class-paths", "-p", "class=class 1"),
    ("query", "saved-images"),
    ("query", "concept-carried", "-p", "concept=disc"),
    ("query", "concept-presence", "-p", "concept=disc", "--json"),
    ("why", "--class", "class 1"),
    ("why", "--class", "class 1", "--one-unit", "--html", "OUT/why.html"),
    ("query", "formulas"),
    ("export", "csv", "-o", "OUT/csv"),
    ("export", "graphml", "-o", "OUT/net.graphml"),
    ("export", "gexf", "-o", "OUT/net.gexf"),
    ("export", "json", "-o", "OUT/net.json"),
    ("export", "neo4j-csv", "-o", "OUT/files"),
    ("export", "html", "--class", "class 1", "-o", "OUT/paths.html"),
    ("compare", "RUN", "ORIGINAL"),
    ("report", "-o", "OUT/report.html", "--versus", "ORIGINAL"),
)
"""Commands that load no network; OUT, RUN and ORIGINAL stand for paths."""
NETWORK_COMMANDS: tuple[tuple[str, ...], ...] = (
    ("why", "--image", "x.jpg", "--html", "OUT/why.html", "--cam", "OUT/cam.png", *NETWORK),
    ("evidence", "--images", "photos", *NETWORK),
    ("audit", "--images", "photos", "--labels", "labels.csv", "--html", "OUT/a.html", *NETWORK),
)
_PAGES = tuple(words for words in COMMANDS if any(word.endswith(".html") for word in words))
_READERS = {
    "words": (COMMANDS[0], ("show", "block4/1", "--labels", "words")),
    "formulas": (COMMANDS[0], ("query", "formulas")),
    "check.json": (COMMANDS[-1],),
    "thumbnails": _PAGES,
    "explanations/*.png": (("query", "saved-images"),),
    "iou": (("show", UNDETECTED),),
    "presence_": NETWORK_COMMANDS,
    "audits": NETWORK_COMMANDS[2:],
    "evidence/": NETWORK_COMMANDS[1:2],
}
"""For files that few commands read: those that do."""
_NAMES = (
    "", " ", "x" * 5000, "x" * (1 << 21), "../../x", "/etc/passwd", "a\0b", "\x1b[2J", "\u202e",
    "<script>", "block4/1", "block4", "object/disc", "a/b/c", "NaN", "0", "é" * 3000,
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 8.0, 1e308, -1e308, 2**31, 2**63, 2**70, 10**400, 0.5, -0.5,
    "", "x", "x" * 5000, "../../x", "/dev/zero", "a\0b",
    [], {}, [[]], [1, 2, 3], {"a": 1}, [None], ["x"] * 5000,
)  # fmt: skip


class Failure(NamedTuple):
    """What a command must not do."""

    kind: str
    mutation: str
    command: str
    detail: str


class Tally:
    """What came out, by the kind of file that was changed."""

    def __init__(self, on_failure: Callable[[Failure], object] = bool) -> None:
        self.on_failure = on_failure
        self.mutants: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.failures: list[tuple[str, Failure]] = []
        self.most_seconds = self.most_gigabytes = 0.0

    def table(self) -> str:
        """Return the counts as a Markdown table."""
        lines = ["| file | mutants | refused in one line | answered | failures |",
                 "|---|--:|--:|--:|--:|"]  # fmt: skip
        failed = Counter(kind for kind, _ in self.failures)
        for kind in sorted(self.mutants):
            counts = self.mutants[kind], self.refused[kind], self.answered[kind], failed[kind]
            lines.append(f"| {kind} | {' | '.join(map(str, counts))} |")
        totals = (sum(c.values()) for c in (self.mutants, self.refused, self.answered, failed))
        lines.append(f"| all | {' | '.join(map(str, totals))} |")
        most = f"at most {self.most_seconds:.1f} s and {self.most_gigabytes:.2f} GB a command"
        return "\n".join([*lines, "", most])

    def report(self) -> None:
        """Print the table, and how often each kind of failure came."""
        kinds = Counter(failure.kind for _, failure in self.failures)
        lines = [self.table(), *(f"{n} × {kind}" for kind, n in kinds.most_common())]
        sys.stdout.write("\n".join(lines) + "\n\n")
        sys.stdout.flush()


def make_world(folder: Path, images: int = 12) -> Path:
    """Make a folder with a run that has all optional files, and images; return the run.

    One concept is detected by no unit.
    """
    run = lively_run(draw_concept_data(folder / "drawn", images), folder, "even_network")
    detections = run.detections[run.detections["concept"] != UNDETECTED]
    detections.to_parquet(run.path / "detections.parquet")
    run = open_run(run.path)
    files = sorted((folder / "drawn" / "images").rglob("*.jpg"))
    (folder / "photos").mkdir()
    for image in files[:6]:
        shutil.copy(image, folder / "photos")
    shutil.copy(files[0], folder / "x.jpg")
    rows = [f"{image.name},class {number % 4}" for number, image in enumerate(files[:6])]
    (folder / "labels.csv").write_text("\n".join(["image,label", *rows]) + "\n")
    for words in (
        *NETWORK_COMMANDS,
        (*NETWORK_COMMANDS[0][:3], "--class", "class 1", "--versus", "class 3", *NETWORK),
    ):
        made = [word.replace("OUT", str(folder)) for word in words]
        done = call(*made, "--run", run.path, folder=folder)
        assert done.status == 0, done.err
    units = run.units
    labels = pd.DataFrame(
        {"unit": units["uid"], "block": units["block"], "word": "disc", "auc": 0.75, "auc_low": 0.5,
         "p": 0.01, "repeats": True, "strong": 5, "near": 6, "intersection": 3, "wpmi_word": "disc",
         "significant": True,
         "holds": units["index"] % 2 == 0}
    )  # fmt: skip
    write_word_labels(run, WordLabels(labels, "by hand", images, 5))
    own = {"unit": units["uid"], "block": units["block"], "formula": "disc AND NOT red"}
    others = {"concept": units["category"] + "/" + units["label"], "terms": 2}
    numbers = dict.fromkeys((*FORMULAS,)[6:-2], 0.25) | {"iou": 0.5}
    flags = {"significant": True, "holds": (units["index"] % 2 == 0) & units["label"].notna()}
    table = pd.DataFrame({**own, **others, **numbers, **flags})[list(FORMULAS)]
    write_formulas(run, FormulaLabels(table, images, images, 5, 9, 0))
    line = CheckLine("sums", "meet the logit", "to 1e-6", True, "Tell us", {"residual": 1e-9})
    write_check(run, RunCheck(run.name, images, (line, line._replace(name="names", passed=False))))
    open_run(run.path).check()
    return run.path


# Mutations: each changes a file, and returns in words what it did.


def flip_bytes(file: Path, rng: random.Random) -> str:
    content = bytearray(file.read_bytes())
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        if content:
            content[rng.randrange(len(content))] = rng.randrange(256)
    file.write_bytes(content)
    return "bytes changed"


def cut(file: Path, rng: random.Random) -> str:
    content = file.read_bytes()
    file.write_bytes(content[: rng.randrange(len(content) + 1)])
    return "cut off"


def splice(file: Path, rng: random.Random) -> str:
    content = file.read_bytes()
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    junk = rng.choice([b"", b"\0" * (end - start), rng.randbytes(rng.randrange(1, 300)), content])
    file.write_bytes(content[:start] + junk + content[end:])
    return "bytes replaced"


def no_regular_file(file: Path, rng: random.Random) -> str:
    kinds = ("pipe", "folder", "device", "outside", "loop", "nothing", "empty", "dangling")
    what = rng.choice(kinds)
    other = file.with_name("other")
    file.unlink()
    if what == "pipe":
        os.mkfifo(file)
    elif what == "folder":
        file.mkdir()
    elif what == "empty":
        file.touch()
    elif what != "nothing":
        target = {"device": "/dev/zero", "outside": "/etc/passwd", "loop": file.name}
        file.symlink_to(target.get(what, other))
    return f"replaced by: {what}"


def sparse(file: Path, rng: random.Random) -> str:
    with file.open("rb+") as stream:
        stream.truncate(rng.choice([1 << 20, 1 << 31, 1 << 36]))
    return "made huge"


def other_file(file: Path, rng: random.Random) -> str:
    root = next(folder for folder in file.parents if folder.suffix == ".cg")
    files = sorted(path for path in root.rglob("*") if path.is_file() and path != file)
    source = rng.choice(files)
    shutil.copy(source, file)
    return f"replaced by {source.name}"


ANY: tuple[Mutation, ...] = (flip_bytes, cut, splice, no_regular_file, sparse, other_file)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield all containers and keys of a JSON value."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _change_json(value: Any, rng: random.Random) -> str:
    container, key = rng.choice([*_places(value)] or [([0], 0)])
    what = rng.choice(["replaced", "replaced", "replaced", "deleted", "renamed", "added", "scaled"])
    before = container[key]
    if what == "deleted":
        del container[key]
    elif what == "renamed" and isinstance(container, dict):
        container[rng.choice(_NAMES[:3] + _NAMES[4:])] = container.pop(key)
    elif what == "added" and isinstance(container, list):
        container.append(rng.choice(_VALUES))
    elif what == "scaled" and isinstance(before, int | float):
        container[key] = before * rng.choice([-1, 10, 1000, 10**6])
    else:
        what = "replaced"
        container[key] = rng.choice(_VALUES)
    return f"{what} {key!r:.40}"


def _to_json(value: Any, rng: random.Random) -> bytes:
    text = json.dumps(value)
    return text.encode(rng.choice(["utf-8"] * 8 + ["utf-16", "utf-8-sig"]))


def json_value(file: Path, rng: random.Random) -> str:
    value = json.loads(file.read_bytes())
    done = [_change_json(value, rng) for _ in range(rng.choice([1, 1, 2]))]
    file.write_bytes(_to_json(value, rng))
    return f"JSON: {', '.join(done)}"


def nested(file: Path, rng: random.Random) -> str:
    depth = rng.choice([500, 5000, 200_000])
    deep = "[" * depth + "]" * depth
    if rng.random() < 0.5:
        deep = '{"a":' * depth + "1" + "}" * depth
    text = file.read_text()
    whole = rng.random() < 0.3 or not text.startswith("{")
    file.write_text(deep if whole else text.replace("{", '{"nested": ' + deep + ",", 1))
    return "nested deeply"


def constants(file: Path, rng: random.Random) -> str:
    numbers = [part for part in file.read_text().split() if part.rstrip(",").isdigit()] or ["0"]
    new = rng.choice(["NaN", "Infinity", "-Infinity", "1e999", "1" * 5000, '"\\ud800"', "\\xff"])
    file.write_text(file.read_text().replace(rng.choice(numbers).rstrip(","), new, 1))
    return f"a number is {new:.12}"


def json_line(file: Path, rng: random.Random) -> str:
    lines = file.read_bytes().splitlines(keepends=True)
    number = rng.randrange(len(lines) or 1)
    lines = lines or [b"{}\n"]
    what = rng.choice([*["value"] * 4, "dropped", "repeated", "swapped", "long"])
    if what == "value":
        value = json.loads(lines[number])
        what = _change_json(value, rng)
        lines[number] = json.dumps(value).encode() + b"\n"
    elif what == "dropped":
        del lines[number]
    elif what == "repeated":
        lines.insert(number, lines[number])
    elif what == "swapped":
        lines.reverse()
    else:
        lines[number] = b"[" * 10**6 + b"\n"
    file.write_bytes(b"".join(lines))
    return f"a line: {what}"


def column(file: Path, rng: random.Random) -> str:
    table = pq.read_table(file)
    name = rng.choice(table.column_names)
    place = table.column_names.index(name)
    what = rng.choice(["dropped", "renamed", "twice", "null", "retyped", "retyped", "added"])
    if what == "dropped":
        table = table.drop_columns([name])
    elif what == "renamed":
        table = table.rename_columns([n if n != name else "x" for n in table.column_names])
    elif what in ("twice", "added"):
        table = table.append_column(name if what == "twice" else "x", table[name])
    elif what == "null":
        table = table.set_column(place, name, pa.nulls(len(table)))
    else:
        table, what = _retyped(table, place, rng)
    _write(table, file, rng)
    return f"column {name} {what}"


def _retyped(table: pa.Table, place: int, rng: random.Random) -> tuple[pa.Table, str]:
    values, name = table.column(place), table.column_names[place]
    kinds = (pa.string(), pa.large_string(), pa.binary(), pa.int8(), pa.uint64(), pa.float16(),
             pa.float32(), pa.float64(), pa.bool_(), pa.int64(), pa.timestamp("ns"), pa.date32(),
             pa.decimal128(38, 10), pa.dictionary(pa.int32(), pa.string()))  # fmt: skip
    kind = rng.choice(kinds)
    what = rng.choice(["cast", "cast", "list", "struct", "extension"])
    try:
        if what == "cast":
            values = values.cast(kind, safe=False)
        elif what == "list":
            values = pa.array([[value] for value in values.to_pylist()])
        elif what == "struct":
            values = pa.array([{"a": value} for value in values.to_pylist()])
    except pa.ArrowException:
        values = pa.array([0] * len(values), pa.int64()).cast(pa.timestamp("s"))
    field = pa.field(name, values.type, metadata={"ARROW:extension:name": "x"})
    return table.set_column(place, field, values), f"is {values.type}"


def cells(file: Path, rng: random.Random) -> str:
    table = pq.read_table(file)
    place = rng.randrange(table.num_columns)
    name, values = table.column_names[place], table.column(place).to_pylist()
    kind = table.schema.field(place).type
    number = rng.choice(
        [None, float("nan"), float("inf"), -1, -0.5, 1.5, 1e300, 0, 2**62, 7, 10**6]
    )
    text = rng.choice([None, *_NAMES])
    value = rng.choice(values) if values and rng.random() < 0.2 else number
    if _is_text(kind):
        value = rng.choice(values) if values and rng.random() < 0.2 else text
    elif pa.types.is_boolean(kind):
        value = rng.choice([None, True, False])
    elif pa.types.is_integer(kind) and isinstance(value, float):
        kind = pa.float64()
    elif pa.types.is_floating(kind) and value is not None:
        value = float(value)
    every = rng.random() < 0.3
    for row in range(len(values)) if every else (rng.randrange(max(1, len(values))),):
        if values:
            values[row] = value
    if pa.types.is_string(kind) and rng.random() < 0.1:
        changed = _bad_text(values)
    else:
        changed = pa.array(values, kind)
    _write(table.set_column(place, name, changed), file, rng)
    return f"{'all' if every else 'one'} of {name}: {value!r:.30}"


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _bad_text(values: Sequence[str | None]) -> pa.Array:
    """Return texts of which the first is not UTF-8."""
    content = [(value or "").encode("utf-8", "replace") for value in values]
    content[:1] = [b"\xff\xfe" + part for part in content[:1]]
    array = pa.array(content, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(array), array.buffers())


def rows(file: Path, rng: random.Random) -> str:
    table = pq.read_table(file)
    what = rng.choice(["none", "some", "repeated", "shuffled", "one", "very many", "long text"])
    order = list(range(len(table)))
    if what == "none":
        table = table.slice(0, 0)
    elif what == "some":
        table = table.slice(rng.randrange(1, len(table) + 1))
    elif what == "repeated":
        table = pa.concat_tables([table, table.slice(0, rng.randrange(1, len(table) + 1))])
    elif what == "shuffled":
        rng.shuffle(order)
        table = table.take(order)
    elif what == "one":
        table = table.take([0] * len(table))
    elif what == "very many":
        table = pa.concat_tables([table.take([0] * 1_000_000)] * rng.choice([1, 3]))
    else:
        names = [field.name for field in table.schema if _is_text(field.type)]
        place = table.column_names.index(rng.choice(names))
        text = pa.array(["x" * (1 << 21)]).take(pa.array([0] * min(len(table), 200)))
        table = table.slice(0, 200).set_column(place, table.column_names[place], text)
    _write(table, file, rng)
    return f"rows: {what}"


def _write(table: pa.Table, file: Path, rng: random.Random) -> None:
    metadata = rng.choice([None, {"pandas": "{"}, {"pandas": '{"index_columns": ["uid"]}'}])
    compression = rng.choice(["snappy", "zstd", "none", "gzip"])
    pq.write_table(
        table.replace_schema_metadata(metadata),
        file,
        compression=compression,
        row_group_size=rng.choice([None, 7]) if len(table) < 10_000 else None,
        use_dictionary=rng.random() < 0.8,
    )


def array(file: Path, rng: random.Random) -> str:
    values = np.load(file)
    what = rng.choice(["value", "value", "type", "shape", "order", "object", "structured"])
    if what == "value":
        bad = rng.choice([np.nan, np.inf, -np.inf, -1, 2, 3e38, -3e38, 0])
        values = values.copy()
        values[rng.randrange(len(values))] = bad
        what = f"value {bad}"
    elif what == "type":
        values = values.astype(
            rng.choice(["<f8", "<f2", ">f4", "<i8", "?", "<c8", "S3", "<U2", "u1"])
        )
    elif what == "shape":
        values = rng.choice(
            [values.T, values[:-1], values[0], values[None], values[:, :0], values[:0]]
        )
    elif what == "order":
        values = np.asfortranarray(values)
    elif what == "object":
        values = values.astype(object)
    else:
        values = np.zeros(values.shape, [("a", "<f4"), ("b", "<i4")])
    np.save(file, values, allow_pickle=True)
    return f"array: {what}"


def header(file: Path, rng: random.Random) -> str:
    shapes = (
        "(10**9, 10**9)", "(-1, 4)", "(3,)", "()", "(1e3, 2)", "((((", "99999999999999999999, 1",
        "(True, False)", "(3, 4)" + " " * 50_000, "(" * 3000 + ")" * 3000,
    )  # fmt: skip
    shape = rng.choice(shapes)
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    version = rng.choice([b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\7\7"])
    size = struct.pack("<H" if version == b"\1\0" else "<I", min(len(text), 65535))
    file.write_bytes(b"\x93NUMPY" + version + size + text + file.read_bytes()[128:])
    return f"header {shape:.20}"


def picture(file: Path, rng: random.Random) -> str:
    kind = rng.choice(["PNG", "GIF", "BMP", "TIFF", "PPM", "large", "grey", "tiny"])
    sizes = {"large": (20_000, 20_000), "tiny": (1, 1)}
    image = Image.new("L" if kind in ("grey", "large") else "RGB", sizes.get(kind, (112, 112)))
    image.save(file, format=kind if kind.isupper() else "JPEG")
    return f"picture: {kind}"


_JSON: tuple[Mutation, ...] = (*[json_value] * 8, nested, constants, constants)
BY_SUFFIX: dict[str, tuple[Mutation, ...]] = {
    ".json": _JSON,
    ".jsonl": (*[json_line] * 6, nested),
    ".parquet": (column, column, cells, cells, cells, cells, rows, rows),
    ".npy": (array, array, header),
    ".jpg": (picture,),
    ".png": (),
}


def kind_of_file(file: Path, run: Path) -> str:
    """Return what the table of results calls a file."""
    name = file.relative_to(run)
    if file.suffix == ".npy":
        return f"{name.stem.partition('_')[0]}_*.npy"
    return str(name) if len(name.parts) == 1 else f"{name.parts[0]}/*{file.suffix}"


def mutate(run: Path, rng: random.Random) -> tuple[str, str]:
    """Change one file of a run; return its kind, and what was done."""
    by_kind: dict[str, list[Path]] = {}
    for file in sorted(path for path in run.rglob("*") if path.is_file()):
        by_kind.setdefault(kind_of_file(file, run), []).append(file)
    kind = rng.choice(sorted(by_kind))
    file = rng.choice(by_kind[kind])
    own = BY_SUFFIX[file.suffix]
    chosen = rng.choice(ANY) if not own or rng.random() < 0.3 else rng.choice(own)
    done = chosen(file, rng)
    if kind.endswith("jpg") and file.is_file() and file.stat().st_size < 1 << 20:
        for other in by_kind[kind]:  # so that pages show it
            if other != file:
                shutil.copy(file, other)
    return kind, f"{file.relative_to(run)}: {done}"


class TooSlowError(Exception):
    """A command took too long; no TimeoutError, which commands take for one of the disk."""


@contextmanager
def time_limit() -> Iterator[None]:
    """Raise TooSlowError after `SECONDS`."""

    def stop(number: int, frame: object) -> None:
        raise TooSlowError(f"longer than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak_gigabytes() -> float:
    """Return the most memory since `_reset_peak`, or of all time where the system has no such."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


class Asked(Protocol):
    """A command and the folder that it is asked in; `mutant` is what was damaged."""

    @property
    def world(self) -> Path: ...
    @property
    def mutant(self) -> Path: ...
    @property
    def words(self) -> tuple[str, ...]: ...
    @property
    def kind(self) -> str: ...
    @property
    def mutation(self) -> str: ...
    def typed(self, out: Path) -> list[str]:
        """Return the words of the command, with paths."""


class Question(NamedTuple):
    """A command that a mutant is asked.

    Attributes:
        world: the folder of the original run.
        mutant: the run.
        words: the command.
        kind: of the file that was changed.
        mutation: how.
    """

    world: Path
    mutant: Path
    words: tuple[str, ...]
    kind: str
    mutation: str

    def typed(self, out: Path) -> list[str]:
        """Return the words of the command, with paths."""
        paths = {"RUN": str(self.mutant), "ORIGINAL": str(self.world / "lively.cg")}
        words = [paths.get(word, word.replace("OUT/", f"{out}/")) for word in self.words]
        return words if words[0] == "compare" else [*words, "--run", str(self.mutant)]


def ask(question: Asked, tally: Tally) -> None:
    """Run a command on a mutant, and note what came out."""
    out = question.mutant.parent / "out"
    out.mkdir(exist_ok=True)
    _reset_peak()
    start = time.monotonic()
    for what, detail in _problems(question, out, tally):
        failure = Failure(what, question.mutation, " ".join(question.words), detail)
        tally.failures.append((question.kind, failure))
        tally.on_failure(failure)
    tally.most_seconds = max(tally.most_seconds, time.monotonic() - start)
    tally.most_gigabytes = max(tally.most_gigabytes, _peak_gigabytes())
    shutil.rmtree(out)


def _problems(question: Asked, out: Path, tally: Tally) -> Iterator[tuple[str, str]]:
    """Run a command; yield what it does that it must not."""
    try:
        with time_limit(), _warnings_shown():
            done = call(*question.typed(out), folder=question.world)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if frame.filename.startswith(str(ROOT))]
        place = (ours or frames)[-1]
        name = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        yield name, str(error)[:300]
    else:
        lines = done.err.splitlines()
        errors = [line for line in lines if line.startswith("conceptgraph: error: ")]
        if done.status == 0:
            tally.answered[question.kind] += 1
        elif len(errors) == 1 and done.status == 1:
            tally.refused[question.kind] += 1
            yield from _problems_of_error(errors[0], out)
        elif question.words[:2] == ("data", "check") and not errors:  # it lists the defects
            tally.refused[question.kind] += 1
        else:
            yield f"status {done.status}", done.err[-300:]
        if noise := [line for line in lines if "Warning" in line]:
            yield "a warning", noise[0][:300]
    if halves := [path for folder in (out, question.mutant) for path in folder.rglob(".*.partial")]:
        yield "half a file", str(halves[0])
    if (gigabytes := _peak_gigabytes()) > GIGABYTES:
        yield "memory", f"{gigabytes:.1f} GB"


def _problems_of_error(error: str, out: Path) -> Iterator[tuple[str, str]]:
    if len(error) > LONGEST_ERROR:
        yield "a long error", error[:300]
    if left := sorted(path.name for path in out.rglob("*")):
        yield "output left", ", ".join(left)


@contextmanager
def _warnings_shown() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        for category in (DeprecationWarning, ResourceWarning):
            warnings.filterwarnings("ignore", category=category)
        yield


def try_mutants(
    run: Path, numbers: Iterable[int], seed: int, *, commands: int, tally: Tally
) -> None:
    """Make mutants of a run, one after the other, and ask each some commands.

    Args:
        run: the run, in the folder that `make_world` made.
        numbers: of the mutants.
        seed: of everything; with one seed, a number is always the same mutant.
        commands: how many of `COMMANDS` to ask each mutant; besides, one that loads the network
            asks some, and all whose file only such a command reads.
        tally: what came out.
    """
    world = run.parent
    for number in numbers:
        rng = random.Random(f"{seed}/{number}")
        with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
            mutant = Path(folder) / "lively.cg"
            shutil.copytree(run, mutant)
            kind, mutation = mutate(mutant, rng)
            pa.default_memory_pool().release_unused()
            mutation = f"{seed}/{number} {mutation}"
            tally.mutants[kind] += 1
            readers = [asked for part, asked in _READERS.items() if kind.startswith(part)]
            possible = readers[0] if readers else COMMANDS
            chosen = rng.sample(possible, min(commands, len(possible)))
            if not readers and rng.random() < 0.2:
                chosen.append(NETWORK_COMMANDS[rng.choice([0, 0, 1, 2])])
            for words in chosen:
                ask(Question(world, mutant, words, kind, mutation), tally)


def main() -> None:
    """Try many mutants, and print what came out."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--mutants", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", type=int, default=6)
    options = parser.parse_args()
    tally = Tally(lambda failure: sys.stderr.write("\n  ".join(failure) + "\n"))
    os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()
    with tempfile.TemporaryDirectory() as folder:
        run = make_world(Path(folder))
        for first in range(0, options.mutants, 100):
            numbers = range(first, min(first + 100, options.mutants))
            try_mutants(run, numbers, options.seed, commands=options.commands, tally=tally)
            tally.report()


if __name__ == "__main__":
    main()
