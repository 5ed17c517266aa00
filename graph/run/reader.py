"""The run directory `NAME.cg/`: the durable result of an ingest, read back.

    manifest.json                        settings, digests, versions; written last
    units, concepts, detections, presence, classes, peaks, top_images    .parquet, by `TABLES`
    iou_block4.npy                       units × concepts, float32
    presence_block4.npy                  (units + 1) × concepts, float32: probes, then intercepts
    contributions_block3_block4.npy      sources × targets, float32, after the target's ReLU
    contributions_block3_block4_pre.npy  the same, signed, before it
    contributions_block4_class.npy       units × classes, float32, signed; also with `_pre`
    thumbnails/

Rows of `concepts` are in the order of the IoU columns, classes in the order of their `index`, and
unit `block4/290` is row 290 of its block's arrays. pandas and numpy alone can read all of it.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import QueryError, RunError, nearest
from ...settings import Settings
from ..uids import WORD, block_number, class_uid, concept_uids, unit_uid, word_run_uid
from .files import file_of_run, read_array, read_table
from .manifest import Manifest, read_manifest
from .schema import INGEST_AGAIN, KEYS, MOST_BINS, MOST_CLASSES, MOST_OVERLAP, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from .word_labels import WordTables


class Run:
    """A finished run: tables as DataFrames, arrays as memory maps, both read when first used.

    A file that is missing, or has other columns or another shape, raises a RunError that names it.

    Attributes:
        path: the folder.
        manifest: what it states.
        words: what labels units in place of concepts with masks (`word_run`); None for most runs.
    """

    def __init__(self, path: Path, manifest: Manifest, words: WordTables | None = None) -> None:
        self.path = path
        self.manifest = manifest
        self.words = words
        self._arrays: dict[str, NDArray[np.float32]] = {}
        self._known: dict[str, frozenset[str]] = {}
        self._folder = _identity(path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def name(self) -> str:
        """The run's uid: `camvid` for `camvid.cg`, `camvid.words` if words label its units."""
        uid = self.manifest["uid"]
        return uid if self.words is None else word_run_uid(uid)

    @property
    def noun(self) -> str:
        """What its network sees, and its data are counted in: "image" or "clip"."""
        return "clip" if "frames" in self.manifest["input"] else "image"

    @cached_property
    def settings(self) -> Settings:
        """The settings of the ingest."""
        return Settings.from_dict(self.manifest["settings"])

    @property
    def min_iou(self) -> float:
        """The IoU above which a unit is interpretable and a detection counts; 0 for words."""
        return self.manifest["min_iou"] if self.words is None else 0.0

    @property
    def quantile(self) -> float:
        """The share of a unit's activations above its threshold, also where `auto` chose it."""
        return self.manifest["quantile"]

    @property
    def blocks(self) -> tuple[str, ...]:
        """The dissected blocks, the earliest first."""
        return tuple(sorted(self.manifest["blocks"], key=block_number))

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories of the concepts, in the order of the data; words last."""
        return (*self.manifest["data"]["categories"], *([] if self.words is None else [WORD]))

    @property
    def hops(self) -> tuple[tuple[str, str], ...]:
        """Sources and targets of contributions: neighbouring blocks, and ("block4", "class").

        A run without the network's last block has no contributions to the classes.
        """
        pairs = zip(self.blocks, self.blocks[1:], strict=False)
        hops = [(a, b) for a, b in pairs if block_number(b) == block_number(a) + 1]
        last = self.blocks[-1]
        if os.path.lexists(self.path / f"contributions_{last}_class.npy"):
            hops.append((last, "class"))
        return tuple(hops)

    @cached_property
    def units(self) -> pd.DataFrame:
        """One row a unit; label, category and iou are the best concept's, however weak."""
        return self._table("units") if self.words is None else self.words.units

    @cached_property
    def concepts(self) -> pd.DataFrame:
        """One row a concept, in the order of the IoU columns; words, if any, come last."""
        return self._table("concepts") if self.words is None else self.words.concepts

    @cached_property
    def detections(self) -> pd.DataFrame:
        """One row a unit and concept, the unit's best concepts, with their pixel counts."""
        return self._table("detections") if self.words is None else self.words.detections

    @cached_property
    def presence(self) -> pd.DataFrame:
        """One row a concept and block: how well its presence probe does on held-out images."""
        return self._table("presence")

    @cached_property
    def classes(self) -> pd.DataFrame:
        """One row a class of the network."""
        return self._table("classes")

    @cached_property
    def top_images(self) -> pd.DataFrame:
        """One row a unit and rank: its top images; thumbnails are relative to the run."""
        return self._table("top_images")

    @cached_property
    def peaks(self) -> pd.DataFrame:
        """One row a unit and bin: in how many images its largest activation is how strong.

        `times` is the lower edge of the bin, as a multiple of the unit's threshold.
        """
        return self._table("peaks")

    @cached_property
    def interpretable(self) -> pd.Series[bool]:
        """Per row of `units`: neither dead nor sparse, and its best IoU is above `min_iou`."""
        units = self.units
        return (units["status"] == "ok") & (units["iou"] > self.min_iou) & units["label"].notna()

    @property
    def named(self) -> pd.Series[bool]:
        """Per row of `units`: interpretable, and its label holds as a name (`statistics.names`)."""
        return self._named

    @cached_property
    def _named(self) -> pd.Series[bool]:
        rows = self.detections[(self.detections["rank"] == 0) & self.detections["holds"]]
        return self.interpretable & self.units["uid"].isin(rows["unit"])

    @cached_property
    def significant(self) -> pd.Series[bool]:
        """Per row of `units`: interpretable, and its label is significant."""
        rows = self.detections[(self.detections["rank"] == 0) & self.detections["significant"]]
        return self.interpretable & self.units["uid"].isin(rows["unit"])

    @cached_property
    def center_bias(self) -> pd.Series[float]:
        """Per row of `units`: the center-bias baseline's IoU with its label; NaN without one."""
        baseline = self.concepts.set_index("uid")["center_bias"]
        labels = concept_uids(self.units["category"], self.units["label"])
        return labels.map(baseline).astype(float)

    @cached_property
    def above_center_bias(self) -> pd.Series[bool]:
        """Per row of `units`: interpretable, with a larger IoU than `center_bias`."""
        return self.interpretable & (self.units["iou"] > self.center_bias)

    @cached_property
    def is_tested(self) -> bool:
        """Whether labels were tested for significance: not with `null_samples=0`."""
        return bool(self.detections["p"].notna().any())

    @cached_property
    def interpretable_detections(self) -> pd.DataFrame:
        """The rows of `detections` above `min_iou`, of interpretable units."""
        units = self.units["uid"][self.interpretable]
        detections = self.detections
        is_above = detections["iou"] > self.min_iou
        rows: pd.DataFrame = detections[is_above & detections["unit"].isin(units)]
        return rows

    def unit(self, uid: str) -> pd.Series[str | float]:
        """Return the row of `units` for "block4/290"; QueryError if there is none."""
        rows = self.units[self.units["uid"] == uid]
        if rows.empty:
            what = f"no unit {uid!r} in run {self.name}"
            raise QueryError(what, remedy=nearest(uid, self.units["uid"]))
        row: pd.Series[str | float] = rows.iloc[0]
        return row

    def iou(self, block: str) -> pd.DataFrame:
        """Return the IoU of a block's units (rows, by uid) with all concepts (columns, by uid).

        Of concepts with masks or tags, not of words.
        """
        import pandas as pd

        concepts = list(self.concepts["uid"])[: self._columns]
        shape = self.width(block), len(concepts)
        values = self._array(f"iou_{block}", shape, 0, MOST_OVERLAP)
        uids = [unit_uid(block, index) for index in range(len(values))]
        frame: pd.DataFrame = pd.DataFrame(values, index=uids, columns=concepts, copy=False)
        return frame

    def probes(self, block: str) -> NDArray[np.float32]:
        """Return the presence probes of a block, (units + 1, concepts), read-only; intercepts last.

        A probe's score, activations · probe + intercept, is in standard deviations above its mean.
        """
        return self._array(f"presence_{block}", (self.width(block) + 1, self._columns))

    @property
    def _columns(self) -> int:
        """How many concepts the arrays have."""
        return len(self.concepts) if self.words is None else self.words.columns

    def contributions(self, source: str, target: str, *, pre: bool = False) -> NDArray[np.float32]:
        """Return the contributions of a block to the next one, or to "class".

        Args:
            source: a block.
            target: the next block, or "class".
            pre: return the signed ones, before the target's ReLU.

        Returns:
            float32 (sources, targets), read-only.
        """
        shape = (self.width(source), self.width(target))
        return self._array(f"contributions_{source}_{target}{'_pre' if pre else ''}", shape)

    def width(self, block: str) -> int:
        """Return the number of units of a block, or of classes for "class"."""
        if block == "class":
            return len(self.classes)
        if block not in self.manifest["blocks"]:
            what = f"run {self.name} has no {block!r}"
            raise QueryError(what, expected=", ".join(self.blocks))
        return self.manifest["blocks"][block]["units"]

    def live(self, block: str) -> NDArray[np.bool_]:
        """Return which units of a block are ever active on the data, (units,); classes all are."""
        live = np.ones(self.width(block), dtype=np.bool_)
        units = self.units
        dead = units[(units["block"] == block) & (units["status"] == "dead")]
        live[dead["index"].to_numpy()] = False
        return live

    def check(self) -> None:
        """Read every table and open every array once; RunError at the first that does not fit."""
        for name in TABLES:
            getattr(self, name)
        for block in self.blocks:
            self.iou(block)
        for block in self.presence["block"].unique():
            self.probes(block)
        for source, target in self.hops:
            self.contributions(source, target)
            self.contributions(source, target, pre=True)

    def file(self, name: str) -> Path:
        """Return a file of the run, to read or to write.

        Raises:
            RunError: its name, or a link on the way, leads out of the run, it is no regular file,
                or another run has taken this one's place.
        """
        if _identity(self.path) != self._folder:
            what = "this run was replaced or removed while it was read"
            raise RunError(what, file=self.path, remedy="Start again")
        return file_of_run(self.path, name)

    def known(self, kind: str) -> frozenset[str]:
        """Return the names that the run has of a kind: "unit", "block", "concept" or "class"."""
        if kind not in self._known:
            names: Iterable[str] = self.blocks
            if kind == "unit":
                names = (unit_uid(b, index) for b in self.blocks for index in range(self.width(b)))
            elif kind == "concept":
                names = self.concepts["uid"]
            elif kind == "class":
                names = self.classes["name"]
            self._known[kind] = frozenset(names)
        return self._known[kind]

    def table(
        self,
        name: str,
        columns: Mapping[str, str],
        key: tuple[str, ...],
        rows: int,
        remedy: str = INGEST_AGAIN,
    ) -> pd.DataFrame:
        """Read a table and check it.

        Args:
            name: stem of its file.
            columns: name → kind, one of those in `schema`.
            key: columns that no two rows share.
            rows: how many there can be.
            remedy: if a column is missing.

        Raises:
            RunError: it is not this table, or names what the run does not have.
        """
        return read_table(self.file(f"{name}.parquet"), columns, key, rows, self.known, remedy)

    def _table(self, name: str) -> pd.DataFrame:
        """Read one of `TABLES`; also check what its columns say of each other."""
        units, concepts = len(self.known("unit")), self.manifest["data"]["concepts"]
        rows = {
            "units": units,
            "concepts": concepts,
            "detections": units * concepts,
            "presence": len(self.blocks) * concepts,
            "classes": MOST_CLASSES,
            "peaks": units * MOST_BINS,
            "top_images": units * min(self.settings.top_images, self.manifest["data"]["images"]),
        }
        frame = self.table(name, TABLES[name], KEYS[name], rows[name])
        file = self.path / f"{name}.parquet"
        if name in ("units", "concepts") and len(frame) != rows[name]:
            raise RunError(
                f"{name} do not match the manifest",
                file=file,
                found=f"{len(frame)} {name}",
                expected=rows[name],
            )
        if name == "classes" and list(frame["index"]) != list(range(len(frame))):
            raise RunError("classes out of order", file=file, expected="index 0, 1, 2, …")
        for column, expected in self._derived(name, frame):
            wrong = frame[column].notna() & (frame[column] != expected)
            if wrong.any():
                found, right = frame[column][wrong].iloc[0], expected[wrong].iloc[0]
                what = f"column {column} does not fit the others"
                raise RunError(what, file=file, found=repr(found), expected=repr(right))
        if name == "units":
            self._check_labels(file, frame)
        return frame

    def _check_labels(self, file: Path, units: pd.DataFrame) -> None:
        """Refuse labels that are no concepts of the run."""
        for kind in ("", "_unrestricted"):
            category, label = units[f"category{kind}"], units[f"label{kind}"]
            uids = concept_uids(category, label)
            unknown = set(uids.dropna()) - self.known("concept")
            if unknown or (category.isna() != label.isna()).any():
                found = repr(min(unknown)) if unknown else "a label without its category"
                raise RunError("a label that is no concept of the run", file=file, found=found)

    def _derived(self, name: str, frame: pd.DataFrame) -> Iterator[tuple[str, pd.Series[str]]]:
        """Yield the columns of a table that follow from others, and what they must be."""
        if name == "units":
            yield "uid", frame["block"] + "/" + frame["index"].astype(str)
        elif name == "concepts":
            yield "uid", concept_uids(frame["category"], frame["name"])
        elif name == "classes":
            yield "uid", frame["name"].map(class_uid)
        elif name == "detections":
            yield "category", frame["concept"].str.split("/", n=1).str[0]

    def _array(self, name: str, shape: tuple[int, int], *limits: float) -> NDArray[np.float32]:
        if name not in self._arrays:
            self._arrays[name] = read_array(self.file(f"{name}.npy"), shape, *limits)
        return self._arrays[name]


def open_run(path: Path | str) -> Run:
    """Open a finished run; only its manifest is read now.

    Raises:
        RunError: there is no run, it is unfinished, its manifest is incomplete, or a newer
            conceptgraph wrote it.
    """
    path = Path(path)
    before = _identity(path)
    run = Run(path, read_manifest(path))
    if _identity(path) != before:  # replaced just now: read the new one
        return open_run(path)
    return run


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another that takes its name."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def find_run(explicit: Path | str | None = None) -> Path:
    """Return a run's path: `explicit`, else $CONCEPTGRAPH_RUN, else the newest `*.cg` here."""
    path = explicit or os.environ.get("CONCEPTGRAPH_RUN")
    if path:
        return Path(path)
    manifests = list(Path().glob("*.cg/manifest.json"))
    if not manifests:
        remedy = (
            "Make one with `conceptgraph ingest`, or name one with --run or $CONCEPTGRAPH_RUN; "
            "`conceptgraph demo` and `why --demo` need no network and no data of yours"
        )
        raise RunError("no run named, and no *.cg in this folder", remedy=remedy)
    return max(manifests, key=lambda file: (file.stat().st_mtime_ns, file)).parent
