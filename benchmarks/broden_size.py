"""An ingest of Broden's size on a GPU: `python -m benchmarks.broden_size --device cuda`.

63,305 drawn images of 224×224 (1,024 different ones, repeated) with 1,200 concepts: a plane of
colors for all, and, as in Broden's sources, objects and parts with a scene, or materials, or a
texture. An untrained ResNet-50, four blocks, the whole command. Beside it the bare forward pass, in
the same precision, over some of the images, already decoded.
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
from conceptgraph.ingest.concept_data.writing.writer import BrodenWriter
from conceptgraph.ingest.concept_data.decoding import batches
from conceptgraph.ingest.engine.workers import default_workers
from conceptgraph.ingest.inputs import Source
from conceptgraph.ingest.network.loading import load_network
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.settings import Settings

IMAGES, DISTINCT, BATCH = 63_305, 1_024, 256
SIZES = {"color": 11, "object": 552, "part": 200, "material": 32, "scene": 358, "texture": 47}
CONCEPTS = {name: [f"{name} {i}" for i in range(size)] for name, size in SIZES.items()}
FIRST = {name: 1 + sum(list(SIZES.values())[:place]) for place, name in enumerate(SIZES)}
SOURCES = (
    *7 * (("object", "part", "scene"),),
    *4 * (("object", "part"),),
    *7 * (("material",),),
    *2 * (("texture",),),
)


def drawing(number: int) -> tuple[Image.Image, dict[str, list[np.ndarray]], dict[str, list[str]]]:
    """One image: regions of one color each, with noise."""
    rng = np.random.default_rng(number)
    middles = rng.random((12, 2)) * 112
    grid = np.moveaxis(np.mgrid[:112, :112], 0, -1)
    region = ((grid[:, :, None] - middles) ** 2).sum(axis=-1).argmin(axis=-1)
    colors = rng.integers(0, 256, (12, 3))[region]
    noise = rng.normal(0, 12, (112, 112, 3))
    pixels = np.clip(colors + noise, 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels).resize((224, 224), Image.Resampling.BICUBIC)
    turn, place = divmod(number, len(SOURCES))
    source = SOURCES[place]
    of_source = turn * SOURCES.count(source) + place - SOURCES.index(source)
    planes = {"color": [FIRST["color"] + pixels.sum(axis=2, dtype=int) // 70]}
    for name in source[:2]:
        if name in ("object", "part", "material"):
            of_region = FIRST[name] + rng.integers(0, SIZES[name], 12)
            of_region[rng.random(12) < (0.7 if name == "part" else 0.2)] = 0
            planes[name] = [of_region[region]]
    image_labels = {
        name: [CONCEPTS[name][of_source % SIZES[name]]] for name in source if name not in planes
    }
    return image, planes, image_labels


def draw(folder: Path, images: int) -> Path:
    """Write the data set."""
    with (
        BrodenWriter(folder / "distinct", CONCEPTS, mask_shape=(112, 112)) as writer,
        ProcessPoolExecutor() as pool,
    ):
        found = pool.map(drawing, range(min(images, DISTINCT)), chunksize=16)
        for number, (image, planes, image_labels) in enumerate(found):
            writer.add(f"{number}.jpg", image, planes, image_labels)
    return repeat(folder / "distinct", folder / "data", images)


def bare_images_a_second(data: Path, precision: str) -> float:
    """Of the plain network on the GPU, on decoded images."""
    network, device = load_network("resnet50", "random"), torch.device("cuda")
    paths = sorted((data / "images").glob("*.jpg"))[: 4 * BATCH]
    decoded = list(batches(paths, 224, 224, batch_size=BATCH, workers=default_workers()))
    bare_pass(network, device, decoded, precision)
    seconds, _ = bare_pass(network, device, 3 * decoded, precision)
    return 3 * len(paths) / seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        data = draw(Path(name), arguments.images)
        begun = time.perf_counter()
        run = ingest(
            Source("resnet50", "random", None, data),
            Path(name) / "a.cg",
            Settings(precision=arguments.precision),
            device=arguments.device,
        )
        whole = time.perf_counter() - begun
        figures = {
            **run.manifest["timings"],
            "whole": whole,
            "collected a second": arguments.images / run.manifest["timings"]["collect"],
        }
        if arguments.device == "cuda":
            figures["bare pass a second"] = bare_images_a_second(data, arguments.precision)
            figures["peak GB on the GPU"] = torch.cuda.max_memory_allocated() / 1e9
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
