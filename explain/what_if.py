"""The ablations that are asked for with an explanation, of a command or in the explorer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ablation import MAX_CONCEPTS, ablate, compared_classes, minimal_ablation_set
from .no_answer import flip_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .ablation import Ablation
    from .explanation import Explanation
    from .network import RunNetwork


def run_ablations(
    network: RunNetwork,
    explanation: Explanation,
    concepts: Sequence[str] = (),
    units: Sequence[str] = (),
    *,
    at: tuple[str, ...] | None = None,
    everywhere: bool = False,
    flip: bool = False,
) -> tuple[list[Ablation], str | None]:
    """Run the ablations that are asked for; return them, and why `flip` found none, if so.

    Args:
        network: of the explanation.
        explanation: of the image.
        concepts: to ablate, with `units`; none of both asks for no such ablation.
        units: uids.
        at: as in `ablate`.
        everywhere: likewise.
        flip: also search the fewest concepts that change the decision.

    Raises:
        QueryError: as `ablate` and `minimal_ablation_set`.
    """
    ablations, no_flip = [], None
    if concepts or units:
        ablations.append(
            ablate(
                network,
                explanation.image,
                concepts=concepts,
                units=units,
                at=at,
                everywhere=everywhere,
                blocks=explanation.blocks,
                classes=compared_classes(explanation),
            )
        )
    if flip:
        minimal = minimal_ablation_set(network, explanation, at=at, everywhere=everywhere)
        if minimal is None:
            no_flip = flip_note(
                network.run, explanation, most=MAX_CONCEPTS, at=at, everywhere=everywhere
            )
        else:
            ablations.append(minimal)
    return ablations, no_flip
