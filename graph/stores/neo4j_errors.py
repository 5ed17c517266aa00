"""What Neo4j and its driver say, as one line of ours. No password ever comes near these lines."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from neo4j.exceptions import (
    ConfigurationError,
    DriverError,
    Neo4jError,
    UnsupportedServerProduct,
)

from ...errors import QueryError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
_ADDRESS = "bolt://localhost:7687, or neo4j+s://… for a server elsewhere"
_SHORTEN = "Anchor it at one class or unit, and filter on rank"
_KNOWN = {
    ".DatabaseNotFound": (
        "no database {database!r} at {uri}",
        "Name one with --database or $NEO4J_DATABASE; SHOW DATABASES lists them",
    ),
    ".Unauthorized": (
        "{uri} refuses this user or password",
        "Set $NEO4J_USERNAME and $NEO4J_PASSWORD",
    ),
    ".CredentialsExpired": (
        "{uri} wants a new password first",
        "Change it in Neo4j Browser, then set $NEO4J_PASSWORD",
    ),
    ".AuthenticationRateLimit": ("{uri}: too many wrong passwords", "Wait a few seconds"),
    ".Forbidden": ("{where}: {line}", "Use a user that may do this"),
    ".WriteOnReadOnlyAccessDatabase": ("{where} is read-only", "Use a database that may change"),
    ".TransactionTimedOut": ("this Cypher takes longer than {uri} allows", _SHORTEN),
    ".TransactionTimedOutClientConfiguration": ("this Cypher takes too long", _SHORTEN),
}
"""Ends of Neo4j's status codes: what is wrong, and what to do."""


class Place(NamedTuple):
    """Where a store is, as messages name it."""

    uri: str
    database: str | None

    def __str__(self) -> str:
        return self.uri if self.database is None else f"{self.uri}, database {self.database!r}"


def place(uri: str, database: str | None) -> Place:
    """Where to connect to; StoreError for what is no address, or has a password in it."""
    if "@" in uri:
        raise StoreError(
            "a user or password in the address of Neo4j",
            remedy="Set $NEO4J_USERNAME and $NEO4J_PASSWORD instead",
        )
    try:
        parts = urlsplit(uri)
        named = parts.scheme in _SCHEMES and parts.hostname and parts.port != 0
    except ValueError:  # the port is no number, or too large
        named = False
    if not named:
        raise no_address(uri)
    return Place(uri, database)


def no_address(uri: str) -> StoreError:
    """What is said of a URI that is none."""
    return StoreError("not a Neo4j address", found=repr(uri), expected=_ADDRESS)


@contextmanager
def store_errors(where: Place) -> Iterator[None]:
    """Turn what the driver raises into a StoreError; for a mistake in Cypher, a QueryError."""
    try:
        yield
    except Neo4jError as error:
        raise _server_error(where, error) from None
    except UnsupportedServerProduct:
        raise StoreError(
            f"what answers at {where.uri} is too old, or no Neo4j", expected="Neo4j 5 or newer"
        ) from None
    except ConfigurationError:
        raise no_address(where.uri) from None
    except (DriverError, OSError) as error:
        raise _unreachable(where, error) from None


def _server_error(where: Place, error: Neo4jError) -> StoreError | QueryError:
    code, line = error.code or "", _first_line(error)
    for ending, (what, remedy) in _KNOWN.items():
        if code.endswith(ending):
            names = {"uri": where.uri, "database": where.database, "where": where, "line": line}
            return StoreError(what.format(**names), remedy=remedy)
    if code.endswith(".AccessMode"):
        return QueryError("this Cypher would change the graph", expected="MATCH … RETURN … only")
    if code.startswith("Neo.ClientError.Statement."):
        return QueryError(f"Cypher: {line}")
    return StoreError(f"{where}: {line} ({code})")


def _unreachable(where: Place, error: Exception) -> StoreError:
    """Nobody there, or nobody who speaks Bolt."""
    return StoreError(
        f"no Neo4j answers at {where.uri}: {_reason(str(error)) or type(error).__name__}",
        remedy="Start it, or name another with --neo4j or $NEO4J_URI",
    )


def _reason(text: str) -> str:
    """Why not, out of what the driver says on several lines."""
    if "looks like HTTP" in text:
        return "HTTP is spoken there; the port of Bolt is mostly 7687"
    if "encrypted connection" in text:
        return "no encrypted connection (bolt+s, neo4j+s) there"
    given = re.search(r"\(reason (?:\[Errno -?\d+\] )?(.+)\)", text)
    return given.group(1) if given else text.partition("\n")[0].rstrip(".: ")


def _first_line(error: Neo4jError) -> str:
    text = error.message or str(error)
    return text.splitlines()[0].rstrip(".")
