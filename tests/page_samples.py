"""Sample pages of paths, and pages opened in a browser that must load nothing else."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from conceptgraph.pages.path_page import render_paths
from conceptgraph.pages.path_parts import PageConcept, PagePath, PageUnit, PathPage

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from conceptgraph.graph.run.reader import Run

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
WIDE = (1400, 900)
NARROW = (420, 900)


def unit(
    uid: str, concept: str | None = None, category: str = "texture", status: str = "ok"
) -> PageUnit:
    block, index = uid.split("/")
    label = PageConcept(concept, category, 0.21) if concept is not None else None
    return PageUnit(uid, block, int(index), label, status)


POLKA = replace(
    unit("block3/17", "polka dotted"),
    further=(PageConcept("ball", "object", 0.07),),
    top_images=DOT,
)
STRIPES = unit("block3/60", "striped")
SPARSE = unit("block3/99", status="sparse")
PIT = unit("block4/290", "ball pit", "scene")
JUGGLING = unit("block4/5", "juggling", "action")
BLANK = unit("block4/401")


def page_of(*paths: tuple[float, tuple[PageUnit, ...], tuple[float, ...]]) -> PathPage:
    return PathPage(
        title="Why juggling?",
        target="juggling",
        value_name="logit contribution",
        lead="Dots make it juggling.",
        paths=tuple(
            PagePath(rank, value, units, steps)
            for rank, (value, units, steps) in enumerate(paths, start=1)
        ),
        facts=(("run", "a.cg"), ("method", "exact")),
    )


SMALL = page_of(
    (2.5, (POLKA, PIT), (0.5, 2.0)),
    (-1.5, (STRIPES, PIT), (-0.4, 2.0)),
    (1.0, (POLKA, JUGGLING), (0.25, 1.0)),
    (0.5, (SPARSE, BLANK), (0.1, 0.5)),
)


def crowded(blocks: int, units: int, paths: int, *, seed: int = 0) -> PathPage:
    draw = random.Random(seed)
    names = [
        "polka dotted",
        "ball pit",
        "playing musical instrument",
        "水玉模様のボールプール",
        "a",
    ]
    layers = [
        [unit(f"block{block}/{index}", draw.choice([*names, None])) for index in range(units)]
        for block in range(1, blocks + 1)
    ]
    chains = [tuple(draw.choice(layer) for layer in layers) for _ in range(paths)]
    return page_of(
        *(
            (draw.uniform(-3, 3), chain, tuple(draw.uniform(-1, 1) for _ in chain))
            for chain in chains
        )
    )


def draw_thumbnails(run: Run) -> None:
    """Draw the thumbnails that a made run names but does not have."""
    for name in run.top_images["thumbnail"].unique():
        file = run.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (112, 112), "red").save(file)


@dataclass
class Opened:
    """A page in the browser, with its messages on the console and its requests."""

    tab: Page
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def state(self, name: str) -> Any:
        return self.tab.evaluate(f"window.conceptgraph.{name}")

    def boxes(self) -> dict[str, dict[str, float]]:
        """Return every box as the canvas draws it, in its pixels, by number and full label."""
        boxes: dict[str, dict[str, float]] = self.tab.evaluate(
            "Object.fromEntries(JSON.parse(document.getElementById('data').textContent).nodes.map("
            "n => [`${n.id} ${n.label}`, window.conceptgraph.network.getBoundingBox(n.id)]))"
        )
        return boxes

    def click_box(self, label: str) -> None:
        box = next(box for name, box in self.boxes().items() if name.endswith(label))
        x, y = (box["left"] + box["right"]) / 2, (box["top"] + box["bottom"]) / 2
        self.tab.locator("#canvas").click(position={"x": x, "y": y})

    def cut_off(self) -> list[str]:
        """Return the elements whose content is wider than they are, or than the window."""
        found: list[str] = self.tab.evaluate(
            "[document.documentElement, ...document.querySelectorAll('body *:not(svg *)')]"
            ".filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1)"
            ".filter(e => e === document.documentElement"
            " || getComputedStyle(e).overflowX !== 'visible')"
            ".map(e => `${e.tagName} ${e.className} ${e.scrollWidth} > ${e.clientWidth}`)"
        )
        return found

    def close(self) -> None:
        """Close the page; it must have printed nothing, and requested only its own file."""
        file = self.tab.url
        self.tab.close()
        assert self.messages == []
        assert [url for url in self.requests if not url.startswith("data:")] == [file]


def open_page(
    browser: Browser,
    page: PathPage,
    file: Path,
    size: tuple[int, int] = WIDE,
    *,
    dark: bool = False,
) -> Opened:
    file.write_text(render_paths(page), encoding="utf-8")
    return open_file(browser, file, size, dark=dark)


def open_file(
    browser: Browser, file: Path, size: tuple[int, int] = WIDE, *, dark: bool = False
) -> Opened:
    tab = browser.new_page(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
    )
    opened = Opened(tab)
    tab.on("console", lambda message: opened.messages.append(message.text))
    tab.on("pageerror", lambda error: opened.messages.append(str(error)))
    tab.on("request", lambda request: opened.requests.append(request.url))
    tab.goto(file.as_uri())
    return opened
