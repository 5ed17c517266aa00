"""A network's head in a checkpoint: one linear layer, of any number of classes, by its shape.

It stands under the network's own name for it or a usual one, alone or in a Sequential with Dropout,
which does nothing in eval mode; within the part that is the network, or beside a wrapper of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .parts import is_counter, same

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .parts import OwnTensors, Part
    from .state_dicts import Entry

USUAL = (
    *("fc", "head", "heads", "classifier", "linear", "last_linear", "logits", "output", "out"),
    *("cls", "clf", "cls_head", "class_head", "classification_head", "head_cls", "prediction"),
    *("final", "final_layer", "last_layer", "output_layer", "fc_out", "new_fc"),
)


class HeadMatch(NamedTuple):
    """A head in a file, or why there is none.

    Attributes:
        paths: by the network's names, the tensors' names in the file; empty if there is none.
        problem: what was found instead.
    """

    paths: dict[str, str]
    problem: str = ""


def find_head(part: Part, entries: Mapping[str, Entry], own: OwnTensors) -> HeadMatch:
    """Find the head that belongs to a part.

    Under the network's own name nothing else may stand than its head.
    """
    for prefix in _levels(part.prefix):
        heads: dict[str, HeadMatch] = {}
        for name in dict.fromkeys((*own.head, *USUAL)):
            inside = _inside(f"{prefix}{name}.", entries, own, part)
            match = _linear(inside, entries, own)
            is_own = prefix == part.prefix and name in own.head
            if is_own and inside:
                return HeadMatch(match) if match else HeadMatch({}, _other_head(name, inside))
            if match:
                heads[f"{prefix}{name}"] = HeadMatch(match)
        if heads:
            return _only(heads, entries)
    return HeadMatch({}, "no linear layer under any usual name")


def _levels(prefix: str) -> Iterator[str]:
    """Yield a prefix and those of which it is inside: a.b., a., nothing."""
    pieces = prefix.split(".")[:-1]
    for end in range(len(pieces), -1, -1):
        yield "".join(f"{piece}." for piece in pieces[:end])


def _inside(
    prefix: str, entries: Mapping[str, Entry], own: OwnTensors, part: Part
) -> dict[str, str]:
    """Return what follows a prefix, by its name there without wrappers."""
    if part.prefix.startswith(prefix):
        return {}
    return {
        own.plain(path.removeprefix(prefix)): path
        for path in entries
        if path.startswith(prefix) and not is_counter(path)
    }


def _linear(
    inside: Mapping[str, str], entries: Mapping[str, Entry], own: OwnTensors
) -> dict[str, str] | None:
    """Return the linear layer that stands alone under a name, by the network's names for it."""
    wanted = own.head_tensors
    weight = next((name for name in inside if name.rpartition(".")[2] == "weight"), None)
    if weight is None:
        return None
    kinds = {f"{weight.removesuffix('weight')}{kind}": kind for kind in wanted}
    if kinds.keys() != inside.keys():
        return None
    shapes = {kind: entries[inside[name]].tensor.shape for name, kind in kinds.items()}
    inputs = own.tensors[wanted["weight"]].shape[1:]
    rows = shapes["weight"][:1]
    if (
        not rows
        or not rows[0]
        or shapes["weight"] != rows + inputs
        or shapes.get("bias", rows) != rows
    ):
        return None
    return {wanted[kind]: inside[name] for name, kind in kinds.items()}


def _only(heads: Mapping[str, HeadMatch], entries: Mapping[str, Entry]) -> HeadMatch:
    """Return the one head, or one of several that are equal."""
    first, *more = heads.values()
    for other in more:
        if not all(
            same(entries[path].tensor, entries[other.paths[name]].tensor)
            for name, path in first.paths.items()
        ):
            return HeadMatch({}, f"several heads that fit: {', '.join(heads)}")
    return first


def _other_head(name: str, inside: Mapping[str, str]) -> str:
    return f"under {name} {', '.join(list(inside)[:4])}"
