"""Labels verified in the explorer: a session for each run and concept, with the page of `verify`.

The answers are in the file beside the concept data, where `data verify` keeps them, too.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import PlainTextResponse
from starlette.routing import Router

from ...errors import QueryError
from ...ingest.concept_data.opening import open_concept_data
from ...ingest.sources.verified.answers import AnswerFile, answers_beside
from ...ingest.sources.verified.labels import find_labels
from ...ingest.sources.verified.settings import VerifySettings
from ...ingest.sources.verified.verification import Verification
from ..verify.app import verify_routes
from ..verify.session import Session, login_name

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from ...ingest.sources.verified.labels import DataLabels
    from .library import ServedRun


class _Opened(NamedTuple):
    """Concept data that are verified: their labels, and the file of answers, which is locked."""

    labels: DataLabels
    file: AnswerFile


class VerifySessions:
    """The sessions that were started, at `/verify/NUMBER/`; close them in the end."""

    def __init__(self) -> None:
        self._files = ExitStack()
        self._opened: dict[Path, _Opened] = {}
        self._numbers: dict[tuple[Path, str], int] = {}
        self._routers: list[Router] = []
        self._lock = threading.Lock()

    def start(self, served: ServedRun, concept: str) -> str:
        """Start a session, if there is none yet; return its address. It may take a while.

        Args:
            served: the run whose concept data are verified.
            concept: uid of the only one to ask about; "" for all that models or tags labelled.

        Raises:
            QueryError: only the graph is here, or the run is not trusted.
            DataError: the data cannot be read, nothing is to be verified, or another program has
                the file of answers open.
        """
        if served.run is None or not served.has_photographs:
            what = "labels of concept data outside of the run"
            raise QueryError(what, expected="a run that you made, or trust")
        folder = Path(served.run.manifest["data"]["folder"])
        with self._lock:
            if (folder, concept) not in self._numbers:
                settings = VerifySettings((concept,) if concept else ())
                opened = self._open(folder)
                verification = Verification(opened.labels, opened.file, settings)
                session = Session(verification, login_name())
                self._routers.append(Router(verify_routes(session)))
                self._numbers[folder, concept] = len(self._routers) - 1
            return f"/verify/{self._numbers[folder, concept]}/"

    def _open(self, folder: Path) -> _Opened:
        if folder not in self._opened:
            data = open_concept_data(folder, strict=False)
            file = self._files.enter_context(AnswerFile(answers_beside(folder)))
            self._opened[folder] = _Opened(find_labels(data), file)
        return self._opened[folder]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request below `/verify/NUMBER`."""
        number = scope["path_params"]["number"]
        if number < len(self._routers):
            await self._routers[number](scope, receive, send)
        else:
            answer = PlainTextResponse("Not started: begin at /verify.\n", 404)
            await answer(scope, receive, send)

    def close(self) -> None:
        """Close the files of answers."""
        self._files.close()
