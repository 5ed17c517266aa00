"""`python -m conceptgraph.cli`, which is what torchrun starts."""

from .app import main

main()
