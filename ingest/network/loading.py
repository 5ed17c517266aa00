"""Loading a network: architecture, weights and class names, checked against each other.

`load_network` starts from names and files, `as_network` from a module that exists.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ...errors import ModelError, nearest
from .architecture import recognise
from .builders import TIMM, builder, download, download_timm, weights_names
from .class_lists import read_classes
from .matching import match
from .parts import own_tensors
from .published import (
    PUBLISHED_MODELS,
    architecture_of,
    check_rows,
    check_weights,
    list_beside,
    native_input,
)
from .stated_input import of_files_beside
from .weights import check_finite, first_of, read_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...settings import Settings
    from .architecture import Architecture
    from .builders import Builder
    from .matching import Checkpoint
    from .stated_input import StatedInput


@dataclass(frozen=True)
class Network:
    """A network to dissect; nothing in this package changes it.

    Attributes:
        module: in eval mode, float32, without gradients; on the CPU until the caller moves it.
        name: "resnet18", or "package.module:factory".
        classes: one name for each logit.
        architecture: its blocks, its head, its input.
        digest: sha256 over the name and the weights, in hexadecimal.
        weights: file, or torchvision's name, that the weights came from; None if unknown.
        weights_key: the part of the file that was asked for, if any.
        classes_file: file that the class names were given in, if any.
        notes: what a user may not expect of the weights: what was left out of the file, what else
            fits, the normaliser in it.
        linearised: functions after the first dissected block that are linearised at each image;
            with none of them a decomposition is exact.
    """

    module: nn.Module
    name: str
    classes: tuple[str, ...]
    architecture: Architecture
    digest: str
    weights: str | None = None
    weights_key: str | None = None
    classes_file: Path | None = None
    notes: tuple[str, ...] = ()
    linearised: tuple[str, ...] = ()

    @property
    def exactness(self) -> tuple[str, ...]:
        """One line that says which functions are linearised; nothing if none is."""
        if not self.linearised:
            return ()
        names = ", ".join(self.linearised)
        return (f"linearised at each image: {names}; sums still meet the logit",)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of its blocks, in the order in which they run."""
        return self.architecture.blocks

    @property
    def has_head(self) -> bool:
        """Whether it gives logits, of classes that can be explained."""
        return self.architecture.head is not None

    def steps(self, blocks: Sequence[str]) -> list[tuple[str, str | None]]:
        """Return some blocks, in order, each with the next one; the last one with the classes.

        The classes, None, follow only the network's last block, if it has a head.
        """
        to_classes = self.has_head and self.blocks[-1] in blocks
        return [*pairwise(blocks), *([(blocks[-1], None)] if to_classes else [])]

    def stage(self, block: str) -> nn.Module:
        """Return the module whose output is a block.

        Raises:
            ModelError: it has no such block.
        """
        return self.architecture.stage(self.module, block)


class ModuleNames(NamedTuple):
    """What a user says of a network whose modules are not found by themselves.

    Attributes:
        blocks: names of the modules that are its blocks; those that are found if there are none.
        head: name of the layer that gives the logits; the one that is found if None.
        multi_label: whether each class is a decision of its own; as the network states it if None.
    """

    blocks: tuple[str, ...] = ()
    head: str | None = None
    multi_label: bool | None = None

    @classmethod
    def of(cls, settings: Settings) -> ModuleNames:
        """Return what the settings of an ingest say."""
        return cls(settings.modules, settings.head, settings.multi_label)


def _recognise(module: nn.Module, model: str, names: ModuleNames | None) -> Architecture:
    for name, tensor in chain(module.named_parameters(), module.named_buffers()):
        if is_lazy(tensor) or tensor.is_meta:
            raise ModelError(
                f"the weights of {model} have no values",
                found=f"{name} ({type(tensor).__name__} on {tensor.device})",
                expected="a network that can be run: no lazy modules, nothing on the device meta",
            )
    blocks, head, multi_label = names or ModuleNames()
    return recognise(module, model, modules=blocks, head=head, multi_label=multi_label)


def load_network(
    model: str,
    weights: Path | str | None = None,
    classes: Path | str | tuple[str, ...] | None = None,
    *,
    names: ModuleNames | None = None,
    weights_key: str | None = None,
    trust_pickle: bool = False,
    seed: int = 0,
    folder: Path | None = None,
) -> Network:
    """Load a network, with its weights and class names.

    Args:
        model: one of `architectures()` or `PUBLISHED_MODELS`, `timm:NAME`, or `module:factory`.
        weights: a file; a name of torchvision's, as IMAGENET1K_V2; "random" (untrained); None for
            torchvision's default, or for what a factory makes.
        classes: names of the classes in the order of the logits, or a file of them in a form of
            `class_lists`.
        names: of modules, where they are not found by themselves, and what the logits are.
        weights_key: the part of the file to take, if several fit.
        trust_pickle: let a checkpoint run the code that it names.
        seed: of untrained weights.
        folder: where a factory's module is; None means the working directory, or where Python
            imports.

    Raises:
        ModelError: unknown names, unreadable or unfitting weights, a wrong number of classes.
    """
    weights = None if weights is None else str(weights)
    given = classes if isinstance(classes, tuple) else None
    file = Path(classes) if isinstance(classes, (str, Path)) else None
    build = builder(architecture_of(model), folder)
    check_weights(model, weights)
    given = given if file is None else read_classes(file)
    source = _weights(model, weights, trust_pickle)
    module = _build(build, len(given) if given is not None else None, seed)
    beside_names: tuple[str, ...] | None = None
    stated: tuple[StatedInput, ...] = ()
    notes: tuple[str, ...] = ()
    if source is not None:
        architecture = _recognise(module, model, names)
        checkpoint = match(
            source.content,
            module,
            architecture.head,
            model=model,
            origin=weights or "torchvision's weights",
            key=weights_key,
            channels=architecture.input.channels,
        )
        rows = _rows(checkpoint, module, architecture.head)
        check_rows(model, rows, weights)
        beside = list_beside(model, rows, weights)
        beside_names = read_classes(beside) if beside else source.classes
        module = _filled(_build(build, rows, seed), checkpoint, model, weights)
        stated, notes = (*checkpoint.stated, *source.stated), checkpoint.notes
    network = as_network(module, model, given or beside_names, origin=file, names=names)
    return replace(
        network,
        architecture=_with_input(network.architecture, model, stated),
        weights=weights,
        weights_key=weights_key,
        classes_file=file,
        notes=notes,
    )


def _with_input(
    architecture: Architecture, model: str, stated: Sequence[StatedInput]
) -> Architecture:
    """Return an architecture with the input that name and weights state; the first counts most."""
    spec = architecture.input
    everything = list(stated)
    if model in PUBLISHED_MODELS:
        everything.append(PUBLISHED_MODELS[model].stated)
    elif ":" not in model:
        everything.append(native_input(model))
    for source in reversed(everything):
        spec = spec.overridden(source)
    return replace(architecture, input=spec)


def _build(build: Builder, classes: int | None, seed: int) -> nn.Module:
    """Build a module whose random weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build(classes)


def as_network(
    module: nn.Module,
    name: str,
    classes: Sequence[str] | None = None,
    *,
    origin: Path | None = None,
    names: ModuleNames | None = None,
) -> Network:
    """Return a module as a network: in eval mode, float32, on the CPU, without gradients.

    Args:
        module: of a family that `recognise` knows, or any with `names`.
        name: of the network, as runs state it.
        classes: the names of its logits; None numbers them ("class 0", …).
        origin: the file that names came from, for the error.
        names: of modules, where they are not found by themselves, and what the logits are.

    Raises:
        ModelError: stages that are not found, NaN or infinite weights, too many, too few or equal
            names of classes.
    """
    architecture = _recognise(module, name, names)
    rows = architecture.classes_of(module)
    class_names = tuple(classes) if classes else tuple(f"class {i}" for i in range(rows))
    _check_names(class_names, rows, name, origin)
    module = module.eval().float().cpu().requires_grad_(requires_grad=False)
    check_finite(_tensors(module), name)
    return Network(
        module,
        name,
        class_names,
        architecture,
        network_digest(name, module),
    )


def _check_names(names: tuple[str, ...], rows: int, model: str, origin: Path | None) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise ModelError(
            f"class name is duplicated: {first_of(twice)}",
            file=origin,
            expected="each name once",
            remedy="Make them distinct, for example by a number",
        )
    if len(names) != rows:
        raise ModelError(
            f"the class names do not fit {model}",
            file=origin,
            found=f"{len(names)} names",
            expected=f"{rows}, one for each logit",
        )


class _Weights(NamedTuple):
    """What holds the weights, and what is stated beside it.

    Attributes:
        content: of the file, or torchvision's state dict.
        classes: the class names, if the weights are torchvision's.
        stated: what torchvision, or the files beside the weights, state about the input.
    """

    content: object
    classes: tuple[str, ...] | None = None
    stated: tuple[StatedInput, ...] = ()


def _weights(model: str, weights: str | None, trust_pickle: bool) -> _Weights | None:
    """Read the weights; None for those that the network is made with."""
    if model.startswith(TIMM) and weights is None:
        return _Weights(download_timm(model))
    own = ":" in model or model in PUBLISHED_MODELS
    known = () if own else weights_names(model)
    choice = "DEFAULT" if weights is None and known else weights
    if choice is None or choice == "random":
        return None
    if choice in known:
        published = download(model, choice)
        return _Weights(published.state, published.classes, (published.stated,))
    path = Path(choice)
    if not path.exists() and known and not path.suffix:
        raise ModelError(
            f"{model} has no weights {choice!r}, and there is no such file",
            remedy=nearest(choice, ("random", *known)),
        )
    content = read_file(path, trust_pickle=trust_pickle)
    return _Weights(content, stated=tuple(of_files_beside(path)))


def _rows(checkpoint: Checkpoint, module: nn.Module, head: str | None) -> int | None:
    """Return the number of classes that the checkpoint's head has; None without one."""
    if head is None:
        return None
    weight = own_tensors(module, head).head_tensors["weight"]
    return checkpoint.tensors[weight].shape[0]


def _filled(
    module: nn.Module, checkpoint: Checkpoint, model: str, weights: str | None
) -> nn.Module:
    """Load a checkpoint into a network that was made for its number of classes."""
    module = module.float()
    state = _tensors(module)
    for name, tensor in checkpoint.tensors.items():
        if state[name].shape != tensor.shape:
            raise ModelError(
                f"the weights do not fit {model}",
                file=weights,
                found=f"{name} {tuple(tensor.shape)} instead of {tuple(state[name].shape)}",
                remedy="Let its factory take num_classes",
            )
    module.load_state_dict(checkpoint.tensors, strict=False)
    return module


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return its state without batch counters, which eval mode does not read."""
    state: dict[str, object] = module.state_dict()
    return {
        key: value
        for key, value in state.items()
        if isinstance(value, Tensor) and not key.endswith("num_batches_tracked")
    }


def network_digest(name: str, module: nn.Module) -> str:
    """Return the sha256 of a network's name and weights, in hexadecimal."""
    digest = hashlib.sha256(f"{name}\0".encode())
    for key, tensor in sorted(_tensors(module).items()):
        array = tensor.contiguous().numpy()
        digest.update(f"{key}\0{array.dtype}\0{array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
