"""Block outputs are the network's own, and no hook outlives the look at them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from conceptgraph.errors import ConceptGraphError, ModelError
from conceptgraph.ingest.engine.device import out_of_memory_errors
from conceptgraph.ingest.network.forward import BlockOutputs, block_outputs, record_outputs
from tests.random_networks import KINDS, SIZES, random_network


class Failing(nn.Module):
    """A network whose second block fails, by whatever error it is given."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.layer1 = nn.Conv2d(3, 4, 1)
        self.layer2 = nn.Conv2d(4, 4, 1)
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        self.layer2(self.layer1(x))
        raise self.error


def hooks(module: nn.Module) -> int:
    return sum(
        len(child._forward_hooks) + len(child._forward_pre_hooks) for child in module.modules()
    )


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), RuntimeError("no"), MemoryError(), torch.OutOfMemoryError("no")]
)
def test_no_hook_is_left_after_an_error(error: BaseException) -> None:
    module = Failing(error)
    stages = {"block1": module.layer1, "block2": module.layer2}
    with pytest.raises((ModelError, KeyboardInterrupt, MemoryError, torch.OutOfMemoryError)):
        block_outputs(module, stages, torch.zeros(1, 3, 4, 4))
    assert hooks(module) == 0


def test_no_hook_is_left_by_a_failing_user() -> None:
    module = Failing(RuntimeError())

    def fail() -> None:
        with record_outputs({"block1": module.layer1}) as outputs:
            module.layer1(torch.zeros(1, 3, 4, 4))
            assert list(outputs) == ["block1"]
            assert hooks(module) == 1
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert hooks(module) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_those_of_the_stages_run_one_by_one(kind: str) -> None:
    network = random_network(kind)
    module = network.module
    batch = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    stages = {block: network.stage(block) for block in network.blocks}
    found = block_outputs(module, stages, batch)
    x = module.get_submodule("stem")(batch) if kind == "factory" else stem(module, batch)
    for block in network.blocks:
        x = stages[block](x)
        torch.testing.assert_close(found[block], x, rtol=0, atol=0)
        assert (found[block] >= 0).all()
        assert not found[block].requires_grad
        x = x.clone()  # later stages work in place
    assert list(found) == list(network.blocks)
    assert kind == "factory" or {b: tuple(x.shape[2:]) for b, x in found.items()} == SIZES
    assert hooks(module) == 0


def stem(module: nn.Module, batch: Tensor) -> Tensor:
    x = batch
    for name in ("conv1", "bn1", "relu", "maxpool"):
        x = module.get_submodule(name)(x)
    return x


def test_looking_changes_nothing() -> None:
    network = random_network("basic")
    before = {key: value.clone() for key, value in network.module.state_dict().items()}
    batch = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = network.module(batch)
    block_outputs(network.module, {"block2": network.stage("block2")}, batch)
    torch.testing.assert_close(network.module(batch), logits, rtol=0, atol=0)
    for key, value in network.module.state_dict().items():
        assert torch.equal(value, before[key])


def test_half_precision_comes_as_float32_and_keeps_its_memory_format() -> None:
    network = random_network("basic")
    module = network.module.bfloat16().to(memory_format=torch.channels_last)
    batch = torch.zeros(2, 3, 32, 32).bfloat16().to(memory_format=torch.channels_last)
    output = block_outputs(module, {"block1": network.stage("block1")}, batch)["block1"]
    assert output.dtype == torch.float32
    assert output.is_contiguous(memory_format=torch.channels_last)


def test_outputs_that_are_no_maps_are_refused() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    with pytest.raises(ModelError, match=r"output of block1; found shape \(2, 4\); expected"):
        block_outputs(flat, {"block1": flat[1]}, torch.zeros(2, 3, 2, 2))


def test_errors_of_the_network_are_one_line() -> None:
    module = Failing(torch.OutOfMemoryError("CUDA out of memory"))
    with (
        pytest.raises(ConceptGraphError, match=r"out of memory.*smaller --batch-size"),
        out_of_memory_errors(),
    ):
        block_outputs(module, {"block1": module.layer1}, torch.zeros(1, 3, 4, 4))
    with pytest.raises(ModelError, match=r"images of shape \(5, 4, 4\)"):
        block_outputs(module, {"block1": module.layer1}, torch.zeros(1, 5, 4, 4))


class Small(nn.Module):
    """A network on a device that holds so many images."""

    def __init__(self, images: int) -> None:
        super().__init__()
        self.layer1 = nn.Conv2d(3, 4, 1)
        self.images = images
        self.asked: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.asked.append(len(x))
        if len(x) > self.images:
            raise torch.OutOfMemoryError("no")
        result: Tensor = self.layer1(x)
        return result


def test_a_batch_too_large_for_the_device_is_halved_and_stays_so() -> None:
    module = Small(3)
    batch = torch.rand(10, 3, 4, 4)
    run = BlockOutputs(module, {"block1": module.layer1})
    torch.testing.assert_close(run(batch)["block1"], module.layer1(batch))
    assert module.asked == [10, 5, 3, 3, 3, 1]
    module.asked.clear()
    run(batch)
    assert module.asked == [3, 3, 3, 1]


def test_one_image_too_large_for_the_device() -> None:
    module = Small(0)
    run = BlockOutputs(module, {"block1": module.layer1})
    with pytest.raises(torch.OutOfMemoryError):
        run(torch.zeros(4, 3, 4, 4))
    assert module.asked[:3] == [4, 2, 1]


def test_threads_get_their_own_outputs() -> None:
    network = random_network("basic")
    run = BlockOutputs(network.module, {"block1": network.stage("block1")})
    batches = [torch.rand(3, 3, 64, 64) for _ in range(12)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, batches))
    for batch, outputs in zip(batches, found, strict=True):
        expected = block_outputs(network.module, {"block1": network.stage("block1")}, batch)
        torch.testing.assert_close(outputs["block1"], expected["block1"])


def test_the_network_is_run_up_to_the_last_block_wanted() -> None:
    network = random_network("basic")
    stages = {block: network.stage(block) for block in network.blocks}
    run, batch = BlockOutputs(network.module, stages), torch.rand(3, 3, 64, 64)
    everything = run(batch)
    done: list[str] = []
    for block, stage in stages.items():
        stage.register_forward_pre_hook(lambda stage, inputs, block=block: done.append(block))
    outputs = run(batch, ["block2"])
    assert done == ["block1", "block2"]
    assert list(outputs) == ["block2"]
    assert torch.equal(outputs["block2"], everything["block2"])
    done.clear()
    assert list(run(batch, ["block3", "block1"])) == ["block1", "block3"]
    assert done == ["block1", "block2", "block3"]
    assert list(run(batch)) == list(stages)
