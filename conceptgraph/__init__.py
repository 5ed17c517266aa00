"""Why did the network say juggling? Ask the graph.

    from conceptgraph import explain, ingest, open_run, write_page

    run = ingest("resnet18", "broden1_224", "net.cg", weights="net.pth.tar", classes="classes.txt")
    run = open_run("net.cg")  # later
    write_page(run, explain(run, "photo.jpg", "juggling"), "why.html")

Names are imported when first used, so that what needs no torch does not import it. What goes wrong
is a `conceptgraph.errors.ConceptGraphError`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .explain.ablation import ablate as ablate
    from .explain.audit import audit as audit
    from .explain.network import open_network as open_network
    from .graph.run.reader import open_run as open_run
    from .graph.stores.memory import open_store as open_store
    from .ingest.pipeline import ingest as ingest
    from .pages.notebook import explain as explain
    from .pages.write import write_page as write_page
    from .queries.paths import class_paths as class_paths
    from .settings import Settings as Settings

_HOMES = {
    "Settings": ".settings",
    "ablate": ".explain.ablation",
    "audit": ".explain.audit",
    "class_paths": ".queries.paths",
    "explain": ".pages.notebook",
    "ingest": ".ingest.pipeline",
    "open_network": ".explain.network",
    "open_run": ".graph.run.reader",
    "open_store": ".graph.stores.memory",
    "write_page": ".pages.write",
}

__all__ = [
    "Settings",
    "ablate",
    "audit",
    "class_paths",
    "explain",
    "ingest",
    "open_network",
    "open_run",
    "open_store",
    "write_page",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """Keeps `ingest` and `explain` the functions: Python would bind the folders of these names."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
