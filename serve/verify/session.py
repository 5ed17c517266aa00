"""What the page of `data verify` shows, and what becomes of what people do there.

Requests come on several threads; all that reads or changes the verification holds one lock.
Pictures are drawn outside it, and the last ones kept.
"""

from __future__ import annotations

import getpass
from functools import lru_cache
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING

from ...errors import DataError
from ...ingest.sources.verified.answers import check_worker
from ...ingest.sources.verified.labels import read_region, source_text
from .pictures import draw_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...ingest.sources.verified.labels import DataLabel
    from ...ingest.sources.verified.verification import Verification
    from .pictures import LabelPictures

Json = dict[str, object]
_KEPT_PICTURES = 64


def login_name() -> str:
    """Return the user's login name; `me` where there is none, or it is no name of a worker."""
    try:
        return check_worker(getpass.getuser())
    except (OSError, KeyError, ImportError, DataError):  # by the version of Python
        return "me"


class Session:
    """The page's side of a verification.

    Attributes:
        worker: who answers, if the page does not say.
        given: answers given since it began, less those that were undone.
    """

    def __init__(self, verification: Verification, worker: str) -> None:
        self.worker, self.given = worker, 0
        self._verification = verification
        self._lock = Lock()
        self._draw = lru_cache(_KEPT_PICTURES)(self._draw_label)
        self._shown: dict[str, str] = {}  # digests of regions, by key of the label

    def _draw_label(self, label: DataLabel) -> LabelPictures:
        pictures = draw_label(self._verification.labels.data, label)
        self._shown[label.key] = pictures.digest
        return pictures

    def pictures(self, key: str) -> LabelPictures | None:
        """Return the pictures of a label; None for an unknown key, or if they cannot be drawn.

        A label whose image cannot be read is left out from then on.
        """
        label = self._verification.label(key)
        return None if label is None else self._pictures_of(label)

    def _pictures_of(self, label: DataLabel) -> LabelPictures | None:
        try:
            return self._draw(label)
        except DataError as error:
            with self._lock:
                self._verification.leave_out(label, str(error))
            return None

    def view(self, worker: str, uid: str | None, first: DataLabel | None = None) -> Json:
        """Return what the page shows.

        Args:
            worker: who looks at it.
            uid: of the one concept that is asked about; all if None.
            first: the label to show, which was undone; the next if None.

        Raises:
            DataError: an unknown concept.
        """
        self._check_concept(uid)
        label, following = self._next(worker, uid, first)
        with self._lock:
            return {
                "folder": self._verification.labels.data.folder.resolve().name,
                "file": self._verification.file.path.name,
                "margin": self._verification.settings.margin,
                "worker": worker,
                "concept": uid,
                "label": None if label is None else self._describe(label, worker),
                "following": None if following is None else self._describe(following, worker),
                "concepts": [self._concept(of, worker) for of in self._verification.concepts],
                "mine": self._verification.answers_of(worker),
                "unreadable": sorted(self._verification.unreadable),
            }

    def _check_concept(self, uid: str | None) -> None:
        if uid is not None and uid not in self._verification.concepts:
            raise DataError(f"nobody is asked about a concept {uid!r}")

    def _next(
        self, worker: str, uid: str | None, first: DataLabel | None
    ) -> tuple[DataLabel | None, DataLabel | None]:
        """Return the label to show, whose pictures can be drawn, and the one after it."""
        while True:
            with self._lock:
                queue = self._verification.queue(worker, uid)
                others = (label for label in queue if label != first)
                front: Iterable[DataLabel] = [] if first is None else [first]
                labels = [*front, *islice(others, 2)][:2]
            if not labels:
                return None, None
            if self._pictures_of(labels[0]) is not None:
                return labels[0], labels[1] if len(labels) > 1 else None
            first = None

    def _describe(self, label: DataLabel, worker: str) -> Json:
        concept, image = self._verification.concept(label), self._verification.image(label)
        return {
            "key": label.key,
            "uid": concept.uid,
            "concept": concept.name,
            "category": concept.category,
            "source": source_text(concept),
            "image": image.name,
            "width": image.width,
            "height": image.height,
            "has_mask": label.has_mask,
            "round": self._verification.round_of(label, worker),
        }

    def _concept(self, uid: str, worker: str) -> Json:
        asked, so_far = self._verification.concepts[uid], self._verification.progress(uid)
        share = so_far.share
        return {
            "uid": uid,
            "concept": asked.concept.name,
            "category": asked.concept.category,
            "source": source_text(asked.concept),
            "labels": so_far.labels,
            "asked": so_far.asked,
            "answered": so_far.answered,
            "yes": share.yes,
            "decided": share.decided,
            "low": round(share.low, 4),
            "high": round(share.high, 4),
            "disputed": so_far.disputed,
            "pairs": so_far.pairs,
            "agreeing": so_far.agreeing,
            "done": so_far.done,
            "needed": so_far.needed,
        }

    def answer(self, key: str, worker: str, verified: str, uid: str | None) -> Json:
        """Keep an answer; return what the page shows next, and why it was not kept, if so.

        Raises:
            DataError: an unknown label or concept, the label is not as it was shown, or the answer
                cannot be written; nothing is kept then.
        """
        self._check_concept(uid)
        label = self._verification.label(key)
        if label is None:
            raise DataError("nobody is asked about this label now", remedy="Load the page again")
        with self._lock:
            unsaved = self._keep(label, worker, verified)
        return {**self.view(worker, uid), "unsaved": unsaved}

    def _keep(self, label: DataLabel, worker: str, verified: str) -> str | None:
        """Keep an answer about the region that was shown; return why not, if it is not kept."""
        try:
            region = read_region(self._verification.labels.data, label)
        except DataError as error:  # since it was shown
            self._verification.leave_out(label, str(error))
            return "Not saved: the label cannot be read any more."
        if region.digest != self._shown.get(label.key):
            self._draw.cache_clear()
            self._shown.clear()
            raise DataError("the label is not as it was shown", remedy="Load the page again")
        if not self._verification.answer(label, worker, verified, region):
            return "Not saved: you had answered this already."
        self.given += 1
        return None

    def undo(self, worker: str, uid: str | None) -> Json:
        """Undo somebody's last answer; return what the page shows, and whether there was one.

        Raises:
            DataError: an unknown concept, or the file cannot be written; nothing is undone then.
        """
        self._check_concept(uid)
        with self._lock:
            undone = self._verification.undo(worker)
            self.given -= undone is not None
        if undone is not None and uid is not None:
            uid = self._verification.concept(undone).uid
        return {**self.view(worker, uid, undone), "undone": undone is not None}
