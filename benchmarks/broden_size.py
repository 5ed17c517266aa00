"""The time of an ingest of Broden's size on a GPU.

    python -m benchmarks.broden_size

63,305 drawn images of 224×224 (1,024 different ones, repeated) with 1,200 concepts. All have a
label map of colors and, like the sources of Broden, label maps of objects and parts and perhaps an
image-level label of a scene, or a label map of materials, or an image-level label of a texture. The
network is an untrained ResNet-50, all four blocks; the whole ingest is timed. For comparison: a
bare forward pass in the same precision over some of the images, decoded ahead.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.dissect import bare_pass
from benchmarks.repeated import repeat
from conceptgraph.ingest.concept_data.decoding import batches
from conceptgraph.ingest.concept_data.writing.writer import BrodenWriter
from conceptgraph.ingest.engine.workers import default_workers
from conceptgraph.ingest.network.loading import load_network
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.settings import Settings

IMAGES, DISTINCT, BATCH = 63_305, 1_024, 256
SIZES = {"color": 11, "object": 552, "part": 200, "material": 32, "scene": 358, "texture": 47}
CONCEPTS = {name: [f"{name} {i}" for i in range(size)] for name, size in SIZES.items()}
FIRST = {name: 1 + sum(list(SIZES.values())[:index]) for index, name in enumerate(SIZES)}
SOURCES = (
    *7 * (("object", "part", "scene"),),
    *4 * (("object", "part"),),
    *7 * (("material",),),
    *2 * (("texture",),),
)


def draw_image(
    number: int,
) -> tuple[Image.Image, dict[str, list[np.ndarray]], dict[str, list[str]]]:
    """Draw an image of regions of one color each, with noise.

    Returns:
        The image, its label maps, and its image-level labels by category.
    """
    rng = np.random.default_rng(number)
    centers = rng.random((12, 2)) * 112
    grid = np.moveaxis(np.mgrid[:112, :112], 0, -1)
    region = ((grid[:, :, None] - centers) ** 2).sum(axis=-1).argmin(axis=-1)
    colors = rng.integers(0, 256, (12, 3))[region]
    noise = rng.normal(0, 12, (112, 112, 3))
    pixels = np.clip(colors + noise, 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels).resize((224, 224), Image.Resampling.BICUBIC)
    turn, index = divmod(number, len(SOURCES))
    source = SOURCES[index]
    number_in_source = turn * SOURCES.count(source) + index - SOURCES.index(source)
    label_maps = {"color": [FIRST["color"] + pixels.sum(axis=2, dtype=int) // 70]}
    for name in source[:2]:
        if name in ("object", "part", "material"):
            labels = FIRST[name] + rng.integers(0, SIZES[name], 12)
            labels[rng.random(12) < (0.7 if name == "part" else 0.2)] = 0
            label_maps[name] = [labels[region]]
    image_labels = {
        name: [CONCEPTS[name][number_in_source % SIZES[name]]]
        for name in source
        if name not in label_maps
    }
    return image, label_maps, image_labels


def draw_data(folder: Path, images: int) -> Path:
    """Draw the concept data in `folder` and return their folder."""
    with (
        BrodenWriter(folder / "distinct", CONCEPTS, mask_shape=(112, 112)) as writer,
        ProcessPoolExecutor() as pool,
    ):
        drawn = pool.map(draw_image, range(min(images, DISTINCT)), chunksize=16)
        for number, (image, label_maps, image_labels) in enumerate(drawn):
            writer.add(f"{number}.jpg", image, label_maps, image_labels)
    return repeat(folder / "distinct", folder / "data", images)


def bare_images_a_second(data: Path, precision: str) -> float:
    """Measure the bare forward pass of the network on the GPU, images decoded ahead."""
    network, device = load_network("resnet50", "random"), torch.device("cuda")
    paths = sorted((data / "images").glob("*.jpg"))[: 4 * BATCH]
    decoded = list(batches(paths, 224, 224, batch_size=BATCH, workers=default_workers()))
    bare_pass(network, device, decoded, precision)
    seconds, _ = bare_pass(network, device, 3 * decoded, precision)
    return 3 * len(paths) / seconds


def main() -> None:
    """Draw the data, time the ingest, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, default=IMAGES, help="images to ingest")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        data = draw_data(Path(name), arguments.images)
        start = time.perf_counter()
        run = ingest(
            "resnet50",
            data,
            Path(name) / "a.cg",
            Settings(quantile=0.005, precision=arguments.precision),
            weights="random",
            device=arguments.device,
        )
        whole = time.perf_counter() - start
        figures = {
            **run.manifest["timings"],
            "whole": whole,
            "images a second in the forward pass": (
                arguments.images / run.manifest["timings"]["forward pass"]
            ),
        }
        if arguments.device == "cuda":
            figures["bare pass a second"] = bare_images_a_second(data, arguments.precision)
            figures["peak GB on the GPU"] = torch.cuda.max_memory_allocated() / 1e9
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
