"""The tables and arrays of a run, from what its steps have found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..statistics.label_statistics import category_columns
from ..statistics.significance import largest_significant
from .block_tables import BlockTables
from .thumbnails import thumbnail_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ...graph.run.writer import RunWriter
    from ..concept_data.concepts import ConceptData
    from ..contributions.one_unit import Contribution
    from ..dissection.block import Dissection
    from ..dissection.top_images import TopImages
    from ..inputs import Inputs
    from ..statistics.block_probes import BlockProbes
    from ..statistics.label_statistics import LabelStatistics


def write_contributions(writer: RunWriter, found: Iterable[Contribution]) -> None:
    """Two arrays for each pair of blocks."""
    for pair in found:
        name = f"contributions_{pair.source}_{pair.target}"
        writer.array(name, pair.weight)
        writer.array(f"{name}_pre", pair.pre)


def write_presence(writer: RunWriter, probes: Mapping[str, BlockProbes], data: ConceptData) -> None:
    """The presence probes of each block, and how well they do."""
    tables = []
    for block, each in probes.items():
        writer.array(f"presence_{block}", each.solve().cpu().numpy())
        tables.append(presence_table(block, data, each.levels()))
    writer.table("presence", pd.concat(tables, ignore_index=True))


def write_blocks(
    writer: RunWriter,
    blocks: Mapping[str, Dissection],
    inputs: Inputs,
    truth: NDArray[np.int64],
    done: Callable[[], None],
) -> None:
    """What the units of all blocks detect, and their top images.

    Args:
        writer: of the run.
        blocks: what was found, by block.
        inputs: with the settings and the concepts.
        truth: int64 (concepts,), labelled pixels of each concept.
        done: called when a block's tables are made.
    """
    data, settings = inputs.data, inputs.settings
    category, top = category_columns(data), settings.top_labels

    def made(block: str) -> BlockTables:
        found = BlockTables(block, blocks[block], data, truth, category, top)
        done()
        return found

    with ThreadPoolExecutor(len(blocks)) as threads:
        tables = list(threads.map(made, blocks))
    detections = pd.concat([each.detections for each in tables], ignore_index=True)
    tested = np.concatenate([each.p.reshape(-1) for each in tables])
    limit = largest_significant(tested, settings.significance)
    detections["significant"] = detections["p"] <= limit
    for each in tables:
        writer.array(f"iou_{each.block}", each.iou)
    names = [image.name for image in inputs.images]
    top_images = [top_images_table(block, each.top, names) for block, each in blocks.items()]
    writer.table("units", pd.concat([each.units for each in tables], ignore_index=True))
    writer.table("detections", detections)
    writer.table("top_images", pd.concat(top_images, ignore_index=True))


def concepts_table(
    data: ConceptData, found: LabelStatistics, center_bias: NDArray[np.float64]
) -> pd.DataFrame:
    """One row per concept, in the column order of all IoU arrays."""
    frame: pd.DataFrame = pd.DataFrame(
        {
            "uid": [concept.uid for concept in data.concepts],
            "name": [concept.name for concept in data.concepts],
            "category": [concept.category for concept in data.concepts],
            "images": found.images,
            "pixels": found.truth,
            "center_bias": center_bias,
        }
    )
    return frame


def classes_table(names: Sequence[str]) -> pd.DataFrame:
    """One row per class."""
    frame: pd.DataFrame = pd.DataFrame(
        {
            "uid": [f"class/{name}" for name in names],
            "name": list(names),
            "index": np.arange(len(names)),
        }
    )
    return frame


def presence_table(block: str, data: ConceptData, levels: pd.DataFrame) -> pd.DataFrame:
    """One row per concept: how well it is read from a block; `levels` as the probes give it."""
    uids = [concept.uid for concept in data.concepts]
    frame: pd.DataFrame = levels.assign(concept=uids, block=block)
    return frame


def top_images_table(block: str, top: TopImages, names: Sequence[str]) -> pd.DataFrame:
    """One row per unit and rank; `names` are the images in the order of the run."""
    image: NDArray[np.int64] = top.image.cpu().numpy()
    unit, rank = np.nonzero(image >= 0)
    frame: pd.DataFrame = pd.DataFrame(
        {
            "unit": [f"{block}/{u}" for u in unit],
            "rank": rank,
            "image": [names[number] for number in image[unit, rank]],
            "activation": top.activation.cpu().numpy()[unit, rank].astype(np.float64),
            "thumbnail": [
                thumbnail_name(block, u, r)
                for u, r in zip(unit.tolist(), rank.tolist(), strict=True)
            ],
        }
    )
    return frame
