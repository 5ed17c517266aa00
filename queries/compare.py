"""Two or more runs side by side: what their units detect, and which units changed meaning.

The paper's Table 1 for each run (units that are interpretable, concepts they detect, by category),
and beside every count three honest companions: how many of the labels are beyond chance; how many
have a larger IoU than a box in the middle of every image would, since what is photographed lies
there, and boxes drawn around it are large; and how many units would be interpretable if activations
counted in all images (`--iou unrestricted`), since a small, well-isolated category raises IoU by
construction. Runs of the same network (equal digest)
are compared unit by unit; others by the concepts they detect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..errors import QueryError
from ..graph.run.significant import SignificantLabels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ..graph.run.reader import Run


class Detected(NamedTuple):
    """Units that detect a concept of a category (None: of any), and their different concepts.

    `significant` of the units have a label beyond chance, `above_center_bias` a larger IoU than a
    box in the middle of every image, `unrestricted` units would be interpretable, if all
    images counted; None where a run did not ask.
    """

    category: str | None
    units: int
    concepts: int
    significant: int | None
    above_center_bias: int | None
    unrestricted: int | None


class BlockCounts(NamedTuple):
    """A block of one run: its units, what they detect in all, and by category."""

    run: str
    block: str
    units: int
    total: Detected
    categories: tuple[Detected, ...]


class Meaning(NamedTuple):
    """What a unit detects in one run; `significant` is None where the run did not ask."""

    name: str
    category: str
    iou: float
    significant: bool | None


class Change(NamedTuple):
    """A unit whose meaning differs between two runs; None where it is not interpretable."""

    unit: str
    before: Meaning | None
    after: Meaning | None


class Move(NamedTuple):
    """How many units of a block kept, changed, gained or lost their meaning."""

    block: str
    same: int
    changed: int
    gained: int
    lost: int
    neither: int


@dataclass(frozen=True)
class Pair:
    """Two runs compared.

    Attributes:
        first: name of the one.
        second: name of the other.
        same_network: whether their networks have one digest, so that units can be compared.
        moves: per block that both have, of one network only.
        changes: units that changed meaning, the largest IoU first, of one network only.
        only_first: concepts ("category/name") that only units of the first detect.
        only_second: likewise.
        both: how many concepts units of both detect.
    """

    first: str
    second: str
    same_network: bool
    moves: tuple[Move, ...]
    changes: tuple[Change, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    both: int


@dataclass(frozen=True)
class Comparison:
    """Counts of all runs, block by block, and the first run beside each other one."""

    counts: tuple[BlockCounts, ...]
    pairs: tuple[Pair, ...]

    def to_json(self) -> dict[str, object]:
        """All of it as one JSON object."""
        return {
            "counts": [_counts_json(each) for each in self.counts],
            "pairs": [_pair_json(each) for each in self.pairs],
        }


def compare(
    runs: Sequence[Run], *, blocks: Sequence[str] | None = None, significant: bool = False
) -> Comparison:
    """Compare runs.

    Args:
        runs: two or more.
        blocks: only these; None for all.
        significant: a label counts only where it is beyond chance.

    Raises:
        QueryError: fewer than two runs, a block that no run has, or, with `significant`, a run that
            was not compared with chance.
    """
    if len(runs) < 2:
        raise QueryError("one run", expected="two or more to compare")
    known = sorted({block for run in runs for block in run.blocks})
    for block in blocks or ():
        if block not in known:
            raise QueryError(f"no {block!r} in these runs", expected=", ".join(known))
    views = [_View(run, significant=significant) for run in runs]
    wanted = blocks or known
    counts = [view.counts(b) for b in wanted for view in views if b in view.run.blocks]
    pairs = [_pair(views[0], other, wanted) for other in views[1:]]
    return Comparison(tuple(counts), tuple(pairs))


class _View:
    """The labelled units of one run."""

    def __init__(self, run: Run, *, significant: bool) -> None:
        self.run = run
        self.units = run.units
        self.labelled = (SignificantLabels(run) if significant else run).interpretable
        everywhere = (self.units["status"] == "ok") & (self.units["iou_unrestricted"] > run.min_iou)
        known = self.units["iou_unrestricted"].notna().any()
        self._everywhere = everywhere if known else None

    def counts(self, block: str) -> BlockCounts:
        mine = self.units["block"] == block
        names = self.run.manifest.get("data", {}).get("categories")
        found = self.units[mine & self.labelled]["category"].unique().tolist()
        order = [name for name in names if name in found] if isinstance(names, list) else found
        return BlockCounts(
            self.run.name,
            block,
            int(mine.sum()),
            self._detected(mine, None),
            tuple(self._detected(mine, category) for category in order),
        )

    def _detected(self, mine: pd.Series[bool], category: str | None) -> Detected:
        run, units, everywhere = self.run, self.units, self._everywhere
        here = mine if category is None else mine & (units["category"] == category)
        there = mine if category is None else mine & (units["category_unrestricted"] == category)
        named = units[here & self.labelled]
        return Detected(
            category,
            len(named),
            len(named[["category", "label"]].drop_duplicates()),
            int((here & run.significant).sum()) if run.is_tested else None,
            int((here & run.above_center_bias).sum()) if run.center_bias.notna().any() else None,
            int((there & everywhere).sum()) if everywhere is not None else None,
        )

    def meanings(self, block: str) -> dict[str, Meaning]:
        """Of the units of a block that have one."""
        rows = self.units[(self.units["block"] == block) & self.labelled]
        beyond = self.run.significant[rows.index].tolist()
        columns = (rows[name].tolist() for name in ("uid", "label", "category", "iou"))
        tested = self.run.is_tested
        return {
            uid: Meaning(label, category, iou, sure if tested else None)
            for uid, label, category, iou, sure in zip(*columns, beyond, strict=True)
        }

    def concepts(self, blocks: Sequence[str]) -> set[str]:
        rows = self.units[self.units["block"].isin(list(blocks)) & self.labelled]
        return set((rows["category"] + "/" + rows["label"]).tolist())


def _pair(first: _View, second: _View, blocks: Sequence[str]) -> Pair:
    shared = [b for b in blocks if b in first.run.blocks and b in second.run.blocks]
    digests = [view.run.manifest.get("model", {}).get("digest") for view in (first, second)]
    same = digests[0] is not None and digests[0] == digests[1]
    moves, changes = [], []
    for block in shared if same else ():
        before, after = first.meanings(block), second.meanings(block)
        moves.append(_move(block, first.run.width(block), before, after))
        changes += [
            Change(uid, before.get(uid), after.get(uid))
            for uid in before.keys() | after.keys()
            if _differ(before.get(uid), after.get(uid))
        ]
    concepts = first.concepts(shared), second.concepts(shared)
    return Pair(
        first.run.name,
        second.run.name,
        same,
        tuple(moves),
        tuple(sorted(changes, key=lambda each: (-_strength(each), each.unit))),
        tuple(sorted(concepts[0] - concepts[1])),
        tuple(sorted(concepts[1] - concepts[0])),
        len(concepts[0] & concepts[1]),
    )


def _differ(before: Meaning | None, after: Meaning | None) -> bool:
    if before is None or after is None:
        return before is not after
    return (before.category, before.name) != (after.category, after.name)


def _strength(change: Change) -> float:
    return max(each.iou for each in (change.before, change.after) if each is not None)


def _move(block: str, units: int, before: dict[str, Meaning], after: dict[str, Meaning]) -> Move:
    both = before.keys() & after.keys()
    changed = sum(_differ(before[uid], after[uid]) for uid in both)
    gained, lost = len(after.keys() - before.keys()), len(before.keys() - after.keys())
    same = len(both) - changed
    return Move(block, same, changed, gained, lost, units - same - changed - gained - lost)


def _counts_json(counts: BlockCounts) -> dict[str, object]:
    return {
        **counts._asdict(),
        "total": counts.total._asdict(),
        "categories": [each._asdict() for each in counts.categories],
    }


def _pair_json(pair: Pair) -> dict[str, object]:
    return {
        **vars(pair),
        "moves": [each._asdict() for each in pair.moves],
        "changes": [
            {
                "unit": each.unit,
                "before": each.before and each.before._asdict(),
                "after": each.after and each.after._asdict(),
            }
            for each in pair.changes
        ],
    }
