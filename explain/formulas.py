"""Formulas of units: unions, intersections and differences of concepts that a unit detects.

1. labels   the concept data of the run are opened again; masks are decoded once
2. count    the network runs once more: mask pixels of every unit by label set, with the images' own
            labels and with permuted ones, by the thresholds of the run
3. search   for each unit the best formula of two and of three terms, on the images that fit the
            presence probes; and the same with each draw of permuted labels
4. test     of these two on the images held out

A unit has a formula, the longest, if it is better by a tenth than all of its shorter parts and than
the best single concept; p, the larger of those of the gain and of the permutation null, is
significant at the run's false discovery rate, over all units and both lengths; its IoU is above the
run's `min_iou`; and its precision is that of a name.

An IoU counts all images for all concepts, as `--iou unrestricted` does, whatever the run's variant:
only then are a formula and its parts compared on the same images.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch

from ..errors import DataError
from ..files import scratch_folder
from ..graph.run.files import disk_errors
from ..graph.run.formulas import FORMULAS, FormulaLabels
from ..graph.run.trust import check_images_trusted
from ..ingest.concept_data.opening import open_concept_data
from ..ingest.dissection.set_counts import SetCounts
from ..ingest.engine.device import choose_device, full_float32, out_of_memory_errors
from ..ingest.engine.memory import tune_malloc
from ..ingest.engine.process_group import ProcessGroup
from ..ingest.engine.scratch import DeviceCache, TensorFile
from ..ingest.engine.workers import WorkerPool, default_workers
from ..ingest.inputs import Inputs
from ..ingest.statistics.batch_labels import labels_of_batch
from ..ingest.statistics.formula_search import UnitSets
from ..ingest.statistics.formula_tests import (
    GAIN,
    HeldOutSets,
    HeldOutUnit,
    gain_over,
    null_p,
)
from ..ingest.statistics.formulas import TERMS, parts, spelling
from ..ingest.statistics.label_sets import MAX_SETS, LabelSets
from ..ingest.statistics.label_statistics import count_labels
from ..ingest.statistics.names import NameEvidence
from ..ingest.statistics.significance import largest_significant
from ..progress import NoProgress
from ..settings import Settings
from .network import network_of, run_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ..graph.run.reader import Run
    from ..ingest.concept_data.concepts import ConceptData
    from ..ingest.dissection.set_counts import GroupCounts, SetRows
    from ..ingest.inputs import Batch
    from ..ingest.statistics.formula_search import ScoredFormula
    from ..ingest.statistics.formula_tests import Gain
    from ..ingest.statistics.formulas import Formula
    from ..progress import Progress
    from .network import RunNetwork

FEWEST_IMAGES = 10
"""That a concept is in, for a formula to have it; and images in either part."""
SAME = 0.02
"""Of the run's mask pixels: so many may be others, on another kind of device."""


def find_formulas(
    run: Run | RunNetwork,
    data: ConceptData | None = None,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> FormulaLabels:
    """Find the formulas of a run's units.

    Args:
        run: an open run, or its network from `open_network`.
        data: the run's concept data, from `run_data`; read if None, of a trusted run.
        device: `cpu`, `cuda`, …; `auto` takes CUDA where there is one.
        progress: told of the steps.

    Raises:
        DataError: the concept data are not those of the run, or too few for formulas.
        RunError: the run cannot be written to, or names images and is not trusted.
        ModelError: the network cannot be loaded.
    """
    opened, told = run_of(run), progress or NoProgress()
    thresholds = run_thresholds(opened)
    concept_data = run_data(opened) if data is None else data
    network = network_of(run)
    tune_malloc()
    with (
        disk_errors(opened.path, "cannot be written"),
        scratch_folder(opened.path / "formulas.parquet") as scratch,
        full_float32(),
        out_of_memory_errors(),
    ):
        counted = _count(network, concept_data, thresholds, device, scratch, told)
        return _Search(opened, concept_data, counted).labels(told)


def run_thresholds(run: Run) -> dict[str, NDArray[np.float32]]:
    """Return thresholds of a run, float32 (units,) by block; infinite of dead and sparse units."""
    thresholds = {}
    for block, rows in run.units.groupby("block", sort=False):
        units = rows.sort_values("index")
        live = units["status"] == "ok"
        values = units["threshold"].where(live, np.inf).to_numpy(np.float32)
        thresholds[str(block)] = values
    return {block: thresholds[block] for block in run.blocks}


def run_data(run: Run, folder: Path | None = None, *, trust_run: bool = False) -> ConceptData:
    """Open the concept data of a run.

    Args:
        run: an open run.
        folder: where they are now; where they were at the ingest if None.
        trust_run: read them also if somebody else's run names them.

    Raises:
        DataError: they are gone, or not those of the run.
        RunError: the run names them, and is not trusted.
    """
    stated = run.manifest["data"]
    if folder is None:
        folder = Path(stated["folder"])
        check_images_trusted(run, folder, "--data", trusted=trust_run)
    if not folder.is_dir():
        remedy = "Name their new place with --data"
        raise DataError("the concept data of the run are gone", file=folder, remedy=remedy)
    data = open_concept_data(folder, label_zero=run.settings.iou == "lite", strict=False)
    dropped = set(stated["dropped"])
    if gone := set(data.dropped) - dropped:
        what = f"{len(gone)} images of the run are gone, such as {min(gone)}"
        raise DataError(what, file=folder, expected=f"{stated['images']} images")
    if data.digest != stated["digest"]:
        raise DataError(
            f"not the concept data that run {run.name} was made of",
            file=folder,
            found=f"digest {data.digest[:12]}…",
            expected=f"{stated['digest'][:12]}…",
            remedy="Name the right folder with --data, or ingest again",
        )
    images = tuple(image for image in data.images if image.name not in dropped)
    return replace(data, images=images)


class _Counted(NamedTuple):
    """What the pass over the images gives.

    Attributes:
        counts: pixels by unit and label set.
        fitted: images that formulas are chosen on.
        images: all of them.
        terms: bool (concepts,), concepts that formulas may have.
    """

    counts: SetCounts
    fitted: int
    images: int
    terms: NDArray[np.bool_]


def _count(
    network: RunNetwork,
    data: ConceptData,
    thresholds: dict[str, NDArray[np.float32]],
    device_name: str,
    scratch: Path,
    progress: Progress,
) -> _Counted:
    """Run steps 1 and 2."""
    run, device = network.run, choose_device(device_name)
    settings = replace(run.settings, preprocess="model")  # the manifest states what came of it
    workers = default_workers()
    shape = run.manifest["input"]
    inputs = Inputs(network.network, data, settings, device, workers, shape)
    fitted, images, group = inputs.probe_images, len(inputs.images), ProcessGroup()
    if min(fitted, images - fitted) < FEWEST_IMAGES:
        found = f"{fitted} to choose formulas on, {images - fitted} held out"
        expected = f"at least {FEWEST_IMAGES} each"
        raise DataError("too few images for formulas", file=data.folder, found=found,
                        expected=expected)  # fmt: skip
    batches = inputs.batches()
    with progress.step("label statistics", images) as advance:
        labels = count_labels(
            data, images, TensorFile(scratch / "label maps", torch.uint16, DeviceCache(0)),
            settings.iou, batches=batches, group=group, device=device, workers=workers,
            advance=advance,
        )  # fmt: skip
    terms = labels.images >= FEWEST_IMAGES
    if terms.sum() < 2:
        raise DataError(
            "a formula needs two concepts",
            file=data.folder,
            found=f"{int(terms.sum())} of {len(terms)} in at least {FEWEST_IMAGES} images",
        )
    counts = SetCounts(
        LabelSets(labels.images, MAX_SETS),
        torch.from_numpy(terms).to(device),
        {block: torch.from_numpy(values).to(device) for block, values in thresholds.items()},
        fitted,
        images,
        settings.null_samples or Settings().null_samples,
        scratch,
    )

    def partial(decoded: tuple[Batch, Tensor]) -> tuple[int, list[GroupCounts]]:
        batch, pixels = decoded
        maps = inputs.outputs(pixels, run.blocks)
        batch_labels = labels_of_batch(
            data, batch.images, batch.first, labels, device, fitted=fitted
        )
        return len(batch.images), counts.partial(maps, batch_labels, batch.first)

    with progress.step("pixels by label set", images) as advance:
        for done, added in WorkerPool(device).map(partial, inputs.decoded(batches)):
            counts.update(added)
            advance(done)
    if counts.sets.merged:
        progress.note(
            f"There are more than {MAX_SETS:,} different sets of labels of a pixel: "
            f"{counts.sets.merged:,} times a set of a batch lost its rarest concepts."
        )
    return _Counted(counts, fitted, images, terms)


class _Candidate(NamedTuple):
    """A formula of a unit, with what the images held out and permuted labels say of it."""

    formula: Formula
    iou: float
    gain: Gain
    precision: tuple[float, float]
    chance: float


class _UnitResult(NamedTuple):
    """A unit: its best concept, candidates by number of terms, and the scores of all draws.

    Attributes:
        unit: its index.
        concept: column of its best concept; None if it meets no label at all.
        concept_iou: over all images.
        candidates: formulas that are better by `GAIN` on the images they are chosen on.
        scores: best IoU of up to two and three terms, float64 (draws, 2).
    """

    unit: int
    concept: int | None
    concept_iou: float
    candidates: dict[int, _Candidate]
    scores: NDArray[np.float64]


class _Search:
    """Steps 3 and 4."""

    def __init__(self, run: Run, data: ConceptData, counted: _Counted) -> None:
        self._run, self._data, self._counted = run, data, counted
        self._chosen, self._null, rows = counted.counts.areas()
        members, held_out = self._chosen.members, counted.images - counted.fitted
        self._held_out = HeldOutSets(members, held_out, rows.group, rows.set, rows.pixels)

    def labels(self, progress: Progress) -> FormulaLabels:
        """Return the formulas of all units."""
        counted, live = self._counted, (self._run.units["status"] == "ok").sum()
        names, tables, pixels = _names(self._data), [], 0
        with progress.step("search", int(live)) as advance:
            for block, rows in counted.counts.rows.items():
                results = []
                for unit, unit_rows in rows.read():
                    results.append(self._unit(block, unit, unit_rows))
                    pixels += int(unit_rows.pixels[self._is_own(block, unit_rows)].sum())
                    advance(1)
                tables.append(self._table(block, results, names))
        self._check_pixels(pixels)
        labels: pd.DataFrame = pd.concat(tables, ignore_index=True)
        return FormulaLabels(
            self._choose(labels),
            counted.fitted,
            counted.images - counted.fitted,
            int(counted.terms.sum()),
            len(counted.counts.sets),
            int((~counted.terms).sum()),
        )

    def _is_own(self, block: str, rows: SetRows) -> NDArray[np.bool_]:
        """Return which rows are mask pixels with their images' own labels, each counted once."""
        draws = self._counted.counts.draws[block]
        own: NDArray[np.bool_] = (rows.group == 0) | (rows.group > draws)
        return own

    def _unit(self, block: str, unit: int, rows: SetRows) -> _UnitResult:
        draws = self._counted.counts.draws[block]
        bounds = np.searchsorted(rows.group, np.arange(draws + 2))
        chosen, *null = (
            UnitSets(areas, rows.set[start:end], rows.pixels[start:end])
            for areas, start, end in zip(
                [self._chosen, *[self._null] * draws], bounds, bounds[1:], strict=False
            )
        )
        tail = slice(bounds[-1], None)
        image = rows.group[tail] - draws - 1
        held_out = HeldOutUnit(self._held_out, image, rows.set[tail], rows.pixels[tail])
        scores = np.array([_best_by_terms(sets.best()) for sets in null])
        best = chosen.best()
        if not best:
            return _UnitResult(unit, None, 0.0, {}, scores)
        concept = best[0].formula
        candidates = {
            len(found.formula.concepts): self._candidate(found, concept, chosen, held_out, null)
            for place, found in enumerate(best[1:], start=1)
            if found.iou >= (1 + GAIN) * max(shorter.iou for shorter in best[:place])
        }
        iou = self._iou(concept, chosen, held_out)
        return _UnitResult(unit, concept.concepts[0], iou, candidates, scores)

    def _candidate(
        self,
        found: ScoredFormula,
        concept: Formula,
        chosen: UnitSets,
        held_out: HeldOutUnit,
        null: Sequence[UnitSets],
    ) -> _Candidate:
        formula = found.formula
        gain = gain_over(held_out, formula, sorted(parts(formula) | {concept}))
        own, *permuted = (sets.intersection(formula) for sets in null)
        precision = held_out.precision(formula)
        chance = min(1.0, precision[0] * float(np.mean(permuted)) / own) if own else np.nan
        return _Candidate(formula, self._iou(formula, chosen, held_out), gain, precision, chance)

    def _iou(self, formula: Formula, chosen: UnitSets, held_out: HeldOutUnit) -> float:
        """Return the IoU over all images."""
        intersection = chosen.intersection(formula) + held_out.intersections(formula).sum()
        area = self._chosen.area(formula) + self._held_out.areas(formula).sum()
        union = chosen.area + held_out.areas.sum() + area - intersection
        return float(intersection / union) if union else 0.0

    def _table(
        self, block: str, results: Sequence[_UnitResult], names: Sequence[str]
    ) -> pd.DataFrame:
        """Return one row for each live unit and number of terms; those without a formula have p 1.

        Nothing is `significant`, and `holds` says what does not depend on that.
        """
        by_unit = {result.unit: result for result in results}
        null = np.ones((TERMS - 1, len(results)))
        for place in range(TERMS - 1) if results else ():
            null[place] = null_p(np.stack([r.scores[:, place] for r in results], axis=1))
        places = {result.unit: place for place, result in enumerate(results)}
        units = self._run.units
        rows = []
        for index, uid in units.loc[
            (units["block"] == block) & (units["status"] == "ok"), ["index", "uid"]
        ].itertuples(index=False):
            result = by_unit.get(index)
            for terms in range(2, TERMS + 1):
                p = null[terms - 2, places[index]] if result else 1.0
                rows.append((uid, block, *self._row(result, terms, float(p), names)))
        table: pd.DataFrame = pd.DataFrame(rows, columns=list(FORMULAS))
        return table

    def _row(
        self, result: _UnitResult | None, terms: int, p: float, names: Sequence[str]
    ) -> tuple[object, ...]:
        concept, concept_iou = None, 0.0
        if result is not None and result.concept is not None:
            concept, concept_iou = self._data.concepts[result.concept].uid, result.concept_iou
        candidate = result.candidates.get(terms) if result else None
        nothing = (np.nan,) * 3
        if candidate is None:
            return (None, 0, np.nan, concept, concept_iou, *nothing, np.nan, p, 1.0, *nothing,
                    False, False)  # fmt: skip
        gain, (precision, low) = candidate.gain, candidate.precision
        settings = self._run.settings
        evidence = NameEvidence(*(np.array(v) for v in (precision, low, candidate.chance)))
        holds = bool(evidence.holds(settings.min_precision)) and gain.is_large
        holds = holds and gain.low > 0 and candidate.iou > self._run.min_iou
        return (
            spelling(candidate.formula, names), terms, candidate.iou, concept, concept_iou,
            gain.iou, gain.part_iou, gain.low, gain.p, p, max(gain.p, p),
            precision, low, candidate.chance, False, holds,
        )  # fmt: skip

    def _choose(self, tests: pd.DataFrame) -> pd.DataFrame:
        """Return one row a unit: its longest formula that holds, else the one with the least p."""
        limit = largest_significant(tests["p"].to_numpy(), self._run.settings.significance)
        tests["significant"] = tests["p"] <= limit
        tests["holds"] &= tests["significant"]
        longest = np.where(tests["holds"], -tests["terms"], 0)
        order = tests.assign(
            place=np.arange(len(tests)) // (TERMS - 1),
            longest=longest,
            none=tests["formula"].isna(),
        )
        order = order.sort_values(["place", "longest", "none", "p", "terms"], kind="stable")
        chosen: pd.DataFrame = order.groupby("place").head(1)[list(FORMULAS)]
        labels: pd.DataFrame = chosen.reset_index(drop=True)
        return labels

    def _check_pixels(self, pixels: int) -> None:
        """Refuse images that are not those of the ingest, though their files have the same size."""
        units = self._run.units
        expected = int(units["pixels"][units["status"] == "ok"].sum())
        if abs(pixels - expected) > SAME * expected:
            raise DataError(
                f"the images are not those that run {self._run.name} was made of",
                file=self._data.folder,
                found=f"{pixels:,} mask pixels of its units",
                expected=f"{expected:,}",
                remedy="Ingest again",
            )


def _best_by_terms(best: Sequence[ScoredFormula]) -> list[float]:
    """Return the best IoU of up to two terms, and of up to three."""
    scores = [scored.iou for scored in best]
    return [max(scores[:terms], default=0.0) for terms in range(2, TERMS + 1)]


def _names(data: ConceptData) -> list[str]:
    """Return the names of the concepts, with the category where several have one name."""
    names = [concept.name for concept in data.concepts]
    return [
        f"{concept.name} [{concept.category}]" if names.count(concept.name) > 1 else concept.name
        for concept in data.concepts
    ]
