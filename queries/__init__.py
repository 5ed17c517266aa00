"""The questions: one module each. Only `explain` runs the network."""
