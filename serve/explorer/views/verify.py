"""The page on which people start to verify labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..rendering import Page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..library import ServedRun


@dataclass(frozen=True)
class VerifyPage:
    """The start of a verification.

    Attributes:
        concept: uid of the only one to ask about; "" for all.
        can_verify: whether the concept data may be read.
    """

    concept: str
    can_verify: bool


def verify(served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the page."""
    concept = asked.get("concept", "")
    known = concept if concept in served.concept_uids else ""
    content = VerifyPage(known, served.has_photographs)
    return Page("verify.html", "Verify", content, "/verify")
