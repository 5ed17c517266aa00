"""The network under study: architecture, weights, names, and what its blocks give out."""
