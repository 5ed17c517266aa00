"""Masks from embeddings of patches: their scores, thresholds, agreement, and what is refused."""

from __future__ import annotations

import json
import math
import statistics
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.concept_data.writing.label_maps import resize_mask
from conceptgraph.ingest.sources.machine.patches import PatchLabeller
from tests.command_line import call
from tests.small_segmenters import CLASSES, draw_photographs, draw_picture, masks, write_truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

COUNT, GRID, DIMENSIONS = 12, 16, 32
WORDS = ("cloud", "ball", "box")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with photographs, and embeddings of their patches by what is drawn there."""
    draw_photographs(tmp_path / "photos", COUNT)
    rng = np.random.default_rng(0)
    of_class = rng.normal(size=(len(CLASSES), DIMENSIONS))
    cloud = rng.normal(size=DIMENSIONS)
    patches = np.empty((COUNT, GRID, GRID, DIMENSIONS))
    for number in range(COUNT):
        step = 64 // GRID
        drawn = draw_picture(1000 + number)[1][step // 2 :: step, step // 2 :: step]
        patches[number] = of_class[drawn]
    patches += 0.3 * rng.normal(size=patches.shape)
    embedded = tmp_path / "words.emb"
    embedded.mkdir()
    np.save(embedded / "patches.npy", patches.astype(np.float16))
    np.save(embedded / "images.npy", patches.mean(axis=(1, 2)))
    np.save(embedded / "texts.npy", np.stack([cloud, of_class[1], of_class[2]]))
    names = [f"photo{number:02d}.png" for number in range(COUNT)]
    (embedded / "images.csv").write_text("\n".join(["image", *names]))
    (embedded / "names.txt").write_text("\n".join(WORDS))
    meta = {"model": "planted vectors", "images": "/where/they/were"}
    (embedded / "meta.json").write_text(json.dumps(meta))
    return tmp_path


def annotate(folder: Path, *options: object) -> tuple[int, str, str]:
    words = ("data", "annotate", "photos", "--embeddings", "words.emb", "--out", "out")
    return call(*words, "--mask-size", "64", *options, folder=folder)


def test_scores_are_standard_deviations_above_two(folder: Path) -> None:
    labeller = PatchLabeller(folder / "words.emb", folder / "photos", "object")
    file = folder / "photos" / "photo03.png"
    scores = labeller.scores([Image.open(file)], GRID, [file])
    patches = np.load(folder / "words.emb" / "patches.npy").astype(float)
    texts = np.load(folder / "words.emb" / "texts.npy")
    for word, text in enumerate(texts):
        cosines = {
            place: patches[place] @ text / math.hypot(*patches[place]) / math.hypot(*text)
            for place in np.ndindex(COUNT, GRID, GRID)
        }
        mean, spread = statistics.mean(cosines.values()), statistics.pstdev(cosines.values())
        for row, column in np.ndindex(GRID, GRID):
            above = (cosines[3, row, column] - mean) / spread - 2
            expected = 1 / (1 + math.exp(-above))
            assert scores[0, word, row, column] == pytest.approx(expected, abs=1e-4)


def intersection_over_union(folder: Path, word: str) -> float:
    both = either = 0
    of = masks(folder / "out")
    for number in range(COUNT):
        drawn = resize_mask(draw_picture(1000 + number)[1] == CLASSES.index(word), 64, 64)
        mask = of.get((f"photo{number:02d}.png", f"object/{word}"), np.zeros((64, 64), bool))
        both += int((mask & drawn).sum())
        either += int((mask | drawn).sum())
    return both / either


def test_masks_lie_where_words_are_and_say_by_what(folder: Path) -> None:
    status, out, err = annotate(folder)
    assert status == 0, err
    assert "planted vectors" in out
    sources = {
        concept.uid: concept.source for concept in open_concept_data(folder / "out").concepts
    }
    assert sources["object/ball"] == sources["object/box"] == "planted vectors"
    plain = [intersection_over_union(folder, word) for word in ("ball", "box")]
    assert min(plain) > 0.5
    write_truth(folder / "truth", folder / "photos", range(6))
    status, out, err = annotate(folder, "--truth", "truth", "--overwrite", "--json")
    assert status == 0, err
    agreement = {row["concept"]: row for row in json.loads(out)["agreement"]}
    chosen = [intersection_over_union(folder, word) for word in ("ball", "box")]
    assert all(after >= before for after, before in zip(chosen, plain, strict=True))
    for word in ("ball", "box"):
        assert agreement[word]["images"] == 3
        assert agreement[word]["threshold"] != 0.5
        assert agreement[word]["iou"] > 0.75
        assert agreement[word]["auc"] > 0.95


def test_words_have_their_own_category_and_lie_beside_colors(folder: Path) -> None:
    status, _, err = annotate(folder, "--word-category", "thing", "--colors")
    assert status == 0, err
    uids = {concept.uid for concept in open_concept_data(folder / "out").concepts}
    assert {"thing/ball", "thing/box", "color/red"} <= uids


def array(name: str, values: NDArray[np.generic]) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / "words.emb" / name, values)


def patch(value: float) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        patches = np.load(folder / "words.emb" / "patches.npy")
        patches[2, 5, 7] = value
        np.save(folder / "words.emb" / "patches.npy", patches)

    return damage


def another_photograph(folder: Path) -> None:
    Image.new("RGB", (64, 64), "blue").save(folder / "photos" / "new.png")


def words_of_the_other_model(folder: Path) -> None:
    (folder / "words.emb" / "names.txt").write_text("red\nball\nbox")


def model_name(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "words.emb" / "meta.json").write_text(
        json.dumps({"model": name})
    )


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def nothing(folder: Path) -> None:
    pass


LIKE = (COUNT, 2, 3, DIMENSIONS)


@pytest.mark.parametrize(
    ("damage", "options", "message"),
    [
        (remove("words.emb/patches.npy"), (), "patches.npy: no patches. Make them with"),
        (remove("words.emb/texts.npy"), (), "texts.npy: not a .npy array"),
        (patch(np.nan), (), "patches.npy: a patch of 'photo02.png' is not finite"),
        (patch(np.inf), (), "patches.npy: a patch of 'photo02.png' is not finite"),
        (patch(0), (), "patches.npy: a patch of 'photo02.png' is 0"),
        (array("patches.npy", np.ones((11, *LIKE[1:]))), (), "rows; found 11; expected 12"),
        (array("patches.npy", np.ones((*LIKE[:3], 31))), (), "in one space; found 31 dimensions"),
        (array("patches.npy", np.ones(LIKE[:3])), (), "not patches; found (12, 2, 3) float64"),
        (array("patches.npy", np.ones(LIKE, int)), (), "not patches; found (12, 2, 3, 32) int"),
        (array("patches.npy", np.ones((12, 0, 3, 32))), (), "not patches; found (12, 0, 3, 32)"),
        (array("patches.npy", np.array([None])), (), "patches.npy: not a .npy array"),
        (another_photograph, (), "new.png: not among the embeddings; expected a photograph of"),
        (words_of_the_other_model, ("--colors", "--word-category", "color"), "of two models"),
        (model_name("people"), (), "meta.json: this model's name is reserved; found people. Name"),
        (model_name("tags"), (), "meta.json: this model's name is reserved; found tags. Name"),
        (nothing, ("--word-threshold", "1"), "out: no image has a concept"),
        (nothing, ("--embeddings", "none"), "none: no such folder"),
        (nothing, ("--word-category", "a/b"), "category; found 'a/b'"),
        (nothing, ("--word-threshold", "2"), "word-threshold out of range; found 2"),
    ],
)
def test_what_is_refused(
    folder: Path, damage: Callable[[Path], object], options: tuple[str, ...], message: str
) -> None:
    damage(folder)
    status, _, err = annotate(folder, *options)
    assert status == 1
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (folder / "out").exists()


def test_scores_of_which_none_is_a_concept_are_deleted_others_kept(folder: Path) -> None:
    status, _, err = annotate(folder, "--word-threshold", "1")
    assert (status, "no image has a concept" in err) == (1, True)
    left = {file.name for file in folder.iterdir()}
    assert left == {"photos", "words.emb"}
    Image.new("RGB", (64, 64), "blue").save(folder / "photos" / "the-last.png")
    status, _, err = annotate(folder, "--batch-size", "4")
    assert (status, "not among the embeddings" in err) == (1, True)
    assert (folder / ".out.scores").is_dir()
