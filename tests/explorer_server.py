"""`conceptgraph serve` in a process of its own, as a user runs it, and its pages in a browser."""

from __future__ import annotations

import http.client
import json
import re
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from tests.command_line import Program
from tests.page_samples import WIDE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Browser, Page


class Answer(NamedTuple):
    status: int
    content: bytes
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        return self.content.decode()


@dataclass
class ExplorerServer:
    """A server that runs, and where its first page is."""

    program: Program
    url: str

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request with these headers, and those of HTTP alone; return what comes back."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": f"127.0.0.1:{self.port}", **(headers or {})}.items():
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return Answer(answer.status, content, {k.lower(): v for k, v in answer.getheaders()})

    def get(self, path: str, **query: str) -> Answer:
        return self.request("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, **body: object) -> Answer:
        """Send what a page sends."""
        origin = f"http://127.0.0.1:{self.port}"
        headers = {"Origin": origin, "Content-Type": "application/json"}
        return self.request("POST", path, json.dumps(body).encode(), headers)


@contextmanager
def exploring(
    folder: Path, *words: object, env: dict[str, str] | None = None, cold: bool = False
) -> Iterator[ExplorerServer]:
    """Run `serve` in a folder."""
    program = Program("serve", "--no-browser", *words, folder=folder, env=env, cold=cold)
    try:
        yield ExplorerServer(program, printed_address(program))
    finally:
        program.send_signal(signal.SIGINT)
        done = program.wait(60)
        assert done.status == 0, done.err
        assert "Traceback" not in done.err


def printed_address(program: Program) -> str:
    """Return the address that a server prints on stderr, as soon as it does."""
    for _ in range(1200):
        if found := re.search(r"http://\S+\n", program.err):
            return found[0].strip()
        if program.status is not None:
            break
        time.sleep(0.05)
    raise AssertionError(program.err)


@dataclass
class Tab:
    """A page in the browser, with its messages on the console and its requests."""

    page: Page
    url: str
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def go(self, path: str, **query: str) -> Page:
        self.page.goto(self.url.rstrip("/") + path + (f"?{urlencode(query)}" if query else ""))
        return self.page

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        wider: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return wider

    def close(self) -> None:
        """Close the page; it printed nothing, and asked no other server."""
        self.page.close()
        assert self.messages == []
        assert [u for u in self.requests if not u.startswith((self.url, "data:", "blob:"))] == []


def open_tab(
    browser: Browser, server: ExplorerServer, size: tuple[int, int] = WIDE, *, dark: bool = False
) -> Tab:
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
    )
    tab = Tab(page, f"http://127.0.0.1:{server.port}/")
    page.on("console", lambda message: tab.messages.append(message.text))
    page.on("pageerror", lambda error: tab.messages.append(str(error)))
    page.on("request", lambda request: tab.requests.append(request.url))
    return tab


def json_of(answer: Answer) -> Any:
    return json.loads(answer.content)
