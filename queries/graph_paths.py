"""Paths over the contributions that are stored in the graph.

The graph holds the strongest contributions to each target. These paths use only those of rank below
`beam`: strong paths, quickly, but not certainly the strongest. `paths` finds those exactly, in a
run's dense matrices. A score is a product of shares, multiplied from the class backwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .view import RunView


class GraphPath(NamedTuple):
    """Units on the way to a class, the earliest block first, and the product of their shares."""

    score: float
    units: tuple[str, ...]


def paths_to_class(
    view: RunView, class_uid: str, length: int, beam: int, *, sign: int = 1
) -> Iterator[GraphPath]:
    """Yield all paths of `length` units to a class.

    The contribution to the class has this sign; those between units are positive.
    """
    suffixes = [GraphPath(1.0, (class_uid,))]
    for hop in range(length):
        hop_sign = sign if hop == 0 else 1
        suffixes = [
            GraphPath(suffix.score * edge["share"], (unit, *suffix.units))
            for suffix in suffixes
            for unit, edge in view.contributors(suffix.units[0])
            if hop_sign * edge["share"] > 0 and edge["rank"] < beam
        ]
    for score, units in suffixes:
        yield GraphPath(score, units[:-1])


class ClassPathRow(NamedTuple):
    """A path first → second → class; a concept is None for an unnamed unit."""

    score: float
    first: str
    first_concept: str | None
    second: str
    second_concept: str | None


def class_path_rows(view: RunView, paths: Iterable[GraphPath]) -> list[ClassPathRow]:
    """Return paths of two units as rows."""
    return [
        ClassPathRow(
            score,
            view.local_uid(first),
            view.label_name(first),
            view.local_uid(second),
            view.label_name(second),
        )
        for score, (first, second) in paths
    ]
