"""Files that are no checkpoint, made as they come: each is named, in one line."""

from __future__ import annotations

import gzip
import json
import pickle
import tarfile
import warnings
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from conceptgraph.errors import ModelError
from conceptgraph.ingest.network.file_kinds import check_kind
from conceptgraph.ingest.network.weights import read_file
from tests.checkpoint_wrappings import Config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STATE = {"conv1.weight": torch.ones(40, 3, 7, 7)}
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 102502400\n"
ACCESS_DENIED = "<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"
INDEX = {"metadata": {"total_size": 9}, "weight_map": {"fc.bias": "model-00001-of-2.safetensors"}}


def written(content: bytes | str) -> Callable[[Path], object]:
    data = content.encode() if isinstance(content, str) else content
    return lambda path: path.write_bytes(data)


def torchscript(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, but people have such files
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)


def exported(path: Path) -> None:
    program = torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),))
    torch.export.save(program, path.with_suffix(".pt2"))
    path.with_suffix(".pt2").rename(path)


def zipped(*names: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "x")

    return write


def arrays(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, weight=np.ones(3))


def packed(path: Path) -> None:
    path.write_bytes(gzip.compress(b"weights"))


def tarred(path: Path) -> None:
    inner = path.with_name("inner.pth")
    torch.save(STATE, inner)
    with tarfile.open(path, "w") as archive:
        archive.add(inner, "inner.pth")


def cut(save: Callable[[Path], object], size: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        save(path)
        path.write_bytes(path.read_bytes()[:size])

    return write


def saved(**options: object) -> Callable[[Path], None]:
    return lambda path: torch.save(STATE, path, **options)  # type: ignore[arg-type]


KINDS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "absent": ("w.pth", lambda path: None, "there is no such file; expected a checkpoint (.pth"),
    "empty": ("w.pth", written(b""), "is empty; expected a checkpoint"),
    "Git-LFS pointer": ("w.pth", written(POINTER), "is a Git-LFS pointer, not the file it stands"),
    "LFS of safetensors": ("w.safetensors", written(POINTER), "Run git lfs pull"),
    "web page": (
        "w.pth",
        written("\n<!DOCTYPE html><html>…"),
        "is a web page, not the file behind",
    ),
    "web page in BOM": ("w.pth.tar", written("\ufeff<HTML lang='en'>"), "is a web page"),
    "refusal of a store": ("w.pth", written(ACCESS_DENIED), "is a web page"),
    "index": (
        "model.safetensors.index.json",
        written(json.dumps(INDEX)),
        "is an index of the files model-00001-of-2.safetensors, without weights",
    ),
    "index as safetensors": (
        "w.safetensors",
        written(json.dumps(INDEX)),
        "is an index of the files",
    ),
    "JSON": ("w.pth", written('{"message": "Not Found"}'), "is JSON; expected a checkpoint"),
    "text": ("w.pth", written("Not Found\n"), "is a text that begins with 'Not Found"),
    "TorchScript": ("w.pt", torchscript, "is a TorchScript archive, which is a program; expected"),
    "torch.export": ("w.pt", exported, "is a program of torch.export"),
    "HDF5": ("w.h5", written(b"\x89HDF\r\n\x1a\n" + bytes(90)), "is an HDF5 file, as Keras and"),
    "Keras": ("w.keras", zipped("config.json", "model.weights.h5"), "is a Keras model"),
    "ONNX": ("w.pth", written(b"\x08\x08\x12\x07pytorch\x1a\x05"), "is an ONNX model; expected"),
    "ONNX by name": ("w.onnx", written(b"\x3a\x93\x01\x80\xff"), "is an ONNX model"),
    "SavedModel": ("w.pb", written(b"\x08\x01\x12\xcd\x01"), "is a TensorFlow model or checkpoint"),
    "TensorFlow": ("m.ckpt.data-00000-of-00001", written(bytes(99)), "is a TensorFlow model or"),
    "TensorFlow index": ("m.ckpt.index", written(b"\x00\x00\x1f\xff"), "is a TensorFlow model or"),
    "TensorFlow text": ("checkpoint", written("model_checkpoint_path: 'm'"), "is a TensorFlow"),
    "TensorFlow Lite": ("w.tflite", written(b"\x1c\0\0\0TFL3\0\0"), "is a TensorFlow Lite model"),
    "NumPy": ("w.npy", lambda path: np.save(path, np.ones(3)), "is one NumPy array"),
    "NumPy archive": ("w.npz", arrays, "is an archive of NumPy arrays"),
    "gzip": ("w.pth.gz", packed, "is an archive; expected a checkpoint (.pth, .pt, .pth.tar or"),
    "zip": ("w.zip", zipped("weights/net.pth"), "Unpack it, and give the checkpoint in it"),
    "tar": ("w.pth.tar", tarred, "is an archive"),
    "pickle": (
        "w.pkl",
        lambda path: path.write_bytes(pickle.dumps(STATE)),
        "is a pickle that torch.save did not write",
    ),
    "image": ("w.pth", lambda path: Image.new("RGB", (9, 9)).save(path, "PNG"), "is an image"),
    "cut short": ("w.pth", cut(saved(), 900), "cannot be read as weights; found a file cut short"),
    "cut short, first format": (
        "w.pth",
        cut(saved(_use_new_zipfile_serialization=False), 900),
        "cannot be read as weights; found 900 bytes that torch.load cannot read",
    ),
    "cut short, safetensors": (
        "w.safetensors",
        cut(lambda path: save_file(STATE, path), 900),
        "cannot be read as weights; found Error while deserializing",
    ),
    "protocol 4": (
        "w.pth",
        saved(pickle_protocol=4),
        "reading it would run code: a pickle of protocol 4 or 5",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_checkpoint_is_named(tmp_path: Path, kind: str) -> None:
    name, write, message = KINDS[kind]
    path = tmp_path / name
    write(path)
    with pytest.raises(ModelError) as caught:
        read_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("zipped_format", [True, False])
@pytest.mark.parametrize("name", ["w.pth", "w.pth.tar", "w.ckpt", "w.bin", "w"])
def test_checkpoints_are_known_by_their_content(
    tmp_path: Path, name: str, zipped_format: bool
) -> None:
    path = tmp_path / name
    torch.save(STATE, path, _use_new_zipfile_serialization=zipped_format)
    assert check_kind(path) == "torch"
    save_file(STATE, path)
    assert check_kind(path) == "safetensors"


class Names(list[str]):
    """A list of a package's own, which torch's unpickler cannot fill."""


def test_damage_and_objects_that_need_their_code_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({**STATE, "names": Names(["a"])}, path)
    with pytest.raises(ModelError, match="would run code: objects that only their own classes can"):
        read_file(path)
    content = {"config": Config(lr=1), **STATE}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    assert read_file(path).keys() == content.keys()  # type: ignore[attr-defined]  # a dict
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ModelError, match=r"cannot be read as weights; found \d+ bytes"):
        read_file(path)
