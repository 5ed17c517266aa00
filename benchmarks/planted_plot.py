"""The plot of `planted`: how often each method names the planted concept, by situation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conceptgraph.explain.audit_counts import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.planted import ShortcutResult

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
                share, low, high = wilson(sum(r <= 3 for r in ranks), len(ranks))
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
