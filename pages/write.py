"""The page of any result, as one HTML file that loads nothing.

    from conceptgraph import explain, open_run, write_page

    run = open_run("net.cg")
    write_page(run, explain(run, "x.jpg"), "why.html")

Each kind of page has a module of its own, which is imported when such a page is made.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..errors import QueryError
from ..files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..demo.mistake import ExplainedMistake
    from ..explain.ablation import Ablation
    from ..explain.audit import Audit
    from ..explain.explanation import Explanation
    from ..explain.unusual import UnusualRegion
    from ..graph.run.reader import Run
    from ..queries.paths import StrongestPaths
    from .report_page import Report

    PageResult: TypeAlias = StrongestPaths | Explanation | Audit | ExplainedMistake | Report


def write_page(
    run: Run,
    result: PageResult,
    path: Path | str,
    *,
    ablations: Sequence[Ablation] = (),
    no_flip: str | None = None,
    unusual: Sequence[UnusualRegion] = (),
    why_options: Sequence[str] = (),
) -> None:
    """Write the page of a result.

    Args:
        run: the run that the result is of.
        result: the paths to a class, the explanation of an image, an audit, the mistake of the
            demo, or a `Report`, for a page of the whole run.
        path: the HTML file to write.
        ablations: what an explanation's page shows of ablated concepts and units.
        no_flip: why no minimal ablation set was found, in words, to be shown beside them.
        unusual: what an explanation's page shows of how the image differs from others of a class.
        why_options: options added to the `conceptgraph why` commands on an audit's page.

    Raises:
        QueryError: the result is of another run, or there is no page for it.
        ConceptGraphError: a picture of the page cannot be read, or the file not be written.
    """
    document = render_page(
        run,
        result,
        ablations=ablations,
        no_flip=no_flip,
        unusual=unusual,
        why_options=why_options,
    )
    # A file name that is not valid Unicode, which a page may show, is written as its escape.
    write_bytes(Path(path), document.encode(errors="backslashreplace"))


def render_page(
    run: Run,
    result: PageResult,
    *,
    ablations: Sequence[Ablation] = (),
    no_flip: str | None = None,
    unusual: Sequence[UnusualRegion] = (),
    why_options: Sequence[str] = (),
) -> str:
    """Return the page of a result as an HTML document; the arguments are those of `write_page`."""
    from ..explain.explanation import Explanation
    from ..queries.paths import StrongestPaths

    if isinstance(result, StrongestPaths):
        from .path_content import class_page
        from .path_page import render_paths

        _check_run(run, result.run)
        return render_paths(class_page(run, result))
    if isinstance(result, Explanation):
        from .image_content import image_page
        from .image_page import render_image

        _check_run(run, result.run)
        return render_image(image_page(run, result, ablations, no_flip, unusual))

    from .report_page import Report, render_report

    if isinstance(result, Report):
        return render_report(run, result)

    from ..explain.audit import Audit
    from .audit_page import render_audit

    if isinstance(result, Audit):
        _check_run(run, result.run)
        return render_audit(run, result, why_options)

    from ..demo.mistake import ExplainedMistake

    if isinstance(result, ExplainedMistake):
        from .demo_page import demo_page
        from .image_page import render_image

        _check_run(run, result.run.name)
        return render_image(demo_page(result))
    raise QueryError(f"no page shows a {type(result).__name__}")


def keep_explanation(run: Run, explanation: Explanation, settings: Mapping[str, object]) -> None:
    """Save an explanation of an image in its run, with its class activation map.

    Args:
        run: that was asked.
        explanation: of the image.
        settings: that the answer depends on, beside what it says of itself.

    Raises:
        DataError: the image cannot be read.
        RunError: the run cannot be written to.
    """
    from ..graph.run.explanations import save_explanation
    from .pictures import cam_png, photograph_of

    image, answer = Path(explanation.image), explanation.to_json()
    question = {name: answer[name] for name in ("class", "versus", "method", "blocks")}
    picture = cam_png(photograph_of(explanation), explanation.seen, explanation.cam)
    save_explanation(run, image, {**settings, **question}, answer, picture)


def _check_run(run: Run, name: str) -> None:
    if name != run.name:
        raise QueryError("the result is of another run", found=name, expected=run.name)
