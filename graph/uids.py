"""Uids, and the names of blocks and labels: made and split here, and nowhere else.

    in a run                          in the graph
    block4                            net/block4
    block4/290                        net/block4/290
    class/juggling                    net/class/juggling
    explanation/0f3a, its path 1      net/explanation/0f3a, net/explanation/0f3a/1
    texture/polka dotted              texture/polka dotted: runs share concepts
    word/river, of `label`            word/river; its units are net.words/block4/290

A uid is a pure function of names, so the same thing has the same uid wherever it is made. Neither a
run's name nor a category has a "/"; the name of a concept or class may have one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .schema import NODES

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

WORD = "word"
"""Category of concepts that are words, which nobody has drawn or tagged."""
_WORDS = ".words"


def unit_uid(block: str, index: int) -> str:
    """Return "block4/290"."""
    return f"{block}/{index}"


def split_unit(uid: str) -> tuple[str, int]:
    """Return ("block4", 290) for "block4/290"; ValueError for anything else."""
    block, _, index = uid.partition("/")
    return block, int(index)


def concept_uid(category: str, name: str) -> str:
    """Return "texture/polka dotted"."""
    return f"{category}/{name}"


def concept_uids(categories: pd.Series[str], names: pd.Series[str]) -> pd.Series[str]:
    """Return the uid of each row's concept; missing for a row without one."""
    return categories + "/" + names


def split_concept(uid: str) -> tuple[str, str]:
    """Return the category and the name of a concept."""
    category, _, name = uid.partition("/")
    return category, name


def class_uid(name: str) -> str:
    """Return "class/juggling"."""
    return f"class/{name}"


def class_name(uid: str) -> str:
    """Return "juggling" for "class/juggling"."""
    return uid.removeprefix("class/")


def is_class(uid: str) -> bool:
    """Return whether a unit's or class's uid is that of a class."""
    return uid.startswith("class/")


def block_concept_uid(block: str, concept: str) -> str:
    """Return "block3/at/texture/polka dotted": a concept as a block sees it."""
    return f"{block}/at/{concept}"


def flow_uid(class_index: int, places: Iterable[tuple[str, str, str | None]]) -> str:
    """Return "flow/17/block4:object:car/block3:object": a flow to a class.

    Args:
        class_index: index of the class.
        places: block, category and concept (None: none of the category), the last block first.
    """
    parts = (":".join(_escaped(part) for part in place if part is not None) for place in places)
    return "/".join(["flow", str(class_index), *parts])


def _escaped(text: str) -> str:
    """Return a name without the characters that separate the parts of `flow_uid`."""
    return text.replace("%", "%25").replace("/", "%2F").replace(":", "%3A")


def explanation_uid(key: str) -> str:
    """Return "explanation/0f3a"."""
    return f"explanation/{key}"


def path_uid(explanation: str, rank: int) -> str:
    """Return the uid of an explanation's path."""
    return f"{explanation}/{rank}"


def graph_uid(run: str, uid: str) -> str:
    """Return the uid that anything of a run, but a concept, has in the graph."""
    return f"{run}/{uid}"


def run_prefix(run: str) -> str:
    """Return what the graph uids of a run's blocks, units, classes and explanations begin with."""
    return f"{run}/"


def word_run_uid(run: str) -> str:
    """Return "net.words": the run `net` whose units are labelled with words."""
    return f"{run.removesuffix(_WORDS)}{_WORDS}"


def block_name(number: int) -> str:
    """Return "block4" for 4."""
    return f"block{number}"


def block_number(block: str) -> int:
    """Return 4 for "block4"; ValueError for a name that is not `block` and a number."""
    prefix, number = block[:5], block[5:]
    if prefix != "block" or not number.isdecimal():
        message = f"not a block name: {block!r}"
        raise ValueError(message)
    return int(number)


def block_label(block: str) -> str:
    """Return the second label of a block's units: "Block4" for "block4"."""
    return f"Block{block_number(block)}"


def block_concept_label(block: str) -> str:
    """Return the second label of the concepts that a block sees: "InBlock4" for "block4"."""
    return f"In{block_label(block)}"


def category_label(category: str) -> str:
    """Return the second label of a category's concepts: "Action" for "action".

    Labels cannot be parameters in Cypher, so only ASCII letters, digits and underscores are left
    ("scene type" → "SceneType"); a label of the schema gets a suffix ("class" → "ClassConcept").
    The exact name is the property `category`.
    """
    words = re.findall(r"[A-Za-z0-9_]+", category)
    label = "".join(word[0].upper() + word[1:] for word in words)
    if not label or not label[0].isalpha():
        label = f"Category{label}"
    taken = label in NODES or re.fullmatch(r"(In)?Block\d+", label)
    return f"{label}Concept" if taken else label
