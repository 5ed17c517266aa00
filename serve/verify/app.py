"""The addresses of the page of `data verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...errors import DataError
from ...ingest.sources.verified.answers import check_worker
from ...pages.document import TEMPLATES
from ..local_server import json_action, local_app

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.applications import Starlette
    from starlette.requests import Request

    from .session import Json, Session

STATIC = Path(__file__).parent / "static"
_FILES = {
    "/": (STATIC / "verify.html", "text/html"),
    "/verify.css": (STATIC / "verify.css", "text/css"),
    "/verify.js": (STATIC / "verify.js", "text/javascript"),
    "/page.css": (TEMPLATES / "page.css", "text/css"),
}
_SAID = {"yes": "yes", "no": "no", "skip": ""}
"""What the file has for what the page sends."""


def verify_app(session: Session) -> Starlette:
    """Return the application of a session."""
    return local_app(verify_routes(session))


def verify_routes(session: Session) -> list[Route]:
    """Return the addresses of a session, below any address that ends in "/"."""
    routes = [_file(path, *file) for path, file in _FILES.items()]
    routes += [
        Route("/state", lambda request: _state(session, request)),
        Route("/picture/{key}", lambda request: _picture(session, request, "whole")),
        Route("/crop/{key}", lambda request: _picture(session, request, "crop")),
        _action("/answer", lambda body: _answer(session, body)),
        _action("/undo", lambda body: session.undo(_worker(session, body), _concept(body))),
    ]
    return routes


def _file(path: str, file: Path, kind: str) -> Route:
    content = file.read_bytes()
    return Route(path, lambda _: Response(content, media_type=f"{kind}; charset=utf-8"))


def _state(session: Session, request: Request) -> Response:
    given = request.query_params
    return _reply(lambda: session.view(_worker(session, given), _concept(given)))


def _picture(session: Session, request: Request, which: str) -> Response:
    pictures = session.pictures(request.path_params["key"])
    content = None if pictures is None else getattr(pictures, which)
    if content is None:
        return Response("No such picture.\n", 404, media_type="text/plain")
    return Response(content, media_type="image/jpeg")


def _action(path: str, act: Callable[[Mapping[str, object]], Json]) -> Route:
    """Return the address of something that people do, sent as a JSON object."""
    return json_action(path, lambda body: _reply(lambda: act(body)))


def _answer(session: Session, body: Mapping[str, object]) -> Json:
    said = body.get("answer")
    if not isinstance(said, str) or said not in _SAID:
        raise DataError("answer", found=repr(said)[:40], expected=", ".join(_SAID))
    key = str(body.get("label"))
    return session.answer(key, _worker(session, body), _SAID[said], _concept(body))


def _worker(session: Session, given: Mapping[str, object]) -> str:
    """Return who answers."""
    return check_worker(str(given.get("worker") or session.worker))


def _concept(given: Mapping[str, object]) -> str | None:
    """Return the uid of the one concept that is asked about, if there is one."""
    uid = given.get("concept")
    return str(uid) if uid else None


def _reply(make: Callable[[], Json]) -> Response:
    """Return what an address answers, or the error, in one line."""
    try:
        return JSONResponse(make())
    except DataError as error:
        return JSONResponse({"error": str(error)}, 400)
