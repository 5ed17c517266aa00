"""A run from somebody else is data: nothing of it runs, and no file outside of it is read."""

from __future__ import annotations

import base64
import json
import re
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from conceptgraph import class_paths, explain, open_network, open_run, write_page
from conceptgraph.errors import ModelError, RunError
from conceptgraph.explain import audit as audit_module
from conceptgraph.explain.audit_rows import AuditRow, RowFile
from conceptgraph.graph.run.files import write_table
from conceptgraph.graph.run.schema import TABLES
from conceptgraph.graph.run.trust import is_trusted, remember_run
from conceptgraph.ingest.network.loading import network_digest
from conceptgraph.pages.report_page import Report
from tests.command_line import call, run
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_network, lively_run
from tests.repository import ROOT

SECRET = (200, 30, 90)
"""Color of an image that is none of the run's."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a run of drawn images."""
    folder = tmp_path_factory.mktemp("made")
    return lively_run(draw_concept_data(folder / "drawn", 12), folder).path


@pytest.fixture
def shared(made: Path, tmp_path: Path) -> Path:
    """Copy it to a folder that somebody else sent, beside the code that its manifest names."""
    folder = tmp_path / "shared"
    shutil.copytree(made, folder / "net.cg")
    module = f"evil_{tmp_path.name}"
    write_factory(folder / f"{module}.py", tmp_path / "ran")
    model = {
        "name": f"{module}:build",
        "digest": network_digest(f"{module}:build", lively_network()),
    }
    change_manifest(folder / "net.cg", model=model)
    image = next((made.parent / "drawn" / "images").rglob("*.jpg"))
    shutil.copy(image, folder / "x.jpg")
    (folder / "labels.csv").write_text("image,label\nx.jpg,class 0\n")
    return folder


def write_factory(file: Path, ran: Path) -> None:
    """Write a factory whose module leaves a trace when it is imported."""
    file.write_text(
        "from pathlib import Path\n"
        "from tests.lively_run import lively_network as build\n"
        f"Path({str(ran)!r}).write_text(__file__)\n"
    )


def change_manifest(path: Path, **parts: dict[str, str]) -> None:
    file = path / "manifest.json"
    manifest: dict[str, Any] = json.loads(file.read_text())
    for name, values in parts.items():
        manifest[name].update(values)
    file.write_text(json.dumps(manifest))


def name_of(folder: Path) -> str:
    return str(open_run(folder / "net.cg").manifest["model"]["name"])


COMMANDS = (
    ("why", "--image", "x.jpg", "--html", "page.html"),
    ("audit", "--images", ".", "--labels", "labels.csv", "--html", "page.html"),
    ("report", "--image", "x.jpg", "-o", "page.html"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_code_that_a_run_names_is_not_imported(shared: Path, command: tuple[str, ...]) -> None:
    done = call(*command, folder=shared)
    assert done.status == 1
    (error,) = [line for line in done.err.splitlines() if not line.startswith("run: ")]
    assert f"found the factory {name_of(shared)}" in error
    assert f"name it with --model {name_of(shared)}, or trust it with --trust-run" in error
    assert not (shared.parent / "ran").exists()
    assert not (shared / "page.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_code_that_the_user_names_is_imported(shared: Path, command: tuple[str, ...]) -> None:
    for options in (("--model", name_of(shared)), ("--trust-run",), ()):
        (shared / "page.html").unlink(missing_ok=True)
        done = call(*command, *options, folder=shared)
        assert done.status == 0, done.err
        assert (shared / "page.html").exists()
        assert is_trusted(open_run(shared / "net.cg")) == (not options or "--trust-run" in options)
    assert (shared.parent / "ran").exists()


def test_a_report_of_somebodys_run_has_all_but_the_map(shared: Path) -> None:
    done = call("report", "-o", "page.html", folder=shared)
    assert done.status == 0, done.err
    assert "is not a run that you made or trust" in (shared / "page.html").read_text()
    assert not (shared.parent / "ran").exists()


def test_the_same_from_python(shared: Path) -> None:
    shared_run, name = open_run(shared / "net.cg"), name_of(shared)
    with pytest.raises(ModelError, match=f"the factory {name}"):
        explain(shared_run, shared / "x.jpg")
    assert not (shared.parent / "ran").exists()
    network = open_network(shared_run, model="tests.lively_run:lively_network")  # of another name
    assert explain(network, shared / "x.jpg").run == "lively"
    with pytest.raises(ModelError, match="not the weights that were dissected"):
        open_network(shared_run, model="resnet18", weights="random")


@pytest.mark.slow
def test_a_copy_of_a_trusted_run_runs_the_trusted_code(shared: Path, tmp_path: Path) -> None:
    """Even from a folder where another file has the same name."""
    env, ran, name = {"PYTHONPATH": str(ROOT)}, tmp_path / "ran", name_of(shared)
    code = shared / f"{name.split(':')[0]}.py"
    assert run(*COMMANDS[0], "--trust-run", folder=shared, env=env).status == 0
    ran.unlink()
    copy = tmp_path / "copy"
    shutil.copytree(shared, copy)
    write_factory(copy / code.name, tmp_path / "evil ran")
    done = run(*COMMANDS[0], folder=copy, env=env)
    assert done.status == 0, done.err
    assert ran.read_text() == str(code)
    assert not (tmp_path / "evil ran").exists()
    write_factory(code, tmp_path / "evil ran")
    done = run(*COMMANDS[0], folder=copy, env=env)
    assert done.status == 1
    assert f"{code}: the code of run lively is not what it was" in done.err
    code.unlink()
    done = run(*COMMANDS[0], folder=copy, env=env)
    assert done.status == 1
    assert "found no such file" in done.err
    assert not (tmp_path / "evil ran").exists()


def test_a_run_cannot_choose_the_pickle_that_is_trusted(shared: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (shared.parent / "ran",)

    torch.save(Evil(), shared / "evil.pth")
    change_manifest(shared / "net.cg", model={"weights": "evil.pth"})
    words = ("why", "--image", "x.jpg", "--model", name_of(shared))
    write_factory(shared / f"{name_of(shared).split(':')[0]}.py", shared.parent / "imported")
    refused = call(*words, folder=shared)
    assert "reading it would run code" in refused.err
    refused = call(*words, "--trust-pickle", folder=shared)
    assert refused.status == 1
    assert "found evil.pth. Name the checkpoint that may run code with --weights" in refused.err
    assert not (shared.parent / "ran").exists()
    assert call(*words, "--trust-pickle", "--weights", "evil.pth", folder=shared).status == 1
    assert (shared.parent / "ran").exists()


# Pictures


def secret(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), SECRET).save(file)
    return file


def shows_secret(page: Path) -> bool:
    """Return whether an embedded picture has the secret's color."""
    for data in re.findall(r"data:image/jpeg;base64,([\w+/=]+)", page.read_text()):
        colors = Image.open(BytesIO(base64.b64decode(data))).convert("RGB")
        near = np.abs(np.asarray(colors, np.int64) - SECRET).max(axis=2) < 12
        if near.mean() > 0.05:
            return True
    return False


def change_table(file: Path, **columns: str | list[str]) -> None:
    write_table(file, pd.read_parquet(file).assign(**columns), TABLES[file.stem])


@pytest.mark.parametrize("kind", ["relative", "absolute", "link", "folder"])
def test_pictures_outside_of_a_run_are_not_shown(shared: Path, kind: str) -> None:
    path, image = shared / "net.cg", secret(shared.parent / "home" / "secret.jpg")
    names = {"relative": "../../home/secret.jpg", "absolute": str(image), "folder": "t/secret.jpg"}
    if kind == "link":
        (path / "link.jpg").symlink_to(image)
    (path / "t").symlink_to(image.parent)
    change_table(path / "top_images.parquet", thumbnail=names.get(kind, "link.jpg"))
    shared_run = open_run(path)
    for page in ("class.html", "report.html"):
        result = class_paths(shared_run, "class 0") if page == "class.html" else Report()
        with pytest.raises(RunError, match=r"a file outside of it; found|a path inside the run"):
            write_page(shared_run, result, shared / page)
        assert not (shared / page).exists()


def test_a_run_that_is_reached_by_a_link_has_its_pictures(made: Path, tmp_path: Path) -> None:
    (tmp_path / "link.cg").symlink_to(made)
    linked = open_run(tmp_path / "link.cg")
    write_page(linked, class_paths(linked, "class 0"), tmp_path / "page.html")


def test_images_of_this_machine_are_not_a_runs_to_choose(made: Path, tmp_path: Path) -> None:
    """Neither by the folder that it names, nor by names that lead out of its own data."""
    image = secret(tmp_path / "home" / "images" / "secret.jpg")
    shutil.copytree(made, tmp_path / "net.cg")
    change_manifest(tmp_path / "net.cg", data={"folder": str(tmp_path / "home")})
    change_table(tmp_path / "net.cg" / "top_images.parquet", image="secret.jpg")
    words = ("report", "-o", "page.html", "--model", "tests.lively_run:lively_network")
    done = call(*words, folder=tmp_path)
    assert done.status == 1
    assert "are outside of it, and you neither made nor trust it" in done.err
    remember_run(open_run(tmp_path / "net.cg"), None)
    assert call(*words, folder=tmp_path).status == 0
    assert shows_secret(tmp_path / "page.html")
    (image.parent / "link.jpg").symlink_to(secret(tmp_path / "home" / "secret.jpg"))
    for name in ("../secret.jpg", "link.jpg"):
        change_table(tmp_path / "net.cg" / "top_images.parquet", image=name)
        assert "no image to explain" in call(*words, folder=tmp_path).err


def test_tables_and_arrays_are_the_runs_own(shared: Path, made: Path) -> None:
    for name in ("units.parquet", "iou_block4.npy"):
        (shared / "net.cg" / name).unlink()
        (shared / "net.cg" / name).symlink_to(made / name)
        with pytest.raises(RunError, match=f"outside of it; found {name}"):
            open_run(shared / "net.cg").check()
        (shared / "net.cg" / name).unlink()
        shutil.copy(made / name, shared / "net.cg" / name)


def test_nothing_is_written_outside_of_a_run(shared: Path) -> None:
    elsewhere = shared.parent / "elsewhere"
    elsewhere.mkdir()
    for name in ("explanations", "audits"):
        (shared / "net.cg" / name).symlink_to(elsewhere)
    done = call(*COMMANDS[0], "--model", name_of(shared), folder=shared)
    assert done.status == 0
    assert "not saved: " in done.err
    done = call(*COMMANDS[1], "--model", name_of(shared), folder=shared)
    assert done.status == 1
    assert "outside of it; found audits/" in done.err
    assert list(elsewhere.iterdir()) == []


def test_rows_of_an_audit_that_a_run_brings_are_of_the_users_images(made: Path) -> None:
    """Whoever knows the images' times could bring rows that name other files."""
    network = open_network(open_run(made))
    folder = made.parent / "drawn" / "images" / "drawn"
    labels = [(file.name, "class 0") for file in sorted(folder.iterdir())[:2]]
    audit_module.audit(network, folder, labels)
    (file,) = [f for f in (made / "audits").glob("*.jsonl") if "-" not in f.stem]
    rows = list(RowFile(file))
    file.unlink()
    RowFile(file).append([rows[0], AuditRow("../../secret.jpg", "class 0", None, "class 1")])
    with pytest.raises(RunError, match="not an audit of these images"):
        audit_module.audit(network, folder, labels)
    shutil.rmtree(made / "audits")


def test_names_cannot_steer_the_terminal(shared: Path) -> None:
    names = ["\x1b[2Jjuggling", "\x9b31mroad", "c", "d"]
    change_table(
        shared / "net.cg" / "classes.parquet", name=names, uid=[f"class/{name}" for name in names]
    )
    done = call("query", "classes", folder=shared)
    assert done.status == 0, done.err
    assert "\\x1b[2Jjuggling" in done.out
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.out)
    done = call("why", "--class", "\x1b[2Jjugling", folder=shared)
    assert "\\x1b[2Jjugling" in done.err
    assert "\x1b" not in done.err
