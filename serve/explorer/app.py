"""The addresses of the explorer, and what answers each.

An address says with `run=` which run is meant; without it, the newest one. A view returns what a
page shows; here it is made a document. Errors of ours become a page of one line.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ...errors import ConceptGraphError, QueryError
from ...pages.document import TEMPLATES
from ...pages.path_page import vis_network
from ..local_server import local_app
from .explain.routes import UPLOADS, explain_routes
from .pictures import thumbnail
from .rendering import Page, render
from .views.concept import concept
from .views.found import found, found_json
from .views.home import home
from .views.image import image
from .views.lists import classes, concepts, units
from .views.one_class import one_class
from .views.runs import runs
from .views.unit import unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.applications import Starlette
    from starlette.requests import Request

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
        "/class": one_class,
        "/classes": classes,
        "/concept": concept,
        "/concepts": concepts,
        "/image": image,
        "/search": found,
        "/unit": lambda served, asked: unit(library, served, asked),
        "/units": units,
    }
    routes = [
        Route("/", lambda request: _home(library, request)),
        *(_page(library, path, view) for path, view in pages.items()),
        Route("/search.json", lambda request: _search(library, request)),
        Route("/picture", lambda request: _picture(library, request)),
        *(_static(file) for file in sorted(STATIC.iterdir()) if file.suffix in _TYPES),
        *(_static(TEMPLATES / name) for name in _SHARED),
        _text("vis-network.js", vis_network()),
        *explain_routes(library, network),
        Route("/{path:path}", lambda _: _no_page()),
    ]
    return local_app(routes, token=token, uploads=UPLOADS)


def _home(library: Library, request: Request) -> Response:
    """Answer with the run's first page; with the list of runs if there are several, or none."""
    if "run" in request.query_params or len(library.runs()) == 1:
        return _document(library, request, home)
    return HTMLResponse(render(runs(library), None))


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
    return HTMLResponse(render(page, run))


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


def _search(library: Library, request: Request) -> Response:
    asked = dict(request.query_params)
    try:
        return JSONResponse(found_json(_served(library, asked), asked))
    except ConceptGraphError as error:
        return JSONResponse({"error": str(error)}, 404)


def _picture(library: Library, request: Request) -> Response:
    asked = dict(request.query_params)
    try:
        content = thumbnail(_served(library, asked), asked.get("unit", ""), asked.get("rank", ""))
    except ConceptGraphError:
        return Response("No such picture.\n", 404, media_type="text/plain")
    return Response(content, media_type="image/jpeg")


def _static(file: Path) -> Route:
    return _text(file.name, file.read_text(encoding="utf-8"))


def _text(name: str, content: str) -> Route:
    answer = f"{_TYPES[Path(name).suffix]}; charset=utf-8"
    return Route(f"/static/{name}", lambda _: Response(content, media_type=answer))
