"""What can be known of docker/ without an engine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.repository import ROOT

DOCKERFILE = ROOT / "docker" / "Dockerfile"


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    return found


def test_the_linter_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_all_that_is_copied_exists_and_is_sent() -> None:
    text = DOCKERFILE.read_text()
    sources = [
        word for line in re.findall(r"^COPY (.+)$", text, re.M) for word in line.split()[:-1]
    ]
    sent = (ROOT / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in sent
    packages = {path.name for path in (ROOT / "conceptgraph").iterdir() if path.is_symlink()}
    assert packages <= set(sources)


def test_the_image_does_not_run_as_root() -> None:
    users = re.findall(r"^USER (\S+)$", DOCKERFILE.read_text(), re.M)
    assert users[-1:] == ["1000"]


def test_neo4j_is_pinned_healthy_and_reached_from_this_machine_only() -> None:
    neo4j = compose()["services"]["neo4j"]
    assert re.fullmatch(r"neo4j:\$\{NEO4J_VERSION:-\d+\.\d+\.\d+-community\}", neo4j["image"])
    assert neo4j["healthcheck"]["test"][0] == "CMD"
    assert neo4j["ports"]
    assert all(port.startswith("127.0.0.1:") for port in neo4j["ports"])


def test_the_password_must_be_given_and_stands_nowhere() -> None:
    for name, service in compose()["services"].items():
        secrets = [value for key, value in service["environment"].items() if "AUTH" in key]
        secrets += [value for key, value in service["environment"].items() if "PASSWORD" in key]
        assert secrets, name
        assert all("${NEO4J_PASSWORD:?" in secret for secret in secrets)


def test_the_gpu_is_asked_for_by_one_service() -> None:
    services = compose()["services"]
    (device,) = services["ingest-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu"]
    assert "deploy" not in services["ingest"]
