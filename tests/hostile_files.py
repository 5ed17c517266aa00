"""Files that users hand to commands, damaged: annotations, tags, images, masks, tables, weights.

`python -m tests.hostile_files --inputs 3000 --seed 1` damages that many and prints what came out;
the tests take a short slice. What holds for `tests.hostile_runs` holds here: a command answers, or
says in one line what is wrong; no traceback, warning or half-written file, at most 30 s and 4 GB.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from conceptgraph.ingest.concept_data.writing.writer import BrodenWriter
from tests.annotation_files import (
    HEIGHT,
    WIDTH,
    coco,
    cvat,
    cvat_box,
    label_studio,
    label_studio_box,
    labelme,
    shape,
    via_region,
    voc,
    voc_object,
    write_image,
    write_json,
    write_masks,
)
from tests.drawn_data import draw_concept_data
from tests.hostile_runs import (
    Failure,
    Tally,
    ask,
    constants,
    cut,
    flip_bytes,
    json_value,
    nested,
    no_regular_file,
    picture,
    sparse,
    splice,
)
from tests.lively_run import lively_network
from tests.video_files import frames_of, moving_right, write_video

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.hostile_runs import Mutation

BUILD = ("--images", "pictures", "--category", "action", "--out", "OUT/set")
_CLIPS = ("--videos", "clips", "--frames", "4", "--motion", *BUILD[2:])
_NETWORK = ("--model", "tests.lively_run:lively_network")
_PREDICT = ("predict", "x.jpg", "--run", "lively.cg")
_INGEST = (
    *("ingest", *_NETWORK, "--weights", "net.pth", "--classes", "classes.txt", "--data", "other"),
    *("--quantile", "0.1", "--image-size", "64", "--out", "OUT/net.cg"),
)
_MERGE = ("data", "merge", "drawn", "other", "--out", "OUT/set")
_LABEL = ("label", "--run", "lively.cg", "--embeddings", "emb", "--trust-run")
_VALUES = (
    "", " ", "-1", "0", "1e999", "nan", "inf", "1e308", "99999999999999999999", "0.5", "x" * 5000,
    "../../x", "/etc/passwd", "\0", "\x1b[2J", "<script>", "&lol;", '"', "'", ",", ";", "\r", "\n",
    "\u202e", "é" * 300, "a.png", "True", "None", "-0", "1_000", "٣", "#", "=1+1",
)  # fmt: skip
_SOURCES: dict[str, tuple[tuple[str, ...], ...]] = {
    "coco.json": (("data", "build", "coco.json", *BUILD),),
    "via.json": (("data", "build", "via.json", *BUILD),),
    "labelstudio.json": (("data", "build", "labelstudio.json", *BUILD),),
    "labelme/a.json": (("data", "build", "labelme", *BUILD),),
    "voc/a.xml": (("data", "build", "voc", *BUILD),),
    "cvat.xml": (("data", "build", "cvat.xml", *BUILD),),
    "boxes.csv": (("data", "build", "boxes.csv", *BUILD),),
    "frames.csv": (("data", "build", "frames.csv", *_CLIPS),),
    "clips/a.mp4": (("data", "build", "frames.csv", *_CLIPS),),
    "clips/b.webm": (("data", "build", "frames.csv", *_CLIPS),),
    "clips/c/00001.png": (("data", "build", "frames.csv", *_CLIPS),),
    "vos/meta.json": (("data", "build", "vos", *_CLIPS),),
    "vos/Annotations/c/00001.png": (("data", "build", "vos", *_CLIPS),),
    "masks/labels.csv": (("data", "build", "masks", *BUILD),),
    "masks/a.png": (("data", "build", "masks", *BUILD),),
    "pictures/a.png": (
        ("data", "build", "coco.json", *BUILD),
        ("predict", "pictures/a.png", *_PREDICT[2:]),
    ),
    "tags.csv": (("data", "tags", "tags.csv", "--images", "pictures", "--out", "OUT/set"),),
    "x.jpg": (_PREDICT, ("data", "tags", "sorted", "--out", "OUT/set")),
    "classes.txt": (_INGEST,),
    "net.pth": (_INGEST,),
    "strips/index.csv": (("data", "check", "strips"),
                         ("data", "merge", "strips", "drawn", "--out", "OUT/set")),
    "drawn/index.csv": (("data", "check", "drawn"),),
    "drawn/label.csv": (("data", "check", "drawn"), _MERGE),
    "drawn/category.csv": (("data", "check", "drawn"),),
    "drawn/c_object.csv": (("data", "check", "drawn"),),
    "drawn/IMAGE": (("data", "check", "drawn"),),
    "drawn/MASK": (("data", "check", "drawn"), _MERGE),
    "labels.csv": (("audit", "--images", "sorted", "--labels", "labels.csv", "--run", "lively.cg",
                    "--html", "OUT/a.html", "--model", "tests.lively_run:even_network"),),
    "emb/images.npy": (_LABEL,),
    "emb/texts.npy": (_LABEL,),
    "emb/images.csv": (_LABEL,),
    "emb/names.txt": (_LABEL,),
    "emb/meta.json": (_LABEL,),
    "drawn.verified.csv": (("data", "verify", "drawn", "--results"),),
}  # fmt: skip
"""The files, and the commands that read them."""


def make_desk(desk: Path, run: Path | None = None) -> Path:
    """Make a folder with all these files; return it."""
    desk.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(("a.png", "b.png")):
        write_image(desk / "pictures" / name, number)
    write_json(desk / "coco.json", coco())
    write_json(
        desk / "via.json", {"a.png1": {"filename": "a.png", "size": 1, "regions": [via_region()]}}
    )
    write_json(desk / "labelstudio.json", [label_studio(label_studio_box())])
    (desk / "labelme").mkdir()
    write_json(
        desk / "labelme" / "a.json", labelme(shape(), shape("polygon", [[1, 1], [9, 1], [9, 9]]))
    )
    (desk / "voc").mkdir()
    (desk / "voc" / "a.xml").write_text(voc(voc_object() + voc_object("cycling")))
    (desk / "cvat.xml").write_text(cvat(cvat_box() + cvat_box(color="red")))
    (desk / "boxes.csv").write_text(
        "image,label,xmin,ymin,xmax,ymax\na.png,walking,10,5,30,35\nb.png,cycling,1,2,20,30\n"
    )
    values = np.zeros((HEIGHT, WIDTH), np.uint8)
    values[5:20, 9:30] = 1
    write_masks(desk / "masks", {"a.png": values, "b.png": values}, (0, "nothing"), (1, "walking"))
    (desk / "tags.csv").write_text("image,outdoor,night\na.png,1,0\nb.png,0,1\n")
    _write_clips(desk)
    drawn = draw_concept_data(desk / "drawn", 4, size=64)
    draw_concept_data(desk / "other", 3, size=64)
    photos = sorted((drawn / "images").rglob("*.jpg"))
    shutil.copy(photos[0], desk / "x.jpg")
    for number, photo in enumerate(photos):
        target = desk / "sorted" / ("night" if number % 2 else "day")
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, target)
    names = [
        path.relative_to(desk / "sorted").as_posix()
        for path in sorted((desk / "sorted").rglob("*.jpg"))
    ]
    (desk / "labels.csv").write_text(
        "".join(["image,label\n", *(f"{name},class {n % 4}\n" for n, name in enumerate(names))])
    )
    torch.save(lively_network().state_dict(), desk / "net.pth")
    (desk / "classes.txt").write_text("a\nb\nc\nd\n")
    rng = np.random.default_rng(0)
    (desk / "emb").mkdir()
    for number in range(200):
        (desk / "many").mkdir(exist_ok=True)
        shutil.copy(photos[number % len(photos)], desk / "many" / f"{number}.jpg")
    names = [f"{number}.jpg" for number in range(200)]
    np.save(desk / "emb" / "images.npy", rng.normal(size=(len(names), 8)))
    np.save(desk / "emb" / "texts.npy", rng.normal(size=(3, 8)))
    (desk / "emb" / "images.csv").write_text("\n".join(["image", *names]))
    (desk / "emb" / "names.txt").write_text("day\nnight\nsea\n")
    write_json(desk / "emb" / "meta.json", {"model": "drawn", "images": "many"})
    (desk / "drawn.verified.csv").write_text(_answers(drawn))
    if run is not None:
        shutil.copytree(run, desk / "lively.cg")
    return desk


def _write_clips(desk: Path) -> None:
    """Write two videos and a folder of frames, boxes and masks of them, and a set of strips."""
    places = moving_right(6)
    write_video(desk / "clips" / "a.mp4", places)
    write_video(desk / "clips" / "b.webm", places)
    rows = ["video,frame,label,x,y,width,height"]
    for frame, (x, y) in enumerate(places):
        write_image(desk / "clips" / "c" / f"{frame:05d}.png", frame)
        rows += [f"{video},{frame},ball,{40 * x:.0f},{20 * y:.0f},12,12" for video in "abc"]
    (desk / "frames.csv").write_text("\n".join(rows))
    values = np.zeros((HEIGHT, WIDTH), np.uint8)
    values[5:20, 9:30] = 1
    names = [f"{frame:05d}" for frame in range(6)]
    write_masks(desk / "vos" / "Annotations", {f"c/{name}.png": values for name in names})
    (desk / "vos" / "Annotations" / "labels.csv").unlink()
    things = {"c": {"objects": {"1": {"category": "ape", "frames": names}}}}
    write_json(desk / "vos" / "meta.json", {"videos": things})
    with BrodenWriter(desk / "strips", {"object": ["ball"]}) as writer:
        frames = frames_of(places).reshape(-1, 64, 3)
        labels = np.ones((6 * 8, 8), np.uint16)
        writer.add("a.png", Image.fromarray(frames), {"object": [labels]}, frames=6)


def _answers(drawn: Path) -> str:
    """Return a table of verified labels, of one person."""
    image = (drawn / "index.csv").read_text().splitlines()[1].split(",")[0]
    head = "image,category,label,xmin,ymin,xmax,ymax,image_width,image_height,worker,verified"
    row = f"{image},object,disc,1,2,30,40,64,64,ana,yes,{'a' * 16},2026-01-02T03:04:05Z"
    return f"{head},region,time\n{row}\n"


# Damages of text


def token(file: Path, rng: random.Random) -> str:
    """Replace a number, a word or a cell."""
    text = file.read_bytes().decode(errors="surrogateescape")
    matches = list(re.finditer(r"[-\w.]+", text))
    if not matches:
        return "nothing to replace"
    match, value = rng.choice(matches), rng.choice(_VALUES)
    changed = text[: match.start()] + value + text[match.end() :]
    file.write_bytes(changed.encode(errors="surrogateescape"))
    return f"{match[0]!r:.30} is {value!r:.20}"


def line(file: Path, rng: random.Random) -> str:
    """Drop, repeat or move a line, or many times."""
    lines = file.read_bytes().splitlines(keepends=True) or [b"\n"]
    number, what = (
        rng.randrange(len(lines)),
        rng.choice(["dropped", "repeated", "moved", "many", "long"]),
    )
    if what == "dropped":
        del lines[number]
    elif what == "repeated":
        lines.insert(number, lines[number])
    elif what == "moved":
        lines.append(lines.pop(number))
    elif what == "many":
        lines += [lines[number]] * 20_000
    else:
        lines[number] = lines[number].rstrip(b"\r\n") + b"x" * 1_000_000 + b"\n"
    file.write_bytes(b"".join(lines))
    return f"a line {what}"


def encoding(file: Path, rng: random.Random) -> str:
    kind = rng.choice(["utf-16", "utf-8-sig", "latin-1", "cp1252", "crlf", "cr", "nul"])
    text = file.read_bytes().decode(errors="replace") + "é"
    if kind in {"crlf", "cr"}:
        file.write_bytes(text.replace("\n", "\r\n" if kind == "crlf" else "\r").encode())
    elif kind == "nul":
        file.write_bytes(text.replace("a", "\0").encode())
    else:
        file.write_bytes(text.encode(kind, "replace"))
    return f"as {kind}"


def entities(file: Path, rng: random.Random) -> str:
    """Give an XML file entities that grow, or that read other files."""
    bomb = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
    kinds = {
        "growing": f'<!DOCTYPE x [<!ENTITY a0 "lol">{bomb}]>',
        "file": '<!DOCTYPE x [<!ENTITY a9 SYSTEM "file:///etc/passwd">]>',
        "network": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    }
    kind = rng.choice(sorted(kinds))
    file.write_text(kinds[kind] + file.read_text().replace("walking", "&a9;", 1))
    return f"XML: {kind}"


def state(file: Path, rng: random.Random) -> str:
    """Change a tensor of a checkpoint, or its shape, type or name."""
    weights: dict[str, Any] = torch.load(file, weights_only=True)
    name = rng.choice(sorted(weights))
    what = rng.choice(
        ["dropped", "renamed", "nan", "shape", "type", "empty", "text", "nested", "huge", "meta"]
    )
    tensor = weights.pop(name)
    changed: dict[str, Any] = {
        "renamed": tensor, "nan": torch.full_like(tensor, -1).float() * float("nan"),
        "shape": tensor.reshape(-1)[:-1],
        "type": tensor.to(rng.choice([torch.int8, torch.complex64, torch.float64, torch.bool])),
        "empty": tensor.new_zeros(0), "text": "x", "nested": {"a": {"b": [tensor]}},
        "huge": torch.zeros(1).expand(10**12), "meta": torch.empty(3, device="meta"),
    }  # fmt: skip
    if what != "dropped":
        weights[f"x.{name}" if what == "renamed" else name] = changed[what]
    torch.save(rng.choice([weights, {"state_dict": weights}, {"model": weights, "epoch": 3}]), file)
    return f"{name} {what}"


def header(file: Path, rng: random.Random) -> str:
    """Change an array's type, shape, or what is said of them."""
    values = np.load(file)
    what = rng.choice(["nan", "object", "shape", "type", "empty", "scalar", "long"])
    if what == "nan":
        values[0] = rng.choice([np.nan, np.inf, 1e308])
    changed = {
        "object": values.astype(object), "shape": values.T,
        "type": values.astype(rng.choice(["<c8", "S3", "?", ">f2"])),
        "empty": values[:0], "scalar": np.float32(3), "long": np.repeat(values, 50, 0),
    }.get(what, values)  # fmt: skip
    np.save(file, changed, allow_pickle=True)
    return f"array: {what}"


_BYTES: tuple[Mutation, ...] = (flip_bytes, cut, splice, no_regular_file, sparse)
_TEXT: tuple[Mutation, ...] = (token, token, token, line, encoding)
_OWN: dict[str, tuple[Mutation, ...]] = {
    ".json": (*[json_value] * 6, nested, constants, token),
    ".xml": (*_TEXT, entities),
    ".csv": _TEXT,
    ".txt": _TEXT,
    ".npy": (header,),
    ".pth": (state,),
    ".jpg": (picture,),
    ".png": (picture,),
    ".mp4": (flip_bytes, cut, splice),
    ".webm": (flip_bytes, cut, splice),
}


class FileQuestion(NamedTuple):
    """A command that is asked of a folder with one damaged file; as `hostile_runs.Question`."""

    world: Path
    mutant: Path
    words: tuple[str, ...]
    kind: str
    mutation: str

    def typed(self, out: Path) -> list[str]:
        """Return the words of the command, with paths."""
        return [word.replace("OUT/", f"{out}/") for word in self.words]


def damaged_file(desk: Path, name: str, rng: random.Random) -> Path:
    """Return the file of that name; of images and masks of concept data, one of them."""
    if name == "drawn/IMAGE":
        return rng.choice(sorted((desk / "drawn" / "images").rglob("*.jpg")))
    if name == "drawn/MASK":
        return rng.choice(sorted((desk / "drawn" / "images").rglob("*.png")))
    return desk / name


def try_files(desk: Path, numbers: Iterable[int], seed: int, tally: Tally) -> None:
    """Damage files, one after the other, and ask each a command that reads it."""
    for number in numbers:
        rng = random.Random(f"{seed}/{number}")
        name = rng.choice(sorted(_SOURCES))
        with tempfile.TemporaryDirectory(prefix="desk-") as folder:
            copy = Path(folder) / "desk"
            shutil.copytree(desk, copy, copy_function=os.link)
            file = damaged_file(copy, name, rng)
            content = file.read_bytes()
            file.unlink()  # the others stay links
            file.write_bytes(content)
            own = _OWN[file.suffix]
            done = (rng.choice(_BYTES) if rng.random() < 0.35 else rng.choice(own))(file, rng)
            tally.mutants[name] += 1
            mutation = f"{seed}/{number} {name}: {done}"
            ask(FileQuestion(copy, copy, rng.choice(_SOURCES[name]), name, mutation), tally)


def main() -> None:
    """Damage many files, and print what came out."""
    from tests.hostile_runs import make_world

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    def tell(failure: Failure) -> None:
        sys.stderr.write("\n  ".join(failure) + "\n")
        sys.stderr.flush()

    tally = Tally(tell)
    os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()
    with tempfile.TemporaryDirectory() as folder:
        run = make_world(Path(folder) / "world")
        desk = make_desk(Path(folder) / "desk", run)
        for first in range(0, options.inputs, 250):
            try_files(desk, range(first, min(first + 250, options.inputs)), options.seed, tally)
            tally.report()


if __name__ == "__main__":
    main()
