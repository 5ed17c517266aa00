"""A run's network, ready to be asked about single images.

The only place where a question needs the network itself, and so the only one that asks `ingest`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ..errors import ConceptGraphError, ModelError, QueryError
from ..ingest.concept_data.images import normalise, open_image, to_array
from ..ingest.engine.workers import prefetch
from ..ingest.network.affine import affine_copy, shifts
from ..ingest.network.forward import changing, watching
from ..ingest.network.loading import Network, load_network
from .decomposition import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ..graph.run.reader import Run
    from ..ingest.network.architecture import Head


@dataclass(frozen=True)
class RunNetwork:
    """A run's network, ready to explain images.

    Attributes:
        run: whose units the network has.
        network: checked to be the one that was dissected.
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
        """The last two blocks of the network, as far as the run has them."""
        last = self.network.blocks[-2:]
        return last if last[0] in self.run.blocks else last[1:]

    def stage(self, block: str) -> nn.Module:
        """A block of the affine copy."""
        return self.network.architecture.stage(self.module, block)

    def tail(self, blocks: Sequence[str]) -> Tail:
        """What follows the first of some neighbouring blocks, the last of which is the network's.

        Raises:
            QueryError: these blocks do not follow one another to the network's end.
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
        return Tail(stages, self.head, [shift for stage in stages for shift in shifts(stage)])

    def read(self, image: Path | str) -> Tensor:
        """An image file as the network's input, (1, 3, height, width): upright, squashed."""
        shape = self.run.manifest["input"]
        pixels = to_array(
            open_image(Path(image), exif_transpose=True), shape["height"], shape["width"]
        )
        batch = torch.from_numpy(pixels.copy()).unsqueeze(0)
        return normalise(batch, shape["mean"], shape["std"]).to(self.head.weight.dtype)

    def read_all(self, images: Sequence[Path]) -> Iterator[Tensor | str]:
        """Images as the network's input, in order and read ahead; or why one cannot be read."""

        def read(image: Path) -> Tensor | str:
            try:
                return self.read(image)
            except ConceptGraphError as error:
                return str(error)

        return prefetch(read, images, 2, ahead=64)

    def look(self, batch: Tensor, block: str) -> tuple[Tensor, Tensor]:
        """Logits, (images, classes), and a block's output, (images, units, *grid)."""
        with watching(self.module, {block: self.stage(block)}) as outputs, torch.no_grad():
            logits: Tensor = self.module(batch)
        return logits, outputs[block]

    def check_head(self, accounted: float, logit: float) -> None:
        """Refuse a network whose logits are not what its head makes of its last block's maps.

        Raises:
            ModelError: a logit is another one.
        """
        if abs(accounted - logit) > 1e-3 * max(1.0, abs(logit)):
            raise ModelError(
                f"{self.network.name} does more after its last block than global average pooling "
                "and a linear layer",
                found=f"logit {logit:.6g}",
                expected=f"{accounted:.6g}",
                remedy="Only networks that end so can be explained",
            )

    def changing(
        self, change: Mapping[str, Callable[[Tensor], Tensor]]
    ) -> AbstractContextManager[None]:
        """The network with outputs of blocks changed; as `ingest.network.forward.changing`."""
        return changing({block: self.stage(block) for block in change}, change)


def open_network(
    run: Run,
    *,
    weights: str | None = None,
    trust_pickle: bool = False,
    dtype: torch.dtype = torch.float32,
) -> RunNetwork:
    """Load the network that a run dissected.

    Args:
        run: an open run.
        weights: where the weights lie now, if not where they were.
        trust_pickle: load a checkpoint that runs code.
        dtype: of the accounting.

    Raises:
        ModelError: the weights moved, or are others than those dissected.
    """
    model = run.manifest.get("model", {})
    if not {"weights", "digest"} <= set(model):
        what = f"run {run.name} does not state which network it dissected"
        raise ModelError(what, file=run.path, remedy="Ingest again")
    path = weights or cast("str | None", model["weights"])
    if path and not weights and Path(path).is_absolute() and not Path(path).is_file():
        remedy = "Say with --weights where they are now"
        raise ModelError("the weights that were dissected are gone", file=path, remedy=remedy)
    seed = cast("int", run.manifest["settings"]["seed"])
    network = load_network(
        cast("str", model["name"]), path, None, trust_pickle=trust_pickle, seed=seed
    )
    if network.digest != model["digest"]:
        raise ModelError(
            "not the weights that were dissected",
            file=path or network.name,
            found=f"digest {network.digest[:12]}…",
            expected=f"{str(model['digest'])[:12]}…, as run {run.name} states",
            remedy="Give the right file with --weights, or ingest again",
        )
    return RunNetwork(run, network, affine_copy(network.module).to(dtype))
