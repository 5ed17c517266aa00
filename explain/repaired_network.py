"""A network in which a concept is ablated where a probe finds it.

    from network import load

    model = load()
    logits = model(batch)

Needs torch and safetensors, and what the network itself is made with. It reads `network.json` and
`weights.safetensors`, which lie beside it, and runs nothing but the network's own code.
"""

from __future__ import annotations

import importlib
import json
import sys
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import max_pool1d, max_pool2d, max_pool3d

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from PIL import Image

FOLDER = Path(__file__).resolve().parent
CODE = "code"
"""The folder of the network's own code, if it is not installed."""
_MAX_POOLS = (max_pool1d, max_pool2d, max_pool3d)


class Ablation(nn.Module):
    """Replaces some units of a block where a probe finds a concept; a forward hook of the block.

    Attributes:
        probe: (units,), the weights of the presence probe.
        constant: (), its constant; the concept is found where the score is at least 0.
        chosen: bool (units,), those that are replaced.
        value: (units,), what they become there.
        neighbours: whether positions next to those found count as well, diagonally too.
    """

    def __init__(self, units: int, *, neighbours: bool) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.probe: Tensor
        self.constant: Tensor
        self.chosen: Tensor
        self.value: Tensor
        self.register_buffer("probe", torch.zeros(units))
        self.register_buffer("constant", torch.zeros(()))
        self.register_buffer("chosen", torch.zeros(units, dtype=torch.bool))
        self.register_buffer("value", torch.zeros(units))

    def positions(self, output: Tensor) -> Tensor:
        """Return where the units are replaced, bool (images, 1, *grid).

        Args:
            output: of the block, (images, units, *grid).
        """
        scores = torch.einsum("iu...,u->i...", output, self.probe.to(output.dtype))
        found = (scores + self.constant.to(output.dtype) >= 0).unsqueeze(1)
        if not self.neighbours:
            return found
        return _MAX_POOLS[output.ndim - 3](found.float(), 3, stride=1, padding=1) > 0

    def forward(self, stage: nn.Module, inputs: object, output: Tensor) -> Tensor:
        """Return the block's output with the units replaced; anywhere else it is as it was."""
        shape = (1, -1, *(output.ndim - 2) * (1,))
        replaced = self.positions(output) & self.chosen.view(shape)
        return torch.where(replaced, self.value.to(output.dtype).view(shape), output)


class RepairedNetwork(nn.Module):
    """A network with ablations; it takes and returns what the network does.

    Attributes:
        network: as it was.
        ablations: one for each block that is changed.
        classes: the names of the logits.
    """

    def __init__(self, network: nn.Module, record: Mapping[str, Any]) -> None:
        """Put ablations into a network.

        Args:
            network: whose weights may be any.
            record: the content of `network.json`.
        """
        super().__init__()
        self.network = network
        self.classes: list[str] = record["classes"]
        self.ablations = nn.ModuleList()
        for row in record["ablations"]:
            ablation = Ablation(row["units"], neighbours=row["neighbours"])
            self.ablations.append(ablation)
            network.get_submodule(row["module"]).register_forward_hook(ablation)

    def forward(self, *inputs: Any, **options: Any) -> Any:  # noqa: ANN401
        """Run the network."""
        return self.network(*inputs, **options)


def load(folder: Path | str = FOLDER) -> RepairedNetwork:
    """Load the network: in eval mode, float32, on the CPU."""
    record = _record(folder)
    with torch.random.fork_rng(devices=[]):
        model = RepairedNetwork(_build(record["model"], Path(folder)).float(), record)
    model.load_state_dict(load_file(Path(folder) / "weights.safetensors"))
    return model.eval().requires_grad_(requires_grad=False)


def preprocess(image: Image.Image, folder: Path | str = FOLDER) -> Tensor:
    """Return a photograph as the network takes it, float32 (1, channels, height, width).

    It is resized whole, or its shorter side is resized and the center cropped, as `network.json`
    says; then its colors are normalised.
    """
    import numpy as np
    from PIL import ImageOps
    from PIL.Image import Resampling

    shape = _record(folder)["input"]
    image = ImageOps.exif_transpose(image).convert("RGB")
    kind = Resampling[shape["interpolation"].upper()]
    width, height, resize = shape["width"], shape["height"], shape["resize"]
    if resize is None:
        image = image.resize((width, height), kind)
    else:
        across, down = (int(resize * side / min(image.size)) for side in image.size)
        image = image.resize((across, down), kind)
        left, top = round((image.width - width) / 2), round((image.height - height) / 2)
        image = image.crop((left, top, left + width, top + height))
    image = image.convert("L") if len(shape["mean"]) == 1 else image
    pixels = torch.from_numpy(np.array(image)).view(height, width, -1).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(shape[name]).view(-1, 1, 1) for name in ("mean", "std"))
    return ((pixels - mean) / std).unsqueeze(0)


def _record(folder: Path | str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((Path(folder) / "network.json").read_text("utf-8"))
    return content


def _build(model: Mapping[str, Any], folder: Path) -> nn.Module:
    """Build the network, with weights that are replaced later."""
    built: nn.Module
    if model["from"] == "torchvision":
        from torchvision.models import get_model

        built = get_model(model["name"], weights=None, **model["options"])
    elif model["from"] == "timm":
        from timm import create_model

        built = create_model(model["name"], pretrained=False, **model["options"])
    else:
        name, _, factory = model["name"].partition(":")
        with _importable(folder / CODE):
            built = attrgetter(factory)(importlib.import_module(name))(**model["options"])
    return built


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Import from a folder first; modules of the same names, such as this one, are put away."""
    if not folder.is_dir():
        yield
        return
    tops = {path.stem for path in folder.iterdir()}
    put_away = {n: module for n, module in sys.modules.items() if n.partition(".")[0] in tops}
    for name in put_away:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        had = {name.partition(".")[0] for name in put_away}
        for name in [name for name in sys.modules if name.partition(".")[0] in had]:
            del sys.modules[name]
        sys.modules.update(put_away)
