"""Evidence of classes: which concepts carry a class's answers, over many images.

1. rows    for every image, what each region of each block adds to the predicted class's logit, less
           the mean of all logits (`image_evidence`); kept in the run, so that it resumes
2. means   per class and region, over the images that the network takes for the class
3. flows   likewise between the last two blocks, for the first images of each class: a flow costs
           about a sixth of a row, and an image has some twenty, so few images have them computed

Means of exact sums add up: per class, block and category, the regions and the mean bias terms
are the mean of what is explained.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import DataError, RunError
from ..graph.run.class_evidence import EVIDENCE, FLOWS, SavedEvidence, write_class_evidence
from ..graph.run.files import disk_errors
from ..graph.run.trust import check_images_trusted
from ..ingest.concept_data.opening import open_concept_data
from ..progress import NoProgress
from ..queries.class_evidence import class_concepts, strongest_rows
from ..queries.labels import class_index
from .clips import frames_of_run
from .image_evidence import EvidenceFile, EvidenceRow, FlowFile, FlowRow, ImageEvidence
from .image_folder import digest, file_in_run, images_below, size_and_time
from .network import RunNetwork, network_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from ..graph.run.reader import Run
    from ..progress import Progress

FOLDER = "evidence"
SCHEMA = 1
"""Version of the rows; those of another version are not read."""
FLOW_IMAGES = (4, 30)
"""Of each class: so many images, at least and at most, have their flows computed."""
FLOW_SHARE = 0.2
"""Of all images: at most this share, if that leaves each class the fewest of `FLOW_IMAGES`."""
_BATCH = 16
_Z = 1.96
"""Standard errors on either side of a mean, for its 95 % interval."""


@dataclass(frozen=True, eq=False)
class ClassEvidence:
    """Evidence of all classes over some images.

    Attributes:
        run: uid of the run.
        versus: the class that logits are compared with; None means the mean of all classes.
        images: how many were read, by class they were taken for.
        unreadable: file and reason of each image that could not be read.
        evidence: one row for each class, block and region; columns as in `evidence.parquet`.
        flows: one row for each class and flow; columns as in `flows.parquet`.
    """

    run: str
    versus: str | None
    images: dict[str, int]
    unreadable: tuple[tuple[str, str], ...]
    evidence: pd.DataFrame
    flows: pd.DataFrame

    @property
    def saved(self) -> SavedEvidence:
        """The part that the run keeps."""
        return SavedEvidence(self.evidence, self.flows, self.versus, self.images)

    def only(
        self, class_name: str | None = None, block: str | None = None, top: int | None = None
    ) -> ClassEvidence:
        """Return the rows of a class and a block, the strongest of each category; None means all.

        A flow is of both blocks that it joins.
        """
        evidence, flows = self.evidence, self.flows
        if class_name is not None:
            evidence = evidence[evidence["class"] == class_name]
            flows = flows[flows["class"] == class_name]
        if block is not None:
            evidence = evidence[evidence["block"] == block]
            joined = (flows["source_block"] == block) | (flows["target_block"] == block)
            flows = flows[joined]
        return replace(
            self,
            evidence=strongest_rows(evidence, ["class", "block", "category"], top),
            flows=strongest_rows(flows, ["class", "source_category", "target_category"], top),
        )

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        named = [class_concepts(self.saved, name) for name in self.images]
        return {
            "run": self.run,
            "versus": self.versus,
            "images": self.images,
            "unreadable": [{"file": file, "reason": why} for file, why in self.unreadable],
            "evidence": [row.to_json(one.class_name) for one in named for row in one.evidence],
            "flows": [flow.to_json(one.class_name) for one in named for flow in one.flows],
        }


def class_evidence(
    run: Run | RunNetwork,
    images: Path | str | None = None,
    *,
    versus: str | None = None,
    resume: bool = True,
    trust_run: bool = False,
    progress: Progress | None = None,
) -> ClassEvidence:
    """Compute the evidence of classes over images, and keep it in the run.

    Args:
        run: an open run, or its network from `open_network`.
        images: a folder of images, with its subfolders; None means the concept data's own.
        versus: compare logits with this class's instead of the mean of all classes.
        resume: take images that were computed before, and are as they were, from the run.
        trust_run: read the images of somebody else's concept data.
        progress: receives the steps; None for no progress.

    Raises:
        QueryError: no such class.
        DataError: there are no images, or none can be read.
        RunError: the run cannot be written to, or names images and is not trusted.
        ModelError: the network cannot be loaded.
    """
    network, progress = network_of(run), progress or NoProgress()
    check_request(network.run, images, versus=versus, trust_run=trust_run)
    found = _image_files(network.run, images)
    files = [Path(os.path.realpath(file)) for file in found]  # as in the key
    other = None if versus is None else class_index(network.run, versus)
    source = ImageEvidence(network, other)
    key = _key(network, files, versus)
    names = f"{key}.jsonl", f"{key}-flows.jsonl"
    row_file, flow_file = (_file(network.run, name, resume=resume) for name in names)
    rows = EvidenceFile(row_file)
    with progress.step("evidence", len(files)) as advance:
        done = rows.drop_partial_batch(_BATCH, len(files))
        advance(done)
        loaded = network.load_images(files[done:])
        for start in range(done, len(files), _BATCH):
            batch = files[start : start + _BATCH]
            rows.append(source.rows([str(file) for file in batch], [next(loaded) for _ in batch]))
            advance(len(batch))
    totals = _Totals(source, rows.of(files))
    if not totals.images:
        raise DataError(
            "no image can be read", file=str(images), found=totals.unreadable[0][1]
        )  # fmt: skip
    result = ClassEvidence(
        network.run.name,
        versus,
        dict(totals.images),
        tuple(totals.unreadable),
        totals.table(),
        _flows(source, rows.of(files), totals.images, FlowFile(flow_file), progress),
    )
    write_class_evidence(network.run, result.evidence, result.flows, versus, result.images)
    return result


def check_request(
    run: Run, images: Path | str | None, *, versus: str | None = None, trust_run: bool = False
) -> None:
    """Refuse what cannot be computed, before any network is loaded.

    Raises:
        QueryError: no such class.
        DataError: there is no such folder.
        RunError: the images are those that somebody else's run names.
    """
    if versus is not None:
        class_index(run, versus)
    if images is None:
        folder = Path(run.manifest["data"]["folder"])
        check_images_trusted(run, folder, "--images", trusted=trust_run)
    elif not Path(images).is_dir():
        raise DataError("no such folder", file=Path(images), expected="a folder of images")


class _Totals:
    """Sums over the images of each class."""

    def __init__(self, source: ImageEvidence, rows: Iterable[EvidenceRow]) -> None:
        self._source = source
        self.images: dict[str, int] = defaultdict(int)
        self.unreadable: list[tuple[str, str]] = []
        zeros = lambda: np.zeros(len(source.keys))  # noqa: E731
        self._sum: dict[str, NDArray[np.float64]] = defaultdict(zeros)
        self._squares: dict[str, NDArray[np.float64]] = defaultdict(zeros)
        self._coverage: dict[str, NDArray[np.float64]] = defaultdict(zeros)
        self._present: dict[str, NDArray[np.float64]] = defaultdict(zeros)
        for row in rows:
            self._add(row)

    def _add(self, row: EvidenceRow) -> None:
        if row.unreadable is not None:
            self.unreadable.append((row.file, row.unreadable))
            return
        name, evidence, coverage = row.predicted, np.array(row.evidence), np.array(row.coverage)
        fits = len(evidence) == len(coverage) == len(self._source.keys)
        if not fits or name not in self._source.network.class_names:
            raise RunError("rows of other concepts", found=row.file, remedy="Start with --fresh")
        self.images[name] += 1
        self._sum[name] += evidence
        self._squares[name] += evidence**2
        self._coverage[name] += coverage
        self._present[name] += coverage > 0

    def table(self) -> pd.DataFrame:
        """Return one row for each class and region that some image of the class has."""
        import pandas as pd

        frames = [self._of_class(name, count) for name, count in sorted(self.images.items())]
        table: pd.DataFrame = pd.concat(frames, ignore_index=True)
        return table

    def _of_class(self, name: str, count: int) -> pd.DataFrame:
        import pandas as pd

        mean = self._sum[name] / count
        variance = np.maximum(self._squares[name] / count - mean**2, 0)
        spread = np.sqrt(variance * count / max(count - 1, 1))
        error = _Z * spread / np.sqrt(count)
        present = self._present[name]
        frame = pd.DataFrame(
            {
                "class": name,
                "block": [key.block for key in self._source.keys],
                "category": [key.category for key in self._source.keys],
                "name": [key.name for key in self._source.keys],
                "mean": mean,
                "spread": spread,
                "low": mean - error,
                "high": mean + error,
                "images": present.astype(np.int64),
                "share": present / count,
                "coverage": self._coverage[name] / count,
            },
            columns=list(EVIDENCE),
        )
        kept: pd.DataFrame = frame[present > 0]
        return kept


class _FlowKey(NamedTuple):
    source_category: str
    source_name: str | None
    target_category: str
    target_name: str | None


def _flows(
    source: ImageEvidence,
    rows: Iterable[EvidenceRow],
    images: Mapping[str, int],
    flows: FlowFile,
    progress: Progress,
) -> pd.DataFrame:
    """Compute the flows of the first images of each class, and return their means (step 3)."""
    files = list(_first_images(rows, images))
    with progress.step("flows", len(files)) as advance:
        done = flows.drop_partial_batch(1, len(files))
        advance(done)
        for image in source.network.load_images(files[done:]):
            if not isinstance(image, str):
                flows.append([source.flows(image)])
            advance(1)
    return _flow_table(source.blocks, flows.of(source.network.run))


def _first_images(rows: Iterable[EvidenceRow], images: Mapping[str, int]) -> Iterator[Path]:
    fewest, most = FLOW_IMAGES
    share = int(FLOW_SHARE * sum(images.values()) / len(images))
    taken: dict[str, int] = defaultdict(int)
    for row in rows:
        if row.unreadable is None and taken[row.predicted] < min(most, max(fewest, share)):
            taken[row.predicted] += 1
            yield Path(row.file)


def _flow_table(blocks: Sequence[str], flows: Iterable[FlowRow]) -> pd.DataFrame:
    import pandas as pd

    images: dict[str, int] = defaultdict(int)
    sums: dict[tuple[str, _FlowKey], float] = defaultdict(float)
    counts: dict[tuple[str, _FlowKey], int] = defaultdict(int)
    for row in flows:
        images[row.predicted] += 1
        for *key, amount in row.flows:
            place = row.predicted, _FlowKey(*key)  # type: ignore[arg-type]
            sums[place] += amount
            counts[place] += 1
    frame = pd.DataFrame(
        [
            (name, blocks[-2], *key[:2], blocks[-1], *key[2:], total / images[name],
             counts[name, key])
            for (name, key), total in sums.items()
        ],
        columns=[column for column in FLOWS if column != "rank"],
    )  # fmt: skip
    order = ["class", "source_category", "target_category"]
    frame["size"] = frame["mean"].abs()
    frame = frame.sort_values([*order, "size"], ascending=[True, True, True, False], kind="stable")
    frame["rank"] = frame.groupby(order).cumcount()
    table: pd.DataFrame = frame.drop(columns="size").reset_index(drop=True)
    return table


def _image_files(run: Run, images: Path | str | None) -> list[Path]:
    if images is None:
        folder = Path(run.manifest["data"]["folder"])
        return [image.path for image in open_concept_data(folder, strict=False).images]
    return images_below(Path(images), clips=frames_of_run(run) is not None)


def _key(network: RunNetwork, files: Sequence[Path], versus: str | None) -> str:
    """Return a digest of the images as they are on the disk, and of the question."""
    states = [(str(file), size_and_time(file)) for file in files]
    return digest([SCHEMA, network.run.manifest["settings_digest"], versus, states])


def _file(run: Run, name: str, *, resume: bool) -> Path:
    path = file_in_run(run, FOLDER, name)
    if not resume:
        with disk_errors(path, "cannot be written"):
            path.unlink(missing_ok=True)
    return path
