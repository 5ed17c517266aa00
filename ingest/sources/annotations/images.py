"""The images of annotations, each with its regions: files found and checked, or dropped."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from ....errors import DataError
from .image_files import ImageFiles, find_view, stem
from .run_lengths import RunLengths

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ....progress import Progress
    from .image_files import View
    from .regions import Annotations, Region


class AnnotatedImages:
    """Images that can be used, and what is dropped with those that cannot.

    Attributes:
        regions: by image file, in order of name; paths below the folder.
        views: what they were drawn on, by image file.
        dropped: what could not be read before, and regions of images that cannot be used.
        notes: what was assumed or changed, in sentences.
    """

    def __init__(
        self, folder: Path, annotations: Annotations, progress: Progress, *, unlabelled: bool
    ) -> None:
        """Find the images, and read their headers.

        Args:
            folder: of the images.
            annotations: with one region or more.
            progress: receives each image.
            unlabelled: also images without a region.

        Raises:
            DataError: no such folder, or no image is found.
        """
        self._folder = folder
        self.dropped = list(annotations.dropped)
        self.notes = list(annotations.notes)
        by_name: dict[str, list[Region]] = defaultdict(list)
        for region in annotations.regions:
            by_name[region.image].append(region)
        names = sorted({*by_name, *(annotations.sizes if unlabelled else ())})
        files = self._find(names, by_name)
        self.regions: dict[str, list[Region]] = {}
        self.views: dict[str, View] = {}
        with progress.step("check images", len(files)) as advance:
            for file, name in sorted((file, name) for name, file in files.items()):
                self._check(file, annotations.sizes.get(name), by_name.get(name, []))
                advance(1)
        self._note_rotated()

    def _find(self, names: Sequence[str], regions: dict[str, list[Region]]) -> dict[str, str]:
        """Return the file of each name; drop the regions of those without one."""
        if not self._folder.is_dir():
            raise DataError("no such folder", file=self._folder)
        files, problems = ImageFiles(self._folder).resolve(names)
        if problems and not files:
            first = min(problems)
            more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
            source = next((f" (of {region.source})" for region in regions.get(first, [])), "")
            raise DataError(
                f"no image {first!r}{more}{source}",
                file=self._folder,
                remedy=f"Name their folder with --images. {problems[first]}".rstrip(". "),
            )
        for name in sorted(problems):
            self._drop(regions.get(name, []), "no image file of this name", problems[name])
        changed = [name for name, file in files.items() if not _is_like(file, name)]
        if changed:
            first = min(changed)
            self.notes.append(
                f"{len(changed)} images have another name than annotated, such as "
                f"{files[first]!a} for {first!a}."
            )
        return files

    def _check(self, file: str, stated: tuple[int, int] | None, regions: list[Region]) -> None:
        try:
            view = find_view(self._folder / file, stated, regions)
        except DataError as error:
            text = str(error).removeprefix(f"{self._folder / file}: ")
            reason, _, detail = text.partition("; ")
            self._drop(regions, reason, detail)
            return
        fitting = [region for region in regions if fits(region, view)]
        others = [region for region in regions if not fits(region, view)]
        self._drop(others, "run lengths of another size than the image", "")
        if fitting or not regions:
            self.views[file] = view
            self.regions[file] = [
                region if region.image == file else replace(region, image=file)
                for region in fitting
            ]

    def _drop(self, regions: Sequence[Region], reason: str, detail: str) -> None:
        self.dropped += [region.dropped(reason, detail) for region in regions]

    def _note_rotated(self) -> None:
        rotated = [view for view in self.views.values() if view.rotated]
        as_stored = sum(view.orientation != 1 for view in rotated)
        if rotated:
            self.notes.append(
                f"{len(rotated)} images are rotated by their EXIF orientation: regions of "
                f"{len(rotated) - as_stored} are taken as drawn on the rotated view, those of "
                f"{as_stored} on the stored pixels, whose size the annotations state."
            )


def _is_like(file: str, name: str) -> bool:
    """Return whether a file ends as its name does; a name may lack the suffix (YOLO)."""
    return file.endswith(name) or stem(file).endswith(name)


def fits(region: Region, view: View) -> bool:
    """Return whether a region may be drawn on a view: run lengths must have its size."""
    shape = region.geometry
    return not isinstance(shape, RunLengths) or (shape.height, shape.width) == view.size
