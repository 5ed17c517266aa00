"""Reading what `torch.save` wrote without running any code that it names.

`torch.load` with weights_only reads tensors and plain containers, and stops at any other class. But
training scripts save their options, scores and whole modules beside the weights. So the reading is
repeated with what it stopped at:

- plain values (`argparse.Namespace`, paths, dates, NumPy's scalars and arrays) are read;
- for anything else there is a stand-in that runs nothing and keeps the attributes;
- what only an attack needs (functions of Python's own library, such as `os.system`) is refused.
"""

from __future__ import annotations

import argparse
import builtins
import collections
import datetime
import pathlib
import re
import sys
import types
import warnings
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ...errors import ModelError
from .file_kinds import unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

PYTHON_2 = "latin1"
"""What text in a pickle of Python 2 needs, as Places365's may; it changes nothing in later ones."""
_PLAIN = ("int", "float", "complex", "bool", "str", "bytes", "list", "tuple", "dict", "frozenset")
_STOOD_IN = {
    *("abc", "argparse", "collections", "copyreg", "dataclasses", "datetime", "decimal", "enum"),
    *("fractions", "functools", "logging", "numbers", "pathlib", "random", "re", "string", "time"),
    *("types", "typing", "uuid", "zoneinfo"),
}
"""Modules of Python's own library whose objects programs keep beside weights."""
_FRAME = 149  # the first operation of a pickle of protocol 4 or 5
_NO_RECORD = re.compile(
    "Can only (extend|append|SETITEM)|update sequence|unhashable|not iterable"
    "|unrecognized (function|class) Counter"
)
"""In messages of torch and Python: what a class does that a stand-in cannot do for it."""
_RUNS_CODE = {"eval", "exec", "compile", "open", "input", "breakpoint", "__import__"}


class StandIn:
    """Makes, for a class or function that is not run, a record of the object's attributes.

    The record is a Counter, the one class that torch lets a pickle fill with everything: with items
    where the object is a mapping, with attributes, and with slots.
    """

    def __new__(cls, *_: object, **__: object) -> collections.Counter[str]:  # type: ignore[misc]
        """Return an empty record."""
        return collections.Counter()


class InertFunction:
    """A function with some of its arguments given, that runs nothing."""

    def __new__(cls, *_: object) -> InertFunction:
        """Return one that keeps nothing."""
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Keep nothing of its state."""


def read_pickle(path: Path) -> object:
    """Read a file of `torch.save`, on the CPU, running none of its code.

    Raises:
        ModelError: it is damaged, or cannot be read without running code.
    """
    known = dict(_plain_classes())
    while True:
        content, error = _load(path, known)
        if error is None:
            return content
        if isinstance(error, PermissionError):
            raise unreadable(path, str(error)) from error
        name = _refused(str(error))
        if name is None or name in known or not _may_stand_in(name):
            raise _not_read(path, str(error)) from error
        known[name] = StandIn


def read_trusted(path: Path) -> object:
    """Read a file of `torch.save`, on the CPU, letting it run any code.

    Raises:
        ModelError: it is damaged, or its code fails.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=False, encoding=PYTHON_2)
    # The file's own code may raise anything.
    except Exception as error:
        raise unreadable(path, f"{type(error).__name__}: {error}") from error


def module_state(value: object) -> Mapping[str, object] | None:
    """Return the state dict of a module or of a module's stand-in; None for anything else."""
    if isinstance(value, nn.Module):
        state: dict[str, object] = value.state_dict()
        return state
    return dict(_standin_state(value)) if "_modules" in getattr(value, "__dict__", {}) else None


def _standin_state(value: object) -> Iterable[tuple[str, object]]:
    unsaved = vars(value).get("_non_persistent_buffers_set") or ()
    for kind in ("_parameters", "_buffers"):
        yield from ((name, it) for name, it in _mapping(value, kind).items() if name not in unsaved)
    for name, child in _mapping(value, "_modules").items():
        yield from ((f"{name}.{inner}", it) for inner, it in (module_state(child) or {}).items())


def _mapping(value: object, attribute: str) -> Mapping[str, object]:
    found = vars(value).get(attribute)
    return found if isinstance(found, dict) else {}


def _load(
    path: Path, known: Mapping[str, Callable[..., object]]
) -> tuple[object, Exception | None]:
    """Return what a file holds, or the error that torch stopped with."""
    classes: list[Callable[..., object] | tuple[Callable[..., object], str]] = [
        (value, name) for name, value in known.items()
    ]
    with warnings.catch_warnings(), torch.serialization.safe_globals(classes):
        # torch warns that it ignores the encoding here, but uses it; and of newer pickle protocols.
        warnings.filterwarnings("ignore", message="pickle_load_args|Detected pickle protocol")
        try:
            return torch.load(path, map_location="cpu", weights_only=True, encoding=PYTHON_2), None
        # A damaged pickle can fail in any step of torch's unpickler, with any error. Their messages
        # are of no help, and some advise weights_only=False.
        except Exception as error:
            return None, error


@cache
def _plain_classes() -> dict[str, Callable[..., object]]:
    """Return, by their names in a pickle, classes whose objects are read as they are."""
    values = (argparse.Namespace, types.SimpleNamespace, slice, range)
    dates = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone)
    classes = [*values, *dates, *(getattr(builtins, name) for name in _PLAIN)]
    return {
        **{f"{it.__module__}.{it.__qualname__}": it for it in classes},
        **_paths(),
        **_numpy_classes(),
        "functools.partial": InertFunction,
        "collections.defaultdict": lambda *_: {},
        "collections.deque": lambda items=(), *_: list(items),
    }


def _paths() -> dict[str, Callable[..., object]]:
    """Return paths of any system by the names of Python's versions; they reach no disk."""
    by_name = {"Posix": pathlib.PurePosixPath, "Windows": pathlib.PureWindowsPath}
    return {
        f"{module}.{pure}{system}Path": path
        for module in ("pathlib", "pathlib._local")
        for pure in ("", "Pure")
        for system, path in by_name.items()
    }


def _numpy_classes() -> dict[str, Callable[..., object]]:
    """Return what NumPy's scalars and arrays are made of, by the names of its versions 1 and 2."""
    multiarray = "numpy.core.multiarray", "numpy._core.multiarray"
    array = np.empty(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    functions = {"_reconstruct": array, "scalar": scalar}
    dtypes = [it for it in vars(np.dtypes).values() if isinstance(it, type)]
    return {
        **{f"{it.__module__}.{it.__qualname__}": it for it in (np.ndarray, np.dtype, *dtypes)},
        **{f"{module}.{name}": it for module in multiarray for name, it in functions.items()},
    }


def _refused(message: str) -> str | None:
    """Return the class or function that torch stopped at, from its message; None if at another."""
    named = re.search(r"GLOBAL ([\w.]*\w)", message)
    if named is None:
        return None
    return named[1] if "." in named[1] else f"builtins.{named[1]}"


def _may_stand_in(name: str) -> bool:
    """Return whether a class or function is what programs keep beside weights."""
    module, _, attribute = name.rpartition(".")
    if module == "builtins":
        return attribute not in _RUNS_CODE
    root = module.partition(".")[0]
    return root in _STOOD_IN or root not in sys.stdlib_module_names


def _not_read(path: Path, message: str) -> ModelError:
    if "DTensor" in message:
        return ModelError(
            "holds tensors that are spread over processes (DTensor)",
            file=path,
            expected="whole tensors",
            remedy="Save a full state dict where the network is trained",
        )
    code = _code_in_pickle(message)
    if code is None:
        return unreadable(path, f"{path.stat().st_size} bytes that torch.load cannot read")
    return ModelError(
        f"reading it would run code: {code}",
        file=path,
        expected="nothing but tensors and plain values",
        remedy="--trust-pickle reads it all the same, and lets the file do anything that you can "
        "do on this machine: only for files whose author you trust",
    )


def _code_in_pickle(message: str) -> str | None:
    """Return what a refused file would run, from torch's message; None if it is damaged."""
    if name := _refused(message):
        return name.removeprefix("builtins.")
    if "persistent_load of storage" in message:
        return "a whole module in torch's first format"
    if f"Unsupported operand {_FRAME}" in message:
        return "a pickle of protocol 4 or 5, which torch reads in no other way"
    if "legacy .tar format" in message:
        return "a pickle in torch's old .tar format"
    return "objects that only their own classes can make" if _NO_RECORD.search(message) else None
