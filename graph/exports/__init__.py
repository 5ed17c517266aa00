"""The graph as files of other programs."""
