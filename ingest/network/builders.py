"""Networks that can be built: torchvision's ResNets by name, and the user's `module:factory`.

A `Builder` makes a module for a number of classes; None leaves the number to it.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable
from contextlib import contextmanager, redirect_stdout
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import ModelError, nearest
from ...graph.run.trust import Factory
from ..engine.light_import import without_compiler
from .clip_networks import SlowR50, resnet3d50
from .published import PUBLISHED_MODELS
from .stated_input import of_weights

with without_compiler():
    from torchvision.models import get_model, get_model_builder, get_model_weights, list_models

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .stated_input import StatedInput

Builder = Callable[[int | None], nn.Module]
OWN: dict[str, Callable[..., nn.Module]] = {"resnet3d50": resnet3d50, "slow_r50": SlowR50}
"""Architectures that torchvision lacks."""
_VIDEO = "video.resnet"
TIMM = "timm:"
"""Before the name of a network of timm's."""
_BODY = re.compile(r"(conv|bn|layer)\d+\.|stem\.|blocks\.[0-4]\.")


def architectures() -> tuple[str, ...]:
    """List the names of torchvision's ResNets, RegNets and ConvNeXts, of images and of clips."""
    return (*_of("resnet"), *_of("regnet"), *_of("convnext"), *_of(_VIDEO), *OWN)


@cache
def _of(family: str) -> tuple[str, ...]:
    module = f"torchvision.models.{family}"
    return tuple(name for name in list_models() if get_model_builder(name).__module__ == module)


def builder(model: str, folder: Path | None = None) -> Builder:
    """Return the builder for an architecture's name or for `module:factory`.

    A factory gets `num_classes` if it takes it.

    Args:
        model: the name. A factory's module is imported now: its code runs.
        folder: where the module is looked for first, before the places where Python looks; None
            means the working directory.

    Raises:
        ModelError: no such name, module or factory; building may raise it for a failing factory.
    """
    if model.startswith(TIMM):
        return _timm(model)
    if ":" in model:
        return _factory(model, folder or Path.cwd())
    if model not in architectures():
        raise ModelError(
            f"unknown model {model!r}",
            expected="a torchvision ResNet, a published model, timm:NAME, or module:factory for "
            "your own",
            remedy=nearest(model, (*architectures(), *PUBLISHED_MODELS)),
        )

    def build(classes: int | None) -> nn.Module:
        if model in OWN:
            return OWN[model]() if classes is None else OWN[model](num_classes=classes)
        module: nn.Module = get_model(model, weights=None, num_classes=classes or 1000)
        return module

    return build


def weights_names(model: str) -> tuple[str, ...]:
    """List torchvision's trained weights for one of `architectures`, with DEFAULT; or none."""
    return () if model in OWN else tuple(get_model_weights(model).__members__)


class PublishedWeights(NamedTuple):
    """Torchvision's weights: the state dict, the class names, and the input they were made for."""

    state: dict[str, Tensor]
    classes: tuple[str, ...]
    stated: StatedInput


def download(model: str, weights: str) -> PublishedWeights:
    """Download torchvision's weights, or take them from its cache.

    Raises:
        ModelError: they cannot be downloaded.
    """
    entry = get_model_weights(model)[weights]
    try:
        state = entry.get_state_dict(progress=False, check_hash=True, weights_only=True)
    # No connection, a full disk, a wrong hash, a damaged cache: the remedy is the same.
    except Exception as error:
        raise ModelError(
            f"torchvision's weights {entry.name} for {model} cannot be downloaded",
            file=entry.url,
            found=f"{type(error).__name__}: {error}",
            remedy="Give a checkpoint with --weights FILE",
        ) from error
    stated = of_weights(entry.transforms(), f"torchvision's weights {entry.name}")
    return PublishedWeights(state, tuple(entry.meta["categories"]), stated)


def fitting_architecture(state: Mapping[str, Tensor]) -> str | None:
    """Return the ResNet with the names and shapes of `state`, the last layer aside."""
    shapes = _body_shapes(state)
    names = (*_of("resnet"), *_of(_VIDEO), *OWN)
    return next((name for name in names if _shapes_of(name) == shapes), None)


@cache
def _shapes_of(name: str) -> dict[str, torch.Size]:
    with torch.device("meta"):  # shapes only: no memory, no initialisation
        return _body_shapes(builder(name)(None).state_dict())


def _body_shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {
        key: tensor.shape
        for key, tensor in state.items()
        if _BODY.match(key) and not key.endswith("num_batches_tracked")
    }


def is_code(model: str) -> bool:
    """Return whether a model is a factory, but for the demo's, which are this package's."""
    if model.startswith(TIMM):
        return False
    return ":" in model and re.fullmatch(r"conceptgraph\.demo\.networks\.\w+:\w+", model) is None


def made_by(model: str) -> Factory | None:
    """Return a factory that was used, with the file of its module; None for any other model."""
    module = sys.modules.get(model.partition(":")[0]) if is_code(model) else None
    file = getattr(module, "__file__", None)  # a notebook has none
    return None if file is None else Factory(model, Path(file).absolute())


def import_folder(factory: Factory) -> Path | None:
    """Return the folder in which Python finds a factory's module as its file."""
    if factory.file is None:
        return None
    parents = factory.model.partition(":")[0].count(".") + (factory.file.stem == "__init__")
    return factory.file.parents[parents]


def _timm(model: str) -> Builder:
    """Return the builder of a network of timm's."""
    timm = _import_timm()
    name = model.removeprefix(TIMM)
    if not timm.is_model(name):
        raise ModelError(
            f"timm {timm.__version__} has no model {name!r}",
            remedy=nearest(name, timm.list_models()),
        )

    def build(classes: int | None) -> nn.Module:
        options = {} if classes is None else {"num_classes": classes}
        module: nn.Module = timm.create_model(name, pretrained=False, **options)
        return module

    return build


def download_timm(model: str) -> dict[str, Tensor]:
    """Download timm's weights of a network, or take them from its cache.

    Raises:
        ModelError: they cannot be downloaded.
    """
    try:
        module = _import_timm().create_model(model.removeprefix(TIMM), pretrained=True)
    except Exception as error:  # whatever the hub's client raises: the remedy is the same
        raise ModelError(
            f"timm's weights for {model} cannot be downloaded",
            found=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            remedy="Give a checkpoint with --weights FILE, or --weights random",
        ) from error
    state: dict[str, Tensor] = module.state_dict()
    return state


def _import_timm() -> Any:  # noqa: ANN401
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise ModelError(
            "timm is not installed", remedy="pip install 'conceptgraph[timm]'"
        ) from error


def _factory(model: str, folder: Path) -> Builder:
    module_name, _, attribute = model.partition(":")
    named = module_name.removesuffix(".py").removeprefix("./").replace("/", ".")  # of a file
    with _importable(folder):
        try:
            with redirect_stdout(sys.stderr):  # stdout is for the answer
                module = importlib.import_module(module_name)
        except Exception as error:
            raise ModelError(
                f"cannot import {module_name!r} for --model {model}",
                found=f"{type(error).__name__}: {error}",
                expected="module:factory, the module in the working directory or installed",
                remedy=f"Write --model {named}:{attribute}" if named != module_name else None,
            ) from error
    try:
        factory = attrgetter(attribute)(module)
    except AttributeError as error:
        known = [name for name in vars(module) if callable(getattr(module, name))]
        raise ModelError(
            f"{module_name!r} has no factory {attribute!r}", remedy=nearest(attribute, known)
        ) from error

    def build(classes: int | None) -> nn.Module:
        with _importable(folder):
            try:
                counted = classes is not None and takes_classes(factory)
                with redirect_stdout(sys.stderr):
                    made = factory(num_classes=classes) if counted else factory()
            except Exception as error:
                raise ModelError(
                    f"the factory {model} failed", found=f"{type(error).__name__}: {error}"
                ) from error
        if not isinstance(made, nn.Module):
            raise ModelError(
                f"the factory {model} returned no network",
                found=f"the type {type(made).__name__}",
                expected="an nn.Module",
            )
        if str(folder) not in sys.path:  # a forward pass may import, too
            sys.path.append(str(folder))
        return made

    return build


def takes_classes(factory: Callable[..., object]) -> bool:
    """Return whether a factory takes the number of classes, as `num_classes`."""
    parameters = inspect.signature(factory).parameters.values()
    return any(p.name == "num_classes" or p.kind is p.VAR_KEYWORD for p in parameters)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
