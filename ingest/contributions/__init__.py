"""How units drive units of the next block, and the classes."""
