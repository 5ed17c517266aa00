"""Embeddings by open_clip: of photographs, of words, of patches; and what is refused."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from conceptgraph.errors import ModelError
from conceptgraph.ingest.sources.embeddings.clip import (
    ClipModel,
    ClipName,
    needs_quick_gelu,
    read_name,
)
from conceptgraph.ingest.sources.embeddings.folder import read_embeddings
from conceptgraph.ingest.sources.embeddings.patches import patch_embeddings
from tests.command_line import call
from tests.small_clip import add_small_clips, save_clip
from tests.small_segmenters import draw_photographs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

WORDS = ["ball", "green box", "nothing at all"]


@pytest.fixture(autouse=True)
def _small_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    add_small_clips(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with photographs, words and weights."""
    photos = draw_photographs(tmp_path / "photos", 7)
    (photos / "below").mkdir()
    Image.new("RGB", (90, 40), "red").save(photos / "below" / "wide.jpg")
    (tmp_path / "words.txt").write_text("\n".join(WORDS), encoding="utf-8")
    return tmp_path


def embed(folder: Path, model: str, *options: object, out: str = "words.emb") -> Any:
    words = ("data", "embed", "photos", "--words", "words.txt", "--model", model, "--out", out)
    return call(*words, "--device", "cpu", *options, folder=folder)


def cosines(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    return np.asarray(a @ b.T / norms)


@pytest.mark.parametrize("name", ["tiny-RN", "tiny-ViT"])
def test_vectors_are_those_of_open_clip(name: str, folder: Path) -> None:
    model = save_clip(folder / "clip.pt", name)
    done = embed(folder, f"open_clip:{name}:clip.pt", "--batch-size", "3")
    assert done.status == 0, done.err
    assert f"8 images and 3 words by open_clip {name} (clip.pt)" in done.out
    assert "`conceptgraph label` needs at least 200 photographs; these are 8." in done.out
    assert "Next" not in done.out
    read = read_embeddings(folder / "words.emb")
    assert read.words == tuple(WORDS)
    assert read.files[0] == (folder / "photos" / "below" / "wide.jpg").resolve()
    transform = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(**model.visual.preprocess_cfg), is_train=False
    )
    tokens = open_clip.get_tokenizer(name)([f"a photo of {word}" for word in WORDS])
    with torch.no_grad():
        images = [
            model.encode_image(transform(Image.open(file).convert("RGB"))[None])[0].numpy()
            for file in read.files
        ]
        texts = model.encode_text(tokens).numpy()
    np.testing.assert_allclose(read.similarity, cosines(np.stack(images), texts), atol=1e-5)
    meta = json.loads((folder / "words.emb" / "meta.json").read_text())
    assert meta == {
        "model": f"open_clip {name} (clip.pt)",
        "version": f"open_clip {open_clip.__version__}",
        "prompt": "a photo of {}",
        "images": str((folder / "photos").resolve()),
    }


def test_another_prompt_makes_other_texts(folder: Path) -> None:
    model = save_clip(folder / "clip.pt")
    done = embed(folder, "open_clip:tiny-RN:clip.pt", "--prompt", "{}, drawn ({})", "--json")
    assert done.status == 0, done.err
    tokens = open_clip.get_tokenizer("tiny-RN")([f"{word}, drawn ({word})" for word in WORDS])
    with torch.no_grad():
        expected = model.encode_text(tokens).numpy()
    np.testing.assert_allclose(np.load(folder / "words.emb" / "texts.npy"), expected, atol=1e-5)
    assert json.loads(done.out)["dimensions"] == 32


def test_photographs_that_cannot_be_read_are_left_out_and_counted(folder: Path) -> None:
    save_clip(folder / "clip.pt")
    (folder / "photos" / "broken.jpg").write_bytes(b"no image")
    (folder / "photos" / "photo03.png").write_bytes(
        (folder / "photos" / "photo03.png").read_bytes()[:200]
    )
    done = embed(folder, "open_clip:tiny-RN:clip.pt")
    assert done.status == 0, done.err
    assert "2 photographs cannot be read: words.emb/dropped.csv." in done.out
    header, *rows = (folder / "words.emb" / "dropped.csv").read_text().splitlines()
    assert header == "image,reason"
    assert [row.partition(",")[0] for row in rows] == ["broken.jpg", "photo03.png"]
    assert len(read_embeddings(folder / "words.emb").files) == 7


def test_patches_of_a_resnet_are_the_pooling_without_attention(folder: Path) -> None:
    model = save_clip(folder / "clip.pt", "tiny-RN", seed=3)
    pool = model.visual.attnpool
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        images, patches = patch_embeddings(model.visual, pixels)
        assert torch.allclose(images, model.encode_image(pixels), atol=1e-5)
        visual = model.visual
        maps = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(pixels)))))
        pool.positional_embedding.zero_()
        for image, row, column in np.ndindex(2, 2, 2):
            alone = maps[image : image + 1, :, row : row + 1, column : column + 1]
            pool.positional_embedding.data = torch.zeros(2, maps.shape[1])
            assert torch.allclose(patches[image, row, column], pool(alone)[0], atol=1e-5)


def test_patches_of_a_vit_are_the_tokens_when_each_sees_itself_only(folder: Path) -> None:
    visual = save_clip(folder / "clip.pt", "tiny-ViT", seed=4).visual
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        images, patches = patch_embeddings(visual, pixels)
        assert torch.allclose(images, visual(pixels), atol=1e-5)
        tokens = visual._embeds(pixels)
        *blocks, last = visual.transformer.resblocks
        for block in blocks:
            tokens = block(tokens)
        itself = torch.full((17, 17), -torch.inf).fill_diagonal_(0)
        tokens = visual.ln_post(last(tokens, attn_mask=itself)) @ visual.proj
    assert torch.allclose(patches, tokens[:, 1:].reshape(2, 4, 4, -1), atol=1e-5)


def test_patches_cover_the_whole_photograph(folder: Path) -> None:
    model = save_clip(folder / "clip.pt", "tiny-ViT")
    done = embed(folder, "open_clip:tiny-ViT:clip.pt", "--patches")
    assert done.status == 0, done.err
    assert "Each image also in 4 × 4 patches." in done.out
    patches = np.load(folder / "words.emb" / "patches.npy")
    assert patches.shape == (8, 4, 4, 24)
    assert patches.dtype == np.float16
    wide = Image.open(folder / "photos" / "below" / "wide.jpg").convert("RGB")
    facts = open_clip.transform.PreprocessCfg(
        **{**model.visual.preprocess_cfg, "resize_mode": "squash"}
    )
    pixels = open_clip.transform.image_transform_v2(facts, is_train=False)(wide)
    with torch.no_grad():
        _, expected = patch_embeddings(model.visual, pixels[None])
    np.testing.assert_allclose(patches[0], expected[0].numpy(), atol=2e-3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("open_clip:RN50", ("RN50", "openai")),
        ("open_clip:RN50:yfcc15m", ("RN50", "yfcc15m")),
        ("open_clip:ViT-B-32:laion2b_s34b_b79k", ("ViT-B-32", "laion2b_s34b_b79k")),
    ],
)
def test_names_of_networks(name: str, expected: tuple[str, str]) -> None:
    assert read_name(name) == expected


def test_a_file_may_have_a_colon_in_its_name(folder: Path) -> None:
    file = folder / "a:b.pt"
    file.touch()
    assert read_name(f"open_clip:RN50:{file}") == ("RN50", str(file))


def test_weights_of_openai_use_quick_gelu_whatever_the_name_says() -> None:
    assert needs_quick_gelu(ClipName("RN50", "openai"))
    assert not needs_quick_gelu(ClipName("ViT-B-32", "laion2b_s34b_b79k"))
    assert not needs_quick_gelu(ClipName("RN50", "/some/file.pt"))


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def save(name: str, content: object) -> Callable[[Path], object]:
    return lambda folder: torch.save(content, folder / name)


def save_program(folder: Path) -> None:
    trace: Any = torch.jit.trace
    trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save(folder / "clip.pt")


def cut_short(folder: Path) -> None:
    content = (folder / "clip.pt").read_bytes()
    (folder / "clip.pt").write_bytes(content[: len(content) // 2])


def save_with_nan(folder: Path) -> None:
    state = save_clip(folder / "clip.pt").state_dict()
    state["text_projection"][0, 0] = torch.nan
    torch.save(state, folder / "clip.pt")


def without_photographs(folder: Path) -> None:
    for file in (folder / "photos").rglob("*.*"):
        file.rename(file.with_suffix(".txt"))


def damage_photographs(folder: Path) -> None:
    for file in (folder / "photos").rglob("*.*"):
        file.write_bytes(b"")


def nothing(folder: Path) -> None:
    pass


SMALL = "open_clip:tiny-RN:clip.pt"


@pytest.mark.parametrize(
    ("damage", "model", "options", "message"),
    [
        (write("words.txt", b"\n \n"), SMALL, (), "words.txt: no words; expected one word a line"),
        (write("words.txt", b"a\n\nb\na\n"), SMALL, (), "row 4: word 'a' is duplicated, first in"),
        (write("words.txt", b"caf\xe9\n"), SMALL, (), "words.txt: row 1: "),
        (lambda folder: (folder / "words.txt").unlink(), SMALL, (), "words.txt: cannot be read"),
        (nothing, "RN50", (), "--model; found 'RN50'; expected open_clip:NAME"),
        (nothing, "open_clip:", (), "--model; found 'open_clip:'"),
        (nothing, "hf:RN50", (), "--model; found 'hf:RN50'"),
        (nothing, "open_clip:RN51", (), "no model 'RN51'. Did you mean 'RN50'"),
        (nothing, "open_clip:nothing", (), "no model 'nothing'. There are "),
        (nothing, "open_clip:nothing", (), "(open_clip.list_models() has all)"),
        (
            nothing,
            "open_clip:RN50:opena",
            (),
            "weights of RN50 in open_clip; expected a file, or one of op",
        ),
        (nothing, "open_clip:tiny-RN", (), "no weights of tiny-RN. Name a file"),
        (nothing, "open_clip:tiny-RN:none.pt", (), "of tiny-RN in open_clip; expected a file\n"),
        (nothing, "open_clip:tiny-ViT:clip.pt", (), "clip.pt: not the weights of tiny-ViT"),
        *(
            (damage, SMALL, (), "clip.pt: not a checkpoint of open_clip; expected weights of tiny-")
            for damage in (
                write("clip.pt", b"no weights"),
                write("clip.pt", b""),
                write("clip.pt", b"<!doctype html>"),
                write("clip.pt", pickle.dumps({"a": 1})),
                save("clip.pt", {}),
                save("clip.pt", [1]),
                save("clip.pt", {1: torch.zeros(1)}),
                save("clip.pt", torch.nn.Linear(2, 2)),
                save_program,
            )
        ),
        (cut_short, SMALL, (), "clip.pt: not the weights of tiny-RN; found RuntimeError: Pytorch"),
        (save_with_nan, SMALL, (), "clip.pt: NaN or infinite weights in 1 tensors"),
        (nothing, SMALL, ("--prompt", "a photo"), "prompt without a word; found 'a photo'"),
        (nothing, SMALL, ("--out", "photos"), "photos: already exists"),
        (nothing, SMALL, ("--device", "gpu"), "device 'gpu' cannot be used"),
        (without_photographs, SMALL, (), "photos: no photographs; expected images *.jpg"),
        (damage_photographs, SMALL, (), "no image can be read; found below/wide.jpg: "),
        (lambda folder: (folder / "photos").rename(folder / "p"), SMALL, (), "no such folder"),
    ],
)
@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
def test_what_is_refused(
    folder: Path,
    damage: Callable[[Path], object],
    model: str,
    options: tuple[str, ...],
    message: str,
) -> None:
    save_clip(folder / "clip.pt")
    damage(folder)
    before = sorted(folder.iterdir())
    done = embed(folder, model, *options)
    assert done.status == 1
    assert message in done.err
    assert "weights_only" not in done.err
    assert len(done.err.splitlines()) == 1
    assert sorted(folder.iterdir()) == before


def test_a_network_without_patches(folder: Path) -> None:
    visual: Any = torch.nn.Linear(2, 2)
    with pytest.raises(ModelError, match="no embeddings of patches; found Linear"):
        patch_embeddings(visual, torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("named", "file"),
    [
        (ClipName("RN50", "openai"), "open_clip:RN50-quickgelu:FILE"),
        (ClipName("RN50-quickgelu", "openai"), "open_clip:RN50-quickgelu:FILE"),
        (ClipName("ViT-B-32", "laion2b_s34b_b79k"), "open_clip:ViT-B-32:FILE"),
    ],
)
def test_offline_the_file_is_named_with_the_network_that_it_fits(
    named: ClipName, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no connection")

    monkeypatch.setattr(open_clip, "create_model_and_transforms", fail)
    with pytest.raises(ModelError, match="no connection") as one:
        ClipModel(f"open_clip:{named.name}:{named.weights}", torch.device("cpu"))
    assert str(one.value).endswith(file)
