"""Runs that the explorer is tested with: hostile names, pictures, evidence, words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from PIL import Image

from conceptgraph.graph.run.audits import save_audit
from conceptgraph.graph.run.files import write_table
from conceptgraph.graph.run.reader import open_run
from conceptgraph.graph.run.schema import TABLES
from tests.made_runs import add_evidence, add_words, random_run

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.graph.run.reader import Run

SCRIPT = "<script>document.title='taken'</script>"
CLASSES = ("juggling", "road", "../../etc/passwd", SCRIPT, "a/b?c#d&e=f%00", "عربي")
CONCEPTS = (
    "texture/polka dotted", "object/ball", "action/juggling", f"object/{SCRIPT}", "object/..",
    "object/a/b?c#d", "color/red", "scene/كرة",
)  # fmt: skip
IMAGES = ("street one.jpg", "../secret.jpg", "a&b=c#d.jpg", "street two.jpg")
AUDIT: dict[str, object] = {
    "block": "block3", "images": 9, "right": 5, "unreadable": [], "answers": {"road": 5, SCRIPT: 4},
    "confusions": [
        {"truth": "road", "predicted": SCRIPT, "images": ["../../etc/passwd", "b.jpg"],
         "concepts": [{"concept": "object/ball", "raises": 1.5, "lowers": -0.5}]},
        {"truth": SCRIPT, "predicted": "juggling", "images": ["c.jpg"] * 70, "concepts": []},
    ],
    "suspects": [{"concept": f"object/{SCRIPT}", "mistakes": 3, "rights": 1, "excess": 0.5,
                  "low": 0.1, "high": 0.9, "fixes": None, "breaks": 2}],
    "no_suspects": None,
    "reliance": [
        {"class": "road", "concept": concept, "images": 5, "strongest": number, "painted": 4,
         "changes": number, "evidence": 0.5, "excess": 0.25, "low": 0.1, "high": 0.4, "also": [],
         "wrong_strongest": 2, "fixes": 1}
        for number, concept in enumerate(CONCEPTS)
    ],
    "groups": [{"class": SCRIPT, "of": 9, "images": ["b.jpg", "c.jpg"], "separation": 0.5,
                "concepts": [{"concept": "object/ball", "share": 0.9, "elsewhere": 0.1}],
                "units": ["block3/1"], "wrong": 1}],
}  # fmt: skip


def explored_run(out: Path, *, seed: int = 3, network: str = "net", words: bool = True) -> Run:
    """A run of three blocks of which nearly everything has a hostile name."""
    widths = {"block2": 4, "block3": 12, "block4": 70}
    made = random_run(out, widths, classes=CLASSES, concepts=CONCEPTS, seed=seed, network=network)
    rows = [
        (uid, rank, IMAGES[(number + rank) % len(IMAGES)], 4.0 - rank, f"thumbnails/{number}.jpg")
        for number, uid in enumerate(made.units["uid"])
        for rank in range(2)
        if made.units["status"][number] == "ok"
    ]
    table = pd.DataFrame(rows, columns=list(TABLES["top_images"]))
    write_table(out / "top_images.parquet", table, TABLES["top_images"])
    (out / "thumbnails").mkdir(exist_ok=True)
    for number in range(len(made.units)):
        colour = (37 * number % 256, 91 * number % 256, 53 * number % 256)
        Image.new("RGB", (112, 112), colour).save(out / f"thumbnails/{number}.jpg")
    run = open_run(out)
    add_evidence(run)
    save_audit(run, "a1", "/nowhere", AUDIT)
    if words:
        add_words(run)
    return run
