"""The folder that `conceptgraph demo` writes to."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from ..errors import ConceptGraphError
from .moving.names import CLASSES as MOVING_CLASSES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TRAINED = ("shortcut.safetensors", "shortcut.json", "control.safetensors", "control.json")
_DERIVED = (
    "data", "classes.txt", "shortcut.cg", "control.cg", "picture.png", "twin.png", "why.html",
    *MOVING_CLASSES,
)  # fmt: skip
_SIGNATURE = {"made by": "conceptgraph demo"}


def prepare_folder(path: Path, settings: Mapping[str, object]) -> None:
    """Create the folder, or remove the results of an earlier demo from it.

    Trained networks are kept if they were trained with the same settings. `made.json` holds these.

    Args:
        path: new, empty, or the folder of an earlier demo.
        settings: of this demo, JSON values.

    Raises:
        ConceptGraphError: the folder holds other files, or cannot be written.
    """
    record, text = path / "made.json", json.dumps({**_SIGNATURE, **settings})
    try:
        path.mkdir(parents=True, exist_ok=True)
        earlier = record.read_text(encoding="utf-8") if record.is_file() else ""
        if any(path.iterdir()) and json.dumps(_SIGNATURE)[1:-1] not in earlier:
            raise ConceptGraphError(
                "a folder with other files in it", file=path, remedy="Choose another with --out"
            )
        outdated = _DERIVED if earlier == text else (*_TRAINED, *_DERIVED)
        for result in (path / name for name in outdated):
            if result.is_dir():
                shutil.rmtree(result)
            else:
                result.unlink(missing_ok=True)
        record.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConceptGraphError(
            f"cannot be written: {error.strerror}", file=path, remedy="Choose another with --out"
        ) from error
