"""What a network sees where in an image, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...explain.unusual import shown_unusual
from ...explain.verdict import ASKED, motion_sentence, shown_regions, thing_names, verdict
from ...graph.evidence_graph import ELSEWHERE
from ...pages.wording import DISPUTED_TEXT, elsewhere_text
from ..terminal import print_line, print_paragraph, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...explain.explanation import Explanation
    from ...explain.flows import Flow
    from ...explain.image_regions import ImageRegions, ImageThing
    from ...explain.unusual import UnusualRegion

_THINGS, _REGIONS, _FLOWS, _CONCEPTS = 4, 5, 4, 4


def print_picture(explanation: Explanation) -> None:
    """Print the finding, then things, regions and concept paths."""
    picture = explanation.picture
    print_line(verdict(explanation), "bold")
    print_line()
    print_paragraph(motion_sentence(explanation))
    value = "logit" if explanation.versus is None else "difference"
    if picture.chosen is not None:
        _print_things("the region asked about", {ASKED: picture.chosen}, value)
    numbered = enumerate(picture.things[:_THINGS], start=1)
    _print_things("things in the picture", {str(i): thing for i, thing in numbered}, value)
    _print_regions(picture)
    _print_flows(picture, explanation.target)
    _print_concepts(explanation)
    _print_sum(picture, explanation.total, value)


def picture_notes(picture: ImageRegions) -> Iterator[str]:
    """Yield what "?" and "elsewhere" mean, where they are shown."""
    things = [*picture.things[:_THINGS], *filter(None, [picture.chosen])]
    if any(thing.disputed for thing in things):
        yield DISPUTED_TEXT
    if text := elsewhere_text(picture):
        yield text


def print_unusual(picture: ImageRegions, unusual: Sequence[UnusualRegion]) -> None:
    """Print for each class what is unusual about the image, in the category that is shown."""
    for name, regions in shown_unusual(picture, unusual).items():
        block, category = regions[0].block, regions[0].category
        by = f"{block}, by probes" if category in picture.masked else block
        print_table(
            f"unusual for {name}: evidence less the mean of the images taken for it ({by})",
            (category, "differs", "here", "usual ± spread", "of the picture", "usual"),
            [
                (
                    region.name,
                    f"{region.difference:+.2f}",
                    f"{region.evidence:+.2f}",
                    f"{region.mean:+.2f} ± {region.spread:.2f}",
                    f"{region.coverage:.0%}",
                    f"{region.mean_coverage:.0%}",
                )
                for region in regions
            ],
            right="bcdef",
        )


def _print_things(title: str, things: Mapping[str, ImageThing], value: str) -> None:
    """Print things by their marks."""
    print_table(
        title,
        ("", "", "of the picture", "evidence", f"{value} loses", "painted over, it says"),
        [
            (
                mark,
                thing_names(thing.concepts) or "the region",
                f"{thing.coverage:.0%}",
                f"{thing.evidence:+.2f}",
                *_painted(thing),
            )
            for mark, thing in things.items()
        ],
        right="acde",
    )


def _painted(thing: ImageThing) -> tuple[str, str]:
    result = thing.counterfactual
    if result is None:
        return "", ""
    doubt = "?" if thing.disputed else ""
    return f"{result.measured:+.2f}{doubt}", f"{result.answer.name} {result.answer.probability:.0%}"


def _print_regions(picture: ImageRegions) -> None:
    regions = shown_regions(picture)
    if not regions:
        return
    *named, none = regions
    block, category = none.block, none.category
    rest = named[_REGIONS:]
    rows = [
        (region.name, f"{region.coverage:.0%}", f"{region.evidence:+.2f}", f"{region.units:+.2f}")
        for region in named[:_REGIONS]
    ]
    if rest:
        rows.append((f"{len(rest)} more", "", f"{sum(r.evidence for r in rest):+.2f}", ""))
    rows.append((ELSEWHERE, f"{none.coverage:.0%}", f"{none.evidence:+.2f}", ""))
    print_table(
        (
            f"where each {category} is annotated ({block})"
            if category in picture.masked
            else f"where it sees each {category} ({block})"
        ),
        (category, "of the picture", "evidence", "by its units"),
        rows,
        right="bcd",
    )


def _print_flows(picture: ImageRegions, target: str) -> None:
    flows = shown_flows(picture)[:_FLOWS]
    if flows:
        source, last = flows[0].source.block, flows[0].target.block
        print_table(
            f"concept paths, {source} → {last} → class",
            ("", "evidence"),
            [
                (
                    f"{flow.source.name or ELSEWHERE} → {flow.target.name or ELSEWHERE} → {target}",
                    f"{flow.evidence:+.2f}",
                )
                for flow in flows
            ],
            right="b",
        )


def shown_flows(picture: ImageRegions) -> list[Flow]:
    """Return the flows within the category that `shown_regions` shows, the largest first."""
    regions = shown_regions(picture)
    category = regions[0].category if regions else None
    flows = [
        flow
        for flow in picture.flows
        if flow.source.category == category == flow.target.category
        and (flow.source.name or flow.target.name)
    ]
    return sorted(flows, key=lambda flow: -abs(flow.evidence))


def _print_concepts(explanation: Explanation) -> None:
    """Print one line: what concepts add through the units that detect them."""
    concepts = [concept for concept in explanation.by_concept[:-1] if concept.contribution]
    parts = [f"{c.name} {c.contribution:+.2f}" for c in concepts[:_CONCEPTS]]
    if parts:
        print_line(f"by the units that detect them, where present: {' · '.join(parts)}")


def _print_sum(picture: ImageRegions, total: float, value: str) -> None:
    if picture.blocks:
        biases = picture.biases_after[picture.thing_block]
        print_line(
            f"adds up: evidence in the picture {total - biases:+.2f} + bias terms {biases:+.2f} "
            f"= {value} {total:+.2f}"
        )
    print_line()
