"""The finished audits of a run: reliance, confusions, suspects, and groups with their images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ....errors import QueryError
from ....graph.uids import split_concept
from ..paging import Filter, Paged, choice, paged
from ..rendering import Crumb, Page, url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graph.run.audits import (
        KeptAudit,
        SavedConfusion,
        SavedGroup,
        SavedReliance,
        SavedSuspect,
    )
    from ..library import ServedRun

ORDERS = ("most particular", "most answers carried", "most changed", "most put right")
_KEYS = dict(zip(ORDERS, ("low", "strongest", "changes", "fixes"), strict=True))
_MATRIX = 24
"""Classes of which a matrix of confusions is shown; of more, a list."""
_CONFUSIONS, _EXAMPLES, _GROUPS = 60, 6, 24


class AuditLink(NamedTuple):
    """An audit in the list of audits."""

    key: str
    created: str
    images: int
    right: int | None


class Group(NamedTuple):
    """A group, the number by which its images are found, and the first of them."""

    number: int
    group: SavedGroup
    examples: list[str]


@dataclass(frozen=True)
class AuditPage:
    """An audit.

    Attributes:
        heading: of the rows, in the plural.
        path: of the page.
        text: that the concept's name must have.
        key: of the audit; "" if the run has none.
        others: all audits of the run.
        finding: in a sentence.
        images: how many were read.
        right: how many answers are right; None without labels.
        filters: of the table of reliance.
        rows: of reliance.
        classes: of the matrix of confusions; empty if there are too many, or none.
        matrix: by true and predicted class, how many images.
        confusions: the most frequent first.
        suspects: concepts that push mistakes.
        no_suspects: why there are none, if so.
        groups: images of one reason.
        folder: of the images.
        command: how to make an audit.
    """

    heading: str
    path: str
    text: str
    key: str
    others: list[AuditLink]
    finding: str
    images: int
    right: int | None
    filters: tuple[Filter, ...]
    rows: Paged[SavedReliance]
    classes: list[str]
    matrix: Mapping[tuple[str, str], int]
    confusions: list[SavedConfusion]
    suspects: list[SavedSuspect]
    no_suspects: str | None
    groups: list[Group]
    folder: str
    command: str


@dataclass(frozen=True)
class AuditImages:
    """Some images of an audit.

    Attributes:
        heading: what they have in common.
        key: of the audit.
        files: the part that is shown.
        truths: of those whose answer is wrong, what they are, by file.
        wrong: how many of all of them that is.
        has_photographs: whether they can be shown.
    """

    heading: str
    key: str
    files: Paged[str]
    truths: Mapping[str, str]
    wrong: int
    has_photographs: bool


def audit(served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the newest audit, or the one `audit`.

    Raises:
        QueryError: the run has no such audit.
    """
    audits = served.audits
    key = asked.get("audit", "") or next(iter(audits), "")
    if not key:
        return Page("no_audit.html", "Audit", f"conceptgraph audit{served.command}", "/audit")
    kept = _kept(audits, key)
    found = kept["audit"]
    classes = ("any", *sorted(found["answers"]))
    filters = (
        Filter("class", "Class", classes, choice(asked, "class", classes)),
        Filter("order", "Order", ORDERS, choice(asked, "order", ORDERS)),
    )
    text = asked.get("q", "")
    matrix = {(c["truth"], c["predicted"]): len(c["images"]) for c in found["confusions"]}
    named = sorted({name for pair in matrix for name in pair})
    content = AuditPage(
        "rows", "/audit", text, key,
        [AuditLink(k, a["created"], a["audit"]["images"], a["audit"]["right"])
         for k, a in audits.items()],
        audit_finding(kept), found["images"], found["right"], filters,
        paged(_reliance(found["reliance"], filters, text), "/audit", asked),
        named if len(named) <= _MATRIX else [], matrix, found["confusions"][:_CONFUSIONS],
        found["suspects"], found["no_suspects"],
        [Group(n, group, group["images"][:_EXAMPLES] if served.has_photographs else [])
         for n, group in enumerate(found["groups"][:_GROUPS])],
        kept["folder"], f"conceptgraph audit{served.command}",
    )  # fmt: skip
    return Page("audit.html", "Audit", content, "/audit")


def audit_images(served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the images of a confusion (`truth`, `predicted`) or of a `group`.

    Raises:
        QueryError: the audit has no such images.
    """
    key = asked.get("audit", "")
    kept = _kept(served.audits, key)
    heading, files = _images(kept, asked)
    rows = paged(files, "/audit-images", asked)
    crumbs = (Crumb("Audit", url("/audit", run=served.key, audit=key)),)
    truths = {
        file: confusion["truth"]
        for confusion in kept["audit"]["confusions"]
        for file in confusion["images"]
    }
    wrong = sum(file in truths for file in files)
    content = AuditImages(heading, key, rows, truths, wrong, served.has_photographs)
    return Page("audit_images.html", heading, content, "/audit", crumbs)


class ClassAnswers(NamedTuple):
    """What the newest audit says of a class.

    Attributes:
        answers: images that the network takes for it.
        wrong: of these, how many are of another class.
        missed: images of it that are taken for others.
    """

    answers: int
    wrong: int
    missed: int


def answers_by_class(served: ServedRun) -> dict[str, ClassAnswers]:
    """Return what the newest audit with labels says of each class; empty without one."""
    kept = next(
        (k["audit"] for k in served.audits.values() if k["audit"]["right"] is not None), None
    )
    if kept is None:
        return {}
    wrong, missed = Counter[str](), Counter[str]()
    for confusion in kept["confusions"]:
        wrong[confusion["predicted"]] += len(confusion["images"])
        missed[confusion["truth"]] += len(confusion["images"])
    return {
        name: ClassAnswers(kept["answers"].get(name, 0), wrong[name], missed[name])
        for name in {*kept["answers"], *wrong, *missed}
    }


def confusions_of(served: ServedRun, name: str) -> list[tuple[str, SavedConfusion]]:
    """Return the confusions of a class in all audits, with their audit's key."""
    return [
        (key, confusion)
        for key, kept in served.audits.items()
        for confusion in kept["audit"]["confusions"]
        if name in (confusion["truth"], confusion["predicted"])
    ]


def _kept(audits: Mapping[str, KeptAudit], key: str) -> KeptAudit:
    if key not in audits:
        raise QueryError(f"no audit {key!r}", remedy="All audits are on the page “Audit”")
    return audits[key]


def _images(kept: KeptAudit, asked: Mapping[str, str]) -> tuple[str, Sequence[str]]:
    groups, number = kept["audit"]["groups"], asked.get("group", "")
    if number.isascii() and number.isdecimal() and len(number) < 7 and int(number) < len(groups):
        group = groups[int(number)]
        names = ", ".join(split_concept(row["concept"])[1] for row in group["concepts"])
        return f"{group['class']}: {names or 'a reason without a name'}", group["images"]
    for confusion in kept["audit"]["confusions"]:
        if (confusion["truth"], confusion["predicted"]) == (
            asked.get("truth"), asked.get("predicted"),
        ):  # fmt: skip
            heading = f"{confusion['truth']} taken for {confusion['predicted']}"
            return heading, confusion["images"]
    raise QueryError("no such images in this audit")


def _reliance(
    rows: Sequence[SavedReliance], filters: tuple[Filter, ...], text: str
) -> list[SavedReliance]:
    words = text.casefold().split()
    chosen = [
        row
        for row in rows
        if filters[0].value in {"any", row["class"]}
        and all(word in row["concept"].casefold() for word in words)
    ]
    by = _KEYS[filters[1].value]
    return sorted(chosen, key=lambda row: -float(row[by] or 0))  # type: ignore[literal-required]


def newest_finding(served: ServedRun) -> str | None:
    """Return the finding of a run's newest audit; None without one."""
    return next((audit_finding(kept) for kept in served.audits.values()), None)


def audit_finding(kept: KeptAudit) -> str:
    """Return the finding of an audit in a sentence or two."""
    found = kept["audit"]
    read = f"{found['images']:,} answers"
    if found["right"] is not None:
        wrong = found["images"] - found["right"]
        read = f"{wrong:,} of {found['images']:,} answers are wrong"
    fixing = max(found["reliance"], key=lambda row: row["fixes"] or 0, default=None)
    if fixing is not None and fixing["fixes"]:
        name = split_concept(fixing["concept"])[1]
        return (
            f"{read}. {name} carries {fixing['wrong_strongest']} of those taken for "
            f"{fixing['class']}; with it painted over, {fixing['fixes']} become right."
        )
    ablated = max(found["suspects"], key=lambda row: row["fixes"] or 0, default=None)
    if ablated is not None and ablated["fixes"]:
        name = split_concept(ablated["concept"])[1]
        return (
            f"{read}. With the units of {name} ablated where it is, {ablated['fixes']} become "
            f"right, and {ablated['breaks']} right answers break."
        )
    if found["reliance"]:
        row = found["reliance"][0]
        name, of = split_concept(row["concept"])[1], found["answers"].get(row["class"], 0)
        carries = f"{read}. {name} carries {row['strongest']} of {of} answers {row['class']}"
        if not row["painted"]:
            return f"{carries}."
        changes = f"painted over in {row['painted']}, it changes the answer in {row['changes']}"
        return f"{carries}; {changes}."
    return f"{read}. No concept carries the answers of one class more often than of others."
