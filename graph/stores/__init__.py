"""Graph stores: networkx in memory, Neo4j, and free Cypher without a server."""
