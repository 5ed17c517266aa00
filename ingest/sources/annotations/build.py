"""Annotations to concept data in the Broden layout.

1. Read the annotations, whatever their format.
2. Look at every image: it is there, upright, and as large as the annotations say.
3. Image by image: draw its regions at its own resolution; keep what its workers agree on; resize
   each concept's mask to the mask size; lay concepts of a category that overlap into several
   planes.
4. Write images, masks and tables, and beside them dropped.csv (every region that was not kept, and
   why), agreement.csv (how far workers agreed, by image and concept) and workers.csv (how much
   of what each drew was kept).

Whole or not at all, in the memory of one image and the annotations.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from PIL import Image

from ....errors import DataError
from ....progress import NoProgress
from ...concept_data.writing.input_checks import check_folder
from ...concept_data.writing.writer import BrodenWriter
from ...concept_data.writing.label_maps import pack_label_maps, resize_mask
from .report import AGREEMENT, DROPPED, WORKERS, BuildReport, WorkerSummary, summary
from .consensus import Drawn, Rules, agree
from .draw import draw
from .image_files import image_sizes
from .read import read_annotations
from .run_lengths import decode, union

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ....progress import Progress
    from .consensus import Consensus
    from .read import Format
    from .regions import Annotations, Region

MASK_SIZE = 112  # Broden's


@dataclass(frozen=True)
class BuildSettings:
    """Settings of one build.

    Attributes:
        category: of all concepts; None takes what the annotations say.
        form: the format of the annotations; None looks.
        rules: what agreement of several workers means.
        size: side to which images are squashed; None copies their files as they are.
        mask_size: side of the masks.
        empty_images: also write images in which no region is kept.
    """

    category: str | None = None
    form: Format | None = None
    rules: Rules = field(default_factory=Rules)
    size: int | None = None
    mask_size: int = MASK_SIZE
    empty_images: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            DataError: naming the setting.
        """
        for name, value in (("size", self.size), ("mask-size", self.mask_size)):
            if value is not None and not 8 <= value <= 4096:
                raise DataError(f"{name} out of range", found=value, expected="from 8 to 4096")


def build(
    annotations: Path,
    images: Path,
    out: Path,
    settings: BuildSettings | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BuildReport:
    """Make concept data from annotations.

    Args:
        annotations: a file or folder in one of the formats of `read`.
        images: the folder of the images.
        out: the data set to write.
        settings: None for the defaults.
        overwrite: replace a data set that is there, once the new one is complete.
        progress: told of each step.

    Raises:
        DataError: anything malformed, or nothing that is kept; nothing is left then.
    """
    settings, progress = settings or BuildSettings(), progress or NoProgress()
    check_folder(Path(out), overwrite=overwrite)
    found = read_annotations(
        annotations, images, category=settings.category, form=settings.form, progress=progress
    )
    if not found.regions:
        raise DataError("no regions", file=annotations, expected="one at least")
    concepts: dict[str, list[str]] = {}
    for category, name in sorted({(each.category, each.concept) for each in found.regions}):
        concepts.setdefault(category, []).append(name)
    writer = BrodenWriter(
        out, concepts, mask_shape=(settings.mask_size, settings.mask_size), overwrite=overwrite
    )
    building = _Building(writer, images, found, settings)
    sizes = image_sizes(images, building.regions, found.sizes, progress)
    with writer, progress.step("write", len(sizes)) as advance:
        for name, size in sizes.items():
            building.add(name, size)
            advance(1)
        building.finish()
    return building.report(Path(out))


class _Building:
    """The images of one build, one after the other.

    Attributes:
        regions: by image.
    """

    def __init__(
        self, writer: BrodenWriter, images: Path, found: Annotations, settings: BuildSettings
    ) -> None:
        self.regions: dict[str, list[Region]] = {
            name: [] for name in sorted(found.sizes) if settings.empty_images
        }
        for region in sorted(found.regions, key=lambda region: region.image):
            self.regions.setdefault(region.image, []).append(region)
        self._writer, self._images, self._settings = writer, images, settings
        self._named = len({*found.sizes, *self.regions})
        self._workers = {
            name: {region.worker for region in each} for name, each in self.regions.items()
        }
        self._shared = sum(len(each) > 1 for each in self._workers.values())
        self._written = self._kept_images = 0
        self._dropped: list[tuple[str, ...]] = []
        self._agreement: list[tuple[str, str, str, int, int, int, int, str]] = []

    def add(self, name: str, size: tuple[int, int]) -> None:
        """Write one image of that height and width, unless nothing of it is kept."""
        by_concept: dict[tuple[str, str], list[Region]] = {}
        for region in self.regions[name]:
            by_concept.setdefault((region.category, region.concept), []).append(region)
        masks: dict[str, dict[int, NDArray[np.integer]]] = {}
        for pair in sorted(by_concept):
            mask = self._mask(name, by_concept[pair], size)
            if mask is not None:
                masks.setdefault(pair[0], {})[self._writer.numbers[pair]] = mask
        self._kept_images += bool(masks)
        if masks or self._settings.empty_images:
            self._written += 1
            planes = {category: pack_label_maps(each) for category, each in masks.items()}
            self._writer.add(*self._image(name, size), planes)

    def _mask(
        self, name: str, regions: Sequence[Region], size: tuple[int, int]
    ) -> NDArray[np.integer] | None:
        """What is kept of one concept, at mask size; None if nothing is."""
        drawn = [Drawn(each.worker, each.verified, draw(each.geometry, *size)) for each in regions]
        workers = len(self._workers[name]) if self._shared else 0
        found = agree(drawn, workers, self._settings.rules)
        side = self._settings.mask_size
        mask = resize_mask(decode(union(found.kept)), side, side) if found.kept else None
        if mask is not None and not mask.any():
            mask, reason = None, f"too small for masks of {side}×{side}"
            lost = dict.fromkeys(range(len(regions)), reason)
            found = found._replace(reasons={**lost, **found.reasons})
        self._note(name, regions, found)
        return None if mask is None else mask.astype("uint8")

    def _note(self, name: str, regions: Sequence[Region], found: Consensus) -> None:
        for place, reason in sorted(found.reasons.items()):
            region = regions[place]
            words = (region.category, region.concept, region.worker, reason, region.source)
            self._dropped.append((name, *words))
        iou = "" if found.mean_iou is None else f"{found.mean_iou:.4f}"
        first, kept = regions[0], len(regions) - len(found.reasons)
        counts = (len(self._workers[name]), found.drew, len(regions), kept)
        self._agreement.append((name, first.category, first.concept, *counts, iou))

    def _image(self, name: str, size: tuple[int, int]) -> tuple[str, Image.Image | Path]:
        """The image's name in the data set, and its file, or itself squashed."""
        side = self._settings.size
        if side is None or size == (side, side):
            return name, self._images / name
        from ...concept_data.images import open_image, to_array

        squashed = Image.fromarray(to_array(open_image(self._images / name), side, side))
        path = PurePosixPath(name)
        known = path.suffix.lower() in {".jpg", ".jpeg", ".png"}
        return str(path if known else path.with_suffix(".png")), squashed

    def finish(self) -> None:
        """Have the tables of what was dropped, and of agreement, written with the data.

        Raises:
            DataError: nothing was kept.
        """
        if not self._kept_images:
            reasons = Counter(row[4] for row in self._dropped).most_common(3)
            found = ", ".join(f"{count} × {reason}" for reason, count in reasons)
            raise DataError("no region is kept", file=self._images, found=found)
        self._writer.add_table("dropped.csv", DROPPED, self._dropped)
        if self._shared:
            self._writer.add_table("agreement.csv", AGREEMENT, self._agreement)
            self._writer.add_table("workers.csv", WORKERS, self._by_worker())

    def _by_worker(self) -> tuple[WorkerSummary, ...]:
        images = Counter(worker for each in self._workers.values() for worker in each)
        drawn = Counter(region.worker for each in self.regions.values() for region in each)
        dropped = Counter(row[3] for row in self._dropped)
        return tuple(
            WorkerSummary(worker, images[worker], drawn[worker], drawn[worker] - dropped[worker])
            for worker in sorted(images)
        )

    def report(self, folder: Path) -> BuildReport:
        """What was built."""
        rows: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
        for _, category, concept, _, _, regions, kept, iou in self._agreement:
            rows.setdefault((category, concept), []).append((regions, kept, iou))
        return BuildReport(
            folder,
            self._written,
            self._named - self._kept_images,
            self._by_worker(),
            self._shared,
            tuple(summary(*pair, rows[pair]) for pair in sorted(rows)),
            dict(Counter(row[4] for row in self._dropped).most_common()),
        )
