"""A network under study: architecture, weights and class names, brought together and checked.

`load_network` is the way in from names and files, `as_network` from a module that exists.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...errors import ModelError, nearest
from .builders import builder, download, fitting_architecture, weights_names
from .published import (
    NAMED_MODELS,
    architecture_of,
    check_rows,
    check_weights,
    class_names,
    list_beside,
)
from .weights import check_finite, first_of, plain_state, read_checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Network:
    """A network under study; nothing in this package alters it.

    Attributes:
        module: in eval mode, float32, without gradients; on the CPU until the caller moves it.
        name: "resnet18", or "package.module:factory".
        classes: one name for each row of `fc`.
        mean: of inputs in [0, 1], red, green, blue.
        std: likewise.
        digest: sha256 over the name and the weights, in hexadecimal.
    """

    module: nn.Module
    name: str
    classes: tuple[str, ...]
    mean: Channels
    std: Channels
    digest: str

    @property
    def blocks(self) -> tuple[str, ...]:
        """Its blocks, "block1" first: the children `layer1`, `layer2`, … as far as they go."""
        return _blocks(self.module)

    @property
    def fc(self) -> nn.Linear:
        """The final layer, from the means of the last block's maps to the logits."""
        return _final_layer(self.module, self.name)

    def stage(self, block: str) -> nn.Module:
        """The module whose output is a block: "block4" is `layer4`.

        Raises:
            ModelError: it has no such block.
        """
        if block not in self.blocks:
            raise ModelError(
                f"{self.name} has no block {block!r}", remedy=nearest(block, self.blocks)
            )
        return self.module.get_submodule(block.replace("block", "layer"))


def load_network(
    model: str,
    weights: str | None = None,
    classes: Path | None = None,
    *,
    trust_pickle: bool = False,
    seed: int = 0,
) -> Network:
    """Build a network, fill it with weights, name its classes.

    Args:
        model: one of `architectures()` or `NAMED_MODELS`, or `module:factory`. A factory's network
            must run `layer1`, `layer2`, … one after another, pool, and end in a Linear `fc`; its
            attributes `mean` and `std`, if any, replace ImageNet's.
        weights: a file; a name of torchvision's, as IMAGENET1K_V2; "random" (untrained); None for
            torchvision's default, or for what a factory makes.
        classes: a text file of class names, one a line, in the order of the logits.
        trust_pickle: let a checkpoint run the code that it names.
        seed: of untrained weights.

    Raises:
        ModelError: unknown names, unreadable or unfitting weights, a wrong number of classes.
    """
    build = builder(architecture_of(model))
    check_weights(model, weights)
    given = None if classes is None else _names(model, classes)
    state, names = _weights(model, weights, trust_pickle)
    rows = len(given) if given is not None else None
    if state is not None and "fc.weight" in state and state["fc.weight"].ndim == 2:
        rows = state["fc.weight"].shape[0]
        check_rows(model, rows, weights)
        beside = list_beside(model, rows, weights)
        names = _names(model, beside) if beside else names
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        module = build(rows)
    if state is not None:
        _final_layer(module, model)
        _fill(module.float(), state, model, weights or "torchvision's weights")
    return as_network(module, model, given or names, origin=classes)


def as_network(
    module: nn.Module,
    name: str,
    classes: Sequence[str] | None = None,
    *,
    origin: Path | None = None,
) -> Network:
    """Take a module under study: it is set to eval mode, float32, CPU and no gradients.

    Args:
        module: with children `layer1`, `layer2`, … and a Linear `fc`.
        name: what runs made with it will call it.
        classes: the names of its logits; None numbers them ("class 0", …).
        origin: the file that names came from, for the error.

    Raises:
        ModelError: other children, NaN or infinite weights, too many, too few or equal names.
    """
    rows = _final_layer(module, name).out_features
    names = tuple(classes) if classes else tuple(f"class {i}" for i in range(rows))
    _check_names(names, rows, name, origin)
    module = module.eval().float().cpu().requires_grad_(requires_grad=False)
    check_finite(_tensors(module), name)
    return Network(
        module,
        name,
        names,
        _channels(module, "mean", IMAGENET_MEAN),
        _channels(module, "std", IMAGENET_STD),
        _digest(name, module),
    )


def read_classes(path: Path) -> tuple[str, ...]:
    """Class names from a text file, one a line; blank lines and outer spaces are dropped.

    Raises:
        ModelError: no such file, not UTF-8, or no names.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            "cannot be read as class names",
            file=path,
            found=f"{type(error).__name__}: {error}",
            expected="a UTF-8 text file, one name a line",
        ) from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise ModelError("names no classes", file=path, expected="one name a line")
    return names


def _names(model: str, path: Path) -> tuple[str, ...]:
    return class_names(model, read_classes(path), path)


def _check_names(names: tuple[str, ...], rows: int, model: str, origin: Path | None) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise ModelError(
            f"a class is named twice: {first_of(twice)}",
            file=origin,
            expected="each name once",
            remedy="Tell them apart, for example by a number",
        )
    if len(names) != rows:
        raise ModelError(
            f"the class names do not fit {model}",
            file=origin,
            found=f"{len(names)} names",
            expected=f"{rows}, one for each row of fc",
        )


def _weights(
    model: str, weights: str | None, trust_pickle: bool
) -> tuple[dict[str, Tensor] | None, tuple[str, ...] | None]:
    """The state dict to load, if any, and torchvision's class names, if it is torchvision's."""
    own = ":" in model or model in NAMED_MODELS
    known = () if own else ("random", *weights_names(model))
    choice = "DEFAULT" if weights is None and known else weights
    if choice is None or (known and choice == "random"):
        return None, None
    if choice in known:
        state, names = download(model, choice)
        return plain_state(state), names
    path = Path(choice)
    if not path.exists() and known and not path.suffix:
        raise ModelError(
            f"{model} has no weights {choice!r}, and there is no such file",
            remedy=nearest(choice, known),
        )
    return read_checkpoint(path, trust_pickle=trust_pickle), None


def _fill(module: nn.Module, state: Mapping[str, Tensor], model: str, origin: str) -> None:
    """Load `state`, which must have every name in `module`, no other, and the same shapes."""
    wanted = _tensors(module)
    missing = [key for key in wanted if key not in state]
    unexpected = [key for key in state if key not in wanted]
    reshaped = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in state and state[key].shape != tensor.shape
    ]
    by_kind = {"missing": missing, "unexpected": unexpected, "of another shape": reshaped}
    problems = [
        f"{len(keys)} keys {kind}: {first_of(keys)}" for kind, keys in by_kind.items() if keys
    ]
    if problems:
        fitting = fitting_architecture(state)
        raise ModelError(
            f"the weights do not fit {model}",
            file=origin,
            found="; ".join(problems),
            remedy=f"They fit --model {fitting}" if fitting not in (None, model) else None,
        )
    module.load_state_dict(state, strict=False)


def _blocks(module: nn.Module) -> tuple[str, ...]:
    names: list[str] = []
    while isinstance(getattr(module, f"layer{len(names) + 1}", None), nn.Module):
        names.append(f"block{len(names) + 1}")
    return tuple(names)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """What counts of its state: not the batch counters, which eval mode does not read."""
    state: dict[str, object] = module.state_dict()
    return {
        key: value
        for key, value in state.items()
        if isinstance(value, Tensor) and not key.endswith("num_batches_tracked")
    }


def _final_layer(module: nn.Module, name: str) -> nn.Linear:
    layer = getattr(module, "fc", None)
    if isinstance(layer, nn.Linear) and _blocks(module):
        return layer
    raise ModelError(
        f"{name} is not a network that can be dissected",
        found=f"the children {first_of([child for child, _ in module.named_children()], 12)}",
        expected="layer1, layer2, … one after another, and a final nn.Linear called fc",
    )


def _channels(module: nn.Module, attribute: str, default: Channels) -> Channels:
    """Three numbers from a module's attribute: a sequence or a tensor of any shape."""
    value = getattr(module, attribute, None)
    if value is None:
        return default
    try:
        red, green, blue = torch.as_tensor(value, dtype=torch.float64).flatten().tolist()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"the network's attribute {attribute!r} is of no use",
            found=repr(value)[:80],
            expected="three numbers: red, green, blue, of inputs in [0, 1]",
        ) from error
    return red, green, blue


def _digest(name: str, module: nn.Module) -> str:
    digest = hashlib.sha256(f"{name}\0".encode())
    for key, tensor in sorted(_tensors(module).items()):
        array = tensor.contiguous().numpy()
        digest.update(f"{key}\0{array.dtype}\0{array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
