"""What decides a run's labels besides network and concept data, and what differs between two runs.

Labels of one unit that were made at two quantiles, or on images of two sizes, are two measurements:
where they differ, the unit need not detect anything else.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .reader import Run

Fact = str | int | float | None

_NOT_FOR_LABELS = (
    "blocks",
    "batch_size",
    "calibration_images",
    "significance",
    "top_labels",
    "top_images",
    "top_k",
)
"""Settings that choose what is dissected, tested or stored, or that change last digits only.

Of names, the seed chooses the images held out, and null samples are what chance is known from.
"""


class SettingDifference(NamedTuple):
    """What differs between two runs: a setting by its name, the image size, the model or the data.

    `decides_labels` marks what makes labels another measurement. Model and data do not: that they
    differ is what runs are compared for.
    """

    setting: str
    first: Fact
    second: Fact
    decides_labels: bool


def label_settings(run: Run) -> str:
    """Return the settings that decide the run's labels as one line: "quantile 0.005, iou paper"."""
    if run.words is not None:
        return f"words by {run.words.source}"
    return ", ".join(
        f"{name} {value}"
        for name, value in _settings(run).items()
        if name not in _NOT_FOR_LABELS and value is not None
    )


def differences(first: Run, second: Run) -> tuple[SettingDifference, ...]:
    """Return what differs between two runs: model, data, what decides labels, then the rest."""
    before, after = _settings(first), _settings(second)
    settings = [
        SettingDifference(name, before[name], after[name], name not in _NOT_FOR_LABELS)
        for name in before
        if before[name] != after[name]
    ]
    return (
        *_source_differences(first, second),
        *sorted(settings, key=lambda difference: not difference.decides_labels),
    )


def _settings(run: Run) -> dict[str, Fact]:
    """Return the settings as plain values; `image_size` is the size that was used."""
    size = run.manifest["input"]
    return {
        **cast("dict[str, Fact]", run.settings.as_dict()),
        "quantile": run.quantile,
        "blocks": ", ".join(run.blocks),
        "image_size": f"{size['height']}×{size['width']}",
    }


def _source_differences(first: Run, second: Run) -> Iterator[SettingDifference]:
    """Yield the model and the data if their digests differ, wherever their files are now."""
    if first.manifest["model"]["digest"] != second.manifest["model"]["digest"]:
        yield SettingDifference("model", _model(first), _model(second), decides_labels=False)
    if first.manifest["data"]["digest"] != second.manifest["data"]["digest"]:
        yield SettingDifference("data", _data(first), _data(second), decides_labels=False)


def _model(run: Run) -> str:
    model = run.manifest["model"]
    weights = PurePath(model["weights"]).name if model["weights"] else "untrained"
    return f"{model['name']}, {weights} ({model['digest'][:8]})"


def _data(run: Run) -> str:
    data = run.manifest["data"]
    amount = f"{data['images']} images, {data['concepts']} concepts"
    return f"{PurePath(data['folder']).name}, {amount} ({data['digest'][:8]})"
