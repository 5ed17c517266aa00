"""A normalising layer's mean and std in a checkpoint: what the network's input is normalised by."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ...errors import ModelError
from .parts import shared_pieces
from .stated_input import StatedInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from .parts import Part
    from .state_dicts import Entry

_MEAN = re.compile(r"((?:new|pixel|image|img|input|rgb|norm)?_?)(means?|mu)")
_STD = {"mean": ("std", "sigma", "sd"), "means": ("stds", "sds"), "mu": ("sigma", "std", "sd")}
_LAYER = re.compile(r"normali[sz]|preproc", re.IGNORECASE)
_NO_INPUT = re.compile("loss|criterion|metric|target|label", re.IGNORECASE)


class Normaliser(NamedTuple):
    """Mean and standard deviation of each channel, of inputs in [0, 1], and their names."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    paths: tuple[str, str]

    def stated(self, file: str) -> StatedInput:
        """Return what it states about the input, of a file of this name."""
        source = f"the normaliser {' and '.join(self.paths)} in {file}"
        return StatedInput(source, mean=self.mean, std=self.std)


def find_normaliser(
    part: Part, entries: Mapping[str, Entry], channels: int, origin: Path | str
) -> Normaliser | None:
    """Find the normaliser that stands the nearest to a part.

    Args:
        part: the network.
        entries: all tensors in the file.
        channels: of an image.
        origin: the file, for the error.

    Raises:
        ModelError: several that are equally near differ, or one is not of inputs in [0, 1] or has
            no mean and std.
    """
    used = set(part.paths.values())
    holders = {entries[path].holder for path in used}
    beside = [
        path
        for path, entry in entries.items()
        if path not in used and any(it[: len(entry.holder)] == entry.holder for it in holders)
    ]
    found = [it for path in beside if (it := _normaliser(path, entries, channels)) is not None]
    if not found:
        _refuse_unknown(beside, entries, channels, origin)
        return None
    shared = [shared_pieces(it.paths[0], part.key) for it in found]
    nearest = [it for it, count in zip(found, shared, strict=True) if count == max(shared)]
    _check(nearest, origin)
    return nearest[0]


def _normaliser(path: str, entries: Mapping[str, Entry], channels: int) -> Normaliser | None:
    start, dot, name = path.rpartition(".")
    named = _MEAN.fullmatch(name)
    if named is None or _NO_INPUT.search(start):
        return None
    names = (f"{start}{dot}{named[1]}{std}" for std in _STD[named[2]])
    std = next((name for name in names if name in entries), None)
    if std is None:
        return None
    numbers = [entries[it].tensor.detach().double().flatten().tolist() for it in (path, std)]
    if any(len(it) not in (1, channels) for it in numbers):
        return None
    mean, deviation = (tuple(it * channels if len(it) == 1 else it) for it in numbers)
    return Normaliser(mean, deviation, (path, std))


def _refuse_unknown(
    beside: Iterable[str], entries: Mapping[str, Entry], channels: int, origin: Path | str
) -> None:
    for path in beside:
        layer = path.rpartition(".")[0]
        is_normaliser = _LAYER.search(layer) is not None and _NO_INPUT.search(layer) is None
        if is_normaliser and entries[path].tensor.numel() == channels:
            raise ModelError(
                "a normaliser without mean and std",
                file=origin,
                found=path,
                expected="both, of each channel",
                remedy="Leave it out of the file, and give the network attributes mean and std",
            )


def _check(nearest: list[Normaliser], origin: Path | str) -> None:
    first = nearest[0]
    for other in nearest[1:]:
        if other[:2] != first[:2]:
            raise ModelError(
                "holds two normalisers that differ",
                file=origin,
                found=f"{first.paths[0]} and {other.paths[0]}",
                expected="one",
            )
    if not (all(0 <= it <= 1 for it in first.mean) and all(0 < it <= 1 for it in first.std)):
        raise ModelError(
            "a normaliser that is not of inputs from 0 to 1",
            file=origin,
            found=f"{first.paths[0]} {first.mean} and {first.paths[1]} {first.std}",
            expected="a mean from 0 to 1 and a std above 0, up to 1: red, green, blue",
            remedy="Divide both by the largest value of a pixel, and mind the order of channels",
        )
