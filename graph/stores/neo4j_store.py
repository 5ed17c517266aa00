"""The store behind a Neo4j server, 5.x or newer: any number of runs in one database.

A run is loaded (`neo4j_load`) and taken out in many small transactions. Its node says how far that
is: while it is not complete, no question about it is answered.
"""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import neo4j

from ...errors import StoreError
from ..schema import VERSION
from .neo4j_completion import leave
from .neo4j_errors import place, store_errors
from .neo4j_load import ROWS, digest, load, load_explained, prepare
from .offline_cypher import Bounds, Table, check_rows
from .store import LoadedRun, Row, ignore, no_such_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from ..records import Records
    from .neo4j_errors import Place
    from .store import Advance, Question

OLDEST = 5
PATIENCE = 60.0
"""Seconds for which a transaction is tried again while the server is away."""

_BOUNDS = Bounds()

# Without a handler Python would print what the driver logs: every retry, every hint of the server.
logging.getLogger("neo4j").addHandler(logging.NullHandler())

_RUNS = """MATCH (run:Run) WHERE run.digest IS NOT NULL
RETURN run.uid AS uid, run.model AS model, run.created AS created, run.min_iou AS min_iou,
  run.edges_per_target AS edges_per_target, run.share_left_out AS share_left_out,
  run.status AS status"""
_STATE = """MATCH (run:Run {uid: $run}) WHERE run.digest IS NOT NULL
RETURN run.status AS status, run.digest AS digest, run.schema AS schema"""
_OWN = "MATCH (n:{}) WHERE n.uid STARTS WITH $run + '/' "
_GONE = "WITH DISTINCT n LIMIT $rows DETACH DELETE n RETURN count(*) AS gone"
# Each is repeated until nothing is left of its kind: first the many relationships of units, then
# what nobody else has, and the run itself.
_UNLOAD = (
    _OWN.format("Unit") + "MATCH (n)-[e]->() WITH e LIMIT $rows DELETE e RETURN count(*) AS gone",
    "MATCH (n:Image)-[:EXPLAINED_BY]->(e:Explanation) WHERE e.uid STARTS WITH $run + '/' "
    "AND NOT EXISTS { MATCH (n)-[:EXPLAINED_BY]->(other:Explanation) "
    "WHERE NOT other.uid STARTS WITH $run + '/' } " + _GONE,
    *(_OWN.format(label) + _GONE for label in ("Path", "Explanation", "Unit", "Class", "Block")),
    "MATCH (run:Run {uid: $run})-[:HAS_CONCEPT]->(n:Concept) "
    "WHERE NOT EXISTS { MATCH (n)<-[:HAS_CONCEPT]-(other:Run) WHERE other.uid <> $run } " + _GONE,
    "MATCH (n:Run {uid: $run}) " + _GONE,
)


class _State(NamedTuple):
    """What a Run node says of itself."""

    status: str
    digest: str
    schema: int


class Neo4jStore:
    """A `Store` in one database of a Neo4j server; close it, or use it as a context.

    Whatever the server refuses, or where there is none, is a StoreError of one line.
    """

    def __init__(self, driver: neo4j.Driver, where: Place) -> None:
        self._driver = driver
        self._where = where

    @classmethod
    def connect(
        cls, uri: str, user: str | None, password: str | None, database: str | None = None
    ) -> Neo4jStore:
        """Connect; without a user, to a server that asks for none.

        `database` None is the user's home database, on most servers "neo4j".

        Raises:
            StoreError: nobody answers, the user or database is refused, the server is too old.
        """
        where = place(uri, database)
        with store_errors(where):
            driver = neo4j.GraphDatabase.driver(
                uri,
                auth=(user, password or "") if user else None,
                connection_timeout=10,
                max_transaction_retry_time=PATIENCE,
            )
        store = cls(driver, where)
        try:
            store._check_server()
        except BaseException:
            store.close()
            raise
        return store

    def __repr__(self) -> str:
        return f"Neo4jStore({str(self._where)!r})"

    def __enter__(self) -> Neo4jStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._driver.close()

    def load(self, records: Records, progress: Advance = ignore) -> None:
        """Put a run in, in place of another of the same uid; complete one that was cut off.

        One that is in already, with the same records, stays as it is.

        Raises:
            StoreError: its uid has a "/", a newer conceptgraph loaded it, or the server fails.
        """
        if "/" in records.run:
            remedy = "Rename the run"
            raise StoreError(
                "a run's name may not have a /", found=repr(records.run), remedy=remedy
            )
        with self._session() as session, ThreadPoolExecutor(1) as beside:
            state = self._state(session, records.run)
            digesting = beside.submit(digest, records)
            prepare(session)
            known_as = digesting.result()
            if state == ("complete", known_as, VERSION):
                progress(len(records.nodes) + len(records.edges))
            else:
                if state and (state.digest != known_as or state.status == "unloading"):
                    self._unload(session, records.run)
                load(session, records, known_as, progress)
            load_explained(session, records, progress)

    def runs(self) -> list[LoadedRun]:
        """The runs that are in, by uid, also those half loaded."""
        with self._session() as session:
            rows = session.execute_read(lambda tx: tx.run(_RUNS).data())
        return sorted(LoadedRun(**row) for row in rows)

    def unload(self, run: str) -> None:
        """Take a run out, with the concepts and images no other has; StoreError if it is not in."""
        with self._session() as session:
            if self._state(session, run) is None:
                raise self._no_such_run(run)
            self._unload(session, run)

    def ask(self, question: Question[Row]) -> list[Row]:
        """The rows that answer a question.

        Raises:
            StoreError: its run is not in, or half loaded.
        """
        text, parameters = question.cypher()

        def read(tx: neo4j.ManagedTransaction) -> list[Row] | None:
            state = _read_state(tx, question.run)
            if state is None:
                return None
            _check_state(question.run, state)
            return [question.row(**dict(row)) for row in tx.run(text, parameters)]

        with self._session(neo4j.READ_ACCESS) as session:
            rows = session.execute_read(read)
        if rows is None:
            raise self._no_such_run(question.run)
        return rows

    def cypher(
        self,
        text: str,
        parameters: Mapping[str, object] | None = None,
        bounds: Bounds = _BOUNDS,
    ) -> Table:
        """What a Cypher text of the user's returns; it may read only.

        Raises:
            StoreError: a bound was exceeded.
            QueryError: it is not Cypher, lacks a parameter, or would write.
        """
        query = neo4j.Query(text, timeout=bounds.seconds)
        with self._session(neo4j.READ_ACCESS) as session:
            result = session.run(query, dict(parameters or {}))
            found = [tuple(row.data().values()) for row in islice(result, bounds.rows + 1)]
            check_rows(len(found), bounds)
            return Table(tuple(result.keys()), found)

    @contextmanager
    def _session(self, access: str = neo4j.WRITE_ACCESS) -> Iterator[neo4j.Session]:
        with (
            store_errors(self._where),
            self._driver.session(
                database=self._where.database, default_access_mode=access
            ) as session,
        ):
            yield session

    def _check_server(self) -> None:
        with store_errors(self._where):
            agent = self._driver.get_server_info().agent
        version = re.match(r"Neo4j/v?(\d+)", agent)
        if version and int(version.group(1)) < OLDEST:
            expected = f"Neo4j {OLDEST} or newer"
            raise StoreError(f"{self._where.uri} is too old", found=agent, expected=expected)
        with self._session(neo4j.READ_ACCESS) as session:
            session.execute_read(lambda tx: tx.run("RETURN 1").consume())

    def _state(self, session: neo4j.Session, run: str) -> _State | None:
        state = session.execute_read(_read_state, run)
        if state:
            _check_schema(run, state)
        return state

    def _unload(self, session: neo4j.Session, run: str) -> None:
        session.execute_write(leave, run)
        for text in _UNLOAD:
            while session.execute_write(_gone, text, run):
                pass

    def _no_such_run(self, run: str) -> StoreError:
        return no_such_run(run, (each.uid for each in self.runs()))


def _gone(tx: neo4j.ManagedTransaction, text: str, run: str) -> int:
    gone: int = tx.run(text, run=run, rows=ROWS).single(strict=True)["gone"]
    return gone


def _read_state(tx: neo4j.ManagedTransaction, run: str) -> _State | None:
    row = tx.run(_STATE, run=run).single()
    return _State(row["status"], row["digest"], row["schema"]) if row else None


def _check_state(run: str, state: _State) -> None:
    _check_schema(run, state)
    if state.status != "complete":
        raise StoreError(f"run {run!r} is half loaded", remedy="Run `conceptgraph load` again")


def _check_schema(run: str, state: _State) -> None:
    if state.schema > VERSION:
        raise StoreError(
            f"run {run!r} was loaded by a newer conceptgraph (schema {state.schema}); "
            f"this one knows {VERSION}",
            remedy="Upgrade conceptgraph",
        )
