"""The runs that this user trusts: those ingested here, and those named with `--trust-run`.

A run from somebody else is data. But its manifest names a factory, which is code, and a folder of
concept images, which can be any folder of this machine. Neither is touched unless the run is
trusted, or the user names the factory or an image.

A trusted run has a record in the user's data directory, under the sha256 of its manifest. The
record has the file that the factory's module was imported from, and that file's sha256. It is
imported from there and from nowhere else, so a copy of a trusted manifest beside another file of
the same name runs nothing. What that module imports from its own folder is not compared.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import ConceptGraphError, RunError
from ...files import write_bytes

if TYPE_CHECKING:
    from .reader import Run


class Factory(NamedTuple):
    """What makes a network: "module:factory", and the file that its module is imported from.

    Without a file it is looked for where Python imports; so is any other model's name.
    """

    model: str
    file: Path | None = None


def remember_run(run: Run, factory: Factory | None) -> None:
    """Record that the user trusts a run.

    In a home that cannot be written to it is trusted for nothing: that must not fail an ingest.

    Args:
        run: the run.
        factory: what made its network; None for one of torchvision's.
    """
    record = None
    if factory is not None and factory.file is not None and (digest := _digest(factory.file)):
        record = {"model": factory.model, "file": str(factory.file), "sha256": digest}
    content = json.dumps({"run": str(run.path.absolute()), "factory": record}, indent=2)
    with suppress(ConceptGraphError, OSError):
        file = _record_file(run)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, content.encode())


def is_trusted(run: Run) -> bool:
    """Return whether the user trusts a run."""
    return _record_file(run).is_file()


def check_images_trusted(run: Run, folder: Path, option: str, *, trusted: bool = False) -> None:
    """Refuse to read the images of a run's concept data, unless the user trusts the run.

    Args:
        run: that names them.
        folder: where they are.
        option: by which the user can name images instead.
        trusted: the user said so just now.

    Raises:
        RunError: the run is somebody else's.
    """
    if not (trusted or is_trusted(run)):
        raise RunError(
            f"the images of run {run.name} are outside of it, and you neither made nor trust it",
            file=folder,
            remedy=f"Name images of yours with {option}, or trust the run with --trust-run",
        )


def trusted_factory(run: Run) -> Factory | None:
    """Return the factory of a trusted run; None if it has none, or the run is not trusted.

    Raises:
        RunError: the factory's file is gone, or has changed since.
    """
    try:
        record = json.loads(_record_file(run).read_text(encoding="utf-8"))["factory"]
        model, file = str(record["model"]), Path(record["file"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if _digest(file) != record["sha256"]:
        raise RunError(
            f"the code of run {run.name} is not what it was when the run was trusted",
            file=file,
            found="another content" if file.is_file() else "no such file",
            remedy=f"Read {model}; then trust it with --trust-run, or name it with --model {model}",
        )
    return Factory(model, file)


def _digest(file: Path) -> str | None:
    with suppress(OSError):
        return hashlib.sha256(file.read_bytes()).hexdigest()
    return None


def _record_file(run: Run) -> Path:
    from platformdirs import user_data_path

    manifest = json.dumps(run.manifest, sort_keys=True)
    digest = hashlib.sha256(manifest.encode()).hexdigest()
    return user_data_path("conceptgraph") / "trusted" / f"{digest}.json"
