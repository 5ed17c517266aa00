"""Contents of files that are named .npy and hold no array that can be read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _header(shape: str, content: bytes = b"") -> bytes:
    """Return a .npy file of float64 that states a shape."""
    stated = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}"
    return _raw_header(stated) + content


def _raw_header(stated: str) -> bytes:
    line = f"{stated}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line


def _archive(*arrays: NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    np.savez(file, *arrays)
    return file.getvalue()


NO_ARRAYS = {
    "empty": b"",
    "magic": b"\x93NUMPY",
    "another version": b"\x93NUMPY\x09\x00",
    "archive": _archive(np.ones((5, 8))),
    "empty archive": _archive(),
    "begins as an archive": b"PK\x03\x04",
    "pickle": b"\x80\x04N.",
    "garbage header": _raw_header("x" * 50),
    "open parenthesis": _raw_header("{'descr': ("),
    "nested": _raw_header("(" * 9000),
    "no shape": _raw_header("{}"),
    "too short": _header("(5, 8)", b"0" * 64),
    "far too short": _header("(99999999999, 999)"),
    "negative": _header("(-1, 8)", b"0" * 64),
    "both negative": _header("(-5, -8)", b"0" * 320),
    "true": _header("(True, 8)", b"0" * 64),
    "largest": _header(f"({2**63 - 1},)"),
    "beyond 64 bits": _header(f"({10**30},)"),
}
