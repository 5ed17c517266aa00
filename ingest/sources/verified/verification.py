"""A verification: labels that people are asked about, their answers, and whose turn each is.

1. Of each concept a sample of labels is asked about, drawn at random by the seed. Everybody sees
   them in an order of their own, concept by concept.
2. In the first round, each label is shown to one person, until the 95 % interval of the concept's
   share of yes is narrow enough, or all of its sample have an answer.
3. In later rounds, labels with an answer are shown to others, those about which people differ
   first: to as many people as there are rounds, and to one more as long as they differ. A concept
   is done when no label is disputed, either.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from ....errors import DataError
from .agreement import LabelAnswers, count, is_disputed
from .answers import AnswerFile, AnswerRow, now
from .labels import DataLabels, choose_concepts, label_key, read_region, sample, shuffled
from .settings import check_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...concept_data.concepts import ConceptImage
    from ...concept_data.labels import Concept
    from .agreement import ConceptAnswers
    from .labels import DataLabel, LabelRegion
    from .settings import VerifySettings


class AskedConcept(NamedTuple):
    """A concept that people are asked about, and its sample."""

    concept: Concept
    labels: int
    sample: tuple[DataLabel, ...]


class Verification:
    """Labels of concept data, and people's answers.

    Attributes:
        labels: of the data.
        file: of the answers.
        settings: what people are asked about.
        concepts: asked about, by uid.
        unreadable: images that cannot be shown, and why.
        unused: answers in the file about other data, or about regions that have changed.
    """

    def __init__(self, labels: DataLabels, file: AnswerFile, settings: VerifySettings) -> None:
        """Draw the samples, and match the answers of the file.

        Raises:
            DataError: a setting out of range, nothing to ask about, or answers about other data.
        """
        check_settings(settings)
        self.labels, self.file, self.settings = labels, file, settings
        self.unreadable: dict[str, str] = {}
        self.concepts: dict[str, AskedConcept] = {}
        for column in choose_concepts(labels, settings.concepts, settings.source):
            of_concept = labels.by_concept[column]
            chosen = sample(of_concept, settings.per_concept, settings.seed)
            concept = labels.data.concepts[column]
            self.concepts[concept.uid] = AskedConcept(concept, len(of_concept), tuple(chosen))
        samples = (asked.sample for asked in self.concepts.values())
        self._asked = {label.key: label for label in chain.from_iterable(samples)}
        self._said, self.unused = match_answers(labels, file)
        self._progress: dict[str, ConceptAnswers] = {}

    def label(self, key: str) -> DataLabel | None:
        """Return a label that people are asked about, by its key."""
        return self._asked.get(key)

    def concept(self, label: DataLabel) -> Concept:
        """Return the concept of a label."""
        return self.labels.data.concepts[label.concept]

    def image(self, label: DataLabel) -> ConceptImage:
        """Return the image of a label."""
        return self.labels.data.images[label.image]

    def said(self, label: DataLabel) -> LabelAnswers:
        """Return what each person said about a label."""
        return self._said.get(label.key, {})

    def round_of(self, label: DataLabel, worker: str) -> int:
        """Return the round in which somebody is asked about a label, from 1."""
        return 1 + len(self.said(label).keys() - {worker})

    def queue(self, worker: str, uid: str | None = None) -> Iterator[DataLabel]:
        """Yield the labels that somebody is to be asked about, in order.

        Args:
            worker: who is asked.
            uid: of the one concept that is asked about, also if no more are needed; all if None.
        """
        concepts = [self.concepts[uid]] if uid is not None else list(self.concepts.values())
        for asked in concepts:
            if uid is None and not self.progress(asked.concept.uid).needed:
                continue
            yield from self._in_order(worker, [one for one in asked.sample if not self.said(one)])
        disputed, others = [], []
        for asked in concepts:
            open_labels = [one for one in asked.sample if self._is_open(one, worker)]
            differ = [one for one in open_labels if is_disputed(self.said(one))]
            disputed += self._in_order(worker, differ)
            others += self._in_order(worker, [one for one in open_labels if one not in differ])
        yield from chain(disputed, others)

    def _is_open(self, label: DataLabel, worker: str) -> bool:
        """Return whether others have answered, and somebody is to be asked, too."""
        said = self.said(label)
        if not said or worker in said:
            return False
        return len(said) < self.settings.rounds or is_disputed(said)

    def _in_order(self, worker: str, labels: Sequence[DataLabel]) -> list[DataLabel]:
        readable = [one for one in labels if self.image(one).name not in self.unreadable]
        return sorted(readable, key=lambda one: shuffled(one.key, worker))

    def answer(
        self, label: DataLabel, worker: str, verified: str, region: LabelRegion | None = None
    ) -> bool:
        """Keep an answer; return False, and keep the earlier one, if there is one.

        Args:
            label: that was shown.
            worker: who answers.
            verified: `yes`, `no` or "".
            region: of the label; read if None.

        Raises:
            DataError: the file cannot be written, or the region not read.
        """
        if worker in self.said(label):
            return False
        region, image = region or read_region(self.labels.data, label), self.image(label)
        concept = self.concept(label)
        names = (image.name, concept.category, concept.name)
        size = (image.width, image.height)
        self.file.add(AnswerRow(*names, *region.box, *size, worker, verified, region.digest, now()))
        self._said[label.key][worker] = self.file.answers[-1].is_yes
        self._progress.pop(concept.uid, None)
        return True

    def undo(self, worker: str) -> DataLabel | None:
        """Remove somebody's last answer; return its label, or None if there is nothing to undo.

        An answer about what nobody is asked about now is left.

        Raises:
            DataError: the file cannot be written.
        """
        last = next((one for one in reversed(self.file.answers) if one.worker == worker), None)
        label = None if last is None else self._asked.get(_key(last))
        if label is None or worker not in self.said(label):
            return None
        self.file.undo(worker)
        del self._said[label.key][worker]
        self._progress.pop(self.concept(label).uid, None)
        return label

    def progress(self, uid: str) -> ConceptAnswers:
        """Return what is known of a concept by now."""
        if uid not in self._progress:
            asked = self.concepts[uid]
            answers = [self.said(label) for label in asked.sample if self._is_readable(label)]
            self._progress[uid] = count(asked.labels, answers, self.settings.margin)
        return self._progress[uid]

    def _is_readable(self, label: DataLabel) -> bool:
        return self.image(label).name not in self.unreadable

    def leave_out(self, label: DataLabel, reason: str) -> None:
        """Ask no more about an image, which cannot be shown."""
        self.unreadable[self.image(label).name] = reason
        self._progress.clear()

    def answers_of(self, worker: str) -> int:
        """Return how many labels somebody has answered, of those that are asked about now."""
        return sum(worker in self._said.get(key, {}) for key in self._asked)


def match_answers(labels: DataLabels, file: AnswerFile) -> tuple[dict[str, LabelAnswers], int]:
    """Return what each person said about each label, by its key, and how many answers fit none.

    Of several answers of one person about a label, the last counts.

    Raises:
        DataError: no answer is about a label of the data.
    """
    of_data = {label.key: label for labels in labels.by_concept.values() for label in labels}
    digests: dict[str, str] = {}
    said: dict[str, LabelAnswers] = defaultdict(dict)
    unused = 0
    for answer in file.answers:
        key = _key(answer)
        if key in of_data and key not in digests:
            digests[key] = read_region(labels.data, of_data[key]).digest
        if digests.get(key) == answer.region:
            said[key][answer.worker] = answer.is_yes
        else:
            unused += 1
    if unused and not said:
        raise DataError(
            "answers about other data",
            file=file.path,
            found=f"none of {unused} is about a label of {labels.data.folder}",
            remedy="Give another file with --answers",
        )
    return said, unused


def _key(answer: AnswerRow) -> str:
    return label_key(f"{answer.category}/{answer.label}", answer.image)
