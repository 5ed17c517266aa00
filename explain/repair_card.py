"""The README of a repaired network: what was changed, how to load it, what that does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph.uids import split_concept
from .repair_figures import AGREE, SMALL

if TYPE_CHECKING:
    from .repair import Repair
    from .repair_figures import Share, Worse

_WORSE_SHOWN = 5

_TEXT = """# {network}, with {concept} taken away as a reason for "{class_name}"

{headline}
{warnings}
```python
from network import load, preprocess

model = load()
logits = model(preprocess(image))  # a PIL image; model.classes names the logits
```

Needs torch and safetensors{needs}; Pillow and numpy for `preprocess`. `model` is an
ordinary `torch.nn.Module` in eval mode: other batch and image sizes, `.to(...)` and `state_dict`
work as before. It returns what the network returned before, but for this: {ablation}.

| {held_out} held out | right | worst group | mistakes right | clean broken | fixed, broken |
|---|---|---|---|---|---|
{rows}

95 % intervals (Wilson) in brackets. *Mistakes*: images of other classes with the concept, taken for
"{class_name}". *Clean*: right answers to images without the concept. Groups are class × concept, by
{grouped_by}; the worst one of at least {small} images.
The ablation was chosen among {tried} on {choice} other images (seed {seed}).
All figures, by class and group, and every answer are in `repair.json`.

| class | {concept} | images | right as it is | right repaired |
|---|---|---|---|---|
{groups}

The concept is ablated only where the presence probe finds it: what the probe misses stays, and
images of "{class_name}" that are right because of the concept alone may become wrong. Figures hold
for images such as these.
"""


def card(repair: Repair) -> str:
    """Return the README of a repaired network, as Markdown."""
    rows = "\n".join(
        f"| {method.name} | {share_text(method.overall)} | {share_text(method.worst_share)} "
        f"| {share_text(method.mistakes)} | {share_text(method.clean)} "
        f"| {method.fixed}, {method.broken} |"
        for method in repair.methods
    )
    if repair.network.startswith("timm:"):
        needs = " and timm"
    else:
        needs = (
            ", and what the network's code imports" if ":" in repair.network else ", torchvision"
        )
    warnings = [f"**Warning**: {text}." for text in warnings_of(repair)]
    if repair.refused:
        warnings.insert(0, f"**Refused, and written all the same**: {repair.refused}.")
    groups = "\n".join(
        f"| {name.replace('|', '&#124;')} | {'yes' if present else 'no'} | {before.images} "
        f"| {share_text(before)} | {share_text(after)} |"
        for name, present, before, after in groups_of(repair)
    )
    return _TEXT.format(
        network=repair.network,
        concept=repair.concept,
        class_name=repair.class_name,
        needs=needs,
        ablation=repair.chosen.candidate.text,
        held_out=repair.held_out,
        rows=rows,
        grouped_by=grouped_by(repair),
        tried=len(repair.tried),
        choice=repair.choice,
        seed=repair.seed,
        headline=headline(repair),
        warnings="".join(f"\n{text}\n" for text in warnings),
        groups=groups,
        small=SMALL,
    )


def share_text(share: Share) -> str:
    """Return a share with its interval: `95.2 % [91, 98]`."""
    if not share.images:
        return "—"
    low, high = (100 * end for end in share.interval)
    return f"{100 * share.share:.1f} % [{low:.0f}, {high:.0f}]"


def headline(repair: Repair) -> str:
    """Return what a repair does, among the mistakes, the clean images, and all held out."""
    own = repair.methods[1]
    images = "image" if own.mistakes.images == 1 else "images"
    return (
        f"{own.mistakes.hits} of {own.mistakes.images} {images} taken for "
        f"{repair.class_name!r} with {repair.concept} become right; {own.clean.hits} of "
        f"{own.clean.images} right answers without it break. Of all {repair.held_out} images held "
        f"out, {own.fixed} wrong answers become right and {own.broken} right ones wrong."
    )


def grouped_by(repair: Repair) -> str:
    """Return what says which images have the concept, and how often the probe agrees."""
    if repair.probe_agrees is None:
        return repair.grouped_by
    return f"{repair.grouped_by} (the probe agrees in {repair.probe_agrees.share:.0%} of images)"


def groups_of(repair: Repair) -> list[tuple[str, bool, Share, Share]]:
    """Return class, concept, and right answers before and after, the largest change first."""
    before, after = repair.methods[0].groups, repair.methods[1].groups
    rows = [(*group, share, after[group]) for group, share in before.items()]
    return sorted(rows, key=lambda row: -abs(row[3].share - row[2].share))


def warnings_of(repair: Repair) -> list[str]:
    """Return what to know before the network is used: one line each, without a full stop."""
    name = split_concept(repair.concept)[1]
    lines = []
    if worse := repair.worse:
        texts = [_worse_text(row, name) for row in worse[:_WORSE_SHOWN]]
        more = f", and {len(worse) - len(texts)} more" if len(worse) > len(texts) else ""
        lines.append(f"worse than before: {', '.join(texts)}{more}")
    if repair.lacking:
        lines.append(
            f"not measured: {repair.class_name} with {name} (no such images held out); add some"
        )
    if repair.too_few:
        lines.append(
            f"too few to judge: {repair.chosen.mistakes} mistakes to choose on and "
            f"{repair.methods[1].mistakes.images} held out, fewer than {SMALL}"
        )
    if repair.methods[1].worst is None:
        lines.append(f"no worst group: no group has {SMALL} images held out")
    if repair.probe_agrees is not None and repair.probe_agrees.share < AGREE:
        lines.append(
            f"the column concept may be of another concept: the probe of {name} agrees with it in "
            f"{repair.probe_agrees.share:.0%} of the images"
        )
    return lines


def _worse_text(worse: Worse, concept: str) -> str:
    part = "" if worse.has_concept is None else f" {'with' if worse.has_concept else 'without'} "
    group = worse.label + (part + concept if part else "")
    return f"{group} {worse.before.share:.0%} → {worse.after.share:.0%} of {worse.before.images}"
