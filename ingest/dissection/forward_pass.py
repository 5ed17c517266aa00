"""The long step: one forward pass over the images, for the cells and for the presence probes.

    pilot                 before all: bounds of the thresholds; needs no label
    images that fit       lanes look at batches; cells kept, sums of the probes taken in
    solve                 the probes, from the sums of the whole team
    images held out       cells kept, readings of the probes counted

Workers do not wait for the probes: what these need of held-out images is set aside until then.
Every so often a bookmark says how far it got. One that resumes skips the batches that are done.
"""

from __future__ import annotations

from itertools import islice, takewhile
from typing import TYPE_CHECKING, NamedTuple

import torch

from ...errors import ConceptGraphError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from threading import Event

    from torch import Tensor

    from ...progress import Advance
    from ..engine.checkpoint import Checkpoints
    from ..engine.process_group import ProcessGroup
    from ..engine.workers import WorkerPool
    from ..inputs import Batch, Inputs
    from ..statistics.batch_labels import Labels
    from ..statistics.block_probes import Sums
    from ..statistics.probes import HeldOut, PresenceProbes
    from .collection import Collection, Kept

NAME = "collect"


class Looked(NamedTuple):
    """What one batch adds."""

    batch: Batch
    kept: dict[str, Kept]
    sums: dict[str, Sums]
    held_out: HeldOut  # of which there are no readings yet
    readings: dict[str, Tensor]


class Collector:
    """The step at work in one process; it fills a collection and probes."""

    _labels_of: Callable[[Batch], list[Labels]]  # given to `run`

    def __init__(
        self,
        inputs: Inputs,
        collection: Collection,
        probes: PresenceProbes,
        lanes: WorkerPool,
        team: ProcessGroup,
        bookmarks: Checkpoints,
    ) -> None:
        """Nothing is done yet."""
        self._inputs = inputs
        self._collection = collection
        self._probes = probes
        self._lanes = lanes
        self._team = team
        self._bookmarks = bookmarks
        self._pilot: dict[int, dict[str, Tensor]] = {}
        self._done = 0

    def prepare(self, given_up: Event) -> None:
        """What needs no label: go on from a bookmark, or look at the pilot until `given_up`."""
        self._done = self._resume()
        if not self._done:
            self._look_at_pilot(given_up)

    def run(self, labels_of: Callable[[Batch], list[Labels]], advance: Advance) -> None:
        """All batches of this process, once prepared; `advance` is told the images of each."""
        self._labels_of = labels_of
        batches, done = self._inputs.batches(self._team), self._done
        self._agree_on_bounds(fresh=not done)
        advance(sum(len(batch.images) for batch in batches[:done]))
        for looked in self._looked_at(batches[done:], self._look):
            self._probes.fit(looked.sums)
            if looked.held_out and not self._probes.solved:
                self._probes.solve(self._team)
            read = self._probes.readings(looked.held_out, looked.batch)
            done += 1
            self._take(looked._replace(readings={**looked.readings, **read}), done, advance)
        if not self._probes.solved:  # no batch of this process has images held out
            self._probes.solve(self._team)
        self._pilot.clear()

    def again(self, advance: Advance) -> Iterator[tuple[int, dict[str, Kept]]]:
        """Look at all batches of this process once more, for cells alone."""
        batches = self._inputs.batches(self._team)
        for looked in self._looked_at(batches, self._look_for_cells):
            advance(len(looked.batch.images))
            yield looked.batch.number, looked.kept

    def _resume(self) -> int:
        """Go on from a bookmark; how many batches are done."""
        state = self._bookmarks.find(NAME)
        if state is None:
            return 0
        self._collection.load(state["collection"])
        self._start_probes()
        for block, kept in state["probes"].items():
            self._probes.blocks[block].load(kept)
        done: int = state["done"]
        return done

    def _look_at_pilot(self, given_up: Event) -> None:
        """Lower bounds from the first batches, whose outputs are kept for `run`."""
        number = -(-self._inputs.settings.calibration_images // self._inputs.batch_size)
        wanted = self._inputs.batches()[:number]
        read = takewhile(lambda _: not given_up.is_set(), self._read(wanted))
        found = list(self._lanes.map(lambda each: self._outputs(*each), read))
        if given_up.is_set():
            return
        self._pilot = {batch.number: maps for batch, maps in zip(wanted, found, strict=True)}
        self._collection.start(list(self._pilot.values()), self._lanes)
        mine = {batch.number for batch in self._inputs.batches(self._team)}
        self._pilot = {number: maps for number, maps in self._pilot.items() if number in mine}

    def _agree_on_bounds(self, *, fresh: bool) -> None:
        """The bounds of the team's first member hold for all; those that resume have them."""
        parts = {block: part for block, (part,) in self._collection.parts.items()}
        agreed = self._team.all_gather({block: part.lower.cpu() for block, part in parts.items()})[
            0
        ]
        for block, part in parts.items():
            lower = agreed[block].to(part.lower.device)
            if not fresh and not torch.equal(lower, part.lower):
                raise ConceptGraphError(
                    "the processes of this ingest do not compute the same",
                    remedy="Begin anew, on machines of one kind",
                )
            part.lower = lower
        if fresh:
            self._start_probes()

    def _start_probes(self) -> None:
        self._probes.start({block: part.lower for block, (part,) in self._collection.parts.items()})

    def _take(self, looked: Looked, done: int, advance: Advance) -> None:
        self._collection.keep(looked.batch.number, looked.kept)
        self._probes.score(looked.readings)
        advance(len(looked.batch.images))
        if self._bookmarks.due:
            probes = {block: each.state() for block, each in self._probes.blocks.items()}
            state = {"done": done, "collection": self._collection.state(), "probes": probes}
            self._bookmarks.keep(NAME, state)

    def _read(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, Tensor | None]]:
        """Batches with their decoded images; None where the pilot has their outputs."""
        decoded = self._inputs.decoded([b for b in batches if b.number not in self._pilot])
        for batch in batches:
            if batch.number in self._pilot:
                yield batch, None
            else:
                yield from islice(decoded, 1)

    def _outputs(self, batch: Batch, pixels: Tensor | None) -> dict[str, Tensor]:
        return self._pilot.pop(batch.number) if pixels is None else self._inputs.outputs(pixels)

    def _looked_at(
        self, batches: Sequence[Batch], look: Callable[[Batch, dict[str, Tensor]], Looked]
    ) -> Iterator[Looked]:
        """What lanes find in batches."""

        def work(each: tuple[Batch, Tensor | None]) -> Looked:
            maps = self._outputs(*each)
            try:
                return look(each[0], maps)
            except torch.OutOfMemoryError:  # lanes try again
                if each[1] is None:
                    self._pilot[each[0].number] = maps
                raise

        return self._lanes.map(work, self._read(batches))

    def _look_for_cells(self, batch: Batch, maps: dict[str, Tensor]) -> Looked:
        return Looked(batch, self._collection.look(batch.number, maps), {}, {}, {})

    def _look(self, batch: Batch, maps: dict[str, Tensor]) -> Looked:
        probes, labels = self._probes, self._labels_of(batch)
        looked = self._look_for_cells(batch, maps)._replace(
            sums=probes.sums(maps, labels, batch), held_out=probes.held_out(maps, labels, batch)
        )
        if not probes.solved:
            return looked
        readings = probes.readings(looked.held_out, batch)
        return looked._replace(held_out={}, readings=readings)
