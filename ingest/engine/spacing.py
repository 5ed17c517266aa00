"""Places that are evenly spaced: in the frames of a clip, in the images of a run."""

from __future__ import annotations


def middles(parts: int, length: int) -> list[int]:
    """Return the positions, in a sequence of `length`, of the middles of its equal parts.

    So frames fall in time slots, and slots on frames: in the nearest, by the middle of both.
    """
    return [(2 * part + 1) * length // (2 * parts) for part in range(parts)]
