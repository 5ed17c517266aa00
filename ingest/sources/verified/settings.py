"""What people are asked about; imported by the command line, so without numpy."""

from __future__ import annotations

from typing import NamedTuple

from ....errors import DataError

MOST_LABELS = 1_000_000


class VerifySettings(NamedTuple):
    """What people are asked about.

    Attributes:
        concepts: names or uids; all of the sources if there are none.
        source: as of `choose_concepts`.
        per_concept: labels of each concept, at most.
        rounds: people who are asked about each label, at most, unless they differ.
        margin: half width of a concept's interval that is narrow enough.
        seed: of the sample and the orders.
    """

    concepts: tuple[str, ...] = ()
    source: str | None = None
    per_concept: int = 50
    rounds: int = 2
    margin: float = 0.1
    seed: int = 0


def check_settings(settings: VerifySettings) -> None:
    """Refuse settings out of range.

    Raises:
        DataError: naming the setting.
    """
    for name, value, most in (
        ("per-concept", settings.per_concept, MOST_LABELS),
        ("rounds", settings.rounds, 100),
    ):
        if not 1 <= value <= most:
            raise DataError(f"{name} out of range", found=value, expected=f"from 1 to {most:,}")
    if not 0 < settings.margin < 0.5:
        expected = "between 0 and 0.5"
        raise DataError("margin out of range", found=settings.margin, expected=expected)
