"""Explanations kept in a run: one JSON file each, `explanations/KEY.json`, and their graph.

KEY stands for the image's content and for what was asked, so that the same question about the same
image, asked twice, is one explanation. The run's other files never change for it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple, TypedDict, cast

from ...errors import RunError
from ..elements import Edge, Explained, Node, known
from .files import disk_errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .reader import Run

FOLDER = "explanations"
SCHEMA = 1


class _AnswerPath(TypedDict):
    rank: int
    contribution: float
    measured: float
    units: list[str]


_Answer = TypedDict(
    "_Answer",
    {
        "class": str,
        "versus": "str | None",
        "method": str,
        "logit": float,
        "probability": float,
        "coverage": float,
        "paths": "list[_AnswerPath]",
    },
)


class Kept(NamedTuple):
    """One explanation as it was kept.

    Attributes:
        key: of the file.
        image: sha256 of the image file's content.
        path: the image file, as it was given.
        answer: the explanation's JSON: class, versus, method, logit, probability, paths (rank,
            contribution, measured, units), accounting and more.
    """

    key: str
    image: str
    path: str
    answer: Mapping[str, object]


def keep(run: Run, image: Path, asked: Mapping[str, object], answer: Mapping[str, object]) -> Path:
    """Keep an explanation; one of the same image and question takes the place of the former.

    Args:
        run: the run that was asked.
        image: the image file.
        asked: all settings that the answer depends on.
        answer: the explanation's JSON.

    Returns:
        The JSON file; what else belongs to it may lie beside it, under the same stem.

    Raises:
        RunError: the image cannot be read, or the run not written to.
    """
    with disk_errors(image, "cannot be read"):
        content = hashlib.sha256(image.read_bytes()).hexdigest()
    question = json.dumps([content, dict(asked)], sort_keys=True)
    key = hashlib.blake2b(question.encode(), digest_size=8).hexdigest()
    file = run.path / FOLDER / f"{key}.json"
    kept = {"schema": SCHEMA, "image": content, "path": str(image), "answer": dict(answer)}
    with disk_errors(file, "cannot be written"):
        file.parent.mkdir(exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(kept, ensure_ascii=False, allow_nan=False), encoding="utf-8")
        partial.replace(file)
    return file


def saved_explanations(run: Run) -> list[Kept]:
    """All explanations of a run, by key; RunError for a file that is none."""
    return [_read(file) for file in sorted((run.path / FOLDER).glob("*.json"))]


def explained(run: Run) -> tuple[Explained, ...]:
    """The graphs of all explanations of a run."""
    return tuple(_elements(run, kept) for kept in saved_explanations(run))


def _elements(run: Run, kept: Kept) -> Explained:
    answer = cast("_Answer", kept.answer)
    explanation = f"{run.name}/explanation/{kept.key}"
    versus = f" − {answer['versus']}" if answer["versus"] else ""
    properties = {
        "name": f"{answer['class']}{versus}",
        **{name: answer[name] for name in ("method", "versus", "logit", "probability", "coverage")},
    }
    name = PurePath(kept.path).name
    nodes = [
        Node(("Image",), kept.image, {"name": name, "path": kept.path}),
        Node(("Explanation",), explanation, known(properties)),
    ]
    row = list(run.classes["name"]).index(answer["class"])
    target = f"{run.name}/{run.classes['uid'].iloc[row]}"
    edges = [
        Edge("EXPLAINED_BY", kept.image, explanation, {}),
        Edge("OF", explanation, target, {}),
    ]
    for path in answer["paths"]:
        uid = f"{explanation}/{path['rank']}"
        values = {key: path[key] for key in ("rank", "contribution", "measured")}
        nodes.append(Node(("Path",), uid, known({"name": _signed(path), **values})))
        edges.append(Edge("HAS_PATH", explanation, uid, {}))
        edges += [
            Edge("STEP", uid, f"{run.name}/{unit}", {"position": position})
            for position, unit in enumerate(path["units"])
        ]
    return Explained(tuple(nodes), tuple(edges))


def _signed(path: _AnswerPath) -> str:
    return f"{path['contribution']:+.3g}"


def _read(file: Path) -> Kept:
    with disk_errors(file, "cannot be read"):
        text = file.read_text(encoding="utf-8")
    try:
        found = json.loads(text)
        answer = found["answer"]
        fits = found["schema"] == SCHEMA and all(
            len(path["units"]) > 0 and "contribution" in path for path in answer["paths"]
        )
        kept = Kept(file.stem, found["image"], found["path"], answer)
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(file) from error
    if not fits or not {"class", "logit", "probability", "coverage", "accounting"} <= set(
        kept.answer
    ):
        raise _damaged(file)
    return kept


def _damaged(file: Path) -> RunError:
    return RunError(
        "not an explanation of this version", file=file, remedy="Delete it, and explain again"
    )
