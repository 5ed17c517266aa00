"""Drawn photographs, and small segmenters on disk, as Hugging Face's tools save them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers
from PIL import Image, ImageDraw

from conceptgraph.ingest.concept_data.checking.check import check
from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.concept_data.writing.writer import BrodenWriter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 64
CLASSES = ("background", "ball", "box")
COLORS = {"ball": (220, 30, 30), "box": (30, 170, 60)}


def draw_picture(seed: int) -> tuple[Image.Image, NDArray[np.int64]]:
    """Draw a red ball and a green box on grey; return the picture and the class of each pixel."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (SIDE, SIDE), tuple([int(rng.integers(90, 200))] * 3))
    classes = Image.new("L", (SIDE, SIDE))
    for number, name in enumerate(CLASSES[1:], 1):
        x, y = (int(v) for v in rng.integers(0, SIDE // 2, 2))
        x = x // 2 + (number - 1) * SIDE // 2  # they do not overlap
        box = (x, y, x + SIDE // 4, y + SIDE // 2)
        for image, fill in ((picture, COLORS[name]), (classes, number)):
            draw = ImageDraw.Draw(image)
            (draw.ellipse if name == "ball" else draw.rectangle)(box, fill=fill)
    return picture, np.asarray(classes, np.int64)


def draw_photographs(folder: Path, count: int, first: int = 1000) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        draw_picture(first + number)[0].save(folder / f"photo{number:02d}.png")
    return folder


def save_segformer(
    folder: Path, classes: tuple[str, ...] = CLASSES, *, steps: int = 0, seed: int = 0
) -> Path:
    """Save a tiny SegFormer, trained for some steps on drawn pictures."""
    torch.manual_seed(seed)
    config = transformers.SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 16, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=32,
        id2label=dict(enumerate(classes)),
        label2id={name: k for k, name in enumerate(classes)},
    )
    model: Any = transformers.SegformerForSemanticSegmentation(config)
    processor = transformers.SegformerImageProcessor(size={"height": SIDE, "width": SIDE})
    if steps:
        _train(model, processor, steps)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _train(model: Any, processor: Any, steps: int) -> None:
    drawn = [draw_picture(seed) for seed in range(64)]
    pixels = processor(images=[picture for picture, _ in drawn], return_tensors="pt")
    truth = torch.tensor(np.stack([classes for _, classes in drawn]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    for step in range(steps):
        batch = torch.arange(8) + 8 * (step % 8)
        loss = model(pixel_values=pixels["pixel_values"][batch], labels=truth[batch]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def save_clipseg(folder: Path, words: tuple[str, ...] = CLASSES[1:]) -> Path:
    """Save a tiny CLIPSeg with a tokenizer of few words; its weights are random."""
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    letters = sorted(set("".join(words)))
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = [*tokens, "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({t: k for k, t in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
    start, end = len(vocabulary) - 2, len(vocabulary) - 1
    small = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    config = transformers.CLIPSegConfig(
        text_config={
            **small, "vocab_size": len(vocabulary), "num_hidden_layers": 1,
            "bos_token_id": start, "eos_token_id": end, "pad_token_id": end,
        },
        vision_config={**small, "num_hidden_layers": 3, "image_size": SIDE, "patch_size": 16},
        projection_dim=16, reduce_dim=16, extract_layers=[0, 1, 2],
        decoder_num_attention_heads=2, decoder_intermediate_size=32, conditional_layer=0,
    )  # fmt: skip
    transformers.CLIPSegForImageSegmentation(config).save_pretrained(folder)
    images = transformers.ViTImageProcessor(size={"height": SIDE, "width": SIDE})
    processor: Any = transformers.CLIPSegProcessor  # without types
    processor(images, tokenizer).save_pretrained(folder)
    return folder


def masks(folder: Path) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """Return the mask of each image and concept."""
    data = open_concept_data(folder)
    assert check(folder).defects == ()
    return {
        (image.name, concept.uid): (read_label_maps(data, image) == column).any(0)
        for image in data.images
        for column, concept in enumerate(data.concepts, 1)
    }


def write_truth(folder: Path, photos: Path, numbers: Sequence[int]) -> Path:
    """Write what `draw_picture` says of some of the photographs."""
    with BrodenWriter(folder, {"object": ["ball", "box"], "part": ["lid"]}) as writer:
        for number in numbers:
            path = photos / f"photo{number:02d}.png"
            label_map = draw_picture(1000 + number)[1]
            writer.add(f"other{number}.png", path, {"object": [label_map]})
        writer.add("more.png", Image.new("RGB", (9, 9)), {"part": [np.full((9, 9), 3)]})
    return folder
