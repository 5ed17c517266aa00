"""Affine copies and one-unit contributions, against plain ways of working them out."""

from __future__ import annotations

import copy
import hashlib
from itertools import pairwise
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from conceptgraph.errors import ModelError
from conceptgraph.ingest.contributions.one_unit import one_unit_contributions
from conceptgraph.ingest.network.affine import (
    Affine,
    affine_copy,
    bias_terms,
    fold_batchnorm,
    without_biases,
)
from conceptgraph.ingest.network.loading import ModuleNames, Network, as_network
from tests.random_networks import (
    KINDS,
    SIZES,
    CustomBlock,
    CustomNetwork,
    linear_head,
    random_network,
)

MAPS = {"block1": (6, 5), "block2": (4, 3), "block3": (3, 2), "block4": (2, 1)}


def images(count: int = 3, size: int = 32) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def plainly_unbiased(module: nn.Module) -> nn.Module:
    """The original layers and forward code, each bias and batch norm statistic zeroed by hand."""
    clone = copy.deepcopy(module).double()
    for child in clone.modules():
        if isinstance(child, nn.BatchNorm2d):
            assert child.running_mean is not None
            child.bias.data.zero_()
            child.running_mean.zero_()
        elif isinstance(child, (nn.Conv2d, nn.Linear)) and child.bias is not None:
            child.bias.data.zero_()
    return clone


def before_last_relu(block: nn.Module, x: Tensor) -> Tensor:
    """A residual block written out, but for its last ReLU."""
    if isinstance(block, CustomBlock):
        y: Tensor = nn.functional.avg_pool2d(block.norm(block.conv(x)), 2)
        shortcut: Tensor = block.shortcut(nn.functional.avg_pool2d(x, 2))
        return y + shortcut
    assert isinstance(block, (BasicBlock, Bottleneck))
    y = block.bn2(block.conv2(block.bn1(block.conv1(x)).relu()))
    if isinstance(block, Bottleneck):
        y = block.bn3(block.conv3(y.relu()))
    shortcut = x if block.downsample is None else block.downsample(x)
    return y + shortcut


def reference(
    stage: nn.Module, units: int, size: tuple[int, int]
) -> tuple[list[list[float]], list[list[float]]]:
    """One unit, one target, one pixel at a time."""
    plain = plainly_unbiased(stage)
    residual_blocks = list(plain) if isinstance(plain, nn.Sequential) else [plain]
    weight, pre = [], []
    for unit in range(units):
        x = torch.zeros(1, units, *size, dtype=torch.float64)
        for row in range(size[0]):
            for column in range(size[1]):
                x[0, unit, row, column] = 1.0
        after = plain(x)[0]
        for block in residual_blocks[:-1]:
            x = block(x)
        before = before_last_relu(residual_blocks[-1], x)[0]
        weight.append([sum(target.flatten().tolist()) / target.numel() for target in after])
        pre.append([sum(target.flatten().tolist()) / target.numel() for target in before])
    return weight, pre


def sizes_of(network: Network) -> dict[str, tuple[int, int]]:
    return {block: MAPS[block] for block in network.blocks}


@pytest.mark.parametrize("kind", KINDS)
def test_contributions_are_those_of_one_unit_at_a_time(kind: str) -> None:
    network = random_network(kind)
    found = one_unit_contributions(network, sizes_of(network), batch_size=7)
    assert [(c.source, c.target) for c in found] == [
        *pairwise(network.blocks),
        (network.blocks[-1], "class"),
    ]
    for contribution in found[:-1]:
        weight, pre = reference(
            network.stage(contribution.target),
            len(contribution.weight),
            MAPS[contribution.source],
        )
        np.testing.assert_allclose(contribution.weight, weight, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(contribution.pre, pre, rtol=1e-4, atol=1e-5)
        assert contribution.weight.dtype == contribution.pre.dtype == np.float32
        assert (contribution.pre < 0).mean() > 0.1, "inhibition must be visible"
        assert (contribution.weight > 0).mean() > 0.3, "most targets must be alive"


def test_classes_get_the_final_weights_themselves() -> None:
    network = random_network("basic")
    (last,) = one_unit_contributions(network, {"block4": (1, 1)})
    assert np.array_equal(last.weight, linear_head(network).weight.numpy().T)
    assert np.array_equal(last.pre, last.weight)
    assert last.target == "class"


def test_blocks_in_between_are_run_through_and_classes_need_the_last_block() -> None:
    network = random_network("factory")
    (through,) = one_unit_contributions(network, {"block1": (8, 8)} | {"block3": (2, 2)})[:1]
    stages = nn.Sequential(network.stage("block2"), *network.stage("block3").children())
    weight, _ = reference(stages, 8, (8, 8))
    np.testing.assert_allclose(through.weight, weight, rtol=1e-4, atol=1e-5)
    assert [
        c.target for c in one_unit_contributions(network, {"block1": (8, 8), "block2": (4, 4)})
    ] == ["block2"]


def test_batches_do_not_matter_and_progress_counts_units() -> None:
    network = random_network("bottleneck")
    sizes = {"block1": SIZES["block1"], "block2": SIZES["block2"]}
    done: list[int] = []
    (small,) = one_unit_contributions(network, sizes, batch_size=5, advance=done.append)
    (large,) = one_unit_contributions(network, sizes, batch_size=1000)
    np.testing.assert_allclose(small.weight, large.weight, rtol=1e-5, atol=1e-6)
    assert done == [5] * 6 + [2]


def digest_of(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for key, tensor in module.state_dict().items():
        digest.update(key.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_is_left_as_it_was(kind: str) -> None:
    network = random_network(kind)
    before, outline = digest_of(network.module), repr(network.module)
    one_unit_contributions(network, sizes_of(network))
    fold_batchnorm(network.module)
    for bias in bias_terms(affine_copy(network.module)):
        bias.add_(1)
    assert digest_of(network.module) == before
    assert repr(network.module) == outline, "no layer exchanged, every in-place ReLU still in place"


@pytest.mark.parametrize("kind", KINDS)
def test_affine_copy_computes_the_same(kind: str) -> None:
    module = random_network(kind).module
    assert not any(isinstance(m, nn.BatchNorm2d) for m in affine_copy(module).modules())
    torch.testing.assert_close(
        affine_copy(module)(images()), module(images()), rtol=1e-5, atol=2e-5
    )
    double, x = copy.deepcopy(module).double(), images().double()
    torch.testing.assert_close(affine_copy(double)(x), double(x), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_folded_copy_computes_the_same_with_fewer_layers(kind: str) -> None:
    module = random_network(kind).module
    folded = fold_batchnorm(module)
    torch.testing.assert_close(folded(images()), module(images()), rtol=1e-4, atol=1e-4)
    left = sum(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    # CustomBlock calls its pair `conv` and `norm`, a name that says nothing.
    assert left == (3 if kind == "factory" else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_without_biases_a_network_is_homogeneous_and_with_them_it_is_not(kind: str) -> None:
    module, x = copy.deepcopy(random_network(kind).module).double(), images().double()
    plain = without_biases(module)
    torch.testing.assert_close(plain(3 * x), 3 * plain(x), rtol=1e-11, atol=1e-11)
    assert plain(torch.zeros_like(x)).abs().max() == 0
    assert (module(3 * x) - 3 * module(x)).abs().max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_a_logit_is_its_activations_and_bias_terms_to_the_last_digit(kind: str) -> None:
    network = random_network(kind)
    model = affine_copy(network.module).double()
    biases = bias_terms(model)
    for bias in biases:
        assert bias.is_leaf
        bias.requires_grad_()
    x = images(1).double().requires_grad_()
    logit = model(x)[0, 2]
    gradients = torch.autograd.grad(logit, [x, *biases], materialize_grads=True)
    parts = [float((g * v).detach().sum()) for g, v in zip(gradients, [x, *biases], strict=True)]
    assert sum(parts) == pytest.approx(logit.item(), abs=1e-9)
    assert abs(parts[0] - logit.item()) > 1e-3, "biases must matter, or this proves nothing"


def test_affine_of_a_batch_norm_without_weights() -> None:
    norm = nn.BatchNorm2d(3, affine=False).eval()
    assert norm.running_mean is not None
    norm.running_mean.uniform_(-1, 1)
    x = images(2, 4)
    torch.testing.assert_close(Affine.from_batchnorm(norm)(x), norm(x))


def test_one_batch_norm_under_two_names_is_exchanged_under_both() -> None:
    norm = nn.BatchNorm2d(3)
    twice = affine_copy(nn.Sequential(norm, nn.ReLU(inplace=True), norm))
    assert [type(m) for _, m in twice.named_children()] == [Affine, nn.ReLU, Affine]


def test_fold_leaves_a_batch_norm_before_its_convolution_alone() -> None:
    module = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1)).eval()
    assert repr(fold_batchnorm(module)) == repr(module)


class FunctionalEnd(CustomBlock):
    """Its last ReLU is a function."""

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.avg_pool2d(self.norm(self.conv(x)), 2)
        y = y + self.shortcut(nn.functional.avg_pool2d(x, 2))
        return nn.functional.relu(y, inplace=True)


class NoEnd(CustomBlock):
    """Its last step is the addition, as in pre-activation networks."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.shortcut(nn.functional.avg_pool2d(x, 2))
        return y + nn.functional.avg_pool2d(self.norm(self.conv(x.relu())), 2)


@pytest.mark.parametrize(("block", "signed"), [(FunctionalEnd, False), (NoEnd, True)])
def test_blocks_that_end_in_a_function_or_in_an_addition(
    block: type[CustomBlock], signed: bool
) -> None:
    module = CustomNetwork()
    module.layer2 = block(8, 10)
    network = as_network(module, "odd")
    (found,) = one_unit_contributions(network, {"block1": (8, 8), "block2": (4, 4)})
    plain = plainly_unbiased(network.stage("block2"))
    one_at_a_time = torch.eye(8).double()[:, :, None, None].expand(8, 8, 8, 8)
    expected = plain(one_at_a_time.clone()).mean((2, 3))
    np.testing.assert_allclose(found.weight, expected.detach(), rtol=1e-4, atol=1e-6)
    assert (found.pre < 0).any()
    assert bool((found.weight < 0).any()) == signed
    assert np.array_equal(found.pre, found.weight) == signed


class DeepHead(CustomNetwork):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 5))  # type: ignore[assignment]


def test_classes_are_measured_through_the_whole_head() -> None:
    network = as_network(DeepHead(), "deep head")
    assert network.architecture.head == "fc.2"
    last = one_unit_contributions(network, {"block3": (2, 2)})[-1]
    layers = (network.module.get_submodule(f"fc.{number}") for number in (0, 2))
    first, second = (cast("nn.Linear", layer).weight for layer in layers)
    expected = (first.T.relu() @ second.T).numpy()
    np.testing.assert_allclose(last.weight, expected, rtol=1e-4, atol=1e-6)


class Gate(nn.Module):
    """Squeeze-and-excitation."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(units, units, 1)

    def forward(self, x: Tensor) -> Tensor:
        gates: Tensor = torch.sigmoid(self.fc(x.mean((2, 3), keepdim=True)))
        return x * gates


def test_gates_have_their_mean_over_images() -> None:
    """A block that is a convolution and a gate: the gate's mean scales the convolution."""
    module = CustomNetwork()
    convolution, gate = nn.Conv2d(8, 10, 1), Gate(10)
    pooling = nn.Conv2d(10, 10, 2, 2)
    module.layer2 = nn.Sequential(convolution, gate, pooling, nn.ReLU())
    network = as_network(module, "gated", names=ModuleNames(("layer1", "layer2")))
    pictures = images(4, 64)
    found = one_unit_contributions(
        network, {"block1": (16, 16), "block2": (8, 8)}, images=pictures
    )[0]
    with torch.no_grad():
        maps = convolution(module.layer1(module.stem(pictures)))
        mean = torch.sigmoid(gate.fc(maps.mean((2, 3), keepdim=True))).mean(0)[:, 0, 0]
        by_unit = (convolution.weight[:, :, 0, 0] * mean[:, None]).T  # (units, 10)
        expected = (by_unit @ pooling.weight.sum((2, 3)).T).relu()
    np.testing.assert_allclose(found.weight, expected, rtol=1e-4, atol=1e-6)


class BatchStatistics(CustomBlock):
    def __init__(self) -> None:
        super().__init__(8, 10)
        self.norm = nn.BatchNorm2d(10, track_running_stats=False)


def test_a_batch_norm_without_statistics_is_refused() -> None:
    module = CustomNetwork()
    module.layer2 = BatchStatistics()
    with pytest.raises(ModelError, match="a batch norm keeps no running statistics"):
        one_unit_contributions(as_network(module, "odd"), {"block1": (4, 4), "block2": (2, 2)})


def test_blocks_out_of_order_and_unknown_blocks() -> None:
    network = random_network("basic")
    with pytest.raises(ModelError, match=r"out of order; found block2, block1; expected block1,"):
        one_unit_contributions(network, {"block2": (4, 4), "block1": (8, 8)})
    with pytest.raises(ModelError, match=r"no block 'block5'\. Did you mean 'block4'"):
        one_unit_contributions(network, {"block4": (1, 1), "block5": (1, 1)})
