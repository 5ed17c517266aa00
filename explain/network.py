"""The network that a run dissected, loaded to run it on images.

`open_network` loads it once for each open run. The only module of `explain` that loads networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..errors import ConceptGraphError, ModelError, QueryError
from ..ingest.concept_data.images import normalise, open_image, to_array
from ..ingest.engine.workers import prefetch
from ..ingest.network.affine import affine_copy, bias_terms
from ..ingest.network.forward import record_outputs, replace_outputs
from ..ingest.network.loading import Network, load_network
from .decomposition import Downstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ..graph.run.reader import Run
    from ..ingest.network.architecture import Head

    Options = tuple[str | None, bool, torch.dtype]
    Loaded = tuple[Network, nn.Module]

_LOADED: WeakKeyDictionary[Run, dict[Options, Loaded]] = WeakKeyDictionary()
"""By open run and the options of `open_network`; freed with the run."""


@dataclass(frozen=True)
class RunNetwork:
    """The network of a run, ready to explain images, by one thread at a time.

    Attributes:
        run: the run that dissected it.
        network: the network; its digest is the run's.
        module: its affine copy, in which everything is computed.
    """

    run: Run
    network: Network
    module: nn.Module

    @property
    def head(self) -> Head:
        """The head of the affine copy."""
        return self.network.architecture.head_of(self.module)

    def last_blocks(self) -> tuple[str, ...]:
        """Return the last two blocks of the network, or the last one if the run has no other."""
        last = self.network.blocks[-2:]
        return last if last[0] in self.run.blocks else last[1:]

    def stage(self, block: str) -> nn.Module:
        """Return the module of the affine copy whose output is a block."""
        return self.network.architecture.stage(self.module, block)

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
        stages = [self.stage(block) for block in chosen[1:]]
        return Downstream(
            stages, self.head, [term for stage in stages for term in bias_terms(stage)]
        )

    def load_image(self, image: Path | str) -> Tensor:
        """Load an image file as the network's input, (1, channels, height, width).

        The image is EXIF-transposed, then resized, ignoring its aspect ratio.

        Raises:
            DataError: it cannot be read.
        """
        shape = self.run.manifest["input"]
        pixels = to_array(
            open_image(Path(image), exif_transpose=True), shape["height"], shape["width"]
        )
        batch = torch.from_numpy(pixels.copy()).unsqueeze(0)
        return normalise(batch, shape["mean"], shape["std"]).to(self.head.weight.dtype)

    def load_images(self, images: Sequence[Path]) -> Iterator[Tensor | str]:
        """Yield what `load_image` loads, in order and prefetched; for one that fails, its error."""

        def load(image: Path) -> Tensor | str:
            try:
                return self.load_image(image)
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
                f"{self.network.name} does more after its last block than global average pooling "
                "and a linear layer",
                found=f"logit {logit:.6g}",
                expected=f"{from_head:.6g}",
                remedy="Only networks that end with these can be explained",
            )

    def intervene(
        self, hooks: Mapping[str, Callable[[Tensor], Tensor]]
    ) -> AbstractContextManager[None]:
        """Replace outputs of blocks by functions of them, within a context.

        Args:
            hooks: by block, a function of its output, (images, units, *grid).
        """
        return replace_outputs({block: self.stage(block) for block in hooks}, hooks)


def open_network(
    run: Run,
    *,
    weights: str | None = None,
    trust_pickle: bool = False,
    dtype: torch.dtype = torch.float32,
) -> RunNetwork:
    """Load the network that a run dissected; a second call for the same open run reads nothing.

    Args:
        run: an open run.
        weights: the checkpoint, if it is no longer where it was.
        trust_pickle: load a checkpoint that runs code.
        dtype: of the explanations' arithmetic.

    Raises:
        ModelError: there is no checkpoint, or it is not the one that was dissected.
    """
    by_options = _LOADED.setdefault(run, {})
    options = (weights, trust_pickle, dtype)
    if options not in by_options:
        network = _load(run, weights, trust_pickle=trust_pickle)
        by_options[options] = network, affine_copy(network.module).to(dtype)
    return RunNetwork(run, *by_options[options])


def network_of(run: Run | RunNetwork) -> RunNetwork:
    """Return a run's network, with the default options, or the network that was given."""
    return run if isinstance(run, RunNetwork) else open_network(run)


def _load(run: Run, weights: str | None, *, trust_pickle: bool) -> Network:
    """Load a run's network and compare its digest with the run's."""
    model = run.manifest["model"]
    path = weights or model["weights"]
    if path and not weights and Path(path).is_absolute() and not Path(path).is_file():
        remedy = "Name their new place with --weights"
        raise ModelError("the weights that were dissected are missing", file=path, remedy=remedy)
    seed = cast("int", run.manifest["settings"]["seed"])
    network = load_network(
        model["name"],
        path,
        None,
        weights_key=model["weights_key"],
        trust_pickle=trust_pickle,
        seed=seed,
    )
    if network.digest != model["digest"]:
        raise ModelError(
            "not the weights that were dissected",
            file=path or network.name,
            found=f"digest {network.digest[:12]}…",
            expected=f"{model['digest'][:12]}…, as run {run.name} states",
            remedy="Give the right file with --weights, or ingest again",
        )
    return network
