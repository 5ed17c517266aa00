"""Loading networks: every form of checkpoint made here, and every way in which one can be wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models import get_model, get_model_weights

from conceptgraph.errors import ModelError
from conceptgraph.ingest.network.builders import architectures, fitting_architecture
from conceptgraph.ingest.network.class_lists import read_classes
from conceptgraph.ingest.network.loading import Network, as_network, load_network
from conceptgraph.ingest.network.weights import read_file
from tests.random_networks import CustomNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

OWN = "tests.random_networks:CustomNetwork"
State = dict[str, Tensor]


def own_state(classes: int = 7) -> State:
    """Weights that half precision holds exactly, so that every format gives the same network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        module = CustomNetwork(classes)
    state: State = module.state_dict()
    return {
        k: t.bfloat16().half().float() if t.is_floating_point() else t for k, t in state.items()
    }


def shapes_of(model: str, classes: int = 1000) -> State:
    """A state dict of a torchvision model that takes no room: every tensor one repeated zero."""
    with torch.device("meta"):
        module = get_model(model, weights=None, num_classes=classes)
    return {k: torch.zeros(()).expand(t.shape) for k, t in module.state_dict().items()}


def prefixed(state: State, prefix: str) -> State:
    return {prefix + key: tensor for key, tensor in state.items()}


def as_type(state: State, dtype: torch.dtype) -> State:
    return {k: t.to(dtype) if t.is_floating_point() else t for k, t in state.items()}


def renamed(state: State, old: str, new: str) -> State:
    return {key.replace(old, new): tensor for key, tensor in state.items()}


def without(state: State, ending: str) -> State:
    return {key: tensor for key, tensor in state.items() if not key.endswith(ending)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_safetensors(tmp_path: Path, dtype: torch.dtype) -> None:
    save_file(as_type(prefixed(own_state(), "module."), dtype), tmp_path / "w.safetensors")
    check_is(load_network(OWN, str(tmp_path / "w.safetensors")), own_state())


def check_is(network: Network, state: State) -> None:
    module = CustomNetwork(len(state["fc.weight"]))
    module.load_state_dict(state)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(network.module(x), module.eval()(x))
    assert network.digest == as_network(module, OWN).digest
    assert network.classes == tuple(f"class {i}" for i in range(7))
    assert not network.module.training
    assert all(
        p.dtype == torch.float32 and not p.requires_grad for p in network.module.parameters()
    )


class Attack:
    """A pickle that makes a folder when read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_runs_only_with_trust(tmp_path: Path, zipped: bool) -> None:
    path, marker = tmp_path / "attack.pth", tmp_path / "marker"
    attack = {"state_dict": own_state(), "more": Attack(marker)}
    torch.save(attack, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"attack\.pth: reading it would run code: \w+\.mkdir; "):
        read_file(path)
    assert not marker.exists()
    read_file(path, trust_pickle=True)
    assert marker.exists()


def broken(state: State, key: str, value: float) -> State:
    state[key] = state[key].clone()
    state[key].flatten()[0] = value
    return state


def saved(content: Callable[[State], object]) -> Callable[[Path], None]:
    return lambda path: torch.save(content(own_state()), path)


def cut_short(path: Path) -> None:
    torch.save(own_state(), path)
    path.write_bytes(path.read_bytes()[:5000])


BAD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda path: None, "there is no such file; expected a checkpoint"),
    "folder": (Path.mkdir, "is a folder; expected a checkpoint"),
    "empty": (Path.touch, "is empty; expected a checkpoint"),
    "cut short": (cut_short, "cannot be read as weights; found"),
    "text": (
        lambda path: path.write_text("epoch,loss\n"),
        "is a text that begins with 'epoch,loss\\n'; expected a checkpoint (.pth, .pt,",
    ),
    "bytes": (
        lambda path: path.write_bytes(b"\x80\x02garbage"),
        "cannot be read as weights; found",
    ),
    "list": (saved(lambda s: [1, 2]), "holds no state dict; found the type list; expected names"),
    "None": (saved(lambda s: None), "holds no state dict; found the type NoneType; expected names"),
    "nothing": (saved(lambda s: {}), "holds no state dict; found nothing"),
    "no state": (
        saved(lambda s: {"epoch": 1, "best": 0.5}),
        "holds no state dict; found the keys epoch, best; expected names and tensors, alone or",
    ),
    "numbered": (
        saved(lambda s: dict(enumerate(s.values()))),
        "found 31 tensors, 0, 1, 2, …; expected stem.weight",
    ),
    "NaN": (
        saved(lambda s: broken(s, "layer2.conv.weight", float("nan"))),
        "NaN or infinite weights in 1 tensors: layer2.conv.weight; expected finite",
    ),
    "infinite": (
        saved(lambda s: {k: t / 0 for k, t in s.items()}),
        "NaN or infinite weights in 28 tensors: stem.weight, stem.bias, layer1.0.conv.weight, …;",
    ),
    "too large for float32": (
        saved(lambda s: broken(as_type(s, torch.float64), "fc.bias", 1e300)),
        "NaN or infinite weights in 1 tensors: fc.bias;",
    ),
    "other network": (
        saved(lambda s: renamed(without(s, "running_mean"), "stem", "start")),
        "the weights do not fit tests.random_networks:CustomNetwork; found 5 keys missing: "
        "stem.weight, stem.bias, layer1.0.norm.running_mean, …; "
        "2 keys unexpected: start.weight, start.bias",
    ),
    "other shapes": (
        saved(lambda s: s | {"stem.bias": torch.zeros(9), "fc.weight": torch.zeros(3)}),
        "found 3 keys of another shape: stem.bias (9,) instead of (6,), fc.weight (3,) instead of "
        "(5, 12), fc.bias (7,) instead of (5,)",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
@pytest.mark.parametrize("trust", [False, True])
def test_bad_files_say_what_is_wrong(tmp_path: Path, case: str, trust: bool) -> None:
    make, message = BAD_FILES[case]
    path = tmp_path / "bad.pth"
    make(path)
    text = error_of(lambda: load_network(OWN, str(path), trust_pickle=trust))
    assert message in text
    assert text.startswith(f"{path}: ")
    assert "\n" not in text


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as caught:
        call()
    return str(caught.value)


def test_a_damaged_safetensors_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(own_state(), path)
    path.write_bytes(path.read_bytes()[:-100])
    assert "cannot be read as weights; found Error while deserializing" in error_of(
        lambda: load_network(OWN, str(path))
    )


def test_weights_of_another_architecture_name_the_right_one(tmp_path: Path) -> None:
    path = tmp_path / "resnet34.pth"
    torch.save({"state_dict": prefixed(shapes_of("resnet34", 11), "module.")}, path)
    text = error_of(lambda: load_network("resnet18", str(path)))
    assert "the weights under state_dict.module do not fit resnet18; found 80 keys" in text
    assert "keys unexpected: layer1.2.conv1.weight" in text
    assert text.endswith("They fit --model resnet34")


@pytest.mark.parametrize("model", ["resnext101_64x4d", "wide_resnet50_2", "resnet152"])
def test_fitting_architecture_leaves_the_classes_aside(model: str) -> None:
    assert fitting_architecture(shapes_of(model, 3)) == model


def test_architectures_are_the_resnets_only() -> None:
    assert {"resnet18", "resnet152", "resnext50_32x4d", "wide_resnet101_2"} <= set(architectures())
    assert not any("vgg" in name or "fcn" in name for name in architectures())


def test_untrained_networks_are_seeded_and_leave_the_generator_alone() -> None:
    before = torch.get_rng_state()
    first, again = load_network("resnet18", "random"), load_network("resnet18", "random")
    other = load_network("resnet18", "random", seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.digest == again.digest != other.digest
    assert len(first.classes) == 1000
    assert first.blocks == ("block1", "block2", "block3", "block4")
    assert first.stage("block4") is first.module.get_submodule("layer4")
    assert load_network(OWN).digest == load_network(OWN).digest != load_network(OWN, seed=1).digest


def test_the_digest_depends_on_name_and_weights_but_not_on_batch_counters() -> None:
    module = CustomNetwork()
    digest = as_network(module, "a").digest
    assert as_network(module, "b").digest != digest
    for key, tensor in module.state_dict().items():
        tensor.add_(1)
        assert (as_network(module, "a").digest == digest) == key.endswith("num_batches_tracked")
        digest = as_network(module, "a").digest


def test_torchvisions_weights_come_with_its_class_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if downloaded before: from here on it is torchvision's own code.
    entry = get_model_weights("resnet18")["IMAGENET1K_V1"]
    cached = tmp_path / "hub" / "checkpoints" / Path(entry.url).name
    cached.parent.mkdir(parents=True)
    torch.save(without(shapes_of("resnet18"), "num_batches_tracked"), cached)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    network = load_network("resnet18", None)
    assert network.classes[0] == "tench"
    assert len(set(network.classes)) == 1000, "ImageNet's two cranes must differ"
    assert network.module.get_submodule("conv1").get_parameter("weight").abs().max() == 0
    cached.write_bytes(b"half a downl")
    assert "weights IMAGENET1K_V1 for resnet18 cannot be downloaded" in error_of(
        lambda: load_network("resnet18", "IMAGENET1K_V1")
    )


def test_a_failed_download_says_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.delenv("no_proxy", raising=False)
    text = error_of(lambda: load_network("resnet50"))
    assert (
        "torchvision's weights IMAGENET1K_V2 for resnet50 cannot be downloaded; found URLError"
        in text
    )
    assert text.endswith("Give a checkpoint with --weights FILE")


def names_file(folder: Path, content: bytes) -> Path:
    path = folder / "classes.txt"
    path.write_bytes(content)
    return path


def test_class_names_from_a_windows_file(tmp_path: Path) -> None:
    path = names_file(tmp_path, "\ufeffplaying+music \r\n\r\n  café\r\na/b\r\n\n".encode())
    assert read_classes(path) == ("playing+music", "café", "a/b")
    network = load_network(OWN, None, path)
    assert network.classes == ("playing+music", "café", "a/b")
    assert len(network.classes) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b" \n\n", "names no classes"),
        (b"caf\xe9\n", "cannot be read as class names; found UnicodeDecodeError"),
        (
            b"a\nb\n",
            f"the class names do not fit {OWN}; found 2 names; expected 7, one for each logit",
        ),
    ],
)
def test_bad_class_names(tmp_path: Path, content: bytes, message: str) -> None:
    torch.save(own_state(), tmp_path / "w.pth")
    path = names_file(tmp_path, content)
    text = error_of(lambda: load_network(OWN, str(tmp_path / "w.pth"), path))
    assert text.startswith(f"{path}: {message}")
    path.unlink()
    assert "cannot be read as class names; found FileNotFoundError" in error_of(
        lambda: load_network(OWN, None, path)
    )


FACTORY = """
import torch
from torch import nn

def network(**kwargs):
    from tests.random_networks import CustomNetwork
    made = CustomNetwork(**kwargs)
    made.mean = torch.full((1, 3, 1, 1), 0.25)
    made.std = [0.5, 0.5, 1]
    return made

class zoo:
    @staticmethod
    def fixed():
        return network(num_classes=4)

def no_network():
    return {"state_dict": {}}

def failing(num_classes):
    raise KeyError("pretrained")

def headless():
    made = network()
    made.fc = nn.Identity()
    return made

def bodiless():
    return nn.Linear(3, 3)

def two_means():
    made = network()
    made.mean = (0.5, 0.5)
    return made

def diverged():
    made = network()
    made.stem.weight.data[0] = float("nan")
    return made
"""


@pytest.fixture
def own_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the working directory; its name, new for each test, for Python keeps modules."""
    name = f"zoo_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    return name


def test_factories_from_the_working_directory(tmp_path: Path, own_zoo: str) -> None:
    torch.save(own_state(), tmp_path / "w.pth")
    network = load_network(f"{own_zoo}:network", "w.pth")
    assert network.name == f"{own_zoo}:network"
    assert len(network.classes) == 7
    assert network.architecture.input[3:5] == ((0.25, 0.25, 0.25), (0.5, 0.5, 1.0))
    assert load_network(OWN).architecture.input[3:5] == ((0.5, 0.4, 0.3), (0.229, 0.224, 0.225))
    assert len(load_network(f"{own_zoo}:zoo.fixed").classes) == 4


def test_a_factory_that_prints_and_imports_as_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "late_part.py").write_text("def part(x):\n    return x\n")
    (tmp_path / "late_network.py").write_text(
        "from tests.random_networks import CustomNetwork\n"
        "print('imported')\n"
        "class Late(CustomNetwork):\n"
        "    def forward(self, x):\n"
        "        from late_part import part\n"
        "        return super().forward(part(x))\n"
        "def make():\n"
        "    print('made')\n"
        "    return Late()\n"
    )
    monkeypatch.setattr("sys.path", list(sys.path))
    network = load_network("late_network:make", folder=tmp_path)
    assert network.module(torch.rand(1, 3, 32, 32)).ndim == 2
    assert capsys.readouterr() == ("", "imported\nmade\n")


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("netwrok", "has no factory 'netwrok'. Did you mean 'network'"),
        ("no_network", "returned no network; found the type dict; expected an nn.Module"),
        ("failing", "failed; found TypeError: failing() missing 1 required"),
        (
            "bodiless",
            ":bodiless were not found; found the children ; expected layer1, layer2, … or",
        ),
        (
            "two_means",
            "the network's attribute 'mean' is invalid; found (0.5, 0.5); expected three",
        ),
        ("diverged", "NaN or infinite weights in 1 tensors: stem.weight"),
    ],
)
def test_bad_factories(own_zoo: str, factory: str, message: str) -> None:
    assert message in error_of(lambda: load_network(f"{own_zoo}:{factory}"))


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_file_is_no_module(own_zoo: str, prefix: str) -> None:
    error = error_of(lambda: load_network(f"{prefix}{own_zoo}.py:network"))
    assert error.endswith(f". Write --model {own_zoo}:network")


def test_a_network_without_a_head_has_no_classes(own_zoo: str) -> None:
    network = load_network(f"{own_zoo}:headless")
    assert (network.classes, network.architecture.head) == ((), None)
    assert network.blocks == ("block1", "block2", "block3")


def test_names_that_do_not_exist() -> None:
    assert error_of(lambda: load_network("resnet5O")).startswith(
        "unknown model 'resnet5O'; expected a torchvision ResNet, a published model, "
        "timm:NAME, or module:factory for your own. "
        "Did you mean 'resnet50'"
    )
    assert "cannot import 'no_such_zoo'" in error_of(lambda: load_network("no_such_zoo:make"))
    assert error_of(lambda: load_network("resnet50", "IMAGENET1K_V3")).startswith(
        "resnet50 has no weights 'IMAGENET1K_V3', and there is no such file. Did you mean 'IMAGE"
    )
    assert "there is no block 'layer3'" in error_of(lambda: load_network(OWN).stage("layer3"))
