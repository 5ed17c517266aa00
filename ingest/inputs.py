"""What an ingest runs: one network over the images of a data set, in a fixed order."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ..errors import ConceptGraphError
from ..settings import USUAL_BATCH
from .concept_data.decoding import Clips, batches
from .concept_data.images import normalise
from .engine.device import gpu_gigabytes
from .engine.tensors import channels_last
from .network.affine import fold_batchnorm
from .network.forward import DTYPES, BlockOutputs, block_outputs, check_finite
from .network.preprocessing import chosen_input, image_shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn

    from ..graph.run.manifest import InputShape
    from ..settings import Settings
    from .concept_data.concepts import ConceptData
    from .engine.process_group import ProcessGroup
    from .network.loading import Network


PROBE_SPLIT = "train"
PROBE_SHARE = 0.7
"""Of the images, where they are not split: those that fit the presence probes."""


LEAST_CLIPS = 4
"""Of a batch, if no batch size is given: the permutation null permutes labels within batches."""


class Batch(NamedTuple):
    """Images that go through the network together.

    Attributes:
        number: of the batch in the run.
        first: position of its first image in the run's order.
        images: positions in `data.images`.
    """

    number: int
    first: int
    images: Sequence[int]


def batch_size_for(
    settings: Settings, network: Network, data: ConceptData, device: torch.device
) -> int:
    """Return how many images a forward pass takes."""
    spec = chosen_input(network.architecture.input, settings)
    masks = (image.labelled_height * image.mask_width for image in data.images)
    seen = (spec.frames or 1) * spec.height * spec.width
    size = settings.batch_size_for(len(data.images), max(seen, *masks), gpu_gigabytes(device))
    if spec.frames is None or settings.batch_size is not None:
        return size
    return min(size, max(LEAST_CLIPS, USUAL_BATCH * 224**2 // seen))


class Inputs:
    """A network, and the images it sees.

    Attributes:
        batch_size: images per forward pass.
        order: positions in `data.images`, in the order of the run.
        images: the images in that order.
        shape: what the network is given.
        module: the network, or a faster copy that computes the same, on the device.
    """

    def __init__(
        self,
        network: Network,
        data: ConceptData,
        settings: Settings,
        device: torch.device,
        workers: int,
        shape: InputShape | None = None,
    ) -> None:
        """Fix order, size and network.

        Args:
            network: to run.
            data: the images.
            settings: of the ingest.
            device: to run it on.
            workers: threads that decode images.
            shape: what the network is given; if omitted, as it and the settings state.

        Raises:
            ConceptGraphError: no image is in the threshold split.
        """
        self.network = network
        self.data = data
        self.settings = settings
        self.device = device
        self.workers = workers
        self.batch_size = batch_size_for(settings, network, data, device)
        self.order = self._order()
        self.images = [data.images[number] for number in self.order]
        self.shape = shape or chosen_input(network.architecture.input, settings).shape
        self.module, self._layout = self._on_device()
        self._forward = BlockOutputs(self.module, self._stages(self.module))

    @property
    def threshold_images(self) -> Tensor:
        """Which images fit the thresholds, bool (images,), in run order; on the CPU."""
        split = self.settings.threshold_split
        flags = [split is None or image.split == split for image in self.images]
        return torch.tensor(flags)

    @property
    def probe_images(self) -> int:
        """So many images, the first ones, fit the presence probes; the others are held out."""
        split = self.settings.threshold_split or PROBE_SPLIT
        images = sum(image.split == split for image in self.images)
        return images if 0 < images < len(self.images) else round(PROBE_SHARE * len(self.images))

    def _order(self) -> list[int]:
        """Shuffle the images, seeded; those that anything is fitted on come first."""
        order = np.random.default_rng(self.settings.seed).permutation(len(self.data.images))
        split = self.settings.threshold_split
        wanted = split or PROBE_SPLIT
        unwanted = np.array([self.data.images[number].split != wanted for number in order])
        if split is not None and unwanted.all():
            known = sorted({image.split for image in self.data.images})
            raise ConceptGraphError(
                f"no image is in the split {split!r}", expected="one of " + ", ".join(known)
            )
        return [int(number) for number in order[np.argsort(unwanted, kind="stable")]]

    def _on_device(self) -> tuple[nn.Module, torch.memory_format]:
        """Return the network on the device, in the layout that is the fastest there."""
        layout = channels_last(1 + len(image_shape(self.shape)))
        dtype = DTYPES[self.settings.precision]
        if self.device.type == "cpu":
            module = self._folded()
        else:  # measured on an H100: folding gains nothing in float32 and costs 10 % in bfloat16
            module = copy.deepcopy(self.network.module)
            layout = torch.contiguous_format if dtype == torch.float32 else layout
        return module.to(self.device, dtype).to(memory_format=layout), layout

    def _folded(self) -> nn.Module:
        """Return a copy of the network with batch norms folded in, if that computes the same."""
        plain = self.network.module
        folded = fold_batchnorm(plain)
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(2, *image_shape(self.shape), generator=generator)
        expected = block_outputs(plain, self._stages(plain), images)
        for block, maps in expected.items():
            check_finite(block, maps)
        outputs = block_outputs(folded, self._stages(folded), images)
        same = all(
            torch.allclose(outputs[block], maps, rtol=1e-3, atol=1e-4 * float(maps.abs().max()))
            for block, maps in expected.items()
        )
        return folded if same else copy.deepcopy(plain)

    def _stages(self, module: nn.Module) -> dict[str, nn.Module]:
        architecture = self.network.architecture
        return {block: architecture.stage(module, block) for block in self.settings.blocks}

    def batches(self, group: ProcessGroup | None = None) -> list[Batch]:
        """Return all batches in the order of the run, or those of this rank."""
        size, order = self.batch_size, self.order
        all_batches = [
            Batch(number, first, order[first : first + size])
            for number, first in enumerate(range(0, len(order), size))
        ]
        return all_batches[group.rank :: group.world_size] if group else all_batches

    def decoded(self, wanted: Sequence[Batch]) -> Iterator[tuple[Batch, Tensor]]:
        """Yield batches with their images or clips, as `decoding.batches`; decoded ahead."""
        height, width = self.shape["height"], self.shape["width"]
        images = [self.data.images[number] for batch in wanted for number in batch.images]
        clips = None
        if "frames" in self.shape:
            clips = Clips(self.shape["frames"], [image.frames for image in images])
        pixels = batches(
            [image.path for image in images],
            height,
            width,
            batch_size=self.batch_size,
            workers=self.workers,
            pinned=self.device.type == "cuda",
            clips=clips,
        )
        return zip(wanted, pixels, strict=True)

    def first_images(self, count: int) -> Tensor:
        """Return up to `count` images as the network's input, (images, channels, …)."""
        first = Batch(0, 0, self.order[: min(count, self.batch_size)])
        ((_, pixels),) = self.decoded([first])
        return normalise(pixels.cpu(), self.shape["mean"], self.shape["std"])

    def outputs(self, pixels: Tensor, blocks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Return block outputs of decoded images; several threads may call this at once.

        Args:
            pixels: uint8 (images, height, width, 3), or (clips, frames, height, width, 3).
            blocks: those wanted, all dissected ones if None; the network is run up to the last.
        """
        pixels = pixels.to(self.device, non_blocking=True)
        batch = normalise(pixels, self.shape["mean"], self.shape["std"])
        batch = batch.to(DTYPES[self.settings.precision]).contiguous(memory_format=self._layout)
        return self._forward(batch, blocks)
