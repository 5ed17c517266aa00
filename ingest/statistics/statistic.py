"""One protocol for everything that is summed over batches and processes.

A worker computes the *partial* of a batch, what the batch adds, and changes nothing; partials are
then taken in one after another, in the order of the batches. All counts are integers (or float64
sums of multiples of 2⁻²⁴), so ranks may be summed in any order, and a statistic that resumes from a
checkpoint ends as if nothing had happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from typing_extensions import Self

    from ...progress import Advance
    from ..engine.checkpoint import Checkpoints, State
    from ..engine.process_group import ProcessGroup
    from ..inputs import Batch

Args = ParamSpec("Args")
Partial = TypeVar("Partial")
PartialIn_contra = TypeVar("PartialIn_contra", contravariant=True)


class Statistic(Protocol[Args, Partial]):
    """Something that is summed over batches and processes."""

    def partial(self, *args: Args.args, **kwargs: Args.kwargs) -> Partial:
        """Compute what a batch adds; several threads may call this at once."""

    def update(self, partial: Partial) -> None:
        """Add what a batch adds."""

    def all_reduce(self, group: ProcessGroup) -> Self:
        """Return the sum over all ranks; this rank's own counts stay as they are."""


class Resumable(Protocol[PartialIn_contra]):
    """A statistic that can be saved and loaded between two batches."""

    def update(self, partial: PartialIn_contra) -> None:
        """Add what a batch adds."""

    def state_dict(self) -> State:
        """Return this rank's counts, on the CPU."""

    def load_state_dict(self, state: State) -> None:
        """Replace the counts by those of an earlier `state_dict`."""


def resume(statistic: Resumable[Partial], name: str, checkpoints: Checkpoints) -> int:
    """Load a statistic from its last checkpoint, if any; return how many batches it has."""
    state = checkpoints.load(name)
    if state is None:
        return 0
    statistic.load_state_dict(state["statistic"])
    done: int = state["batches"]
    return done


def accumulate(
    statistic: Resumable[Partial],
    name: str,
    batches: Sequence[Batch],
    done: int,
    partials: Callable[[Sequence[Batch]], Iterator[Partial]],
    checkpoints: Checkpoints,
    advance: Advance,
) -> None:
    """Add batches to a statistic, and save it when it is time.

    Args:
        statistic: with the first `done` batches.
        name: of the checkpoints.
        batches: of this rank, all of them.
        done: how many of them the statistic has.
        partials: computes the partials of batches, in order.
        checkpoints: where to save to.
        advance: told the images of each batch.
    """
    advance(sum(len(batch.images) for batch in batches[:done]))
    left = batches[done:]
    for batch, partial in zip(left, partials(left), strict=True):
        statistic.update(partial)
        done += 1
        advance(len(batch.images))
        if checkpoints.due:
            checkpoints.save(name, {"batches": done, "statistic": statistic.state_dict()})
