"""What a file given as weights is, by its first bytes; files that hold none are named.

The commonest mistake is a file that is not the checkpoint: a page or a pointer that a download left
in its place, the format of another framework, an archive that holds the checkpoint.
"""

from __future__ import annotations

import json
import re
import zipfile
from typing import TYPE_CHECKING, Literal, NamedTuple

from ...errors import ModelError
from ...files import read_whole

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED = "a checkpoint (.pth, .pt, .pth.tar or .safetensors)"
Format = Literal["torch", "safetensors"]


class _Kind(NamedTuple):
    what: str
    remedy: str | None = None


_AGAIN = "Download the file again"
_UNPACK = "Unpack it, and give the checkpoint in it"
_CONVERT = "Convert it to a PyTorch state dict with the names that the network has"
_SHARDS = "Give the .safetensors or .bin file that it lists"
_DETACH = "Load it where it was made, and save its state_dict() with torch.save"

_WEB_PAGE = _Kind("a web page, not the file behind it", _AGAIN)
_HDF5 = _Kind("an HDF5 file, as Keras and MATLAB write them", _CONVERT)
_KERAS = _Kind("a Keras model", _CONVERT)
_ONNX = _Kind("an ONNX model", _CONVERT)
_TENSORFLOW = _Kind("a TensorFlow model or checkpoint", _CONVERT)
_TORCHSCRIPT = _Kind(
    "a TorchScript archive, which is a program",
    "Save its weights: torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth')",
)
_EXPORTED = _Kind("a program of torch.export", _DETACH)
_ARCHIVE = _Kind("an archive", _UNPACK)
_PICKLE = _Kind("a pickle that torch.save did not write", _DETACH)
_TORCH_PICKLE = bytes.fromhex("8a0a6cfc9c46f9206aa85019")
"""The number with which files of torch's first format begin, after the pickle's protocol."""

_PATTERNS: tuple[tuple[re.Pattern[bytes], _Kind], ...] = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), kind)
    for pattern, kind in (
        (
            rb"version https://git-lfs",
            _Kind("a Git-LFS pointer, not the file it stands for", "Run git lfs pull"),
        ),
        (rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body|\?xml|error)", _WEB_PAGE),
        (rb"\x89HDF\r\n\x1a\n", _HDF5),
        (rb"MATLAB 5\.0", _Kind("a MATLAB file", _CONVERT)),
        (rb"GGUF", _Kind("a GGUF model", _CONVERT)),
        (rb"....TFL3", _Kind("a TensorFlow Lite model", _CONVERT)),
        (rb"model_checkpoint_path:", _TENSORFLOW),
        (rb"\x08[\x02-\x20](\x12|:)", _ONNX),
        (rb"\x08\x01\x12", _TENSORFLOW),
        (rb"\x93NUMPY", _Kind("one NumPy array", _CONVERT)),
        (rb"\x89PNG|\xff\xd8\xff|GIF8|II\*\0|MM\0\*", _Kind("an image")),
        (rb"%PDF", _Kind("a PDF document")),
        (rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf|Rar!", _ARCHIVE),
    )
)
_SUFFIXES = {
    ".onnx": _ONNX,
    ".pb": _TENSORFLOW,
    ".index": _TENSORFLOW,
    ".meta": _TENSORFLOW,
    ".msgpack": _Kind("a Flax checkpoint", _CONVERT),
    ".pdparams": _Kind("a PaddlePaddle checkpoint", _CONVERT),
    ".caffemodel": _Kind("a Caffe model", _CONVERT),
}
_HEAD = 512  # bytes that tell: a tar archive says at byte 257 that it is one


def check_kind(path: Path) -> Format:
    """Return the format of a checkpoint, from its content.

    Raises:
        ModelError: no such file, unreadable, empty, or a file of another kind, which is named.
    """
    if path.is_dir():
        raise ModelError("is a folder", file=path, expected=EXPECTED)
    if not path.is_file():
        raise ModelError("there is no such file", file=path, expected=EXPECTED)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        kind = None if _is_safetensors(head) else _kind(path, head)
    except OSError as error:
        raise unreadable(path, str(error)) from error
    if kind is not None:
        raise ModelError(f"is {kind.what}", file=path, expected=EXPECTED, remedy=kind.remedy)
    return "safetensors" if _is_safetensors(head) else "torch"


def unreadable(path: Path, found: str) -> ModelError:
    """Return the error for a checkpoint that is damaged."""
    return ModelError(
        "cannot be read as weights",
        file=path,
        found=found[:200],
        expected=EXPECTED,
        remedy="It may be incomplete: compare its size with the original's",
    )


def _kind(path: Path, head: bytes) -> _Kind | None:
    """Return what a file is, if not a checkpoint."""
    if not head:
        return _Kind("empty", _AGAIN)
    matches = (kind for pattern, kind in _PATTERNS if pattern.match(head))
    if kind := next(matches, None) or _kind_of_name(path):
        return kind
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if head[257:262] == b"ustar" and not _is_torchs_tar(head):
        return _ARCHIVE
    if head.startswith(b"\x80") and head[2:14] != _TORCH_PICKLE and _is_pickle(path):
        return _PICKLE
    return _kind_of_text(path, head)


def _kind_of_name(path: Path) -> _Kind | None:
    """Return what formats are that nothing but a file's name tells."""
    is_data = re.search(r"\.data-\d+-of-\d+$", path.name)
    return _TENSORFLOW if is_data else _SUFFIXES.get(path.suffix)


def _kind_of_zip(path: Path) -> _Kind | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise unreadable(path, "a file cut short: the end of its archive is missing") from error
    except Exception as error:  # a damaged archive fails in any step of its reading
        raise unreadable(path, f"{type(error).__name__}: {error}") from error
    parts = {name.partition("/")[2] for name in names}
    if "constants.pkl" in parts or any(part.startswith("code/") for part in parts):
        return _TORCHSCRIPT
    if "data.pkl" in parts:
        return None
    if "model.weights.h5" in names:
        return _KERAS
    if any(part.startswith("models/") for part in parts) or "serialized_exported_program.json" in (
        names
    ):
        return _EXPORTED
    if names and all(name.endswith(".npy") for name in names):
        return _Kind("an archive of NumPy arrays", _CONVERT)
    return _ARCHIVE


def _kind_of_text(path: Path, head: bytes) -> _Kind | None:
    """Return what a text is: an index of safetensors files, other JSON, anything."""
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # else a character is cut in two
            return None
        text = head[: error.start].decode("utf-8-sig")
    if not all(character.isprintable() or character.isspace() for character in text):
        return None
    if not text.lstrip().startswith(("{", "[")):
        return _Kind(f"a text that begins with {text[:40]!r}", _AGAIN)
    try:
        listed = json.loads(read_whole(path))
    except (ValueError, RecursionError):
        return _Kind("JSON", _AGAIN)
    if not isinstance(listed, dict) or not isinstance(listed.get("weight_map"), dict):
        return _Kind("JSON", _AGAIN)
    shards = sorted({str(shard) for shard in listed["weight_map"].values()})
    return _Kind(f"an index of the files {', '.join(shards[:3])}, without weights", _SHARDS)


def _is_safetensors(head: bytes) -> bool:
    """Return whether a file begins as safetensors do: the length of a JSON object, the object."""
    return head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") < 100_000_000


def _is_torchs_tar(head: bytes) -> bool:
    """Return whether a tar archive is a checkpoint of torch before 0.2."""
    return head.split(b"\0", 1)[0] in (b"sys_info", b"pickle", b"storages", b"tensors")


def _is_pickle(path: Path) -> bool:
    """Return whether a file is one whole pickle: all of them end with a full stop."""
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"."
