"""From images, masks and a network to a run directory.

The package can be called: `conceptgraph.ingest(source, out)` is `pipeline.ingest`, which keeps the
library's verb and this package's name from being two things. torch is imported on that call.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..graph.run import Run


class _Package(ModuleType):
    def __call__(self, *args: object, **options: object) -> Run:
        from .pipeline import ingest

        run: Run = ingest(*args, **options)  # type: ignore[arg-type]
        return run


sys.modules[__name__].__class__ = _Package
