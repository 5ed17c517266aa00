"""The manifest of a run: everything that says where its numbers come from."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..engine.device import device_name
from ..network.preprocessing import chosen_input

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ...graph.run.manifest import BlockShape, InputShape, RunFacts
    from ...graph.run.reader import Run
    from ...settings import Settings
    from ..concept_data.concepts import ConceptData
    from ..concept_data.quantile import QuantileChoice
    from ..dissection.cells import Grid
    from ..engine.process_group import ProcessGroup
    from ..inputs import Inputs
    from ..network.loading import Network
    from ..statistics.names import WrongNames

_PACKAGES = ("conceptgraph", "torch", "torchvision", "numpy", "pillow", "simplejpeg", "imagecodecs")


def manifest(
    inputs: Inputs,
    grids: Mapping[str, Grid],
    timings: Mapping[str, float],
    names: WrongNames,
    created: datetime,
    quantile: QuantileChoice,
) -> RunFacts:
    """Return the manifest's content; paths are absolute, so that `why` finds the network again."""
    settings, network, data = inputs.settings, inputs.network, inputs.data
    return {
        "created": created.isoformat(timespec="seconds"),
        "settings": settings.as_dict(),
        "settings_digest": settings.digest,
        "min_iou": settings.min_iou,
        "quantile": quantile.quantile,
        "quantile_reason": quantile.reason,
        "model": {
            "name": network.name,
            "weights": _absolute(network.weights),
            "weights_key": network.weights_key,
            "weights_notes": list(network.notes),
            "linearised": list(network.linearised),
            "classes": str(network.classes_file.resolve()) if network.classes_file else None,
            "digest": network.digest,
        },
        "input": inputs.shape,
        "data": {
            "folder": str(data.folder.resolve()),
            "digest": data.digest,
            "images": len(data.images),
            "dropped": list(data.dropped),
            "concepts": len(data.concepts),
            "categories": list(data.categories),
        },
        "blocks": {block: block_shape(grid) for block, grid in grids.items()},
        "device": device_name(inputs.device),
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in _PACKAGES},
        },
        "timings": dict(timings),
        "names": {"given": names.given, "wrong": names.wrong},
    }


def block_shape(grid: Grid) -> BlockShape:
    """Return what the manifest states of a block's maps."""
    shape: BlockShape = {"units": grid.units, "height": grid.height, "width": grid.width}
    return shape if grid.times is None else {**shape, "times": grid.times}


def ingest_facts(
    settings: Settings,
    network: Network,
    data: ConceptData,
    device: torch.device,
    group: ProcessGroup,
) -> dict[str, object]:
    """Return all that must stay the same for an ingest to be resumed, by what it is called."""
    shape = chosen_input(network.architecture.input, settings).shape
    return {
        **_facts(settings.as_dict(), network.digest, data.digest, network.classes, shape),
        "state of an image or mask file": data.state,
        "list of images that cannot be read": list(data.dropped),
        "number of processes": group.world_size,
        "kind of device": _kind(device),
        **{f"version of {package}": version(package) for package in _PACKAGES},
    }


def run_facts(run: Run) -> dict[str, object]:
    """Return those of them that a complete run states."""
    network, data = run.manifest["model"]["digest"], run.manifest["data"]["digest"]
    classes = [str(name) for name in run.classes["name"]]
    shape = run.manifest["input"]
    return _facts(run.manifest["settings"], str(network), str(data), classes, shape)


def _facts(
    settings: Mapping[str, object],
    network: str,
    data: str,
    classes: Sequence[str],
    shape: InputShape,
) -> dict[str, object]:
    return {
        **{name.replace("_", "-"): value for name, value in settings.items()},
        "network (digest of its weights)": network,
        "list of classes (digest)": hashlib.sha256("\n".join(classes).encode()).hexdigest(),
        "data set (digest)": data,
        "input of the network": {key: value for key, value in shape.items() if key != "source"},
    }


def _kind(device: torch.device) -> str:
    """Return the kind of device; those of one kind compute the same, to the last digit."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.backends.cpu.get_cpu_capability()}"


def _absolute(weights: str | None) -> str | None:
    """Return a weights file by its whole path; a name stays a name."""
    if weights is not None and Path(weights).is_file():
        return str(Path(weights).resolve())
    return weights
