"""The small networks of the drawn world: how they are built, trained, scored, and shipped."""
