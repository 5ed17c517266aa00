"""What is in a Neo4j database, and what records say should be, in forms that can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conceptgraph.graph.schema import VERSION
from conceptgraph.graph.stores import neo4j_load
from conceptgraph.graph.stores.memory import MemoryStore
from conceptgraph.graph.stores.neo4j_store import Neo4jStore

if TYPE_CHECKING:
    from conceptgraph.graph.records import Records
    from tests.neo4j_server import Neo4jServer

Content = tuple[list[str], list[str]]


def connect(server: Neo4jServer) -> Neo4jStore:
    """A store on the server."""
    return Neo4jStore.connect(server.uri, server.user, server.password)


def content(server: Neo4jServer) -> Content:
    """Everything that is in the database, in an order of its own."""
    with server.driver() as driver:
        nodes = driver.execute_query("MATCH (n) RETURN labels(n), properties(n)").records
        edges = driver.execute_query(
            "MATCH (a)-[e]->(b) RETURN type(e), a.uid, b.uid, properties(e)"
        ).records
    return (
        sorted(_line(sorted(labels), properties) for labels, properties in nodes),
        sorted(_line(*ends, properties) for *ends, properties in edges),
    )


def said(*loaded: Records) -> Content:
    """The same of what the networkx store holds, with what a Run node says of its loading."""
    memory = MemoryStore()
    for each in loaded:
        memory.load(each)
    done = {"status": "complete", "schema": VERSION}
    for each in loaded:
        memory.graph.nodes[each.run].update(done, digest=neo4j_load.digest(each))
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
