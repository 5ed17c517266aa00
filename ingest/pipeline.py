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

Here is step 1, and what was left by an earlier ingest; `job` has the others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..graph.run.files import disk_errors
from ..graph.run.reader import Run, open_run
from ..graph.run.writer import RunWriter, check_out, is_complete
from ..progress import NoProgress, Progress
from ..settings import Settings
from .concept_data.opening import open_concept_data
from .engine.checkpoint import begin, check_same, is_begun
from .engine.device import choose_device, full_float32, memory_errors
from .engine.memory import tune_malloc
from .engine.process_group import environment_process_group, initialised
from .engine.workers import default_workers
from .inputs import Inputs, batch_size_for
from .job import Job
from .network.loading import load_network
from .output.manifest import facts_of, facts_of_run

if TYPE_CHECKING:
    from pathlib import Path

    from .inputs import Source


def ingest(
    source: Source,
    out: Path,
    settings: Settings | None = None,
    *,
    device: str = "auto",
    workers: int | None = None,
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
        workers: threads that decode images; without it, one a core of this process's share, 2 to 8.
        overwrite: replace an earlier run, once the new one is complete.
        resume: go on with an ingest into `out` that was killed, if there is one; a run that is
            complete is given back as it is.
        minutes: after so many, what was done is kept for `resume`; 0 after every batch.
        progress: told of the steps.

    Raises:
        ConceptGraphError: one line on what is wrong; nothing is left half-written, but for what
            `resume` can go on with.
    """
    tune_malloc()
    settings = settings or Settings()
    team = environment_process_group()
    with initialised(team):
        if team.is_main and not (resume and (out / "manifest.json").is_file()):
            check_out(out, overwrite=overwrite, resume=resume)
        chosen = choose_device(device, team.local_rank)
        network = load_network(
            source.model,
            source.weights,
            source.classes,
            trust_pickle=source.trust_pickle,
            seed=settings.seed,
        )
        data = open_concept_data(source.data, label_zero=settings.iou == "lite")
        asked, size = settings.batch_size, batch_size_for(settings, data, chosen)
        settings = replace(settings, batch_size=min(team.all_gather(size)))
        facts = facts_of(settings, network, data, chosen, team)
        if resume and is_complete(out) and not overwrite:
            run = open_run(out)
            before = facts_of_run(run)
            if asked is None:  # another device may choose another
                del before["batch-size"]
            check_same(before, facts, out)
            return run
        inputs = Inputs(network, data, settings, chosen, workers or default_workers())
        with (
            RunWriter(out, overwrite=overwrite, resume=resume, leads=team.is_main) as writer,
            disk_errors(writer.path, "cannot be written"),
            full_float32(),
            memory_errors(),
        ):
            if any(team.all_gather(team.is_main and _ready(writer, facts))):
                if team.is_main:
                    writer.take_name()
            else:
                Job(source, inputs, team, progress or NoProgress(), writer, minutes).write()
        team.barrier()
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
