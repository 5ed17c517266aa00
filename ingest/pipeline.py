"""An ingest from images and a network to a run directory, step by step.

1. open         settings, network and concept data are read and checked
2. survey       every mask is decoded once and checked; truth counts; boxes in the middle
3. collect      one forward pass; sparse cells of all blocks' maps go to scratch, sums to the
                presence probes
4. thresholds   exact T_k of every unit
5. count        overlaps with the concepts, top images
6. contribute   one-unit activation between neighbouring blocks and to the classes
7. draw         thumbnails of the top images
8. write        tables, arrays, manifest; then the run takes its name

Steps 3 and 5 keep bookmarks; the others are repeated by an ingest that resumes. In a team (see
`team.py`) each process goes through steps 2 to 7 for its own batches; the first one writes.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from ..graph.run import Run, open_run
from ..graph.run_files import disk_errors
from ..graph.run_writer import RunWriter, check_out, is_complete
from .allocation import keep_freed_memory
from .bookmark import Bookmarks, begin, check_same, forget, is_begun
from .center_box import CenterBoxes
from .collect import Collector
from .concepts import open_concept_data
from .contributions import contributions
from .counting import Overlaps, labels_of_batch
from .device import choose_device, memory_errors, whole_float32
from .dissect import Collection, Dissection, count_batch, uncounted
from .images import open_image
from .inputs import Inputs
from .lanes import Lanes
from .networks import load_network
from .presence import PresenceProbes
from .progress import Progress, Quiet
from .provenance import facts_of, facts_of_run, manifest
from .run_tables import (
    BlockTables,
    classes_table,
    concepts_table,
    presence_table,
    thumbnail_name,
    top_images_table,
)
from .settings import Settings
from .significance import largest_significant
from .survey import Survey, category_columns, survey
from .team import Team, joined, team_of_environment
from .top_images import masks_of_tiles, save_tile, thumbnail, tiles_of_batch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from .contributions import Contribution
    from .counting import Labels
    from .inputs import Batch
    from .progress import Advance


@dataclass(frozen=True)
class Source:
    """What to dissect, and with which concepts.

    Attributes:
        model: a torchvision ResNet by name, or `module:factory`.
        weights: checkpoint file, name of torchvision's weights, or `random`.
        classes: file of class names, one a line.
        data: folder in the Broden layout.
        trust_pickle: load a checkpoint that runs code.
    """

    model: str
    weights: str | None
    classes: Path | None
    data: Path
    trust_pickle: bool = False


def ingest(
    source: Source,
    out: Path,
    settings: Settings | None = None,
    *,
    device: str = "auto",
    workers: int = 2,
    overwrite: bool = False,
    resume: bool = False,
    minutes: float = 5,
    progress: Progress | None = None,
) -> Run:
    """Dissect a network and write the run `out` (NAME.cg).

    Started by torchrun, its processes share the work; `out` must lie where all of them see it.

    Args:
        source: network and concept data.
        out: where the run goes; written beside it under a temporary name until complete.
        settings: all that decides the result.
        device: `cpu`, `cuda`, `cuda:1`, …; `auto` takes CUDA where there is one.
        workers: threads that decode images.
        overwrite: replace an earlier run, once the new one is complete.
        resume: go on with an ingest into `out` that was killed, if there is one; a run that is
            complete is given back as it is.
        minutes: after so many, what was done is kept for `resume`; 0 after every batch.
        progress: told of the steps.

    Raises:
        ConceptGraphError: one line on what is wrong; nothing is left half-written, but for what
            `resume` can go on with.
    """
    settings = settings or Settings()
    team = team_of_environment()
    with joined(team):
        if team.leads and not (resume and (out / "manifest.json").is_file()):
            check_out(out, overwrite=overwrite, resume=resume)
        chosen = choose_device(device, team.on_machine)
        network = load_network(
            source.model,
            source.weights,
            source.classes,
            trust_pickle=source.trust_pickle,
            seed=settings.seed,
        )
        data = open_concept_data(source.data, label_zero=settings.iou == "lite")
        facts = facts_of(settings, network, data, chosen, team)
        if resume and is_complete(out) and not overwrite:
            run = open_run(out)
            check_same(facts_of_run(run), facts, out)
            return run
        inputs = Inputs(network, data, settings, chosen, workers)
        keep_freed_memory()
        with (
            RunWriter(out, overwrite=overwrite, resume=resume, leads=team.leads) as writer,
            disk_errors(writer.path, "cannot be written"),
            whole_float32(),
            memory_errors(),
        ):
            if any(team.gather(team.leads and _ready(writer, facts))):
                if team.leads:
                    writer.take_name()
            else:
                Job(source, inputs, team, progress or Quiet(), writer, minutes).write()
        team.wait()
        return open_run(out)


def _ready(writer: RunWriter, facts: dict[str, object]) -> bool:
    """Make the folder ready to begin or go on in; True if all that is missing is the run's name."""
    scratch = writer.path / "scratch"
    if not is_begun(scratch):
        if writer.complete:
            check_same(facts_of_run(open_run(writer.path)), facts, writer.path)
            return True
        writer.clear()
    begin(scratch, facts)
    return False


class Job:
    """One ingest at work in one process: steps 2 to 8, each telling of its progress and time."""

    def __init__(
        self,
        source: Source,
        inputs: Inputs,
        team: Team,
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
        self.progress = progress if team.leads else Quiet()
        self.writer = writer
        self.timings: dict[str, float] = {}
        self._scratch = writer.path / "scratch" / f"process {team.rank}"
        self._bookmarks = Bookmarks(self._scratch, minutes, writer.keep)
        self._lanes = Lanes(inputs.device)
        self._batches = inputs.batches(team)
        self._images = sum(len(batch.images) for batch in self._batches)
        self._category = category_columns(self.data)
        category = torch.from_numpy(self._category).to(inputs.device)
        self._probes = PresenceProbes(inputs.learnt_from, category, self.settings.seed)
        self._boxes = CenterBoxes(self._category, len(self.data.categories), self.settings.iou)

    @contextmanager
    def _step(self, name: str, total: int | None = None) -> Iterator[Advance]:
        begun = time.perf_counter()
        with self.progress.step(name, self._images if total is None else total) as advance:
            yield advance
        self.timings[name] = round(time.perf_counter() - begun, 3)

    def dissect(self) -> tuple[Collection, Survey, dict[str, Dissection]]:
        """Steps 2 to 5."""
        mine = [place for b in self._batches for place in range(b.first, b.first + len(b.images))]
        with self._step("survey") as advance:
            found = survey(
                self.data,
                self.inputs.images,
                self._scratch,
                self._boxes,
                mine=mine,
                team=self.team,
                workers=self.inputs.workers,
                advance=advance,
            )
        collection = self._collect(found)
        with self._step("count") as advance:
            blocks = self._count(collection, found, advance)
        return collection, found, blocks

    def write(self) -> None:
        """Steps 2 to 8."""
        collection, found, blocks = self.dissect()
        contributions = self._contributions(blocks)
        with self._step("thumbnails") as advance:
            self._draw(collection, blocks, advance)
        self.team.wait()
        if self.team.leads:
            for each in contributions:
                name = f"contributions_{each.source}_{each.target}"
                self.writer.array(name, each.weight)
                self.writer.array(f"{name}_pre", each.pre)
            self._write_tables(blocks, found)
            self._seal(blocks)
            forget(self._scratch.parent)
        self.team.wait()  # the bookmarks are gone before what they speak of
        collection.close()
        found.planes.close()
        self.team.wait()
        if self.team.leads:
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

    def _collect(self, found: Survey) -> Collection:
        collection = Collection(
            self._scratch, self.settings.quantile, self.inputs.fitted, self.settings.batch_size
        )
        collector = Collector(
            self.inputs,
            lambda batch: self._labels(batch, found),
            collection,
            self._probes,
            self._lanes,
            self.team,
            self._bookmarks,
        )
        with self._step("collect") as advance:
            collector.run(advance)
        with self._step("thresholds") as advance:
            numbers = [batch.number for batch in self._batches]
            collection.find_thresholds(
                numbers, self._lanes, self.team, lambda: collector.again(advance)
            )
        for probes in self._probes.blocks.values():
            probes.share_scores(self.team)
        return collection

    def _count(
        self, collection: Collection, found: Survey, advance: Advance
    ) -> dict[str, Dissection]:
        category = torch.from_numpy(self._category).to(self.inputs.device)
        categories, null = len(self.data.categories), self.settings.null_values
        blocks = uncounted(
            collection,
            lambda units: Overlaps(units, category, categories, self.settings.iou, null),
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

    def _labels(self, batch: Batch, found: Survey, *, chance: bool = False) -> list[Labels]:
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

    def _write_tables(self, blocks: dict[str, Dissection], found: Survey) -> None:
        names = [image.name for image in self.inputs.images]
        tables = [
            BlockTables(
                block, dissection, self.data, found.truth, self._category, self.settings.top_labels
            )
            for block, dissection in blocks.items()
        ]
        detections = pd.concat([each.detections for each in tables], ignore_index=True)
        tested = np.concatenate([each.p.reshape(-1) for each in tables])
        limit = largest_significant(tested, self.settings.significance)
        detections["significant"] = detections["p"] <= limit
        for each in tables:
            self.writer.array(f"iou_{each.block}", each.iou)
        top_images = [top_images_table(block, each.top, names) for block, each in blocks.items()]
        presence = []
        for block, probes in self._probes.blocks.items():
            self.writer.array(f"presence_{block}", probes.solve().cpu().numpy())
            presence.append(presence_table(block, self.data, probes.levels()))
        self.writer.table("presence", pd.concat(presence, ignore_index=True))
        self.writer.table("units", pd.concat([each.units for each in tables], ignore_index=True))
        self.writer.table("detections", detections)
        self.writer.table("top_images", pd.concat(top_images, ignore_index=True))
        self.writer.table("concepts", concepts_table(self.data, found, self._boxes.best()))
        self.writer.table("classes", classes_table(self.inputs.network.classes))

    def _draw(
        self, collection: Collection, blocks: dict[str, Dissection], advance: Advance
    ) -> None:
        for block in blocks:
            (self.writer.path / "thumbnails" / block).mkdir(parents=True, exist_ok=True)

        def draw(batch: Batch) -> Batch:
            pictures: dict[int, NDArray[np.uint8]] = {}
            for block, found in blocks.items():
                tiles = tiles_of_batch(found.top, batch.first, len(batch.images))
                if not tiles:
                    continue
                cells = collection.cells(block, batch.number)
                masks = masks_of_tiles(tiles, cells, found.grid, found.thresholds)
                for tile, mask in zip(tiles, masks, strict=True):
                    if tile.image not in pictures:
                        path = self.data.images[batch.images[tile.image]].path
                        pictures[tile.image] = thumbnail(open_image(path))
                    name = thumbnail_name(block, tile.unit, tile.rank)
                    save_tile(pictures[tile.image], mask, self.writer.path / name)
            return batch

        for batch in self._lanes.map(draw, self._batches):
            advance(len(batch.images))
