"""Errors of Neo4j and its driver as errors of one line. No password ever gets into these lines."""

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
from .store import NARROW_QUERY

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
_EXAMPLES = "bolt://localhost:7687, or neo4j+s://… for a server elsewhere"
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
        "{uri} asks for a new password first",
        "Change it in Neo4j Browser, then set $NEO4J_PASSWORD",
    ),
    ".AuthenticationRateLimit": ("{uri}: too many wrong passwords", "Wait a few seconds"),
    ".Forbidden": ("{address}: {line}", "Use a user that may do this"),
    ".WriteOnReadOnlyAccessDatabase": ("{address} is read-only", "Use a database that may change"),
    ".TransactionTimedOut": ("this Cypher takes longer than {uri} allows", NARROW_QUERY),
    ".TransactionTimedOutClientConfiguration": ("this Cypher takes too long", NARROW_QUERY),
}
"""By the end of Neo4j's status code: what is wrong, and what to do."""


class Neo4jAddress(NamedTuple):
    """A server and one of its databases, as messages name them."""

    uri: str
    database: str | None

    def __str__(self) -> str:
        return self.uri if self.database is None else f"{self.uri}, database {self.database!r}"


def check_address(uri: str, database: str | None) -> Neo4jAddress:
    """Return the address to connect to; StoreError if it is invalid, or has a password in it."""
    if "@" in uri:
        raise StoreError(
            "a user or password in the address of Neo4j",
            remedy="Set $NEO4J_USERNAME and $NEO4J_PASSWORD instead",
        )
    try:
        parts = urlsplit(uri)
        valid = parts.scheme in _SCHEMES and parts.hostname and parts.port != 0
    except ValueError:  # the port is no number, or too large
        valid = False
    if not valid:
        raise _no_address(uri)
    return Neo4jAddress(uri, database)


def _no_address(uri: str) -> StoreError:
    return StoreError("not a Neo4j address", found=repr(uri), expected=_EXAMPLES)


@contextmanager
def store_errors(address: Neo4jAddress) -> Iterator[None]:
    """Turn the driver's errors into a StoreError, or, for a mistake in Cypher, a QueryError."""
    try:
        yield
    except Neo4jError as error:
        raise _server_error(address, error) from None
    except UnsupportedServerProduct:
        raise StoreError(
            f"the server at {address.uri} is too old, or no Neo4j", expected="Neo4j 5 or newer"
        ) from None
    except ConfigurationError:
        raise _no_address(address.uri) from None
    except (DriverError, OSError) as error:
        raise _unreachable(address, error) from None


def _server_error(address: Neo4jAddress, error: Neo4jError) -> StoreError | QueryError:
    code, line = error.code or "", _first_line(error)
    for ending, (what, remedy) in _KNOWN.items():
        if code.endswith(ending):
            names = {**address._asdict(), "address": address, "line": line}
            return StoreError(what.format(**names), remedy=remedy)
    if code.endswith(".AccessMode"):
        return QueryError("this Cypher would change the graph", expected="MATCH … RETURN … only")
    if code.startswith("Neo.ClientError.Statement."):
        return QueryError(f"Cypher: {line}")
    return StoreError(f"{address}: {line} ({code})")


def _unreachable(address: Neo4jAddress, error: Exception) -> StoreError:
    remedy = "Start it, or name another with --neo4j or $NEO4J_URI"
    if address.uri.startswith("neo4j"):  # the server may name an address that only it can reach
        direct = address.uri.replace("neo4j", "bolt", 1)
        remedy += f"; a single server, for example in Docker, answers at {direct}"
    return StoreError(
        f"no Neo4j answers at {address.uri}: {_reason(str(error)) or type(error).__name__}",
        remedy=remedy,
    )


def _reason(text: str) -> str:
    """Return the reason, from the driver's message of several lines."""
    if "looks like HTTP" in text:
        return "it speaks HTTP; the port of Bolt is usually 7687"
    if "encrypted connection" in text:
        return "it has no encrypted connection (bolt+s, neo4j+s)"
    reason = re.search(r"\(reason (?:\[Errno -?\d+\] )?(.+)\)", text)
    return reason.group(1) if reason else text.partition("\n")[0].rstrip(".: ")


def _first_line(error: Neo4jError) -> str:
    text = error.message or str(error)
    return text.splitlines()[0].rstrip(".")
