"""Processes that share one ingest, started by torchrun; a process on its own is a team of one.

    torchrun --nproc-per-node 4 -m conceptgraph.cli ingest …

Each member takes whole batches, every `size`-th, and keeps its own counts. What they have counted
are integers (or float64 sums of multiples of 2⁻²⁴), so sums over members are exact, and a run does
not depend on their number. Every launch goes through the same sums in the same order, also one that
resumes: members keep what they counted themselves, never what was summed.

Sums go through gloo, on the processor, whatever the device: there are few.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from ...errors import ConceptGraphError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

Thing = TypeVar("Thing")


class MemberGoneError(ConceptGraphError):
    """Another process of the team has ended before its time."""


_PATIENCE = timedelta(days=2)  # a dead member is noticed at once; this is for slow ones


@dataclass(frozen=True)
class Team:
    """This process among those that share an ingest.

    Attributes:
        rank: number of this process; 0 leads: it writes the run and talks to people.
        size: how many there are.
        on_machine: number of this process among those on its machine: which GPU is its own.
    """

    rank: int = 0
    size: int = 1
    on_machine: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process writes the run."""
        return self.rank == 0

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The members' tensors (of one shape, dtype and kind of device), added up."""
        if self.size == 1:
            return values
        from torch import distributed

        total = values.cpu().clone()
        with _member_gone():
            distributed.all_reduce(total)
        return total.to(values.device)

    def gather(self, thing: Thing) -> list[Thing]:
        """What each member has, in order of rank; plain values and tensors on the processor."""
        if self.size == 1:
            return [thing]
        from torch import distributed

        things: list[Thing | None] = [None] * self.size
        with _member_gone():
            distributed.all_gather_object(things, thing)
        return things  # type: ignore[return-value]  # all are filled now

    def wait(self) -> None:
        """Until all members have come here."""
        self.gather(None)


def team_of_environment() -> Team:
    """What the launcher says in `$RANK`, `$WORLD_SIZE` and `$LOCAL_RANK`; without it, one alone."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    return Team(rank, size, int(os.environ.get("LOCAL_RANK", "0"))) if size > 1 else Team()


@contextmanager
def joined(team: Team) -> Iterator[None]:
    """Within it, the members of the team can reach each other.

    Raises:
        ConceptGraphError: they do not find each other.
    """
    if team.size == 1:
        yield
        return
    from torch import distributed

    try:
        distributed.init_process_group("gloo", timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise ConceptGraphError(
            f"the {team.size} processes of this ingest do not find each other ({error})",
            remedy="Start them with torchrun",
        ) from error
    try:
        yield
    finally:
        distributed.destroy_process_group()


@contextmanager
def _member_gone() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise MemberGoneError(
            "another process of this ingest has ended", remedy="Start it again with --resume"
        ) from error
