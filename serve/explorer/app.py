"""The addresses of the explorer, and what answers each.

An address says with `run=` which run is meant; without it, the newest one. A view returns what a
page shows; here it is made a document. Errors of ours become a page of one line.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from ...errors import ConceptGraphError, QueryError
from ...pages.document import TEMPLATES
from ...pages.path_page import vis_network
from ..local_server import json_action, local_app
from .answers import as_csv, as_json
from .explain.routes import UPLOADS, explain_routes
from .pictures import audit_photograph, example, explain_audited, media_type, thumbnail
from .rendering import Page, render, render_part, url
from .views import ask
from .views.audits import audit, audit_images
from .views.comparison import comparison
from .views.concept import concept
from .views.evidence import evidence
from .views.found import found, found_json
from .views.home import home
from .views.image import image
from .views.lists import classes, concepts, units
from .views.one_class import one_class
from .views.runs import runs
from .views.unit import unit
from .views.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.applications import Starlette
    from starlette.requests import Request

    from .answers import Rows
    from .examples import Examples
    from .explain.explainer import NetworkOptions
    from .library import Library, ServedRun

    View: TypeAlias = Callable[[ServedRun, Mapping[str, str]], Page]

STATIC = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript"}
_SHARED = ("page.css", "flows.css", "flows.js", "image.css", "image.js", "paths.js")
"""Files of `pages/templates/` that the pages use."""


def explorer_app(
    library: Library, *, token: str | None = None, network: NetworkOptions | None = None
) -> Starlette:
    """Return the application.

    Args:
        library: the runs.
        token: what requests must have, if not only this machine is served.
        network: how the networks of runs are loaded, to explain photographs.
    """
    pages: dict[str, View] = {
        "/ask": ask.catalogue,
        "/audit": audit,
        "/audit-images": audit_images,
        "/class": one_class,
        "/classes": classes,
        "/compare": partial(comparison, library),
        "/concept": concept,
        "/concepts": concepts,
        "/cypher": partial(ask.cypher, library),
        "/evidence": evidence,
        "/image": image,
        "/question": ask.question,
        "/search": found,
        "/unit": partial(unit, library),
        "/units": units,
        "/verify": verify,
    }
    routes = [
        Route("/", lambda request: _home(library, request)),
        *(_page(library, path, view) for path, view in pages.items()),
        Route("/search.json", lambda request: _search(library, request)),
        Route("/picture", lambda request: _picture(library, request, thumbnail)),
        Route("/audit-photograph", lambda request: _picture(library, request, audit_photograph)),
        Route("/example", lambda request: _picture(library, request, example)),
        _part(library, "/examples", "examples.html", _examples),
        _part(library, "/graph", "graph.html", partial(ask.graph, library)),
        Route("/rows.csv", lambda request: _rows(library, request, as_csv, "text/csv")),
        Route("/rows.json", lambda request: _rows(library, request, as_json, "application/json")),
        _action("/verify", lambda sent: _verify(library, sent)),
        Mount("/verify/{number:int}", app=library.verifying),
        _action("/audit-explain", lambda sent: _explain_audited(library, sent)),
        _action("/note", lambda sent: _note(library, sent)),
        _action("/cypher", lambda sent: _cypher(library, sent)),
        *(_static(file) for file in sorted(STATIC.iterdir()) if file.suffix in _TYPES),
        *(_static(TEMPLATES / name) for name in _SHARED),
        _text("vis-network.js", vis_network()),
        *explain_routes(library, network),
        Route("/{path:path}", lambda _: _no_page()),
    ]
    return local_app(routes, token=token, uploads=UPLOADS)


def _home(library: Library, request: Request) -> Response:
    """Answer with the run's first page; with the list of runs if there are several, or none."""
    try:
        if "run" not in request.query_params and len(library.runs()) != 1:
            return HTMLResponse(render(runs(library), None))
    except ConceptGraphError as error:
        return _problem(error, None)
    return _document(library, request, home)


def _page(library: Library, path: str, view: View) -> Route:
    return Route(path, lambda request: _document(library, request, view))


def _document(library: Library, request: Request, view: View) -> Response:
    """Answer with the document of a view, or of the error."""
    asked = dict(request.query_params)
    run = None
    try:
        served = _served(library, asked)
        run = served.key
        page = view(served, asked)
    except ConceptGraphError as error:
        return _problem(error, run)
    return HTMLResponse(render(page, run, served.noun))


def _served(library: Library, asked: Mapping[str, str]) -> ServedRun:
    return library.open(asked.get("run") or library.first())


def _problem(error: ConceptGraphError, run: str | None) -> Response:
    """Answer with an error: 404 for what does not exist."""
    is_missing = isinstance(error, QueryError)
    page = Page("problem.html", "Not found" if is_missing else "Error", str(error))
    return HTMLResponse(render(page, run), 404 if is_missing else 500)


def _no_page() -> Response:
    page = Page("problem.html", "Not found", "No such page.")
    return HTMLResponse(render(page, None), 404)


def _part(
    library: Library,
    path: str,
    template: str,
    view: Callable[[ServedRun, Mapping[str, str]], object],
) -> Route:
    """Return the address of a part of a page, which a script puts into it."""

    def endpoint(request: Request) -> Response:
        asked = dict(request.query_params)
        try:
            served = _served(library, asked)
            return HTMLResponse(render_part(template, view(served, asked), served.key, served.noun))
        except ConceptGraphError as error:
            return HTMLResponse(render_part("no_part.html", str(error), ""))

    return Route(path, endpoint)


def _examples(served: ServedRun, asked: Mapping[str, str]) -> Examples:
    return served.examples.of(served, asked.get("uid", ""))


def _rows(
    library: Library,
    request: Request,
    write: Callable[[Sequence[str], Rows], str],
    kind: str,
) -> Response:
    """Answer with all rows of a question, to keep."""
    asked = dict(request.query_params)
    try:
        content = write(*ask.rows(_served(library, asked), asked))
    except ConceptGraphError as error:
        return Response(f"{error}\n", 404, media_type="text/plain")
    return Response(content, media_type=kind, headers={"content-disposition": "attachment"})


def _action(path: str, act: Callable[[Mapping[str, object]], Response]) -> Route:
    """Return the address of something that a page sends, as a JSON object."""

    def reply(sent: Mapping[str, object]) -> Response:
        try:
            return act(sent)
        except ConceptGraphError as error:
            return JSONResponse({"error": str(error)}, 400)

    return json_action(path, reply)


def _verify(library: Library, sent: Mapping[str, object]) -> Response:
    """Start to verify labels; answer with the address of the page."""
    served = library.open(str(sent.get("run")))
    with library.heavy:
        address = library.verifying.start(served, str(sent.get("concept") or ""))
    return JSONResponse({"said": "Started.", "url": address})


def _explain_audited(library: Library, sent: Mapping[str, object]) -> Response:
    """Answer with the address at which an image of an audit is explained."""
    served = library.open(str(sent.get("run")))
    key = explain_audited(served, str(sent.get("audit")), str(sent.get("file")))
    return JSONResponse({"said": "Explaining …", "url": url("/explain", run=served.key, image=key)})


def _note(library: Library, sent: Mapping[str, object]) -> Response:
    """Keep what somebody calls a unit and says about it."""
    served = library.open(str(sent.get("run")))
    served.keep_note(*(str(sent.get(name, "")) for name in ("uid", "name", "note")))
    return JSONResponse({"said": "Kept."})


def _cypher(library: Library, sent: Mapping[str, object]) -> Response:
    """Run a Cypher text; answer with its rows as a part of a page, as CSV or as JSON."""
    served = library.open(str(sent.get("run")))
    result = ask.run_cypher(library, served, str(sent.get("text")))
    if sent.get("as") == "csv":
        return Response(as_csv(result.columns, result.rows), media_type="text/csv")
    if sent.get("as") == "json":
        return Response(as_json(result.columns, result.rows), media_type="application/json")
    answer = ask.cypher_answer(served, result)
    return HTMLResponse(render_part("cypher_answer.html", answer, served.key))


def _search(library: Library, request: Request) -> Response:
    asked = dict(request.query_params)
    try:
        return JSONResponse(found_json(_served(library, asked), asked))
    except ConceptGraphError as error:
        return JSONResponse({"error": str(error)}, 404)


def _picture(
    library: Library, request: Request, find: Callable[[ServedRun, Mapping[str, str]], bytes]
) -> Response:
    asked = dict(request.query_params)
    try:
        content = find(_served(library, asked), asked)
    except ConceptGraphError:
        return Response("No such picture.\n", 404, media_type="text/plain")
    return Response(content, media_type=media_type(content))


def _static(file: Path) -> Route:
    return _text(file.name, file.read_text(encoding="utf-8"))


def _text(name: str, content: str) -> Route:
    answer = f"{_TYPES[Path(name).suffix]}; charset=utf-8"
    return Route(f"/static/{name}", lambda _: Response(content, media_type=answer))
