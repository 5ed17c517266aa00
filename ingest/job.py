"""An ingest at work: steps 2 to 8 of `pipeline`, each of which tells of its progress and time.

Steps 3 and 5 keep bookmarks; the others are repeated by an ingest that resumes. In a team (see
`team`) each process goes through steps 2 to 7 for its own batches; the first one writes tables,
arrays and manifest.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from threading import Event
from typing import TYPE_CHECKING

import torch

from ..progress import NoProgress, Progress
from .contributions.one_unit import contributions
from .dissection.block import Dissection, count_batch, uncounted
from .dissection.collection import Collection
from .dissection.forward_pass import Collector
from .dissection.overlaps import Overlaps
from .engine.checkpoint import Checkpoints, forget
from .engine.scratch import TensorFile, device_cache
from .engine.workers import WorkerPool
from .output.manifest import manifest
from .output.tables import (
    classes_table,
    concepts_table,
    write_blocks,
    write_contributions,
    write_presence,
)
from .output.thumbnails import draw_batch
from .statistics.batch_labels import labels_of_batch
from .statistics.center_bias import CenterBias
from .statistics.label_statistics import LabelStatistics, category_columns, survey
from .statistics.probes import PresenceProbes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from ..graph.run.writer import RunWriter
    from ..progress import Advance
    from .contributions.one_unit import Contribution
    from .engine.process_group import ProcessGroup
    from .inputs import Batch, Inputs, Source
    from .statistics.batch_labels import Labels


class Job:
    """One ingest at work in one process: steps 2 to 8, each telling of its progress and time."""

    def __init__(
        self,
        source: Source,
        inputs: Inputs,
        team: ProcessGroup,
        progress: Progress,
        writer: RunWriter,
        minutes: float,
    ) -> None:
        """Nothing is done yet."""
        self.source = source
        self.inputs = inputs
        self.settings = inputs.settings
        self.data = inputs.data
        self.team = team
        self.progress = progress if team.is_main else NoProgress()
        self.writer = writer
        self.timings: dict[str, float] = {}
        self._scratch = writer.path / "scratch" / f"process {team.rank}"
        self._bookmarks = Checkpoints(self._scratch, minutes, writer.keep)
        self._room = device_cache(inputs.device)
        self._lanes = WorkerPool(inputs.device, make_room=self._room.clear)
        self._batches = inputs.batches(team)
        self._images = sum(len(batch.images) for batch in self._batches)
        self._category = torch.from_numpy(category_columns(self.data)).to(inputs.device)
        self._probes = PresenceProbes(inputs.learnt_from, self._category, self.settings.seed)
        self._boxes = CenterBias(self._category, len(self.data.categories), self.settings.iou)

    @contextmanager
    def _step(self, name: str, total: int | None = None) -> Iterator[Advance]:
        begun = time.perf_counter()
        with self.progress.step(name, self._images if total is None else total) as advance:
            yield advance
        self.timings[name] = round(time.perf_counter() - begun, 3)

    def dissect(self) -> tuple[Collection, LabelStatistics, dict[str, Dissection]]:
        """Steps 2 to 5."""
        collection = Collection(
            self._scratch,
            self._room,
            self.settings.quantile,
            self.inputs.fitted,
            self.inputs.batch_size,
            self.inputs.device,
        )
        collector = Collector(
            self.inputs, collection, self._probes, self._lanes, self.team, self._bookmarks
        )
        found = self._survey(beside=collector.prepare)
        self._collect(collector, collection, found)
        with self._step("count") as advance:
            blocks = self._count(collection, found, advance)
        return collection, found, blocks

    def _survey(self, beside: Callable[[Event], None]) -> LabelStatistics:
        """Step 2, and `beside` at the same time, which ends early when its event is set."""
        given_up = Event()
        with ThreadPoolExecutor(1) as thread:
            try:
                other = thread.submit(beside, given_up)
                with self._step("survey") as advance:
                    found = survey(
                        self.data,
                        len(self.inputs.images),
                        TensorFile(self._scratch / "planes", torch.uint16, self._room),
                        self._boxes,
                        mine=self._batches,
                        team=self.team,
                        workers=self.inputs.workers,
                        advance=advance,
                    )
                    other.result()
            except BaseException:
                given_up.set()
                raise
        return found

    def write(self) -> None:
        """Steps 2 to 8."""
        collection, found, blocks = self.dissect()
        contributions = self._contributions(blocks)
        with self._step("thumbnails") as advance:
            self._draw(collection, blocks, advance)
        self.team.barrier()
        if self.team.is_main:
            with self._step("tables", len(blocks)) as advance:
                self._write_tables(blocks, found, contributions, advance)
            self._seal(blocks)
            forget(self._scratch.parent)
        self.team.barrier()  # the bookmarks are gone before what they speak of
        collection.close()
        found.planes.close()
        self.team.barrier()
        if self.team.is_main:
            self.writer.take_name()

    def _seal(self, blocks: dict[str, Dissection]) -> None:
        self.writer.seal(
            manifest(
                self.source,
                self.settings,
                self.inputs.network,
                self.data,
                {block: dissection.grid for block, dissection in blocks.items()},
                self.inputs.shape,
                device=self.inputs.device,
                timings=self.timings,
                created=datetime.now(timezone.utc),
            )
        )

    def _collect(
        self, collector: Collector, collection: Collection, found: LabelStatistics
    ) -> None:
        with self._step("collect") as advance:
            collector.run(lambda batch: self._labels(batch, found), advance)
        with self._step("thresholds") as advance:
            numbers = [batch.number for batch in self._batches]
            collection.find_thresholds(
                numbers, self._lanes, self.team, lambda: collector.again(advance)
            )
        for probes in self._probes.blocks.values():
            probes.share_scores(self.team)

    def _count(
        self, collection: Collection, found: LabelStatistics, advance: Advance
    ) -> dict[str, Dissection]:
        categories, null = len(self.data.categories), self.settings.null_samples
        blocks = uncounted(
            collection,
            lambda units: Overlaps(units, self._category, categories, self.settings.iou, null),
            self.settings.top_images,
        )
        state = self._bookmarks.find("count") or {"done": 0, "blocks": {}}
        for block, kept in state["blocks"].items():
            blocks[block].load(kept)
        done: int = state["done"]
        advance(sum(len(batch.images) for batch in self._batches[:done]))

        def look(batch: Batch) -> tuple[Batch, dict[str, tuple[Overlaps, Tensor]]]:
            labels = self._labels(batch, found, chance=null > 0)
            return batch, count_batch(collection, blocks, batch, labels)

        for batch, counted in self._lanes.map(look, self._batches[done:]):
            for block, each in counted.items():
                blocks[block].keep(batch.first, each)
            done += 1
            advance(len(batch.images))
            if self._bookmarks.due:
                kept = {block: each.state() for block, each in blocks.items()}
                self._bookmarks.keep("count", {"done": done, "blocks": kept})
        for dissection in blocks.values():
            dissection.share(self.team)
        return blocks

    def _labels(
        self, batch: Batch, found: LabelStatistics, *, chance: bool = False
    ) -> list[Labels]:
        return labels_of_batch(
            self.data, batch.images, batch.first, found, self.inputs.device, chance=chance
        )

    def _contributions(self, blocks: dict[str, Dissection]) -> list[Contribution]:
        sizes = {block: (found.grid.height, found.grid.width) for block, found in blocks.items()}
        sources = sum(found.grid.units for found in list(blocks.values())[:-1])
        with self._step("contributions", sources) as advance:
            return contributions(
                self.inputs.network,
                sizes,
                batch_size=256 if self.inputs.device.type == "cuda" else 32,
                device=self.inputs.device,
                team=self.team,
                progress=advance,
            )

    def _write_tables(
        self,
        blocks: dict[str, Dissection],
        found: LabelStatistics,
        contributions: list[Contribution],
        advance: Advance,
    ) -> None:
        writer, data = self.writer, self.data
        write_contributions(writer, contributions)
        write_presence(writer, self._probes.blocks, data)
        write_blocks(writer, blocks, self.inputs, found.truth, lambda: advance(1))
        writer.table("concepts", concepts_table(data, found, self._boxes.best()))
        writer.table("classes", classes_table(self.inputs.network.classes))

    def _draw(
        self, collection: Collection, blocks: dict[str, Dissection], advance: Advance
    ) -> None:
        folder = self.writer.path
        for block in blocks:
            (folder / "thumbnails" / block).mkdir(parents=True, exist_ok=True)

        def draw(batch: Batch) -> Batch:
            draw_batch(batch, self.data.images, collection, blocks, folder)
            return batch

        lanes = WorkerPool(self.inputs.device, self.inputs.workers, self._room.clear)
        for batch in lanes.map(draw, self._batches):
            advance(len(batch.images))
