"""Concept data with repeated images, to measure what grows with their number."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path


def repeat(data: Path, out: Path, images: int) -> Path:
    """Write concept data of a given number of images by repeating those of a data set.

    Args:
        data: in the Broden layout.
        out: the folder to write. Copies of an image are hard links and share its masks.
        images: number of images to write.

    Returns:
        `out`.
    """
    shutil.copytree(data / "images", out / "images")
    for table in data.glob("*.csv"):
        shutil.copyfile(table, out / table.name)
    rows = pd.read_csv(data / "index.csv", dtype=str, keep_default_na=False)
    copies = [rows]
    for copy in range(1, -(-images // len(rows))):
        (out / "images" / f"copy{copy}").mkdir()
        copied = rows.assign(image=[f"copy{copy}/{number}.jpg" for number in range(len(rows))])
        for name, original in zip(copied["image"], rows["image"], strict=True):
            (out / "images" / name).hardlink_to(out / "images" / original)
        copies.append(copied)
    pd.concat(copies)[:images].to_csv(out / "index.csv", index=False)
    return out
