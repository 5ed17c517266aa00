"""Files and folders are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from conceptgraph import files
from conceptgraph.errors import ConceptGraphError
from conceptgraph.files import (
    atomic_file,
    atomic_files,
    made_folder,
    output_file,
    output_files,
    output_folder,
    replace_folder,
    write_bytes,
)


def contents(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


@pytest.mark.parametrize("flush", [False, True])
def test_a_file_is_replaced_when_the_new_one_is_complete(tmp_path: Path, flush: bool) -> None:
    path = tmp_path / "a.txt"
    path.write_text("earlier")
    with atomic_file(path, flush=flush) as partial:
        partial.write_text("new")
        assert path.read_text() == "earlier"
    assert contents(tmp_path) == {"a.txt": "new"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("no"), ValueError("no")])
def test_an_error_leaves_the_earlier_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.txt"
    path.write_text("earlier")
    with pytest.raises(type(error)), atomic_file(path) as partial:  # noqa: PT012
        partial.write_text("half")
        raise error
    assert contents(tmp_path) == {"a.txt": "earlier"}


def test_a_file_that_was_not_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "a.txt"):
        pass
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("written", [(), ("a",), ("a", "b")])
def test_of_several_files_all_are_written_or_none(tmp_path: Path, written: tuple[str, ...]) -> None:
    (tmp_path / "a").write_text("earlier")
    with (  # noqa: PT012
        pytest.raises((ValueError, FileNotFoundError)),
        atomic_files(tmp_path / "a", tmp_path / "b") as partials,
    ):
        for name, partial in zip(written, partials, strict=False):
            partial.write_text(name)
        if len(written) == 2:
            raise ValueError("no")
    assert contents(tmp_path) == {"a": "earlier"}
    with atomic_files(tmp_path / "a", tmp_path / "b") as partials:
        for name, partial in zip("ab", partials, strict=True):
            partial.write_text(name)
    assert contents(tmp_path) == {"a": "a", "b": "b"}


def test_a_link_under_the_name_of_an_unfinished_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / ".a.partial").symlink_to(tmp_path / "mine")
    with atomic_file(tmp_path / "a") as partial:
        partial.write_text("a")
    assert contents(tmp_path) == {"a": "a", "mine": "mine"}
    assert not (tmp_path / "a").is_symlink()


def test_several_output_files_are_named_in_errors(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for second, message in (
        ("folder", "folder: a folder"),
        ("a", "a: named for two files"),
        ("no/b", "no/b: cannot be written"),
    ):
        with (  # noqa: PT012
            pytest.raises(ConceptGraphError, match=message),
            output_files(tmp_path / "a", tmp_path / second) as partials,
        ):
            for partial in partials:
                partial.write_text("x")
        assert contents(tmp_path) == {}


def test_a_folder_made_for_files_is_removed_if_nothing_comes_into_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), made_folder(tmp_path / "new"):
        raise ValueError("no")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "new").mkdir()
    with pytest.raises(ValueError, match="no"), made_folder(tmp_path / "new"):
        raise ValueError("no")
    assert (tmp_path / "new").is_dir()
    missing = tmp_path / "no" / "new"
    with pytest.raises(ConceptGraphError, match="no/new: cannot be written"), made_folder(missing):
        pass


def test_a_folder_replaces_another(tmp_path: Path) -> None:
    for name in ("new", "set", "set.earlier"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    replace_folder(tmp_path / "new", tmp_path / "set", tmp_path / "set.earlier")
    assert contents(tmp_path) == {"set/a": "new"}


def test_a_folder_that_cannot_be_renamed_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("new", "set"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    rename = Path.rename

    def failing_rename(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing_rename)
    with pytest.raises(OSError, match="no"):
        replace_folder(tmp_path / "new", tmp_path / "set", tmp_path / "set.earlier")
    assert contents(tmp_path) == {"new/a": "new", "set/a": "set"}


def test_an_output_folder_is_complete_or_absent(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="no"), output_folder(out) as partial:  # noqa: PT012
        (partial / "a").write_text("half")
        raise ValueError("no")
    assert list(tmp_path.iterdir()) == []
    with output_folder(out) as partial:
        (partial / "a").write_text("a")
    assert contents(tmp_path) == {"out/a": "a"}
    with pytest.raises(ConceptGraphError, match="out: already exists"), output_folder(out):
        pass


def test_two_processes_do_not_write_one_file_or_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_WAIT_SECONDS", 0.1)
    path = tmp_path / "a.txt"
    with atomic_file(path) as partial:
        partial.write_text("first")
        with (
            pytest.raises(ConceptGraphError, match=r"a\.txt: cannot be written: another process"),
            output_file(path),
        ):
            pass
        assert partial.read_text() == "first"
    (tmp_path / ".b.partial").write_text("left by a process that was killed")
    with atomic_file(tmp_path / "b") as partial:
        assert partial.read_text() == ""
        partial.write_text("b")
    with output_folder(tmp_path / "out") as folder:
        (folder / "x").write_text("x")
        with (
            pytest.raises(ConceptGraphError, match="out: another process is writing it"),
            output_folder(tmp_path / "out"),
        ):
            pass
    assert contents(tmp_path) == {"a.txt": "first", "b": "b", "out/x": "x"}


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConceptGraphError, match=r"a folder; expected the name of a file"):
        write_bytes(tmp_path, b"")
    missing = tmp_path / "missing" / "a.txt"
    with pytest.raises(ConceptGraphError, match=r"a\.txt: cannot be written: No such file"):
        write_bytes(missing, b"")
    with (
        pytest.raises(ConceptGraphError, match="cannot be written: No such file"),
        output_file(missing) as partial,
    ):
        partial.write_text("a")
    with (
        pytest.raises(ConceptGraphError, match=r"missing/a\.txt: cannot be written"),
        output_folder(missing),
    ):
        pass
