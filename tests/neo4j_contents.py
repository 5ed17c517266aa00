"""The content of a Neo4j database, and the content that records should give, in one form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conceptgraph.graph.schema import VERSION
from conceptgraph.graph.stores.memory import MemoryStore
from conceptgraph.graph.stores.neo4j_load import digest_of
from conceptgraph.graph.stores.neo4j_store import Neo4jStore

if TYPE_CHECKING:
    from conceptgraph.graph.records import Records
    from tests.neo4j_server import Neo4jServer

Content = tuple[list[str], list[str]]
"""Sorted lines of text: one a node, one a relationship."""


def connect(server: Neo4jServer) -> Neo4jStore:
    """Open a store on the server."""
    return Neo4jStore.connect(server.uri, server.user, server.password)


def database_content(server: Neo4jServer) -> Content:
    """Read everything that is in the database."""
    with server.driver() as driver:
        nodes = driver.execute_query("MATCH (node) RETURN labels(node), properties(node)").records
        edges = driver.execute_query(
            "MATCH (source)-[edge]->(target) "
            "RETURN type(edge), source.uid, target.uid, properties(edge)"
        ).records
    return (
        sorted(_line(sorted(labels), properties) for labels, properties in nodes),
        sorted(_line(*ends, properties) for *ends, properties in edges),
    )


def expected_content(*loaded: Records) -> Content:
    """Return the content of the networkx store, with what a Run node states about its loading."""
    memory = MemoryStore()
    for records in loaded:
        memory.load(records)
    for records in loaded:
        stated = {"status": "complete", "schema": VERSION, "digest": digest_of(records)}
        memory.graph.nodes[records.run].update(stated)
    nodes = [
        _line(sorted(node["labels"]), {"uid": uid, **_without(node, "labels")})
        for uid, node in memory.graph.nodes.items()
    ]
    edges = [
        _line(edge["type"], source, target, _without(edge, "type"))
        for source, target, edge in memory.graph.edges(data=True)
    ]
    return sorted(nodes), sorted(edges)


def _line(*parts: object) -> str:
    *names, properties = parts
    assert isinstance(properties, dict)
    return repr((*names, sorted(properties.items())))


def _without(properties: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in properties.items() if key != name}
