"""Importing torchvision without torch's compiler, which takes longer than all the rest of it.

`torchvision.ops.roi_align` imports `torch._dynamo` for one question that nothing here asks: whether
a device can compile it. Then it is imported after all.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPILER = "torch._dynamo"
_UTILS = f"{_COMPILER}.utils"


@contextmanager
def without_compiler() -> Iterator[None]:
    """Let torchvision be imported inside the block without torch's compiler."""
    if _COMPILER in sys.modules or "torchvision" in sys.modules:
        yield
        return
    stand_ins = {_COMPILER: _StandIn(_COMPILER), _UTILS: _StandIn(_UTILS)}
    stand_ins[_UTILS].is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        _remove_stand_ins()


class _StandIn(ModuleType):
    """Stands in for a module of the compiler, until something else of it is asked for."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        _remove_stand_ins()
        real: object = getattr(import_module(self.__name__), name)
        return real


def _remove_stand_ins() -> None:
    for name in (_COMPILER, _UTILS):
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]


def _is_compile_supported(device_type: str) -> bool:
    _remove_stand_ins()
    supported: bool = import_module(_UTILS).is_compile_supported(device_type)
    return supported
