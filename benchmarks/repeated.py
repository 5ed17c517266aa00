"""A data set in the Broden layout, its images repeated: to measure what grows with their number."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path


def repeat(data: Path, out: Path, images: int) -> Path:
    """Write `out`: so many images, those of `data` under other names; their masks are shared."""
    shutil.copytree(data / "images", out / "images")
    for table in data.glob("*.csv"):
        shutil.copyfile(table, out / table.name)
    rows = pd.read_csv(data / "index.csv", dtype=str, keep_default_na=False)
    copies = [rows]
    for copy in range(1, -(-images // len(rows))):
        (out / "images" / f"copy{copy}").mkdir()
        again = rows.assign(image=[f"copy{copy}/{place}.jpg" for place in range(len(rows))])
        for name, original in zip(again["image"], rows["image"], strict=True):
            (out / "images" / name).hardlink_to(out / "images" / original)
        copies.append(again)
    pd.concat(copies)[:images].to_csv(out / "index.csv", index=False)
    return out
