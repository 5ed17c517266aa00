"""The README of a repaired network: what was changed, how to load it, what that does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .repair import Repair
    from .repair_figures import Share

_TEXT = """# {network}, with {concept} taken away as a reason for "{class_name}"

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
{grouped_by}; the worst one of at least 10 images. The ablation was chosen among {tried} on {choice}
other images (seed {seed}). All figures, by class and group, and every answer are in `repair.json`.
{warning}
The concept is ablated only where the presence probe finds it: what the probe misses stays, and
images of "{class_name}" that are right because of the concept alone may become wrong. Figures hold
for images such as these.
"""


def card(repair: Repair) -> str:
    """Return the README of a repaired network, as Markdown."""
    rows = "\n".join(
        f"| {method.name} | {share_text(method.overall)} | {share_text(method.worst[1])} "
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
    warning = f"\n**Refused, and written all the same**: {repair.refused}.\n"
    return _TEXT.format(
        network=repair.network,
        concept=repair.concept,
        class_name=repair.class_name,
        needs=needs,
        ablation=repair.chosen.candidate.text,
        held_out=repair.held_out,
        rows=rows,
        grouped_by=repair.grouped_by,
        tried=len(repair.tried),
        choice=repair.choice,
        seed=repair.seed,
        warning=warning if repair.refused else "",
    )


def share_text(share: Share) -> str:
    """Return a share with its interval: `95.2 % [91, 98]`."""
    if not share.images:
        return "—"
    low, high = (100 * end for end in share.interval)
    return f"{100 * share.share:.1f} % [{low:.0f}, {high:.0f}]"
