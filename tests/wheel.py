"""The wheel, built and tried in a clean environment of each Python that is found here.

    python -m tests.wheel            # 3.10 to 3.13, as far as they are installed
    python -m tests.wheel 3.12

Each environment takes some minutes and 2 GB while it lasts: torch is installed into it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.repository import ROOT

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
COMMANDS = (
    "--version",
    "demo --pictures 64 --out demo",
    "why --demo --class juggling --json",
    "query --run demo.cg blocks",
    "serve --help",
)


def main() -> None:
    """Build the wheel and try it; exit with status 1 if something fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pythons", nargs="*", default=PYTHONS, help="versions, such as 3.12")
    asked = parser.parse_args().pythons
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", name, str(ROOT)]
        subprocess.run(build, check=True)
        (wheel,) = folder.glob("*.whl")
        found = {version: path for version in asked if (path := _python(version))}
        results = {version: _try(path, wheel, folder / version) for version, path in found.items()}
    for version in asked:
        sys.stdout.write(f"Python {version}: {results.get(version, 'not found')}\n")
    sys.exit(any(result != "works" for result in results.values()) or not results)


def _python(version: str) -> str | None:
    """Return an interpreter of a version that runs."""
    candidates = [shutil.which(f"python{version}")]
    candidates += map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for path in filter(None, candidates):
        if subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            return path
    return None


def _try(python: str, wheel: Path, folder: Path) -> str:
    """Install a wheel into a new environment and run commands; return what came of it."""
    subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
    program = folder / "venv" / "bin"
    steps: list[list[str | Path]] = [[program / "pip", "install", "-q", wheel]]
    steps += [[program / "conceptgraph", *command.split()] for command in COMMANDS]
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    for step in steps:
        done = subprocess.run(
            step, cwd=folder, env=variables, capture_output=True, text=True, check=False
        )
        if done.returncode:
            return f"`{' '.join(map(str, step[-4:]))}` fails: {done.stderr[-600:]}"
        if step[1] == "demo":
            run = min((folder / "demo").glob("*.cg"))
            shutil.copytree(run, folder / "demo.cg")
    shutil.rmtree(folder)
    return "works"


if __name__ == "__main__":
    main()
