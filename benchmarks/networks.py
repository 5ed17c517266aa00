"""What is found in networks that people have, as the table of docs/networks.md.

    python -m benchmarks.networks > table.md

Each network, with random weights, is given one image of noise. `error` is the evidence in the
picture plus bias terms less the difference of two logits, as a share of Σ |evidence|, in float64; r
is the correlation of predicted and measured effects of the 100 strongest paths through the last two
blocks.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from conceptgraph.errors import ConceptGraphError
from conceptgraph.explain.decomposition import Downstream, decompose
from conceptgraph.explain.path_search import measure_paths, search_paths, strongest
from conceptgraph.ingest.contributions.suitability import check_suitable
from conceptgraph.ingest.network.affine import affine_copy
from conceptgraph.ingest.network.forward import record_outputs
from conceptgraph.ingest.network.loading import load_network

if TYPE_CHECKING:
    from conceptgraph.ingest.network.loading import Network

TORCHVISION = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d"),
    *("resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
    *("regnet_x_400mf", "regnet_y_400mf", "convnext_tiny"),
)
TIMM = (
    *("resnet18", "resnet18d", "resnet26t", "resnet50d", "resnetblur50", "resnetaa50"),
    *("seresnet50", "seresnext26d_32x4d", "legacy_seresnet18", "ecaresnet26t", "ecaresnet50d"),
    *("skresnet18", "resnest14d", "res2net50d", "cspresnet50", "dla34", "resnet50_gn"),
    *("resnetv2_50", "resnetv2_50x1_bit", "resnext50_32x4d", "resnetrs50", "nf_resnet50"),
    *("regnetx_002", "regnety_002", "regnetz_b16", "convnext_tiny", "convnextv2_atto"),
    *("resnet33ts", "gcresnet33ts", "nfnet_f0", "densenet121", "efficientnet_b0", "rexnet_100"),
    *("mobilenetv3_small_100", "lambda_resnet26t", "eca_nfnet_l0", "vit_tiny_patch16_224"),
    *("tresnet_m", "botnet26t_256", "haloregnetz_b", "resnet50_clip.openai"),
)
CLIPS = {
    **dict.fromkeys(("r3d_18", "mc3_18", "r2plus1d_18"), (8, 32)),
    "resnet3d50": (16, 32),
}
"""Networks of clips, with frames and pixels a side of what they are given."""
SIDE, PATHS = 64, 100


class Row(NamedTuple):
    """What is found in a network."""

    blocks: int
    head: str
    linearised: str
    error: str
    r: str


def examine(network: Network) -> Row:
    """Check a network, explain an image with it, and compare predicted and measured effects."""
    spec = network.architecture.input._replace(height=SIDE, width=SIDE)
    if network.name in CLIPS:
        frames, side = CLIPS[network.name]
        spec = spec._replace(frames=frames, height=side, width=side)
    linearised = check_suitable(network, network.blocks, spec)
    architecture, blocks = network.architecture, network.blocks[-2:]
    affine = affine_copy(network.module).double()
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, *spec.image_shape, generator=generator).double()
    with record_outputs({"": architecture.stage(affine, blocks[0])}) as outputs, torch.no_grad():
        affine(image)
    between, head = (architecture.segment(affine, *step) for step in network.steps(blocks))
    downstream = Downstream([between], head)
    direction = torch.zeros(len(network.classes)).double()
    direction[0], direction[1] = 1, -1
    decomposition = decompose(downstream, outputs[""], direction)
    with torch.no_grad():
        logits = architecture.whole(affine)(image)[0]
    size = float(decomposition.by_position.abs().sum())
    total = float(decomposition.by_position.sum()) + decomposition.biases
    search = search_paths(downstream, decomposition, 20)
    rows, firsts = strongest(search.contributions, PATHS).unbind(1)
    predicted = search.contributions[rows, firsts]
    measured = measure_paths(downstream, decomposition, search.paths(rows, firsts))
    r = np.corrcoef(predicted.numpy(), measured.numpy())[0, 1]
    return Row(
        len(network.blocks),
        str(architecture.head),
        ", ".join(linearised) or "exact",
        f"{abs(total - float(logits @ direction)) / size:.0e}",
        f"{r:.2f}",
    )


def table_row(name: str) -> str:
    """Return a row of the table, or the line that refuses the network."""
    try:
        row = examine(load_network(name, "random"))
    except ConceptGraphError as error:
        return f"| `{name}` | refused: {str(error).split('; found')[0]} | | | | |"
    return f"| `{name}` | {' | '.join(map(str, row))} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = [*TORCHVISION, *(f"timm:{name}" for name in TIMM), *CLIPS]
    parser.add_argument("names", nargs="*", default=names)
    print("| network | blocks | head | linearised | error | r |\n|---|---|---|---|---|---|")
    for name in parser.parse_args().names:
        print(table_row(name), flush=True)


if __name__ == "__main__":
    main()
