"""Networks that cannot be dissected or explained are refused at once, by the module's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from conceptgraph.errors import DataError, ModelError
from conceptgraph.ingest.contributions.suitability import check_suitable
from conceptgraph.ingest.network.loading import as_network
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.settings import Settings
from tests.random_networks import KINDS, CustomBlock, CustomNetwork, random_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BLOCKS = ("block1", "block2", "block3")


class Gate(nn.Module):
    """Squeeze-and-excitation, its sigmoid a function."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(units, units, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc(x.mean((2, 3), keepdim=True)))


class Gated(CustomBlock):
    def __init__(self) -> None:
        super().__init__(8, 10)
        self.norm = nn.Sequential(nn.BatchNorm2d(10), Gate(10))  # type: ignore[assignment]


class WithNorm(CustomBlock):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__(8, 10)
        self.norm = norm  # type: ignore[assignment]


def with_norm(norm: nn.Module) -> nn.Module:
    network = CustomNetwork()
    network.layer2 = nn.Sequential(WithNorm(norm))
    return network


def gated() -> nn.Module:
    network = CustomNetwork()
    network.layer2 = nn.Sequential(Gated())
    return network


class WithHead(CustomNetwork):
    """A network with another pooling, and layers around its last one."""

    def __init__(self, pool: nn.Module, before: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.pool, self.before, self.after = pool, before, after

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        y: Tensor = self.after(self.fc(self.before(self.pool(x).flatten(1))))
        return y


class Parallel(CustomNetwork):
    """Its third block is given more than the output of the second."""

    def __init__(self) -> None:
        super().__init__()
        self.layer2: nn.Module = CustomBlock(8, 10)
        self.branch = nn.Conv2d(8, 10, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer1(self.stem(x))
        x = self.layer3(self.layer2(x) + self.branch(x))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


class Unpooled(CustomNetwork):
    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        logits: Tensor = self.fc(x.amax((2, 3)))
        return logits


class Product(nn.Module):
    """No affine map at an image, nor anything that is linearised."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x


class ChangedInPlace(CustomNetwork):
    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.stem(x)))
        x = self.layer3(x.mul_(2))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


class WithoutItsHead(CustomNetwork):
    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        return nn.functional.linear(x.mean((2, 3)), self.fc.weight, self.fc.bias)


MEAN, SAME = nn.AdaptiveAvgPool2d(1), nn.Identity()


@pytest.mark.parametrize(
    ("make", "obstacle"),
    [
        (lambda: with_norm(Product()), r"layer2\.0\.norm \(Product\) is no affine map at an image"),
        (
            lambda: with_norm(nn.BatchNorm2d(10, track_running_stats=False)),
            r"no running statistics; found layer2\.0\.norm \(BatchNorm2d\)",
        ),
        (
            Parallel,
            r"block3 cannot be computed from block2 alone; found the output of layer3 "
            r"\(Sequential\) depends on more than that of layer2",
        ),
        (ChangedInPlace, r"the output of block2 is changed in place"),
        (WithoutItsHead, r"cannot be run up to its head fc; .* with --head"),
        (lambda: WithHead(MEAN, Product(), SAME), r"before \(Product\) is no affine map"),
    ],
)
def test_the_obstacle_is_named(make: Callable[[], nn.Module], obstacle: str) -> None:
    torch.manual_seed(0)
    network = as_network(make(), "odd")
    with pytest.raises(ModelError, match=obstacle):
        check_suitable(network, BLOCKS, network.architecture.input)


@pytest.mark.parametrize(
    ("make", "linearised"),
    [
        (CustomNetwork, ()),
        (Unpooled, ()),
        (lambda: WithHead(nn.AdaptiveMaxPool2d(1), SAME, SAME), ()),
        (lambda: WithHead(MEAN, nn.Linear(12, 12), SAME), ()),
        (lambda: WithHead(MEAN, SAME, nn.Softmax(1)), ()),
        (gated, ("sigmoid",)),
        (lambda: with_norm(nn.GELU()), ("gelu",)),
        (lambda: with_norm(nn.SiLU(inplace=True)), ("silu",)),
        (lambda: with_norm(nn.Hardswish()), ("hardswish",)),
        (lambda: with_norm(nn.ELU()), ("elu",)),
        (lambda: with_norm(nn.Softplus()), ("softplus",)),
        (lambda: with_norm(nn.ReLU6()), ("relu6",)),
        (lambda: with_norm(nn.GroupNorm(2, 10)), ("group_norm",)),
        (lambda: with_norm(nn.InstanceNorm2d(10, affine=True)), ("instance_norm",)),
        (lambda: with_norm(nn.LocalResponseNorm(3)), ("local_response_norm",)),
        (lambda: WithHead(MEAN, nn.LayerNorm(12), SAME), ("layer_norm",)),
    ],
)
def test_what_is_no_piecewise_affine_map_is_linearised_and_said(
    make: Callable[[], nn.Module], linearised: tuple[str, ...]
) -> None:
    torch.manual_seed(0)
    network = as_network(make(), "odd")
    assert check_suitable(network, BLOCKS, network.architecture.input) == linearised


@pytest.mark.parametrize("make", [Parallel, lambda: with_norm(Product()), WithoutItsHead])
def test_a_block_without_contributions_needs_none_of_this(make: Callable[[], nn.Module]) -> None:
    network = as_network(make(), "odd")
    assert check_suitable(network, BLOCKS[1:2], network.architecture.input) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_the_networks_that_can_be_dissected(kind: str) -> None:
    network = random_network(kind)
    check_suitable(network, network.blocks, network.architecture.input)
    check_suitable(network, network.blocks[::2], network.architecture.input)
    assert not any(child._forward_hooks for child in network.module.modules())


def test_dropout_in_the_head_is_nothing() -> None:
    network = as_network(WithHead(MEAN, nn.Dropout(0.5), SAME), "dropout")
    check_suitable(network, BLOCKS, network.architecture.input)


def test_an_ingest_refuses_before_it_reads_the_data(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    for name in ("index.csv", "label.csv", "category.csv"):
        (data / name).write_text("not read")
    with pytest.raises(ModelError, match=r"block3 cannot be computed from block2"):
        ingest(f"{__name__}:Parallel", data, tmp_path / "a.cg", Settings(blocks=BLOCKS))
    with pytest.raises(ModelError, match="no block4; found block1"):
        ingest(f"{__name__}:gated", data, tmp_path / "a.cg", Settings(blocks=("block4",)))
    with pytest.raises(DataError, match="no such folder"):
        ingest("no_module:no_factory", tmp_path / "none", tmp_path / "a.cg")
    assert list(tmp_path.iterdir()) == [data]


def test_a_network_of_four_channels() -> None:
    module = CustomNetwork()
    module.stem = nn.Conv2d(4, 6, 3, stride=2, padding=1)
    network = as_network(module, "four")
    with pytest.raises(ModelError, match="four takes no photographs; found 4 channels into its"):
        check_suitable(network, network.blocks, network.architecture.input)


class TwoInputs(CustomNetwork):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x + y)


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class First(nn.Module):
    def forward(self, x: tuple[Tensor, Tensor]) -> Tensor:
        return x[0]


def with_a_pair() -> nn.Module:
    module = CustomNetwork()
    module.layer2 = nn.Sequential(CustomBlock(8, 10), Pair())
    module.layer3 = nn.Sequential(First(), CustomBlock(10, 12))
    return module


def for_one_size() -> nn.Module:
    module = CustomNetwork()
    module.layer3 = nn.Sequential(CustomBlock(10, 12), nn.Flatten(), nn.Linear(12, 12))
    return module


class OwnError(Exception):
    """Of somebody's own."""


class Raises(CustomNetwork):
    def forward(self, x: Tensor) -> Tensor:
        raise OwnError("no such\nlayer")


class RaisesInParts(CustomNetwork):
    """It can be run as it is, but not as a copy whose head is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        if self.runs > 1:
            raise OwnError("once is enough")
        return super().forward(x)


class DividesByZero(CustomBlock):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) / torch.zeros(1)


def divides_by_zero() -> nn.Module:
    module = CustomNetwork()
    module.layer2 = nn.Sequential(DividesByZero(8, 10))
    return module


NOT_RUN: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "two inputs": (TwoInputs, "missing 1 required positional argument: 'y'"),
    "a graph of torch.fx": (
        lambda: torch.fx.symbolic_trace(CustomNetwork()),
        "block1 has no output: its module is not run; expected modules that the network calls",
    ),
    "its own exception": (
        Raises,
        r"forward of tests\.ingest\..*\.Raises; found OwnError: no such layer\.",
    ),
    "its own exception later": (RaisesInParts, "RaisesInParts; found OwnError: once is enough"),
    "NaN": (
        divides_by_zero,
        r"output of block2; found \d+ NaN or infinite values of \d+; expected",
    ),
    "two outputs": (with_a_pair, "output of block2; found tuple; expected one tensor"),
    "images of another size": (
        for_one_size,
        "If it takes images of another size, state it with --image-size",
    ),
}


@pytest.mark.parametrize("case", NOT_RUN)
def test_a_network_that_cannot_be_run_is_one_line(case: str) -> None:
    make, message = NOT_RUN[case]
    network = as_network(make(), "net")
    with pytest.raises(ModelError, match=message) as caught:
        check_suitable(network, network.blocks, network.architecture.input._replace(
            height=64, width=64
        ))  # fmt: skip
    assert "\n" not in str(caught.value)


def test_weights_without_values() -> None:
    lazy = CustomNetwork()
    lazy.fc = nn.LazyLinear(5)
    with pytest.raises(
        ModelError, match=r"weights of lazy have no values; found fc\.weight \(Unin"
    ):
        as_network(lazy, "lazy")
    with torch.device("meta"), pytest.raises(ModelError, match=r"found stem\.weight .* on meta"):
        as_network(CustomNetwork(), "meta")


def test_one_class_alone_is_a_decision_of_its_own() -> None:
    assert as_network(CustomNetwork(1), "one").architecture.multi_label
    assert not as_network(CustomNetwork(2), "two").architecture.multi_label
