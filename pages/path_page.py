"""A page of paths: a layered graph and a ranked list, with all that is known of its units.

pyvis holds the graph (nodes, edges, options) and brings vis-network, which is embedded. The
document around it is ours (`paths.html`, `page.css`, `paths.js`).
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING

from ..errors import DataError
from .document import check_numbers, check_pictures, largest, render, signed
from .flow_values import flow_values
from .layout import column_names, layered, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .path_parts import PagePath, PageUnit, PathPage

MAX_NODES = 300
MAX_EDGES = 2000
"""What vis-network still draws at once (45 ms a frame). Paths beyond that are in the list only."""
MAX_LISTED = 500
"""The most paths in the list."""

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
"""Options of vis-network: nodes stay in their places, and the page itself shows the selection."""


def render_paths(page: PathPage) -> str:
    """Return the whole HTML document.

    Raises:
        DataError: as `path_values` does.
    """
    return render(
        "paths.html",
        page=page,
        flows=None if page.concepts is None else flow_values(page.concepts),
        paths=path_values(page),
        vis=vis_network(),
    )


def path_values(page: PathPage) -> dict[str, object]:
    """Return what `unit_paths.html` shows.

    Raises:
        DataError: a number is not finite, a path has not one step per unit or passes a block
            twice, or a picture is not embedded.
    """
    _check(page)
    listed = page.paths[:MAX_LISTED]
    blocks = column_names([[unit.block for unit in path.units] for path in listed])
    by_uid: dict[str, PageUnit] = {}
    for unit in (unit for path in listed for unit in path.units):
        by_uid.setdefault(unit.uid, unit)
    units = sorted(by_uid.values(), key=lambda unit: blocks.index(unit.block))
    number = {unit.uid: index for index, unit in enumerate(units)}
    chains = [[*(number[unit.uid] for unit in path.units), len(units)] for path in listed]
    drawn, edges = _drawn(chains, listed)
    nodes = {node for edge in edges for node in edge}
    columns = [
        [node for node, unit in enumerate(units) if unit.block == block and node in nodes]
        for block in blocks
    ]
    columns.append([len(units)])
    return {
        "page": page,
        "listed": listed,
        "units": units,
        "columns": [(n, len(column)) for n, column in zip(blocks, columns[:-1], strict=True)],
        "drawn": drawn,
        "not_drawn": drawn.count(False),
        "limits": (MAX_NODES, MAX_EDGES),
        "largest": largest(v for path in listed for v in (path.value, path.measured or 0.0)),
        "graph": _graph(units, page.target, columns, edges) | {"paths": chains},
    }


def _check(page: PathPage) -> None:
    """Refuse values that cannot be shown, and pictures that would have to be loaded."""
    for path in page.paths:
        if not path.units or len(path.steps) != len(path.units):
            raise DataError(
                f"path {path.rank} is not a chain",
                found=f"{len(path.units)} units and {len(path.steps)} steps",
                expected="at least one unit, and one step per unit",
            )
    check_numbers(v for p in page.paths for v in (p.value, p.measured or 0.0, *p.steps))
    units = [unit for path in page.paths for unit in path.units]
    check_pictures(it for unit in units for it in (*(unit.top_images or ()), unit.activation))


def _drawn(
    chains: Sequence[Sequence[int]], paths: Sequence[PagePath]
) -> tuple[list[bool], dict[tuple[int, int], float]]:
    """Return which paths, in order, fit the limits; and the edges, `(source, target)` → weight."""
    drawn, nodes = [], set[int]()
    edges: dict[tuple[int, int], float] = {}
    for chain, path in zip(chains, paths, strict=True):
        with_path = dict(zip(pairwise(chain), path.steps, strict=True)) | edges
        fits = len(nodes.union(chain)) <= MAX_NODES and len(with_path) <= MAX_EDGES
        drawn.append(fits)
        if fits:
            nodes, edges = nodes.union(chain), with_path
    return drawn, edges


def _graph(
    units: Sequence[PageUnit],
    target: str,
    columns: Sequence[Sequence[int]],
    edges: Mapping[tuple[int, int], float],
) -> dict[str, object]:
    """Return the JSON that `paths.js` draws: nodes and edges of pyvis, and texts.

    A node's x is its column, its y is in pixels. An edge's weight is also given relative to the
    largest one between the same two columns.
    """
    from pyvis.network import Network  # imports IPython, half a second that only a page should cost

    order = layered(columns, edges)
    heights, height = rows(order)
    largest: dict[tuple[int, int], float] = {}
    column_of = {node: index for index, column in enumerate(order) for node in column}
    for (source, end), weight in edges.items():
        hop = column_of[source], column_of[end]
        largest[hop] = max(largest.get(hop, 0.0), abs(weight))
    network = Network(directed=True)
    for column, nodes in enumerate(order):
        for node in nodes:
            label = target if node == len(units) else _label(units[node])
            network.add_node(node, label=label, shape="box", x=column, y=heights[node])
    for (source, end), weight in edges.items():
        relative = round(abs(weight) / (largest[column_of[source], column_of[end]] or 1.0), 4)
        text = signed(weight, abs(weight))
        network.add_edge(source, end, weight=float(weight), relative=float(relative), text=text)
    network.options = OPTIONS
    nodes, links, _, _, _, options = network.get_network_data()
    return {
        "nodes": nodes, "edges": links, "columns": len(order), "height": height, "target": target,
        "units": [_unit_texts(unit) for unit in units], "options": json.loads(options),
    }  # fmt: skip


def _label(unit: PageUnit) -> str:
    """Return the text in a unit's box: "17 · polka dotted", or "17" for one without a name."""
    return f"{unit.index} · {unit.concept.name}" if unit.concept else str(unit.index)


def _unit_texts(unit: PageUnit) -> dict[str, str | None]:
    """Return the texts of a unit, `search` being what the filter looks in."""
    label, category = _label(unit), unit.concept.category if unit.concept else None
    search = [unit.uid, label, category or "no name", "" if unit.status == "ok" else unit.status]
    return {
        "name": unit.uid, "block": unit.block, "label": label, "category": category,
        "search": " ".join(search),
    }  # fmt: skip


@cache
def vis_network() -> str:
    """Return vis-network's code as pyvis brings it, without its last line, a source map's URL."""
    folder = files("pyvis") / "lib"
    versions = [entry for entry in folder.iterdir() if entry.name.startswith("vis-")]
    newest = max(versions, key=lambda entry: [int(part) for part in re.findall(r"\d+", entry.name)])
    script = (newest / "vis-network.min.js").read_text(encoding="utf-8")
    return re.sub(r"//# sourceMappingURL=\S+\s*$", "", script)
