"""Sample pages of paths, and pages opened in a browser that must load nothing else."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from conceptgraph.pages.flow_content import Biases, flow_graph
from conceptgraph.pages.image_page import render_image
from conceptgraph.pages.image_parts import (
    FlowBox,
    FlowPage,
    ImagePage,
    PageAblation,
    PageAttribution,
    PageCarrier,
    PageName,
    PagePlace,
    PageThing,
    RegionRow,
    RegionTable,
    UnusualRow,
    UnusualTable,
)
from conceptgraph.pages.path_page import render_paths
from conceptgraph.pages.path_parts import PageConcept, PagePath, PageUnit, PathPage
from conceptgraph.pages.pictures import Picture

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
    top_images=Picture(DOT),
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


OTHER_DOT = DOT.replace("AAAAAAAP", "AAAAAQAP")
"""Another picture than `DOT`."""
BAG = PageThing(
    "1",
    tuple(PageName(name, "texture") for name in ("polka dotted", "red", "bag", "leather", "shiny")),
    2.5, 0.08, "M10 10L40 10L40 40L10 40Z", (12.0, 12.0), measured=2.25,
    answer=("typing", 0.9), changes=True, painted=OTHER_DOT, is_outlined=True,
)  # fmt: skip
FLOOR = replace(
    BAG, mark="2", names=(PageName("floor", "object"),), evidence=-0.5, measured=0.1, disputed=True,
    answer=("juggling", 0.7), changes=False, outline="M50 50L90 50L90 90Z", at=(60.0, 52.0),
)  # fmt: skip
WEAK = PageThing("3", (PageName("sky", "object"),), 0.02, 0.3, "M0 0L90 0L0 9Z", (50.0, 5.0))


def sample_flows() -> FlowPage:
    """Return the flow graphs of two categories in the first block and one in the second."""
    units = (("block3/17", 1.25), ("block3/60", -0.25))
    boxes = {
        "object": [FlowBox("bag", "concept", 1.5, 0.08, 0, units, 0.5)],
        "texture": [FlowBox("polka dotted", "concept", 1.0, 0.05, 1)],
    }
    last = [FlowBox("bag", "concept", 2.0, 0.25, 2), FlowBox("elsewhere", "elsewhere", 0.5)]
    graphs = [
        flow_graph(
            (category, "object"),
            [*sources, FlowBox("elsewhere", "elsewhere", 1.8 - sources[0].evidence)],
            last,
            {
                (sources[0].name, "bag"): 1.75,
                (sources[0].name, ""): sources[0].evidence - 1.75,
                ("", "bag"): 0.1,
                ("", ""): 1.7 - sources[0].evidence,
            },
            Biases(0.7, 0.5),
            "juggling",
        )
        for category, sources in boxes.items()
    ]
    carriers = (
        PageCarrier("block3/17", PageName("polka dotted", "texture"), Picture(DOT)),
        PageCarrier("block3/60", None, None),
    )
    return FlowPage(("block3", "block4"), tuple(graphs), carriers)


UNUSUAL = UnusualTable(
    "juggling", "block3", "texture",
    (
        UnusualRow("polka dotted", 1.25, 1.5, 0.25, 0.25, 0.5, 0.05, 1),
        UnusualRow("striped", -0.75, 0.0, 0.0, 0.75, 0.4, 0.2, None),
    ),
)  # fmt: skip


def image_sample(paths: PathPage = SMALL) -> ImagePage:
    """Return a page of a photograph of 100 × 100 pixels of which the network sees the left half."""
    tables = [
        RegionTable(
            "block3", category,
            (
                RegionRow(name, 1.5, 0.25, 0.5, place),
                RegionRow(None, 0.3, 0.75, None, None),
            ),
            1.2,
        )
        for category, name, place in (("object", "bag", 0), ("texture", "polka dotted", 1))
    ]  # fmt: skip
    return ImagePage(
        title="Why juggling?", verdict="juggling: mostly because of polka dotted.", motion="",
        frames=1,
        target="juggling", versus=None, seen_text="", masked_text="",
        names_by="Names by SegFormer <b0>: bag.", elsewhere="“elsewhere”: no object is found.",
        predicted=(("juggling", 0.8),), image=DOT,
        size=(100, 100), seen=(0.0, 0.0, 0.5, 1.0), maps=(("block3", OTHER_DOT),),
        things=(BAG, FLOOR, WEAK), asked=None, leading=None, change=None,
        places=(PagePlace(2, 2, "80"), PagePlace(2, 2, "60"), PagePlace(1, 1, "80")),
        regions=tuple(tables), unusual=(UNUSUAL,), flows=sample_flows(), total=3.0,
        biases=(("block3", 1.2),),
        unit_note=None,
        attributions=(
            PageAttribution("polka <dotted>", "texture", 2.0, 0.3, -0.5, "0.81", DOT),
            PageAttribution("3 more concepts", None, 0.25, 0.0, 0.1),
            PageAttribution(None, None, 0.0, -1.0, 0.0),
        ),
        categories=(("texture", 2.0), ("object", -0.4)),
        ablations=(
            PageAblation("texture/polka", "3 units: it changes", (("typing", 0.1, 0.9),), "x"),
        ),
        no_flip=None, paths=paths,
        accounting=(("paths shown", 2.5), ("other paths", 1.5), ("biases", -1.0), ("logit", 3.0)),
        facts=(("run", "a.cg"),),
    )  # fmt: skip


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
    page: PathPage | ImagePage,
    file: Path,
    size: tuple[int, int] = WIDE,
    *,
    dark: bool = False,
) -> Opened:
    document = render_paths(page) if isinstance(page, PathPage) else render_image(page)
    file.write_text(document, encoding="utf-8")
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
