"""Explanations of photographs for pages: the question of a link, answered by the run's network."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from ....errors import QueryError
from ....explain.ablation import requested_masks
from ....explain.clips import load_frames
from ....explain.explain import explain
from ....explain.network import open_network
from ....explain.predict import predict
from ....explain.question import check_question
from ....explain.unusual import unusual_regions
from ....explain.user_region import chosen_region
from ....explain.verdict import ASKED
from ....explain.what_if import run_ablations
from ....graph.run.trust import is_trusted
from ....graph.uids import concept_uid
from ....ingest.concept_data.images import open_image
from ....ingest.network.preprocessing import seen_box
from ....pages.image_content import image_page, path_sums
from ....pages.image_page import image_path_values
from ....pages.path_content import image_paths_page
from ....pages.pictures import frames_of, paint_photograph, photograph_of, thumbnail
from ....pages.write import keep_explanation
from .worker import Worker

if TYPE_CHECKING:
    from ....explain.ablation import Ablation
    from ....explain.explanation import Explanation
    from ....explain.image_regions import ImageThing
    from ....explain.network import RunNetwork
    from ....graph.run.reader import Run
    from ....pages.image_parts import ImagePage
    from .photographs import Photographs
    from .question import ImageQuestion
    from .worker import Job

PATHS, BEAM = 10, 64
"""As `conceptgraph why` has them, so that one explanation is kept once."""
_SECONDS = 120.0


class NetworkOptions(NamedTuple):
    """What `open_network` takes beside the run."""

    weights: str | None = None
    model: str | None = None
    trust_run: bool = False
    trust_pickle: bool = False


@dataclass(frozen=True)
class Answer:
    """The answer to a question.

    Attributes:
        explanation: of the photograph.
        page: what the page of an image shows.
        concepts: that can be ablated, those with most evidence first.
    """

    explanation: Explanation
    page: ImagePage
    concepts: tuple[str, ...]


class Explainer:
    """Answers questions about photographs, one at a time; keeps the last answers.

    Args:
        run: the run whose network is asked.
        photographs: that can be asked about.
        options: of the network.
    """

    def __init__(
        self, run: Run, photographs: Photographs, options: NetworkOptions | None = None
    ) -> None:
        self.run, self.photographs = run, photographs
        self._options = options or NetworkOptions()
        # the network of somebody else's run is not loaded, and its weights are not downloaded,
        # before a photograph is explained
        prepare = self._network if is_trusted(run) else None
        self._worker: Worker[ImageQuestion, Answer] = Worker(prepare)
        self._using_network = threading.Lock()
        self._explained: tuple[ImageQuestion, Explanation] | None = None

    def check(self, question: ImageQuestion) -> None:
        """Refuse a question that cannot be answered, before the network is asked.

        Raises:
            QueryError: no such photograph, class, concept or unit, or no such region.
            DataError: the photograph cannot be read.
        """
        file = self.photographs.file(question.image)
        check_question(self.run, file, question.class_name, question.versus)
        chosen_region(self.run, file, question.region)
        if question.ablate or question.units:
            requested_masks(self.run, question.ablate, question.units)

    def ask(self, question: ImageQuestion) -> Job[Answer]:
        """Return the job that answers a question; a new one only if it was not asked lately.

        Raises:
            QueryError: as `check`, which a question is given when it is new.
            DataError: likewise.
            ConceptGraphError: too many are waiting.
        """
        if (job := self._worker.find(question)) is not None:
            return job
        self.check(question)
        return self._worker.submit(question, lambda job: self._answer(question, job))

    def close(self) -> None:
        """Cancel all questions, and let the thread end."""
        self._worker.close()

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended after `close`, for some seconds at most."""
        self._worker.join(seconds)

    def cancel(self, question: ImageQuestion) -> None:
        """Drop a question."""
        self._worker.forget(question)

    def waiting_before(self, job: Job[Answer]) -> int:
        """Return how many questions are answered before this one."""
        return self._worker.waiting_before(job)

    def paint_over(self, question: ImageQuestion, mark: str) -> str:
        """Paint a thing over, as its counterfactual was, and return the new photograph's key.

        Args:
            question: what was asked.
            mark: of the thing: its number, or "R" for the region that was asked about.

        Raises:
            QueryError: there is no such thing, or no answer.
            DataError: the photograph cannot be read.
        """
        explanation = self._answered(question).explanation
        thing = _thing(explanation, mark)
        if thing is None or thing.counterfactual is None:
            raise QueryError("no thing that was painted over", found=mark[:20])
        file, frames = Path(explanation.image), frames_of(explanation)
        shape = self.run.manifest["input"]
        if frames > 1:
            images = [Image.fromarray(frame) for frame in load_frames(self.run, file, frames)]
        else:
            images = [open_image(file)]
        before, after = (
            np.split(pixels, frames)
            for pixels in (explanation.picture.pixels, thing.counterfactual.pixels)
        )
        painted = [
            paint_photograph(image, seen_box(image.size, shape), new, (new != old).any(axis=2))
            for image, old, new in zip(images, before, after, strict=True)
        ]
        return self.photographs.add_frames(painted)

    def unit_paths(self, question: ImageQuestion) -> dict[str, object]:
        """Search the unit paths of an answer, unless that was done; return what their page shows.

        Raises:
            QueryError: there is no answer.
            DataError: the photograph cannot be read.
        """
        explanation = self._answered(question).explanation
        with self._using_network:  # the paths are searched when they are asked for first
            sums = path_sums(explanation)
        small = thumbnail(photograph_of(explanation), frames_of(explanation))
        return image_path_values(image_paths_page(self.run, explanation, small), sums)

    def keep(self, question: ImageQuestion) -> None:
        """Save an explanation in the run, as `conceptgraph why` does.

        Raises:
            QueryError: there is no answer.
            RunError: the run cannot be written to.
        """
        explanation = self._answered(question).explanation
        with self._using_network:  # likewise: what is kept has them
            keep_explanation(self.run, explanation, {"top": PATHS, "beam": BEAM})

    def _answered(self, question: ImageQuestion) -> Answer:
        """Return the answer to a question; wait for it if it is no longer kept.

        Raises:
            QueryError: there is none.
        """
        job = self.ask(question)
        if not job.ended.wait(_SECONDS) or job.answer is None:
            raise QueryError(job.error or "the answer takes too long")
        return job.answer

    def _answer(self, question: ImageQuestion, job: Job[Answer]) -> Answer:
        """Answer a question in the worker's thread, in stages."""
        with self._using_network:
            return self._answer_in_stages(question, job)

    def _answer_in_stages(self, question: ImageQuestion, job: Job[Answer]) -> Answer:
        file = self.photographs.file(question.image)
        job.enter("loading the network")
        network = self._network()
        job.enter("asking the network")
        (answer,) = predict(network, [file])
        job.enter("explaining the answer", early=answer.predicted)
        explanation = self._explain(network, file, question)
        ablations, no_flip = _ablations(network, explanation, question, job)
        job.enter("comparing it with other images")
        classes = [explanation.class_name, *([explanation.versus] if explanation.versus else [])]
        unusual = unusual_regions(network, explanation, classes)
        job.enter("drawing the page")
        page = image_page(
            self.run, explanation, ablations, no_flip, unusual or (), with_paths=False
        )
        return Answer(explanation, page, _concepts(explanation))

    def _network(self) -> RunNetwork:
        """Return the run's network; it is loaded the first time."""
        return open_network(self.run, **self._options._asdict())

    def _explain(self, network: RunNetwork, file: Path, question: ImageQuestion) -> Explanation:
        """Explain a photograph; the last explanation is used again for further ablations of it."""
        asked = question.unchanged
        if self._explained is None or self._explained[0] != asked:
            explanation = explain(
                network, file, question.class_name, versus=question.versus, top=PATHS, beam=BEAM,
                region=chosen_region(self.run, file, question.region),
            )  # fmt: skip
            self._explained = asked, explanation
        return self._explained[1]


def _ablations(
    network: RunNetwork, explanation: Explanation, question: ImageQuestion, job: Job[Answer]
) -> tuple[list[Ablation], str | None]:
    """Run the ablations that were asked for, and return why none changes the decision, if so."""
    ablations: list[Ablation] = []
    no_flip = None
    if question.ablate or question.units:
        job.enter("running the network with units ablated")
        ablations, _ = run_ablations(
            network, explanation, question.ablate, question.units, everywhere=question.everywhere
        )
    if question.flip:
        job.enter("searching an ablation that changes the answer")
        found, no_flip = run_ablations(
            network, explanation, everywhere=question.everywhere, flip=True
        )
        ablations += found
    return ablations, no_flip


def _thing(explanation: Explanation, mark: str) -> ImageThing | None:
    picture = explanation.picture
    if mark == ASKED:
        return picture.chosen
    known = {str(number): thing for number, thing in enumerate(picture.things, start=1)}
    return known.get(mark)


def _concepts(explanation: Explanation) -> tuple[str, ...]:
    """Return the concepts that a photograph's things and its units have, as "category/name"."""
    of_things = [concept for thing in explanation.picture.things for concept in thing.concepts]
    of_units = [row for row in explanation.by_concept if row.name and row.category]
    of_units.sort(key=lambda row: -abs(row.contribution))
    uids = [concept_uid(concept.category, concept.name) for concept in of_things]
    uids += [concept_uid(row.category or "", row.name or "") for row in of_units]
    return tuple(dict.fromkeys(uids))
