"""The run directory: what is written is read, whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from conceptgraph.errors import QueryError, RunError
from conceptgraph.graph.run.manifest import SCHEMA
from conceptgraph.graph.run.reader import Run, find_run, open_run
from conceptgraph.graph.run.schema import TABLES
from conceptgraph.graph.run.writer import RunWriter, check_out
from conceptgraph.settings import Settings
from tests.made_runs import BLOCK3_BLOCK4, BLOCK4_CLASS, random_run, run_facts, small_run

if TYPE_CHECKING:
    from collections.abc import Callable

FACTS = run_facts({"block3": 3, "block4": 3}, "digest")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    run = small_run(tmp_path / "camvid.cg")
    assert run.name == "camvid"
    assert run.settings == Settings(blocks=("block3", "block4"))
    assert run.blocks == ("block3", "block4")
    assert run.hops == (("block3", "block4"), ("block4", "class"))
    assert run.units["uid"].tolist()[3] == "block4/0"
    assert run.units["label"].isna().tolist() == [False, False, True, False, False, False]
    assert run.interpretable.tolist() == [True, True, False, True, False, False]
    assert run.live("block3").tolist() == [True, True, False]
    assert run.live("class").tolist() == [True, True]
    assert run.iou("block4").shape == (3, 4)
    assert run.iou("block4").loc["block4/2", "object/ball"] == np.float32(0.05)
    assert run.unit("block4/0")["label"] == "juggling"
    np.testing.assert_array_equal(run.contributions("block3", "block4"), BLOCK3_BLOCK4)
    np.testing.assert_array_equal(run.contributions("block4", "class", pre=True), BLOCK4_CLASS)


def test_a_uid_that_is_duplicated(tmp_path: Path) -> None:
    run = small_run(tmp_path / "a.cg")
    run.concepts.iloc[[0, 1, 1]].to_parquet(run.path / "concepts.parquet")
    with pytest.raises(RunError, match=r"concepts\.parquet: uid 'object/ball' is duplicated"):
        open_run(run.path).check()


def test_contributions_are_memory_maps(tmp_path: Path) -> None:
    values = small_run(tmp_path / "a.cg").contributions("block3", "block4")
    assert isinstance(values, np.memmap)
    assert not values.flags.writeable


def test_plain_pandas_numpy_and_json_read_it(tmp_path: Path) -> None:
    small_run(tmp_path / "camvid.cg")
    folder = tmp_path / "camvid.cg"
    for name, columns in TABLES.items():
        assert list(pd.read_parquet(folder / f"{name}.parquet").columns) == list(columns)
    assert np.load(folder / "iou_block4.npy", allow_pickle=False).dtype == np.float32
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["schema"], manifest["uid"], manifest["name"]) == (SCHEMA, "camvid", "camvid")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["camvid.cg"]


def test_a_run_over_earlier_blocks_has_no_hop_to_the_classes(tmp_path: Path) -> None:
    run = random_run(tmp_path / "a.cg", {"block1": 3, "block3": 3})
    assert run.hops == (("block3", "class"),)
    (run.path / "contributions_block3_class.npy").unlink()
    assert not open_run(run.path).hops


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("boom"), RunError("no")])
def test_an_interrupted_writer_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def write() -> None:
        with RunWriter(tmp_path / "a.cg") as writer:
            writer.array("iou_block4", np.zeros((2, 2)))
            assert writer.path.is_dir()
            raise error

    with pytest.raises(type(error)):
        write()
    assert list(tmp_path.iterdir()) == []


def test_leaving_without_commit_leaves_nothing(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "a.cg") as writer:
        writer.array("iou_block4", np.zeros((2, 2)))
    assert list(tmp_path.iterdir()) == []


def _copy_into(writer: RunWriter, run: Run) -> None:
    for name in TABLES:
        writer.table(name, getattr(run, name))
    for file in run.path.glob("*.npy"):
        writer.array(file.stem, np.load(file))


def test_commit_deletes_scratch_and_keeps_thumbnails(tmp_path: Path) -> None:
    earlier = small_run(tmp_path / "a.cg")
    with RunWriter(tmp_path / "b.cg") as writer:
        _copy_into(writer, earlier)
        for folder in ("scratch", "thumbnails"):
            (writer.path / folder).mkdir()
            (writer.path / folder / "x").write_bytes(b"x")
        path = writer.commit(FACTS)
    assert not (path / "scratch").exists()
    assert (path / "thumbnails" / "x").read_bytes() == b"x"
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(open_run(path), name), getattr(earlier, name))


def test_an_existing_run_is_not_touched_without_overwrite(tmp_path: Path) -> None:
    small_run(tmp_path / "a.cg")
    with pytest.raises(RunError, match=r"a run of this name exists.*--overwrite"):
        check_out(tmp_path / "a.cg")
    with pytest.raises(RunError, match="a run of this name exists"):
        RunWriter(tmp_path / "a.cg")
    assert check_out(tmp_path / "a.cg", overwrite=True) == tmp_path / "a.cg"


def test_what_is_not_a_run_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.cg").mkdir()
    (tmp_path / "a.cg" / "thesis.tex").write_text("text")
    with pytest.raises(RunError, match="not a run, so it is not replaced"):
        check_out(tmp_path / "a.cg", overwrite=True)


def test_a_name_must_end_in_cg(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"Call it camvid\.cg"):
        check_out(tmp_path / "camvid")


def test_another_writers_partial_run_is_not_touched(tmp_path: Path) -> None:
    second = RunWriter(tmp_path / "a.cg", overwrite=True)
    with RunWriter(tmp_path / "a.cg") as writer:
        (writer.path / "x").touch()
        for options in ({}, {"overwrite": True}, {"resume": True}):
            with pytest.raises(RunError, match="another ingest is writing this run"):
                RunWriter(tmp_path / "a.cg", **options)
        with pytest.raises(RunError, match="another ingest is writing this run"), second:
            pass
        assert (writer.path / "x").exists()
    with second:
        assert list(second.path.iterdir()) == []


def test_a_run_that_is_replaced_while_it_is_read_is_refused(tmp_path: Path) -> None:
    run = small_run(tmp_path / "a.cg")
    assert len(run.units)
    _overwrite(run.path)
    with pytest.raises(RunError, match="replaced or removed while it was read"):
        len(run.detections)
    assert len(open_run(run.path).detections)


def _overwrite(out: Path) -> None:
    """Overwrite a run with itself, except for the device."""
    with RunWriter(out, overwrite=True) as writer:
        _copy_into(writer, open_run(out))
        writer.commit({**FACTS, "device": "new"})


def _overwrite_with_empty_tables(out: Path) -> None:
    with RunWriter(out, overwrite=True) as writer:
        for name, columns in TABLES.items():
            writer.table(name, pd.DataFrame({column: [] for column in columns}))
        writer.commit(FACTS)


def test_overwrite_failing_before_commit_keeps_the_earlier_run(tmp_path: Path) -> None:
    small_run(tmp_path / "a.cg")
    with pytest.raises(RunError, match="units do not match the manifest"):
        _overwrite_with_empty_tables(tmp_path / "a.cg")
    open_run(tmp_path / "a.cg").check()
    assert [path.name for path in tmp_path.iterdir()] == ["a.cg"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.EIO, "broken disk")])
def test_overwrite_failing_half_way_gives_the_earlier_run_its_name_back(
    tmp_path: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_run(tmp_path / "a.cg")
    rename = Path.rename

    def failing_rename(self: Path, target: Path) -> Path:
        if self.name == "a.cg.partial":
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing_rename)
    expected = RunError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        _overwrite(tmp_path / "a.cg")
    run = open_run(tmp_path / "a.cg")
    run.check()
    assert run.manifest["device"] == "cpu"
    assert [path.name for path in tmp_path.iterdir()] == ["a.cg"]


def test_overwrite_replaces_the_earlier_run(tmp_path: Path) -> None:
    small_run(tmp_path / "a.cg")
    _overwrite(tmp_path / "a.cg")
    assert open_run(tmp_path / "a.cg").manifest["device"] == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.cg"]


def test_a_run_cut_off_while_being_replaced_says_where_it_is(tmp_path: Path) -> None:
    small_run(tmp_path / "a.cg").path.rename(tmp_path / "a.cg.earlier")
    with pytest.raises(RunError, match=r"rename a\.cg\.earlier to a\.cg"):
        open_run(tmp_path / "a.cg")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    run = small_run(tmp_path / "a.cg")
    with RunWriter(tmp_path / "b.cg") as writer:
        for name in ("units.parquet", "iou_block4.npy"):
            (writer.path / name).symlink_to("/dev/full")
        with pytest.raises(RunError, match=r"units\.parquet: cannot be written"):
            writer.table("units", run.units)
        with pytest.raises(RunError, match=r"iou_block4\.npy: cannot be written"):
            writer.array("iou_block4", np.zeros((300, 300)))


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    run = small_run(tmp_path / "a.cg")
    with RunWriter(tmp_path / "b.cg") as writer:
        with pytest.raises(RunError, match=r"units\.parquet: no column label, status; found"):
            writer.table("units", run.units.drop(columns=["label", "status"]))
        with pytest.raises(RunError, match=r"classes\.parquet: a column of another type"):
            writer.table("classes", run.classes.assign(index=["a", "b"]))
    run.classes[["uid"]].to_parquet(run.path / "classes.parquet")
    with pytest.raises(RunError, match=r"classes\.parquet: no column name, index"):
        _ = open_run(run.path).classes


def test_a_detection_of_an_unknown_concept_is_refused(tmp_path: Path) -> None:
    run = small_run(tmp_path / "a.cg")
    detections = run.detections.assign(concept=run.detections["concept"].str.split("/").str[1])
    with RunWriter(tmp_path / "b.cg") as writer:
        _copy_into(writer, run)
        writer.table("detections", detections)
        with pytest.raises(RunError, match="'polka dotted'; expected a concept of the run"):
            writer.commit(FACTS)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("classes.parquet", b"junk", r"classes\.parquet: not the table it should be"),
        ("contributions_block4_class.npy", b"junk", r"class\.npy: not a \.npy array"),
        ("contributions_block4_class.npy", b"", r"class\.npy: not a \.npy array"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, file: str, content: bytes, message: str) -> None:
    run = small_run(tmp_path / "a.cg")
    (run.path / file).write_bytes(content)
    with pytest.raises(RunError, match=message):
        open_run(run.path).check()


def test_an_array_of_another_shape_is_named(tmp_path: Path) -> None:
    run = small_run(tmp_path / "a.cg")
    np.save(run.path / "iou_block4.npy", np.zeros((3, 9), dtype=np.float32))
    with pytest.raises(RunError, match=r"iou_block4\.npy: .*\(3, 9\) float32; expected \(3, 4\)"):
        open_run(run.path).iou("block4")


def test_missing_files_are_named(tmp_path: Path) -> None:
    run = small_run(tmp_path / "a.cg")
    (run.path / "contributions_block3_block4.npy").unlink()
    (run.path / "units.parquet").unlink()
    with pytest.raises(RunError, match=r"units\.parquet: cannot be read: No such file"):
        _ = run.path, open_run(run.path).units
    with pytest.raises(RunError, match=r"block3_block4\.npy: cannot be read: No such file"):
        open_run(run.path).contributions("block3", "block4")


def test_unknown_names_are_query_errors(tmp_path: Path) -> None:
    run = small_run(tmp_path / "a.cg")
    with pytest.raises(QueryError, match=r"no unit 'block4/33'.*Did you mean 'block4/"):
        run.unit("block4/33")
    with pytest.raises(QueryError, match="has no 'block1'; expected block3, block4"):
        run.iou("block1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": 2}', r"written by a newer conceptgraph \(schema 2\); this one reads up to 1"),
        ("{", "not a run's manifest: Input data was truncated"),
        ("\udc80", "not a run's manifest: JSON is malformed"),
        ("[]", "not a run's manifest"),
        ('{"schema": "1"}', "not a run's manifest"),
        ('{"schema": 1, "uid": "a", "min_iou": 0.04}', "not a whole manifest"),
        ('{"schema": 1, "uid": "a", "min_iou": 0.04, "blocks": {"x": {}}}', "not a whole manifest"),
    ],
)
def test_a_manifest_that_does_not_fit(tmp_path: Path, text: str, message: str) -> None:
    run = small_run(tmp_path / "a.cg")
    file = run.path / "manifest.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunError, match=message):
        open_run(run.path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("created"), r"missing required field `created`\. Ingest again"),
        (lambda m: m.pop("model"), r"missing required field `model`"),
        (lambda m: m["model"].pop("weights"), r"missing required field `weights` - at `\$\.model`"),
        (
            lambda m: m["data"].update(images="ten"),
            r"got `str` - at `\$\.data\.images`",
        ),
        (lambda m: m.update(blocks={}), r"Expected `object` of length >= 1 - at `\$\.blocks`"),
        (
            lambda m: m["blocks"].update(layer4={}),
            r"`str` matching regex.* in `\$\.blocks`",
        ),
        (
            lambda m: m["blocks"]["block4"].pop("width"),
            r"required field `width` - at `\$\.blocks",
        ),
        (lambda m: m["settings"].pop("top_k"), "settings not valid; found no setting top_k"),
        (lambda m: m["settings"].update(dice=1), "found unknown setting dice"),
        (lambda m: m["settings"].update(top_k=0), "top-k out of range; found 0"),
        (lambda m: m["settings"].update(quantile="low"), "settings not valid"),
    ],
)
def test_a_manifest_in_which_something_is_missing(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    run = small_run(tmp_path / "a.cg")
    file = run.path / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    change(manifest)
    file.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(RunError, match=message):
        open_run(run.path)


def test_no_run_and_an_unfinished_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no such run.*conceptgraph ingest"):
        open_run(tmp_path / "a.cg")
    (tmp_path / "a.cg.partial").mkdir()
    with pytest.raises(RunError, match="never finished"):
        open_run(tmp_path / "a.cg.partial")


def test_find_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONCEPTGRAPH_RUN", raising=False)
    with pytest.raises(RunError, match=r"no run named.*--run"):
        find_run()
    for age, name in ((30, "a.cg"), (10, "b.cg"), (20, "c.cg")):
        small_run(tmp_path / name)
        os.utime(tmp_path / name / "manifest.json", (1e9 - age, 1e9 - age))
    (tmp_path / "d.cg").mkdir()
    assert find_run() == Path("b.cg")
    monkeypatch.setenv("CONCEPTGRAPH_RUN", "a.cg")
    assert find_run() == Path("a.cg")
    assert find_run(tmp_path / "c.cg") == tmp_path / "c.cg"


def test_importing_the_graph_is_quick() -> None:
    code = (
        "import sys, conceptgraph.graph.run.writer, conceptgraph.graph.records;"
        "import conceptgraph.queries.paths, conceptgraph.queries.cards;"
        "assert not {'torch', 'pandas', 'pyarrow', 'networkx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
