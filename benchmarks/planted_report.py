"""Table and plot of `planted`: how often each method ranks the planted concept first."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np

from conceptgraph.ingest.statistics.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


# Okabe and Ito's colours, which colour-blind readers can distinguish; and shapes.
MARKERS = {
    "mistakes": ("#0072B2", "o"),
    "twins": ("#D55E00", "^"),
    "class": ("#E69F00", "s"),
    "others": ("#009E73", "D"),
}
LABELS = {
    "mistakes": "mistakes (should be 100 %)",
    "twins": "their twins, without the cue (0 %)",
    "class": "clean pictures of the class (0 %)",
    "others": "clean pictures of other classes (0 %)",
}


class ShortcutFigures(TypedDict):
    """The figures of one shortcut in one network.

    `ranks` of the planted concept by method and situation; `auc` by method; `share` of the evidence
    by situation; `ablated` are counts, by where.
    """

    ranks: dict[str, dict[str, list[int]]]
    auc: dict[str, float]
    share: dict[str, float]
    ablated: dict[str, dict[str, int]]


class ShortcutResult(TypedDict):
    """The figures of one shortcut and seed."""

    seed: int
    shortcut: str
    figures: ShortcutFigures


def table(results: Sequence[ShortcutResult]) -> Iterator[str]:
    """Yield the lines of the table: top-1 and top-3 in percent, over seeds."""
    for shortcut in sorted({result["shortcut"] for result in results}):
        figures = [result["figures"] for result in results if result["shortcut"] == shortcut]
        columns = list(
            dict.fromkeys(
                situation
                for of_seed in figures
                for by_situation in of_seed["ranks"].values()
                for situation in by_situation
            )
        )
        yield f"\n{shortcut}"
        header = "".join(f"{situation:>18}" for situation in columns)
        yield f"{'top-1 / top-3, %':24}{header}{'AUC':>8}"
        for method in figures[0]["ranks"]:
            cells = "".join(f"{_cell(figures, method, name):>18}" for name in columns)
            area = np.mean([of_seed["auc"][method] for of_seed in figures])
            yield f"{method:24}{cells}{area:8.3f}"
        yield from _ablation_lines(figures, columns)


def _cell(figures: Sequence[ShortcutFigures], method: str, situation: str) -> str:
    """Return top-1/top-3 in percent, with the 95 % interval of top-3."""
    ranks = [r for of_seed in figures for r in of_seed["ranks"][method].get(situation, [])]
    first, three = sum(r == 1 for r in ranks), sum(r <= 3 for r in ranks)
    count = max(1, len(ranks))
    low, high = wilson(three / count, len(ranks))
    rates = f"{100 * first / count:.0f}/{100 * three / count:.0f}"
    return f"{rates} [{100 * low:.0f}–{100 * high:.0f}]"


def _ablation_lines(figures: Sequence[ShortcutFigures], columns: Sequence[str]) -> Iterator[str]:
    """Yield the lines on the share of the evidence and on ablations."""
    shares = {
        name: np.mean([of_seed["share"][name] for of_seed in figures if name in of_seed["share"]])
        for name in columns
    }
    yield "the cue's share of the evidence for the class, where present: " + ", ".join(
        f"{name} {share:.1%}" for name, share in shares.items()
    )
    for where in figures[0]["ablated"]:
        counts = [of_seed["ablated"][where] for of_seed in figures]
        sums = {key: sum(of_seed[key] for of_seed in counts) for key in counts[0]}
        yield (
            f"ablated {where} ({sums['units']} units): {sums['flip']} of {sums['mistakes']} "
            f"mistakes change, {sums['right']} become right; {sums['break']} of {sums['clean']} "
            "clean pictures become wrong"
        )


def plot(results: Sequence[ShortcutResult], path: Path) -> None:
    """Write an SVG: a panel per shortcut, a row per method, top-3 rates with 95 % intervals."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "planted", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot as plt

    names = sorted({result["shortcut"] for result in results})
    methods = list(results[0]["figures"]["ranks"])
    figure, panels = plt.subplots(1, len(names), figsize=(11, 4.2), sharey=True, squeeze=False)
    for panel, name in zip(panels[0], names, strict=True):
        figures = [result["figures"] for result in results if result["shortcut"] == name]
        for shift, (situation, (colour, shape)) in enumerate(MARKERS.items()):
            for row, method in enumerate(methods):
                ranks = [r for f in figures for r in f["ranks"][method].get(situation, [])]
                share = sum(r <= 3 for r in ranks) / max(1, len(ranks))
                low, high = wilson(share, len(ranks))
                y = row + 0.18 * (shift - 1.5)
                panel.plot([100 * low, 100 * high], [y, y], color=colour, linewidth=1)
                panel.plot(
                    [100 * share], [y], shape, color=colour, markersize=5,
                    label=LABELS[situation] if row == 0 else None,
                )  # fmt: skip
        panel.set_title(name, fontsize=9)
        panel.set_xlim(-4, 104)
        panel.set_xlabel("planted concept among the first three, %")
        panel.grid(axis="x", color="#dddddd")
        panel.set_yticks(range(len(methods)), methods)
        panel.invert_yaxis() if panel is panels[0][0] else None
        panel.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(path, metadata={"Date": None})
