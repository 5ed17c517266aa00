"""Regions and concept graphs of an image's page: what the network sees where, what that adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..explain.flows import FlowNode
from ..explain.unusual import shown_unusual
from ..explain.verdict import leading_region, shown_regions
from ..graph.evidence_graph import ELSEWHERE
from .flow_content import Biases, flow_graph
from .image_parts import (
    FlowBox,
    FlowPage,
    PagePlace,
    RegionRow,
    RegionTable,
    UnusualRow,
    UnusualTable,
)
from .outlines import bits
from .unit_content import page_carriers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..explain.explanation import Explanation
    from ..explain.image_regions import ImageRegions
    from ..explain.regions import ConceptRegion
    from ..explain.unusual import UnusualRegion
    from ..graph.run.reader import Run


def page_places(picture: ImageRegions) -> tuple[PagePlace, ...]:
    """Return the places of all regions, in their order."""
    return tuple(
        PagePlace(place.mask.shape[0], place.mask.shape[1], bits(place.mask))
        for place in picture.places.values()
    )


def region_tables(picture: ImageRegions) -> tuple[RegionTable, ...]:
    """Return the regions of each block and category, first those that the verdict speaks of."""
    number = {node: place for place, node in enumerate(picture.places)}
    by_table: dict[tuple[str, str], list[ConceptRegion]] = {}
    for region in picture.regions:
        by_table.setdefault((region.block, region.category), []).append(region)
    tables = [
        RegionTable(
            block,
            category,
            tuple(
                RegionRow(
                    region.name,
                    region.evidence,
                    region.coverage,
                    region.units,
                    number[FlowNode(block, category, region.name)],
                )
                for region in sorted(regions, key=_strongest)
            ),
            picture.biases_after[block],
        )
        for (block, category), regions in by_table.items()
    ]
    shown = shown_regions(picture)[:1]
    first = (shown[0].block, shown[0].category) if shown else None
    return tuple(sorted(tables, key=lambda table: (table.block, table.category) != first))


def unusual_tables(
    picture: ImageRegions, unusual: Sequence[UnusualRegion]
) -> tuple[UnusualTable, ...]:
    """Return for each class what is unusual about the image, with its place where it has one."""
    number = {node: place for place, node in enumerate(picture.places)}
    tables = []
    for name, regions in shown_unusual(picture, unusual).items():
        block, category = regions[0].block, regions[0].category
        masked = category in picture.masked  # so the places are not those of the probes
        rows = (
            UnusualRow(
                region.name or "",
                region.difference,
                region.evidence,
                region.coverage,
                region.mean,
                region.spread,
                region.mean_coverage,
                None if masked else number.get(FlowNode(block, category, region.name)),
            )
            for region in regions
        )
        tables.append(UnusualTable(name, block, category, tuple(rows), masked))
    return tuple(tables)


def leading_place(picture: ImageRegions) -> int | None:
    """Return the place of the region that the verdict leads with; None if it leads with others."""
    region = leading_region(picture)
    if region is None or picture.chosen is not None:
        return None
    return list(picture.places).index(FlowNode(region.block, region.category, region.name))


def _strongest(region: ConceptRegion) -> tuple[bool, float]:
    return region.name is None, -abs(region.evidence)


def flow_page(run: Run, explanation: Explanation) -> FlowPage | None:
    """Return the concept graphs of the last two blocks; None where there is one block."""
    picture = explanation.picture
    if not picture.flows:
        return None
    first, last = picture.blocks[-2:]
    after = picture.biases_after
    biases = Biases(after[first] - after[last], after[last])
    categories = [_categories(picture, block) for block in (first, last)]
    pairs = [(source, target) for source in categories[0] for target in categories[1]]
    graphs = [
        flow_graph(
            pair,
            _boxes(picture, first, pair[0]),
            _boxes(picture, last, pair[1]),
            {
                (flow.source.name or "", flow.target.name or ""): flow.evidence
                for flow in picture.flows
                if (flow.source.category, flow.target.category) == pair
            },
            biases,
            explanation.class_name if explanation.versus is None else "difference",
        )
        for pair in sorted(pairs, key=lambda pair: pair[0] != pair[1])
    ]
    units = dict.fromkeys(
        uid
        for graph in graphs
        for column in graph.columns
        for box in column
        for uid, _ in box.units
    )
    return FlowPage((first, last), tuple(graphs), page_carriers(run, units))


def _boxes(picture: ImageRegions, block: str, category: str) -> list[FlowBox]:
    """Return a box for each region of a category at a block."""
    number = {node: place for place, node in enumerate(picture.places)}
    boxes = []
    for region in picture.regions:
        if (region.block, region.category) == (block, category):
            node = FlowNode(block, category, region.name)
            place = picture.places[node]
            boxes.append(
                FlowBox(
                    region.name or ELSEWHERE,
                    "concept" if region.name else "elsewhere",
                    region.evidence,
                    region.coverage,
                    number[node],
                    tuple(place.carriers),
                    place.others,
                )
            )
    return boxes


def _categories(picture: ImageRegions, block: str) -> list[str]:
    """Return the categories of which a concept is found at a block, the one shown first, first."""
    shown = shown_regions(picture)[:1]
    named = (region for region in picture.regions if region.block == block and region.name)
    found = dict.fromkeys(region.category for region in named)
    return sorted(found, key=lambda category: not shown or category != shown[0].category)
