"""Explanation of one image: run the network on it and decompose a logit into concept paths."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ..errors import QueryError
from ..graph.uids import unit_uid
from ..ingest.engine.tensors import grid_mean
from ..queries.labels import class_index, unit_labels
from ..queries.rows import Rows
from .clips import shared_strip, strip_of
from .concept_attribution import attribute_to_concepts, concept_attributor
from .counterfactuals import OriginalImage, without_motion
from .decomposition import Decomposition, decompose
from .explanation import ConceptAttribution, Explanation, ImagePath, Prediction, UnitPaths
from .image_masks import image_masks
from .image_regions import ImageRegions, ImageToExplain, explain_regions
from .network import RunNetwork, network_of, run_of
from .path_search import PathSearch, measure_paths, search_edges, search_paths, strongest
from .question import check_question

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ..graph.run.reader import Run

Method = Literal["exact", "one-unit"]
_ClassPair: TypeAlias = "tuple[int, int | None]"
"""Index of the class explained, and of the class it is compared with."""


def explain(
    run: Run | RunNetwork,
    image: Path | str,
    class_name: str | None = None,
    *,
    versus: str | None = None,
    blocks: Sequence[str] | None = None,
    top: int = 10,
    method: Method = "exact",
    beam: int = 64,
    region: NDArray[np.bool_] | None = None,
    masks: bool = False,
) -> Explanation:
    """Explain why the network gives a class its logit, on one image.

    Args:
        run: an open run, or its network from `open_network`.
        image: an image file; it is EXIF-transposed, and resized and cropped as the run states.
        class_name: the class to explain; None means the predicted one.
        versus: explain the difference of the class's logit and this class's.
        blocks: neighbouring blocks up to the network's last; None means its last two.
        top: how many paths to return.
        method: `exact` decomposition, or the paper's `one-unit` edges times the units' activations.
        beam: how many path suffixes to extend at each block, from the class backwards.
        region: bool (height, width) of the network's input, a part of the image to ask about; of a
            clip, of its film strip.
        masks: the image is one of the run's concept data: take the regions of a category from its
            masks, where it has some.

    Raises:
        QueryError: no such class, blocks that do not fit, a block that is not piecewise affine, or
            an image without masks.
        DataError: the image cannot be read.
        ModelError: the network cannot be loaded, or more follows its last block than its head.
    """
    if top < 1 or beam < 1:
        raise QueryError("number of paths", found=min(top, beam), expected="at least 1")
    check_question(run_of(run), image, class_name, versus)
    network = network_of(run)
    photograph = network.load_photograph(image)
    if network.frames is not None and masks:
        raise QueryError("a clip is explained without --masks")
    annotated = image_masks(network.run, image, photograph.seen) if masks else None
    decomposed = decompose_image(network, photograph.batch, blocks, class_name, versus)
    chosen, decomposition, pair = decomposed.blocks, decomposed.decomposition, decomposed.pair
    logits, downstream = decomposed.logits, network.downstream(chosen)

    def find_paths() -> UnitPaths:
        if method == "one-unit":
            search = _search_one_unit_edges(network.run, chosen, decomposition, beam)
        else:
            search = search_paths(downstream, decomposition, beam)
        measure = partial(measure_paths, downstream, decomposition)
        paths = _image_paths(network.run, chosen, search, top, measure)
        coverage = _coverage(paths, search)
        maps = _unit_maps(decomposition, chosen, paths, network.frames)
        return UnitPaths(paths, coverage, Rows(search.searched), maps)

    by_concept, concept_maps = _by_concept(network, decomposed)
    frames = network.frames
    names = network.class_names
    whole = decomposed.whole(network, photograph.pixels)
    return Explanation(
        run=network.run.name,
        image=str(image),
        class_name=names[pair[0]],
        versus=None if pair[1] is None else names[pair[1]],
        method=method,
        logit=float(logits[pair[0]]),
        probability=float(network.probabilities(logits)[pair[0]]),
        predicted=predictions(network, logits),
        shape=network.run.manifest["input"],
        seen=photograph.seen,
        total=decomposition.total,
        biases=decomposition.biases,
        blocks=chosen,
        by_concept=Rows(by_concept),
        cam=strip_of(decomposition.class_activation.float().numpy(), frames),
        concept_maps={uid: shared_strip(it, frames) for uid, it in concept_maps.items()},
        picture=explain_regions(network, whole, region, annotated),
        motion=without_motion(network, whole.original),
        find_paths=find_paths,
        linearised=tuple(network.run.manifest["model"]["linearised"]),
        multi_label=network.network.architecture.multi_label,
    )


def explain_pixels(
    run: Run | RunNetwork,
    pixels: NDArray[np.uint8],
    class_name: str | None = None,
    *,
    versus: str | None = None,
    region: NDArray[np.bool_] | None = None,
) -> ImageRegions:
    """Explain an image by its regions alone, without unit paths.

    Args:
        run: as in `explain`.
        pixels: the image at the size that the network is given, uint8 (height, width, 3).
        class_name: as in `explain`.
        versus: likewise.
        region: likewise.
    """
    network = network_of(run)
    decomposed = decompose_image(network, network.as_input(pixels[None]), None, class_name, versus)
    return explain_regions(network, decomposed.whole(network, pixels), region)


def concept_evidence(
    run: Run | RunNetwork, image: Path | str, blocks: Sequence[str] | None = None
) -> tuple[ConceptAttribution, ...]:
    """Attribute the predicted class's logit to concepts, as `Explanation.by_concept`.

    Args:
        run: as in `explain`.
        image: likewise.
        blocks: likewise.
    """
    network = network_of(run)
    decomposed = decompose_image(network, network.load_image(image), blocks, None, None)
    return _by_concept(network, decomposed)[0]


class DecomposedImage(NamedTuple):
    """A logit decomposed from the first block of the run on.

    Attributes:
        blocks: those of the paths.
        pair: the classes.
        logits: (classes,).
        all_blocks: all that were dissected, up to the last.
        from_first: the decomposition, from the first of `all_blocks` on.
    """

    blocks: tuple[str, ...]
    pair: _ClassPair
    logits: Tensor
    all_blocks: tuple[str, ...]
    from_first: Decomposition

    @property
    def decomposition(self) -> Decomposition:
        """From the first block of the paths on."""
        return self.from_first.since(len(self.all_blocks) - len(self.blocks))

    def whole(self, network: RunNetwork, pixels: NDArray[np.uint8]) -> ImageToExplain:
        """Return what `explain_regions` takes."""
        direction = torch.zeros_like(self.logits)
        direction[self.pair[0]] += 1
        if self.pair[1] is not None:
            direction[self.pair[1]] -= 1
        downstream = network.downstream(self.all_blocks)
        original = OriginalImage(pixels, self.logits, direction)
        return ImageToExplain(original, downstream, self.all_blocks, self.from_first)


def decompose_image(
    network: RunNetwork,
    batch: Tensor,
    blocks: Sequence[str] | None,
    class_name: str | None,
    versus: str | None,
) -> DecomposedImage:
    """Run the network on one image and decompose the logit asked for."""
    chosen = tuple(blocks or network.last_blocks())
    network.downstream(chosen)
    all_blocks = network.all_blocks()
    all_logits, output = network.forward(batch, all_blocks[0])
    logits = all_logits[0]
    pair = _class_pair(network.run, logits, class_name, versus)
    direction = network.direction(*pair)
    decomposition = decompose(network.downstream(all_blocks), output, direction)
    versus_logit = 0.0 if pair[1] is None else float(logits[pair[1]])
    network.check_head(decomposition.total, float(logits[pair[0]]) - versus_logit)
    return DecomposedImage(chosen, pair, logits, all_blocks, decomposition)


def predictions(network: RunNetwork, logits: Tensor, top: int = 5) -> Rows[Prediction]:
    """Return the most probable classes, given logits (classes,)."""
    probabilities = network.probabilities(logits)
    names = network.class_names
    order = probabilities.argsort(descending=True, stable=True)[:top].tolist()
    return Rows(Prediction(names[i], float(probabilities[i])) for i in order)


def _unit_maps(
    decomposition: Decomposition,
    blocks: Sequence[str],
    paths: Sequence[ImagePath],
    frames: int | None,
) -> dict[str, NDArray[np.float32]]:
    maps = dict(zip(blocks, decomposition.maps, strict=True))
    units = {unit.uid: unit for path in paths for unit in path.units}
    return {
        uid: strip_of(maps[unit.block][unit.index].float().numpy(), frames)
        for uid, unit in units.items()
    }


def _coverage(paths: Sequence[ImagePath], search: PathSearch) -> float:
    everything = float(search.contributions.double().abs().sum())
    return sum(abs(path.contribution) for path in paths) / everything if everything else 0.0


def _class_pair(run: Run, logits: Tensor, class_name: str | None, versus: str | None) -> _ClassPair:
    explained = int(logits.argmax()) if class_name is None else class_index(run, class_name)
    compared = None if versus is None else class_index(run, versus)
    if compared == explained:
        name = run.classes["name"].iloc[explained]
        raise QueryError(f"class {name!r} is compared with itself", expected="two classes")
    return explained, compared


def _by_concept(
    network: RunNetwork, decomposed: DecomposedImage
) -> tuple[tuple[ConceptAttribution, ...], dict[str, NDArray[np.float32]]]:
    """Attribute all paths to concepts.

    For a difference of two logits, what raises the one and what lowers the other are kept apart.
    """
    decomposition, pair = decomposed.decomposition, decomposed.pair
    activations = decomposition.maps[0]
    amounts = [decomposition.by_position]
    if pair[1] is not None:
        downstream = network.downstream(decomposed.blocks)
        direction = network.direction(pair[0])
        evidence_for = decompose(downstream, activations.unsqueeze(0), direction).by_position
        amounts = [evidence_for, decomposition.by_position - evidence_for]
    attributor = concept_attributor(network.run, decomposed.blocks[0])
    return attribute_to_concepts(attributor, activations, amounts)


def _search_one_unit_edges(
    run: Run, blocks: Sequence[str], decomposition: Decomposition, beam: int
) -> PathSearch:
    """Search paths over the paper's image-free edges, times the mean activation of their start."""
    edges = [torch.from_numpy(np.array(run.contributions(*hop))) for hop in pairwise(blocks)]
    activation = grid_mean(decomposition.maps[0].unsqueeze(0))[0]
    edges = [edge.to(activation) for edge in edges]
    to_classes = torch.from_numpy(np.array(run.contributions(blocks[-1], "class")))
    weights = to_classes.to(activation) @ decomposition.direction
    return search_edges(edges, weights, activation, beam)


def _image_paths(
    run: Run,
    blocks: Sequence[str],
    search: PathSearch,
    top: int,
    measure: Callable[[Tensor], Tensor],
) -> Rows[ImagePath]:
    """Return the paths with the largest |contribution|, with labels and measured effects."""
    rows, firsts = strongest(search.contributions, top).unbind(1)
    units = search.paths(rows, firsts)
    contributions = search.contributions[rows, firsts].unsqueeze(1)
    steps = torch.cat([contributions, search.suffix_contributions[rows]], dim=1).tolist()
    effects = measure(units).tolist() if len(units) else []
    uids = [[unit_uid(*unit) for unit in zip(blocks, path, strict=True)] for path in units.tolist()]
    labels = unit_labels(run, {uid for path in uids for uid in path})
    return Rows(
        ImagePath(rank, step[0], effect, Rows(labels[uid] for uid in path), tuple(step))
        for rank, (step, effect, path) in enumerate(zip(steps, effects, uids, strict=True), start=1)
    )
