"""`conceptgraph why` as users meet it, on a small drawn data set and an untrained network."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from math import fsum
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from conceptgraph.cli.tables.explanation import print_explanation
from tests.command_line import call
from tests.drawn_data import CLASSES
from tests.image_samples import image_explanation
from tests.made_runs import small_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.user_folder import UserFolder

pytestmark = pytest.mark.slow


def test_why_of_a_class(user_folder: UserFolder) -> None:
    answer = user_folder.json("why --class juggling --top 4 --all-labels")
    assert list(answer)[:3] == ["run", "class", "paths"]
    assert (answer["evidence"], answer["flows"], answer["no_answer"]) == ([], [], None)
    assert (answer["run"], answer["class"]) == ("net", "juggling")
    assert [path["rank"] for path in answer["paths"]] == [1, 2, 3, 4]
    scores = [path["score"] for path in answer["paths"]]
    assert scores == sorted(scores, reverse=True)
    assert list(answer["paths"][0]) == ["rank", "score", "units", "concepts"]
    lines = user_folder.call("why --class juggling --top 4 --all-labels").splitlines()
    for line, path in zip(lines[2:6], answer["paths"], strict=True):
        assert [word for word in line.split() if word.startswith("block")] == path["units"]
        for concept in path["concepts"]:
            text = f"{concept['name']} ({concept['iou']:.2f})" if concept else "—"
            assert text in line


def test_why_through_all_blocks(user_folder: UserFolder) -> None:
    answer = user_folder.json("why --class typing --blocks block1,block2,block3,block4 --top 2")
    blocks = [[unit.split("/")[0] for unit in path["units"]] for path in answer["paths"]]
    assert blocks == [["block1", "block2", "block3", "block4"]] * 2


def test_why_of_an_image(user_folder: UserFolder) -> None:
    explanation = user_folder.json("why --class juggling --image x.jpg --top 5")
    assert list(explanation) == [
        "run", "image", "class", "versus", "method", "blocks", "logit", "probability", "predicted",
        "preprocess", "paths", "coverage", "agreement", "linearised", "multi_label", "searched",
        "accounting", "by_concept", "by_category", "regions", "biases_after", "things", "region",
        "change", "flows",
        "what_if", "unusual", "no_answer", "no_flip", "names_by",
    ]  # fmt: skip
    assert (explanation["image"], explanation["class"], explanation["versus"]) == (
        "x.jpg",
        "juggling",
        None,
    )
    predicted = {row["class"]: row["probability"] for row in explanation["predicted"]}
    assert set(predicted) == set(CLASSES)
    assert fsum(predicted.values()) == pytest.approx(1)
    assert predicted["juggling"] == explanation["probability"]
    path = explanation["paths"][0]
    assert list(path) == ["rank", "contribution", "measured", "units", "concepts"]
    assert [unit.split("/")[0] for unit in path["units"]] == ["block3", "block4"]
    sizes = [abs(path["contribution"]) for path in explanation["paths"]]
    assert sizes == sorted(sizes, reverse=True)
    adds_up(explanation, explanation["logit"])


def adds_up(explanation: Any, value: float) -> None:
    accounting = explanation["accounting"]
    assert list(accounting) == ["paths", "other_paths", "biases", "total"]
    assert accounting["total"] == pytest.approx(value, abs=1e-4)
    parts = accounting["paths"], accounting["other_paths"], accounting["biases"]
    assert fsum(parts) == pytest.approx(accounting["total"], abs=1e-12)
    assert accounting["paths"] == pytest.approx(
        fsum(path["contribution"] for path in explanation["paths"])
    )
    for concept in explanation["by_concept"]:
        assert list(concept) == [
            "name", "category", "contribution", "present", "firing", "below", "probe",
            "for_class", "against_other",
        ]  # fmt: skip
        assert concept["contribution"] == concept["present"]
    paths = fsum(c["present"] + c["firing"] + c["below"] for c in explanation["by_concept"])
    assert paths + accounting["biases"] == pytest.approx(value, abs=1e-3)


def test_why_this_class_and_not_that(user_folder: UserFolder) -> None:
    logits = {
        name: user_folder.json(f"why --class {name} --image x.jpg")["logit"] for name in CLASSES[:2]
    }
    explanation = user_folder.json("why --class juggling --versus typing --image x.jpg")
    assert (explanation["versus"], explanation["logit"]) == ("typing", logits["juggling"])
    adds_up(explanation, logits["juggling"] - logits["typing"])
    text = user_folder.call("why --class juggling --versus typing --image x.jpg --top 3")
    assert "juggling − typing" in text
    assert "raises juggling" in text
    assert "lowers typing" in text


def test_longer_paths_of_an_image(user_folder: UserFolder) -> None:
    blocks = ["block1", "block2", "block3", "block4"]
    for first in range(4):
        chosen = blocks[first:]
        words = f"why --class juggling --image x.jpg --top 4 --blocks {','.join(chosen)} --beam 8"
        explanation = user_folder.json(words)
        assert explanation["blocks"] == chosen
        assert [len(path["units"]) for path in explanation["paths"]] == [len(chosen)] * 4
        assert [block["followed"] for block in explanation["searched"]] == [8] * (len(chosen) - 1)
        adds_up(explanation, explanation["logit"])
        text = user_folder.call(words)
        assert "measured" in text
        assert text.count("Beam search at") == len(chosen) - 1
    failed = call("why", "--image", "x.jpg", "--blocks", "block2,block3", folder=user_folder.folder)
    assert failed.status == 1
    assert "neighbouring blocks to the network's last" in failed.err


def test_ablations_of_concepts_and_units(user_folder: UserFolder) -> None:
    concepts = user_folder.json("why --class juggling --all-labels")["paths"][0]["concepts"]
    uid = next(f"{concept['category']}/{concept['name']}" for concept in concepts if concept)
    words = f"why --image x.jpg --ablate {shlex.quote(uid)}"
    explanation = user_folder.json(
        f"{words} --ablate-unit block3/7 --at block3,block4 --flip --everywhere"
    )
    first = explanation["what_if"][0]
    keys = [
        "concepts",
        "units",
        "by_probe",
        "everywhere",
        "found",
        "least",
        "flips",
        "overtakes",
        "before",
        "after",
        "took_over",
    ]
    assert list(first) == keys
    assert first["concepts"] == [uid]
    assert "block3/7" in first["units"]
    assert {unit.split("/")[0] for unit in first["units"]} <= {"block3", "block4"}
    predicted = explanation["predicted"][0]
    assert first["before"][0] == pytest.approx(predicted)
    assert first["flips"] == (first["after"][0]["class"] != predicted["class"])
    assert all(ablation["flips"] for ablation in explanation["what_if"][1:])
    assert (explanation["no_flip"] is None) == (len(explanation["what_if"]) == 2)
    text = user_folder.call(words)
    assert f"ablation: {uid} (" in text
    failed = call("why", "--image", "x.jpg", "--ablate", "polka doted", folder=user_folder.folder)
    assert "Did you mean 'polka dotted'" in failed.err
    refused = call("why", "--class", "juggling", "--flip", folder=user_folder.folder)
    assert refused.status == 2
    assert "--flip" in refused.err


def test_an_explanation_is_saved_and_can_be_queried(user_folder: UserFolder) -> None:
    saved = user_folder.folder / "net.cg" / "explanations"
    shutil.rmtree(saved, ignore_errors=True)
    user_folder.call("why --image x.jpg --no-keep")
    assert not saved.exists()
    for _ in range(2):
        explanation = user_folder.json("why --image x.jpg --class typing --top 2")
    (file,) = saved.glob("*.json")
    assert json.loads(file.read_text())["answer"]["paths"] == explanation["paths"]
    with Image.open(file.with_suffix(".png")) as picture:
        assert picture.format == "PNG"
    user_folder.call("why --image x.jpg --class typing --versus juggling")
    (row,) = user_folder.json("query saved-images")
    assert (row["path"], row["explanations"]) == ("x.jpg", 2)
    rows = user_folder.json("query image-explanations -p image=x.jpg")
    assert {row["versus"] for row in rows} == {None, "juggling"}


def test_a_wrong_prediction_suggests_what_to_compare(user_folder: UserFolder) -> None:
    predicted = user_folder.json("why --image x.jpg")["class"]
    wrong = next(name for name in CLASSES if name != predicted)
    text = user_folder.call(f"why --image x.jpg --class {wrong}")
    assert f"--class {wrong} --versus {predicted}" in text
    assert "--versus" not in user_folder.call("why --image x.jpg")


def test_without_a_class_the_prediction_is_explained(user_folder: UserFolder) -> None:
    explanation = user_folder.json("why --image x.jpg")
    assert explanation["class"] == explanation["predicted"][0]["class"]


def test_the_tables_of_an_image_show_all_that_adds_up(user_folder: UserFolder) -> None:
    explanation = user_folder.json("why --image x.jpg --class typing --top 3")
    text = user_folder.call("why --image x.jpg --class typing --top 3")
    accounting = next(
        line for line in table_lines(text, "how the logit adds up") if "+" in line or "-" in line
    )
    assert accounting.split() == [f"{value:+.3f}" for value in explanation["accounting"].values()]
    rows = [
        re.findall(r"[+-]\d+\.\d{3}", line)
        for line in table_lines(text, "all paths by the concept")[1:]
    ]
    assert {len(row) for row in rows} == {3}
    shown = fsum(float(number) for row in rows for number in row)
    total = explanation["accounting"]["total"] - explanation["accounting"]["biases"]
    assert shown == pytest.approx(total, abs=0.02)  # each number is rounded to 0.001


def test_marks_and_words_are_explained_where_they_are_shown(user_folder: UserFolder) -> None:
    text = user_folder.call("why --image x.jpg --class typing --region 0,0,20,20")
    (region,) = table_lines(text, "the region asked about")[1:]
    things = table_lines(text, "things in the picture")[1:]
    assert [line.split()[0] for line in (region, *things)] == ["R", "1", "2", "3", "4"][
        : 1 + len(things)
    ]
    assert any("?" in line for line in (region, *things)) == ("“?”: evidence and loss" in text)
    assert text.splitlines()[1].startswith("The region asked about (")


def test_the_places_where_no_concept_is_found_have_one_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_explanation(image_explanation(small_run(tmp_path / "a.cg")), [])
    text = capsys.readouterr().out
    assert table_lines(text, "where it sees each object")[-1].split() == [
        "elsewhere",
        "25%",
        "+0.50",
    ]
    assert "elsewhere → elsewhere" not in text  # a path of which nothing is known
    assert "“elsewhere”: where no object of the concept data is found." in text


def table_lines(text: str, title: str) -> list[str]:
    """Return the lines of one table: header and rows."""
    from_title = text[text.index(title) :]
    return from_title.split("\n\n")[0].splitlines()[1:]


def test_the_class_activation_map_is_a_picture_of_the_image(
    user_folder: UserFolder, tmp_path: Path
) -> None:
    own, again = tmp_path / "own.png", tmp_path / "again.png"
    assert str(own) in user_folder.call(f"why --image x.jpg --cam {own}")
    user_folder.call(f"why --image x.jpg --cam {again} --json")
    with Image.open(user_folder.folder / "x.jpg") as photo, Image.open(own) as cam:
        assert (cam.format, cam.size, cam.mode) == ("PNG", photo.size, "RGB")
        assert cam.tobytes() != photo.tobytes()
    assert own.read_bytes() == again.read_bytes()


def test_no_file_is_written_beside_the_image_unless_it_is_asked_for(
    user_folder: UserFolder,
) -> None:
    before = set(user_folder.folder.iterdir())
    assert "class activation map" not in user_folder.call("why --image x.jpg")
    assert set(user_folder.folder.iterdir()) == before


def test_regions_by_masks(user_folder: UserFolder) -> None:
    image = next((user_folder.folder / "data" / "images").rglob("*.jpg"))
    words = f"why --image {image.relative_to(user_folder.folder)}"
    assert user_folder.json(f"{words} --masks")["regions"] != user_folder.json(words)["regions"]
    assert "Regions by annotation masks: " in user_folder.call(f"{words} --masks")
    assert "annotation masks" not in user_folder.call(words)
    failed = call("why", "--image", "x.jpg", "--masks", folder=user_folder.folder)
    assert (failed.status, failed.err.count("\n")) == (1, 2)  # the run, and what is wrong
    assert "x.jpg is none of the images of the concept data of net" in failed.err
    failed = call("why", "--class", "typing", "--masks", folder=user_folder.folder)
    assert (failed.status, "it needs --image" in failed.err) == (2, True)
