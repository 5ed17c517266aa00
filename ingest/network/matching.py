"""The part of a checkpoint that is the network: its names after one prefix, with its shapes.

1. Every tensor in the file gets a name that begins with the keys of its wrappers.
2. A *part* is a prefix after which names of the network follow: `state_dict.module.encoder_q.`. It
   fits if it has all of the network's tensors but the head's, in their shapes, and nothing more
   inside of the network's children: a ResNet-34 has all that a ResNet-18 has.
3. Its head is one linear layer of any number of classes, under the network's or a usual name.
4. Of several parts that fit, equal ones are one, and moving averages (`AVERAGES`) stand back.
5. What else the file holds is left out, and listed. A normaliser states the input's mean and std,
   and counts more than the options beside the weights, which state the input, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import ModelError
from .builders import fitting_architecture
from .heads import HeadMatch, find_head
from .normalisers import find_normaliser
from .parts import Part, beside, find_parts, is_counter, misfits, own_tensors, same, shared_pieces
from .state_dicts import metadata_of, tensors_in
from .stated_input import of_checkpoint
from .weights import check_finite, first_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from .normalisers import Normaliser
    from .parts import OwnTensors
    from .state_dicts import Entry
    from .stated_input import StatedInput

AVERAGES = re.compile(
    r"(^|[^a-z])(ema|swa|averaged?|avg|shadow|momentum|encoder_k|key_encoder|target)", re.IGNORECASE
)
"""Names of moving averages of the weights, and of the encoders that self-supervision averages."""


class Checkpoint(NamedTuple):
    """What a file has for a network.

    Attributes:
        tensors: by the network's names, floating point as float32, on the CPU.
        key: the part of the file that they are from, such as "state_dict.module".
        left_out: what is in the file and not used, by groups.
        others: keys of other parts that fit, which `key` chooses.
        stated: what a normaliser, and then the options beside the weights, state about the input.
    """

    tensors: dict[str, Tensor]
    key: str
    left_out: tuple[str, ...]
    others: tuple[str, ...]
    stated: tuple[StatedInput, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what a user may not expect, a line each."""
        notes = []
        if self.left_out:
            notes.append(f"checkpoint: left out {', '.join(self.left_out)}")
        if self.others:
            others = " or ".join(map(_shown, self.others))
            notes.append(
                f"checkpoint: weights from {_shown(self.key)}; with --weights-key from {others}"
            )
        return tuple(notes)


class _Fit(NamedTuple):
    """A part that fits, with its head."""

    part: Part
    head: HeadMatch

    @property
    def paths(self) -> dict[str, str]:
        """By the network's names, the tensors' names in the file."""
        return self.part.paths | self.head.paths


def match(
    content: object,
    module: nn.Module,
    head: str | None,
    *,
    model: str,
    origin: Path | str,
    key: str | None = None,
    channels: int = 3,
) -> Checkpoint:
    """Find a network's weights in what a file holds.

    Args:
        content: of the file: mappings, sequences and modules inside each other.
        module: the network, with any number of classes.
        head: the name of its linear layer; None if it has none.
        model: what messages call it.
        origin: the file, for errors.
        key: the part to take; None if only one fits, or only one that is no moving average.
        channels: of an image.

    Raises:
        ModelError: no part fits, several do, NaN or infinite weights.
    """
    entries = tensors_in(content)
    if not entries:
        raise ModelError(
            "holds no state dict",
            file=origin,
            found=_outline(content),
            expected="names and tensors, alone or wrapped",
        )
    search = _Search(entries, own_tensors(module, head), model, origin)
    fits = search.fits(key)
    fit, others = search.choose(fits)
    tensors = {name: _float32(entries[path].tensor) for name, path in fit.paths.items()}
    check_finite(tensors, origin)
    normaliser = find_normaliser(fit.part, entries, channels, origin)
    file = Path(origin).name
    metadata = metadata_of(content, _holder(fit, entries))
    return Checkpoint(
        tensors,
        fit.part.key,
        _left_out(fit, fits, entries, normaliser),
        others,
        (*([normaliser.stated(file)] if normaliser else []), *of_checkpoint(metadata, file)),
    )


@dataclass(frozen=True)
class _Search:
    """One network sought in one file."""

    entries: Mapping[str, Entry]
    own: OwnTensors
    model: str
    origin: Path | str

    def fits(self, key: str | None) -> list[_Fit]:
        """Return the parts that fit; with a key, those that it names."""
        parts = find_parts(self.entries, self.own)
        whole = [part for part in parts if self.own.body.keys() <= part.paths.keys()]
        fitting = [part for part in whole if not misfits(part, self.entries, self.own, whole)]
        if not fitting:
            raise self._misfit(parts, whole)
        if key is not None:
            fitting = self._keyed(fitting, key)
        if not self.own.head:
            return [_Fit(part, HeadMatch({})) for part in fitting]
        fits = [_Fit(part, find_head(part, self.entries, self.own)) for part in fitting]
        with_head = [fit for fit in fits if fit.head.paths]
        if not with_head:
            raise self._headless(fits[0])
        return with_head

    def choose(self, fits: Sequence[_Fit]) -> tuple[_Fit, tuple[str, ...]]:
        """Return the part to take, and the keys of others: moving averages."""
        distinct: list[_Fit] = []
        for fit in sorted(fits, key=lambda fit: (self._is_average(fit), len(fit.part.prefix))):
            if not any(self._equal(fit, known) for known in distinct):
                distinct.append(fit)
        first = [fit for fit in distinct if not self._is_average(fit)] or distinct
        if len(first) > 1:
            keys = [_shown(fit.part.key) for fit in first]
            raise ModelError(
                f"{len(keys)} parts of the file fit {self.model}",
                file=self.origin,
                found=first_of(keys, 6),
                expected="one",
                remedy=f"Choose with --weights-key, such as --weights-key {keys[0]}",
            )
        return first[0], tuple(fit.part.key for fit in distinct if fit is not first[0])

    def _keyed(self, fitting: Sequence[Part], key: str) -> list[Part]:
        """Return the part with a key, or those inside of it."""
        wanted = key.rstrip(".")
        chosen = [part for part in fitting if part.key == wanted]
        chosen = chosen or [part for part in fitting if part.prefix.startswith(f"{wanted}.")]
        if not chosen:
            raise ModelError(
                f"no part {key!r} fits {self.model}",
                file=self.origin,
                expected="--weights-key " + " or ".join(_shown(part.key) for part in fitting),
            )
        return chosen

    def _equal(self, fit: _Fit, other: _Fit) -> bool:
        return all(
            same(self.entries[path].tensor, self.entries[other.paths[name]].tensor)
            for name, path in fit.paths.items()
        )

    def _is_average(self, fit: _Fit) -> bool:
        counter = ".".join((*_holder(fit, self.entries), "n_averaged"))
        return counter in self.entries or AVERAGES.search(fit.part.prefix) is not None

    def _misfit(self, parts: Sequence[Part], whole: list[Part]) -> ModelError:
        """Return the error for a file without the network, from the part that is most like it."""
        if not parts or len(parts[0].paths) < len(self.own.tensors) / 4:
            return ModelError(
                f"the weights do not fit {self.model}",
                file=self.origin,
                found=f"{len(self.entries)} tensors, {first_of(list(self.entries))}",
                expected=first_of(list(self.own.tensors)),
            )
        part = parts[0]
        problems = self._problems(part, whole)
        paths = [*part.paths.values(), *beside(part, self.entries)]
        names = {path: self.own.plain(path.removeprefix(part.prefix)) for path in paths}
        fitting = fitting_architecture({names[it]: self.entries[it].tensor for it in paths})
        return ModelError(
            f"the weights{f' under {part.key}' if part.key else ''} do not fit {self.model}",
            file=self.origin,
            found="; ".join(
                f"{len(keys)} key{'s' * (len(keys) != 1)} {kind}: {first_of(keys)}"
                for kind, keys in problems.items()
                if keys
            ),
            remedy=f"They fit --model {fitting}" if fitting not in (None, self.model) else None,
        )

    def _problems(self, part: Part, whole: list[Part]) -> dict[str, list[str]]:
        problems = misfits(part, self.entries, self.own, whole)
        if "missing" in problems:  # what is beside may have their names of another tool
            unexpected = [path.removeprefix(part.prefix) for path in beside(part, self.entries)]
            problems["unexpected"] = unexpected
        if not find_head(part, self.entries, self.own).paths:
            shapes = {
                name: (self.entries[part.paths[name]].tensor.shape, self.own.tensors[name].shape)
                for name in self.own.head_tensors.values()
                if name in part.paths
            }
            problems.setdefault("of another shape", []).extend(
                f"{name} {tuple(shape)} instead of {tuple(wanted)}"
                for name, (shape, wanted) in shapes.items()
            )
        return problems

    def _headless(self, fit: _Fit) -> ModelError:
        weight = self.own.tensors[self.own.head_tensors["weight"]]
        biases = " with biases" if "bias" in self.own.head_tensors else ""
        under = f" under {fit.part.key}" if fit.part.key else ""
        return ModelError(
            f"has all weights of {self.model}{under} but those of its head {self.own.head[0]}",
            file=self.origin,
            found=fit.head.problem,
            expected=f"one linear layer of {weight.shape[1]} inputs{biases}, "
            "called fc, head, classifier, linear or last_linear",
        )


def _holder(fit: _Fit, entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Return the keys that lead to the state dict that a part is in."""
    return entries[next(iter(fit.part.paths.values()))].holder


def _float32(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    return tensor.float() if tensor.is_floating_point() else tensor


def _left_out(
    fit: _Fit,
    fits: Sequence[_Fit],
    entries: Mapping[str, Entry],
    normaliser: Normaliser | None,
) -> tuple[str, ...]:
    """List what is not used, by the piece where a name leaves the prefix of the weights.

    Not other parts that fit, nor what every checkpoint has: counters of batches, the optimizer,
    single numbers beside the weights.
    """
    holder = _holder(fit, entries)
    others = tuple(it.part.prefix for it in fits if it is not fit and it.part.prefix)
    used = {*fit.paths.values(), *(normaliser.paths if normaliser else ())}
    groups: dict[str, list[str]] = {}
    for path, entry in entries.items():
        is_usual = path.endswith("num_batches_tracked") or "optim" in path.lower()
        is_number = entry.tensor.ndim == 0 and entry.holder != holder
        if path in used or is_usual or is_number or path.startswith(others):
            continue
        group = path.rpartition(".")[2] if is_counter(path) else _group(path, fit.part.prefix)
        groups.setdefault(group, []).append(path)
    return tuple(
        f"{group} ({len(paths)} tensors)" if len(paths) > 1 else paths[0]
        for group, paths in groups.items()
    )


def _group(path: str, prefix: str) -> str:
    return ".".join(path.split(".")[: shared_pieces(path, prefix.rstrip(".")) + 1])


def _shown(key: str) -> str:
    return key or "''"


def _outline(content: object) -> str:
    if isinstance(content, Mapping):
        return f"the keys {first_of([str(key) for key in content])}" if content else "nothing"
    return f"the type {type(content).__name__}"
