"""Processes that share one ingest, started by torchrun; a process of its own is a group of one.

    torchrun --nproc-per-node 4 -m conceptgraph.cli ingest …

Each rank takes whole batches, every `world_size`-th, and keeps its own counts. Counts are integers
(or float64 sums of multiples of 2⁻²⁴), so sums over ranks are exact, and a run does not depend on
the number of processes. Every launch, also one that resumes, goes through the same reductions in
the same order: ranks checkpoint their own counts, never what was reduced.

Reductions go through gloo, on the CPU, whatever the device: there are few.
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

Value = TypeVar("Value")


class RankLostError(ConceptGraphError):
    """Another process of the group has ended too early."""


_TIMEOUT = timedelta(days=2)  # a dead rank is noticed at once; this is for slow ones


@dataclass(frozen=True)
class ProcessGroup:
    """This process among those that share an ingest.

    Attributes:
        rank: number of this process.
        world_size: how many processes there are.
        local_rank: number of this process on its machine; it chooses the GPU.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process writes the run and talks to people (rank 0)."""
        return self.rank == 0

    def all_reduce(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum over ranks of tensors of one shape, dtype and kind of device."""
        if self.world_size == 1:
            return values
        from torch import distributed

        total = values.cpu().clone()
        with _rank_lost():
            distributed.all_reduce(total)
        return total.to(values.device)

    def all_gather(self, value: Value) -> list[Value]:
        """Return the value of each rank, in order: plain values, and tensors on the CPU."""
        if self.world_size == 1:
            return [value]
        from torch import distributed

        values: list[Value | None] = [None] * self.world_size
        with _rank_lost():
            distributed.all_gather_object(values, value)
        return values  # type: ignore[return-value]  # all are filled now

    def barrier(self) -> None:
        """Wait until all ranks have come here."""
        self.all_gather(None)


def environment_process_group() -> ProcessGroup:
    """Return the group that `$RANK`, `$WORLD_SIZE` and `$LOCAL_RANK` describe; else one alone."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ProcessGroup()
    return ProcessGroup(rank, size, int(os.environ.get("LOCAL_RANK", "0")))


@contextmanager
def initialised(group: ProcessGroup) -> Iterator[None]:
    """Connect the ranks of a group within the context.

    Raises:
        ConceptGraphError: they do not find one another.
    """
    if group.world_size == 1:
        yield
        return
    from torch import distributed

    try:
        distributed.init_process_group("gloo", timeout=_TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise ConceptGraphError(
            f"the {group.world_size} processes of this ingest do not find one another ({error})",
            remedy="Start them with torchrun",
        ) from error
    try:
        yield
    finally:
        distributed.destroy_process_group()


@contextmanager
def _rank_lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise RankLostError(
            "another process of this ingest has ended", remedy="Start it again with --resume"
        ) from error
