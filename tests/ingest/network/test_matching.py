"""Checkpoints in every wrapping give the network's weights; what could be another's is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from conceptgraph.errors import ModelError
from conceptgraph.ingest.network.loading import load_network
from conceptgraph.ingest.network.matching import match
from conceptgraph.ingest.network.pickles import read_pickle
from conceptgraph.ingest.network.preprocessing import NETDISSECT_MEAN, chosen_input
from conceptgraph.ingest.network.state_dicts import metadata_of
from conceptgraph.settings import Settings
from tests import checkpoint_wrappings as wrappings
from tests.checkpoint_wrappings import (
    MEAN,
    QUEUE,
    STD,
    WRAPPINGS,
    State,
    as_type,
    body,
    normaliser,
    prefixed,
    renamed,
    shifted,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NETWORKS = ("basic", "bottleneck", "resnext")
NORMALISED = {
    "robustness",
    "Sequential of normaliser and network",
    "normaliser of other names",
    "mean and std inside",
}


def state_of(network: str = "basic", classes: int = 7) -> State:
    """Weights that half precision holds exactly, so that every wrapping gives the same network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        module: nn.Module = getattr(wrappings, network)(classes)
    state = module.state_dict()
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        state = as_type(state, dtype)
    return state


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_wrapping_gives_the_same_weights(tmp_path: Path, network: str, wrapping: str) -> None:
    state = state_of(network)
    torch.save(WRAPPINGS[wrapping](state), tmp_path / "w.pth")
    loaded = load_network(f"tests.checkpoint_wrappings:{network}", tmp_path / "w.pth")
    check_same(loaded.module, state)
    spec = loaded.architecture.input
    assert ((spec.mean, spec.std) == (MEAN, STD)) == (wrapping in NORMALISED)


def check_same(module: nn.Module, state: State) -> None:
    loaded = module.state_dict()
    assert loaded.keys() == state.keys()
    for name, tensor in state.items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(loaded[name], tensor), name


@pytest.mark.parametrize("wrapping", ["MoCo", "NumPy scalars and arrays", "with an optimizer"])
def test_torchs_first_format(tmp_path: Path, wrapping: str) -> None:
    content, path = WRAPPINGS[wrapping](state_of()), tmp_path / "w.pth"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    check_same(load_network("tests.checkpoint_wrappings:basic", path).module, state_of())


@pytest.mark.parametrize("name", ["w.safetensors", "w.bin"])
@pytest.mark.parametrize("wrapping", ["compiled", "bfloat16", "EMA inside", "head after Dropout"])
def test_safetensors_under_any_suffix(tmp_path: Path, name: str, wrapping: str) -> None:
    content = WRAPPINGS[wrapping](state_of())
    assert isinstance(content, dict)
    save_file(content.get("state_dict", content), tmp_path / name, {"epoch": "3"})
    check_same(load_network("tests.checkpoint_wrappings:basic", tmp_path / name).module, state_of())


class Alarm(nn.Module):
    """A module that raises an alarm when it is unpickled."""

    def __setstate__(self, state: dict[str, object]) -> None:
        raise RuntimeError("its code was run")


def test_a_whole_module_is_read_without_running_its_code(tmp_path: Path) -> None:
    alarm = Alarm()
    alarm.net = wrappings.module_of(state_of())
    alarm.register_buffer("cache", torch.ones(3, 3, 3), persistent=False)
    torch.save({"model": alarm}, tmp_path / "w.pth")
    network = load_network("tests.checkpoint_wrappings:basic", tmp_path / "w.pth")
    check_same(network.module, state_of())
    assert network.notes == ()
    with pytest.raises(ModelError, match="its code was run"):
        load_network("tests.checkpoint_wrappings:basic", tmp_path / "w.pth", trust_pickle=True)


def matched(content: object, key: str | None = None) -> tuple[State, tuple[str, ...]]:
    checkpoint = match(
        content, wrappings.basic(), "fc", model="the network", origin="w.pth", key=key
    )
    return checkpoint.tensors, checkpoint.notes


def error_of(content: object, key: str | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        matched(content, key)
    text = str(caught.value)
    assert text.startswith("w.pth: ")
    assert "\n" not in text
    return text


def test_what_is_left_out_is_said() -> None:
    state = state_of()
    assert matched(state)[1] == ()
    assert matched(WRAPPINGS["with an optimizer"](state))[1] == ()
    assert matched(WRAPPINGS["Lightning with a loss"](state))[1] == (
        "checkpoint: left out state_dict.criterion.weight",
    )
    assert matched(WRAPPINGS["thop"](state))[1] == ("checkpoint: left out total_ops (33 tensors)",)
    moco = {"state_dict": {**prefixed(state, "module.encoder_q."), "module.queue": QUEUE}}
    assert matched(moco)[1] == ("checkpoint: left out state_dict.module.queue",)
    assert matched(WRAPPINGS["Sequential of normaliser and network"](state))[1] == ()


def test_a_moving_average_stands_back_and_can_be_chosen() -> None:
    state = state_of()
    content = {"state_dict": state, "state_dict_ema": shifted(state)}
    assert matched(content)[1] == (
        "checkpoint: weights from state_dict; with --weights-key from state_dict_ema",
    )
    assert matched({"model": prefixed(state, "module."), "model_ema": dict(state)})[1] == ()
    chosen, _ = matched(content, "state_dict_ema")
    assert torch.equal(chosen["conv1.weight"], state["conv1.weight"] + 1)
    assert error_of(content, "ema").startswith(
        "w.pth: no part 'ema' fits the network; expected --weights-key state_dict or state_dict_ema"
    )


def test_parts_that_fit_equally_are_listed() -> None:
    state = state_of()
    content = {"state_dict": prefixed(state, "student.") | prefixed(shifted(state), "other.")}
    assert error_of(content) == (
        "w.pth: 2 parts of the file fit the network; found state_dict.other, state_dict.student; "
        "expected one. Choose with --weights-key, such as --weights-key state_dict.other"
    )
    chosen, _ = matched(content, "state_dict.student")
    assert torch.equal(chosen["conv1.weight"], state["conv1.weight"])
    at_the_top = {**state, "best": shifted(state)}
    assert "found '', best; expected one" in error_of(at_the_top)
    assert torch.equal(matched(at_the_top, "")[0]["conv1.weight"], state["conv1.weight"])


def test_values_beside_the_weights_are_kept(tmp_path: Path) -> None:
    torch.save(WRAPPINGS["Namespace"](state_of()), tmp_path / "w.pth")
    content = read_pickle(tmp_path / "w.pth")
    assert vars(metadata_of(content, ("model",))["args"])["lr"] == 0.1
    nested = {"run": {"model": state_of(), "size": 64}, "epoch": 3, "optimizer": {"lr": 1}}
    metadata = metadata_of(nested, ("run", "model"))
    assert metadata == {"size": 64, "epoch": 3, "optimizer": {"lr": 1}}


@dataclass
class Options:
    """What timm's `pretrained_cfg` is: an object of a package that a reader need not have."""

    input_size: tuple[int, int, int] = (3, 96, 96)
    crop_pct: float = 0.75
    mean: tuple[float, float, float] = (0.1, 0.2, 0.3)


def test_the_input_is_stated_by_the_normaliser_and_then_by_what_is_beside_the_weights(
    tmp_path: Path,
) -> None:
    state = state_of()
    with_normaliser = {**normaliser("0."), **prefixed(state, "1.")}
    content = {"run": {"state_dict_ema": with_normaliser}, "pretrained_cfg": Options()}
    torch.save(content, tmp_path / "w.pth")
    spec = load_network("tests.checkpoint_wrappings:basic", tmp_path / "w.pth").architecture.input
    assert (spec.mean, spec.std) == (MEAN, STD)
    where = "run.state_dict_ema.0"
    assert spec.colors_from == f"the normaliser {where}.mean and {where}.std in w.pth"
    assert (spec.height, spec.width, spec.resize) == (96, 96, 128)
    assert spec.size_from == "pretrained_cfg in w.pth"
    torch.save({**content, "run": prefixed(state, "net.")}, tmp_path / "w.pth")
    spec = load_network("tests.checkpoint_wrappings:basic", tmp_path / "w.pth").architecture.input
    assert (spec.mean, spec.colors_from) == ((0.1, 0.2, 0.3), "pretrained_cfg in w.pth")
    chosen = chosen_input(spec, Settings(preprocess="netdissect"))
    assert chosen.mean == NETDISSECT_MEAN


class Renamed(nn.Module):
    """A network whose children have two names each, as a factory gives them."""

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__()
        plain = dict(wrappings.basic(num_classes).named_children())
        self.stem = nn.Sequential(plain["conv1"], plain["bn1"], plain["relu"])
        self.stages = nn.ModuleList(plain[f"layer{number}"] for number in (1, 2, 3, 4))
        self.layer1, self.layer2, self.layer3, self.layer4 = self.stages
        self.linear = plain["fc"]
        self.fc = self.linear


def test_children_with_two_names_are_in_the_checkpoint_once(tmp_path: Path) -> None:
    original = Renamed(7).state_dict()
    once = {name: it for name, it in original.items() if not name.startswith(("layer", "fc."))}
    torch.save({"state_dict": prefixed(once, "module.")}, tmp_path / "w.pth")
    network = load_network(f"{__name__}:Renamed", tmp_path / "w.pth")
    check_same(network.module, original)
    assert len(network.classes) == 7


def missing(*endings: str) -> Callable[[State], State]:
    return lambda s: {k: t for k, t in s.items() if not k.endswith(endings)}


def added(name: str, *shape: int) -> Callable[[State], State]:
    return lambda s: {**s, name: torch.ones(shape)}


def replaced(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[State], State]:
    return lambda s: {**s, name: change(s[name])}


UNFITTING: dict[str, tuple[Callable[[State], object], str]] = {
    "one tensor is missing": (missing("layer3.0.bn2.running_var"), "1 key missing: layer3.0.bn2.r"),
    "a deeper network": (
        added("layer3.1.conv1.weight", 32, 32, 3, 3),
        "1 key unexpected: layer3.1.conv1.weight",
    ),
    "another stage": (
        added("layer5.0.conv1.weight", 8, 8, 3, 3),
        "unexpected: layer5.0.conv1.weig",
    ),
    "attention within": (added("layer1.0.se.fc.weight", 2, 8), "unexpected: layer1.0.se.fc.weight"),
    "attention beside": (added("ca.fc1.weight", 8, 64, 1, 1), "1 key unexpected: ca.fc1.weight"),
    "a bias more": (added("conv1.bias", 64), "1 key unexpected: conv1.bias"),
    "a rescaled branch": (added("layer1.0.alpha"), "1 key unexpected: layer1.0.alpha"),
    "another shape": (
        replaced("conv1.weight", lambda t: t[:, :1]),
        "1 key of another shape: conv1.weight (64, 1, 7, 7) instead of (64, 3, 7, 7)",
    ),
    "quantized": (
        replaced("conv1.weight", lambda t: (t * 100).to(torch.int8)),
        "1 key of another type: conv1.weight int8",
    ),
    "sparse": (replaced("conv1.weight", Tensor.to_sparse), "of another kind: conv1.weight sparse"),
    "without values": (replaced("conv1.weight", lambda t: t.to("meta")), "conv1.weight meta"),
    "weight norm": (
        lambda s: renamed(s, "conv1.weight", "parametrizations.conv1.original0"),
        "keys missing: co",
    ),
    "two values of one tensor": (
        lambda s: s | {"layer1._orig_mod.0.bn1.bias": s["layer1.0.bn1.bias"] + 1},
        "1 key unexpected: layer1._orig_mod.0.bn1.bias",
    ),
    "no head": (
        body,
        "has all weights of the network but those of its head fc; found no linear layer under any "
        "usual name; expected one linear layer of 64 inputs with biases, called fc, head, ",
    ),
    "a head of two layers": (
        lambda s: {**renamed(s, "fc.", "fc.0."), "fc.2.weight": torch.ones(7, 64)},
        "found under fc 0.weight, 0.bias, 2.weight",
    ),
    "a head behind a batch norm": (
        lambda s: {**renamed(s, "fc.", "fc.1."), "fc.0.running_mean": torch.ones(64)},
        "found under fc 1.weight, 1.bias, 0.running_mean",
    ),
    "a head without biases": (
        missing("fc.bias"),
        "found under fc weight; expected one linear layer",
    ),
    "a head of other inputs": (
        replaced("fc.weight", lambda t: t[:, :9]),
        "of its head fc; found under fc weight, bias",
    ),
    "two heads": (
        lambda s: (
            renamed(s, "fc.", "head.")
            | {k.replace("fc", "linear"): t + 1 for k, t in s.items() if "fc" in k}
        ),
        "found several heads that fit: head, linear",
    ),
    "a normaliser of pixels": (
        lambda s: prefixed(s, "1.") | {k: t * 255 for k, t in normaliser("0.").items()},
        "a normaliser that is not of inputs from 0 to 1; found 0.mean (63.75, 127.5, 191.25)",
    ),
    "two normalisers": (
        lambda s: (
            prefixed(s, "1.") | normaliser("0.") | {k: t / 2 for k, t in normaliser("2.").items()}
        ),
        "holds two normalisers that differ; found 0.mean and 2.mean; expected one",
    ),
    "a normaliser that is not understood": (
        lambda s: prefixed(s, "1.") | {"0.normalize.offset": torch.ones(3)},
        "a normaliser without mean and std; found 0.normalize.offset; expected both",
    ),
    "another kind of network": (
        lambda s: {"patch_embed.proj.weight": torch.ones(4, 3, 16, 16), "cls_token": torch.ones(4)},
        "the weights do not fit the network; found 2 tensors, patch_embed.proj.weight, cls_token; ",
    ),
    "an encoder of another width": (
        lambda s: {
            "state_dict": {
                f"module.encoder_q.{k}": torch.cat([t, t]) for k, t in s.items() if t.ndim
            }
        },
        "(64, 3, 7, 7), bn1.weight (128,) instead of (64,)",
    ),
    "infinite": (
        replaced("bn1.bias", lambda t: t / 0),
        "NaN or infinite weights in 1 tensors: bn1.b",
    ),
    "one flat tensor of FSDP": (
        lambda s: {
            "_fsdp_wrapped_module._flat_param": torch.cat([t.flatten() for t in s.values()])
        },
        "the weights do not fit the network; found 1 tensors, _fsdp_wrapped_module._flat_param; ",
    ),
    "Hugging Face's names": (
        lambda s: {
            "resnet.embedder.embedder.convolution.weight": s["conv1.weight"],
            "classifier.1.weight": s["fc.weight"],
        },
        "the weights do not fit the network; found 2 tensors, resnet.embedder.embedder.convolution",
    ),
    "fastai's names": (
        lambda s: {"0.0.weight": s["conv1.weight"], "1.8.weight": s["fc.weight"]},
        "the weights do not fit the network; found 2 tensors, 0.0.weight, 1.8.weight; expected",
    ),
    "names of TensorFlow": (
        lambda s: {k.replace(".", "/"): t for k, t in s.items()},
        "the weights do not fit the network; found 92 tensors, conv1/weight, bn1/weight, bn1/bias",
    ),
    "quantized by torchvision": (
        lambda s: (
            {k: t for k, t in s.items() if "bn" not in k}
            | {"conv1.scale": torch.ones(1), "conv1.zero_point": torch.zeros(1)}
        ),
        "44 keys missing: bn1.weight, bn1.bias, bn1.running_mean, …; 2 keys unexpected: conv1.s",
    ),
    "prepared for quantization": (
        added("conv1.weight_fake_quant.scale", 1),
        "1 key unexpected: conv1.weight_fake_quant.scale",
    ),
    "pruned": (
        lambda s: renamed(s, "conv1.weight", "conv1.weight_orig") | {"conv1.weight_mask": QUEUE},
        "6 keys missing: conv1.weight, layer1.0.conv1.weight, layer2.0.conv1.weight, …; 7 keys une",
    ),
    "inflated to a video": (
        lambda s: {k: t[:, :, None] if t.ndim == 4 else t for k, t in s.items()},
        "conv1.weight (64, 3, 1, 7, 7) instead of (64, 3, 7, 7)",
    ),
    "complex": (
        replaced("conv1.weight", lambda t: t.to(torch.complex64)),
        "1 key of another type: conv1.weight complex64",
    ),
    "true or false": (
        replaced("conv1.weight", lambda t: t > 0),
        "1 key of another type: conv1.weight bool",
    ),
    "DINO": (
        lambda s: {
            "student": prefixed(body(s), "module.backbone.")
            | {"module.head.mlp.0.weight": torch.ones(9, 64)},
        },
        "all weights of the network under student.module.backbone but those of its head fc",
    ),
    "a backbone of a segmentation network": (
        lambda s: (
            prefixed(body(s), "backbone.")
            | {"classifier.0.convs.0.0.weight": torch.ones(4, 64, 1, 1)}
        ),
        "has all weights of the network under backbone but those of its head fc",
    ),
    "a head that is a convolution": (
        replaced("fc.weight", lambda t: t[..., None, None]),
        "of its head fc; found under fc weight, bias",
    ),
    "a head of no classes": (
        lambda s: s | {"fc.weight": torch.ones(0, 64), "fc.bias": torch.ones(0)},
        "of its head fc; found under fc weight, bias",
    ),
    "a head and a copy of it": (
        lambda s: (
            body(s)
            | renamed(s, "fc.", "fc.original_module.")
            | {"fc.modules_to_save.default.weight": s["fc.weight"] + 1}
        ),
        "found under fc original_module.weight, original_module.bias, modules_to_save.default.weig",
    ),
    "the optimizer alone": (
        lambda s: {"optimizer": wrappings.trained(s)[1].state_dict()},
        "the weights do not fit the network; found 141 tensors, optimizer.state.0.step",
    ),
    "no tensors": (lambda s: {"epoch": 1}, "holds no state dict; found the keys epoch; expected "),
}


@pytest.mark.parametrize("case", UNFITTING)
def test_what_does_not_fit_is_one_line(case: str) -> None:
    change, message = UNFITTING[case]
    assert message in error_of(change(state_of()))
