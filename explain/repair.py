"""Repair: a network in which a concept is ablated where its probe finds it, and what that does.

1. look      all labelled images once: the answers, where the probe of each block finds the concept,
             what the last layer is given
2. split     into images on which choices are made, and images held out, on which all is reported;
             stratified by class, concept and mistake, by a seed
3. choose    which ablation (`repair_candidates`), on images of the choice
4. write     the network with it, as a folder that runs without this package (`repair_output`)
5. report    on the images held out: the written network, as its files make it; beside it the
             network as it is, the concept ablated everywhere, and the last layer trained anew
6. judge     refused if it breaks as many right answers as it fixes wrong ones, or more
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..errors import DataError, ModelError, QueryError
from ..files import check_new_folder, output_folder
from ..ingest.network.forward import record_input, record_outputs, running
from ..ingest.statistics.probe_scores import MIN_MCC
from ..progress import NoProgress
from ..queries.labels import class_index
from .ablation import concept_named
from .ablation_masks import ablation_hooks, ablation_of_concept
from .audit import check_labels
from .audit_rows import load_batches
from .last_layer import outputs as last_layer_outputs
from .last_layer import retrain
from .network import RunNetwork, network_of, run_of
from .repair_candidates import answers, block_probes, candidates, choose
from .repair_card import card, warnings_of
from .repair_figures import SMALL, MethodFigures, ReportedImage, Share, figures, worse_than
from .repair_output import check_alone, load_written, outputs_of, write_network

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..graph.run.reader import Run
    from ..progress import Progress
    from .audit_rows import ImageLabel
    from .repair_candidates import BlockProbe, Counts
    from .repair_figures import Worse

BATCH = 32
MOST = 300
"""Images of the choice that candidates are tried on: so many mistakes, and so many others."""
REPAIRED, AS_IT_IS = "repaired", "as it is"
EVERYWHERE, RETRAINED = "ablated everywhere", "last layer retrained"


class RepairRefusedError(ModelError):
    """A repair that breaks more than it fixes.

    Attributes:
        repair: with all figures.
    """

    def __init__(self, repair: Repair) -> None:
        super().__init__(
            f"no network was written: {repair.refused}",
            remedy="--force writes it all the same",
        )
        self.repair = repair


@dataclass(frozen=True)
class Repair:
    """What a repair does.

    Attributes:
        run: uid of the run.
        network: its network's name.
        concept: "category/name".
        class_name: the class that images are wrongly taken for.
        grouped_by: what says which images have the concept.
        probe_agrees: images of which the labels and the best probe say the same; None if only the
            probe says which images have the concept.
        choice: how many images the choice was made on.
        held_out: how many images are reported on.
        unreadable: file and reason of each image that could not be read.
        chosen: the ablation, and what it does to images of the choice.
        tried: all ablations, the best first.
        blocks: the units that are replaced, by block.
        methods: on the images held out: as it is, repaired, and others to compare with.
        images: held out; with `answers`, what the repaired network predicts.
        answers: class and logit, for each of `images`.
        seed: of the split.
        refused: why the repair is refused; None if it is not.
    """

    run: str
    network: str
    concept: str
    class_name: str
    grouped_by: str
    probe_agrees: Share | None
    choice: int
    held_out: int
    unreadable: tuple[tuple[str, str], ...]
    chosen: Counts
    tried: tuple[Counts, ...]
    blocks: dict[str, list[int]]
    methods: tuple[MethodFigures, ...]
    images: tuple[ReportedImage, ...]
    answers: tuple[tuple[str, float], ...]
    seed: int
    refused: str | None

    def method(self, name: str) -> MethodFigures:
        """Return the figures of a method."""
        return next(method for method in self.methods if method.name == name)

    @property
    def worse(self) -> list[Worse]:
        """Classes and groups that the repaired network answers worse than before."""
        return worse_than(self.method(AS_IT_IS), self.method(REPAIRED))

    @property
    def lacking(self) -> bool:
        """Whether no held-out image of the class itself has the concept."""
        return (self.class_name, True) not in self.method(REPAIRED).groups

    @property
    def too_few(self) -> bool:
        """Whether a half has too few mistakes to judge by."""
        return min(self.chosen.mistakes, self.method(REPAIRED).mistakes.images) < SMALL

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        return {
            "run": self.run,
            "network": self.network,
            "concept": self.concept,
            "class": self.class_name,
            "grouped_by": self.grouped_by,
            "probe_agrees": self.probe_agrees.to_json() if self.probe_agrees else None,
            "warnings": warnings_of(self),
            "worse": [worse.to_json() for worse in self.worse],
            "seed": self.seed,
            "images": {"choice": self.choice, "held_out": self.held_out},
            "unreadable": [{"file": file, "reason": reason} for file, reason in self.unreadable],
            "chosen": _counts_json(self.chosen),
            "blocks": self.blocks,
            "tried": [_counts_json(counts) for counts in self.tried],
            "methods": [method.to_json() for method in self.methods],
            "refused": self.refused,
            "held_out": [
                {
                    "image": image.file,
                    "label": image.label,
                    "concept": image.has_concept,
                    "before": image.before,
                    "after": after,
                    "logit": logit,
                }
                for image, (after, logit) in zip(self.images, self.answers, strict=True)
            ],
        }


def _counts_json(counts: Counts) -> dict[str, object]:
    return {
        "ablation": counts.candidate.text,
        "blocks": list(counts.candidate.ablations),
        "units": counts.candidate.units,
        "value": counts.candidate.value,
        "neighbours": counts.candidate.neighbours,
        "fixed": counts.fixed,
        "mistakes": counts.mistakes,
        "broken": counts.broken,
        "right": counts.right,
    }


def repair(
    run: Run | RunNetwork,
    folder: Path | str,
    labels: Sequence[ImageLabel],
    concept: str,
    class_name: str,
    out: Path | str,
    *,
    presence: Mapping[str, bool] | None = None,
    seed: int = 0,
    force: bool = False,
    progress: Progress | None = None,
) -> Repair:
    """Write a network in which a concept is ablated where its probe finds it.

    Args:
        run: an open run, or its network from `open_network`.
        folder: the folder of the images.
        labels: for each image its file, relative to the folder, and its class.
        concept: its name, or "category/name".
        class_name: the class that images with the concept are wrongly taken for.
        out: the folder to write; it must not exist.
        presence: by file, whether the concept is in the image; None asks the probe.
        seed: of the split into images of the choice and images held out.
        force: write the network even if it breaks more than it fixes.
        progress: receives the steps; None for no progress.

    Raises:
        QueryError: no such concept or class, or no probe finds the concept.
        DataError: images or labels cannot be used, or there are no such mistakes.
        ModelError: the network cannot be loaded, or not be written so that it runs by itself.
        RepairRefusedError: it breaks more than it fixes.
        ConceptGraphError: `out` exists or cannot be written.
    """
    folder, out, progress = Path(folder), Path(out), progress or NoProgress()
    check_new_folder(out)
    uid, class_name = check_repair(run_of(run), folder, labels, concept, class_name)
    network = network_of(run)
    if network.network.architecture.multi_label:
        raise ModelError("a repair needs one class an image", found="a multi-label network")
    if network.frames is not None:
        raise ModelError("a repair needs a network of images", found="one of clips")
    probes = block_probes(network.run, uid, network.all_blocks())
    if not probes:
        raise _no_probe(network.run, uid)
    with output_folder(out) as partial:
        made = _Repairer(network, folder, uid, class_name, probes, presence, seed, progress)
        result = made.run(labels, partial)
        if result.refused and not force:
            raise RepairRefusedError(result)
        image = network.load_image(folder / result.images[0].file).float()
        check_alone(partial, image, load_written(partial)(image))
        text = json.dumps(result.to_json(), indent=1, ensure_ascii=False)
        (partial / "repair.json").write_text(text + "\n", encoding="utf-8")
        (partial / "README.md").write_text(card(result), encoding="utf-8")
    return result


def check_repair(
    run: Run, folder: Path, labels: Sequence[ImageLabel], concept: str, class_name: str
) -> tuple[str, str]:
    """Refuse what cannot be repaired, before any network is loaded.

    Returns:
        The concept as "category/name", and the class by its name.

    Raises:
        QueryError: no such concept or class.
        DataError: as `audit.check_labels`.
    """
    uid = concept_named(run, concept)
    name = str(run.classes["name"].iloc[class_index(run, class_name)])
    check_labels(run, folder, labels)
    return uid, name


def _no_probe(run: Run, uid: str) -> QueryError:
    rows = run.presence[run.presence["concept"] == uid]
    best = max(rows["mcc"], default=0.0)
    return QueryError(
        f"no presence probe finds {uid!r} well enough to ablate it where it is",
        found=f"a best Matthews correlation of {best:.2f}",
        expected=f"{MIN_MCC:g} or more, and surely above 0",
    )


class _Look(NamedTuple):
    """What one pass over the images gives.

    Attributes:
        labels: file and class of each image that was read.
        logits: (images, classes).
        found: whether the probe finds the concept anywhere, bool (images,), by block.
        means: sums of the units where it does not, and of how many positions, by block; float64
            (images, units + 1).
        features: what the last layer is given, (images, features); None if that is no vector.
        unreadable: file and reason of the others.
    """

    labels: list[ImageLabel]
    logits: Tensor
    found: dict[str, Tensor]
    sums: dict[str, Tensor]
    features: Tensor | None
    unreadable: list[tuple[str, str]]


class _Repairer(NamedTuple):
    """The steps of a repair, and what all of them need."""

    network: RunNetwork
    folder: Path
    uid: str
    class_name: str
    probes: list[BlockProbe]
    presence: Mapping[str, bool] | None
    seed: int
    progress: Progress

    def run(self, labels: Sequence[ImageLabel], out: Path) -> Repair:
        """Do all steps; write the network into an empty folder."""
        look = self._look(labels)
        has_concept, grouped_by, probe_agrees = self._has_concept(look)
        classes = self.network.class_names
        truth = torch.tensor([classes.index(label) for _, label in look.labels])
        before = look.logits.argmax(1)
        target = classes.index(self.class_name)
        mistakes = (before == target) & (truth != target) & has_concept
        choice, held_out = self._split(truth, has_concept, mistakes)
        self._check_mistakes(before == target, mistakes, has_concept, truth != target, choice)
        tried = self._choose(look, choice, truth, mistakes, before == truth)
        chosen = tried[0]
        write_network(self.network, chosen.candidate.ablations, out)
        reported = tuple(
            ReportedImage(*look.labels[i], bool(has_concept[i]), classes[before[i]])
            for i in held_out
        )
        predicted = {AS_IT_IS: [image.before for image in reported]}
        repaired, everywhere = self._report(reported, out)
        predicted[REPAIRED] = [classes[i] for i in repaired.argmax(1)]
        predicted[EVERYWHERE] = [classes[i] for i in everywhere]
        if look.features is not None:
            groups = (truth * 2 + has_concept)[choice]
            layer = retrain(look.features[choice], truth[choice], groups, len(classes))
            logits = last_layer_outputs(layer, look.features[held_out])
            predicted[RETRAINED] = [classes[i] for i in logits.argmax(1)]
        methods = tuple(
            figures(name, reported, rows, self.class_name) for name, rows in predicted.items()
        )
        return Repair(
            self.network.run.name,
            self.network.network.name,
            self.uid,
            self.class_name,
            grouped_by,
            probe_agrees,
            len(choice),
            len(held_out),
            tuple(look.unreadable),
            chosen,
            tuple(tried),
            {
                block: ablation.chosen.nonzero()[:, 0].tolist()
                for block, ablation in chosen.candidate.ablations.items()
            },
            methods,
            reported,
            tuple(zip(predicted[REPAIRED], repaired.amax(1).tolist(), strict=True)),
            self.seed,
            _refusal(methods[1]),
        )

    def _look(self, labels: Sequence[ImageLabel]) -> _Look:
        """Run the network once on all images (step 1)."""
        network, head = self.network, self.network.module.end
        stages = {probe.block: network.stage(probe.block) for probe in self.probes}
        finders = {probe.block: probe.finder() for probe in self.probes}
        read, unreadable, logits, features = [], [], [], []
        found: dict[str, list[Tensor]] = defaultdict(list)
        sums: dict[str, list[Tensor]] = defaultdict(list)
        with self.progress.step("images", len(labels)) as advance:
            for rows, images in load_batches(network, self.folder, labels, BATCH):
                advance(len(rows))
                pairs = list(zip(rows, images, strict=True))
                unreadable += [(row[0], im) for row, im in pairs if isinstance(im, str)]
                read += [row for row, image in pairs if isinstance(image, Tensor)]
                batch = [image for image in images if isinstance(image, Tensor)]
                if not batch:
                    continue
                with (
                    torch.no_grad(),
                    running(network.network.module),
                    record_outputs(stages) as maps,
                    record_input(head) as given,
                ):
                    logits.append(network.module(torch.cat(batch)))
                features.append(given[-1])
                for block, finder in finders.items():
                    at = finder.positions(maps[block])
                    found[block].append(at.flatten(1).any(1))
                    sums[block].append(_sums_outside(maps[block], at))
        if not read:
            raise DataError("no image can be read", file=self.folder, found=unreadable[0][1])
        stacked = torch.cat(features)
        return _Look(
            read,
            torch.cat(logits),
            {block: torch.cat(rows) for block, rows in found.items()},
            {block: torch.cat(rows) for block, rows in sums.items()},
            stacked.flatten(1) if stacked[0].numel() == stacked.shape[1] else None,
            unreadable,
        )

    def _has_concept(self, look: _Look) -> tuple[Tensor, str, Share | None]:
        """Return which images have the concept, bool (images,), what says so, and if both agree."""
        presence = self.network.run.presence
        scores = presence[presence["concept"] == self.uid].set_index("block")["mcc"]
        best = max((probe.block for probe in self.probes), key=lambda block: float(scores[block]))
        if self.presence is None:
            return look.found[best], f"the probe of {best}", None
        labelled = torch.tensor([self.presence[file] for file, _ in look.labels])
        same = int((labelled == look.found[best]).sum())
        return labelled, "labels", Share(same, len(labelled))

    def _split(self, *strata: Tensor) -> tuple[list[int], list[int]]:
        """Return the images of the choice and those held out (step 2); each stratum in halves."""
        draw = random.Random(self.seed)  # noqa: S311
        keys = [(tuple(row), draw.random()) for row in torch.stack(strata, 1).tolist()]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        return sorted(order[::2]), sorted(order[1::2])

    def _check_mistakes(
        self,
        taken: Tensor,
        mistakes: Tensor,
        has_concept: Tensor,
        others: Tensor,
        choice: list[int],
    ) -> None:
        """Refuse images among which there is nothing to fix, or to see that it is fixed."""
        chosen, in_all = int(mistakes[choice].sum()), int(mistakes.sum())
        if 0 < chosen < in_all:
            return
        raise DataError(
            f"too few images with {self.uid} are wrongly taken for {self.class_name!r}",
            file=self.folder,
            found=f"{in_all} of {int((has_concept & others).sum())} images of other classes with "
            f"it ({chosen} in the half to choose on, {in_all - chosen} held out); without it "
            f"{int((taken & others & ~has_concept).sum())}",
            expected="one or more in each half; better a hundred",
        )

    def _choose(
        self, look: _Look, choice: list[int], truth: Tensor, mistakes: Tensor, right: Tensor
    ) -> list[Counts]:
        """Try all candidates on images of the choice (step 3)."""
        means = {}
        for block, sums in look.sums.items():
            total = sums[choice].sum(0)
            means[block] = (total[:-1] / total[-1].clamp(min=1)).float()
        tried = candidates(self.probes, means)
        draw = random.Random(self.seed)  # noqa: S311
        shuffled = draw.sample(choice, len(choice))
        images = [i for i in shuffled if mistakes[i]][:MOST]
        images += [i for i in shuffled if right[i]][:MOST]
        by_candidate: list[list[Tensor]] = [[] for _ in tried]
        code = self.network.network.module
        stages = {probe.block: self.network.stage(probe.block) for probe in self.probes}
        with self.progress.step("choice", len(images)) as advance:
            for rows, loaded in self._batches([look.labels[i] for i in images]):
                with torch.no_grad(), running(code), record_outputs(stages) as maps:
                    self.network.module(loaded)
                for predicted, of_batch in zip(
                    by_candidate, answers(self.network, maps, tried), strict=True
                ):
                    predicted.append(of_batch)
                advance(rows)
        return choose(
            tried, [torch.cat(rows) for rows in by_candidate],
            truth[images], mistakes[images], right[images],
        )  # fmt: skip

    def _report(self, images: Sequence[ReportedImage], out: Path) -> tuple[Tensor, Tensor]:
        """Run the written network, and ablate everywhere (step 5).

        Returns:
            The written network's outputs, (images, classes), and the classes predicted with the
            concept ablated everywhere, (images,).
        """
        written, classes = load_written(out), len(self.network.class_names)
        masks = ablation_of_concept(self.network.run, self.uid, everywhere=True)
        repaired, everywhere = [], []
        with self.progress.step("held out", len(images)) as advance:
            for rows, batch in self._batches([(image.file, image.label) for image in images]):
                repaired.append(outputs_of(written, batch, classes))
                with torch.no_grad(), self.network.intervene(ablation_hooks([masks])):
                    everywhere.append(self.network.module(batch).argmax(1))
                advance(rows)
        return torch.cat(repaired), torch.cat(everywhere)

    def _batches(self, labels: Sequence[ImageLabel]) -> Iterator[tuple[int, Tensor]]:
        """Yield images that were read before, so many at a time.

        Raises:
            DataError: one cannot be read any more.
        """
        for rows, images in load_batches(self.network, self.folder, labels, BATCH):
            if gone := [image for image in images if isinstance(image, str)]:
                raise DataError(f"an image cannot be read any more: {gone[0]}")
            yield len(rows), torch.cat([image for image in images if isinstance(image, Tensor)])


def _sums_outside(maps: Tensor, at: Tensor) -> Tensor:
    """Return sums of the units outside of positions, and of how many; float64 (images, units + 1).

    Args:
        maps: (images, units, *grid).
        at: bool (images, 1, *grid).
    """
    outside = (~at).flatten(2).double()
    sums = (maps.flatten(2).double() * outside).sum(2)
    return torch.cat([sums, outside.sum(2)], dim=1)


def _refusal(repaired: MethodFigures) -> str | None:
    """Return why a repair is refused (step 6); None if it is not."""
    if repaired.broken < repaired.fixed:
        return None
    return (
        f"{repaired.broken} right answers broken and {repaired.fixed} wrong ones fixed, of "
        f"{repaired.overall.images} images held out"
    )
