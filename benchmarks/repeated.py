"""A data set in the Broden layout, its images repeated: to measure what grows with their number."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path


def repeat(data: Path, out: Path, times: int) -> Path:
    """Write `out`: the images and masks of `data` under other names, `times` over."""
    data = data.resolve()
    (out / "images").mkdir(parents=True)
    for table in data.glob("*.csv"):
        (out / table.name).write_bytes(table.read_bytes())
    rows = pd.read_csv(data / "index.csv", dtype=str, keep_default_na=False)
    files = {name for cells in rows.to_numpy().ravel() for name in str(cells).split(";")}
    files = {name for name in files if (data / "images" / name).is_file()}
    copies = []
    for copy in range(times):
        folder = f"copy{copy}"
        for name in files:
            link = out / "images" / folder / name
            link.parent.mkdir(parents=True, exist_ok=True)
            if copy == 0:
                shutil.copyfile(data / "images" / name, link)
            else:
                link.hardlink_to(out / "images" / "copy0" / name)

        def moved(cell: str, folder: str = folder) -> str:
            return ";".join(f"{folder}/{n}" if n in files else n for n in cell.split(";"))

        copies.append(rows.map(moved))
    pd.concat(copies).to_csv(out / "index.csv", index=False)
    return out
