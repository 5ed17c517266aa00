"""Two or more runs side by side: what their units detect, and which units changed their label.

For each run the paper's Table 1 (units with a name, the concepts that they are named after, by
category; with `all_labels` the paper's own, all interpretable units by their labels).
Beside each count stand three numbers that keep it honest: units whose label is significant; units
whose IoU is above the center-bias baseline, since objects lie in the middle of photographs and
boxes around them are large; and units that would be interpretable if activations counted in all
images (`--iou unrestricted`), since a small, well-separated category raises IoU by construction.

Runs of the same network (equal digest) are compared unit by unit; others by the concepts that they
detect. Each pair says which settings differ: at another quantile or image size a unit's label is
another measurement, not another concept that the unit learnt to detect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..errors import QueryError
from ..graph.run.all_labels import AllLabels
from ..graph.run.measurement import differences
from ..graph.uids import concept_uids

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ..graph.run.measurement import SettingDifference
    from ..graph.run.reader import Run


class DetectionCounts(NamedTuple):
    """How many units are named after a concept of a category (None: any), and how many concepts.

    `significant` counts those of them whose label is significant, `above_center_bias` those whose
    IoU is above the center-bias baseline, `unrestricted` the units that would be interpretable if
    all images counted. `significant` is None in a run without null samples.
    """

    category: str | None
    units: int
    concepts: int
    significant: int | None
    above_center_bias: int
    unrestricted: int


class BlockCounts(NamedTuple):
    """A block of one run: its units, and what they detect in total and by category."""

    run: str
    block: str
    units: int
    total: DetectionCounts
    categories: tuple[DetectionCounts, ...]


class RunLabel(NamedTuple):
    """A unit's label in one run; `significant` is None in a run without null samples."""

    name: str
    category: str
    iou: float
    significant: bool | None


class LabelChange(NamedTuple):
    """A unit whose label differs between two runs; None in a run where it has no name."""

    unit: str
    before: RunLabel | None
    after: RunLabel | None


class ChangeCounts(NamedTuple):
    """How many units of a block have the same label in two runs, another one, or one in one run."""

    block: str
    same: int
    changed: int
    gained: int
    lost: int
    neither: int


@dataclass(frozen=True)
class RunPair:
    """Two runs compared.

    Attributes:
        first: name of the first run.
        second: name of the second run.
        differences: what differs between them besides their labels, settings by their names.
        same_network: whether their networks have one digest, so that units can be compared.
        moves: per block that both have, of one network only.
        changes: units whose label changed, the largest IoU first, of one network only.
        only_first: concepts ("category/name") that only units of the first detect.
        only_second: likewise.
        both: how many concepts are detected in both runs.
    """

    first: str
    second: str
    differences: tuple[SettingDifference, ...]
    same_network: bool
    moves: tuple[ChangeCounts, ...]
    changes: tuple[LabelChange, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    both: int

    @property
    def same_measurement(self) -> bool:
        """Whether no setting that decides labels differs."""
        return not self.settings_of_labels

    @property
    def settings_of_labels(self) -> tuple[str, ...]:
        """The names of the settings that differ and decide labels."""
        return tuple(row.setting for row in self.differences if row.decides_labels)

    def caveat(self) -> str | None:
        """Return what to know before labels are compared; None for one measurement."""
        if self.same_measurement:
            return None
        names = self.settings_of_labels
        differ = "differs" if len(names) == 1 else "differ"
        return (
            f"{', '.join(names)} {differ}, so these are two measurements: a unit that is labelled "
            "otherwise here need not detect anything else. Only runs of equal settings show that."
        )


@dataclass(frozen=True)
class Comparison:
    """The counts of all runs, block by block, and the first run beside each of the others."""

    counts: tuple[BlockCounts, ...]
    pairs: tuple[RunPair, ...]

    def to_json(self) -> dict[str, object]:
        """Return the comparison as one JSON object."""
        return {
            "counts": [_counts_json(counts) for counts in self.counts],
            "pairs": [_pair_json(pair) for pair in self.pairs],
        }


def compare(
    runs: Sequence[Run], *, blocks: Sequence[str] | None = None, all_labels: bool = False
) -> Comparison:
    """Compare runs.

    Args:
        runs: two or more.
        blocks: only these; None for all.
        all_labels: a label counts also if it does not hold as a name.

    Raises:
        QueryError: fewer than two runs, or a block that no run has.
    """
    if len(runs) < 2:
        raise QueryError("one run", expected="two or more to compare")
    known = sorted({block for run in runs for block in run.blocks})
    for block in blocks or ():
        if block not in known:
            raise QueryError(f"no {block!r} in these runs", expected=", ".join(known))
    units = [_LabelledUnits(AllLabels(run) if all_labels else run) for run in runs]
    chosen = blocks or known
    counts = [labelled.counts(b) for b in chosen for labelled in units if b in labelled.run.blocks]
    pairs = [_pair(units[0], second, chosen) for second in units[1:]]
    return Comparison(tuple(counts), tuple(pairs))


class _LabelledUnits:
    """The units of one run that have a name."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.units = run.units
        self.labelled = run.named
        is_above = self.units["iou_unrestricted"] > run.min_iou
        self._unrestricted = (self.units["status"] == "ok") & is_above

    def counts(self, block: str) -> BlockCounts:
        in_block = self.units["block"] == block
        detected = set(self.units[in_block & self.labelled]["category"])
        categories = [c for c in self.run.categories if c in detected]
        return BlockCounts(
            self.run.name,
            block,
            int(in_block.sum()),
            self._detections(in_block, None),
            tuple(self._detections(in_block, category) for category in categories),
        )

    def _detections(self, in_block: pd.Series[bool], category: str | None) -> DetectionCounts:
        run, units, unrestricted = self.run, self.units, in_block & self._unrestricted
        chosen = in_block
        if category is not None:
            chosen = in_block & (units["category"] == category)
            unrestricted &= units["category_unrestricted"] == category
        labelled = units[chosen & self.labelled]
        return DetectionCounts(
            category,
            len(labelled),
            len(labelled[["category", "label"]].drop_duplicates()),
            int((chosen & self.labelled & run.significant).sum()) if run.is_tested else None,
            int((chosen & self.labelled & run.above_center_bias).sum()),
            int(unrestricted.sum()),
        )

    def labels(self, block: str) -> dict[str, RunLabel]:
        """Return the labels of a block's labelled units, by uid."""
        rows = self.units[(self.units["block"] == block) & self.labelled]
        significant = self.run.significant[rows.index].tolist()
        columns = (rows[name].tolist() for name in ("uid", "label", "category", "iou"))
        tested = self.run.is_tested
        return {
            uid: RunLabel(label, category, iou, is_significant if tested else None)
            for uid, label, category, iou, is_significant in zip(*columns, significant, strict=True)
        }

    def concepts(self, blocks: Sequence[str]) -> set[str]:
        """Return the uids of the concepts that units of some blocks are labelled with."""
        rows = self.units[self.units["block"].isin(list(blocks)) & self.labelled]
        return set(concept_uids(rows["category"], rows["label"]).tolist())


def _pair(first: _LabelledUnits, second: _LabelledUnits, blocks: Sequence[str]) -> RunPair:
    common = [b for b in blocks if b in first.run.blocks and b in second.run.blocks]
    digests = [units.run.manifest["model"]["digest"] for units in (first, second)]
    same_network = digests[0] == digests[1]
    moves, changes = [], []
    for block in common if same_network else ():
        before, after = first.labels(block), second.labels(block)
        moves.append(_change_counts(block, first.run.width(block), before, after))
        changes += [
            LabelChange(uid, before.get(uid), after.get(uid))
            for uid in before.keys() | after.keys()
            if _differ(before.get(uid), after.get(uid))
        ]
    concepts = first.concepts(common), second.concepts(common)
    return RunPair(
        first.run.name,
        second.run.name,
        differences(first.run, second.run),
        same_network,
        tuple(moves),
        tuple(sorted(changes, key=lambda change: (-_largest_iou(change), change.unit))),
        tuple(sorted(concepts[0] - concepts[1])),
        tuple(sorted(concepts[1] - concepts[0])),
        len(concepts[0] & concepts[1]),
    )


def _differ(before: RunLabel | None, after: RunLabel | None) -> bool:
    if before is None or after is None:
        return before is not after
    return (before.category, before.name) != (after.category, after.name)


def _largest_iou(change: LabelChange) -> float:
    return max(label.iou for label in (change.before, change.after) if label is not None)


def _change_counts(
    block: str, units: int, before: dict[str, RunLabel], after: dict[str, RunLabel]
) -> ChangeCounts:
    in_both = before.keys() & after.keys()
    changed = sum(_differ(before[uid], after[uid]) for uid in in_both)
    gained, lost = len(after.keys() - before.keys()), len(before.keys() - after.keys())
    same = len(in_both) - changed
    return ChangeCounts(block, same, changed, gained, lost, units - same - changed - gained - lost)


def _counts_json(counts: BlockCounts) -> dict[str, object]:
    return {
        **counts._asdict(),
        "total": counts.total._asdict(),
        "categories": [category._asdict() for category in counts.categories],
    }


def _pair_json(pair: RunPair) -> dict[str, object]:
    return {
        **vars(pair),
        "differences": [difference._asdict() for difference in pair.differences],
        "same_measurement": pair.same_measurement,
        "note": pair.caveat(),
        "moves": [counts._asdict() for counts in pair.moves],
        "changes": [
            {
                "unit": change.unit,
                "before": change.before and change.before._asdict(),
                "after": change.after and change.after._asdict(),
            }
            for change in pair.changes
        ],
    }
