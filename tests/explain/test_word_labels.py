"""Words of units: found where they are, none where there are none, whatever else is in the list."""

from __future__ import annotations

import json
import shlex
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conceptgraph.cli.tables.words import print_words
from conceptgraph.errors import DataError
from conceptgraph.explain.word_labels import STRONG, label_by_words, score_words, soft_wpmi
from conceptgraph.graph.run.reader import open_run
from conceptgraph.graph.run.word_labels import WordLabels, read_word_labels, write_word_labels
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.sources.embeddings.folder import open_patches, read_embeddings
from tests.command_line import call
from tests.damaged_arrays import NO_ARRAYS
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from conceptgraph.graph.run.reader import Run

IMAGES, UNITS, WORDS = 600, 60, 20


def planted(seed: int = 0, noise: float = 0.3) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Units, of which the first half see one word's thing each, and the words' similarities."""
    rng = np.random.default_rng(seed)
    there = rng.random((IMAGES, WORDS)) < 0.15
    peaks = np.maximum(rng.normal(size=(IMAGES, UNITS)), 0)
    for unit in range(UNITS // 2):
        peaks[:, unit] += 3 * there[:, unit % WORDS]
    similarity = 0.2 + 0.1 * there + 0.1 * noise * rng.normal(size=there.shape)
    return peaks.astype(np.float32), similarity.astype(np.float32)


def test_planted_words_are_found_and_no_others() -> None:
    peaks, similarity = planted()
    scores = score_words(peaks, similarity, seed=0)
    seeing = np.arange(UNITS) < UNITS // 2
    given = scores.repeats & (scores.auc > 0.75) & (scores.low > 0.5)
    assert given[seeing].mean() > 0.9
    assert (scores.word[seeing] == np.arange(UNITS // 2) % WORDS).mean() > 0.95
    assert given[~seeing].mean() < 0.05
    assert scores.p[seeing].max() < 1e-6
    assert np.median(scores.p[~seeing]) > 0.1


def test_words_that_have_nothing_to_do_with_the_images_change_nothing() -> None:
    peaks, similarity = planted(seed=1)
    before = score_words(peaks, similarity, seed=0)
    others = 0.2 + 0.1 * np.random.default_rng(2).normal(size=(IMAGES, 300))
    more = np.concatenate([similarity, others.astype(np.float32)], axis=1)
    after = score_words(peaks, more, seed=0)
    half = slice(0, UNITS // 2)
    np.testing.assert_array_equal(before.word[half], after.word[half])
    np.testing.assert_allclose(before.auc[half], after.auc[half])


def test_a_word_twice_in_other_words_still_repeats() -> None:
    peaks, similarity = planted(seed=3)
    rng = np.random.default_rng(4)
    twins = similarity + 0.005 * rng.normal(size=similarity.shape).astype(np.float32)
    scores = score_words(peaks, np.concatenate([similarity, twins], axis=1), seed=0)
    seeing = np.arange(UNITS) < UNITS // 2
    assert scores.repeats[seeing].mean() > 0.9
    assert (scores.word[seeing] % WORDS == np.arange(UNITS // 2) % WORDS).mean() > 0.9


def test_a_unit_that_is_hardly_ever_active_has_no_word() -> None:
    peaks, similarity = planted()
    peaks[:, 5] = 0
    peaks[3, 5] = 1
    scores = score_words(peaks, similarity, seed=0)
    assert scores.word[5] == -1
    assert np.isnan(scores.auc[5])
    assert not scores.repeats[5]


def test_soft_wpmi_is_that_of_its_definition() -> None:
    peaks, similarity = planted(seed=5)
    found = soft_wpmi(peaks, similarity)
    count = int(STRONG * IMAGES)
    exponents = np.exp(10 * similarity.astype(np.float64))
    log_p = np.zeros((UNITS, WORDS))
    for unit, word in np.ndindex(UNITS, WORDS):
        order = sorted(range(IMAGES), key=lambda image: -peaks[image, unit])[:count]
        for rank, image in enumerate(order):
            given = exponents[image, word] / exponents[image].sum()
            weight = 0.998 - rank / count * (0.998 - 0.97)
            log_p[unit, word] += np.log(1 + weight * (given - 1) + 1e-7)
    expected = log_p - np.log(np.exp(log_p).mean(axis=0))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def write_embeddings(folder: Path, images: int = 5, words: int = 3) -> Path:
    rng = np.random.default_rng(0)
    folder.mkdir()
    np.save(folder / "images.npy", rng.normal(size=(images, 8)))
    np.save(folder / "texts.npy", rng.normal(size=(words, 8)).astype(np.float32))
    (folder / "images.csv").write_text("image\n" + "".join(f"{i}.jpg\n" for i in range(images)))
    (folder / "names.txt").write_text("".join(f"word {i}\n" for i in range(words)))
    return folder


def test_cosines(tmp_path: Path) -> None:
    folder = write_embeddings(tmp_path / "emb")
    read = read_embeddings(folder)
    images, texts = np.load(folder / "images.npy"), np.load(folder / "texts.npy")
    for i, w in np.ndindex(5, 3):
        cosine = images[i] @ texts[w] / np.linalg.norm(images[i]) / np.linalg.norm(texts[w])
        assert read.similarity[i, w] == pytest.approx(cosine, rel=1e-5)
    assert read.files[0] == folder / "0.jpg"
    assert (read.model, read.images) == ("embeddings emb", folder)
    (folder / "meta.json").write_text(json.dumps({"model": "CLIP", "images": "/photos"}))
    again = read_embeddings(folder)
    assert (again.model, str(again.files[1])) == ("CLIP", "/photos/1.jpg")
    (folder / "meta.json").write_text('{"model": "\\ud800 CLIP\\n"}')
    assert read_embeddings(folder).model == "CLIP"
    assert read_embeddings(folder, tmp_path).files[0] == tmp_path / "0.jpg"


def array(name: str, values: NDArray[np.generic]) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / name, values)


def text(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("content", NO_ARRAYS.values(), ids=NO_ARRAYS)
@pytest.mark.parametrize("name", ["images.npy", "texts.npy", "patches.npy"])
def test_files_that_hold_no_array(tmp_path: Path, name: str, content: bytes) -> None:
    folder = write_embeddings(tmp_path / "emb")
    embeddings = read_embeddings(folder)
    (folder / name).write_bytes(content)
    read = partial(open_patches, embeddings=embeddings) if "patches" in name else read_embeddings
    with pytest.raises(DataError, match=rf"{name}: not a \.npy array; found .") as error:
        read(folder)
    assert "\n" not in str(error.value)


WITH_NAN = np.ones((5, 8))
WITH_NAN[2, 3] = np.nan
WITH_ZERO = np.eye(3, 8)
WITH_ZERO[1] = 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "images.npy").unlink(), "images.npy: not a .npy array"),
        (lambda folder: (folder / "images.csv").unlink(), "images.csv"),
        (lambda folder: (folder / "names.txt").unlink(), "names.txt"),
        (array("images.npy", np.ones((4, 8))), "rows; found 4; expected 5, the rows of images.csv"),
        (array("texts.npy", np.ones((4, 8))), "rows; found 4; expected 3, the lines of names.txt"),
        (array("texts.npy", np.ones((3, 7))), "not embedded in one space; found 7 dimensions"),
        (array("images.npy", WITH_NAN), "the vector of '2.jpg' is not finite; found row 2"),
        (array("texts.npy", WITH_ZERO), "the vector of 'word 1' is 0; found row 1"),
        (array("images.npy", np.ones(5)), "not vectors; found (5,) float64"),
        (array("images.npy", np.ones((5, 8), int)), "not vectors; found (5, 8) int"),
        (array("images.npy", np.full((5, 8), 1e300)), "the vector of '0.jpg' is too long"),
        (array("images.npy", np.full((5, 8), -np.inf)), "the vector of '0.jpg' is not finite"),
        (array("images.npy", np.array([None] * 5)), "not a .npy array"),
        (text("images.npy", "no"), "not a .npy array"),
        (text("images.csv", "file\n0.jpg\n"), "image"),
        (text("images.csv", "image\n" + "0.jpg\n" * 5), "'0.jpg' is duplicated; found entry 2"),
        (text("names.txt", "a\nb\na\n"), "'a' is duplicated; found entry 3"),
        (text("names.txt", "a\n\nb\n"), "an empty name; found entry 2"),
        (text("names.txt", ""), "rows; found 3; expected 0"),
        (text("meta.json", "{"), "not a JSON object"),
        (text("meta.json", "[1]"), "not a JSON object"),
        (text("meta.json", "[" * 100_000), "not a JSON object"),
        (text("meta.json", '{"a":' * 100_000), "not a JSON object"),
        *(
            (text("meta.json", json.dumps({"model": name})), "this model's name is reserved")
            for name in ("people", "tags", " People\u200b", "/models/tags/")
        ),
    ],
)
@pytest.mark.filterwarnings("error")
def test_embeddings_that_do_not_fit(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    folder = write_embeddings(tmp_path / "emb")
    damage(folder)
    with pytest.raises(DataError) as error:
        read_embeddings(folder)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture
def drawn(tmp_path: Path) -> tuple[Run, Path]:
    """A run, and embeddings of its images by the concepts that label them as a whole."""
    data = open_concept_data(draw_concept_data(tmp_path / "drawn", 210, size=64))
    run = lively_run(data.folder, tmp_path)
    names = [image.name for image in data.images]
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(len(data.concepts), 64))
    has = np.zeros((len(names), len(texts)))
    for row, image in enumerate(data.images):
        has[row, list(image.image_labels)] = 1
    folder = tmp_path / "emb"
    folder.mkdir()
    np.save(folder / "images.npy", has @ texts + 0.1 * rng.normal(size=(len(names), 64)))
    np.save(folder / "texts.npy", texts)
    (folder / "images.csv").write_text("\n".join(["image", *names]))
    (folder / "names.txt").write_text("\n".join(concept.uid for concept in data.concepts))
    facts = {"model": "drawn vectors", "images": str(data.folder / "images")}
    (folder / "meta.json").write_text(json.dumps(facts))
    return run, folder


def test_the_command_keeps_words_and_show_has_them(drawn: tuple[Run, Path], tmp_path: Path) -> None:
    run, folder = drawn
    words = ("label", "--run", run.path, "--embeddings", folder)
    done = call(*words, folder=tmp_path)
    assert done.status == 0, done.err
    assert "words by drawn vectors" in done.out
    printed = json.loads(call(*words, "--json", folder=tmp_path).out)
    assert [row["unit"] for row in printed["units"]] == run.units["uid"].tolist()
    kept = read_word_labels(open_run(run.path))
    assert kept is not None
    assert kept.images == 210
    row = printed["units"][0]
    card = call("show", row["unit"], "--run", run.path, folder=tmp_path).out
    assert "Word by drawn vectors: " in card
    shown = json.loads(call("show", row["unit"], "--run", run.path, "--json", folder=tmp_path).out)
    assert shown["word"]["word"] == row["word"]
    again = call(*words, folder=tmp_path)
    assert "these words replace those that the run had" in again.err
    assert "replace" not in done.err


def test_the_summary_doubts_a_word_of_most_units_and_says_what_is_next(
    drawn: tuple[Run, Path], tmp_path: Path
) -> None:
    run, folder = drawn
    given = read_embeddings(folder)
    labels = label_by_words(run, given).labels
    has_word = labels["word"].notna().to_numpy()
    usable = has_word & (run.units["status"] == "ok").to_numpy()
    usable &= (labels["intersection"] > 0).to_numpy()

    def printed(words: Sequence[str]) -> str:
        of_units = np.resize(words, len(labels)).tolist()
        chosen = np.array(
            [word if has else None for word, has in zip(of_units, has_word, strict=True)], object
        )
        holds = labels.assign(word=chosen, holds=usable)
        write_word_labels(run, WordLabels(holds, "drawn vectors", 210, len(words)))
        kept = read_word_labels(run)
        assert kept is not None
        with redirect_stdout(StringIO()) as out:
            print_words(run, kept)
        return " ".join(out.getvalue().split())

    one = printed(["sky", "sky", "sky", "road"])
    assert "Most units with a word have the same one, sky (" in one
    several = printed(["sky", "road", "ball"])
    assert "have the same one" not in several
    assert "not that the word fits them" in several
    following = several.partition("Next: conceptgraph ")[2]
    asked = call(*shlex.split(following), folder=tmp_path)
    assert asked.status == 0, asked.err
    assert any(f" {word} (" in asked.out for word in ("sky", "road", "ball"))


def test_too_few_images_are_refused_before_the_network_runs(
    drawn: tuple[Run, Path], tmp_path: Path
) -> None:
    run, folder = drawn
    given = read_embeddings(folder)
    with pytest.raises(DataError, match="too few images for labels; found 199; expected at least"):
        label_by_words(run, given._replace(files=given.files[:199]))
    words = ("label", "--run", run.path, "--embeddings", folder)
    moved = call(*words, "--images", tmp_path / "nowhere", folder=tmp_path)
    assert moved.status == 1
    (line,) = moved.err.splitlines()
    assert line.endswith(
        "nowhere: 210 of 210 images not found. Name the folder of the photographs with --images"
    )
    for file in given.files[3:7]:
        file.unlink()
    (folder / "meta.json").unlink()
    fewer = call(*words, "--images", given.images, "--json", folder=tmp_path)
    assert fewer.status == 0, fewer.err
    assert f"left out: 4 of 210 images not found in {given.images}" in fewer.err
    answer = json.loads(fewer.out)
    assert (answer["images"], answer["model"]) == (206, "embeddings emb")
    for file in given.files[7:17]:
        file.write_bytes(b"no image")
    with pytest.raises(DataError, match="found 196 of 210 that can be read; expected at least 200"):
        label_by_words(run, given)


def test_images_that_are_not_there_do_not_shift_the_others(drawn: tuple[Run, Path]) -> None:
    run, folder = drawn
    given = read_embeddings(folder)
    kept = [row for row in range(210) if row not in (0, 5, 100)]
    fewer = given._replace(
        files=tuple(given.files[row] for row in kept), similarity=given.similarity[kept]
    )
    expected = label_by_words(run, fewer).labels
    for row in (0, 5, 100):
        given.files[row].unlink()
    assert label_by_words(run, given).labels.equals(expected)


def test_words_name_units_where_they_are_asked_for(drawn: tuple[Run, Path], tmp_path: Path) -> None:
    run, embedded = drawn

    def ask(*words: object) -> str:
        done = call(*words, "--run", run.path, folder=tmp_path)
        assert done.status == 0, done.err
        return done.out

    refused = call("show", "block4/0", "--labels", "words", "--run", run.path, folder=tmp_path)
    assert refused.status == 1
    assert "words.json: no words. Make them with `conceptgraph label" in refused.err
    assert len(refused.err.splitlines()) == 1
    before = ask("export", "json", "-o", "before.json")
    ask("label", "--embeddings", embedded)
    by_hand = read_word_labels(run)
    assert by_hand is not None
    labels = by_hand.labels.assign(holds=by_hand.labels["word"].notna())
    write_word_labels(run, by_hand._replace(labels=labels))  # all, since few are sure
    assert ask("export", "json", "-o", "after.json").replace("after", "before") == before
    assert (tmp_path / "after.json").read_bytes() == (tmp_path / "before.json").read_bytes()
    ask("export", "json", "-o", "words.json", "--labels", "words")
    graph = json.loads((tmp_path / "words.json").read_text())
    nodes = {node["id"]: node for node in graph["nodes"]}
    usable = set(run.units["uid"][run.units["status"] == "ok"])
    best = labels[labels["unit"].isin(usable)].dropna(subset="word").sort_values("auc").iloc[-1]
    unit, word = best["unit"], best["word"]
    assert nodes[f"lively.words/{unit}"]["label"] == word
    card = json.loads(ask("show", unit, "--labels", "words", "--json"))
    assert (card["run"], card["concepts"][0]["name"]) == ("lively.words", word)
    assert f"detects {word}" in ask("show", unit, "--labels", "words")
    concept = f"word/{word}"
    rows = json.loads(
        ask("query", "detectors", "-p", f"concept={concept}", "--labels", "words", "--json")
    )
    assert unit in [row["uid"] for row in rows]
    assert "by drawn vectors" in ask("show", concept, "--labels", "words")
    name = run.classes["name"].iloc[0]
    paths = json.loads(ask("why", "--class", name, "--one-unit", "--labels", "words", "--json"))
    seen = [concept for path in paths["paths"] for concept in path["concepts"] if concept]
    assert {concept["category"] for concept in seen} == {"word"}
    ask("export", "html", "--class", name, "-o", "paths.html", "--labels", "words")
    assert "words by drawn vectors" in (tmp_path / "paths.html").read_text()
    ask("report", "-o", "report.html", "--labels", "words")
    assert "lively.words" in (tmp_path / "report.html").read_text()


def test_an_image_is_explained_by_words(drawn: tuple[Run, Path], tmp_path: Path) -> None:
    run, embedded = drawn
    assert call("label", "--run", run.path, "--embeddings", embedded, folder=tmp_path).status == 0
    kept = read_word_labels(run)
    assert kept is not None
    labels = kept.labels.assign(holds=kept.labels["word"].notna())
    write_word_labels(run, kept._replace(labels=labels))
    image = next((tmp_path / "drawn" / "images").rglob("*.jpg"))
    why = ("why", "--image", image, "--run", run.path, "--json")
    answers = [call(*why, *more, folder=tmp_path) for more in ((), ("--labels", "words"))]
    assert [answer.status for answer in answers] == [0, 0], answers[-1].err
    by_masks, by_words = (json.loads(answer.out) for answer in answers)
    assert {row["category"] for row in by_words["by_concept"] if row["name"]} == {"word"}
    assert by_words["names_by"].startswith("Names by drawn vectors: ")
    where = "Words name units; where things are is by concepts with masks or tags."
    assert by_words["names_by"].endswith(where)
    printed = call(*why[:-1], "--labels", "words", folder=tmp_path)
    assert where in " ".join(printed.out.split())
    assert "Words name units" not in call(*why[:-1], folder=tmp_path).out
    assert by_words["probability"] == by_masks["probability"]
    assert len(list((run.path / "explanations").glob("*.json"))) == 2
