"""The folder of a repaired network, which runs without this package.

`network.py` (the module `repaired_network`, as it is), `network.json`, `weights.safetensors`; under
`code/` the user's own modules that make the network. What is written is run in a fresh process in
which this package cannot be imported, before anybody is given it.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from contextlib import contextmanager, redirect_stdout
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from ..errors import ModelError
from ..graph.run.trust import Factory
from ..ingest.network.builders import TIMM, import_folder, is_code, takes_classes
from ..ingest.network.forward import running
from ..ingest.network.published import architecture_of
from . import repaired_network
from .repaired_network import CODE, RepairedNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .network import RunNetwork
    from .repaired_network import Ablation

_PACKAGE = "conceptgraph"
_SECONDS = 600
_ALONE = f"""
import sys
sys.modules[{_PACKAGE!r}] = None
sys.path.insert(0, sys.argv[1])
from network import load
from safetensors.torch import load_file, save_file
outputs = load()(load_file(sys.argv[2])["images"])
save_file({{"outputs": outputs.contiguous()}}, sys.argv[3])
"""


def write_network(network: RunNetwork, ablations: Mapping[str, Ablation], folder: Path) -> None:
    """Write a network with ablations by block into an empty folder.

    Raises:
        ModelError: its weights or the code that makes it cannot be written so that it is made anew.
    """
    stages = network.network.architecture.stages
    record = {
        "model": _model(network, folder),
        "classes": network.class_names,
        "input": network.run.manifest["input"],
        "ablations": [
            {
                "block": block,
                "module": stages[block],
                "units": len(ablation.probe),
                "neighbours": ablation.neighbours,
            }
            for block, ablation in ablations.items()
        ],
    }
    state = {f"network.{key}": value for key, value in network.network.module.state_dict().items()}
    for number, ablation in enumerate(ablations.values()):
        state |= {f"ablations.{number}.{key}": v for key, v in ablation.state_dict().items()}
    if odd := [key for key, value in state.items() if not isinstance(value, Tensor)]:
        raise ModelError(
            f"{network.network.name} keeps more than tensors in its state", found=odd[0]
        )
    weights = {key: value.detach().clone().contiguous() for key, value in state.items()}
    (folder / "weights.safetensors").write_bytes(save(weights))
    (folder / "network.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    shutil.copyfile(Path(repaired_network.__file__), folder / "network.py")


def load_written(folder: Path) -> RepairedNetwork:
    """Load a network as its files make it.

    Raises:
        ModelError: they do not.
    """
    with _no_bytecode(), redirect_stdout(sys.stderr):
        try:
            spec = importlib.util.spec_from_file_location("_repaired", folder / "network.py")
            if spec is None or spec.loader is None:
                raise ImportError("network.py")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            made: RepairedNetwork = module.load(folder)
        except Exception as error:  # whatever the user's code raises
            raise _not_alone(f"{type(error).__name__}: {error}") from error
    return made


def outputs_of(model: RepairedNetwork, batch: Tensor, classes: int) -> Tensor:
    """Return what a written network gives, (images, classes).

    Raises:
        ModelError: it gives anything else, or raises.
    """
    with torch.no_grad(), running(model.network):
        outputs = model(batch.float())
    if not isinstance(outputs, Tensor) or outputs.shape != (len(batch), classes):
        shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ModelError(
            "the network returns no logits alone",
            found=shape,
            expected=f"a tensor (images, {classes})",
        )
    return outputs


def check_alone(folder: Path, images: Tensor, expected: Tensor) -> None:
    """Run a written network in a fresh process without this package, and compare.

    Args:
        folder: of the network.
        images: float32 (images, channels, height, width).
        expected: its outputs here.

    Raises:
        ModelError: it cannot be loaded there, or gives something else.
    """
    with TemporaryDirectory() as scratch:
        given, got = (str(Path(scratch) / name) for name in ("images", "outputs"))
        save_file({"images": images.float().contiguous()}, given)
        command = [sys.executable, "-B", "-c", _ALONE, str(folder.resolve()), given, got]
        installed = os.pathsep.join(path for path in sys.path if path.endswith("-packages"))
        try:
            done = subprocess.run(  # noqa: S603
                command,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
                cwd=scratch,
                env={**os.environ, "PYTHONPATH": installed},
            )
        except subprocess.TimeoutExpired as error:
            raise _not_alone(f"no answer of a fresh process in {_SECONDS} seconds") from error
        if done.returncode:
            raise _not_alone((done.stderr.strip().splitlines() or ["no message"])[-1])
        outputs = load_file(got)["outputs"]
    if not torch.allclose(outputs, expected, rtol=1e-3, atol=1e-4):
        difference = float((outputs - expected).abs().max())
        raise _not_alone(f"outputs that differ by {difference:.3g} in a fresh process")


def _not_alone(found: str) -> ModelError:
    return ModelError(
        "the repaired network does not run by itself",
        found=found,
        remedy="The factory's module may import installed packages, and modules in its own folder",
    )


@contextmanager
def _no_bytecode() -> Iterator[None]:
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _model(network: RunNetwork, folder: Path) -> dict[str, Any]:
    """Return how the network is made; copy the code that makes it, unless that is installed."""
    name = network.network.name
    options = {"num_classes": len(network.class_names)}
    if name.startswith(TIMM):
        return {"from": "timm", "name": name.removeprefix(TIMM), "options": options}
    if ":" not in name:
        return {"from": "torchvision", "name": architecture_of(name), "options": options}
    module, _, factory = name.partition(":")
    if not takes_classes(attrgetter(factory)(sys.modules[module])):
        options = {}
    path = getattr(sys.modules[module], "__file__", None)
    if path is None:
        raise _not_alone(f"{module!r}, which is in no file")
    file = Path(path).resolve()
    if is_code(name) and _is_installed(file):
        return {"from": "code", "name": name, "options": options}
    if not is_code(name):  # this package's own, which stands alone
        module, root = module.rpartition(".")[2], file.parent
    else:
        root = (import_folder(Factory(name, file)) or file.parent).resolve()
    for source in _local_files(file, root):
        target = folder / CODE / source.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return {"from": "code", "name": f"{module}:{factory}", "options": options}


def _is_installed(file: Path) -> bool:
    """Return whether a module's file belongs to an installed package, or to Python."""
    folders = (Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib"))
    return any(file.is_relative_to(folder) for folder in folders)


def _local_files(file: Path, root: Path) -> list[Path]:
    """Return a module's file and those in its folder that it imports, directly or not."""
    found, waiting = set[Path](), [file]
    while waiting:
        source = waiting.pop()
        if source in found:
            continue
        found.add(source)
        parents = source.relative_to(root).parts[:-1]
        names = [".".join(parents[: depth + 1]) for depth in range(len(parents))]
        names += _imports(ast.parse(source.read_bytes()), parents)
        waiting += [path for name in names for path in _files_of(name, root)]
    return sorted(found)


def _imports(tree: ast.Module, package: tuple[str, ...]) -> list[str]:
    """Return the dotted names that a module of a package may import."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}".lstrip(".") for alias in node.names)]
    return [name for name in names if name.partition(".")[0] not in {"", _PACKAGE}]


def _files_of(name: str, root: Path) -> Iterator[Path]:
    """Yield the files under a folder that are run when a dotted name is imported."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        base = root.joinpath(*parts[:depth])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file() and path.resolve().is_relative_to(root):
                yield path
