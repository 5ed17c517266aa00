"""`data verify` in a process of its own, as a user runs it, and its page in a browser."""

from __future__ import annotations

import http.client
import json
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.command_line import CommandResult, Program
from tests.explorer_server import printed_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Browser, Page
SAID = "() => document.getElementById('said').textContent !== ''"
"""A function: the page's policy forbids to evaluate text."""


@dataclass
class VerifyServer:
    """A server that runs, and where its page is."""

    program: Program
    url: str

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def request(
        self, method: str, path: str, body: str = "", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Send a request with these headers, and those of HTTP alone; return what comes back."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": f"127.0.0.1:{self.port}", **(headers or {})}.items():
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body.encode())))
        connection.endheaders(body.encode() if body else None)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content, {k.lower(): v for k, v in answer.getheaders()}

    def post(self, path: str, **body: object) -> tuple[int, Any]:
        """Send what the page sends."""
        headers = {"Origin": self.url.rstrip("/"), "Content-Type": "application/json"}
        status, content, _ = self.request("POST", path, json.dumps(body), headers)
        return status, json.loads(content)

    def state(self, query: str = "") -> Any:
        return json.loads(self.request("GET", f"/state{query}")[1])

    def stop(self, number: signal.Signals = signal.SIGINT) -> CommandResult:
        """Press Ctrl-C; return what is printed."""
        self.program.send_signal(number)
        return self.program.wait(60)


@contextmanager
def verifying(folder: Path, *words: object, browser: str | None = None) -> Iterator[VerifyServer]:
    """Start `data verify FOLDER …` beside the folder; it opens the browser, if there is one."""
    opens = ("--no-browser",) if browser is None else ()
    command = ("data", "verify", folder.name, *opens, *words)
    program = Program(*command, folder=folder.parent, env={"BROWSER": browser or ""})
    try:
        yield VerifyServer(program, printed_address(program))
    finally:
        program.kill()


@dataclass
class VerifyPage:
    """The page in a browser, worked by keys."""

    tab: Page
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def question(self) -> str:
        return self.tab.inner_text("#question")

    def label(self) -> str:
        """Return the key of the label that is shown; "" at the end."""
        if not self.tab.is_visible("#asking"):
            return ""
        source = self.tab.get_attribute("#whole img", "src")
        return (source or "").rpartition("/")[2]

    def wait(self) -> None:
        self.tab.wait_for_selector("#asking:not([hidden]), #finished:not([hidden])")

    def press(self, key: str) -> None:
        """Press a key, and wait until the page has done what it asks."""
        self.tab.evaluate("document.getElementById('said').textContent = ''")
        self.tab.keyboard.press(key)
        self.tab.wait_for_function(SAID)


def open_verify_page(browser: Browser, url: str, size: tuple[int, int] = (1300, 900)) -> VerifyPage:
    tab = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page = VerifyPage(tab)
    tab.on("console", lambda message: page.messages.append(message.text))
    tab.on("pageerror", lambda error: page.messages.append(str(error)))
    tab.on("request", lambda request: page.requests.append(request.url))
    tab.goto(url)
    page.wait()
    return page
