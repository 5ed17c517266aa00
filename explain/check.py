"""How far a run can be believed: seven lines, each with a figure, what is usual, and what to do.

1. sums       evidence and bias terms meet the logit
2. effects    what paths and things are said to add is what the network loses without them
3. names      units have names, and few of these would be wrong if concepts were missing
4. probes     presence probes find concepts far better than by chance
5. weights    with random weights, names and explanations are lost
6. circuit    the strongest units keep the logit alone, and random ones do not
7. named      units with names, and places where concepts are found, carry the evidence

Lines 3 and 4 are read from the run. 1, 2, 6 and 7 take a sample of images, and 5 dissects some of
the concept data twice. Without 5 it is not known which names are learnt: 3 and 7 may fail, but do
not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConceptGraphError, DataError
from ..graph.run.check import CheckLine, RunCheck
from ..graph.run.trust import check_images_trusted
from ..ingest.concept_data.opening import open_concept_data
from ..progress import NoProgress
from .check_images import SHARES, correlation, measure_images
from .check_random import against_random_weights
from .clips import frames_of_run
from .image_folder import images_below
from .network import network_of

if TYPE_CHECKING:
    import pandas as pd

    from ..graph.run.reader import Run
    from ..ingest.concept_data.concepts import ConceptData
    from ..progress import Progress
    from .check_images import ImageMeasures
    from .check_random import RandomMeasures
    from .network import RunNetwork

IMAGES = 16
"""That are explained."""
DISSECTED, RANKED = 200, 8
"""Images of the concept data that are dissected with random weights, and explained with them."""


@dataclass(frozen=True)
class Limits:
    """From which figure on a line holds.

    Attributes:
        residual: at most, as a share of what units add.
        paths_r: of predicted and measured effects of paths, at least.
        things_r: likewise of things.
        wrong: share of the names that are wrong, at most.
        concepts, given: of the data, and names with half of them left out, from which on that can
            be told.
        probes: share of the concepts with a usable probe, at least.
        learnt, learnt_units: share and number of the named units that are better at their concept
            than any unit with random weights, at least.
        agreement: rank correlation with the explanations of random weights, at most.
        area: between the circuit curve of the strongest units and that of random ones, at least.
        carried: share of the evidence that units with a name carry, at least.
    """

    residual: float = 1e-3
    paths_r: float = 0.8
    things_r: float = 0.4
    wrong: float = 0.1
    concepts: int = 10
    given: float = 5
    probes: float = 0.15
    learnt: float = 0.25
    learnt_units: int = 10
    agreement: float = 0.3
    area: float = 0.1
    carried: float = 0.1


LIMITS = Limits()


def check_run(
    run: Run | RunNetwork,
    images: Path | str | None = None,
    *,
    sample: int = IMAGES,
    dissected: int = DISSECTED,
    seed: int = 0,
    trust_run: bool = False,
    progress: Progress | None = None,
) -> RunCheck:
    """Check how far a run can be believed.

    Args:
        run: an open run, or its network from `open_network`.
        images: a folder of images to explain; None means the concept data's own.
        sample: how many of them, drawn at random.
        dissected: images of the concept data for random weights; 0 leaves that line out.
        seed: of what is drawn.
        trust_run: read the images of somebody else's concept data.
        progress: told of the steps.

    Raises:
        DataError: there are no images, or none can be read.
        RunError: the run names images and is not trusted.
        ModelError: the network cannot be loaded.
    """
    network, progress = network_of(run), progress or NoProgress()
    data, why_not = _concept_data(network.run, trust_run=trust_run)
    if images is not None:
        files = images_below(Path(images), clips=frames_of_run(network.run) is not None)
    elif data is not None:
        files = [image.path for image in data.images]
    else:
        raise DataError("no images to explain", found=why_not, remedy="Name a folder with --images")
    order = np.random.default_rng(seed).permutation(len(files))
    chosen = [files[number] for number in sorted(order[:sample])]
    measures = measure_images(network, chosen, seed=seed, progress=progress)
    if len(measures.unread) == len(chosen):
        raise DataError("no image can be read", found=measures.unread[0])
    random = None
    if data is not None and dissected:
        random = against_random_weights(
            network, data, chosen[:RANKED], images=dissected, seed=seed, progress=progress
        )
    run = network.run
    learnt = run.named if random is None else random.learnt(run)
    lines = (
        _sums(measures),
        _effects(measures),
        _names(run, learnt, tested=random is not None),
        _probes(run),
        _weights(run, random, learnt, why_not or "left out"),
        _circuit(measures),
        _carried(run, measures, learnt, tested=random is not None),
    )
    return RunCheck(run.name, len(chosen) - len(measures.unread), lines)


def _concept_data(run: Run, *, trust_run: bool) -> tuple[ConceptData | None, str]:
    """Open the concept data that a run names; None, and why, if they are not at hand."""
    folder = Path(run.manifest["data"]["folder"])
    try:
        check_images_trusted(run, folder, "--images", trusted=trust_run)
        data = open_concept_data(folder, strict=False)
    except ConceptGraphError as error:
        return None, str(error)
    if data.digest != run.manifest["data"]["digest"]:
        return None, f"{folder}: not the concept data that were dissected"
    return data, ""


def _sums(measures: ImageMeasures) -> CheckLine:
    worst = max(measures.residual)
    return CheckLine(
        "sums",
        f"evidence and bias terms meet the logit to {worst:.0e} of what is summed, at worst",
        f"below {LIMITS.residual:.0e}",
        worst <= LIMITS.residual,
        "Explanations of this network are not exact: look for layers that are not piecewise affine",
        {"residual": worst},
    )


def _effects(measures: ImageMeasures) -> CheckLine:
    paths = float(np.mean(measures.paths_r)) if measures.paths_r else None
    evidence, lost = np.array(measures.things or [(0.0, 0.0)]).T
    things = correlation(evidence, lost)
    parts = []
    if paths is not None:
        parts.append(f"paths: predicted and measured effects agree with r {paths:.3f}")
    if things is not None:
        parts.append(f"things painted over: r {things:.2f}")
    holds = paths is not None and paths >= LIMITS.paths_r
    if things is not None:
        holds &= things >= LIMITS.things_r
    return CheckLine(
        "effects",
        "; ".join(parts) or "no path has an effect",
        f"paths {LIMITS.paths_r} and more, things {LIMITS.things_r} and more",
        holds,
        "Believe what was measured (“logit loses”, `--ablate`), not the evidence",
        {"paths_r": paths, "things_r": things, "things": len(measures.things)},
    )


def _names(run: Run, learnt: pd.Series[bool], *, tested: bool) -> CheckLine:
    given, wrong = run.manifest["names"]["given"], run.manifest["names"]["wrong"]
    units, named, significant = len(run.units), int(run.named.sum()), int(run.significant.sum())
    text = f"{named:,} of {units:,} units have a name ({named / max(units, 1):.0%})"
    precision = None
    if named:
        rows = run.detections
        first = (rows["rank"] == 0) & rows["unit"].isin(run.units["uid"][run.named])
        precision = float(rows["precision"][first].median())
        text += f"; in images held out, {precision:.0%} of their area lies on it"
    concepts = int((run.concepts["images"] > 0).sum())
    known = given is not None and wrong is not None and given >= LIMITS.given
    known &= concepts >= LIMITS.concepts
    if known:
        text += f"; {wrong:.1%} of names are wrong with half of the concepts left out"
    else:
        text += f"; {concepts} concepts are too few to tell which names are wrong"
    holds = known and (wrong or 0) <= LIMITS.wrong and _are_learnt(learnt, run.named)
    return CheckLine(
        "names",
        text,
        f"at most {LIMITS.wrong:.0%} wrong, {LIMITS.learnt:.0%} and more learnt (see weights)",
        holds if tested or not holds else None,
        "Take names as a guess; more concepts and images help",
        {
            "units": units,
            "named": named,
            "significant": significant,
            "precision": precision,
            "given": given,
            "wrong": wrong,
        },
    )


def _are_learnt(learnt: pd.Series[bool], named: pd.Series[bool]) -> bool:
    return _share(learnt, named) >= LIMITS.learnt and int(learnt.sum()) >= LIMITS.learnt_units


def _share(part: pd.Series[bool], whole: pd.Series[bool]) -> float:
    return float(part.sum()) / max(1, int(whole.sum()))


def _probes(run: Run) -> CheckLine:
    block = run.blocks[-2:][0]
    rows = run.presence[run.presence["block"] == block]
    usable = rows[rows["usable"]]
    share = len(usable) / max(1, len(rows))
    mcc = float(usable["mcc"].median()) if len(usable) else None
    text = f"probes of {block} find {len(usable)} of {len(rows)} concepts"
    if mcc is not None:
        text += f", with a median Matthews correlation of {mcc:.2f} (by chance 0)"
    return CheckLine(
        "probes",
        text,
        f"{LIMITS.probes:.0%} of the concepts and more",
        share >= LIMITS.probes,
        "Things and regions miss the concepts that no probe finds: more images with them help",
        {"concepts": len(rows), "usable": len(usable), "mcc": mcc},
    )


def _weights(
    run: Run, random: RandomMeasures | None, learnt: pd.Series[bool], why_not: str
) -> CheckLine:
    usual = f"{LIMITS.learnt:.0%} of the names and more, correlations below {LIMITS.agreement}"
    if random is None:
        return CheckLine("weights", f"not done: {why_not}", usual, None, "", {})
    rows = run.units["block"].isin(random.best)
    share = _share(learnt[rows], run.named[rows])
    learns = _are_learnt(learnt[rows], run.named[rows])
    differs = max(random.order, random.places) <= LIMITS.agreement
    return CheckLine(
        "weights",
        f"{learnt[rows].sum():,} of {run.named[rows].sum():,} named units of "
        f"{' and '.join(random.best)} are better at their concept than any unit with random "
        "weights; explanations correlate with those of random weights by "
        f"{random.order:.2f} over units, {random.places:.2f} over places",
        usual,
        learns and differs,
        "Where evidence lies has more to do with the picture than with what was learnt"
        if learns
        else "Names and paths tell of the pictures, not of what this network has learnt",
        {
            "images": random.images,
            "learnt": share,
            "named_trained": random.named[0],
            "named_random": random.named[1],
            "order": random.order,
            "places": random.places,
        },
    )


def _circuit(measures: ImageMeasures) -> CheckLine:
    usual = f"an area that is {LIMITS.area} and more above that of random units"
    curve = measures.mean_circuit
    if curve is None:
        text = f"no logit depends on the units of {measures.block}"
        return CheckLine("circuit", text, usual, passed=False, remedy="", values={})
    kept, lost, random = (float(np.trapezoid(part, SHARES)) for part in curve)
    tenth = SHARES.index(0.1)
    return CheckLine(
        "circuit",
        f"the strongest 10% of {measures.block}'s units keep {curve.kept[tenth]:.0%} of the logit "
        f"alone, random ones {curve.random[tenth]:.0%}; without them {curve.lost[tenth]:.0%}; "
        f"area {kept:.2f}, random {random:.2f}",
        usual,
        kept - random >= LIMITS.area,
        "Few units do not tell this network's decisions: look at regions and things instead",
        {
            "block": measures.block,
            "shares": list(SHARES),
            "kept": curve.kept.tolist(),
            "lost": curve.lost.tolist(),
            "random": curve.random.tolist(),
            "area_kept": kept,
            "area_lost": lost,
            "area_random": random,
        },
    )


def _carried(
    run: Run, measures: ImageMeasures, learnt: pd.Series[bool], *, tested: bool
) -> CheckLine:
    by_block, found = measures.carried_by(run, learnt), float(np.mean(measures.found))
    shares = ", ".join(f"{share:.0%} of {block}'s" for block, share in by_block.items())
    names = "a learnt name" if tested else "a name"
    holds = max(by_block.values(), default=0.0) >= LIMITS.carried
    return CheckLine(
        "named",
        f"units with {names} carry {shares} evidence; {found:.0%} lies where a concept is found",
        f"units with {names} {LIMITS.carried:.0%} and more of one block",
        holds if tested or not holds else None,
        "Most of what decides has no name: unit paths tell little, things painted over still do",
        {"by_named_units": by_block, "where_found": found},
    )
