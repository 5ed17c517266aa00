"""An ingest: from images, masks and a network to a run directory.

1. open               settings, network and concept data are read and checked; images that cannot
                      be read, or a mask of theirs, are left out
2. label statistics   every mask is decoded again: label maps, concept areas, center bias, and the
                      quantile that suits them; meanwhile the network runs on the first images
3. forward pass       lower bounds of the thresholds from these; all images, once: cells of the
                      activation maps to scratch, sums for the presence probes, peaks for the tags
4. thresholds         the exact T_k of every unit
5. overlaps           intersections with the concepts, the permutation null, top images
6. contributions      one-unit contributions between neighbouring blocks and to the classes
7. thumbnails         of the top images
8. tables             and arrays, the manifest; then the run takes its name

Each step tells of its progress, and its time is in the manifest. Steps 3 and 5 save checkpoints;
the others are repeated by an ingest that resumes. Processes started by torchrun (`process_group`)
go through steps 2 to 7 for their own batches; the main one writes tables, arrays and manifest.
"""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import torch

from ..errors import ModelError
from ..graph.run.files import disk_errors
from ..graph.run.reader import Run, open_run
from ..graph.run.trust import remember_run
from ..graph.run.writer import RunWriter, check_out, is_complete
from ..progress import NoProgress
from ..settings import Settings
from .concept_data.damaged import without_damaged
from .concept_data.opening import check_layout, open_concept_data
from .concept_data.quantile import choose_quantile
from .contributions.one_unit import IMAGES, one_unit_contributions
from .contributions.suitability import check_suitable
from .dissection.activations import SparseActivations
from .dissection.block import BlockDissections
from .dissection.forward_pass import NAME as FORWARD_PASS
from .dissection.forward_pass import ForwardPass, run_calibration
from .dissection.motion import measure_motion, motion_batches
from .dissection.overlaps import Overlaps
from .engine.checkpoint import (
    Checkpoints,
    check_unchanged,
    delete_checkpoints,
    is_started,
    start_or_resume,
)
from .engine.device import choose_device, full_float32, out_of_memory_errors
from .engine.memory import tune_malloc
from .engine.process_group import ProcessGroup, environment_process_group, initialised
from .engine.scratch import DeviceCache, TensorFile, device_cache
from .engine.workers import WorkerPool, default_workers
from .inputs import Inputs, batch_size_for
from .network.builders import made_by
from .network.loading import ModuleNames, load_network
from .network.preprocessing import chosen_input, input_lines
from .output.manifest import ingest_facts, manifest, run_facts
from .output.tables import (
    classes_table,
    concepts_table,
    write_blocks,
    write_contributions,
    write_motion,
    write_probes,
)
from .output.thumbnails import draw_batch
from .statistics.batch_labels import labels_of_batch
from .statistics.image_tags import ImageTags, score_tags, tag_columns
from .statistics.label_statistics import category_columns, concept_areas, count_labels
from .statistics.probes import PresenceProbes
from .statistics.statistic import accumulate, resume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from ..progress import Advance, Progress
    from .concept_data.concepts import ConceptData
    from .concept_data.quantile import QuantileChoice
    from .contributions.one_unit import Contribution
    from .dissection.block import BlockDissection, BlockPartial
    from .dissection.forward_pass import CalibrationPass
    from .dissection.motion import MotionScores
    from .inputs import Batch
    from .network.loading import Network
    from .statistics.image_tags import TagScores
    from .statistics.label_statistics import LabelStatistics


def ingest(
    model: str,
    data: Path | str,
    out: Path | str,
    settings: Settings | None = None,
    *,
    weights: Path | str | None = None,
    weights_key: str | None = None,
    classes: Path | str | None = None,
    trust_pickle: bool = False,
    device: str = "auto",
    workers: int | None = None,
    overwrite: bool = False,
    resume: bool = False,
    minutes: float = 5,
    strict: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Dissect a network and write the run `out` (NAME.cg).

    Started by torchrun, its processes share the work; `out` must lie where all of them see it.

    Args:
        model: a torchvision ResNet by name, a published one, or `module:factory`.
        data: folder of concept data, in the Broden layout.
        out: where the run goes; written beside it under a temporary name until complete.
        settings: all that decides the result.
        weights: checkpoint file, name of torchvision's weights, or `random`; if omitted,
            torchvision's default weights, or those that a factory makes.
        weights_key: the part of the file to take, if several fit the network.
        classes: file of class names, one a line.
        trust_pickle: load a checkpoint that runs code.
        device: `cpu`, `cuda`, `cuda:1`, …; `auto` takes CUDA where there is one.
        workers: threads that decode images; if omitted, one a core of this process's share, 2 to 8.
        overwrite: replace an earlier run, once the new one is complete.
        resume: continue an ingest into `out` that was killed, if there is one; a run that is
            complete is returned as it is.
        minutes: between two checkpoints for `resume`; 0 saves one after every batch.
        strict: stop if an image or mask cannot be read; else such images are left out, and listed
            in the manifest.
        progress: told of the steps, and of images that are left out.

    Raises:
        ConceptGraphError: one line on what is wrong; nothing is left half-written, but for what
            `resume` can continue.
    """
    tune_malloc()
    out = Path(out)
    settings = settings or Settings()
    group = environment_process_group()
    with initialised(group):
        if group.is_main and not (resume and (out / "manifest.json").is_file()):
            check_out(out, overwrite=overwrite, resume=resume)
        chosen = choose_device(device, group.local_rank)
        check_layout(Path(data))
        network = load_network(
            model,
            weights,
            classes,
            weights_key=weights_key,
            names=ModuleNames.of(settings),
            trust_pickle=trust_pickle,
            seed=settings.seed,
        )
        settings, network = _suited(settings, network)
        told = progress or NoProgress()
        concept_data = open_concept_data(
            Path(data), label_zero=settings.iou == "lite", strict=False
        )
        _check_frames(network, concept_data)
        concept_data = without_damaged(
            concept_data, group, workers or default_workers(), told, strict=strict
        )
        asked = settings.batch_size
        size = batch_size_for(settings, network, concept_data, chosen)
        settings = replace(settings, batch_size=min(group.all_gather(size)))
        facts = ingest_facts(settings, network, concept_data, chosen, group)
        if resume and is_complete(out) and not overwrite:
            return _checked_run(out, facts, concept_data, told, any_batch_size=asked is None)
        inputs = Inputs(network, concept_data, settings, chosen, workers or default_workers())
        with (
            RunWriter(out, overwrite=overwrite, resume=resume, is_main=group.is_main) as writer,
            disk_errors(writer.path, "cannot be written"),
            full_float32(),
            out_of_memory_errors(),
        ):
            if any(group.all_gather(group.is_main and _is_sealed(writer, facts))):
                if group.is_main:
                    writer.publish()
            else:
                _run_steps(Job(inputs, group, writer, minutes, told))
        group.barrier()
        run = open_run(out)
        if group.is_main:
            remember_run(run, made_by(network.name))
        return run


def ingest_network(
    network: Network,
    data: ConceptData,
    out: Path,
    settings: Settings,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> Run:
    """Dissect a network and data that are at hand, by one process, without leaving a record.

    The run cannot be explained: what it says of the network's weights does not lead to them.

    Args:
        network: as loaded, or changed since.
        data: opened, and without damaged images.
        out: where the run goes, NAME.cg.
        settings: as in `ingest`.
        device: likewise.
        progress: likewise.

    Raises:
        ConceptGraphError: as `ingest`.
    """
    chosen, group = choose_device(device, 0), ProcessGroup()
    settings, network = _suited(settings, network)
    size = batch_size_for(settings, network, data, chosen)
    settings = replace(settings, batch_size=size)
    inputs = Inputs(network, data, settings, chosen, default_workers())
    with (
        RunWriter(out) as writer,
        disk_errors(writer.path, "cannot be written"),
        full_float32(),
        out_of_memory_errors(),
    ):
        start_or_resume(
            writer.path / "scratch", ingest_facts(settings, network, data, chosen, group)
        )
        _run_steps(Job(inputs, group, writer, math.inf, progress or NoProgress()))
    return open_run(out)


def _suited(settings: Settings, network: Network) -> tuple[Settings, Network]:
    """Name the blocks, and check that the network can be explained."""
    spec = chosen_input(network.architecture.input, settings)
    settings = replace(settings, blocks=settings.blocks or network.blocks)
    linearised = check_suitable(network, settings.blocks, spec)
    return settings, replace(network, linearised=linearised)


def _check_frames(network: Network, data: ConceptData) -> None:
    """Refuse film strips for a network of images."""
    clip = next((image for image in data.images if image.frames > 1), None)
    if clip is not None and network.architecture.input.frames is None:
        raise ModelError(
            f"{network.name} takes images, not clips",
            file=data.folder,
            found=f"{clip.name} of {clip.frames} frames",
            expected="a network of clips, such as --model r3d_18; or concept data of stills",
        )


def _checked_run(
    out: Path,
    facts: dict[str, object],
    data: ConceptData,
    progress: Progress,
    *,
    any_batch_size: bool,
) -> Run:
    """Open a complete run, if this ingest would make the same, but for images repaired since."""
    run = open_run(out)
    before, left_out = run_facts(run), set(run.manifest["data"]["dropped"])
    if repaired := left_out - set(data.dropped):
        del before["data set (digest)"]
        progress.note(
            f"{len(repaired)} images that could be read now are not in this run: --overwrite, "
            "without --resume, takes them in"
        )
    if any_batch_size:  # another device may choose another
        del before["batch-size"]
    check_unchanged(before, facts, out)
    return run


def _is_sealed(writer: RunWriter, facts: dict[str, object]) -> bool:
    """Prepare the folder to start or resume in; return True if only the run's name is missing."""
    scratch = writer.path / "scratch"
    if not is_started(scratch):
        if writer.is_sealed:
            check_unchanged(run_facts(open_run(writer.path)), facts, writer.path)
            return True
        writer.clear()
    start_or_resume(scratch, facts)
    return False


@dataclass
class Job:
    """What the steps of one ingest share, in one process.

    Attributes:
        inputs: network and images.
        group: the processes that share the ingest.
        writer: of the run.
        minutes: between two checkpoints.
        progress: told of the steps.
        timings: seconds of each step done.
    """

    inputs: Inputs
    group: ProcessGroup
    writer: RunWriter
    minutes: float
    progress: Progress
    timings: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Set up scratch files, checkpoints and workers."""
        device = self.inputs.device
        self.scratch = self.writer.path / "scratch" / f"process {self.group.rank}"
        self.checkpoints = Checkpoints(self.scratch, self.minutes, self.writer.allow_resume)
        self.cache: DeviceCache = device_cache(device)
        self.pool = WorkerPool(device, free_memory=self.cache.spill)
        self.batches = self.inputs.batches(self.group)
        columns = category_columns(self.inputs.data)
        self.category: Tensor = torch.from_numpy(columns).to(device)
        if not self.group.is_main:
            self.progress = NoProgress()

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Advance]:
        """Time a step and tell of its progress; `total` if omitted is the number of images."""
        images = sum(len(batch.images) for batch in self.batches)
        start = time.perf_counter()
        with self.progress.step(name, images if total is None else total) as advance:
            yield advance
        self.timings[name] = round(time.perf_counter() - start, 3)


@dataclass
class Dissection:
    """What steps 2 to 5 give; the label maps and activations lie in scratch files."""

    labels: LabelStatistics
    quantile: QuantileChoice
    activations: SparseActivations
    probes: PresenceProbes
    tags: ImageTags
    blocks: dict[str, BlockDissection]

    def close(self) -> None:
        """Delete the scratch files."""
        self.activations.close()
        self.tags.close()
        self.labels.label_maps.close()


def _run_steps(job: Job) -> None:
    """Run steps 2 to 8."""
    network = job.inputs.network
    for line in (*network.notes, *network.exactness, *input_lines(job.inputs.shape)):
        job.progress.note(line)
    dissection = dissect(job)
    tags = _tag_scores(job, dissection)
    contributions = _contributions(job, dissection.blocks)
    _draw_thumbnails(job, dissection)
    job.group.barrier()
    if job.group.is_main:
        motion = _motion(job)
        _write(job, dissection, tags, contributions, motion)
        delete_checkpoints(job.scratch.parent)
    job.group.barrier()  # checkpoints are deleted before the scratch files that they speak of
    dissection.close()
    job.group.barrier()
    if job.group.is_main:
        job.writer.publish()


def dissect(job: Job) -> Dissection:
    """Run steps 2 to 5: the dissection proper."""
    labels, calibration = _label_statistics(job)
    settings, areas = job.inputs.settings, concept_areas(job.inputs.data, labels)
    quantile = choose_quantile(settings.quantile, areas, settings.min_iou)
    activations, probes, tags = _forward_pass(job, labels, calibration, quantile.quantile)
    blocks = _overlaps(job, labels, activations)
    return Dissection(labels, quantile, activations, probes, tags, blocks)


def _label_statistics(job: Job) -> tuple[LabelStatistics, CalibrationPass | None]:
    """Run step 2: label statistics, and the calibration pass on a thread of its own.

    There is no calibration for a process that resumes a forward pass.
    """
    inputs, cancelled = job.inputs, Event()
    with ThreadPoolExecutor(1) as thread:
        try:
            calibration = None
            if not job.checkpoints.exists(FORWARD_PASS):
                calibration = thread.submit(run_calibration, inputs, job.pool, cancelled)
            with job.step("label statistics") as advance:
                labels = count_labels(
                    inputs.data,
                    len(inputs.images),
                    TensorFile(job.scratch / "label maps", torch.uint16, job.cache),
                    inputs.settings.iou,
                    batches=job.batches,
                    group=job.group,
                    device=inputs.device,
                    workers=inputs.workers,
                    advance=advance,
                )
                return labels, None if calibration is None else calibration.result()
        except BaseException:
            cancelled.set()
            raise


def _forward_pass(
    job: Job, labels: LabelStatistics, calibration: CalibrationPass | None, quantile: float
) -> tuple[SparseActivations, PresenceProbes, ImageTags]:
    """Run steps 3 and 4."""
    inputs, settings = job.inputs, job.inputs.settings
    activations = SparseActivations(
        job.scratch,
        job.cache,
        quantile,
        inputs.threshold_images,
        inputs.batch_size,
        inputs.device,
    )
    probes = PresenceProbes(inputs.probe_images, job.category, settings.seed, job.group)
    tags = ImageTags(tag_columns(inputs.data), job.category, job.scratch, job.cache)
    forward_pass = ForwardPass(inputs, activations, probes, tags, job.pool, job.group)
    with job.step("forward pass") as advance:
        forward_pass.run(labels, calibration, job.checkpoints, advance)
    with job.step("thresholds") as advance:
        numbers = [batch.number for batch in job.batches]
        activations.find_thresholds(
            numbers, job.pool, job.group, lambda: forward_pass.repeat(advance)
        )
    probes.all_reduce_scores()
    return activations, probes, tags


def _overlaps(
    job: Job, labels: LabelStatistics, activations: SparseActivations
) -> dict[str, BlockDissection]:
    """Run step 5."""
    data, settings = job.inputs.data, job.inputs.settings
    categories, null_samples = len(data.categories), settings.null_samples

    def empty_counts(units: int) -> Overlaps:
        return Overlaps(units, job.category, categories, settings.iou, null_samples)

    blocks = BlockDissections.of(activations, empty_counts, settings.top_images)

    def partial(batch: Batch) -> dict[str, BlockPartial]:
        batch_labels = labels_of_batch(
            data,
            batch.images,
            batch.first,
            labels,
            job.inputs.device,
            fitted=job.inputs.probe_images,
            permuted=null_samples > 0,
        )
        return blocks.partial(activations, batch, batch_labels)

    with job.step("overlaps") as advance:
        done = resume(blocks, "overlaps", job.checkpoints)
        accumulate(
            blocks,
            "overlaps",
            job.batches,
            done,
            lambda batches: job.pool.map(partial, batches),
            job.checkpoints,
            advance,
        )
        return blocks.all_reduce(job.group).blocks


def _tag_scores(job: Job, dissection: Dissection) -> dict[str, TagScores]:
    """Score the units of all blocks for concepts that label whole images, in the main process."""
    tags, numbers = dissection.tags, [batch.number for batch in job.batches]
    scores = {}
    for block in dissection.blocks if len(tags.columns) else {}:
        peaks, answers = tags.gather(block, numbers, job.group)
        if job.group.is_main:
            scores[block] = score_tags(peaks, answers, tags.columns)
    return scores


def _contributions(job: Job, blocks: dict[str, BlockDissection]) -> list[Contribution]:
    """Run step 6."""
    device = job.inputs.device
    grids = {block: d.grid.axes for block, d in blocks.items()}
    network = job.inputs.network
    sources = sum(blocks[source].grid.units for source, _ in network.steps(tuple(blocks)))
    with job.step("contributions", sources) as advance:
        return one_unit_contributions(
            network,
            grids,
            batch_size=_units_at_a_time(job.inputs),
            device=device,
            images=job.inputs.first_images(IMAGES if network.linearised else 1),
            group=job.group,
            advance=advance,
        )


def _units_at_a_time(inputs: Inputs) -> int:
    """Return how many units step 6 runs at a time: in a network of clips, as many as clips."""
    if "frames" in inputs.shape:
        return inputs.batch_size
    return 256 if inputs.device.type == "cuda" else 32


def _draw_thumbnails(job: Job, dissection: Dissection) -> None:
    """Run step 7."""
    inputs, folder = job.inputs, job.writer.path
    for block in dissection.blocks:
        (folder / "thumbnails" / block).mkdir(parents=True, exist_ok=True)

    def draw(batch: Batch) -> Batch:
        images = inputs.data.images
        draw_batch(batch, images, dissection.activations, dissection.blocks, folder)
        return batch

    pool = WorkerPool(inputs.device, inputs.workers, job.cache.spill)
    with job.step("thumbnails") as advance:
        for batch in pool.map(draw, job.batches):
            advance(len(batch.images))


def _motion(job: Job) -> dict[str, MotionScores]:
    """Tell static from dynamic units, if there are clips; in the main process."""
    batches = motion_batches(job.inputs)
    if not batches:
        return {}
    with job.step("motion", sum(len(batch.images) for batch in batches)) as advance:
        return measure_motion(job.inputs, batches, advance)


def _write(
    job: Job,
    dissection: Dissection,
    tags: Mapping[str, TagScores],
    contributions: list[Contribution],
    motion: Mapping[str, MotionScores],
) -> None:
    """Run step 8, but for the run's name."""
    writer, inputs, labels = job.writer, job.inputs, dissection.labels
    with job.step("tables", len(dissection.blocks)) as advance:
        write_contributions(writer, contributions)
        write_probes(writer, dissection.probes.blocks, inputs.data)
        names = write_blocks(
            writer, dissection.blocks, tags, inputs, labels.concept_area, lambda: advance(1)
        )
        if motion:
            write_motion(writer, motion)
        writer.table("concepts", concepts_table(inputs.data, labels))
        writer.table("classes", classes_table(inputs.network.classes))
    grids = {block: block_dissection.grid for block, block_dissection in dissection.blocks.items()}
    created = datetime.now(timezone.utc)
    writer.seal(manifest(inputs, grids, job.timings, names, created, dissection.quantile))
