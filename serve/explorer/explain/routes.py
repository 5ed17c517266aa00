"""The addresses of Explain: start, answers, how far one is, photographs, and what pages send."""

from __future__ import annotations

import shlex
import threading
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ....errors import ConceptGraphError, DataError, QueryError
from ....explain.clips import shown_size
from ....graph.run.explanations import saved_explanations
from ....ingest.network.preprocessing import WHOLE_IMAGE, seen_box
from ....pages.document import render as render_page_part
from ....pages.image_page import image_values
from ...local_server import json_action
from ..library import MOST_OPEN
from ..pictures import media_type
from ..rendering import Crumb, Page, render, render_part, url
from .explainer import Explainer
from .photographs import LARGEST, Photographs, key_of
from .question import ImageQuestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from ....graph.run.reader import Run
    from ....ingest.network.preprocessing import SeenBox
    from ..library import Library, State
    from .explainer import Answer, NetworkOptions
    from .worker import Job

PATH = "/explain"
PATHS = f"{PATH}/paths"
UPLOAD = f"{PATH}/photograph"
UPLOADS = {UPLOAD: LARGEST}
"""For `local_app`."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Of an answer, whose bars and graphs have styles of their own."""
SHOWN = 48
"""Photographs of the run on the first page."""
_SECONDS = 10.0
"""How long the end of the server waits for a network that is still running."""


class KeptExplanation(NamedTuple):
    """A kept explanation: what it is of, and its link if the photograph is still here."""

    class_name: str
    versus: str | None
    probability: float
    image: str
    link: str | None


class StartPage(NamedTuple):
    """What the page shows on which a photograph is chosen, of `largest` bytes at most.

    Attributes:
        images: keys of the run's, those that are shown.
        total: how many there are.
        text: what their names contain.
        kept: explanations in the run.
    """

    largest: int
    images: list[str]
    total: int
    text: str
    kept: list[KeptExplanation]


class WaitingPage(NamedTuple):
    """What the page shows of a question that is being answered."""

    question: ImageQuestion
    stage: str
    before: int


class AnswerPage(NamedTuple):
    """An explanation: HTML whose template has escaped all names; whether it has concept paths."""

    body: Markup
    has_flows: bool


class WhatIf(NamedTuple):
    """What can be asked next, below the title of an answer.

    Attributes:
        question: what was asked.
        size: width and height of the photograph, or of a clip's frames, in its own pixels.
        shown: the part of it that the page shows.
        marks: of things that can be painted over, and what they are.
        concepts: that can be ablated, the first ones to tick.
        classes: names of all classes.
        before: the link to the photograph of which this one was made, if it was.
        command: what gives the same answer in a terminal.
        is_special: whether more than the photograph was asked about.
    """

    question: ImageQuestion
    size: tuple[int, int]
    shown: SeenBox
    marks: list[tuple[str, str]]
    concepts: list[str]
    classes: list[str]
    before: str | None
    command: str
    is_special: bool


class _RunExplainer(NamedTuple):
    """An explainer, and the state of the run that it explains."""

    state: State
    explainer: Explainer


class Explainers:
    """An explainer for each run that was asked about lately; close them in the end."""

    def __init__(self, library: Library, options: NetworkOptions | None) -> None:
        self._library, self._options = library, options
        self._by_key: OrderedDict[str, _RunExplainer] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, given: QueryParams) -> tuple[str, Explainer]:
        """Return the key and the explainer of the run that a link means.

        Raises:
            ConceptGraphError: there is no such run, or its folder is not here.
        """
        served = self._library.open(given.get("run") or self._library.first())
        if served.run is None:
            raise QueryError(
                f"run {served.key} is here only as a graph, without its network",
                remedy="Serve its folder: conceptgraph serve --run NAME.cg",
            )
        with self._lock:
            kept = self._by_key.get(served.key)
            if kept is None or kept.state != served.network_state:
                if kept is not None:
                    kept.explainer.close()
                explainer = Explainer(served.run, Photographs(served.run), self._options)
                kept = self._by_key[served.key] = _RunExplainer(served.network_state, explainer)
            self._by_key.move_to_end(served.key)
            while len(self._by_key) > MOST_OPEN:
                self._by_key.popitem(last=False)[1].explainer.close()
            return served.key, kept.explainer

    def close(self) -> None:
        """Cancel what is asked, and wait for the threads: one that runs a network cannot be left.

        The interpreter would end it inside of torch, which aborts the program.
        """
        with self._lock:
            for kept in self._by_key.values():
                kept.explainer.close()
            for kept in self._by_key.values():
                kept.explainer.join(_SECONDS)


def explain_routes(library: Library, options: NetworkOptions | None = None) -> list[Route]:
    """Return the addresses.

    Args:
        library: the runs.
        options: how their networks are loaded.
    """
    explainers = Explainers(library, options)
    library.closing.callback(explainers.close)
    return [
        Route(PATH, lambda request: _explain(explainers, request)),
        Route(PATHS, lambda request: _unit_paths(explainers, request)),
        Route(f"{PATH}/state", lambda request: _state(explainers, request)),
        Route("/photograph", lambda request: _photograph(explainers, request)),
        _upload(explainers),
        _action(explainers, "paint", _paint),
        _action(explainers, "keep", _keep),
        _action(explainers, "cancel", _cancel),
    ]


def _explain(explainers: Explainers, request: Request) -> Response:
    """Answer with the start, the answer, or that it is being made; all have the same address."""
    given = request.query_params
    try:
        key, explainer = explainers.of(given)
        if not given.get("image"):
            start, noun = _start(explainer, given), explainer.run.noun
            return _page(key, noun, "Explain", "explain.html", start, crumbs=())
        return _answer(key, explainer, ImageQuestion.of(given))
    except ConceptGraphError as error:
        return _problem(error, given)


def _answer(key: str, explainer: Explainer, question: ImageQuestion) -> Response:
    """Answer with the answer to a question, or that it is being made.

    Raises:
        ConceptGraphError: there is none.
    """
    noun, job = explainer.run.noun, explainer.ask(question)
    if job.error is not None:
        explainer.cancel(question)  # so that opening the link again asks again
        raise ConceptGraphError(job.error)
    if job.answer is None:
        waiting = WaitingPage(question, job.stage, explainer.waiting_before(job))
        return _page(key, noun, "Explaining …", "explaining.html", waiting)
    page = job.answer.page
    body = _body(key, explainer, question, job.answer)
    content = AnswerPage(body, page.flows is not None)
    return _page(key, noun, page.title, "explained.html", content)


def _unit_paths(explainers: Explainers, request: Request) -> Response:
    """Answer with the unit paths of an answer."""
    given = request.query_params
    try:
        key, explainer = explainers.of(given)
        question = ImageQuestion.of(given)
        values = explainer.unit_paths(question)
    except ConceptGraphError as error:
        return _problem(error, given)
    body = Markup(render_page_part("image_paths.html", **values))  # noqa: S704
    crumbs = (
        Crumb("Explain", url(PATH, run=key)),
        Crumb("The answer", f"{url(PATH, run=key)}&{question.query}"),
    )
    return _page(key, explainer.run.noun, "Unit paths", "unit_paths_of_image.html", body, crumbs)


def _page(
    run: str, noun: str, title: str, template: str, content: object,
    crumbs: tuple[Crumb, ...] | None = None,
) -> Response:  # fmt: skip
    crumbs = (Crumb("Explain", url(PATH, run=run)),) if crumbs is None else crumbs
    document = render(Page(template, title, content, PATH, crumbs), run, noun)
    return HTMLResponse(document, headers={"content-security-policy": POLICY})


def _problem(error: ConceptGraphError, given: Mapping[str, str]) -> Response:
    run, image = given.get("run"), given.get("image")
    crumbs = [Crumb("Explain", url(PATH, run=run))]
    if image and len(given) > 2:
        crumbs.append(Crumb("The photograph", url(PATH, run=run, image=image)))
    page = Page("problem.html", "Cannot be explained", str(error), PATH, crumbs)
    status = 404 if isinstance(error, QueryError) else 500
    return HTMLResponse(render(page, run), status)


def _start(explainer: Explainer, given: QueryParams) -> StartPage:
    text = given.get("q", "")[:200]
    images = explainer.photographs.of_run(text)
    return StartPage(LARGEST, images[:SHOWN], len(images), text, _kept(explainer))


def _kept(explainer: Explainer) -> list[KeptExplanation]:
    """Return the explanations that are kept in the run."""
    kept = []
    for saved in saved_explanations(explainer.run):
        answer, key = saved.answer, key_of(saved.image)
        link = None
        if _is_here(explainer, key):
            link = ImageQuestion(key, answer["class"], answer["versus"]).query
        name = Path(saved.path).name
        row = answer["class"], answer["versus"], answer["probability"], name, link
        kept.append(KeptExplanation(*row))
    return kept


def _is_here(explainer: Explainer, key: str) -> bool:
    try:
        explainer.photographs.file(key)
    except QueryError:
        return False
    return True


def _body(run: str, explainer: Explainer, question: ImageQuestion, answer: Answer) -> Markup:
    """Return an explanation as HTML; templates have escaped all names."""

    def link(name: str, category: str) -> str:
        return url("/concept", run=run, uid=f"{category}/{name}")

    what_if = _what_if(run, explainer, question, answer)
    below = Markup(render_part("what_if.html", what_if, run, explainer.run.noun))  # noqa: S704
    paths = f"{url(PATHS, run=run)}&{question.query}"
    return Markup(  # noqa: S704
        render_page_part("image_body.html", **image_values(answer.page, link, below, paths))
    )


def _what_if(run: str, explainer: Explainer, question: ImageQuestion, answer: Answer) -> WhatIf:
    before = question.shown_from
    height, width = shown_size(explainer.run, explainer.photographs.file(question.image))
    painted = [*([answer.page.asked] if answer.page.asked else []), *answer.page.things]
    seen = seen_box((width, height), explainer.run.manifest["input"])
    return WhatIf(
        question,
        (width, height),
        seen if answer.page.frames > 1 else WHOLE_IMAGE,
        [(thing.mark, " · ".join(name.name for name in thing.names[:2]))
         for thing in painted if thing.painted],
        list(dict.fromkeys([*question.ablate, *answer.concepts])),
        [str(name) for name in explainer.run.classes["name"]],
        None if before is None else f"{PATH}?run={run}&{ImageQuestion(before).query}",
        _command(explainer.run, question),
        question != ImageQuestion(question.image, shown_from=question.shown_from),
    )  # fmt: skip


def _command(run: Run, question: ImageQuestion) -> str:
    """Return the command that gives the same answer."""
    shown = "CLIP" if run.noun == "clip" else "PHOTOGRAPH"
    words = [f"conceptgraph why --image {shown}", f"--run {shlex.quote(str(run.path))}"]
    options = {
        "class": [question.class_name], "versus": [question.versus], "region": [question.region],
        "ablate": question.ablate, "ablate-unit": question.units,
    }  # fmt: skip
    for name, values in options.items():
        words += [f"--{name} {shlex.quote(value)}" for value in values if value]
    words += ["--everywhere"] * question.everywhere + ["--flip"] * question.flip
    return " ".join(words)


def _state(explainers: Explainers, request: Request) -> Response:
    """Tell how far an answer is."""
    given = request.query_params
    try:
        _, explainer = explainers.of(given)
        question = ImageQuestion.of(given)
        job = explainer.ask(question)
    except ConceptGraphError as error:
        return JSONResponse({"error": str(error)}, 404)
    return JSONResponse(_news(job, explainer.waiting_before(job)))


def _news(job: Job[Answer], before: int) -> dict[str, object]:
    predicted = job.early if isinstance(job.early, tuple) else ()
    return {
        "stage": job.stage,
        "before": before,
        "ended": job.ended.is_set(),
        "predicted": [[row.name, row.probability] for row in predicted[:3]],
    }


def _photograph(explainers: Explainers, request: Request) -> Response:
    given = request.query_params
    try:
        _, explainer = explainers.of(given)
        content = explainer.photographs.picture(given.get("image", ""), still="still" in given)
    except ConceptGraphError:
        return Response("No such picture.\n", 404, media_type="text/plain")
    return Response(content, media_type=media_type(content))


def _upload(explainers: Explainers) -> Route:
    """Return the address that keeps a photograph, and answers with the link to explain it."""

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(add, request.query_params, await request.body())

    def add(given: QueryParams, content: bytes) -> Response:
        try:
            key, explainer = explainers.of(given)
            question = ImageQuestion(explainer.photographs.add(content))
        except ConceptGraphError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"url": f"{url(PATH, run=key)}&{question.query}"})

    return Route(UPLOAD, endpoint, methods=["POST"])


def _action(
    explainers: Explainers,
    name: str,
    act: Callable[[str, Explainer, ImageQuestion, Mapping[str, object]], dict[str, object]],
) -> Route:
    """Return the address of something that a page sends as JSON: `link`, and more."""

    def answer(body: Mapping[str, object]) -> Response:
        link = body.get("link")
        if not isinstance(link, str):
            return JSONResponse({"error": "not a JSON object with a link"}, 400)
        try:
            given = QueryParams(link.removeprefix("?"))
            key, explainer = explainers.of(given)
            return JSONResponse(act(key, explainer, ImageQuestion.of(given), body))
        except (QueryError, DataError) as error:
            return JSONResponse({"error": str(error)}, 400)
        except ConceptGraphError as error:
            return JSONResponse({"error": str(error)}, 500)

    return json_action(f"{PATH}/{name}", answer)


def _paint(
    run: str, explainer: Explainer, question: ImageQuestion, body: Mapping[str, object]
) -> dict[str, object]:
    painted = explainer.paint_over(question, str(body.get("mark")))
    again = replace(
        question, image=painted, region=None, shown_from=question.shown_from or question.image
    )
    return {"url": f"{url(PATH, run=run)}&{again.query}"}


def _keep(
    run: str, explainer: Explainer, question: ImageQuestion, _: Mapping[str, object]
) -> dict[str, object]:
    explainer.keep(question)
    return {"said": f"Kept in {run}; `conceptgraph load` takes it to Neo4j."}


def _cancel(
    run: str, explainer: Explainer, question: ImageQuestion, _: Mapping[str, object]
) -> dict[str, object]:
    explainer.cancel(question)
    return {"url": url(PATH, run=run)}
