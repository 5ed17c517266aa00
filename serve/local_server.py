"""A server for the browser of this machine, safe if a page says nothing more.

- It listens on 127.0.0.1 only.
- Requests must name this machine as their host, so that no other site's name can be pointed here
  (DNS rebinding).
- What changes anything (POST) must come from a page of this server, as JSON of at most 64 KB.
  Pictures and data are given to no other site's page, either.
- Answers tell the browser to load nothing from elsewhere, and to run no script inside a page.
- No address is a path of a file: pages list their addresses, and what each answers is in memory or
  looked up by a key.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import webbrowser
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse

from ..errors import ConceptGraphError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost")
"""Of this machine, in a request; with any port, which another one may be forwarded to."""
LARGEST_BODY = 65_536
"""Bytes of a request."""
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def local_app(routes: Sequence[BaseRoute]) -> Starlette:
    """Return an application of some addresses, guarded as this module says."""
    return Starlette(routes=routes, middleware=[Middleware(_Guard)])


def open_port(port: int | None = None) -> socket.socket:
    """Return a socket that listens on this machine; on a free port if None.

    Raises:
        ConceptGraphError: the port is in use, or none.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere it would share the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port or 0))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConceptGraphError(
            f"cannot listen on port {port}: {getattr(error, 'strerror', None) or error}",
            remedy="Choose another --port, or leave it out",
        ) from error
    return listener


def address(listener: socket.socket, path: str = "/") -> str:
    """Return the address of a page."""
    host, port = listener.getsockname()
    return f"http://{host}:{port}{path}"


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

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = _refusal(scope["method"], Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, guarded)
        else:
            status, reason = refusal
            await PlainTextResponse(f"{reason}\n", status)(scope, receive, guarded)


def _refusal(method: str, headers: Headers) -> tuple[int, str] | None:
    """Return status and reason if a request is refused."""
    host = headers.get("host", "")
    if host.rpartition(":")[0] not in NAMES and host not in NAMES:
        return 421, "This server answers to 127.0.0.1 and localhost only."
    if method in {"GET", "HEAD"}:
        return _refusal_of_get(headers)
    if method == "POST":
        return _refusal_of_post(host, headers)
    return 405, "GET and POST only."


def _refusal_of_get(headers: Headers) -> tuple[int, str] | None:
    """Refuse what a page of another site loads; it may lead here."""
    elsewhere = headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}
    if elsewhere and headers.get("sec-fetch-mode") != "navigate":
        return 403, "Asked for by another site."
    return None


def _refusal_of_post(host: str, headers: Headers) -> tuple[int, str] | None:
    if headers.get("origin") != f"http://{host}":
        return 403, "Sent by another site."
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return 415, "JSON only."
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit()):
        return 411, "Without a length."
    return (413, "Too long.") if int(length[:12]) > LARGEST_BODY else None
