"""The long step: one forward pass over the images, for sparse activations, probes and tags.

Some batches calibrate the lower bounds of the thresholds; they are spread over the order of the
run, in which the images of one split come first. To run the network on them needs no label, so that
it can be done beside the label statistics, which say the quantile; their block outputs are used
again in the pass itself.
"""

from __future__ import annotations

from itertools import islice, takewhile
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import torch

from ...errors import ConceptGraphError
from ..engine.spacing import middles
from ..statistics.batch_labels import labels_of_batch
from ..statistics.statistic import accumulate, resume
from .activations import calibrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from threading import Event

    from torch import Tensor

    from ...progress import Advance
    from ..engine.checkpoint import Checkpoints, State
    from ..engine.process_group import ProcessGroup
    from ..engine.workers import WorkerPool
    from ..inputs import Batch, Inputs
    from ..statistics.image_tags import ImageTags, TagPartial
    from ..statistics.label_statistics import LabelStatistics
    from ..statistics.probes import PresenceProbes, ProbePartial
    from .activations import BatchCells, SparseActivations

    Maps = dict[str, Tensor]

Result = TypeVar("Result")

NAME = "forward_pass"
CALIBRATION_BYTES = 1 << 30
"""Of the outputs that calibration keeps, at the most, but for two batches."""


class CalibrationPass(NamedTuple):
    """The calibration batches.

    Attributes:
        batches: some, of all ranks.
        outputs: their block outputs.
    """

    batches: Sequence[Batch]
    outputs: Sequence[Maps]


def run_calibration(inputs: Inputs, pool: WorkerPool, cancelled: Event) -> CalibrationPass | None:
    """Run the calibration batches; return None once `cancelled` is set.

    Their outputs stay in memory: fewer batches are run where those of the first one are large.
    """
    batches = calibration_batches(inputs)

    def run(wanted: Sequence[Batch]) -> list[Maps]:
        decoded = takewhile(lambda _: not cancelled.is_set(), inputs.decoded(wanted))
        return list(pool.map(lambda decoded_batch: inputs.outputs(decoded_batch[1]), decoded))

    outputs = run(batches[:1])
    if outputs:
        size = sum(maps.nbytes for maps in outputs[0].values())
        batches = batches[:: -(-len(batches) // max(2, CALIBRATION_BYTES // size))]
        outputs += run(batches[1:])
    return None if cancelled.is_set() else CalibrationPass(batches, outputs)


def calibration_batches(inputs: Inputs) -> list[Batch]:
    """Return batches spread over those with images that fit the thresholds, at least two."""
    size, fit = inputs.batch_size, int(inputs.threshold_images.sum())
    suitable = inputs.batches()[: -(-fit // size)]  # images that fit come first
    number = min(max(2, -(-inputs.settings.calibration_images // size)), len(suitable))
    return [suitable[place] for place in middles(number, len(suitable))]


class ForwardPartial(NamedTuple):
    """What one batch adds."""

    batch: int
    cells: Mapping[str, BatchCells]
    probes: ProbePartial
    tags: TagPartial | None


class _ForwardStatistics:
    """Activations, probes and tags, as one statistic."""

    def __init__(
        self, activations: SparseActivations, probes: PresenceProbes, tags: ImageTags
    ) -> None:
        self._activations = activations
        self._probes = probes
        self._tags = tags

    def update(self, partial: ForwardPartial) -> None:
        self._activations.update(partial.batch, partial.cells)
        self._probes.update(partial.probes)
        self._tags.update(partial.tags)

    def state_dict(self) -> State:
        return {
            "activations": self._activations.state_dict(),
            "probes": self._probes.state_dict(),
            "tags": self._tags.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        self._activations.load_state_dict(state["activations"])
        self._probes.start(_lower(self._activations))
        self._probes.load_state_dict(state["probes"])
        self._tags.load_state_dict(state["tags"])


def _lower(activations: SparseActivations) -> dict[str, Tensor]:
    return {name: bounds.lower for name, bounds in activations.first_bounds.items()}


class ForwardPass:
    """The forward pass of one process; it fills activations, probes and tags."""

    def __init__(
        self,
        inputs: Inputs,
        activations: SparseActivations,
        probes: PresenceProbes,
        tags: ImageTags,
        pool: WorkerPool,
        group: ProcessGroup,
    ) -> None:
        """Prepare."""
        self._inputs = inputs
        self._activations = activations
        self._probes = probes
        self._tags = tags
        self._pool = pool
        self._group = group
        self._outputs: dict[int, Maps] = {}

    def run(
        self,
        labels: LabelStatistics,
        calibration: CalibrationPass | None,
        checkpoints: Checkpoints,
        advance: Advance,
    ) -> None:
        """Run all batches of this process.

        Args:
            labels: of the images.
            calibration: None for a process that resumes.
            checkpoints: where to resume from, and to save to when it is time.
            advance: told the images of each batch.
        """
        statistics = _ForwardStatistics(self._activations, self._probes, self._tags)
        done = resume(statistics, NAME, checkpoints)
        if calibration is not None:
            self._start(calibration)
        self._agree_on_bounds(fresh=not done)
        if not done:
            self._probes.start(_lower(self._activations))

        def partial(batch: Batch, maps: Maps) -> ForwardPartial:
            batch_labels = labels_of_batch(
                self._inputs.data,
                batch.images,
                batch.first,
                labels,
                self._inputs.device,
                fitted=self._inputs.probe_images,
            )
            cells = self._activations.partial(batch.number, maps)
            return ForwardPartial(
                batch.number,
                cells,
                self._probes.partial(maps, batch_labels, batch),
                self._tags.partial(batch.number, maps, batch_labels),
            )

        accumulate(
            statistics,
            NAME,
            self._inputs.batches(self._group),
            done,
            lambda batches: self._map(batches, partial),
            checkpoints,
            advance,
        )
        self._probes.solve()  # if no batch of this process has images held out
        self._outputs.clear()

    def _start(self, calibration: CalibrationPass) -> None:
        """Compute lower bounds of the thresholds; keep the outputs of this rank's batches."""
        fit = [self._activations.fit_of(batch.number) for batch in calibration.batches]
        quantile = self._activations.quantile
        self._activations.start(calibrate(calibration.outputs, fit, quantile, self._pool))
        own = {batch.number for batch in self._inputs.batches(self._group)}
        outputs = zip(calibration.batches, calibration.outputs, strict=True)
        self._outputs = {batch.number: maps for batch, maps in outputs if batch.number in own}

    def repeat(self, advance: Advance) -> Iterator[tuple[int, Mapping[str, BatchCells]]]:
        """Run batches of this process once more, those that are missed, up to the blocks that are.

        Yields:
            Their cells.
        """
        own = self._inputs.batches(self._group)
        missed = [batch for batch in own if self._activations.missed(batch.number)]
        advance(sum(len(batch.images) for batch in own) - sum(len(b.images) for b in missed))

        def partial(batch: Batch, maps: Maps) -> tuple[Batch, dict[str, BatchCells]]:
            return batch, self._activations.partial(batch.number, maps)

        for batch, cells in self._map(missed, partial):
            advance(len(batch.images))
            yield batch.number, cells

    def _agree_on_bounds(self, *, fresh: bool) -> None:
        """Take the bounds of the first rank; ranks that resume have them.

        Raises:
            ConceptGraphError: a rank that resumes has others.
        """
        bounds = self._activations.first_bounds
        agreed = self._group.all_gather({name: own.lower.cpu() for name, own in bounds.items()})[0]
        for name, own in bounds.items():
            lower = agreed[name].to(own.lower.device)
            if fresh:
                self._activations.blocks[name].bounds.start(own._replace(lower=lower))
            elif not torch.equal(lower, own.lower):
                raise ConceptGraphError(
                    "the processes of this ingest do not compute the same",
                    remedy="Start anew, on machines of one kind",
                )

    def _read(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, Tensor | None]]:
        """Yield batches with their decoded images; None where calibration has their outputs."""
        decoded = self._inputs.decoded([b for b in batches if b.number not in self._outputs])
        for batch in batches:
            if batch.number in self._outputs:
                yield batch, None
            else:
                yield from islice(decoded, 1)

    def _map(
        self, batches: Sequence[Batch], partial: Callable[[Batch, Maps], Result]
    ) -> Iterator[Result]:
        """Yield the partials of batches, computed by the workers."""

        def work(decoded_batch: tuple[Batch, Tensor | None]) -> Result:
            batch, pixels = decoded_batch
            missed = self._activations.missed(batch.number) or None
            maps = (
                self._outputs.pop(batch.number)
                if pixels is None
                else self._inputs.outputs(pixels, missed)
            )
            try:
                return partial(batch, maps)
            except torch.OutOfMemoryError:  # the worker tries again
                if pixels is None:
                    self._outputs[batch.number] = maps
                raise

        return self._pool.map(work, self._read(batches))
