"""Formulas of a network whose units are made by hand: those that are there are found, no others."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from conceptgraph.errors import DataError, RunError
from conceptgraph.explain.formulas import find_formulas, run_data
from conceptgraph.graph.records import records
from conceptgraph.graph.run.formulas import FormulaLabels, read_formulas, write_formulas
from conceptgraph.graph.run.reader import open_run
from conceptgraph.graph.stores.memory import open_store
from conceptgraph.graph.uids import concept_uids
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.queries.questions.formulas import Formulas
from conceptgraph.settings import Settings
from tests import reference
from tests.coded_world import (
    MASK,
    SCENES,
    coded_network,
    draw_coded_world,
    planted_units,
)
from tests.command_line import call

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.graph.run.reader import Run

IMAGES = 300
UNIONS = [place for place, unit in enumerate(planted_units()) if " OR " in unit.name]
OTHERS = [place for place, unit in enumerate(planted_units()) if not unit.name]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The planted units, dissected at the size of two concepts."""
    return coded_run(tmp_path_factory.mktemp("coded"), IMAGES, 0.05)


@pytest.fixture(scope="module")
def formulas(run: Run) -> FormulaLabels:
    found = find_formulas(run)
    write_formulas(run, found)
    return found


def coded_run(folder: Path, images: int, quantile: float, seed: int = 0) -> Run:
    data = draw_coded_world(folder / "data", images, seed)
    settings = Settings(quantile=quantile, modules=("layer2",), iou="paper")
    return ingest("tests.coded_world:coded_network", data, folder / "net.cg", settings)


def by_unit(formulas: FormulaLabels) -> pd.DataFrame:
    rows: pd.DataFrame = formulas.labels.set_index(
        formulas.labels["unit"].str.removeprefix("block1/").astype(int)
    )
    return rows


def test_planted_unions_are_found_and_nothing_else(formulas: FormulaLabels) -> None:
    rows = by_unit(formulas)
    planted = [unit.name for unit in planted_units()]
    found = rows.loc[UNIONS]
    assert found["holds"].all()
    assert found["formula"].tolist() == [planted[place] for place in UNIONS]
    assert (found["iou"] > 1.1 * found["concept_iou"]).all()
    assert (found["held_out_iou"] > 1.1 * found["held_out_part_iou"]).all()
    assert (found["gain_low"] > 0).all()
    others = rows[rows.index.isin(OTHERS)]
    assert len(others) > 20
    assert not others["holds"].any()
    assert not others["significant"].any()


def test_intersections_and_differences_are_found(tmp_path: Path) -> None:
    rows = by_unit(find_formulas(coded_run(tmp_path, IMAGES, 0.015)))
    for place, unit in enumerate(planted_units()):
        if " AND " in unit.name:
            assert rows.loc[place, "formula"] == unit.name
    held = rows["formula"][rows["holds"]]
    assert {"boat AND dotted", "chair AND striped"} <= set(held)
    assert not rows.loc[rows.index.isin(OTHERS), "holds"].any()


def test_iou_is_that_of_the_masks(run: Run, formulas: FormulaLabels) -> None:
    data = run_data(run)
    network = coded_network().eval()
    blocks = network.get_submodule("layer1"), network.get_submodule("layer2")
    intersection, union = np.zeros(len(UNIONS)), np.zeros(len(UNIONS))
    limits = run.units["threshold"].to_numpy(np.float64)
    names = [concept.name for concept in data.concepts]
    for image in data.images:
        pixels = torch.from_numpy(np.array(Image.open(image.path))).permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            maps = blocks[1](blocks[0](pixels))[0].numpy()
        masks = reference.activation_masks(maps, limits, MASK, MASK)
        labels = [np.array(Image.open(path))[..., 0] for path in image.mask_paths]
        for row, place in enumerate(UNIONS):
            wanted = [names.index(name) + 1 for name in planted_units()[place].any_of]
            holds = np.isin(labels[0], wanted) | np.isin(labels[1], wanted)
            intersection[row] += (holds & masks[place]).sum()
            union[row] += (holds | masks[place]).sum()
    expected = intersection / union
    np.testing.assert_allclose(by_unit(formulas).loc[UNIONS, "iou"], expected, atol=2e-3)


def test_the_best_concept_is_that_of_unrestricted_iou(run: Run, formulas: FormulaLabels) -> None:
    labels = formulas.labels.set_index("unit")
    units = run.units.set_index("uid").loc[labels.index]
    best = concept_uids(units["category_unrestricted"], units["label_unrestricted"])
    same = labels["concept"] == best  # formulas look at a part of the images for the best one
    assert same.mean() > 0.8
    found = labels["concept_iou"]
    np.testing.assert_allclose(found[same], units["iou_unrestricted"][same], atol=1e-9)
    assert (found <= units["iou_unrestricted"] + 1e-9).all()


def test_labels_of_other_images_give_no_formula(tmp_path: Path) -> None:
    data = draw_coded_world(tmp_path / "data", 200, seed=3)
    index = pd.read_csv(data / "index.csv")
    masks = ["object", "texture", "scene"]
    index[masks] = index[masks].sample(frac=1, random_state=0).to_numpy()
    index.to_csv(data / "index.csv", index=False)
    settings = Settings(quantile=0.05, modules=("layer2",))
    run = ingest("tests.coded_world:coded_network", data, tmp_path / "net.cg", settings)
    labels = find_formulas(run).labels
    assert not labels["holds"].any()
    assert not labels["significant"].any()


def test_the_command_keeps_formulas_for_cards_the_graph_and_questions(
    run: Run, formulas: FormulaLabels, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.cg"
    shutil.copytree(run.path, copy)
    (copy / "formulas.json").unlink()
    done = call("formulas", "--run", copy, "--data", run.manifest["data"]["folder"],
                "--model", "tests.coded_world:coded_network", folder=tmp_path)  # fmt: skip
    assert done.status == 0, done.err
    assert "formulas of 14 concepts, chosen on" in " ".join(done.out.split())
    assert "river OR water" in done.out
    kept = read_formulas(open_run(copy))
    assert kept is not None
    pd.testing.assert_frame_equal(kept.labels, formulas.labels)
    assert kept[1:] == formulas[1:]
    assert not list(copy.glob("scratch-*"))
    printed = json.loads(call("formulas", "--run", run.path, "--json", folder=tmp_path).out)
    assert printed["chosen_images"] + printed["held_out_images"] == IMAGES
    assert printed["units"][0]["formula"] == "river OR water"
    card = call("show", "block1/0", "--run", run.path, folder=tmp_path).out
    assert "Formula: river OR water, IoU " in card
    alone = call("show", f"block1/{OTHERS[0]}", "--run", run.path, folder=tmp_path).out
    assert "Formula: none" in alone
    shown = json.loads(call("show", "block1/0", "--run", run.path, "--json", folder=tmp_path).out)
    assert shown["formula"]["formula"] == "river OR water"
    rows = open_store(run).ask(Formulas(run.name))
    held = formulas.labels[formulas.labels["holds"]].sort_values("iou", ascending=False)
    assert [(row.unit, row.formula) for row in rows] == list(
        zip(held["unit"], held["formula"], strict=True)
    )
    nodes = {node.uid: node.properties for node in records(run).nodes}
    assert nodes[f"{run.name}/block1/0"]["formula_concept"] == held["concept"].iloc[
        list(held["unit"]).index("block1/0")
    ]  # fmt: skip
    assert "formula" not in nodes[f"{run.name}/block1/{OTHERS[0]}"]


def test_a_report_shows_the_best_unit_of_each_formula(
    run: Run, formulas: FormulaLabels, tmp_path: Path
) -> None:
    done = call("report", "--run", run.path, "-o", "report.html", folder=tmp_path)
    assert done.status == 0, done.err
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    section = page.split('aria-label="Units with a formula"')[1].split("</section>")[0]
    held = formulas.labels[formulas.labels["holds"]]
    assert section.count("<figure>") == held["formula"].nunique()
    for formula in held["formula"]:
        assert f"<bdi>{formula}</bdi>" in section


def copied(run: Run, tmp_path: Path) -> tuple[Path, Path]:
    """Copy a run and its data; the manifest of the copy names the copied data."""
    path, data = tmp_path / "bad.cg", tmp_path / "data"
    shutil.copytree(run.path, path)
    shutil.copytree(run.manifest["data"]["folder"], data)
    return path, data


def test_bad_input_is_one_line(run: Run, tmp_path: Path) -> None:
    path, data = copied(run, tmp_path)
    words = ("formulas", "--run", path, "--model", "tests.coded_world:coded_network", "--data")

    def error_of(folder: Path) -> str:
        done = call(*words, folder, folder=tmp_path)
        assert done.status == 1
        assert done.err.count("\n") == 1
        return done.err

    assert "the concept data of the run are gone" in error_of(tmp_path / "nowhere")
    other = draw_coded_world(tmp_path / "other", 30, seed=9)
    assert "not the concept data that run net was made of" in error_of(other)
    image = data / "images" / "0007.png"
    content = image.read_bytes()
    image.unlink()
    assert "image" in error_of(data)
    image.write_bytes(content)
    for file in (data / "images").glob("0*.png"):  # other pictures, whose files have the same size
        size = file.stat().st_size
        Image.new("RGB", (64, 64), (25, 0, 0)).save(file)
        file.write_bytes(file.read_bytes().ljust(size, b"\0")[:size])
    assert "the images are not those that run net was made of" in error_of(data)
    units = pd.read_parquet(path / "units.parquet")
    units.assign(threshold=np.nan).to_parquet(path / "units.parquet")
    assert "column threshold; found a missing value" in error_of(data)


def test_images_that_somebody_elses_run_names_are_not_read(run: Run, tmp_path: Path) -> None:
    path, _ = copied(run, tmp_path)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "created": "yesterday"}))
    done = call("formulas", "--run", path, folder=tmp_path)
    assert done.status == 1
    assert "the images of run net are outside of it" in done.err
    assert "with --data" in done.err


def test_one_concept_or_few_images_are_too_few(tmp_path: Path) -> None:
    data = draw_coded_world(tmp_path / "data", 60, seed=4)
    index = pd.read_csv(data / "index.csv")
    index.assign(object=np.nan, texture=np.nan, scene=15).to_csv(data / "index.csv", index=False)
    labels = pd.read_csv(data / "label.csv")
    labels[labels["name"] == SCENES[1]].to_csv(data / "label.csv", index=False)
    settings = Settings(quantile=0.05, modules=("layer2",))
    number = int(labels["number"][labels["name"] == SCENES[1]].iloc[0])
    index.assign(object=np.nan, texture=np.nan, scene=number).to_csv(
        data / "index.csv", index=False
    )
    run = ingest("tests.coded_world:coded_network", data, tmp_path / "net.cg", settings)
    with pytest.raises(DataError, match=r"a formula needs two concepts.*found 1 of 1"):
        find_formulas(run)
    few = coded_run(tmp_path / "few", 20, 0.05)
    with pytest.raises(DataError, match=r"too few images for formulas.*14 to choose.*6 held out"):
        find_formulas(few)


def test_a_damaged_file_of_formulas_is_named(
    run: Run, formulas: FormulaLabels, tmp_path: Path
) -> None:
    path = tmp_path / "copy.cg"
    shutil.copytree(run.path, path)
    copy = open_run(path)
    (path / "formulas.json").write_text("[]")
    with pytest.raises(RunError, match="not the formulas of units"):
        read_formulas(copy)
    write_formulas(copy, formulas._replace(labels=formulas.labels.assign(unit="block9/9")))
    with pytest.raises(RunError, match=r"column unit; found .*; expected a unit of the run"):
        read_formulas(copy)
    write_formulas(copy, formulas._replace(labels=formulas.labels.assign(unit="block1/0")))
    with pytest.raises(RunError, match="unit 'block1/0' is duplicated"):
        read_formulas(copy)
