"""Embeddings of images and words in one space, from a folder that anybody can write.

    FOLDER/images.npy     float, (images, dimensions)
           images.csv     image: the files, in the same order
           texts.npy      float, (words, dimensions)
           names.txt      the words, one a line, in the same order
           patches.npy    optional: float, (images, height, width, dimensions), a grid that covers
                          each whole image
           meta.json      optional: model, and images, the folder of the files

`conceptgraph data embed` writes them, with CLIP and its like.
"""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ....errors import DataError
from ...concept_data.csv_tables import read_csv, read_text
from ...concept_data.labels import PEOPLE, TAGS, plain_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


class Embeddings(NamedTuple):
    """Embeddings of images and of words.

    Attributes:
        model: which made them, in words; the folder's name if nothing says so.
        images: the folder of the images.
        files: of the images, below it.
        words: the words.
        similarity: float32 (images, words), cosines.
        texts: float64 (words, dimensions), of length 1.
    """

    model: str
    images: Path
    files: tuple[Path, ...]
    words: tuple[str, ...]
    similarity: NDArray[np.float32]
    texts: NDArray[np.float64]


def read_embeddings(folder: Path, images: Path | None = None) -> Embeddings:
    """Read embeddings, and check that they fit one another.

    Args:
        folder: of the arrays.
        images: folder of the image files; as meta.json says, or the folder itself, if None.

    Raises:
        DataError: a file is missing or does not fit, a value is not finite, a vector is 0, an
            image or a word stands twice, or the model has the name of labels that people made.
    """
    if not folder.is_dir():
        raise DataError("no such folder", file=folder)
    meta = _read_meta(folder / "meta.json")
    names = [row.cells["image"] for row in read_csv(folder / "images.csv", ["image"]).rows]
    words = [plain_name(line) for line in read_text(folder / "names.txt").splitlines()]
    words = words[: max((place for place, word in enumerate(words, 1) if word), default=0)]
    _check_distinct(folder / "images.csv", names)
    _check_distinct(folder / "names.txt", words)
    of_images = _read_vectors(folder / "images.npy", names, "rows of images.csv")
    of_words = _read_vectors(folder / "texts.npy", words, "lines of names.txt")
    if of_images.shape[1] != of_words.shape[1]:
        raise DataError(
            "images and words are not embedded in one space",
            file=folder / "texts.npy",
            found=f"{of_words.shape[1]} dimensions",
            expected=f"{of_images.shape[1]}, as images.npy has",
        )
    root = images or Path(meta.get("images") or folder)
    similarity = (of_images @ of_words.T).astype(np.float32)
    files = tuple(root / name for name in names)
    model = meta.get("model") or f"embeddings {folder.resolve().name}"
    return Embeddings(model, root, files, tuple(words), similarity, of_words)


def write_embeddings(
    folder: Path,
    images: NDArray[np.floating],
    files: Sequence[str],
    texts: NDArray[np.floating],
    words: Sequence[str],
    meta: Mapping[str, str],
    *,
    patches: NDArray[np.floating] | None = None,
) -> None:
    """Write embeddings into a folder that exists.

    Args:
        folder: to write to.
        images: (images, dimensions).
        files: of the images, relative to meta's `images`.
        texts: (words, dimensions).
        words: the words.
        meta: for meta.json.
        patches: (images, height, width, dimensions).

    Raises:
        OSError: a file cannot be written.
    """
    arrays = {"images": images, "texts": texts, "patches": patches}
    for name, values in arrays.items():
        if values is not None:
            np.save(folder / f"{name}.npy", values, allow_pickle=False)
    write_csv(folder / "images.csv", ["image"], [[file] for file in files])
    (folder / "names.txt").write_text("\n".join([*words, ""]), encoding="utf-8")
    (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


def _read_meta(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    try:
        content = json.loads(read_text(file))
        meta = {key: str(content[key]) for key in ("model", "images") if content.get(key)}
    except (ValueError, AttributeError, RecursionError) as error:
        raise DataError("not a JSON object", file=file, found=error) from error
    model = plain_name(meta.get("model", ""))
    if PurePath(model).name.casefold() in {PEOPLE, TAGS}:  # else its labels count as people's
        remedy = "Name the network that made the embeddings"
        raise DataError("this model's name is reserved", file=file, found=model, remedy=remedy)
    return {**meta, "model": model}


def _check_distinct(file: Path, names: list[str]) -> None:
    if "" in names:
        raise DataError("an empty name", file=file, found=f"entry {names.index('') + 1}")
    seen: set[str] = set()
    for place, name in enumerate(names, 1):
        if name in seen:
            raise DataError(f"{name!r} is duplicated", file=file, found=f"entry {place}")
        seen.add(name)


def _read_vectors(file: Path, names: list[str], what: str) -> NDArray[np.float64]:
    """Read vectors, and scale each to length 1; float64 (names, dimensions)."""
    vectors = _load(file)
    if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.floating):
        found = f"{vectors.shape} {vectors.dtype}"
        raise DataError("not vectors", file=file, found=found, expected="(rows, dimensions) float")
    if len(vectors) != len(names):
        expected = f"{len(names)}, the {what}"
        raise DataError("rows", file=file, found=len(vectors), expected=expected)
    if not len(names):
        raise DataError("nothing is embedded", file=file)
    values, bad = normalise(vectors)
    if bad is not None:
        row, kind = bad
        raise DataError(f"the vector of {names[row]!r} {kind}", file=file, found=f"row {row}")
    return values


def normalise(
    vectors: NDArray[np.floating],
) -> tuple[NDArray[np.float64], tuple[int, str] | None]:
    """Scale vectors to length 1.

    Returns:
        float64 (rows, dimensions), and the first row that cannot be scaled, with the reason.
    """
    with np.errstate(all="ignore"):  # a length that overflows is infinite
        values: NDArray[np.float64] = vectors.astype(np.float64)
        lengths = np.linalg.norm(values, axis=1)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(bad):
        first = int(bad[0])
        too_long = "is too long" if np.isfinite(values[first]).all() else "is not finite"
        return values, (first, "is 0" if lengths[first] == 0 else too_long)
    return values / lengths[:, None], None


def open_patches(folder: Path, embeddings: Embeddings) -> NDArray[np.floating]:
    """Open the embeddings of patches, a memory map (images, height, width, dimensions).

    Args:
        folder: of the arrays.
        embeddings: that were read from it.

    Raises:
        DataError: there are none, or they do not fit the others.
    """
    file = folder / "patches.npy"
    if not file.is_file():
        remedy = "Make them with `conceptgraph data embed --patches`"
        raise DataError("no patches", file=file, remedy=remedy)
    patches = _load(file, mapped=True)
    images, dimensions = len(embeddings.files), embeddings.texts.shape[1]
    if patches.ndim != 4 or not np.issubdtype(patches.dtype, np.floating) or 0 in patches.shape:
        found = f"{patches.shape} {patches.dtype}"
        expected = "(images, height, width, dimensions) float"
        raise DataError("not patches", file=file, found=found, expected=expected)
    if len(patches) != images:
        expected = f"{images}, the rows of images.csv"
        raise DataError("rows", file=file, found=len(patches), expected=expected)
    if patches.shape[-1] != dimensions:
        raise DataError(
            "patches and words are not embedded in one space",
            file=file,
            found=f"{patches.shape[-1]} dimensions",
            expected=f"{dimensions}, as texts.npy has",
        )
    return patches


def _load(file: Path, *, mapped: bool = False) -> NDArray[np.floating]:
    if not file.is_file():
        raise DataError("not a .npy array", file=file, found="no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array: NDArray[np.floating] = np.lib.format.open_memmap(file, mode="r")
            return array if mapped else np.array(array)
    except Exception as error:  # a damaged header fails in any step of its reading
        found = str(error)[:200] or type(error).__name__
        raise DataError("not a .npy array", file=file, found=found) from error
