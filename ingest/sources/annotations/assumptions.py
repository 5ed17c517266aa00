"""What is assumed about annotations of any format, and said: plain labels, boxes as shares.

Labels lose invisible characters, and odd spaces in them become plain ones. If most boxes and
polygons of the annotations lie between 0 and 1, all are taken as shares of the image's sides: in
pixels they would have no area to speak of.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...concept_data.labels import plain_name
from .regions import Annotations, Box, Polygons, Shares

if TYPE_CHECKING:
    from .regions import Region

_MARGIN = 0.05  # by which a shape may stick out of its image


def with_notes(annotations: Annotations) -> Annotations:
    """Say what was counted on reading."""
    if not annotations.unticked:
        return annotations
    note = (
        f'{annotations.unticked} regions have a box "verified" that is not ticked, which is taken '
        "as no answer; --verified-only drops them."
    )
    return replace(annotations, notes=[*annotations.notes, note])


def with_plain_labels(annotations: Annotations) -> Annotations:
    """Make labels and categories plain; note which changed, and drop regions without a label."""
    plain: dict[str, str] = {}
    regions, dropped = [], []
    for region in annotations.regions:
        for name in (region.concept, region.category):
            if name not in plain:
                plain[name] = plain_name(name)
        concept, category = plain[region.concept], plain[region.category]
        if concept and category:
            unchanged = (concept, category) == (region.concept, region.category)
            renamed = region if unchanged else replace(region, concept=concept, category=category)
            regions.append(renamed)
        else:
            dropped.append(region.dropped("label without a visible character"))
    notes = [
        f"The label {name!a} is written {new!r}: without odd spaces and invisible characters."
        for name, new in plain.items()
        if new and new != name
    ]
    return replace(
        annotations,
        regions=regions,
        dropped=[*annotations.dropped, *dropped],
        notes=[*annotations.notes, *notes],
    )


def with_shares(annotations: Annotations) -> Annotations:
    """Take boxes and polygons as shares of the image if most lie between 0 and 1; note it."""
    shapes = [region for region in annotations.regions if _shape_of(region) is not None]
    inside = [region for region in shapes if _is_share(region)]
    if 2 * len(inside) <= len(shapes) or not any(map(_has_fraction, inside)):
        return annotations
    regions, dropped = [], []
    for region in annotations.regions:
        shape = _shape_of(region)
        if shape is None:
            regions.append(region)
        elif _is_share(region):
            regions.append(replace(region, geometry=Shares(shape)))
        else:
            dropped.append(region.dropped("box outside 0 to 1 among shares of the image"))
    note = (
        f"Coordinates are taken as shares of the image's width and height: those of {len(inside)} "
        f"of {len(shapes)} regions lie between 0 and 1."
    )
    return replace(
        annotations,
        regions=regions,
        dropped=[*annotations.dropped, *dropped],
        notes=[*annotations.notes, note],
    )


def _shape_of(region: Region) -> Box | Polygons | None:
    return region.geometry if isinstance(region.geometry, Box | Polygons) else None


def _coordinates(region: Region) -> list[float]:
    shape = _shape_of(region)
    if isinstance(shape, Box):
        return [shape.x, shape.y, shape.x + shape.width, shape.y + shape.height]
    return [value for ring in shape.rings for value in ring] if shape else []


def _is_share(region: Region) -> bool:
    return all(-_MARGIN <= value <= 1 + _MARGIN for value in _coordinates(region))


def _has_fraction(region: Region) -> bool:
    return any(not value.is_integer() for value in _coordinates(region))
