"""Embeddings of the patches of images, by networks that were trained to embed whole images.

The last attention of a CLIP mixes all positions into one vector. Left out, its value and output
projections alone bring each position into the space of the texts (MaskCLIP, Zhou, Loy and Dai 2022,
"Extract Free Dense Labels from CLIP"):

    ResNet    attention pooling: c_proj(v_proj(x)) at each position of the last stage
    ViT       last block: x' = x + out_proj(v_proj(ln_1(x))), then MLP, ln_post and projection

Positional embeddings of the ResNet's pooling are left out, as MaskCLIP does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from torch.nn import functional

from ....errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor


def patch_embeddings(visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    """Embed images and their patches.

    Args:
        visual: the image tower of a network of open_clip.
        pixels: (images, 3, height, width).

    Returns:
        (images, dimensions), as the tower gives them, and (images, height, width, dimensions).

    Raises:
        ModelError: neither a CLIP ResNet nor a plain ViT.
    """
    resnet = importlib.import_module("open_clip.modified_resnet")
    transformer = importlib.import_module("open_clip.transformer")
    if isinstance(visual, resnet.ModifiedResNet):
        return _of_resnet(visual, pixels)
    if isinstance(visual, transformer.VisionTransformer):
        blocks = list(visual.transformer.resblocks)
        plain = isinstance(blocks[-1], transformer.ResidualAttentionBlock)
        if plain and len(blocks) > 1 and visual.attn_pool is None and visual.proj is not None:
            return _of_vit(visual, pixels)
    raise ModelError(
        "this network has no embeddings of patches",
        found=type(visual).__name__,
        expected="a ResNet or a plain ViT, such as RN50 or ViT-B-16",
    )


def _of_resnet(visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    output = visual.forward_intermediates(pixels, indices=[4])
    positions = output["image_intermediates"][0].permute(0, 2, 3, 1)
    patches: Tensor = visual.attnpool.c_proj(visual.attnpool.v_proj(positions))
    return output["image_features"], patches


def _of_vit(visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    blocks = visual.transformer.resblocks
    output = visual.forward_intermediates(pixels, indices=[len(blocks) - 2])
    block, attention = blocks[-1], blocks[-1].attn
    before = output["image_intermediates"][0].permute(0, 2, 3, 1)
    width = before.shape[-1]
    weight, bias = attention.in_proj_weight[2 * width :], attention.in_proj_bias[2 * width :]
    values = functional.linear(block.ln_1(before), weight, bias)
    after = before + block.ls_1(attention.out_proj(values))
    after = after + block.ls_2(block.mlp(block.ln_2(after)))
    patches: Tensor = visual.ln_post(after) @ visual.proj
    return output["image_features"], patches
