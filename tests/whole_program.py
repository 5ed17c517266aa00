"""All that the program imports, imported: what `tests.command_line.Program` forks.

Except the commands, which are light, and look at the standard streams as they are imported.
"""

import pkgutil

import torch

import conceptgraph

torch.set_num_threads(1)  # a pool of threads would not outlive a fork
for module in pkgutil.walk_packages(conceptgraph.__path__, "conceptgraph."):
    if not module.name.startswith("conceptgraph.cli"):
        __import__(module.name)
