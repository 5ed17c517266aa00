"""The network that a run dissected, loaded to run it on images.

`open_network` loads it once for each open run. The only module of `explain` that loads networks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..errors import ConceptGraphError, ModelError, QueryError
from ..graph.run.trust import Factory, is_trusted, remember_run, trusted_factory
from ..ingest.concept_data.images import normalise, open_image
from ..ingest.engine.workers import prefetch
from ..ingest.network.affine import affine_copy
from ..ingest.network.builders import import_folder, is_code, made_by
from ..ingest.network.forward import record_outputs, replace_outputs
from ..ingest.network.loading import ModuleNames, Network, load_network, network_digest
from ..ingest.network.preprocessing import WHOLE_IMAGE, SeenBox, seen_box, to_input
from ..settings import Settings
from .clips import frames_of_run, load_frames
from .decomposition import Downstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from ..graph.run.reader import Run
    from ..ingest.network.segments import Segment

    Options = tuple[str | None, str | None, bool, bool, torch.dtype]
    Loaded = tuple[Network, nn.Module, Segment, dict[str, Segment]]

_LOADED: WeakKeyDictionary[Run, dict[Options, Loaded]] = WeakKeyDictionary()
"""By open run and the options of `open_network`; freed with the run."""


class Photograph(NamedTuple):
    """A photograph as the network is given it.

    Attributes:
        pixels: resized and cropped, uint8 (height, width, 3); of a clip, its film strip (`clips`).
        batch: the network's input, (1, channels, height, width), or (1, channels, frames, …).
        seen: the part of the photograph, upright, that the network sees; of a clip all, as it is
            shown by its strip.
    """

    pixels: NDArray[np.uint8]
    batch: Tensor
    seen: SeenBox


@dataclass(frozen=True)
class RunNetwork:
    """The network of a run, ready to explain images, by one thread at a time.

    Attributes:
        run: the run that dissected it.
        network: the network; its digest is the run's.
        affine: its affine copy.
        module: the copy that is run, from images to the logits.
        parts: of the copy, by the block that they run after; made when they are needed.
    """

    run: Run
    network: Network
    affine: nn.Module
    module: Segment
    parts: dict[str, Segment] = field(default_factory=dict)

    @property
    def dtype(self) -> torch.dtype:
        """Of the explanations' arithmetic."""
        return next(self.affine.parameters()).dtype

    @cached_property
    def class_names(self) -> list[str]:
        """Names of the classes, in the order of the logits."""
        return [str(name) for name in self.run.classes["name"]]

    @property
    def frames(self) -> int | None:
        """Of the clips that it takes; None if it takes images."""
        return frames_of_run(self.run)

    @property
    def head(self) -> Segment:
        """What runs from the last block's maps to the logits."""
        return self.after(self.network.blocks[-1])

    def after(self, block: str) -> Segment:
        """Return what runs after a block, up to the next one or to the logits."""
        if block not in self.parts:
            following = [*self.network.blocks[self.network.blocks.index(block) + 1 :], None]
            part = self.network.architecture.segment(self.affine, block, following[0])
            self.parts[block] = part
        return self.parts[block]

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of logits (…, classes), each by itself if multi-label."""
        if self.network.architecture.multi_label:
            return logits.double().sigmoid()
        return logits.double().softmax(-1)

    def direction(self, explained: int, compared: int | None = None) -> Tensor:
        """Return (classes,), by which logits are multiplied for one of them, or a difference."""
        direction = torch.zeros(len(self.class_names), dtype=self.dtype)
        direction[explained] = 1
        if compared is not None:
            direction[compared] -= 1
        return direction

    def last_blocks(self) -> tuple[str, ...]:
        """Return the last two blocks of the network, or the last one if the run has no other."""
        last = self.network.blocks[-2:]
        return last if last[0] in self.run.blocks else last[1:]

    def all_blocks(self) -> tuple[str, ...]:
        """Return all blocks that the run dissected, as far as they are neighbours of the last."""
        blocks = self.network.blocks
        missing = [number for number, block in enumerate(blocks) if block not in self.run.blocks]
        return blocks[max(missing, default=-1) + 1 :] or self.last_blocks()

    def stage(self, block: str) -> nn.Module:
        """Return the module of the copy that is run whose output is a block."""
        return self.network.architecture.stage(self.module.network, block)

    def downstream(self, blocks: Sequence[str]) -> Downstream:
        """Return what runs after the first of some blocks.

        Args:
            blocks: neighbouring blocks, up to the network's last.

        Raises:
            QueryError: they are not, or the run lacks one of them.
        """
        chosen, all_blocks = list(blocks), list(self.network.blocks)
        if not chosen or chosen != all_blocks[-len(chosen) :]:
            raise QueryError(
                "the paths of an image run through neighbouring blocks to the network's last",
                found=", ".join(chosen) or "none",
                expected=" or ".join(",".join(all_blocks[i:]) for i in (-2, 0)),
            )
        if missing := [block for block in chosen if block not in self.run.blocks]:
            raise QueryError(
                f"run {self.run.name} lacks {', '.join(missing)}",
                found=", ".join(self.run.blocks),
                remedy="Ingest with these blocks to explain images through them",
            )
        return Downstream([self.after(block) for block in chosen[:-1]], self.head)

    def load_photograph(self, image: Path | str) -> Photograph:
        """Load an image file: EXIF-transposed, then resized and cropped as the run states.

        Of a clip (`clips.load_frames`), each frame.

        Raises:
            DataError: it cannot be read.
        """
        shape = self.run.manifest["input"]
        if self.frames is not None:
            frames = load_frames(self.run, Path(image), self.frames)
            strip = np.concatenate([to_input(Image.fromarray(frame), shape) for frame in frames])
            return Photograph(strip, self.as_input(strip[None]), WHOLE_IMAGE)
        opened = open_image(Path(image))
        pixels = to_input(opened, shape)
        return Photograph(pixels, self.as_input(pixels[None]), seen_box(opened.size, shape))

    def as_input(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Normalise uint8 (images, height, width, 3) to (images, channels, height, width).

        Film strips become clips, (clips, channels, frames, height, width).
        """
        shape = self.run.manifest["input"]
        batch = torch.from_numpy(np.ascontiguousarray(pixels).copy())
        if self.frames is not None:
            clips, height, *sides = batch.shape
            batch = batch.view(clips, self.frames, height // self.frames, *sides)
        return normalise(batch, shape["mean"], shape["std"]).to(self.dtype)

    def load_image(self, image: Path | str) -> Tensor:
        """Load an image file as the network's input, (1, channels, height, width).

        Raises:
            DataError: it cannot be read.
        """
        return self.load_photograph(image).batch

    def load_images(self, images: Sequence[Path]) -> Iterator[Tensor | str]:
        """Yield what `load_image` loads, in order and prefetched; for one that fails, its error."""
        for image in self.load_photographs(images):
            yield image if isinstance(image, str) else image.batch

    def load_photographs(self, images: Sequence[Path]) -> Iterator[Photograph | str]:
        """Yield what `load_photograph` loads, as `load_images` does."""

        def load(image: Path) -> Photograph | str:
            try:
                return self.load_photograph(image)
            except ConceptGraphError as error:
                return str(error)

        return prefetch(load, images, 2, ahead=64)

    def forward(self, batch: Tensor, block: str) -> tuple[Tensor, Tensor]:
        """Run the network without gradients.

        Returns:
            Logits, (images, classes), and the block's output, (images, units, *grid).
        """
        with record_outputs({block: self.stage(block)}) as outputs, torch.no_grad():
            logits: Tensor = self.module(batch)
        return logits, outputs[block]

    def forward_for_gradients(
        self, batch: Tensor, blocks: Sequence[str]
    ) -> tuple[Tensor, list[Tensor]]:
        """Run the network so that its logits can be differentiated by the outputs of blocks.

        Returns:
            Logits, (images, classes), and the output of each block, (images, units, *grid).
        """
        leaf = self.intervene({blocks[0]: lambda output: output.detach().requires_grad_()})
        stages = {block: self.stage(block) for block in blocks}
        with leaf, record_outputs(stages) as outputs:
            logits: Tensor = self.module(batch)
        return logits, [outputs[block] for block in blocks]

    def check_head(self, from_head: float, logit: float) -> None:
        """Refuse a network whose logits are not what its head computes from its last block.

        Args:
            from_head: the logit computed from the last block's maps.
            logit: the network's.

        Raises:
            ModelError: they differ.
        """
        if abs(from_head - logit) > 1e-3 * max(1.0, abs(logit)):
            raise ModelError(
                f"the logits of {self.network.name} do not depend on its last block alone",
                found=f"logit {logit:.6g}",
                expected=f"{from_head:.6g}, from the last block",
            )

    def intervene(
        self, hooks: Mapping[str, Callable[[Tensor], Tensor]]
    ) -> AbstractContextManager[None]:
        """Replace outputs of blocks by functions of them, within a context.

        Args:
            hooks: by block, a function of its output, (images, units, *grid).
        """
        stages = {block: self.stage(block) for block in hooks}
        ends, of_ends = {}, {}
        for before, block in pairwise(self.network.blocks):
            if block in hooks:  # the part that ends there computes it anew
                ends[f"{before} → {block}"] = self.after(before).end
                of_ends[f"{before} → {block}"] = hooks[block]
        return replace_outputs({**stages, **ends}, {**hooks, **of_ends})


def open_network(
    run: Run,
    *,
    weights: str | None = None,
    model: str | None = None,
    trust_run: bool = False,
    trust_pickle: bool = False,
    dtype: torch.dtype = torch.float32,
) -> RunNetwork:
    """Load the network that a run dissected; a second call for the same open run reads nothing.

    A factory that a run names is imported only if the run is trusted (`graph.run.trust`), as those
    ingested on this machine are.

    Args:
        run: an open run.
        weights: the checkpoint, if it is no longer where it was.
        model: the network's name or `module:factory`, imported from the working directory or from
            where Python imports, instead of what the run names.
        trust_run: let the code run that the run names, and remember that the run is trusted.
        trust_pickle: load a checkpoint that runs code: that of `weights`, or of a trusted run.
        dtype: of the explanations' arithmetic.

    Raises:
        ModelError: the run is not trusted and needs a factory, there is no checkpoint, or it is not
            the one that was dissected.
        RunError: the factory of a trusted run has changed.
    """
    by_options = _LOADED.setdefault(run, {})
    options = (weights, model, trust_run, trust_pickle, dtype)
    if options not in by_options:
        if trust_pickle and weights is None and not (trust_run or is_trusted(run)):
            raise ModelError(
                f"run {run.name} names the checkpoint, and is not a run that you made or trust",
                file=run.path,
                found=run.manifest["model"]["weights"],
                remedy="Name the checkpoint that may run code with --weights",
            )
        factory = _factory(run, model, trust_run=trust_run)
        network = _load(run, weights, factory, trust_pickle=trust_pickle)
        if trust_run:
            remember_run(run, made_by(factory.model))
        affine = affine_copy(network.module).to(dtype)
        by_options[options] = network, affine, network.architecture.whole(affine), {}
    return RunNetwork(run, *by_options[options])


def network_of(run: Run | RunNetwork) -> RunNetwork:
    """Return a run's network, with the default options, or the network that was given."""
    return run if isinstance(run, RunNetwork) else open_network(run)


def run_of(run: Run | RunNetwork) -> Run:
    """Return an open run, as it was given or of a network."""
    return run.run if isinstance(run, RunNetwork) else run


def _factory(run: Run, model: str | None, *, trust_run: bool) -> Factory:
    """Return what makes the network; refuse code that only the run names."""
    stated = run.manifest["model"]["name"]
    if model or trust_run or not is_code(stated):
        return Factory(model or stated)
    if (factory := trusted_factory(run)) is not None:
        return factory
    raise ModelError(
        f"run {run.name} is not a run that you made or trust, and its network is made by code",
        file=run.path,
        found=f"the factory {stated}",
        remedy=f"Read that code; then name it with --model {stated}, or trust it with --trust-run",
    )


def _load(run: Run, weights: str | None, factory: Factory, *, trust_pickle: bool) -> Network:
    """Load a run's network and compare its digest with the run's."""
    stated = run.manifest["model"]
    path = weights or stated["weights"]
    if path and not weights and Path(path).is_absolute() and not Path(path).is_file():
        remedy = "Name their new place with --weights"
        raise ModelError("the weights that were dissected are missing", file=path, remedy=remedy)
    network = load_network(
        factory.model,
        path,
        classes=_classes_to_build(run, path),
        weights_key=stated["weights_key"],
        names=ModuleNames.of(Settings.from_dict(run.manifest["settings"])),
        trust_pickle=trust_pickle,
        seed=cast("int", run.manifest["settings"]["seed"]),
        folder=import_folder(factory),
    )
    digest = network_digest(stated["name"], network.module)
    if digest != stated["digest"]:
        raise ModelError(
            "not the weights that were dissected",
            file=path or network.name,
            found=f"digest {digest[:12]}…",
            expected=f"{stated['digest'][:12]}…, as run {run.name} states",
            remedy="Give the right file with --weights, or ingest again",
        )
    return replace(network, digest=digest)


def _classes_to_build(run: Run, weights: str | None) -> tuple[str, ...] | None:
    """Return the classes that a network without a checkpoint is built for; None if it has none."""
    if weights not in (None, "random"):
        return None
    return tuple(str(name) for name in run.classes["name"]) or None
