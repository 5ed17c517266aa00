"""The store behind a Neo4j server, 5.x or newer: any number of runs in one database.

A run is loaded (`neo4j_load`) and unloaded in many small transactions. The status of its node says
how far that is: until it is complete, no question about the run is answered.
"""

from __future__ import annotations

import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import neo4j

from ...errors import StoreError
from ...progress import no_advance
from ..schema import VERSION
from .cypher_guard import check_cypher
from .neo4j_completion import start_unloading
from .neo4j_errors import check_address, store_errors
from .neo4j_load import ROWS_PER_TRANSACTION, digest_of, load, load_explanations, prepare
from .store import DEFAULT_LIMITS, NARROW_QUERY, CypherResult, LoadedRun, Row, limited, no_such_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from ...progress import Advance
    from ..records import Records
    from .neo4j_errors import Neo4jAddress
    from .store import CypherLimits, Question

OLDEST_VERSION = 5
RETRY_SECONDS = 60.0
"""So long a load waits for a server that is started again."""

# Without a handler Python prints what the driver logs: every retry, every hint of the server.
logging.getLogger("neo4j").addHandler(logging.NullHandler())

_RUNS = """MATCH (run:Run) WHERE run.digest IS NOT NULL
RETURN run.uid AS uid, run.model AS model, run.created AS created, run.min_iou AS min_iou,
  run.edges_per_target AS edges_per_target, run.share_left_out AS share_left_out,
  run.status AS status"""
_STATE = """MATCH (run:Run {uid: $run}) WHERE run.digest IS NOT NULL
RETURN run.status AS status, run.digest AS digest, run.schema AS schema"""
_OF_RUN = "MATCH (node:{}) WHERE node.uid STARTS WITH $run + '/' "
_DELETE = "WITH DISTINCT node LIMIT $rows DETACH DELETE node RETURN count(*) AS deleted"
# Each is repeated until it deletes nothing: first the many relationships of units, then the nodes
# that no other run has, and the run itself.
_UNLOAD = (
    _OF_RUN.format("Unit")
    + "MATCH (node)-[edge]->() WITH edge LIMIT $rows DELETE edge RETURN count(*) AS deleted",
    "MATCH (node:Image)-[:EXPLAINED_BY]->(explanation:Explanation) "
    "WHERE explanation.uid STARTS WITH $run + '/' "
    "AND NOT EXISTS { MATCH (node)-[:EXPLAINED_BY]->(other:Explanation) "
    "WHERE NOT other.uid STARTS WITH $run + '/' } " + _DELETE,
    *(
        _OF_RUN.format(label) + _DELETE
        for label in ("Path", "Explanation", "Flow", "BlockConcept", "Unit", "Class", "Block")
    ),
    "MATCH (run:Run {uid: $run})-[:HAS_CONCEPT]->(node:Concept) "
    "WHERE NOT EXISTS { MATCH (node)<-[:HAS_CONCEPT]-(other:Run) WHERE other.uid <> $run } "
    + _DELETE,
    "MATCH (node:Run {uid: $run}) " + _DELETE,
)


class _RunState(NamedTuple):
    """What a Run node states."""

    status: str
    digest: str
    schema: int


class Neo4jStore:
    """A `Store` in one database of a Neo4j server; close it, or use it as a context manager.

    If the server refuses something or does not answer, that is a StoreError of one line.
    """

    def __init__(self, driver: neo4j.Driver, address: Neo4jAddress) -> None:
        self._driver = driver
        self._address = address

    @classmethod
    def connect(
        cls,
        uri: str,
        user: str | None,
        password: str | None,
        database: str | None = None,
        *,
        retry_seconds: float = RETRY_SECONDS,
    ) -> Neo4jStore:
        """Connect to a server.

        Args:
            uri: `bolt://…`, `neo4j+s://…` or the like.
            user: None for a server without authentication.
            password: of the user.
            database: None for the user's home database, on most servers "neo4j".
            retry_seconds: how long a transaction is retried while the server does not answer.

        Raises:
            StoreError: no server answers, the user or database is refused, or the server is too
                old.
        """
        address = check_address(uri, database)
        with store_errors(address):
            driver = neo4j.GraphDatabase.driver(
                uri,
                auth=(user, password or "") if user else None,
                connection_timeout=10,
                max_transaction_retry_time=retry_seconds,
            )
        store = cls(driver, address)
        try:
            store._check_server()
        except BaseException:
            store.close()
            raise
        return store

    def __repr__(self) -> str:
        return f"Neo4jStore({str(self._address)!r})"

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

    def load(self, records: Records, progress: Advance = no_advance) -> None:
        """Load a run; resume an interrupted load; replace other records of the same uid.

        A run that is loaded already, with the same records, stays as it is.

        Raises:
            StoreError: its uid has a "/", a newer conceptgraph loaded it, or the server fails.
        """
        if "/" in records.run:
            what, remedy = "a run's name cannot contain a /", "Rename the run"
            raise StoreError(what, found=repr(records.run), remedy=remedy)
        with self._session() as session, ThreadPoolExecutor(1) as thread:
            state = self._state(session, records.run)
            future = thread.submit(digest_of, records)
            prepare(session)
            digest = future.result()
            if state == ("complete", digest, VERSION):
                progress(len(records.nodes) + len(records.edges))
            else:
                if state and (state.digest != digest or state.status == "unloading"):
                    self._unload(session, records.run)
                load(session, records, digest, progress)
            load_explanations(session, records, progress)

    def runs(self) -> list[LoadedRun]:
        """Return the loaded runs, by uid, also those that are not complete."""
        with self._session() as session:
            rows = session.execute_read(lambda tx: tx.run(_RUNS).data())
        return sorted(LoadedRun(**row) for row in rows)

    def unload(self, run: str) -> None:
        """Remove a run, with the concepts and images that only it has.

        Raises:
            StoreError: it is not loaded.
        """
        with self._session() as session:
            if self._state(session, run) is None:
                raise self._no_such_run(run)
            self._unload(session, run)

    def ask(self, question: Question[Row]) -> list[Row]:
        """Return the rows that answer a question.

        Raises:
            StoreError: its run is not loaded, or not completely.
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
        limits: CypherLimits = DEFAULT_LIMITS,
    ) -> CypherResult:
        """Run a Cypher text of the user's; it may only read (`cypher_guard`).

        Raises:
            StoreError: it takes too long.
            QueryError: it is not Cypher, lacks a parameter, or is refused.
        """
        check_cypher(text)
        query = neo4j.Query(text, timeout=limits.seconds)
        start = time.monotonic()
        try:
            with self._session(neo4j.READ_ACCESS) as session:
                result = session.run(query, dict(parameters or {}))
                rows = [tuple(row.data().values()) for row in islice(result, limits.rows + 1)]
                return limited(result.keys(), rows, limits)
        except StoreError:  # a busy server may drop the connection instead of naming the limit
            if time.monotonic() - start < limits.seconds:
                raise
            what = f"this Cypher takes longer than {limits.seconds:g} s"
            raise StoreError(what, remedy=NARROW_QUERY) from None

    @contextmanager
    def _session(self, access: str = neo4j.WRITE_ACCESS) -> Iterator[neo4j.Session]:
        with (
            store_errors(self._address),
            self._driver.session(
                database=self._address.database, default_access_mode=access
            ) as session,
        ):
            yield session

    def _check_server(self) -> None:
        with store_errors(self._address):
            agent = self._driver.get_server_info().agent
        version = re.match(r"Neo4j/v?(\d+)", agent)
        if version and int(version.group(1)) < OLDEST_VERSION:
            expected = f"Neo4j {OLDEST_VERSION} or newer"
            raise StoreError(f"{self._address.uri} is too old", found=agent, expected=expected)
        with self._session(neo4j.READ_ACCESS) as session:
            session.execute_read(lambda tx: tx.run("RETURN 1").consume())

    def _state(self, session: neo4j.Session, run: str) -> _RunState | None:
        state = session.execute_read(_read_state, run)
        if state:
            _check_schema(run, state)
        return state

    def _unload(self, session: neo4j.Session, run: str) -> None:
        session.execute_write(start_unloading, run)
        for text in _UNLOAD:
            while session.execute_write(_delete, text, run):
                pass

    def _no_such_run(self, run: str) -> StoreError:
        return no_such_run(run, (loaded.uid for loaded in self.runs()))


def _delete(tx: neo4j.ManagedTransaction, text: str, run: str) -> int:
    """Run one of `_UNLOAD`; return how much it deleted."""
    row = tx.run(text, run=run, rows=ROWS_PER_TRANSACTION).single(strict=True)
    return int(row["deleted"])


def _read_state(tx: neo4j.ManagedTransaction, run: str) -> _RunState | None:
    row = tx.run(_STATE, run=run).single()
    return _RunState(row["status"], row["digest"], row["schema"]) if row else None


def _check_state(run: str, state: _RunState) -> None:
    _check_schema(run, state)
    if state.status != "complete":
        what = f"run {run!r} is not completely loaded"
        raise StoreError(what, remedy="Run `conceptgraph load` again")


def _check_schema(run: str, state: _RunState) -> None:
    if state.schema > VERSION:
        raise StoreError(
            f"run {run!r} was loaded by a newer conceptgraph (schema {state.schema}); "
            f"this one knows {VERSION}",
            remedy="Upgrade conceptgraph",
        )
