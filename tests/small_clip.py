"""Small networks of open_clip, a ResNet and a ViT, whose random weights are saved on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import open_clip
import torch

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SIDE = 64
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
RESNET = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": SIDE, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
    "text_cfg": TEXT,
}
VIT = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": SIDE, "layers": 3, "width": 64, "patch_size": 16},
    "text_cfg": TEXT,
}


def add_small_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let open_clip know `tiny-RN` and `tiny-ViT`."""
    for name, config in (("tiny-RN", RESNET), ("tiny-ViT", VIT)):
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, config)


def save_clip(file: Path, name: str = "tiny-RN", seed: int = 0) -> Any:
    """Save the weights of a small network, and return it."""
    torch.manual_seed(seed)
    model = open_clip.create_model(name, pretrained=None).eval()
    torch.save(model.state_dict(), file)
    return model
