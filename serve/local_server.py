"""A server for the browser of this machine, safe if a page says nothing more.

- It listens on 127.0.0.1, unless there is a token.
- Requests must name this machine as their host, so that no other site's name can be pointed here
  (DNS rebinding). With a token any name will do, and each request must have the token: first in its
  address, then in a cookie.
- What changes anything (POST) must come from a page of this server, as JSON of at most 64 KB; at
  addresses for uploads it may be an image or a video, of a size that each states.
  Pictures and data are given to no other site's page, either.
- Answers tell the browser to load nothing from elsewhere, and to run no script inside a page.
- No address is a path of a file: pages list their addresses, and what each answers is in memory or
  looked up by a key.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import signal
import socket
import threading
import webbrowser
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, cookie_parser
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Route

from ..errors import ConceptGraphError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost")
"""Of this machine, in a request; with any port, which another one may be forwarded to."""
LARGEST_BODY = 65_536
"""Bytes of a request."""
COOKIE = "conceptgraph"
"""Has the token."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The content security policy of answers that state none."""
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def local_app(
    routes: Sequence[BaseRoute],
    *,
    token: str | None = None,
    uploads: Mapping[str, int] | None = None,
) -> Starlette:
    """Return an application of some addresses, guarded as this module says.

    Args:
        routes: the addresses.
        token: what a request must have, whoever sends it; None for this machine only, without one.
        uploads: addresses to which images and videos may be sent, and the largest number of bytes.
    """
    guard = Middleware(_Guard, token=token, uploads=uploads or {})
    return Starlette(routes=routes, middleware=[guard])


def json_action(path: str, act: Callable[[Mapping[str, object]], Response]) -> Route:
    """Return the address of something that a page sends as a JSON object; `act` runs on a thread.

    Anything else than an object is answered with 400.
    """

    async def endpoint(request: Request) -> Response:
        try:
            body = json.loads(await request.body())
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            return JSONResponse({"error": "not a JSON object"}, 400)
        return await run_in_threadpool(act, body)

    return Route(path, endpoint, methods=["POST"])


def open_port(port: int | None = None, host: str = LOOPBACK) -> socket.socket:
    """Return a socket that listens; on a free port if None.

    Args:
        port: the port.
        host: of this machine; another one than `LOOPBACK` needs an application with a token.

    Raises:
        ConceptGraphError: the port is in use, or none, or the host is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # elsewhere it would share the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port or 0))
        listener.listen()
    except (OSError, OverflowError, UnicodeError) as error:
        listener.close()
        where = f"port {port}" if host == LOOPBACK else f"port {port or 'any'} of {host!r}"
        raise ConceptGraphError(
            f"cannot listen on {where}: {getattr(error, 'strerror', None) or error}",
            remedy="Choose another --port, or leave it out",
        ) from error
    return listener


def address(listener: socket.socket, path: str = "/") -> str:
    """Return the address of a page; of a server of all addresses, by the name of this machine."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 (compared, not listened on)
        host = socket.gethostname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


def serve(app: Starlette, listener: socket.socket, *, browser: str | None = None) -> None:
    """Serve until the user presses Ctrl-C; close the socket.

    A hangup, as when the terminal is closed, ends it as SIGTERM does.

    Args:
        app: of `local_app`.
        listener: of `open_port`.
        browser: an address to open in the user's browser.
    """
    if browser is not None:  # which may take a while; until the server runs, its request waits
        threading.Thread(target=_open, args=(browser,), daemon=True).start()
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False,
        timeout_graceful_shutdown=2,
    )  # fmt: skip
    logging.getLogger("uvicorn.error").addFilter(_is_a_defect)
    # uvicorn raises KeyboardInterrupt again, once it has stopped
    with listener, _hangup_ends(), suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def _is_a_defect(record: logging.LogRecord) -> bool:
    """Return whether a message of the server is about this program, and not about a request."""
    error = record.exc_info[1] if record.exc_info else None
    return error is not None and not isinstance(error, (ClientDisconnect, asyncio.CancelledError))


@contextmanager
def _hangup_ends() -> Iterator[None]:
    """Make SIGHUP a SIGTERM, unless it is ignored, as `nohup` does, or there is none."""
    number = getattr(signal, "SIGHUP", None)
    if number is None or signal.getsignal(number) is not signal.SIG_DFL:
        yield
        return
    signal.signal(number, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(number, signal.SIG_DFL)


def _open(url: str) -> None:
    """Open an address in the user's browser, but in none that would take over the terminal."""
    with suppress(webbrowser.Error, OSError):
        in_terminal = type(webbrowser.get()) is webbrowser.GenericBrowser
        if not in_terminal or os.environ.get("BROWSER"):
            webbrowser.open(url)


class _Guard:
    """Refuses requests that do not come from a page of this server, and adds headers to answers."""

    def __init__(self, app: ASGIApp, token: str | None, uploads: Mapping[str, int]) -> None:
        self._app = app
        self._token = token
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("content-security-policy", POLICY)
            await send(message)

        answer = self._answer(scope)
        await (self._app if answer is None else answer)(scope, receive, guarded)

    def _answer(self, scope: Scope) -> Response | None:
        """Return the answer to a request that is not the application's to answer."""
        headers = Headers(scope=scope)
        if self._token is not None and not self._has_token(headers):
            return _with_token(scope, self._token)
        refusal = _refusal(scope["method"], headers, self._upload(scope), self._token is not None)
        if refusal is None:
            return None
        return PlainTextResponse(f"{refusal[1]}\n", refusal[0])

    def _has_token(self, headers: Headers) -> bool:
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        return secrets.compare_digest(cookie.encode(), (self._token or "").encode())

    def _upload(self, scope: Scope) -> int | None:
        return self._uploads.get(scope["path"])


def _with_token(scope: Scope, token: str) -> Response:
    """Lead an address that has the token to the one without, and put the token in a cookie."""
    asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    given = "".join(value for name, value in asked if name == "token")
    if scope["method"] != "GET" or not secrets.compare_digest(given.encode(), token.encode()):
        return PlainTextResponse("Open the address that `conceptgraph serve` printed.\n", 403)
    rest = urlencode([(name, value) for name, value in asked if name != "token"])
    path = "/" + scope["path"].lstrip("/")  # never the "//name" of another host
    answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
    answer.set_cookie(COOKIE, token, httponly=True, samesite="lax")
    return answer


def _refusal(
    method: str, headers: Headers, upload: int | None, any_host: bool
) -> tuple[int, str] | None:
    """Return status and reason if a request is refused."""
    host = headers.get("host", "")
    if not any_host and host.rpartition(":")[0] not in NAMES and host not in NAMES:
        return 421, "This server answers to 127.0.0.1 and localhost only."
    if method in {"GET", "HEAD"}:
        return _refusal_of_get(headers)
    if method == "POST":
        return _refusal_of_post(host, headers, upload)
    return 405, "GET and POST only."


def _refusal_of_get(headers: Headers) -> tuple[int, str] | None:
    """Refuse what a page of another site loads; it may lead here."""
    elsewhere = headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}
    if elsewhere and headers.get("sec-fetch-mode") != "navigate":
        return 403, "Asked for by another site."
    return None


def _refusal_of_post(host: str, headers: Headers, upload: int | None) -> tuple[int, str] | None:
    if headers.get("origin") != f"http://{host}":
        return 403, "Sent by another site."
    kind = headers.get("content-type", "").partition(";")[0].strip()
    if upload is not None and not kind.startswith(("image/", "video/")):
        return 415, "An image or a video only."
    if upload is None and kind != "application/json":
        return 415, "JSON only."
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit()):
        return 411, "Without a length."
    return (413, "Too long.") if int(length[:12]) > (upload or LARGEST_BODY) else None
