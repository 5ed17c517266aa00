"""The runs that are served: which there are, and each one open, from its folder or a Neo4j.

A run is opened when it is first asked for, and again when it is replaced; few stay open. Its key,
which stands in addresses, is the folder's name, or the run's uid in a Neo4j.
"""

from __future__ import annotations

import shlex
import threading
from collections import OrderedDict
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...errors import ConceptGraphError, QueryError
from ...graph.run.audits import FOLDER as AUDITS
from ...graph.run.audits import kept_audits
from ...graph.run.class_evidence import read_class_evidence
from ...graph.run.manifest import read_manifest
from ...graph.run.notes import read_notes, write_note
from ...graph.run.reader import Run, open_run
from ...graph.run.trust import is_trusted
from ...graph.run.word_labels import word_run
from ...graph.stores.memory import open_store
from ...graph.uids import concept_uid
from ...pages.class_content import class_concept_graph
from ...queries.class_evidence import distinct_concepts, distinct_text
from ...queries.names import ALL_ROWS
from ...queries.questions.classes import Classes
from ...queries.questions.concepts import Concepts
from ...queries.questions.formulas import Formulas
from ...queries.questions.unit_labels import UnitLabels
from .examples import ExampleFinder
from .one_at_a_time import OneAtATime
from .search import SearchIndex
from .verifying import VerifySessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from ...graph.run.audits import KeptAudit
    from ...graph.run.class_evidence import SavedEvidence
    from ...graph.run.manifest import Manifest
    from ...graph.run.notes import UnitNote
    from ...graph.stores.memory import MemoryStore
    from ...graph.stores.neo4j_store import Neo4jStore
    from ...queries.questions.classes import ClassRow
    from ...queries.questions.concepts import RunConceptRow
    from ...queries.questions.unit_labels import UnitLabelRow

    _FileState = tuple[int, int, int] | None
    """When a file changed, which it is, and its size; None if it is not there."""
    State = tuple[_FileState, ...]
    """Of the files of a run that its graph is made of; the last, of its kept explanations."""

EVIDENCE_ORDERS: dict[str, Callable[[pd.DataFrame], pd.Series[float]]] = {
    "largest |mean|": lambda table: table["mean"].abs(),
    "most for": lambda table: table["mean"],
    "most against": lambda table: -table["mean"],
    "most images": lambda table: table["images"],
    "coverage": lambda table: table["coverage"],
}
"""Of the rows of evidence, the largest value first."""
CLASS_LEADS = 24
"""Classes of which the first page says what carries them."""
MOST_OPEN = 3
"""Runs that stay open."""
WORDS = ".words"
"""Ends the key of a run whose units are labelled with words."""
_PARTS = ("manifest.json", "evidence.json", "formulas.json", "words.json", "explanations")


class Listing(NamedTuple):
    """A run as the list of runs has it.

    Attributes:
        key: in addresses.
        model: the network's name; "" if the run cannot be read.
        created: when, in UTC.
        problem: why it cannot be read, if so.
    """

    key: str
    model: str
    created: str
    problem: str | None = None


class ServedRun:
    """A run that is open.

    Attributes:
        key: in addresses.
        name: its uid in the store.
        store: its graph.
        run: its folder; None if there is only the graph in a Neo4j.
        state: of what it was opened from.
        examples: finds images of its concepts.
    """

    def __init__(
        self, key: str, name: str, store: MemoryStore | Neo4jStore, run: Run | None, state: State
    ) -> None:
        self.key, self.name, self.store, self.run, self.state = key, name, store, run, state
        self.examples = ExampleFinder()
        self._keeping = threading.Lock()
        self._orders: dict[str, NDArray[np.intp]] = {}
        self._audits: tuple[_FileState, Mapping[str, KeptAudit]] | None = None

    @property
    def noun(self) -> str:
        """What its network sees: "image" or "clip"; "image" if there is only the graph."""
        return "image" if self.run is None else self.run.noun

    @property
    def network_state(self) -> State:
        """The state of all that explanations are computed from."""
        return self.state[:-1]

    @cached_property
    def units(self) -> list[UnitLabelRow]:
        """All units with their labels, by block and index."""
        rows = self.store.ask(UnitLabels(self.name, ALL_ROWS))
        return sorted(rows, key=lambda row: _block_and_index(row.uid))

    @cached_property
    def unit_of(self) -> dict[str, UnitLabelRow]:
        """The units by uid."""
        return {row.uid: row for row in self.units}

    @cached_property
    def concepts(self) -> list[RunConceptRow]:
        """All concepts, by uid."""
        return self.store.ask(Concepts(self.name))

    @cached_property
    def concept_uids(self) -> frozenset[str]:
        """The uids of all concepts."""
        return frozenset(row.uid for row in self.concepts)

    @cached_property
    def class_uids(self) -> frozenset[str]:
        """The uids of all classes."""
        return frozenset(row.uid for row in self.classes)

    @cached_property
    def classes(self) -> list[ClassRow]:
        """All classes, by uid."""
        return self.store.ask(Classes(self.name))

    @cached_property
    def images(self) -> list[str]:
        """The images on which some unit is strongest, sorted; none without the run's folder."""
        return [] if self.run is None else sorted(set(self.run.top_images["image"]))

    @cached_property
    def thumbnails(self) -> dict[str, dict[str, str]]:
        """Per unit and rank, from "0", the file of a thumbnail; none without the run's folder."""
        if self.run is None:
            return {}
        table = self.run.top_images.sort_values(["unit", "rank"])
        files: dict[str, dict[str, str]] = {}
        for unit, rank, file in zip(
            *(table[name].tolist() for name in ("unit", "rank", "thumbnail")), strict=True
        ):
            files.setdefault(unit, {})[str(rank)] = file
        return files

    @cached_property
    def named_after(self) -> dict[str, list[UnitLabelRow]]:
        """The named units of each concept, the largest IoU first."""
        units: dict[str, list[UnitLabelRow]] = {}
        for row in sorted(self.units, key=lambda row: -(row.iou or 0.0)):
            if row.named and row.label is not None and row.category is not None:
                units.setdefault(concept_uid(row.category, row.label), []).append(row)
        return units

    @cached_property
    def evidence(self) -> SavedEvidence | None:
        """The evidence of classes; None if the run has none, or only its graph is here."""
        return None if self.run is None else read_class_evidence(self.run)

    @cached_property
    def class_leads(self) -> list[tuple[str, str]]:
        """What carries each of the first classes, in words, where evidence says it."""
        if self.evidence is None:
            return []
        leads = []
        for name in (row.name for row in self.classes[:CLASS_LEADS]):
            apart = distinct_text(distinct_concepts(self.evidence, name))
            lead = apart or class_concept_graph(self.evidence, name, self.noun).lead
            leads.append((name, lead.removeprefix(f"{name}: ")))
        return [(name, lead) for name, lead in leads if lead]

    def evidence_order(self, order: str) -> NDArray[np.intp]:
        """Return the places of the rows of `evidence` in one of `EVIDENCE_ORDERS`."""
        if order not in self._orders and self.evidence is not None:
            values = EVIDENCE_ORDERS[order](self.evidence.evidence).to_numpy()
            self._orders[order] = np.argsort(-values, kind="stable")
        return self._orders[order]

    @property
    def audits(self) -> Mapping[str, KeptAudit]:
        """The finished audits, the newest first; none without the run's folder."""
        if self.run is None:
            return {}
        state = _state_of(self.run.path / AUDITS)
        if self._audits is None or self._audits[0] != state:
            self._audits = state, kept_audits(self.run)
        return self._audits[1]

    @property
    def has_photographs(self) -> bool:
        """Whether images outside of the run may be read: the user made or trusts it."""
        return self.run is not None and is_trusted(self.run)

    @cached_property
    def formulas(self) -> dict[str, str]:
        """The formulas of units that have one, by uid."""
        rows = self.store.ask(Formulas(self.name, ALL_ROWS))
        return {row.unit: row.formula for row in rows}

    @property
    def command(self) -> str:
        """How a command names the run: " --run net.cg"; "" without a folder."""
        return "" if self.run is None else f" --run {shlex.quote(str(self.run.path))}"

    @cached_property
    def blocks(self) -> list[str]:
        """The blocks, the earliest first."""
        return list(dict.fromkeys(row.uid.partition("/")[0] for row in self.units))

    @cached_property
    def notes(self) -> Mapping[str, UnitNote]:
        """The names and notes that people gave to units, by uid."""
        return {} if self.run is None else read_notes(self.run)

    def keep_note(self, unit: str, name: str, note: str) -> None:
        """Keep what somebody calls a unit and says about it.

        Raises:
            QueryError: no such unit, a text is too long, or only the graph is here.
            RunError: it cannot be written.
        """
        if self.run is None:
            raise QueryError("notes are kept beside a run's folder", remedy="Name it with --run")
        with self._keeping:
            write_note(self.run, unit, name, note)
            self.__dict__.pop("notes", None)
            self.__dict__.pop("index", None)

    @cached_property
    def index(self) -> SearchIndex:
        """What is searched."""
        return SearchIndex(
            self.units, self.concepts, self.classes, self.images,
            {uid: len(units) for uid, units in self.named_after.items()},
            self.notes,
        )  # fmt: skip

    def prepare(self) -> None:
        """Read all that pages need, so that none of them waits, and a replaced run is not mixed."""
        if self.run is not None:
            self.run.check()
        _ = self.index, self.class_leads


def _block_and_index(uid: str) -> tuple[int, int]:
    block, _, index = uid.partition("/")
    return int(block.removeprefix("block")), int(index)


class Library:
    """The runs of a folder or of a Neo4j.

    Attributes:
        verifying: the sessions in which labels are verified.
        heavy: held by whoever computes for long, so that requests at once do not pile up.
        closing: what is to be closed with it.
    """

    def __init__(self, path: Path, neo4j: Neo4jStore | None = None) -> None:
        """Serve runs.

        Args:
            path: a run, or the folder of runs.
            neo4j: the server whose runs are served instead; pictures are those of a folder in
                `path` with the same run.
        """
        self._path, self._neo4j = path, neo4j
        self._open: OrderedDict[str, ServedRun] = OrderedDict()
        self._others: dict[Path, tuple[_FileState, Run]] = {}
        self._opening = threading.Lock()
        self._again: set[str] = set()
        self.heavy = OneAtATime()
        self.verifying = VerifySessions()
        self.closing = ExitStack()

    @property
    def is_neo4j(self) -> bool:
        """Whether the graphs are in a Neo4j."""
        return self._neo4j is not None

    def runs(self) -> list[Listing]:
        """List the runs, the newest first."""
        if self._neo4j is not None:
            rows = [_loaded(row.uid, row.model, row.created, row.status)
                    for row in self._neo4j.runs()]  # fmt: skip
        else:
            rows = [row for path in self._folders() for row in _listed(path)]
        return sorted(rows, key=lambda row: (row.created, row.key), reverse=True)

    def first(self) -> str:
        """Return the key of the newest run that can be read.

        Raises:
            QueryError: there is none.
        """
        for row in self.runs():
            if row.problem is None:
                return row.key
        raise QueryError("no run", remedy="Make one with `conceptgraph ingest`")

    def open(self, key: str) -> ServedRun:
        """Return a run, open.

        Raises:
            QueryError: there is none of this key.
            RunError: it is damaged.
            StoreError: the server fails.
        """
        state = self._state(key)
        with self._opening:
            kept = self._open.get(key)
            if kept is not None and kept.network_state == state[:-1]:  # else it is another run
                self._open.move_to_end(key)
                if kept.state != state:
                    self._open_again(key)
                return kept
            self._open.pop(key, None)
            served = self._open[key] = self._opened(key, state)
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
            return served

    def _open_again(self, key: str) -> None:
        """Open a run again, while pages still show it as it was."""
        if key not in self._again:
            self._again.add(key)
            threading.Thread(target=self._opened_again, args=(key,), daemon=True).start()

    def _opened_again(self, key: str) -> None:
        try:
            served = self._opened(key, self._state(key))
        except ConceptGraphError:  # the next page says it
            with self._opening:
                self._open.pop(key, None)
        else:
            with self._opening:
                self._open[key] = served
        finally:
            self._again.discard(key)

    def same_network(self, served: ServedRun) -> Iterator[tuple[str, Run]]:
        """Yield key and folder of each other run of the same network that can be read."""
        if served.run is None:
            return
        digest = served.run.manifest["model"]["digest"]
        for path in self._folders():
            if path == served.run.path:
                continue
            try:
                run = self._other(path)
            except ConceptGraphError:
                continue
            if run.manifest["model"]["digest"] == digest:
                yield path.stem, run

    def _other(self, path: Path) -> Run:
        """Return a run without its graph; its tables are read when they are first asked for."""
        state = _state_of(path / _PARTS[0])
        if path not in self._others or self._others[path][0] != state:
            self._others[path] = state, open_run(path)
        return self._others[path][1]

    def close(self) -> None:
        """Close the connection to the server, if there is one, and the files of answers."""
        self.closing.close()
        self.verifying.close()
        if self._neo4j is not None:
            self._neo4j.close()

    def _opened(self, key: str, state: State) -> ServedRun:
        served = self._unprepared(key, state)
        served.prepare()
        return served

    def _unprepared(self, key: str, state: State) -> ServedRun:
        if self._neo4j is not None:
            return ServedRun(key, key, self._neo4j, self._folder_of_loaded(key), state)
        path = self._folder(key)
        if path is None:
            raise _no_run(key)
        run = open_run(path)
        if path.stem != key:
            run = word_run(run)
        return ServedRun(key, run.name, open_store(run), run, state)

    def _folder(self, key: str) -> Path | None:
        """Return the folder of a run; None if there is none of this key."""
        folders = {path.stem: path for path in self._folders()}
        return folders.get(key) or folders.get(key.removesuffix(WORDS))

    def _folders(self) -> Sequence[Path]:
        if (self._path / "manifest.json").exists():
            return [self._path]
        return sorted(file.parent for file in self._path.glob("*.cg/manifest.json"))

    def _folder_of_loaded(self, key: str) -> Run | None:
        """Return the folder of a run that is in a Neo4j, if it is here."""
        created = next((row.created for row in self.runs() if row.key == key), None)
        if created is None:
            raise _no_run(key)
        for path in self._folders():
            try:
                run = open_run(path)
                run = word_run(run) if key.endswith(WORDS) else run
            except ConceptGraphError:
                continue
            if run.name == key and run.manifest["created"] == created:
                return run
        return None

    def _state(self, key: str) -> State:
        if self._neo4j is not None:
            rows = self._neo4j.runs()
            return (*((hash(row), 0, 0) for row in rows if row.uid == key), None)
        path = self._folder(key)
        if path is None:
            self._open.pop(key, None)
            raise _no_run(key)
        return tuple(_state_of(path / part) for part in _PARTS)


def _no_run(key: str) -> QueryError:
    return QueryError(f"no run {key!r}", remedy="All runs are on the first page")


def _state_of(file: Path) -> _FileState:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _listed(path: Path) -> Iterator[Listing]:
    """Yield a run, and once more by its words, if it has any."""
    try:
        manifest: Manifest = read_manifest(path)
    except ConceptGraphError as error:
        yield Listing(path.stem, "", "", str(error))
        return
    facts = manifest["model"]["name"], manifest["created"]
    yield Listing(path.stem, *facts)
    if (path / "words.json").is_file():
        yield Listing(f"{path.stem}{WORDS}", *facts)


def _loaded(uid: str, model: str, created: str, status: str) -> Listing:
    problem = None if status == "complete" else f"not completely loaded ({status})"
    return Listing(uid, model, created, problem)
