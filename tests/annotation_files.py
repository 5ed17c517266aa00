"""Writes annotation files of every format, for tests to read and to damage."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tests.drawn_data import write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HEIGHT, WIDTH = 40, 60


def write_image(path: Path, seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> Path:
    """Write an image of noise, different for each seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).save(path)
    return path


def coco() -> dict[str, Any]:
    """Return COCO annotations: two images, two concepts, a region of each kind."""
    square = {"size": [HEIGHT, WIDTH], "counts": [40, 400, HEIGHT * WIDTH - 440]}
    packed = {"size": [HEIGHT, WIDTH], "counts": "X1`<Xm1"}  # the same, as COCO's text
    return {
        "images": [
            {"id": 1, "file_name": "a.png", "height": HEIGHT, "width": WIDTH},
            {"id": 2, "file_name": "b.png", "height": HEIGHT, "width": WIDTH},
        ],
        "categories": [
            {"id": 1, "name": "walking", "supercategory": "action"},
            {"id": 2, "name": "cycling", "supercategory": "action"},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 5, 20, 30]},
            {
                "id": 2,
                "image_id": 1,
                "category_id": 2,
                "segmentation": [[20, 10, 50, 10, 50, 30, 20, 30]],
            },
            {"id": 3, "image_id": 2, "category_id": 1, "segmentation": square},
            {"id": 4, "image_id": 2, "category_id": 2, "segmentation": packed},
        ],
    }


def write_json(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def voc(objects: str, image: str = "a.png", width: object = WIDTH) -> str:
    return (
        f"<annotation><filename>{image}</filename><size><width>{width}</width>"
        f"<height>{HEIGHT}</height><depth>3</depth></size>{objects}</annotation>"
    )


def voc_object(
    name: str = "walking", box: tuple[object, ...] = (11, 6, 30, 35), more: str = ""
) -> str:
    corners = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    inside = "".join(f"<{side}>{value}</{side}>" for side, value in corners)
    return f"<object><name>{name}</name>{more}<bndbox>{inside}</bndbox></object>"


def labelme(*shapes: dict[str, Any], image: str = "a.png") -> dict[str, Any]:
    return {
        "version": "5.4.1",
        "imagePath": image,
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
        "imageData": None,
        "shapes": list(shapes),
    }


def shape(kind: str = "rectangle", points: object = ((10, 5), (30, 35)), **more: Any) -> Any:
    return {"label": "walking", "shape_type": kind, "points": points, **more}


def via_region(**attributes: object) -> dict[str, Any]:
    """Return walking in the usual box, as VIA writes it."""
    box = {"name": "rect", "x": 10, "y": 5, "width": 20, "height": 30}
    return {"shape_attributes": box, "region_attributes": {"label": "walking", **attributes}}


def cvat(shapes: str, image: str = "a.png", width: object = WIDTH) -> str:
    return (
        "<annotations><version>1.1</version><meta/>"
        f'<image id="0" name="{image}" width="{width}" height="{HEIGHT}">{shapes}</image>'
        "</annotations>"
    )


def cvat_box(more: str = "", **attributes: str) -> str:
    inside = "".join(f'<attribute name="{k}">{v}</attribute>' for k, v in attributes.items())
    box = 'label="walking" occluded="0" xtl="10" ytl="5" xbr="30" ybr="35"'
    return f"<box {box} {more}>{inside}</box>"


def label_studio(*results: dict[str, Any], image: str = "/data/upload/1/a.png") -> dict[str, Any]:
    """Return a task of Label Studio's export, which one annotator completed."""
    annotation = {"id": 1, "completed_by": 3, "was_cancelled": False, "result": list(results)}
    return {"id": 1, "data": {"image": image}, "annotations": [annotation]}


def label_studio_box(kind: str = "rectanglelabels", **value: object) -> dict[str, Any]:
    """Return walking in the usual box, in percent, as Label Studio writes it."""
    box = {"x": 100 * 10 / WIDTH, "y": 100 * 5 / HEIGHT, "width": 100 / 3, "height": 75.0}
    return {
        "type": kind,
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "value": {**box, kind: ["walking"], **value},
    }


def png_text(mask: NDArray[np.bool_]) -> str:
    """Encode a mask as LabelMe does."""
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def write_masks(
    folder: Path, names: dict[str, NDArray[np.uint8]], *rows: tuple[object, ...]
) -> Path:
    """Write masks with a palette, by path below the folder, and labels.csv."""
    for name, values in names.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(values)
        picture.putpalette(bytes(range(256)) * 3)
        picture.save(path)
    write_csv(folder / "labels.csv", ("value", "name"), rows)
    return folder
