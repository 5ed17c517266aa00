"""Explain in the explorer: a photograph, what is asked about it, and one thread that answers."""
