"""The explanation of an image as a notebook shows it.

    explanation = explain(run, "x.jpg", "juggling")
    explanation                           # the image, its things, regions, concept paths
    explanation.ablate("polka dotted")    # and the network run again
    explanation.plot().savefig("why.pdf")
    explanation.to_html("why.html")       # the interactive page

`conceptgraph.explain` is the `explain` of this module. It is here, and not in `explain/`, because
it shows what pages show: what the page of an image gets (`image_content.image_page`), a notebook
can show in `notebook.html`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import wraps
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import numpy as np
from matplotlib.figure import Figure

from ..errors import ConceptGraphError
from ..explain import ablation
from ..explain.explain import explain as explain_image
from ..explain.explanation import Explanation
from ..explain.network import RunNetwork, network_of
from .document import render
from .image_content import image_page
from .image_page import notebook_values
from .pictures import AGAINST, FOR, cam_overlay, photograph_of
from .wording import CONCEPTS_SHOWN
from .write import render_page, write_page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from ..explain.ablation import Ablation
    from ..graph.run.reader import Run

_P = ParamSpec("_P")


@dataclass(frozen=True, repr=False)
class ImageExplanation(Explanation):
    """An explanation that shows itself.

    Attributes:
        network: the network that was run.
    """

    network: RunNetwork = field(kw_only=True, compare=False)

    def ablate(
        self,
        *concepts: str,
        units: Sequence[str] = (),
        at: Sequence[str] | None = None,
        everywhere: bool = False,
    ) -> Ablation:
        """Ablate concepts and units at this image, and run the network; as `conceptgraph.ablate`.

        Raises:
            QueryError: no such concept, unit or block, or no unit detects a concept.
        """
        return ablation.ablate(
            self.network,
            self.image,
            concepts=concepts,
            units=units,
            at=at,
            everywhere=everywhere,
            blocks=self.blocks,
        )

    def to_html(self, path: Path | str | None = None, *, ablations: Sequence[Ablation] = ()) -> str:
        """Return the interactive page of the explanation, and write it if a file is given.

        Raises:
            ConceptGraphError: the image cannot be read, or the file not be written.
        """
        if path is not None:
            write_page(self.network.run, self, path, ablations=ablations)
        return render_page(self.network.run, self, ablations=ablations)

    def plot(self) -> ExplanationFigure:
        """Draw the image, its class activation map, and the evidence by concept.

        Raises:
            DataError: the image cannot be read.
        """
        figure = ExplanationFigure(figsize=(10, 3.3), layout="constrained")
        image_axes, cam_axes, concept_axes = figure.subplots(1, 3, width_ratios=(1, 1, 1.2))
        image = photograph_of(self)
        for axes, picture, title in (
            (image_axes, image, f"predicted: {self.predicted[0].name}"),
            (cam_axes, cam_overlay(image, self.cam), f"blue: for {self.class_name}, red: against"),
        ):
            axes.imshow(np.asarray(picture))
            axes.set_axis_off()
            _set_title(axes, title)
        _plot_concepts(concept_axes, self)
        return figure

    def _repr_html_(self) -> str:
        """Return what a notebook shows; without the image, why it has none, and tables."""
        try:
            page = image_page(self.network.run, self)
        except ConceptGraphError as error:
            tables = (self.by_concept, self.paths)
            return f"<p>{escape(str(error))}</p>" + "".join(rows._repr_html_() for rows in tables)
        return render(
            "notebook.html",
            **notebook_values(page),
            paths=self.paths._repr_html_(),
        )


class ExplanationFigure(Figure):
    """A figure that a notebook shows also where pyplot was not imported."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=96)
        return buffer.getvalue()


def _showing(
    function: Callable[Concatenate[Run | RunNetwork, _P], Explanation],
) -> Callable[Concatenate[Run | RunNetwork, _P], ImageExplanation]:
    @wraps(function)
    def explain(run: Run | RunNetwork, /, *args: _P.args, **kwargs: _P.kwargs) -> ImageExplanation:
        network = network_of(run)
        return ImageExplanation(**vars(function(network, *args, **kwargs)), network=network)

    return explain


explain = _showing(explain_image)


def _plot_concepts(axes: Axes, explanation: Explanation) -> None:
    """Draw what the strongest concepts add, the strongest on top."""
    concepts = explanation.by_concept[:-1][:CONCEPTS_SHOWN][::-1]
    values = [concept.contribution for concept in concepts]
    colors = [[part / 255 for part in (FOR if value > 0 else AGAINST)] for value in values]
    axes.barh(range(len(concepts)), values, color=colors)
    axes.set_yticks(range(len(concepts)), [_plain(str(concept.name)) for concept in concepts])
    axes.axvline(0, color="0.4", linewidth=0.8)
    versus = "" if explanation.versus is None else f" − {explanation.versus}"
    total = explanation.total
    _set_title(axes, f"adds to {explanation.class_name}{versus} ({total:+.2f})")


def _set_title(axes: Axes, text: str) -> None:
    axes.set_title(_plain(text), fontsize="medium", loc="left")


def _plain(text: str) -> str:
    """Return text that matplotlib does not read as mathematics."""
    return text.replace("$", r"\$")
