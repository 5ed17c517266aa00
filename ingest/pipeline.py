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
from ..graph.run_writer import RunWriter, check_out
from .allocation import keep_freed_memory
from .center_box import CenterBoxes
from .concepts import open_concept_data
from .contributions import contributions
from .counting import Overlaps, labels_of_batch
from .device import choose_device, memory_errors, whole_float32
from .dissect import Collection, Dissection, count
from .images import open_image
from .inputs import Inputs
from .networks import load_network
from .presence import PresenceProbes
from .progress import Progress, Quiet
from .provenance import manifest
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
from .top_images import masks_of_tiles, save_tile, thumbnail, tiles_of_batch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from .counting import Labels
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
    progress: Progress | None = None,
) -> Run:
    """Dissect a network and write the run `out` (NAME.cg).

    Args:
        source: network and concept data.
        out: where the run goes; written beside it under a temporary name until complete.
        settings: all that decides the result.
        device: `cpu`, `cuda`, `cuda:1`, …; `auto` takes CUDA where there is one.
        workers: threads that decode images.
        overwrite: replace an earlier run, once the new one is complete.
        progress: told of the steps.

    Raises:
        ConceptGraphError: one line on what is wrong; nothing is left half-written.
    """
    settings = settings or Settings()
    check_out(out, overwrite=overwrite)
    chosen = choose_device(device)
    network = load_network(
        source.model,
        source.weights,
        source.classes,
        trust_pickle=source.trust_pickle,
        seed=settings.seed,
    )
    data = open_concept_data(source.data, label_zero=settings.iou == "lite")
    inputs = Inputs(network, data, settings, chosen, workers)
    keep_freed_memory()
    with (
        RunWriter(out, overwrite=overwrite) as writer,
        disk_errors(writer.path, "cannot be written"),
        whole_float32(),
        memory_errors(),
    ):
        Job(source, inputs, progress or Quiet()).write(writer)
    return open_run(out)


class Job:
    """One ingest at work: steps 2 to 8, each a method that tells of its progress and time."""

    def __init__(self, source: Source, inputs: Inputs, progress: Progress) -> None:
        """Nothing is done yet."""
        self.source = source
        self.inputs = inputs
        self.settings = inputs.settings
        self.data = inputs.data
        self.device = inputs.device
        self.progress = progress
        self.timings: dict[str, float] = {}
        self._category = category_columns(self.data)
        self._boxes = CenterBoxes(self._category, len(self.data.categories), self.settings.iou)
        category = torch.from_numpy(self._category).to(self.device)
        self._probes = PresenceProbes(inputs.learnt_from, category, self.settings.seed)

    @contextmanager
    def _step(self, name: str, total: int) -> Iterator[Advance]:
        begun = time.perf_counter()
        with self.progress.step(name, total) as advance:
            yield advance
        self.timings[name] = round(time.perf_counter() - begun, 3)

    def dissect(self, scratch: Path) -> tuple[Collection, Survey, dict[str, Dissection]]:
        """Steps 2 to 5; what is kept lies in the folder `scratch`."""
        with self._step("survey", len(self.inputs.images)) as advance:
            found = survey(
                self.data,
                self.inputs.images,
                scratch,
                self._boxes,
                workers=self.inputs.workers,
                advance=advance,
            )
        collection = self._collect(scratch, found)
        with self._step("count", len(self.inputs.images)) as advance:
            blocks = self._count(collection, found, advance)
        return collection, found, blocks

    def write(self, writer: RunWriter) -> None:
        """Steps 2 to 8."""
        collection, found, blocks = self.dissect(writer.path / "scratch")
        self._write_contributions(writer, blocks)
        self._write_tables(writer, blocks, found)
        with self._step("thumbnails", len(self.inputs.images)) as advance:
            self._draw(writer.path, collection, blocks, advance)
        collection.close()
        found.planes.close()
        writer.commit(
            manifest(
                self.source,
                self.settings,
                self.inputs.network,
                self.data,
                {block: dissection.grid for block, dissection in blocks.items()},
                self.inputs.shape,
                device=self.device,
                timings=self.timings,
                created=datetime.now(timezone.utc),
            )
        )

    def _collect(self, scratch: Path, found: Survey) -> Collection:
        collection = Collection(
            scratch,
            self.settings.quantile,
            self.inputs.fitted,
            self.settings.batch_size,
            self.settings.pilot,
        )
        with self._step("collect", len(self.inputs.images)) as advance:
            labels = (groups for _, _, groups in self._labels(found))
            collection.collect(self._probes.watch(self.inputs.outputs(advance), labels))
        self.timings["probes, of collect"] = round(self._probes.seconds, 3)
        with self._step("thresholds", len(self.inputs.images)) as advance:
            collection.find_thresholds(lambda: self.inputs.outputs(advance))
        return collection

    def _count(
        self, collection: Collection, found: Survey, advance: Advance
    ) -> dict[str, Dissection]:
        category = torch.from_numpy(self._category).to(self.device)
        categories = len(self.data.categories)
        return count(
            collection,
            self._labels(found, chance=self.settings.null_values > 0),
            lambda units: Overlaps(
                units, category, categories, self.settings.iou, self.settings.null_values
            ),
            self.settings.top_images,
            advance,
        )

    def _labels(
        self, found: Survey, *, chance: bool = False
    ) -> Iterator[tuple[int, int, list[Labels]]]:
        """Of each batch: position of its first image, its number of images, their labels."""
        for first, batch in self.inputs.batches():
            labels = labels_of_batch(self.data, batch, first, found, self.device, chance=chance)
            yield first, len(batch), labels

    def _write_contributions(self, writer: RunWriter, blocks: dict[str, Dissection]) -> None:
        sizes = {block: (found.grid.height, found.grid.width) for block, found in blocks.items()}
        sources = sum(found.grid.units for found in list(blocks.values())[:-1])
        with self._step("contributions", sources) as advance:
            for found in contributions(
                self.inputs.network, sizes, device=self.device, progress=advance
            ):
                name = f"contributions_{found.source}_{found.target}"
                writer.array(name, found.weight)
                writer.array(f"{name}_pre", found.pre)

    def _write_tables(
        self, writer: RunWriter, blocks: dict[str, Dissection], found: Survey
    ) -> None:
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
            writer.array(f"iou_{each.block}", each.iou)
        top_images = [top_images_table(block, each.top, names) for block, each in blocks.items()]
        presence = []
        for block, probes in self._probes.blocks.items():
            writer.array(f"presence_{block}", probes.solve().cpu().numpy())
            presence.append(presence_table(block, self.data, probes.levels()))
        writer.table("presence", pd.concat(presence, ignore_index=True))
        writer.table("units", pd.concat([each.units for each in tables], ignore_index=True))
        writer.table("detections", detections)
        writer.table("top_images", pd.concat(top_images, ignore_index=True))
        writer.table("concepts", concepts_table(self.data, found, self._boxes.best()))
        writer.table("classes", classes_table(self.inputs.network.classes))

    def _draw(
        self, run: Path, collection: Collection, blocks: dict[str, Dissection], advance: Advance
    ) -> None:
        for block in blocks:
            (run / "thumbnails" / block).mkdir(parents=True)
        for number, (first, batch) in enumerate(self.inputs.batches()):
            pictures: dict[int, NDArray[np.uint8]] = {}
            for block, found in blocks.items():
                tiles = tiles_of_batch(found.top, first, len(batch))
                if not tiles:
                    continue
                cells = collection.cells(block, number)
                masks = masks_of_tiles(tiles, cells, found.grid, found.thresholds)
                for tile, mask in zip(tiles, masks, strict=True):
                    if tile.image not in pictures:
                        path = self.inputs.images[first + tile.image].path
                        pictures[tile.image] = thumbnail(open_image(path))
                    name = thumbnail_name(block, tile.unit, tile.rank)
                    save_tile(pictures[tile.image], mask, run / name)
            advance(len(batch))
