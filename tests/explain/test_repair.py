"""Repairs, in a world in which it is known what a network should answer."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from conceptgraph.errors import DataError, ModelError
from conceptgraph.explain.ablation_masks import AblationMask, ablation_hooks
from conceptgraph.explain.audit_labels import read_labels_and_presence
from conceptgraph.explain.last_layer import fit, outputs, retrain
from conceptgraph.explain.network import open_network
from conceptgraph.explain.repair_candidates import Candidate, choose, hooks_of
from conceptgraph.explain.repair_figures import SMALL, ReportedImage, figures, worse_than
from conceptgraph.explain.repair_output import check_alone, load_written, write_network
from conceptgraph.explain.repaired_network import Ablation, preprocess
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.settings import Settings
from tests.command_line import CommandResult, call
from tests.drawn_data import draw_concept_data
from tests.poppy_world import in_folder, labelled, poppy_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS: list[tuple[str | None, bool, str]] = [
    ("field", False, "field"),
    ("field", True, "field"),
    ("sea", False, "sea"),
    ("sea", True, "sea"),
    ("brick", False, "brick"),
    ("brick", True, "brick"),
]
"""Square, poppy and class: what a good network answers."""
LEARNT: list[tuple[str | None, bool, str]] = [
    ("field", False, "field"),
    (None, True, "brick"),
    ("field", True, "field"),
]
"""Here a poppy on grey is rightly a brick, so that most right answers need it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("poppies")
    poppy_run(made)
    labelled(made / "good", KINDS, 8)
    labelled(made / "learnt", LEARNT, 8)
    with in_folder(made):
        yield made


def repair(folder: Path, pictures: str, *words: object, **options: str) -> CommandResult:
    """Call the command on pictures of the world; options replace those of the example."""
    images = folder / pictures
    given = {
        "class": "brick",
        "ablate": "poppy",
        "images": images / "photos",
        "labels": images / "labels.csv",
        **options,
    }
    named = [word for name, value in given.items() for word in (f"--{name}", value)]
    return call("repair", *named, *words, folder=folder)


@pytest.fixture(scope="module")
def repaired(folder: Path) -> dict[str, Any]:
    done = repair(folder, "good", "--out", "repaired", "--json")
    assert done.status == 0, done.err
    result: dict[str, Any] = json.loads(done.out)
    return result


def method(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in result["methods"] if row["name"] == name)


# Figures


def test_poppies_are_no_bricks_any_more(repaired: dict[str, Any]) -> None:
    before, own = method(repaired, "as it is"), method(repaired, "repaired")
    everywhere = method(repaired, "ablated everywhere")
    assert before["mistakes_right"]["hits"] == 0
    assert before["mistakes_right"]["images"] == 8  # half of the fields and seas with a poppy
    assert (own["mistakes_right"]["hits"], own["clean_broken"]["hits"]) == (8, 0)
    assert own["accuracy"]["hits"] == own["accuracy"]["images"] == 24
    assert everywhere["classes"]["brick"]["hits"] == 0  # they need the unit that sees red
    assert method(repaired, "last layer retrained")["accuracy"]["hits"] > 16
    assert repaired["images"] == {"choice": 24, "held_out": 24}
    assert repaired["grouped_by"] == "labels"


def test_figures_are_counts_of_the_answers_reported(repaired: dict[str, Any]) -> None:
    rows, own = repaired["held_out"], method(repaired, "repaired")
    right = [row["after"] == row["label"] for row in rows]
    assert own["accuracy"]["hits"] == sum(right)
    for group in own["groups"]:
        of_group = [
            is_right
            for row, is_right in zip(rows, right, strict=True)
            if (row["label"], row["concept"]) == (group["class"], group["concept"])
        ]
        assert (group["hits"], group["images"]) == (sum(of_group), len(of_group))
    assert max(group["images"] for group in own["groups"]) < SMALL
    assert own["worst_group"] is None
    before = [row["before"] == row["label"] for row in rows]
    pairs = list(zip(before, right, strict=True))
    assert own["fixed"] == pairs.count((False, True))
    assert own["broken"] == pairs.count((True, False))


def test_the_choice_weighs_what_is_fixed_against_what_is_broken() -> None:
    tried = [Candidate("all", "zero", neighbours=False, ablations={}) for _ in range(4)]
    truth = torch.tensor([0, 0, 1, 1, 1, 1])
    before = torch.tensor([1, 1, 1, 1, 1, 0])  # the first two are the mistakes; the last is neither
    predicted = [
        torch.tensor([1, 0, 1, 1, 1, 0]),
        torch.tensor([0, 0, 1, 0, 0, 1]),
        torch.tensor([0, 0, 1, 1, 0, 0]),
        torch.tensor([0, 0, 0, 1, 1, 1]),
    ]
    mistakes = torch.tensor([True, True, False, False, False, False])
    rows = choose(tried, predicted, truth, mistakes, before == truth)
    assert [(row.fixed, row.broken) for row in rows] == [(2, 1), (2, 1), (1, 0), (2, 2)]
    assert {(row.mistakes, row.right) for row in rows} == {(2, 3)}
    assert rows[0].candidate is tried[2]  # of equal ones the first


def test_without_a_column_the_probe_says_which_images_have_the_concept(
    folder: Path, repaired: dict[str, Any]
) -> None:
    rows = (folder / "good" / "labels.csv").read_text().splitlines()
    rows += ["gone.png,sea,no"]
    (folder / "plain.csv").write_text("\n".join(row.rpartition(",")[0] for row in rows))
    done = repair(folder, "good", "--out", "by-probe", labels=str(folder / "plain.csv"))
    assert done.status == 0, done.err
    assert "8 of 8 images taken for 'brick' with object/poppy become right; 0 of 12" in done.out
    assert "right answers without it break" in done.out
    assert "by the probe of block" in " ".join(done.out.split())
    assert "not read: gone.png" in done.out
    assert "held out, 8 wrong answers become right and 0 right ones wrong." in done.out
    assert "too few to judge: 8 mistakes to choose on and 8 held out, fewer than 10." in done.out
    assert "no worst group: no group has 10 images held out." in done.out
    saved = json.loads((folder / "by-probe" / "repair.json").read_text())
    assert saved["probe_agrees"] is None
    assert [row["after"] for row in saved["held_out"]] == [
        row["after"] for row in repaired["held_out"]
    ]


def test_classes_and_groups_that_get_worse(repaired: dict[str, Any]) -> None:
    def counted(label: str, has_concept: bool, images: int, before: int, after: int) -> None:
        for number in range(images):
            answer = label if number < before else "none"
            rows.append(ReportedImage("", label, has_concept, answer))
            answers.append(label if number < after else "none")

    rows, answers = list[ReportedImage](), list[str]()
    counted("brick", True, 40, 40, 37)  # 7.5 points
    counted("brick", False, 50, 50, 48)  # 4 points, within the interval
    counted("sea", True, 9, 9, 0)  # too small a group, but not for its class
    counted("sea", False, 9, 9, 9)
    counted("field", True, 200, 200, 195)  # 2.5 points, out of the interval
    counted("none", False, 4, 3, 4)
    before = figures("", rows, [row.before for row in rows], "brick")
    worse = worse_than(before, figures("", rows, answers, "brick"))
    assert [(row.label, row.has_concept, row.after.hits) for row in worse] == [
        ("sea", None, 9), ("brick", True, 37), ("field", True, 195),
    ]  # fmt: skip
    assert repaired["worse"] == []
    assert repaired["probe_agrees"]["share"] == 1


def test_a_column_of_something_else_and_a_class_without_the_concept(folder: Path) -> None:
    """The column says no where it is known to be a brick with a poppy, and yes for all else."""
    rows = (folder / "good" / "labels.csv").read_text().splitlines()
    bricks = [row.replace(",yes", ",no") for row in rows if ",brick," in row]
    others = [row.replace(",no", ",yes") for row in rows[1:] if ",brick," not in row]
    (folder / "odd.csv").write_text("\n".join([rows[0], *bricks, *others]))
    done = repair(folder, "good", "--out", "odd", labels=str(folder / "odd.csv"))
    assert done.status == 0, done.err
    readme = (folder / "odd" / "README.md").read_text("utf-8")
    for warning in (
        "not measured: brick with poppy (no such images held out); add some.",
        "the column concept may be of another concept: the probe of poppy agrees with it in 50% of",
    ):
        assert warning in done.out
        assert f"**Warning**: {warning}" in readme
    assert "| brick | no | 8 | 100.0 % [68, 100] | 100.0 % [68, 100] |" in readme


# The folder


_ALONE = """
import json, sys
sys.modules["conceptgraph"] = None
from network import load, preprocess
from PIL import Image
model = load()
rows = []
for name in json.load(sys.stdin):
    logits = model(preprocess(Image.open(name)))[0]
    rows.append([model.classes[int(logits.argmax())], float(logits.max())])
print(json.dumps(rows))
"""


def test_it_runs_without_this_package_and_answers_what_was_reported(
    folder: Path, repaired: dict[str, Any]
) -> None:
    moved = folder / "elsewhere"
    shutil.copytree(folder / "repaired", moved)
    names = [str(folder / "good" / "photos" / row["image"]) for row in repaired["held_out"]]
    environment = {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _ALONE],
        input=json.dumps(names),
        cwd=moved,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    for (answer, logit), row in zip(answers, repaired["held_out"], strict=True):
        assert answer == row["after"]
        assert logit == pytest.approx(row["logit"], abs=1e-5)
    files = {path.relative_to(moved).as_posix() for path in moved.rglob("*") if path.is_file()}
    top = {"network.py", "network.json", "weights.safetensors", "repair.json", "README.md"}
    assert files == {*top, "code/network.py", "code/parts.py"}
    assert str(folder) not in "".join(
        (moved / name).read_text() for name in top if not name.endswith("safetensors")
    )


def test_it_is_an_ordinary_module(folder: Path, repaired: dict[str, Any]) -> None:
    model = load_written(folder / "repaired")
    name = folder / "good" / "photos" / repaired["held_out"][0]["image"]
    one = preprocess(Image.open(name), folder / "repaired")
    batch = torch.cat([one, torch.rand(4, 3, 32, 32)])
    expected = model(batch)
    assert not model.training
    assert torch.allclose(model(one), expected[:1], atol=1e-6)  # whatever else is in the batch
    assert model(torch.rand(2, 3, 48, 40)).shape == (2, 3)
    assert torch.allclose(copy.deepcopy(model).double()(batch.double()).float(), expected)
    half = copy.deepcopy(model).bfloat16()(batch.bfloat16())
    assert half.dtype == torch.bfloat16
    other = load_written(folder / "repaired")
    with torch.no_grad():
        for tensor in other.state_dict().values():
            tensor.zero_()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(batch), expected)
    assert torch.equal(copy.deepcopy(model)(batch), expected)


@pytest.mark.parametrize("neighbours", [False, True])
def test_ablation_against_plain_loops(neighbours: bool) -> None:
    torch.manual_seed(0)
    output = torch.rand(2, 3, 4, 5)
    ablation = Ablation(3, neighbours=neighbours)
    ablation.probe.copy_(torch.tensor([1.0, -1.0, 0.5]))
    ablation.constant.fill_(-0.5)
    ablation.chosen[[0, 2]] = True
    ablation.value.copy_(torch.tensor([7.0, 8.0, 9.0]))
    expected = output.clone()
    reach = 1 if neighbours else 0
    for image in range(2):
        for row in range(4):
            for column in range(5):
                near = output[
                    image,
                    :,
                    max(row - reach, 0) : row + reach + 1,
                    max(column - reach, 0) : column + reach + 1,
                ]
                if (near[0] - near[1] + 0.5 * near[2] - 0.5 >= 0).any():
                    expected[image, 0, row, column] = 7
                    expected[image, 2, row, column] = 9
    assert not torch.equal(expected, output)
    assert torch.equal(ablation(torch.nn.Identity(), (output,), output), expected)


def test_ablation_to_zero_is_that_of_why() -> None:
    torch.manual_seed(1)
    output, probe = torch.rand(2, 4, 6, 6), torch.tensor([0.5, -1.0, 1.0, 0.2, -0.3]).double()
    ablation = Ablation(4, neighbours=True)
    ablation.probe.copy_(probe[:-1])
    ablation.constant.copy_(probe[-1])
    ablation.chosen[[1, 3]] = True
    hook = ablation_hooks([{"block1": [AblationMask((1, 3), probe)]}])["block1"]
    assert torch.equal(hooks_of({"block1": ablation})["block1"](output), hook(output))


@pytest.mark.parametrize("model", ["resnet18", "timm:resnet10t"])
def test_networks_of_libraries_are_made_by_their_names(model: str, tmp_path: Path) -> None:
    data = draw_concept_data(tmp_path / "data", 4, size=32)
    settings = Settings(image_size=32, null_samples=0, blocks=("block4",), batch_size=4)
    run = ingest(model, data, tmp_path / "net.cg", settings, weights="random")
    network = open_network(run)
    ablation = Ablation(512, neighbours=True)
    ablation.constant.fill_(1.0)
    ablation.chosen[:100] = True
    (tmp_path / "out").mkdir()
    write_network(network, {"block4": ablation}, tmp_path / "out")
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad(), network.intervene(hooks_of({"block4": ablation})):
        expected = network.module(images)
    written = load_written(tmp_path / "out")(images)
    assert torch.allclose(written, expected, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(written, network.module(images), rtol=1e-3, atol=1e-3)
    if model == "resnet18":
        with pytest.raises(ModelError, match=r"does not run by itself; found outputs that differ"):
            check_alone(tmp_path / "out", images, written + 1)


# What is refused


def test_a_repair_that_breaks_more_than_it_fixes(folder: Path) -> None:
    rows = (folder / "learnt" / "labels.csv").read_text().splitlines()
    few = [row for row in rows if not row.startswith(tuple(f"2-00{i}" for i in range(2, 8)))]
    labels = folder / "few.csv"
    labels.write_text("\n".join(few))
    done = repair(folder, "learnt", "--out", "refused", labels=str(labels))
    assert done.status == 1
    reason = "2 right answers broken and 1 wrong ones fixed, of 9 images held out"
    assert f"no network was written: {reason}" in done.err
    assert "--force writes it all the same" in done.err
    assert "as it is" in done.out
    assert not (folder / "refused").exists()
    assert not list(folder.glob(".refused*"))
    forced = repair(folder, "learnt", "--out", "refused", "--force", labels=str(labels))
    assert forced.status == 0, forced.err
    assert reason in forced.out
    assert f"**Refused, and written all the same**: {reason}" in (
        folder / "refused" / "README.md"
    ).read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class": "brik"}, "Did you mean 'brick'?"),
        ({"ablate": "popy"}, "Did you mean"),
        ({"labels": "none.csv"}, "none.csv: cannot be read: No such file"),
        ({"images": "none"}, "none: no such folder of images"),
        ({"class": "sea"}, "too few images with object/poppy are wrongly taken for 'sea'; found 0"),
        ({"out": "poppy.cg"}, "poppy.cg: already exists"),
        ({"out": "nowhere/net", "run": "none.cg"}, "net: cannot be written: no folder nowhere"),
        ({"labels": "two.csv"}, "found 2 of 2 images of other classes with it (2 in the half to"),
    ],
)
def test_what_cannot_be_repaired(folder: Path, options: dict[str, str], message: str) -> None:
    rows = (folder / "good" / "labels.csv").read_text().splitlines()
    two = [row for row in rows if row[:5] in {"1-000", "2-000", "3-000"}]
    (folder / "two.csv").write_text("\n".join([rows[0], *two]))
    done = repair(folder, "good", **{"out": "never", **options})
    assert (done.status, done.out) == (1, "")
    assert message in done.err
    assert (
        len([line for line in done.err.splitlines() if not line.startswith(("run: ", "made"))]) == 1
    )
    assert not (folder / "never").exists()


@pytest.mark.parametrize("answer", ["maybe", "", '"yes\nno"'])
def test_a_column_concept_that_says_neither_yes_nor_no(tmp_path: Path, answer: str) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(f"image,label,concept\na.png,x,Yes\nb.png,x,0\nc.png,x,{answer}\n")
    with pytest.raises(DataError, match=r"column concept; found .*expected yes or no"):
        read_labels_and_presence(labels)
    labels.write_text("image,label,concept\na.png,x,Yes\nb.png,x,0\n")
    assert read_labels_and_presence(labels) == (
        [("a.png", "x"), ("b.png", "x")],
        {"a.png": True, "b.png": False},
    )
    labels.write_text("image,label\na.png,x\n")
    assert read_labels_and_presence(labels) == ([("a.png", "x")], None)
    labels.write_text("image,label,concept\na.png,x\nb.png,x\n")
    with pytest.raises(DataError, match="line 2: column concept; found '';"):
        read_labels_and_presence(labels)
    labels.write_text("image,label,Concept\na.png,x,yes\n")
    with pytest.raises(DataError, match=r"found image,label,Concept; .* concept, in lower case"):
        read_labels_and_presence(labels)


def test_a_network_whose_code_needs_this_package(folder: Path) -> None:
    module = folder / "parts.py"
    text = module.read_text()
    try:
        module.write_text(f"import conceptgraph\n{text}")
        done = repair(folder, "good", "--out", "needy")
    finally:
        module.write_text(text)
    assert done.status == 1
    assert "the repaired network does not run by itself" in done.err
    assert "conceptgraph" in done.err
    assert not (folder / "needy").exists()


# The last layer


def test_the_last_layer_minimises_what_it_states() -> None:
    torch.manual_seed(2)
    x = torch.cat([torch.randn(60, 3), torch.ones(60, 1)], dim=1).double()
    classes = torch.arange(60) % 3
    groups = torch.where(torch.arange(60) < 50, classes, classes + 3)
    target = (classes.unsqueeze(1) == torch.arange(3)).double()

    def loss(layer: Tensor) -> float:
        total = 0.0
        for group in range(6):
            rows = [i for i in range(60) if groups[i] == group]
            losses = [float(-(layer @ x[i]).log_softmax(0)[classes[i]]) for i in rows]
            total += sum(losses) / len(losses) / 6
        return total + 0.1 * float((layer[:, :-1] ** 2).sum())

    best = fit(x, target, groups, 0.1)
    torch.manual_seed(3)
    for size in (1e-3, 1e-2, 0.1):
        for _ in range(20):
            assert loss(best + size * torch.randn_like(best)) > loss(best)


def test_a_class_without_images_is_never_the_answer() -> None:
    features = torch.tensor([[0.0], [1.0]]).repeat(10, 1)
    truth = torch.tensor([0, 2]).repeat(10)
    layer = retrain(features, truth, truth, classes=4)
    assert outputs(layer, features).argmax(1).tolist() == truth.tolist()
