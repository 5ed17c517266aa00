"""The manifest of a run: everything that says where its numbers come from."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..engine.device import device_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ...graph.run.files import InputShape, Manifest
    from ...graph.run.reader import Run
    from ...settings import Settings
    from ..concept_data.concepts import ConceptData
    from ..dissection.cells import Grid
    from ..engine.process_group import ProcessGroup
    from ..inputs import Source
    from ..network.loading import Network

_PACKAGES = ("conceptgraph", "torch", "torchvision", "numpy", "pillow", "simplejpeg", "imagecodecs")


def manifest(
    source: Source,
    settings: Settings,
    network: Network,
    data: ConceptData,
    grids: Mapping[str, Grid],
    shape: InputShape,
    *,
    device: torch.device,
    timings: Mapping[str, float],
    created: datetime,
) -> Manifest:
    """The manifest's content; paths are absolute, so that `why` finds the network again."""
    return {
        "created": created.isoformat(timespec="seconds"),
        "settings": settings.as_dict(),
        "settings_digest": settings.digest,
        "min_iou": settings.min_iou,
        "model": {
            "name": network.name,
            "weights": _absolute(source.weights),
            "classes": str(source.classes.resolve()) if source.classes else None,
            "digest": network.digest,
        },
        "input": shape,
        "data": {
            "folder": str(data.folder.resolve()),
            "digest": data.digest,
            "images": len(data.images),
            "concepts": len(data.concepts),
            "categories": list(data.categories),
        },
        "blocks": {
            block: {"units": grid.units, "height": grid.height, "width": grid.width}
            for block, grid in grids.items()
        },
        "device": device_name(device),
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in _PACKAGES},
        },
        "timings": dict(timings),
    }


def facts_of(
    settings: Settings,
    network: Network,
    data: ConceptData,
    device: torch.device,
    team: ProcessGroup,
) -> dict[str, object]:
    """All that must stay the same for an ingest to be gone on with, by what it is called."""
    return {
        **_known(settings.as_dict(), network.digest, data.digest, network.classes),
        "mean and deviation of colors": [list(each) for each in network.architecture.input[3:]],
        "state of an image or mask file": data.state,
        "number of processes": team.world_size,
        "kind of device": _kind(device),
        **{f"version of {package}": version(package) for package in _PACKAGES},
    }


def facts_of_run(run: Run) -> dict[str, object]:
    """Those of them that a complete run states."""
    network, data = run.manifest["model"]["digest"], run.manifest["data"]["digest"]
    classes = [str(name) for name in run.classes["name"]]
    return _known(run.manifest["settings"], str(network), str(data), classes)


def _known(
    settings: Mapping[str, object], network: str, data: str, classes: Sequence[str]
) -> dict[str, object]:
    return {
        **{name.replace("_", "-"): value for name, value in settings.items()},
        "network (digest of its weights)": network,
        "list of classes (digest)": hashlib.sha256("\n".join(classes).encode()).hexdigest(),
        "data set (digest)": data,
    }


def _kind(device: torch.device) -> str:
    """Devices of one kind compute the same, to the last digit."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.backends.cpu.get_cpu_capability()}"


def _absolute(weights: str | None) -> str | None:
    """A weights file by its whole path; a name stays a name."""
    if weights is not None and Path(weights).is_file():
        return str(Path(weights).resolve())
    return weights
