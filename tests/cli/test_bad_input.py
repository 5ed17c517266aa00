"""Invalid input of users: an error of one line, the right status, and no file changed."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from conceptgraph.cli import terminal
from tests.command_line import CommandResult, call, run, run_cold
from tests.drawn_data import write_broden, write_mask
from tests.random_networks import CustomNetwork
from tests.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CLASSES = ("juggling", "typing", "riding")
MODEL = ("--model", "tests.random_networks:CustomNetwork", "--blocks", "block1,block2,block3")
IMPORTABLE = {"PYTHONPATH": str(ROOT)}  # the factory, in other processes


@dataclass(frozen=True)
class ValidInputs:
    """A folder with a run and the valid inputs it was made from, and one for invalid inputs."""

    folder: Path
    bad: Path

    def words(self, **changed: object) -> list[object]:
        """Return the ingest that made the run, with options changed; it would replace the run."""
        options: dict[str, object] = {
            "weights": "net.pth",
            "classes": "classes.txt",
            "data": "data",
            "out": "net.cg",
            **changed,
        }
        pairs = [(f"--{name.replace('_', '-')}", value) for name, value in options.items()]
        return ["ingest", *MODEL, *(word for pair in pairs for word in pair), "--overwrite"]

    def data(self, **rows: str | int) -> Path:
        """Copy the data, to be damaged; `rows` changes cells of the last row."""
        shutil.copytree(self.folder / "data", self.bad / "data")
        if rows:
            write_data(self.bad / "data", **rows)
        return self.bad / "data"

    def weights(self, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
        """Write a changed copy of the checkpoint."""
        state = torch.load(self.folder / "net.pth", weights_only=True)
        change(state)
        torch.save(state, self.bad / "changed.pth")
        return self.bad / "changed.pth"

    def copy(self) -> Path:
        """Copy the run, to be damaged."""
        shutil.copytree(self.folder / "net.cg", self.bad / "copy.cg")
        return self.bad / "copy.cg"


def write_data(folder: Path, **last: str | int) -> Path:
    rng = np.random.default_rng(0)
    rows: list[dict[str, str | int]] = []
    for number in range(5):
        write_mask(folder / "images" / f"{number}.png", rng.integers(1, 3, (8, 8)))
        noise = rng.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(noise).save(folder / "images" / f"{number}.jpg")
        rows.append({"image": f"{number}.jpg", "object": f"{number}.png", "scene": "3"})
    rows[-1].update(last)
    labels = [(1, "ball", "object"), (2, "box", "object"), (3, "street", "scene")]
    return write_broden(folder, rows, labels, ("object", "scene"))


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_data(folder / "data")
    torch.manual_seed(0)
    torch.save(CustomNetwork(len(CLASSES)).state_dict(), folder / "net.pth")
    (folder / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    shutil.copy(folder / "data" / "images" / "0.jpg", folder / "x.jpg")
    done = call(*ValidInputs(folder, folder).words(), "--quantile", "0.1", folder=folder)
    assert done.status == 0, done.err
    return folder


@pytest.fixture
def inputs(valid: Path, tmp_path: Path) -> Iterator[ValidInputs]:
    """Yield the folders, and check that a test changed and added no file of the valid ones."""
    before = contents(valid)
    yield ValidInputs(valid, tmp_path)
    assert contents(valid) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check(done: CommandResult, status: int, *parts: object) -> None:
    assert done.status == status, done
    notes = ("input: ", "source: ", "note: ")  # of an ingest that began
    lines = [line for line in done.err.splitlines() if not line.startswith(notes)]
    assert len(lines) == 1, done.err
    assert lines[0].startswith("conceptgraph: error: ")
    assert done.err.endswith("\n")
    assert done.out == ""
    for part in parts:
        assert str(part) in lines[0]


# Concept data


def missing_mask(inputs: ValidInputs) -> tuple[object, ...]:
    (inputs.data() / "images" / "4.png").unlink()
    return "index.csv: row 6", "'4.png'"


def grey_mask(inputs: ValidInputs) -> tuple[object, ...]:
    Image.new("L", (8, 8)).save(inputs.data() / "images" / "2.png")
    return "images/2.png", "row 4 of index.csv", "8-bit greyscale PNG 8×8", "8-bit RGB PNG 8×8"


def large_mask(inputs: ValidInputs) -> tuple[object, ...]:
    write_mask(inputs.data() / "images" / "2.png", np.ones((9, 8), int))
    return "images/2.png", "row 4 of index.csv", "8×9", "8×8"


def unknown_label_in_mask(inputs: ValidInputs) -> tuple[object, ...]:
    write_mask(inputs.data() / "images" / "2.png", np.full((8, 8), 700))
    return "images/2.png", "row 4 of index.csv", "number 700", "label.csv"


def unknown_label_in_cell(inputs: ValidInputs) -> tuple[object, ...]:
    inputs.data(scene="8")
    return "index.csv: row 6", "'scene'", "number 8", "label.csv"


def other_columns(inputs: ValidInputs) -> tuple[object, ...]:
    index = inputs.data() / "index.csv"
    index.write_text(index.read_text("utf-8").replace("sh", "height", 1), encoding="utf-8")
    return "index.csv", "sh", "height"


def path_outside(inputs: ValidInputs) -> tuple[object, ...]:
    inputs.data(object="../../../net.pth")
    return "index.csv: row 6", "'../../../net.pth'", "inside images/"


def truncated_image(inputs: ValidInputs) -> tuple[object, ...]:
    image = inputs.data() / "images" / "3.jpg"
    image.write_bytes(image.read_bytes()[:-200])
    return "images/3.jpg", "truncated"


def no_images(inputs: ValidInputs) -> tuple[object, ...]:
    index = inputs.data() / "index.csv"
    index.write_text(index.read_text("utf-8").splitlines()[0], encoding="utf-8")
    return "index.csv", "no images"


def no_data(inputs: ValidInputs) -> tuple[object, ...]:
    return inputs.bad / "data", "no such folder"


BAD_DATA = (
    missing_mask, grey_mask, large_mask, unknown_label_in_mask, unknown_label_in_cell,
    other_columns, path_outside, truncated_image, no_images, no_data,
)  # fmt: skip


@pytest.mark.parametrize("damage", BAD_DATA, ids=lambda damage: damage.__name__)
def test_concept_data(
    inputs: ValidInputs, damage: Callable[[ValidInputs], tuple[object, ...]]
) -> None:
    parts = damage(inputs)
    words = inputs.words(data=inputs.bad / "data")
    check(call(*words, "--strict", folder=inputs.folder), 1, *parts)


# Networks


class Malice:
    """When it is unpickled, it makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.target),)


def test_nan_in_weights(inputs: ValidInputs) -> None:
    weights = inputs.weights(lambda state: state["layer2.conv.weight"].view(-1)[3:4].fill_(np.nan))
    done = call(*inputs.words(weights=weights), folder=inputs.folder)
    check(done, 1, weights, "NaN", "layer2.conv.weight")


def test_weights_of_another_architecture(inputs: ValidInputs) -> None:
    done = call(*inputs.words(model="resnet18"), folder=inputs.folder)
    check(done, 1, "net.pth", "do not fit resnet18", "tensors, stem.weight", "conv1.weight, bn1")


def test_a_pickle_that_would_run_code(inputs: ValidInputs) -> None:
    torch.save({"state_dict": Malice(inputs.bad / "ran")}, inputs.bad / "evil.pth")
    done = call(*inputs.words(weights=inputs.bad / "evil.pth"), folder=inputs.folder)
    check(done, 1, "evil.pth", "would run code", "--trust-pickle")
    assert not (inputs.bad / "ran").exists()
    call(*inputs.words(weights=inputs.bad / "evil.pth"), "--trust-pickle", folder=inputs.folder)
    assert (inputs.bad / "ran").exists()  # the checkpoint does run code


def test_wrong_number_of_class_names(inputs: ValidInputs) -> None:
    (inputs.bad / "names.txt").write_text("a\nb\n", encoding="utf-8")
    done = call(*inputs.words(classes=inputs.bad / "names.txt"), folder=inputs.folder)
    check(done, 1, inputs.bad / "names.txt", "2 names", "expected 3")


def test_no_weights(inputs: ValidInputs) -> None:
    check(
        call(*inputs.words(weights="no.pth"), folder=inputs.folder), 1, "no.pth: there is no such"
    )


def test_no_class_names(inputs: ValidInputs) -> None:
    check(call(*inputs.words(classes="no.txt"), folder=inputs.folder), 1, "no.txt", "No such file")


# Options of ingest


@pytest.mark.parametrize(
    ("option", "value", "status", "parts"),
    [
        ("--blocks", "block1,block9", 1, ("no block9", "block1,block2,block3")),
        ("--blocks", "block3=layer1,block4=layer2", 2, ("block3 would be block1, by its place",)),
        ("--blocks", "a=layer1,block3=layer2", 2, ("block3 would be block2, by its place",)),
        ("--blocks", "a=layer1,a=layer2", 2, ("NAME=MODULE for all of them, each once",)),
        ("--blocks", "a=", 2, ("NAME=MODULE for all of them, each once",)),
        ("--blocks", "block4", 1, ("tests.random_networks:CustomNetwork has no block4", "block3")),
        ("--device", "tpu", 1, ("'tpu'", "--device cpu or auto")),
        ("--device", "cuda:99", 1, ("'cuda:99'", "--device cpu or auto")),
        ("--precision", "float8", 2, ("--precision", "'float8'", "ingest --help")),
        ("--quantile", "0", 1, ("quantile", "found 0.0", "between 0 and 1")),
        ("--quantile", "2", 1, ("quantile", "found 2.0", "between 0 and 1")),
        ("--quantile", "nan", 1, ("quantile", "found nan")),
        ("--batch-size", "0", 1, ("batch-size", "found 0", "1 or more")),
        ("--workers", "0", 2, ("--workers",)),
        ("--threshold-split", "test", 1, ("'test'", "train")),
        ("--modle", "resnet18", 2, ("--modle", "ingest --help")),
        ("--model", "resnet19", 1, ("resnet19", "'resnet18'")),
        ("--model", "nomodule:make", 1, ("nomodule",)),
    ],
)
def test_options(
    inputs: ValidInputs, option: str, value: str, status: int, parts: tuple[object, ...]
) -> None:
    check(call(*inputs.words(), option, value, folder=inputs.folder), status, *parts)


# Where to write


def test_an_output_that_exists(inputs: ValidInputs) -> None:
    *words, _ = inputs.words()
    check(call(*words, folder=inputs.folder), 1, "net.cg", "--overwrite")


def test_an_output_that_is_no_run(inputs: ValidInputs) -> None:
    shutil.copytree(inputs.folder / "data", inputs.bad / "photos.cg")
    done = call(*inputs.words(out=inputs.bad / "photos.cg"), folder=inputs.folder)
    check(done, 1, "photos.cg: not a run, so it is not replaced")
    assert (inputs.bad / "photos.cg" / "index.csv").exists()


@pytest.mark.parametrize(
    ("out", "part"),
    [("no/net.cg", "no: no such folder"), ("net", "expected NAME.cg. Call it net.cg"), ("/", "/")],
)
def test_an_output_that_cannot_be(inputs: ValidInputs, out: str, part: str) -> None:
    check(call(*inputs.words(out=out), folder=inputs.folder), 1, part)


def test_an_output_folder_that_is_not_writable(inputs: ValidInputs) -> None:
    folder = inputs.bad / "read only"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):  # root may write anywhere but in the kernel's own folders
        done = call(*inputs.words(out="/proc/net.cg"), folder=inputs.folder)
        check(done, 1, "/proc/net.cg", "cannot be written")
    else:
        done = call(*inputs.words(out=folder / "net.cg"), folder=inputs.folder)
        check(done, 1, "read only/net.cg", "cannot be written: Permission denied")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk(inputs: ValidInputs, tiny_disk: Path) -> None:
    earlier = shutil.copytree(inputs.folder / "net.cg", tiny_disk / "net.cg")
    before = contents(earlier)
    (tiny_disk / "full").write_bytes(bytes(free(tiny_disk) - 30_000))
    done = run(*inputs.words(out=tiny_disk / "net.cg"), folder=inputs.folder, env=IMPORTABLE)
    check(done, 1, tiny_disk / "net.cg.partial", "cannot be written: No space left on device")
    assert contents(earlier) == before
    assert sorted(path.name for path in tiny_disk.iterdir()) == ["full", "net.cg"]


def free(disk: Path) -> int:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_frsize


def no_file_beyond(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_file_that_may_not_grow(inputs: ValidInputs) -> None:
    limit: dict[str, Any] = {"preexec_fn": no_file_beyond(1000)}
    done = run_cold(*inputs.words(), folder=inputs.folder, env=IMPORTABLE, **limit)
    check(done, 1, "net.cg.partial", "cannot be written: File too large")


# Asking


WHY = ("why", "--run", "net.cg")


@pytest.mark.parametrize(
    ("words", "status", "parts"),
    [
        ((*WHY, "--class", "jugling"), 1, ("no class 'jugling'", "'juggling'")),
        ((*WHY, "--class", "jugling", "--image", "x.jpg"), 1, ("no class", "'juggling'")),
        (("show", "--run", "net.cg", "--class", "tipping"), 1, ("no class", "'typing'")),
        (("show", "--run", "net.cg", "bal"), 1, ("no concept 'bal'", "'ball'")),
        (("show", "--run", "net.cg", "block3/99"), 1, ("no unit 'block3/99'", "'block3/9'")),
        (("show", "--run", "net.cg"), 2, ("show --help",)),
        (("show", "--run", "net.cg", "ball", "--class", "typing"), 2, ("show --help",)),
        (
            ("export", "html", "--run", "net.cg", "--class", "ridin", "-o", "p.html"),
            1,
            ("no class", "'riding'"),
        ),
        (("export", "pdf"), 2, ("'pdf'", "export --help")),
        ((*WHY,), 2, ("--class", "--image", "why --help")),
        ((*WHY, "--class", "typing", "--versus", "riding"), 2, ("--versus", "needs --image")),
        ((*WHY, "--class", "typing", "--top", "0"), 2, ("--top",)),
        ((*WHY, "--class", "typing", "--blocks", "block1,block3"), 1, ("block1, block3",)),
        ((*WHY, "--class", "typing", "--blocks", "block9"), 1, ("no such block", "block9")),
        ((*WHY, "--image", "x.jpg", "--blocks", "block1"), 1, ("block2,block3",)),
        ((*WHY, "--image", "classes.txt"), 1, ("classes.txt: not an image",)),
        ((*WHY, "--image", "no.jpg"), 1, ("no.jpg: no such image",)),
        ((*WHY, "--image", "data"), 1, ("data: a folder", "an image file")),
        (
            (*WHY, "--image", "x.jpg", "--class", "typing", "--versus", "typing"),
            1,
            ("'typing' is compared with itself",),
        ),
        ((*WHY, "--class", "typing", "--html", "no/p.html"), 1, ("no/p.html", "cannot be written")),
        ((*WHY, "--class", "typing", "--html", "."), 1, ("a folder",)),
        ((*WHY, "--image", "x.jpg", "--cam", "no/c.png"), 1, ("no/c.png", "cannot be written")),
        ((*WHY, "--image", "x.jpg", "--weights", "no.pth"), 1, ("no.pth: there is no such file",)),
        (("why", "--run", "no.cg", "--class", "typing"), 1, ("no.cg: no such run", "ingest")),
        (("why", "--run", "data", "--class", "typing"), 1, ("data: no manifest.json",)),
        (("wy",), 2, ("'wy'", "'why'")),
    ],
)
def test_questions(
    inputs: ValidInputs, words: tuple[str, ...], status: int, parts: tuple[object, ...]
) -> None:
    check(call(*words, folder=inputs.folder), status, *parts)


def test_a_truncated_photograph(inputs: ValidInputs) -> None:
    (inputs.bad / "x.jpg").write_bytes((inputs.folder / "x.jpg").read_bytes()[:-200])
    done = call(*WHY, "--image", inputs.bad / "x.jpg", folder=inputs.folder)
    check(done, 1, inputs.bad / "x.jpg", "truncated")


def test_a_run_written_by_a_newer_version(inputs: ValidInputs) -> None:
    file = inputs.copy() / "manifest.json"
    manifest = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**manifest, "schema": 99}), encoding="utf-8")
    done = call("why", "--run", file.parent, "--class", "typing", folder=inputs.folder)
    check(done, 1, file, "schema 99", "Upgrade conceptgraph")


@pytest.mark.parametrize(
    "name", ["units.parquet", "classes.parquet", "contributions_block3_class.npy"]
)
def test_a_damaged_run(inputs: ValidInputs, name: str) -> None:
    run_path = inputs.copy()
    content = (run_path / name).read_bytes()
    (run_path / name).write_bytes(content[: len(content) // 2])
    for words in (("why", "--class", "typing"), ("show", "block3/1")):
        check(call(*words, "--run", run_path, folder=inputs.folder), 1, run_path / name)


def test_weights_that_moved(inputs: ValidInputs) -> None:
    run_path = inputs.copy()
    file = run_path / "manifest.json"
    text = file.read_text("utf-8").replace("net.pth", "gone.pth")
    file.write_text(text, encoding="utf-8")
    words = ("why", "--run", run_path, "--image", "x.jpg", "--trust-run")
    check(call(*words, folder=inputs.folder), 1, "gone.pth", "--weights")


def test_weights_that_changed(inputs: ValidInputs) -> None:
    weights = inputs.weights(lambda state: state["fc.weight"].add_(0.25))
    done = call(*WHY, "--image", "x.jpg", "--weights", weights, folder=inputs.folder)
    check(done, 1, weights, "digest", "not the weights that were dissected")


def test_an_error_says_where_it_comes_from_with_debug(inputs: ValidInputs) -> None:
    done = run_cold("--debug", *WHY, "--class", "jugling", folder=inputs.folder)
    assert done.status == 1
    assert done.err.startswith("Traceback")
    assert "QueryError: no class 'jugling'" in done.err


def test_a_cell_of_millions_of_characters_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_table("rows", ("text",), [("a" * 10_000_000,)])
    assert capsys.readouterr().out.count("a") == terminal.CELL_LENGTH - 1
