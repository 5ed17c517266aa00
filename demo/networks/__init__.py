"""The small networks of the drawn world: architecture, training, scores, shipped weights."""
