"""Why did the network say juggling? Ask the graph.

    from conceptgraph import Settings, Source, explain, ingest, open_run

    source = Source("resnet18", "net.pth.tar", Path("classes.txt"), Path("broden1_224"))
    run = ingest(source, Path("net.cg"))
    explain(run, "photo.jpg", "juggling").paths

Names are imported when first used, so that what needs no torch does not import it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import ConceptGraphError as ConceptGraphError
    from .explain.explain import explain as explain
    from .explain.explanation import Explanation as Explanation
    from .graph.run.reader import Run as Run
    from .graph.run.reader import open_run as open_run
    from .graph.stores.memory import open_store as open_store
    from .ingest.inputs import Source as Source
    from .ingest.pipeline import ingest as ingest
    from .queries.paths import class_paths as class_paths
    from .settings import Settings as Settings

_HOMES = {
    "ConceptGraphError": ".errors",
    "Explanation": ".explain.explanation",
    "Run": ".graph.run.reader",
    "Settings": ".settings",
    "Source": ".ingest.inputs",
    "class_paths": ".queries.paths",
    "explain": ".explain.explain",
    "ingest": ".ingest.pipeline",
    "open_run": ".graph.run.reader",
    "open_store": ".graph.stores.memory",
}

__all__ = [
    "ConceptGraphError",
    "Explanation",
    "Run",
    "Settings",
    "Source",
    "class_paths",
    "explain",
    "ingest",
    "open_run",
    "open_store",
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
