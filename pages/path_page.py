"""One explanation as one offline HTML page: the paths as a layered picture and as a ranked list.

pyvis holds the network (nodes, edges, options) and brings vis-network, which is embedded; the
document around it is ours (`paths.html`, `page.css`, `paths.js`). The page asks for nothing: no
host, no other file; a content security policy inside it says so to the browser. Every name is
escaped, by jinja2 in the document and by `tojson` in the data.
"""

from __future__ import annotations

import json
import math
import re
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..errors import DataError
from .layout import column_names, layered, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .path_parts import PagePath, PageShare, PageUnit, PathPage

MAX_NODES = 300
MAX_EDGES = 2000
"""What vis-network still draws at once (45 ms a frame); the paths beyond are listed only."""
MAX_LISTED = 500
"""Paths in the list at most."""

OPTIONS = {
    "autoResize": False,
    "physics": False,
    "interaction": {
        "dragNodes": False, "dragView": False, "zoomView": False, "hover": True,
        "hoverConnectedEdges": False, "selectConnectedEdges": False, "tooltipDelay": 150,
    },
    "nodes": {"chosen": False, "shape": "box"},
    "edges": {
        "chosen": False, "hoverWidth": 0, "selectionWidth": 0,
        "smooth": {"type": "cubicBezier", "forceDirection": "horizontal", "roundness": 0.5},
    },
}  # fmt: skip
"""vis-network's: everything stays where it was put; the page itself shows what is chosen."""


class Bar(NamedTuple):
    """One row of the accounting; `left` and `width` in percent of the strip."""

    name: str
    value: float
    left: float
    width: float


def render_page(page: PathPage) -> str:
    """The whole HTML document.

    Raises:
        DataError: a number is not finite, a path has not one step per unit or passes a block
            twice, or a picture is not embedded.
    """
    _check(page)
    listed = page.paths[:MAX_LISTED]
    blocks = column_names([[unit.block for unit in path.units] for path in listed])
    met: dict[str, PageUnit] = {}
    for unit in (unit for path in listed for unit in path.units):
        met.setdefault(unit.uid, unit)
    units = sorted(met.values(), key=lambda unit: blocks.index(unit.block))
    number = {unit.uid: index for index, unit in enumerate(units)}
    chains = [[*(number[unit.uid] for unit in path.units), len(units)] for path in listed]
    drawn, edges = _drawn(chains, listed)
    nodes = {node for edge in edges for node in edge}
    columns = [
        [node for node, unit in enumerate(units) if unit.block == block and node in nodes]
        for block in blocks
    ]
    columns.append([len(units)])
    template = environment().get_template("paths.html")
    return template.render(
        page=page,
        listed=listed,
        units=units,
        columns=[(name, len(column)) for name, column in zip(blocks, columns[:-1], strict=True)],
        drawn=drawn,
        not_drawn=drawn.count(False),
        limits=(MAX_NODES, MAX_EDGES),
        largest=_largest(value for path in listed for value in (path.value, path.measured or 0.0)),
        most=_largest(value for share in page.shares for value in _amounts(share)),
        bars=_waterfall(page.rows),
        graph=_graph(units, page.target, columns, edges) | {"paths": chains},
        vis=_vis(),
    )


def _check(page: PathPage) -> None:
    """Refuse what would make a page that cannot be read or that asks for something."""
    for path in page.paths:
        if not path.units or len(path.steps) != len(path.units):
            raise DataError(
                f"path {path.rank} is not a chain",
                found=f"{len(path.units)} units and {len(path.steps)} steps",
                expected="at least one unit, and one step per unit",
            )
    numbers = [v for path in page.paths for v in (path.value, path.measured or 0.0, *path.steps)]
    numbers += [value for share in page.shares for value in _amounts(share)]
    for value in [*numbers, *(value for _, value in page.rows)]:
        if not math.isfinite(value):
            raise DataError("a page cannot show this number", found=value, expected="a finite one")
    units = [unit for path in page.paths for unit in path.units]
    pictures = {picture for unit in units for picture in (unit.picture, unit.heat)}
    pictures |= {page.image, page.cam}
    pictures |= {share.place for share in page.shares} | {tile.image for tile in page.story}
    for picture in pictures:
        if picture is not None and not picture.startswith("data:image/"):
            raise DataError(
                "a picture is not embedded", found=picture[:60], expected="a data:image/… URI"
            )


def _amounts(share: PageShare) -> tuple[float, ...]:
    return share.present, share.firing, share.below


def _largest(values: Iterable[float]) -> float:
    """The largest size, by which bars are drawn."""
    return max(map(abs, values), default=1.0) or 1.0


def _drawn(
    chains: Sequence[Sequence[int]], paths: Sequence[PagePath]
) -> tuple[list[bool], dict[tuple[int, int], float]]:
    """Which paths, taken in order, fit the limits; and the edges, `(source, target)` → weight."""
    drawn, nodes = [], set[int]()
    edges: dict[tuple[int, int], float] = {}
    for chain, path in zip(chains, paths, strict=True):
        more = dict(zip(pairwise(chain), path.steps, strict=True)) | edges
        fits = len(nodes.union(chain)) <= MAX_NODES and len(more) <= MAX_EDGES
        drawn.append(fits)
        if fits:
            nodes, edges = nodes.union(chain), more
    return drawn, edges


def _graph(
    units: Sequence[PageUnit],
    target: str,
    columns: Sequence[Sequence[int]],
    edges: Mapping[tuple[int, int], float],
) -> dict[str, object]:
    """What `paths.js` draws: pyvis' nodes and edges, x as column and y in pixels, and the words."""
    from pyvis.network import Network  # brings IPython: half a second that only a page should cost

    order = layered(columns, edges)
    heights, height = rows(order)
    largest: dict[tuple[int, int], float] = {}
    place = {node: index for index, column in enumerate(order) for node in column}
    for (source, end), weight in edges.items():
        hop = place[source], place[end]
        largest[hop] = max(largest.get(hop, 0.0), abs(weight))
    network = Network(directed=True)
    for column, nodes in enumerate(order):
        for node in nodes:
            label = target if node == len(units) else _label(units[node])
            network.add_node(node, label=label, shape="box", x=column, y=heights[node])
    for (source, end), weight in edges.items():
        share = round(abs(weight) / (largest[place[source], place[end]] or 1.0), 4)
        words = _signed(weight, abs(weight))
        network.add_edge(source, end, weight=float(weight), share=float(share), words=words)
    network.options = OPTIONS
    nodes, links, _, _, _, options = network.get_network_data()
    return {
        "nodes": nodes, "edges": links, "columns": len(order), "height": height, "target": target,
        "units": [_words(unit) for unit in units], "options": json.loads(options),
    }  # fmt: skip


def _label(unit: PageUnit) -> str:
    """The words in a unit's box: "17 · polka dotted", or "17" for a unit without a concept."""
    return f"{unit.index} · {unit.concept.name}" if unit.concept else str(unit.index)


def _words(unit: PageUnit) -> dict[str, str | None]:
    """What the page says of a unit, and what its filter finds it by."""
    label, category = _label(unit), unit.concept.category if unit.concept else None
    found_by = [
        unit.uid,
        label,
        category or "no concept",
        "" if unit.status == "ok" else unit.status,
    ]
    return {
        "name": unit.uid, "block": unit.block, "label": label, "category": category,
        "search": " ".join(found_by),
    }  # fmt: skip


def _waterfall(parts: Sequence[tuple[str, float]]) -> list[Bar]:
    """Bars that each start where the one before ended; the last one, their sum, starts at zero."""
    if not parts:
        return []
    ends, reached = [], 0.0
    for _, value in parts[:-1]:
        ends.append((reached, reached + value))
        reached += value
    ends.append((0.0, parts[-1][1]))
    low, high = min(map(min, ends)), max(map(max, ends))
    scale = 100 / ((high - low) or 1.0)
    return [
        Bar(name, value, round((min(end) - low) * scale, 2), round(abs(value) * scale, 2))
        for (name, value), end in zip(parts, ends, strict=True)
    ]


def _signed(value: float, largest: float) -> str:
    """`value` with its sign, to three digits of the largest value it stands among."""
    if largest == 0:
        return "0"
    digits = 2 - math.floor(math.log10(largest))
    text = f"{value:+.{max(digits, 0)}f}" if digits <= 6 else f"{value:+.2e}"
    if value and not float(text):
        text = f"{value:+.1g}"
    return text.replace("-", "−")


@cache
def environment() -> Environment:
    """Of all pages; `page.css`, `paths.js` … are at hand as `page_css`, `page_js` …."""
    folder = Path(__file__).parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    for name in ("page.css", "paths.js", "report.js"):
        environment.globals[name.replace(".", "_")] = (folder / name).read_text(encoding="utf-8")
    environment.filters["signed"] = _signed
    return environment


@cache
def _vis() -> str:
    """vis-network as pyvis brings it, without the last line's offer of a source map."""
    folder = files("pyvis") / "lib"
    bundled = [entry for entry in folder.iterdir() if entry.name.startswith("vis-")]
    newest = max(bundled, key=lambda entry: [int(part) for part in re.findall(r"\d+", entry.name)])
    script = (newest / "vis-network.min.js").read_text(encoding="utf-8")
    return re.sub(r"//# sourceMappingURL=\S+\s*$", "", script)
