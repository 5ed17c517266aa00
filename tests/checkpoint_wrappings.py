"""The ways in which training scripts and other tools wrap a network's weights in a file."""

from __future__ import annotations

import argparse
import datetime
import enum
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torchvision.models.resnet import BasicBlock, Bottleneck

from tests.random_networks import NarrowResNet

if TYPE_CHECKING:
    from collections.abc import Callable

State = dict[str, Tensor]


def basic(num_classes: int = 5) -> nn.Module:
    return NarrowResNet(BasicBlock, num_classes)


def bottleneck(num_classes: int = 5) -> nn.Module:
    return NarrowResNet(Bottleneck, num_classes)


def resnext(num_classes: int = 5) -> nn.Module:
    return NarrowResNet(Bottleneck, num_classes, groups=2, width_per_group=32)


class Config(dict[str, object]):
    """The configuration of some package: a mapping that has attributes as well."""

    def __init__(self, **values: object) -> None:
        super().__init__(values)
        self.frozen = True


class Phase(enum.Enum):
    TRAIN = "train"


class Slots:
    """An object without a dict of attributes."""

    __slots__ = ("step",)

    def __init__(self) -> None:
        self.step = 3


@dataclass
class Score:
    top1: float


def prefixed(state: State, prefix: str) -> State:
    return {prefix + key: tensor for key, tensor in state.items()}


def renamed(state: State, old: str, new: str) -> State:
    return {key.replace(old, new): tensor for key, tensor in state.items()}


def without(state: State, ending: str) -> State:
    return {key: tensor for key, tensor in state.items() if not key.endswith(ending)}


def as_type(state: State, dtype: torch.dtype) -> State:
    return {k: t.to(dtype) if t.is_floating_point() else t for k, t in state.items()}


def body(state: State) -> State:
    return {key: tensor for key, tensor in state.items() if not key.startswith("fc.")}


def head(state: State) -> State:
    return {key: tensor for key, tensor in state.items() if key.startswith("fc.")}


def shifted(state: State) -> State:
    """Other weights of the same shapes, as a moving average has."""
    return {k: t + 1 for k, t in state.items()}


def counted(state: State) -> State:
    """With thop's counters beside every tensor."""
    holders = {key.rpartition(".")[0] for key in state} | {"layer1", ""}
    names = (f"{holder}.{name}".lstrip(".") for holder in holders for name in ("total_ops",))
    return {**state, **{name: torch.zeros(1) for name in names}}


def module_of(state: State) -> nn.Module:
    """The network itself, that has these weights."""
    classes = len(state["fc.weight"])
    for factory in (basic, bottleneck, resnext):
        made = factory(classes)
        shapes = {k: t.shape for k, t in made.state_dict().items()}
        if shapes == {k: t.shape for k, t in state.items()}:
            made.load_state_dict(state)
            return made
    raise ValueError("weights of another network")


def trained(state: State) -> tuple[nn.Module, torch.optim.Optimizer]:
    module = module_of(state)
    optimizer = torch.optim.Adam(module.parameters(), lr=0)
    sum(p.sum() for p in module.parameters()).backward()  # type: ignore[union-attr]
    optimizer.step()
    return module, optimizer


def averaged(state: State) -> State:
    return cast("State", AveragedModel(module_of(shifted(state))).state_dict())


def in_units(state: State) -> State:
    """With the wrappers of nested FSDP and of activation checkpoints."""
    nested = prefixed(state, "_fsdp_wrapped_module.")
    for number in range(1, 5):
        inner = f".layer{number}._fsdp_wrapped_module._checkpoint_wrapped_module."
        nested = renamed(nested, f".layer{number}.", inner)
    return nested


def in_one_storage(state: State) -> State:
    """As views of one flat tensor."""
    flat = torch.cat([t.flatten().float() for t in state.values()])
    parts = torch.split(flat, [t.numel() for t in state.values()])
    return {k: part.view(t.shape) for part, (k, t) in zip(parts, state.items(), strict=True)}


def in_channels_last(state: State) -> State:
    layout = torch.channels_last
    return {k: t.to(memory_format=layout) if t.ndim == 4 else t for k, t in state.items()}


def normaliser(prefix: str, mean: str = "mean", std: str = "std") -> State:
    values = torch.tensor(MEAN).reshape(1, 3, 1, 1), torch.tensor(STD).reshape(1, 3, 1, 1)
    return {f"{prefix}{mean}": values[0], f"{prefix}{std}": values[1]}


MEAN, STD = (0.25, 0.5, 0.75), (0.5, 0.25, 0.125)
QUEUE = torch.zeros(16, 4)

WRAPPINGS: dict[str, Callable[[State], object]] = {
    "plain": lambda s: s,
    "DataParallel": lambda s: {"state_dict": prefixed(s, "module."), "arch": "own", "epoch": 3},
    "compiled": lambda s: prefixed(s, "_orig_mod."),
    "compiled, then parallel": lambda s: {"model": prefixed(s, "module._orig_mod.")},
    "parallel, then compiled": lambda s: {"model": prefixed(s, "_orig_mod.module.")},
    "FSDP": lambda s: prefixed(s, "_fsdp_wrapped_module."),
    "activation checkpoints": lambda s: renamed(
        s, "layer1.0.", "layer1.0._checkpoint_wrapped_module."
    ),
    "one stage compiled": lambda s: renamed(s, "layer2.", "layer2._orig_mod."),
    "one stage parallel": lambda s: renamed(s, "layer2.", "layer2.module."),
    "DeepSpeed": lambda s: {"module": s, "global_steps": 7},
    "Lightning": lambda s: {"state_dict": prefixed(s, "model."), "hyper_parameters": Config(lr=1)},
    "Lightning with a loss": lambda s: {
        "state_dict": {**prefixed(s, "net."), "criterion.weight": torch.ones(3)}
    },
    "Lightning with a loss network": lambda s: {
        "state_dict": {**s, "perceptual_loss.conv.weight": torch.ones(3, 3, 1, 1)}
    },
    "Lightning of two networks": lambda s: {
        "state_dict": {
            **prefixed(s, "generator.net."),
            "critic.conv.weight": torch.ones(3, 3, 1, 1),
        }
    },
    "backbone in a model": lambda s: {"model": prefixed(s, "model.backbone.")},
    "a chain of prefixes": lambda s: prefixed(s, "module.learner.model.encoder.net."),
    "wrapped twice": lambda s: {"net": {"model_state_dict": s}, "optimizer": {}},
    "wrapped five times": lambda s: {"a": {"b": [{"state": {"model": prefixed(s, "module.")}}]}},
    "Composer": lambda s: {"state": {"model": prefixed(s, "module."), "rank_zero_seed": 1}},
    "flat with an epoch": lambda s: {"epoch": 4, **s, "best_prec1": torch.tensor(71.5)},
    "with an optimizer": lambda s: {
        "model": trained(s)[0].state_dict(),
        "optimizer": trained(s)[1].state_dict(),
    },
    "flat with an optimizer": lambda s: {**s, "optimizer": trained(s)[1].state_dict()},
    "a pair": lambda s: (s, 90),
    "EMA alone": lambda s: {"epoch": 3, "state_dict_ema": s},
    "averaged alone": lambda s: {
        "model_ema": {"n_averaged": torch.tensor(5)} | prefixed(s, "module.")
    },
    "EMA beside": lambda s: {"state_dict": s, "state_dict_ema": shifted(s)},
    "averaged beside": lambda s: {"model": s, "best": {**averaged(s)}},
    "EMA inside": lambda s: {"state_dict": prefixed(s, "model.") | prefixed(shifted(s), "ema.")},
    "two equal copies": lambda s: {"model": s, "best": dict(s)},
    "MoCo": lambda s: {
        "state_dict": prefixed(s, "module.encoder_q.")
        | prefixed(shifted(s), "module.encoder_k.")
        | {"module.queue": QUEUE, "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    },
    "MoCo v3": lambda s: (
        prefixed(s, "module.base_encoder.") | prefixed(shifted(s), "module.momentum_encoder.")
    ),
    "BYOL": lambda s: prefixed(s, "online_encoder.") | prefixed(shifted(s), "target_encoder."),
    "a teacher of another size": lambda s: (
        prefixed(s, "student.")
        | {f"teacher.{k}": torch.cat([t, t]) for k, t in s.items() if t.ndim}
    ),
    "projector beside": lambda s: {
        **s,
        "projector.0.weight": torch.ones(len(s["fc.weight"][0]), len(s["fc.weight"][0])),
    },
    "mmpretrain": lambda s: {
        "meta": {"epoch": 1},
        "state_dict": prefixed(body(s), "backbone.") | prefixed(head(s), "head."),
    },
    "backbone and classifier": lambda s: {
        "backbone": body(s),
        "classifier": {k.removeprefix("fc."): t for k, t in head(s).items()},
    },
    "robustness": lambda s: {
        "model": prefixed(s, "module.model.")
        | prefixed(s, "module.attacker.model.")
        | normaliser("module.normalizer.", "new_mean", "new_std")
        | normaliser("module.attacker.normalize.", "new_mean", "new_std")
    },
    "Sequential of normaliser and network": lambda s: normaliser("0.") | prefixed(s, "1."),
    "normaliser of other names": lambda s: (
        normaliser("module.norm.", "mu", "sigma") | prefixed(s, "module.net.")
    ),
    "mean and std inside": lambda s: {"net": s | normaliser("")},
    "thop": counted,
    "Namespace": lambda s: {"model": s, "args": argparse.Namespace(lr=0.1, data=Path("data"))},
    "NumPy scalars and arrays": lambda s: {
        "state_dict": s,
        "best_acc1": np.float64(71.3),
        "history": np.arange(3.0),
        "random": np.random.RandomState(0).get_state(),
    },
    "plain values": lambda s: {
        "model": s,
        "started": datetime.datetime(2024, 1, 1),
        "scores": defaultdict(list, {"top1": [0.5]}),
        "last": deque([1.0], 3),
        "dtype": torch.float16,
    },
    "objects of other packages": lambda s: {
        "model": s,
        "config": Config(name="net", phase=Phase.TRAIN),
        "score": Score(0.7),
        "slots": Slots(),
        "activation": nn.functional.relu,
        "lambda": partial(torch.add, alpha=2),
    },
    "whole module": module_of,
    "whole parallel module": lambda s: {"model": nn.DataParallel(module_of(s)), "epoch": 1},
    "whole EMA module": lambda s: {"epoch": -1, "model": None, "ema": module_of(s)},
    "NumPy arrays": lambda s: {k: t.numpy() for k, t in s.items()},
    "half": lambda s: as_type(s, torch.float16),
    "bfloat16": lambda s: as_type(s, torch.bfloat16),
    "double": lambda s: as_type(s, torch.float64),
    "parameters": lambda s: {k: nn.Parameter(t, requires_grad=False) for k, t in s.items()},
    "no counters": lambda s: without(s, "num_batches_tracked"),
    "ordered": lambda s: OrderedDict(reversed(s.items())),
    "head last_linear": lambda s: renamed(s, "fc.", "last_linear."),
    "head classifier": lambda s: renamed(s, "fc.", "classifier."),
    "head linear": lambda s: renamed(s, "fc.", "linear."),
    "head in a head": lambda s: prefixed(renamed(s, "fc.", "head.fc."), "module."),
    "head after Dropout": lambda s: renamed(s, "fc.", "fc.1."),
    "nested FSDP": in_units,
    "DeepSpeed, parallel": lambda s: {
        "module": prefixed(s, "module."),
        "buffer_names": ["bn1.running_mean"],
        "param_shapes": [OrderedDict((k, t.shape) for k, t in s.items())],
    },
    "parallel twice": lambda s: {"state_dict": prefixed(s, "module.module.")},
    "Lightning with an average": lambda s: {
        "state_dict": prefixed(s, "model.")
        | prefixed(shifted(s), "ema_model.module.")
        | {"ema_model.n_averaged": torch.tensor(3)}
    },
    "average of a callback of Lightning": lambda s: {
        "state_dict": prefixed(s, "net."),
        "callbacks": {"EMA": {"ema_state_dict": prefixed(shifted(s), "net.")}},
    },
    "Lightning with metrics": lambda s: {
        "state_dict": prefixed(s, "model.") | {"confusion": torch.zeros(7, 7, dtype=torch.long)}
    },
    "SWA beside": lambda s: {
        "state_dict": s,
        "swa_state_dict": prefixed(shifted(s), "module.") | {"n_averaged": torch.tensor(4)},
    },
    "ema_pytorch": lambda s: (
        prefixed(s, "online_model.")
        | prefixed(shifted(s), "ema_model.")
        | {"initted": torch.tensor(data=True)}
    ),
    "ema_pytorch, the average alone": lambda s: {**prefixed(s, "ema_model.")},
    "torch_ema": lambda s: {"model": s, "ema": {"shadow_params": [t + 1 for t in s.values()]}},
    "BYOL of other names": lambda s: (
        prefixed(s, "online_network.") | prefixed(shifted(s), "target_network.")
    ),
    "backbone and head": lambda s: (
        prefixed(body(s), "backbone.") | renamed(head(s), "fc.", "head.")
    ),
    "backbone and heads": lambda s: (
        prefixed(body(s), "backbone.") | renamed(head(s), "fc.", "heads.0.")
    ),
    "VISSL": lambda s: {
        "classy_state_dict": {
            "base_model": {
                "model": {
                    "trunk": prefixed(body(s), "_feature_blocks."),
                    "heads": renamed(head(s), "fc.", "0.clf.0."),
                }
            }
        }
    },
    "a wrapper of timm's": lambda s: prefixed(s, "timm_model."),
    "PEFT": lambda s: prefixed(s, "base_model.model."),
    "CLIP": lambda s: prefixed(s, "visual.") | {"logit_scale": torch.tensor(1.0)},
    "a list of models": lambda s: {"models": [s]},
    "keys that are numbers": lambda s: {0: s, 1: {"lr": 0.1}},
    "arrays of the other byte order": lambda s: {
        k: t.numpy().astype(">f4") if t.is_floating_point() else t.numpy() for k, t in s.items()
    },
    "one storage": in_one_storage,
    "channels last": in_channels_last,
    "classifier after Dropout": lambda s: prefixed(renamed(s, "fc.", "classifier.1."), "model."),
}
