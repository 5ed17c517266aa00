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

from tests.command_line import call
from tests.drawn_data import CLASSES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.user_folder import Desk


def test_why_of_a_class(desk: Desk) -> None:
    found = desk.json("why --class juggling --top 4")
    assert list(found) == ["run", "class", "paths"]
    assert (found["run"], found["class"]) == ("net", "juggling")
    assert [path["rank"] for path in found["paths"]] == [1, 2, 3, 4]
    scores = [path["score"] for path in found["paths"]]
    assert scores == sorted(scores, reverse=True)
    assert list(found["paths"][0]) == ["rank", "score", "units", "concepts"]
    lines = desk.call("why --class juggling --top 4").splitlines()
    for line, path in zip(lines[2:6], found["paths"], strict=True):
        assert [word for word in line.split() if word.startswith("block")] == path["units"]
        for concept in path["concepts"]:
            text = f"{concept['name']} ({concept['iou']:.2f})" if concept else "—"
            assert text in line


def test_why_through_all_blocks(desk: Desk) -> None:
    found = desk.json("why --class typing --blocks block1,block2,block3,block4 --top 2")
    blocks = [[unit.split("/")[0] for unit in path["units"]] for path in found["paths"]]
    assert blocks == [["block1", "block2", "block3", "block4"]] * 2


def test_why_of_an_image(desk: Desk) -> None:
    found = desk.json("why --class juggling --image x.jpg --top 5")
    assert list(found) == [
        "run", "image", "class", "versus", "method", "blocks", "logit", "probability", "predicted",
        "paths", "coverage", "agreement", "searched", "accounting", "by_concept", "by_category",
        "what_if",
    ]  # fmt: skip
    assert (found["image"], found["class"], found["versus"]) == ("x.jpg", "juggling", None)
    predicted = {row["class"]: row["probability"] for row in found["predicted"]}
    assert set(predicted) == set(CLASSES)
    assert fsum(predicted.values()) == pytest.approx(1)
    assert predicted["juggling"] == found["probability"]
    path = found["paths"][0]
    assert list(path) == ["rank", "contribution", "measured", "units", "concepts"]
    assert [unit.split("/")[0] for unit in path["units"]] == ["block3", "block4"]
    sizes = [abs(path["contribution"]) for path in found["paths"]]
    assert sizes == sorted(sizes, reverse=True)
    adds_up(found, found["logit"])


def adds_up(found: Any, whole: float) -> None:
    account = found["accounting"]
    assert list(account) == ["paths", "other_paths", "biases", "total"]
    assert account["total"] == pytest.approx(whole, abs=1e-4)
    parts = account["paths"], account["other_paths"], account["biases"]
    assert fsum(parts) == pytest.approx(account["total"], abs=1e-12)
    assert account["paths"] == pytest.approx(fsum(path["contribution"] for path in found["paths"]))
    for share in found["by_concept"]:
        assert list(share) == [
            "name", "category", "contribution", "present", "firing", "below", "probe",
            "for_class", "against_other",
        ]  # fmt: skip
        assert share["contribution"] == share["present"]
    shares = fsum(s["present"] + s["firing"] + s["below"] for s in found["by_concept"])
    assert shares + account["biases"] == pytest.approx(whole, abs=1e-3)


def test_why_this_class_and_not_that(desk: Desk) -> None:
    logits = {name: desk.json(f"why --class {name} --image x.jpg")["logit"] for name in CLASSES[:2]}
    found = desk.json("why --class juggling --versus typing --image x.jpg")
    assert (found["versus"], found["logit"]) == ("typing", logits["juggling"])
    adds_up(found, logits["juggling"] - logits["typing"])
    text = desk.call("why --class juggling --versus typing --image x.jpg")
    assert "juggling − typing" in text
    assert "raises juggling" in text
    assert "lowers typing" in text


def test_longer_paths_of_an_image(desk: Desk) -> None:
    blocks = ["block1", "block2", "block3", "block4"]
    for first in range(4):
        chosen = blocks[first:]
        words = f"why --class juggling --image x.jpg --top 4 --blocks {','.join(chosen)} --beam 8"
        found = desk.json(words)
        assert found["blocks"] == chosen
        assert [len(path["units"]) for path in found["paths"]] == [len(chosen)] * 4
        assert [level["followed"] for level in found["searched"]] == [8] * (len(chosen) - 1)
        adds_up(found, found["logit"])
        text = desk.call(words)
        assert "measured" in text
        assert text.count("Followed from") == len(chosen) - 1
    failed = call("why", "--image", "x.jpg", "--blocks", "block2,block3", folder=desk.folder)
    assert failed.status == 1
    assert "neighbouring blocks to the network's last" in failed.err


def test_what_if_some_units_saw_nothing(desk: Desk) -> None:
    cards = desk.json("why --class juggling")["paths"][0]["concepts"]
    concept = next(each["name"] for each in cards if each)
    category = next(each["category"] for each in cards if each)
    words = f"why --image x.jpg --without {shlex.quote(f'{category}/{concept}')}"
    found = desk.json(f"{words} --without-unit block3/7 --at block3,block4 --flip --everywhere")
    first = found["what_if"][0]
    keys = [
        "concepts",
        "units",
        "everywhere",
        "found",
        "least",
        "flips",
        "before",
        "after",
        "took_over",
    ]
    assert list(first) == keys
    assert first["concepts"] == [f"{category}/{concept}"]
    assert "block3/7" in first["units"]
    assert {each.split("/")[0] for each in first["units"]} <= {"block3", "block4"}
    predicted = found["predicted"][0]
    assert first["before"][0] == pytest.approx(predicted)
    assert first["flips"] == (first["after"][0]["class"] != predicted["class"])
    assert all(trial["flips"] for trial in found["what_if"][1:])
    text = desk.call(words)
    assert f"without {category}/{concept}" in text
    failed = call("why", "--image", "x.jpg", "--without", "polka doted", folder=desk.folder)
    assert "Did you mean 'polka dotted'" in failed.err
    refused = call("why", "--class", "juggling", "--flip", folder=desk.folder)
    assert refused.status == 2
    assert "--flip" in refused.err


def test_an_explanation_is_kept_and_found_again(desk: Desk) -> None:
    kept = desk.folder / "net.cg" / "explanations"
    shutil.rmtree(kept, ignore_errors=True)
    desk.call("why --image x.jpg --no-keep")
    assert not kept.exists()
    for _ in range(2):
        found = desk.json("why --image x.jpg --class typing --top 2")
    (file,) = kept.glob("*.json")
    assert json.loads(file.read_text())["answer"]["paths"] == found["paths"]
    with Image.open(file.with_suffix(".png")) as picture:
        assert picture.format == "PNG"
    desk.call("why --image x.jpg --class typing --versus juggling")
    (row,) = desk.json("query saved-images")
    assert (row["path"], row["explanations"]) == ("x.jpg", 2)
    rows = desk.json("query image-explanations -p image=x.jpg")
    assert {row["versus"] for row in rows} == {None, "juggling"}


def test_a_wrong_prediction_suggests_what_to_compare(desk: Desk) -> None:
    predicted = desk.json("why --image x.jpg")["class"]
    wrong = next(name for name in CLASSES if name != predicted)
    text = desk.call(f"why --image x.jpg --class {wrong}")
    assert f"--class {wrong} --versus {predicted}" in text
    assert "--versus" not in desk.call("why --image x.jpg")


def test_without_a_class_the_prediction_is_explained(desk: Desk) -> None:
    found = desk.json("why --image x.jpg")
    assert found["class"] == found["predicted"][0]["class"]


def test_the_tables_of_an_image_show_all_that_adds_up(desk: Desk) -> None:
    found = desk.json("why --image x.jpg --class typing --top 3")
    text = desk.call("why --image x.jpg --class typing --top 3")
    account = next(
        line for line in after(text, "how the logit adds up") if "+" in line or "-" in line
    )
    assert account.split() == [f"{value:+.3f}" for value in found["accounting"].values()]
    rows = [
        re.findall(r"[+-]\d+\.\d{3}", line) for line in after(text, "all paths by the concept")[1:]
    ]
    assert {len(row) for row in rows} == {3}
    shown = fsum(float(number) for row in rows for number in row)
    total = found["accounting"]["total"] - found["accounting"]["biases"]
    assert shown == pytest.approx(total, abs=0.02)  # each is rounded to 0.001


def after(text: str, title: str) -> list[str]:
    """The lines of one table: header and rows."""
    part = text[text.index(title) :]
    return part.split("\n\n")[0].splitlines()[1:]


def test_the_class_activation_map_is_a_picture_of_the_image(desk: Desk, tmp_path: Path) -> None:
    assert "x.cam.png" in desk.call("why --image x.jpg")
    default = desk.folder / "x.cam.png"
    desk.call(f"why --image x.jpg --cam {tmp_path / 'own.png'} --json")
    with Image.open(desk.folder / "x.jpg") as photo, Image.open(default) as cam:
        assert (cam.format, cam.size, cam.mode) == ("PNG", photo.size, "RGB")
        assert cam.tobytes() != photo.tobytes()
    assert (tmp_path / "own.png").read_bytes() == default.read_bytes()
    default.unlink()
    desk.call("why --image x.jpg --json")
    assert not default.exists()
