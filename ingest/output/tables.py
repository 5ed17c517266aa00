"""The tables and arrays of a run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...graph.run.files import write_table
from ...graph.run.motion import MOTION, MOTION_FILE
from ...graph.uids import class_uid, unit_uid
from ..dissection.peak_histogram import TIMES
from ..statistics.label_statistics import category_columns
from ..statistics.names import WrongNames, wrong_names
from ..statistics.significance import largest_significant
from .block_tables import BlockTables
from .thumbnails import thumbnail_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ...graph.run.writer import RunWriter
    from ..concept_data.concepts import ConceptData
    from ..contributions.one_unit import Contribution
    from ..dissection.block import BlockDissection
    from ..dissection.motion import MotionScores
    from ..dissection.peak_histogram import PeakHistogram
    from ..dissection.top_images import TopImages
    from ..inputs import Inputs
    from ..statistics.block_probes import BlockProbes
    from ..statistics.image_tags import TagScores
    from ..statistics.label_statistics import LabelStatistics


def write_contributions(writer: RunWriter, contributions: Iterable[Contribution]) -> None:
    """Write two arrays for each pair of blocks."""
    for pair in contributions:
        name = f"contributions_{pair.source}_{pair.target}"
        writer.array(name, pair.weight)
        writer.array(f"{name}_pre", pair.pre)


def write_probes(writer: RunWriter, probes: Mapping[str, BlockProbes], data: ConceptData) -> None:
    """Write the presence probes of each block, and how good they are."""
    tables = []
    for block, block_probes in probes.items():
        writer.array(f"presence_{block}", block_probes.probes.cpu().numpy())
        tables.append(presence_table(block, data, block_probes.quality()))
    writer.table("presence", pd.concat(tables, ignore_index=True))


def write_blocks(
    writer: RunWriter,
    blocks: Mapping[str, BlockDissection],
    tags: Mapping[str, TagScores],
    inputs: Inputs,
    concept_area: NDArray[np.int64],
    done: Callable[[], None],
) -> WrongNames:
    """Write what the units of all blocks detect, and their top images.

    Args:
        writer: of the run.
        blocks: dissections, by block.
        tags: scores of concepts that label whole images, by block; empty if there are none.
        inputs: with the settings and the concepts.
        concept_area: int64 (concepts,), labelled pixels of each concept.
        done: called when a block's tables are made.

    Returns:
        How often names would be wrong if the data lacked half of the concepts.
    """
    data, settings = inputs.data, inputs.settings
    category = category_columns(data)

    def make_tables(block: str) -> BlockTables:
        of_block = (blocks[block], tags.get(block))
        tables = BlockTables(block, *of_block, data, concept_area, category, settings)
        done()
        return tables

    with ThreadPoolExecutor(len(blocks)) as threads:
        tables = list(threads.map(make_tables, blocks))
    detections = pd.concat([block.detections for block in tables], ignore_index=True)
    tested = np.concatenate([block.p.reshape(-1) for block in tables])
    limit = largest_significant(tested, settings.significance)
    detections["significant"] = detections["p"] <= limit
    auc_p = np.concatenate([np.zeros(0), *(scores.p.reshape(-1) for scores in tags.values())])
    limit = largest_significant(auc_p, settings.significance)
    detections["auc_significant"] = detections["auc_p"] <= limit
    for block_tables in tables:
        writer.array(f"iou_{block_tables.block}", block_tables.iou)
    names = [image.name for image in inputs.images]
    top_images = [top_images_table(block, d.top, names) for block, d in blocks.items()]
    writer.table("units", pd.concat([block.units for block in tables], ignore_index=True))
    writer.table("detections", detections)
    writer.table("top_images", pd.concat(top_images, ignore_index=True))
    peaks = [peaks_table(block, d.histogram) for block, d in blocks.items()]
    writer.table("peaks", pd.concat(peaks, ignore_index=True))
    iou = np.concatenate([block.iou for block in tables])
    holds = np.concatenate([block.holds for block in tables])
    return wrong_names(iou, holds, settings.min_iou, settings.seed)


def concepts_table(data: ConceptData, statistics: LabelStatistics) -> pd.DataFrame:
    """Make one row per concept, in the column order of all IoU arrays."""
    frame: pd.DataFrame = pd.DataFrame(
        {
            "uid": [concept.uid for concept in data.concepts],
            "name": [concept.name for concept in data.concepts],
            "category": [concept.category for concept in data.concepts],
            "images": statistics.images,
            "pixels": statistics.concept_area,
            "center_bias": statistics.center_bias,
            "source": [concept.source for concept in data.concepts],
        }
    )
    return frame


def classes_table(names: Sequence[str]) -> pd.DataFrame:
    """Make one row per class."""
    frame: pd.DataFrame = pd.DataFrame(
        {
            "uid": [class_uid(name) for name in names],
            "name": list(names),
            "index": np.arange(len(names)),
        }
    )
    return frame


def presence_table(block: str, data: ConceptData, quality: pd.DataFrame) -> pd.DataFrame:
    """Make one row per concept: how good its probe is; `quality` as the probes give it."""
    uids = [concept.uid for concept in data.concepts]
    frame: pd.DataFrame = quality.assign(concept=uids, block=block)
    return frame


def write_motion(writer: RunWriter, scores: Mapping[str, MotionScores]) -> None:
    """Write one row per unit of a network of clips: whether it sees motion."""
    frames = [
        pd.DataFrame(
            {
                "unit": [unit_uid(block, unit) for unit in range(len(of_block.reversed))],
                "reversed": of_block.reversed.numpy(),
                "frozen": of_block.frozen.numpy(),
            }
        )
        for block, of_block in scores.items()
    ]
    write_table(writer.path / MOTION_FILE, pd.concat(frames, ignore_index=True), MOTION)


def peaks_table(block: str, histogram: PeakHistogram) -> pd.DataFrame:
    """Make one row per unit and bin that has an image."""
    images: NDArray[np.int64] = histogram.images.cpu().numpy()
    unit, place = np.nonzero(images)
    frame: pd.DataFrame = pd.DataFrame(
        {
            "unit": [unit_uid(block, u) for u in unit.tolist()],
            "times": np.array(TIMES)[place],
            "images": images[unit, place],
        }
    )
    return frame


def top_images_table(block: str, top: TopImages, names: Sequence[str]) -> pd.DataFrame:
    """Make one row per unit and rank; `names` are the images in the order of the run."""
    image: NDArray[np.int64] = top.image.cpu().numpy()
    unit, rank = np.nonzero(image >= 0)
    frame: pd.DataFrame = pd.DataFrame(
        {
            "unit": [unit_uid(block, u) for u in unit.tolist()],
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
