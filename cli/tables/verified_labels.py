"""What `data verify` found, as tables and JSON."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ...ingest.sources.verified.answers import answers_beside
from ...ingest.sources.verified.settings import VerifySettings
from ...pages.wording import counted
from ..terminal import print_line, print_note, print_status, print_table

if TYPE_CHECKING:
    from ...ingest.sources.verified.agreement import ConceptAnswers
    from ...ingest.sources.verified.kept import VerifiedReport
    from ...ingest.sources.verified.verification import Verification

_ROWS = 25


def print_start(verification: Verification, address: str) -> None:
    """Print where the page is, on stderr."""
    asked = sum(len(of.sample) for of in verification.concepts.values())
    concepts = counted(len(verification.concepts), "concept")
    for note in _notes(verification):
        print_status(note)
    print_status(f"{counted(asked, 'label')} of {concepts} to verify: {address}")
    print_status(f"Each answer is saved at once, in {verification.file.path}. Ctrl-C ends.")


def _notes(verification: Verification) -> list[str]:
    """Return what a user should know of the data and the answers, in sentences."""
    notes = [f"left out: {reason}" for reason in verification.labels.damaged.values()]
    notes += [f"left out: {reason}" for reason in verification.unreadable.values()]
    if verification.file.was_cut_off:
        notes.append("The last row of the answers was cut off; it was removed.")
    if verification.unused:
        answers = counted(verification.unused, "answer")
        notes.append(
            f"{answers} in the file do not count: about labels that these data do not have, or "
            "whose region has changed."
        )
    return notes


def results_json(verification: Verification) -> dict[str, object]:
    """Return what the answers say as one JSON object."""
    answers = verification.file.answers
    return {
        "folder": str(verification.labels.data.folder),
        "answers": str(verification.file.path),
        "workers": {name: sum(one.worker == name for one in answers)
                    for name in sorted({one.worker for one in answers})},
        "concepts": [_concept_json(verification, uid) for uid in verification.concepts],
        "left_out": [*verification.labels.damaged, *verification.unreadable],
        "unused_answers": verification.unused,
    }  # fmt: skip


def _concept_json(verification: Verification, uid: str) -> dict[str, object]:
    concept, so_far = verification.concepts[uid].concept, verification.progress(uid)
    share = so_far.share
    return {
        "category": concept.category,
        "concept": concept.name,
        "source": concept.source,
        **so_far._asdict(),
        "done": so_far.done,
        "share": {
            "yes": share.yes,
            "decided": share.decided,
            "low": round(share.low, 4),
            "high": round(share.high, 4),
        },
    }


def print_results(verification: Verification, given: int | None = None) -> None:
    """Print what the answers say as a table, and what to do next.

    Args:
        verification: with the answers.
        given: answers given just now; None if nobody was asked.
    """
    so_far = [(of.concept, verification.progress(uid)) for uid, of in verification.concepts.items()]
    answered = [row for row in so_far if row[1].answered]
    rows = []
    for concept, counts in answered[:_ROWS]:
        share = counts.share
        interval = f"{share.low:.0%} to {share.high:.0%}" if share.decided else "—"
        agree = f"{counts.agreeing} of {counts.pairs}" if counts.pairs else "—"
        done = "yes" if counts.done else _what_is_left(counts)
        row = (concept.category, concept.name, f"{counts.answered} of {counts.asked}")
        yes = f"{share.yes} of {share.decided}" if share.decided else "—"
        rows.append((*row, yes, interval, agree, done))
    if given is not None:
        print_line()
    columns = ("category", "concept", "answered", "yes", "95 % interval", "people agree", "done")
    print_table("Labels verified", columns, rows, right="cdef")
    if len(answered) > _ROWS:
        print_note(f"… and {len(answered) - _ROWS:,} more concepts (--json lists all).")
    unanswered = len(so_far) - len(answered)
    if answered and unanswered:
        print_note(f"Without an answer yet: {counted(unanswered, 'concept')}.")
    disputed = sum(counts.disputed for _, counts in answered)
    if disputed:
        print_note(
            f"{counted(disputed, 'label')} with as many yes as no: another person is needed; until "
            "then, --apply drops them."
        )
    if given is None or verification.unreadable:
        for note in _notes(verification):
            print_note(note)
    _print_next(verification, given)


def _what_is_left(counts: ConceptAnswers) -> str:
    """Return what is left until a concept is done."""
    more = f"about {counts.needed} more" if counts.needed else ""
    disputed = f"{counts.disputed} disputed" if counts.disputed else ""
    return ", ".join(filter(None, (more, disputed)))


def _print_next(verification: Verification, given: int | None) -> None:
    path, total = verification.file.path, len(verification.file.answers)
    if not total:
        none = (
            f"No answers yet in {path}."
            if given is None
            else "No answer was given, and nothing written."
        )
        print_line(none)
        print_line(f"Next: {_command(verification)}", "dim")
        return
    text = f"{counted(total, 'answer')} in {path}"
    if given is not None:
        text += f", {given:,} of them given now"
    print_line(f"{text}.")
    if not all(verification.progress(uid).done for uid in verification.concepts):
        print_line(f"To go on answering: {_command(verification)}", "dim")
    print_line(f"Next: {_command(verification, settings=False)} --apply OUT", "dim")


def _command(verification: Verification, *, settings: bool = True) -> str:
    """Return the command that opens the same data and answers, with its settings or without."""
    folder, path = verification.labels.data.folder, verification.file.path
    words = ["conceptgraph", "data", "verify", str(folder)]
    if path != answers_beside(folder):
        words += ["--answers", str(path)]
    if settings:
        chosen, default = verification.settings, VerifySettings()
        for name in chosen.concepts:
            words += ["--concept", name]
        for name in ("source", "per_concept", "rounds", "margin", "seed"):
            value = getattr(chosen, name)
            if value != getattr(default, name):
                words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def kept_json(report: VerifiedReport) -> dict[str, object]:
    """Return the report of `--apply` as one JSON object."""
    return {**report._asdict(), "folder": str(report.folder)}


def print_kept(report: VerifiedReport) -> None:
    """Print the report of `--apply`."""
    print_line(
        f"{report.folder}: {counted(report.images, 'image')}, {report.kept:,} of "
        f"{counted(report.labels, 'label')} kept; most people say yes to {report.verified:,}."
    )
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in report.dropped.items())
    if reasons:
        print_note(f"Dropped: {reasons} ({report.folder / 'dropped.csv'}).")
    if report.unused:
        answers = counted(report.unused, "answer")
        print_note(f"{answers} fit no label of the data and did not count.")
    if report.damaged:
        images = counted(report.damaged, "image")
        print_note(f"{images} left out: they cannot be read, or a mask of theirs.")
    print_line()
    print_line(f"Next: conceptgraph data check {shlex.quote(str(report.folder))}", "dim")
