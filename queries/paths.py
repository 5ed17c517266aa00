"""The strongest concept paths to a class, found exactly among all of them, without an image.

A path is one unit in each of some neighbouring blocks. Its score is the product of its hops'
shares, each the hop's weight over all positive weights into the same target. The score ranks paths;
it is not a share of a logit: contributions do not add up across units.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from ..errors import QueryError
from ..graph.pruning import incoming_shares
from ..graph.uids import block_number, unit_uid
from .best_paths import strongest_paths
from .labels import UnitLabel, class_index, path_json, unit_labels
from .rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..graph.run.reader import Run


@dataclass(frozen=True)
class ConceptPath:
    """A path with the units' labels.

    `shares` are those of each unit's hop to the next unit, or to the class; `rank` counts from 1.
    """

    rank: int
    score: float
    units: Rows[UnitLabel]
    shares: tuple[float, ...]

    def cells(self) -> dict[str, object]:
        """Return what a table shows."""
        path = " → ".join(map(str, self.units))
        return {"rank": self.rank, "path": path, "score": self.score}


@dataclass(frozen=True)
class StrongestPaths:
    """The strongest paths to a class, strongest first."""

    run: str
    class_name: str
    blocks: tuple[str, ...]
    paths: Rows[ConceptPath]

    def __repr__(self) -> str:
        return f"paths to {self.class_name} in {self.run}\n{self.paths!r}"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return f"<p>paths to <b>{escape(self.class_name)}</b></p>{self.paths._repr_html_()}"

    def to_json(self) -> dict[str, object]:
        """Return one JSON object: run, class, paths."""
        return {
            "run": self.run,
            "class": self.class_name,
            "paths": [
                {
                    "rank": path.rank,
                    "score": path.score,
                    **path_json(path.units),
                }
                for path in self.paths
            ],
        }


def class_paths(
    run: Run,
    class_name: str,
    *,
    blocks: Sequence[str] | None = None,
    top: int = 10,
    sign: int = 1,
) -> StrongestPaths:
    """Find the `top` strongest paths through `blocks` to a class.

    Args:
        run: an open run.
        class_name: the class's name, or its uid if several share a name.
        blocks: neighbouring blocks ending in the network's last; None means the run's last two.
        top: how many paths.
        sign: 1 for the strongest evidence for the class, -1 for the strongest against it.

    Dead units are on no path.

    Raises:
        QueryError: no such class, or blocks that do not follow one another to the classes.
    """
    blocks = _checked_blocks(run, run.blocks[-2:] if blocks is None else blocks)
    if top < 1:
        raise QueryError("number of paths", found=top, expected="at least 1")
    target = class_index(run, class_name)
    matrices = [_live_shares(run, a, b) for a, b in pairwise(blocks)]
    matrices.append(_live_shares(run, blocks[-1], "class", column=target))
    paths = strongest_paths(matrices, 0, top, sign=sign)
    uids = [[unit_uid(b, i) for b, i in zip(blocks, path.indices, strict=True)] for path in paths]
    labels = unit_labels(run, {uid for path in uids for uid in path})
    labelled = [
        ConceptPath(
            rank,
            path.score,
            Rows(labels[uid] for uid in units),
            _hop_shares(matrices, path.indices),
        )
        for rank, (path, units) in enumerate(zip(paths, uids, strict=True), start=1)
    ]
    name = str(run.classes["name"].iloc[target])
    return StrongestPaths(run.name, name, tuple(blocks), Rows(labelled))


def class_to_ask(run: Run) -> str | None:
    """Return a class to which named units lead, by its name, or its uid if several share a name.

    It is the one whose largest share of a named unit of the last block is the largest of all.

    Returns:
        None if no unit of the last block has a name, or the run has no classes.
    """
    last = run.blocks[-1]
    if (last, "class") not in run.hops:
        return None
    shares = _live_shares(run, last, "class")
    shares[~run.named[run.units["block"] == last].to_numpy()] = 0
    if not shares.size or shares.max() <= 0:
        return None
    row = run.classes.iloc[int(shares.max(axis=0).argmax())]
    is_alone = (run.classes["name"] == row["name"]).sum() == 1
    return str(row["name"] if is_alone else row["uid"])


def _checked_blocks(run: Run, blocks: Sequence[str]) -> tuple[str, ...]:
    chosen = tuple(blocks)
    expected = f"neighbouring blocks of {', '.join(run.blocks)}, in order"
    unknown = [block for block in chosen if block not in run.blocks]
    if unknown or not chosen:
        raise QueryError("no such block", found=", ".join(unknown) or "none", expected=expected)
    numbers = [block_number(block) for block in chosen]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise QueryError("blocks are not neighbours", found=", ".join(chosen), expected=expected)
    if (chosen[-1], "class") not in run.hops:
        last = [source for source, target in run.hops if target == "class"]
        raise QueryError(
            f"no contributions from {chosen[-1]} to the classes in run {run.name}",
            expected=f"blocks ending in {last[0]}" if last else None,
            remedy=None if last else "Dissect the network's last block too",
        )
    return chosen


def _live_shares(
    run: Run, source: str, target: str, *, column: int | None = None
) -> NDArray[np.float64]:
    """Return a hop's shares, (sources, targets), 0 from dead units; of one target if `column`."""
    weight = run.contributions(source, target)
    shares = incoming_shares(weight if column is None else weight[:, column : column + 1])
    shares[~run.live(source)] = 0
    return shares


def _hop_shares(
    matrices: Sequence[NDArray[np.float64]], indices: tuple[int, ...]
) -> tuple[float, ...]:
    """Return the share of each hop; the last matrix has the class as its only column."""
    targets = (*indices[1:], 0)
    return tuple(
        float(matrix[i, j]) for matrix, i, j in zip(matrices, indices, targets, strict=True)
    )
