"""Machine labels: masks by models, their agreement with people's, resuming, and what is refused."""

from __future__ import annotations

import csv
import importlib
import json
import sys
from typing import TYPE_CHECKING
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from matplotlib.colors import is_color_like, to_hex
from PIL import Image

from conceptgraph.errors import ConceptGraphError, DataError, ModelError
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.concept_data.writing.label_maps import resize_mask
from conceptgraph.ingest.concept_data.writing.writer import BrodenWriter
from conceptgraph.ingest.sources.machine.agreement import Truth
from conceptgraph.ingest.sources.machine.build import write_machine_labels
from conceptgraph.ingest.sources.machine.colors import (
    PROTOTYPES,
    SHADES,
    ColorLabeller,
    term_distances,
)
from conceptgraph.ingest.sources.machine.hugging_face import HuggingFaceSegmenter, WordLabeller
from conceptgraph.ingest.sources.machine.opening import NamedModels, open_labellers
from conceptgraph.ingest.sources.machine.report import MachineSettings
from conceptgraph.ingest.sources.machine.torchvision_models import TorchvisionSegmenter
from tests import reference
from tests.command_line import call
from tests.small_segmenters import (
    COLORS,
    SIDE,
    draw_photographs,
    draw_picture,
    masks,
    save_clipseg,
    save_segformer,
    write_truth,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from conceptgraph.ingest.sources.machine.labeller import Labeller

CPU = torch.device("cpu")
SMALL = MachineSettings(mask_size=16, batch_size=3)


@pytest.fixture(scope="session")
def segformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_segformer(tmp_path_factory.mktemp("models") / "tiny", steps=80)


@pytest.fixture(scope="session")
def clipseg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clipseg(tmp_path_factory.mktemp("models") / "clip")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# Colors


def test_the_prototypes_are_those_of_the_survey() -> None:
    for term, colors in PROTOTYPES.items():
        names = [f"xkcd:{shade}{term}" for shade in SHADES]
        assert colors == tuple(to_hex(name) for name in names if is_color_like(name)), term


def slow_lab(color: Sequence[float]) -> list[float]:
    """Convert sRGB to CIELAB by the formulas of CIE 15 and IEC 61966-2-1; white point D65."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    matrix = [
        [0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]  # fmt: skip
    xyz = [sum(a * b for a, b in zip(row, linear, strict=True)) for row in matrix]
    shares = [value / white for value, white in zip(xyz, (0.950456, 1, 1.088754), strict=True)]
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in shares)
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


def test_distances_are_those_of_the_formulas() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    distances = term_distances(pixels)
    for k, colors in enumerate(PROTOTYPES.values()):
        labs = [slow_lab([int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)]) for c in colors]
        for place in np.ndindex(4, 5):
            lab = slow_lab([float(value) / 255 for value in pixels[place]])
            expected = min(np.linalg.norm(np.subtract(lab, one)) for one in labs)
            assert distances[k][place] == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("size", [(40, 30), (200, 100), (8, 8)])
def test_each_half_has_its_color(tmp_path: Path, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (230, 30, 30))
    image.paste((250, 250, 250), (0, 0, size[0] // 2, size[1]))
    (tmp_path / "photos").mkdir()
    image.save(tmp_path / "photos" / "a.png")
    report = write_machine_labels(
        tmp_path / "photos", tmp_path / "out", [ColorLabeller()], MachineSettings(mask_size=8)
    )
    assert [(row.concept, row.share) for row in report.concepts] == [("red", 0.5), ("white", 0.5)]
    assert masks(tmp_path / "out")["a.png", "color/white"][:, :4].all()


# Segmenters


def test_a_segmenter_labels_its_classes(tmp_path: Path, segformer: Path) -> None:
    photos = draw_photographs(tmp_path / "photos", 7)
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    (photos / "notes.txt").write_text("no photograph")
    (photos / "copy.png").write_bytes((photos / "photo00.png").read_bytes())
    labellers: list[Labeller] = [
        ColorLabeller(),
        HuggingFaceSegmenter(str(segformer), "thing", CPU),
    ]
    report = write_machine_labels(photos, tmp_path / "out", labellers, SMALL)
    assert (report.images, report.dropped) == (7, 1)
    assert report.notes == ("Files equal to another, each counts once: 1.",)
    (dropped,) = rows(tmp_path / "out" / "dropped.csv")
    assert dropped["image"] == "broken.jpg"
    assert dropped["reason"].startswith("not an image")
    data = open_concept_data(tmp_path / "out")
    assert {concept.uid: concept.source for concept in data.concepts} == {
        "color/green": "CIELAB color terms",
        "color/grey": "CIELAB color terms",
        "color/red": "CIELAB color terms",
        "thing/ball": "SegFormer tiny",
        "thing/box": "SegFormer tiny",
    }
    of = masks(tmp_path / "out")
    for row in rows(tmp_path / "out" / "machine_labels.csv"):
        mask = of[row["image"], f"{row['category']}/{row['concept']}"]
        assert float(row["share"]) == pytest.approx(mask.mean(), abs=1e-4)
        assert 0.3 < float(row["score"]) <= 1
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize("classes", [("ball", "box"), ("ball", "box", "sky", "road")])
def test_an_untrained_segmenter_is_said_to_score_as_chance(
    tmp_path: Path, classes: tuple[str, ...]
) -> None:
    photos = draw_photographs(tmp_path / "photos", 3)
    labeller = HuggingFaceSegmenter(str(save_segformer(tmp_path / "new", classes)), "object", CPU)
    report = write_machine_labels(photos, tmp_path / "out", [labeller, ColorLabeller()], SMALL)
    (note,) = report.notes
    chance = f"chance among its {len(classes)} classes ({1 / len(classes):.2f})"
    assert note.startswith("The mean score of SegFormer new is ")
    assert chance in note
    assert {f"object/{name}" for name in classes} & set(report.nowhere) == {
        f"object/{name}" for name in classes
    } - {f"{concept.category}/{concept.concept}" for concept in report.concepts}


def test_what_is_found_nowhere_is_listed(tmp_path: Path) -> None:
    draw_photographs(tmp_path / "photos", 3)
    words = ("data", "annotate", "photos", "--out", "out", "--colors", "--mask-size", "32")
    done = call(*words, folder=tmp_path)
    assert done.status == 0, done.err
    text = " ".join(done.out.split())
    assert "In no photograph: color/black, color/blue," in text
    assert "Next, people say which labels are right: conceptgraph data verify out" in text
    again = json.loads(call(*words, "--overwrite", "--json", folder=tmp_path).out)
    found = {f"{row['category']}/{row['concept']}" for row in again["concepts"]}
    assert found | set(again["nowhere"]) == {f"color/{term}" for term in PROTOTYPES}
    assert not found & set(again["nowhere"])


def test_agreement_with_truth(tmp_path: Path, segformer: Path) -> None:
    photos = draw_photographs(tmp_path / "photos", 6)
    truth = write_truth(tmp_path / "truth", photos, [0, 2, 3])
    labeller = HuggingFaceSegmenter(str(segformer), "object", CPU)
    report = write_machine_labels(photos, tmp_path / "out", [labeller], SMALL, truth=truth)
    assert report.truth_images == 3
    assert [row.concept for row in report.agreement] == ["ball", "box"]
    of = masks(tmp_path / "out")
    for number, row in enumerate(report.agreement, 1):
        pairs, scores = [], []
        for k in (0, 2, 3):
            image, classes = draw_picture(1000 + k)
            mask = of[f"photo{k:02d}.png", f"object/{row.concept}"].ravel().tolist()
            drawn = resize_mask(classes == number, 16, 16).ravel().tolist()
            pairs += list(zip(mask, drawn, strict=True))
            scores += labeller.scores([image], 16)[0, number - 1].ravel().tolist()
        both, either = sum(a and b for a, b in pairs), sum(a or b for a, b in pairs)
        assert row.iou == pytest.approx(both / either, abs=1e-3)
        assert both / either > 0.6
        assert row.recall == pytest.approx(both / sum(b for _, b in pairs), abs=1e-3)
        auc = reference.auc(scores, [b for _, b in pairs])
        assert row.auc == pytest.approx(auc, abs=5e-3)
    table = rows(tmp_path / "out" / "agreement_with_truth.csv")
    assert [row["threshold"] for row in table] == ["", ""]


def test_min_probability_leaves_pixels_unlabelled(tmp_path: Path, segformer: Path) -> None:
    photos = draw_photographs(tmp_path / "photos", 3)
    labeller = HuggingFaceSegmenter(str(segformer), "object", CPU)
    all_of, sure = (
        write_machine_labels(photos, tmp_path / f"out{k}", [labeller], settings).concepts[0]
        for k, settings in enumerate((SMALL, SMALL._replace(min_probability=0.9)))
    )
    assert sure.share < all_of.share
    assert sure.score > 0.9


@pytest.mark.parametrize("truth", [False, True])
def test_an_interrupted_call_resumes(tmp_path: Path, segformer: Path, *, truth: bool) -> None:
    photos = draw_photographs(tmp_path / "photos", 8)
    (photos / "photo04b.png").write_bytes(b"broken")
    known = write_truth(tmp_path / "truth", photos, [1, 5]) if truth else None
    labeller = HuggingFaceSegmenter(str(segformer), "object", CPU)

    def write(out: str, *, resume: bool = False, stop_after: int = 99) -> int:
        calls = 0
        scores = labeller.scores

        def counted(
            images: Sequence[Image.Image], side: int, files: Sequence[Path] = ()
        ) -> NDArray[np.float32]:
            nonlocal calls
            if calls == stop_after:
                raise KeyboardInterrupt
            calls += 1
            return scores(images, side, files)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(labeller, "scores", counted)
            folder = tmp_path / out
            write_machine_labels(photos, folder, [labeller], SMALL, truth=known, resume=resume)
        return calls

    assert write("whole") == 3
    with pytest.raises(KeyboardInterrupt):
        write("out", stop_after=2)
    assert not (tmp_path / "out").exists()
    assert write("out", resume=True) == 2  # the batch with the broken one again, and the last
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        write("again", stop_after=2)
    assert write("again") == 3  # without --resume
    assert not list(tmp_path.glob(".*"))


def test_torchvision_with_weights_of_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torchvision.models.get_model(
        "lraspp_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=3
    )
    weights, classes = tmp_path / "net.pth", tmp_path / "classes.txt"
    torch.save({"state_dict": model.state_dict()}, weights)
    classes.write_text("__background__\nsky\nroad\n")
    labeller = TorchvisionSegmenter(
        "lraspp_mobilenet_v3_large", "object", CPU, weights=weights, classes=classes
    )
    assert labeller.source == "lraspp_mobilenet_v3_large net.pth"
    assert labeller.concepts == ("sky", "road")
    image = draw_picture(0)[0]
    scores = labeller.scores([image, image.resize((90, 60)), image], 16)
    assert scores.shape == (3, 3, 16, 16)
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(scores[0], scores[2], atol=1e-4)
    with pytest.raises(ModelError, match="no class names for these weights"):
        TorchvisionSegmenter("lraspp_mobilenet_v3_large", "object", CPU, weights=weights)
    classes.write_text("sky\nroad\n")
    with pytest.raises(ModelError, match=r"not the weights of .* with 2 classes"):
        TorchvisionSegmenter(
            "lraspp_mobilenet_v3_large", "object", CPU, weights=weights, classes=classes
        )


def test_concepts_are_matched_by_category_or_by_name_alone(tmp_path: Path) -> None:
    names = {"thing": ["ball", "Box"], "object": ["ball", "orange"]}
    with BrodenWriter(tmp_path / "set", names) as writer:
        writer.add("a.png", Image.new("RGB", (8, 8)), {}, names)
    truth = Truth(open_concept_data(tmp_path / "set"), {}, 8)
    painted = Painted()
    for category, columns in {"thing": {0: 0, 1: 1}, "object": {0: 2}, "item": {1: 1}}.items():
        painted.category = category
        assert truth.columns(painted) == columns
    assert truth.columns(ColorLabeller()) == {}


# Words


def test_words_overlap_and_have_thresholds(tmp_path: Path, clipseg: Path) -> None:
    photos = draw_photographs(tmp_path / "photos", 5)
    labeller = WordLabeller(str(clipseg), ["ball", "box"], "object", CPU, batch_size=1)
    both = WordLabeller(str(clipseg), ["ball", "box"], "object", CPU, batch_size=2)
    images = [draw_picture(k)[0] for k in range(2)]
    np.testing.assert_allclose(
        labeller.scores(images, 16), both.scores(images, 16), rtol=0, atol=1e-5
    )
    settings = SMALL._replace(word_threshold=0.1)
    report = write_machine_labels(photos, tmp_path / "low", [labeller], settings)
    assert all(row.share > 0.5 for row in report.concepts)  # they overlap
    truth = write_truth(tmp_path / "truth", photos, [0, 1, 2, 3])
    report = write_machine_labels(photos, tmp_path / "out", [labeller], SMALL, truth=truth)
    assert [(row.images, row.model) for row in report.agreement] == [(2, "CLIPSeg clip")] * 2
    assert all(row.threshold is not None for row in report.agreement)
    masks(tmp_path / "out")


class Painted:
    """A labeller whose scores are the picture's own colors."""

    source, category, digest = "Painted", "object", "0"
    concepts: tuple[str, ...] = ("ball", "box")
    overlapping, classes = True, 0

    def scores(
        self, images: Sequence[Image.Image], side: int, files: Sequence[Path] = ()
    ) -> NDArray[np.float32]:
        result = np.full((len(images), 2, side, side), 0.2, np.float32)
        for k, image in enumerate(images):
            pixels = np.asarray(image.resize((side, side), Image.Resampling.NEAREST))
            for j, color in enumerate(COLORS.values()):
                result[k, j][(pixels == color).all(-1)] = 0.45
        return result


def test_thresholds_are_chosen_by_iou(tmp_path: Path) -> None:
    photos = draw_photographs(tmp_path / "photos", 4)
    settings = MachineSettings(mask_size=SIDE)
    with pytest.raises(DataError, match="no image has a concept"):  # at 0.5
        write_machine_labels(photos, tmp_path / "out", [Painted()], settings)
    truth = write_truth(tmp_path / "truth", photos, range(4))
    report = write_machine_labels(photos, tmp_path / "out", [Painted()], settings, truth=truth)
    assert [row.iou for row in report.agreement] == [1.0, 1.0]
    assert all(0.2 < (row.threshold or 0) < 0.45 for row in report.agreement)


# What is refused


def test_what_is_refused(tmp_path: Path, segformer: Path, clipseg: Path) -> None:
    photos = draw_photographs(tmp_path / "photos", 2)
    empty, words = tmp_path / "empty", tmp_path / "words.txt"
    empty.mkdir()
    words.write_text("ball\n\nbox\n ball \n")
    one_class = save_segformer(tmp_path / "one", ("sky",))
    twice = save_segformer(tmp_path / "twice", ("sky", "road", "sky"))
    nothing = save_segformer(tmp_path / "nothing", ("background", "void"))
    headless = tmp_path / "headless"
    save_segformer(headless)
    _without_head(headless / "model.safetensors")
    name = str(clipseg)

    def refused(named: NamedModels, *lines: str) -> None:
        with pytest.raises(ConceptGraphError) as error:
            write_machine_labels(photos, tmp_path / "out", open_labellers(named, photos), SMALL)
        for line in lines:
            assert line in str(error.value)
        assert "\n" not in str(error.value)
        assert not (tmp_path / "out").exists()

    refused(NamedModels(), "nothing that could label photographs. Give --colors, --segmenter")
    refused(NamedModels(segmenter="seg"), "--segmenter; found 'seg'; expected hf:NAME or torch")
    refused(NamedModels(segmenter=str(empty)), f"torchvision:NAME. Did you mean hf:{empty}?")
    refused(NamedModels(segmenter=f"hf:{empty}"), f"{empty}: not a model", "no config.json")
    refused(NamedModels(segmenter=f"hf:{tmp_path}/none"), "none: no such folder")
    refused(NamedModels(segmenter=f"hf:{one_class}"), "one: segmenter with one class")
    refused(NamedModels(segmenter=f"hf:{twice}"), "twice: class 'sky' is duplicated")
    refused(NamedModels(segmenter=f"hf:{nothing}"), "no class is a concept; found background")
    refused(NamedModels(segmenter=f"hf:{headless}"), "headless: no weights of", "decode_head")
    refused(NamedModels(segmenter="torchvision:deeplab"), "no segmenter 'deeplab'. Did you mean")
    refused(NamedModels(words=words), "--words and --word-model need each other")
    both = NamedModels(words=words, word_model=f"hf:{name}")
    refused(both, "words.txt: row 4: word 'ball' is duplicated, first in row 1")
    words.write_text("\n")
    refused(both, "words.txt: no words; expected one word a line")
    words.write_text("ball\n")
    refused(both._replace(word_model=f"hf:{segformer}"), "tiny: no weights of")
    clash = both._replace(segmenter=f"hf:{segformer}")
    refused(clash, "concept object/ball of two models; found SegFormer tiny and CLIPSeg clip")
    refused(NamedModels(colors=True, category="a/b"), "category; found 'a/b'")
    with pytest.raises(DataError, match="empty: no photographs; expected images"):
        write_machine_labels(empty, tmp_path / "out", [ColorLabeller()])
    (empty / "a.jpg").write_bytes(b"broken")
    with pytest.raises(DataError, match="empty: no photograph can be read"):
        write_machine_labels(empty, tmp_path / "out", [ColorLabeller()])
    truth = write_truth(tmp_path / "truth", photos, [0, 1])
    with pytest.raises(DataError, match="no concept that a model knows"):
        write_machine_labels(photos, tmp_path / "out", [ColorLabeller()], truth=truth)
    other = draw_photographs(tmp_path / "others", 2, first=0)
    with pytest.raises(DataError, match="no image with masks is among the photographs"):
        write_machine_labels(other, tmp_path / "out", [ColorLabeller()], truth=truth)


def _without_head(weights: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = {name: t for name, t in load_file(weights).items() if "decode_head" not in name}
    save_file(state, weights, metadata={"format": "pt"})


def test_offline_a_name_that_is_not_in_the_cache_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        importlib.import_module("huggingface_hub.constants"), "HF_HUB_OFFLINE", True
    )
    monkeypatch.setattr(
        importlib.import_module("huggingface_hub.constants"), "HF_HUB_CACHE", str(tmp_path)
    )
    with pytest.raises(ModelError) as error:
        HuggingFaceSegmenter("nobody/no-such-model-here", "object", CPU)
    assert str(error.value).startswith(
        "nobody/no-such-model-here: no model that can be used; found"
    )
    assert "a name in Hugging Face's cache" in str(error.value)


def test_torchvision_offline_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise URLError("no connection")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    with pytest.raises(ModelError, match=r"cannot be downloaded.*no connection.*FILE$"):
        TorchvisionSegmenter("fcn_resnet50", "object", CPU)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (MachineSettings(mask_size=4), "mask-size out of range; found 4"),
        (MachineSettings(batch_size=0), "batch-size out of range; found 0"),
        (MachineSettings(min_probability=1.5), "min-probability out of range; found 1.5"),
        (MachineSettings(word_threshold=-1), "word-threshold out of range; found -1"),
    ],
)
def test_settings_out_of_range(tmp_path: Path, settings: MachineSettings, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_machine_labels(tmp_path, tmp_path / "out", [ColorLabeller()], settings)


def test_without_the_extra(segformer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match=r"pip install 'conceptgraph\[annotate\]'"):
        HuggingFaceSegmenter(str(segformer), "object", CPU)


def test_the_command(tmp_path: Path, segformer: Path) -> None:
    photos = draw_photographs(tmp_path / "photos", 4)
    write_truth(tmp_path / "truth", photos, [0, 1])
    words = ("data", "annotate", "photos", "--out", "out", "--colors", "--mask-size", "32")
    done = call(*words, "--segmenter", f"hf:{segformer}", "--truth", "truth", folder=tmp_path)
    assert done.status == 0, done.err
    for text in ("out: 4 images, 5 concepts", "SegFormer tiny", "agreement with the truth, in 2"):
        assert text in done.out
    page = (tmp_path / "out" / "contact.html").read_text(encoding="utf-8")
    assert page.count("<section") == 5
    assert page.count('<img src="data:image/jpeg') == 5 * 4
    assert "ball outlined in photo00.png" in page
    assert "://" not in page
    checked = call("data", "check", "out", folder=tmp_path)
    assert checked.status == 0
    assert "CIELAB color terms (3 concepts), SegFormer tiny (2 concepts)" in " ".join(
        checked.out.split()
    )
    done = call(*words, folder=tmp_path)
    assert done.status == 1
    assert done.err.count("\n") == 1
    assert "already exists" in done.err
