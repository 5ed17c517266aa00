"""Why did the network say juggling? Ask the graph.

    from conceptgraph import Settings, Source, explain, ingest, open_run

    source = Source("resnet18", "net.pth.tar", Path("classes.txt"), Path("broden1_224"))
    run = ingest(source, Path("net.cg"))
    explain(run, "photo.jpg", "juggling").paths

Names are imported when first used, so that what needs no torch does not import it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .graph.errors import ConceptGraphError as ConceptGraphError
    from .graph.memory import open_store as open_store
    from .graph.run import Run as Run
    from .graph.run import open_run as open_run
    from .ingest.pipeline import Source as Source
    from .ingest.pipeline import ingest as ingest
    from .ingest.settings import Settings as Settings
    from .queries.explain import explain as explain
    from .queries.explanation import Explanation as Explanation
    from .queries.paths import class_paths as class_paths

_HOMES = {
    "ConceptGraphError": ".graph.errors",
    "Explanation": ".queries.explanation",
    "Run": ".graph.run",
    "Settings": ".ingest.settings",
    "Source": ".ingest.pipeline",
    "class_paths": ".queries.paths",
    "explain": ".queries.explain",
    "ingest": ".ingest",
    "open_run": ".graph.run",
    "open_store": ".graph.memory",
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
    module = import_module(_HOMES[name], __name__)
    return module if name == "ingest" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
