"""The catalogue: one contract for networkx, kglite, and Neo4j of both lines.

Every question is asked of a graph made by hand, whose answers are written out, and of a random run,
where all engines must give the rows that networkx gives: the same, in the same order, to the last
bit.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from itertools import product
from typing import TYPE_CHECKING, cast

import pytest

from conceptgraph.errors import QueryError, StoreError
from conceptgraph.graph.records import records
from conceptgraph.graph.stores.memory import MemoryStore
from conceptgraph.graph.stores.offline_cypher import CypherGraph
from conceptgraph.ingest.inputs import Source
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.queries.catalogue import QUESTIONS, entry, make
from conceptgraph.queries.chains import ClassPaths, ClassPathsAgainst, ClassPathsLong
from conceptgraph.queries.paths import class_paths
from conceptgraph.queries.question import parse, picture, text
from conceptgraph.settings import Settings
from tests.catalogue_docs import PAGE, page
from tests.drawn_data import draw_concept_data, write_untrained
from tests.hand_made_answers import EXPECTED, Rows
from tests.hand_made_graph import EVIL, IMAGE, OHARA, RUN, hand_made, hand_made_beside
from tests.made_runs import random_run, small_run
from tests.neo4j_contents import connect
from tests.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from conceptgraph.graph.records import Records
    from conceptgraph.graph.run.reader import Run
    from conceptgraph.graph.stores.neo4j_store import Neo4jStore
    from conceptgraph.graph.stores.store import Question
    from conceptgraph.queries.question import CypherQuestion
    from tests.neo4j_server import Neo4jServer

RANDOM = "r 😀"
HARD = ("sky", 'a "b"', "`x`", OHARA, EVIL, "🎉", "\\' \\u0041 $run")


RANDOM_CHOICES: dict[str, list[str]] = {
    "class_": ["class/sky", f"class/{OHARA}", "class/🎉", f"class/{EVIL}"],
    "other": ['class/a "b"'],
    "concept": [f"object/{OHARA}", f"object/{EVIL}", "scene/sky", "object/none"],
    "unit": ["block3/1", "block3/4", "block4/0", "block9/9"],
    "target": ["block4/2", "class/sky", "class/`x`"],
    "block": ["block3", "block5"],
    "image": [IMAGE],
    "explanation": ["explanation/1"],
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was really ingested, of drawn images and an untrained ResNet-18."""
    folder = tmp_path_factory.mktemp("real")
    data = draw_concept_data(folder / "data", 16, size=64)
    weights, classes = write_untrained(data)
    source = Source("resnet18", str(weights), classes, data)
    return ingest(source, folder / "real.cg", Settings(quantile=0.05, min_iou=0.02, top_images=1))


@pytest.fixture(scope="module")
def loaded(real: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Records, ...]:
    """The graph made by hand, a random one and one that was ingested, beside others unasked."""
    folder = tmp_path_factory.mktemp("runs")
    concepts = (*(f"object/{name}" for name in HARD), "scene/sky", "action/run")
    widths = {"block1": 6, "block2": 8, "block3": 12, "block4": 14}
    random = random_run(
        folder / f"{RANDOM}.cg", widths, classes=HARD, concepts=concepts, seed=1, network="r"
    )
    widths = {"block3": 6, "block4": 6}
    beside = random_run(folder / "r.cg", widths, concepts=concepts, network="r")
    small = records(small_run(folder / "it.cg"))
    others = (records(random, edges_per_target=5), records(beside), small, records(real))
    return hand_made(), *others, *hand_made_beside()


@pytest.fixture(scope="module")
def networkx(loaded: Sequence[Records]) -> MemoryStore:
    store = MemoryStore()
    for each in loaded:
        store.load(each)
    return store


@pytest.fixture(scope="module")
def kglite(loaded: Sequence[Records]) -> CypherGraph:
    return CypherGraph(loaded)


@pytest.fixture(scope="module", params=["neo4j_5", "neo4j_2026"])
def neo4j(request: pytest.FixtureRequest, loaded: Sequence[Records]) -> Iterator[Neo4jStore]:
    server: Neo4jServer = request.getfixturevalue(request.param)
    server.clear()
    with connect(server) as store:
        for each in loaded:
            store.load(each)
        yield store


def _rows(store: MemoryStore | Neo4jStore, question: CypherQuestion) -> Rows:
    return [tuple(row) for row in store.ask(cast("Question[tuple[object, ...]]", question))]


def _columns(question: CypherQuestion) -> tuple[str, ...]:
    columns: tuple[str, ...] = getattr(type(question).row, "_fields", ())
    return columns


def _random_questions() -> Iterator[CypherQuestion]:
    return _questions(RANDOM, RANDOM_CHOICES)


def _real_questions(run: Run) -> Iterator[CypherQuestion]:
    """About the units and concepts that were found most."""
    units = run.units[run.interpretable]
    first, last = (list(units["uid"][units["block"] == f"block{i}"][:1]) for i in (3, 4))
    concepts = list(run.detections["concept"].value_counts().index[:2])
    classes = [str(uid) for uid in run.classes["uid"][:3]]
    choices = {
        **RANDOM_CHOICES,
        "class_": classes[:2],
        "other": classes[2:],
        "concept": concepts,
        "unit": [*first, *last],
        "target": [*last, classes[0]],
        "block": ["block4"],
    }
    return _questions(run.name, choices)


def _questions(run: str, choices: Mapping[str, list[str]]) -> Iterator[CypherQuestion]:
    """Every question with a choice of parameters, and as many rows as by default or only three."""
    for kind in QUESTIONS.values():
        needed = [field.name for field in fields(kind) if field.default is MISSING][1:]
        make: Callable[..., CypherQuestion] = kind
        for values in product(*(choices[name] for name in needed)):
            given: dict[str, str | int] = dict(zip(needed, values, strict=True))
            yield make(run=run, **given)
            if any(field.name == "top" for field in fields(kind)):
                yield make(run=run, **given, top=3)


def test_every_question_is_worked_out_by_hand() -> None:
    assert {question.name for question, _ in EXPECTED} == set(QUESTIONS)
    assert len(QUESTIONS) >= 20


@pytest.mark.parametrize(("question", "rows"), EXPECTED)
def test_networkx(networkx: MemoryStore, question: CypherQuestion, rows: Rows) -> None:
    assert _rows(networkx, question) == rows


@pytest.mark.parametrize(("question", "rows"), EXPECTED)
def test_kglite(kglite: CypherGraph, question: CypherQuestion, rows: Rows) -> None:
    assert kglite.ask(*question.cypher()) == (_columns(question), rows)


@pytest.mark.parametrize(("question", "rows"), EXPECTED)
def test_neo4j(neo4j: Neo4jStore, question: CypherQuestion, rows: Rows) -> None:
    """The text as in the Browser, and by the store's own way."""
    assert neo4j.cypher(*question.cypher()) == (_columns(question), rows)
    assert _rows(neo4j, question) == rows


def test_kglite_agrees_on_a_random_run(networkx: MemoryStore, kglite: CypherGraph) -> None:
    found = [_rows(networkx, question) for question in _random_questions()]
    assert sum(map(bool, found)) > 100
    assert [kglite.ask(*question.cypher()).rows for question in _random_questions()] == found


def test_neo4j_agrees_on_a_random_run(networkx: MemoryStore, neo4j: Neo4jStore) -> None:
    for question in _random_questions():
        assert _rows(neo4j, question) == _rows(networkx, question), question


def test_kglite_agrees_on_a_real_run(networkx: MemoryStore, kglite: CypherGraph, real: Run) -> None:
    found = [_rows(networkx, question) for question in _real_questions(real)]
    assert sum(map(bool, found)) > 40
    assert [kglite.ask(*question.cypher()).rows for question in _real_questions(real)] == found


def test_neo4j_agrees_on_a_real_run(networkx: MemoryStore, neo4j: Neo4jStore, real: Run) -> None:
    for question in _real_questions(real):
        assert _rows(neo4j, question) == _rows(networkx, question), question


def test_pictures(neo4j: Neo4jStore) -> None:
    """Wherever there are rows there is a picture, with few enough paths for a browser."""
    drawn = 0
    for question, rows in EXPECTED:
        twin = picture(question.name)
        if twin:
            assert twin.parameters.keys() == text(question.name).parameters.keys()
            _, parameters = question.cypher()
            assert 0 < len(neo4j.cypher(twin.cypher, parameters).rows) <= 100, question
            drawn += bool(rows)
    assert drawn > 10


@pytest.mark.parametrize("sign", [1, -1])
def test_paths_are_the_exact_ones_where_nothing_was_left_out(tmp_path: Path, sign: int) -> None:
    """To the class and from two blocks; shares are rounded alike, products are not."""
    run = random_run(tmp_path / "a.cg", {"block3": 7, "block4": 6}, seed=5)
    store = MemoryStore()
    store.load(records(run))
    kind = ClassPaths if sign == 1 else ClassPathsAgainst
    for name in ("juggling", "road"):
        exact = class_paths(run, name, top=200, sign=sign).paths
        rows = kind("a", f"class/{name}", beam=99, top=200).answer(store.graph)
        assert [row.score for row in rows] == pytest.approx([path.score for path in exact])
        ends = {tuple(unit.uid for unit in path.units) for path in exact}
        assert {(row.first, row.second) for row in rows} == ends


@pytest.mark.parametrize("name", [*QUESTIONS])
def test_texts_are_what_their_heads_say(name: str) -> None:
    found, head = entry(name), text(name)
    assert [*head.parameters] == ["run", *(parameter.name for parameter in found.parameters)]
    for parameter in found.parameters:
        default = None if parameter.default is None else str(parameter.default)
        assert head.parameters[parameter.name].default == default
    body = re.sub(r"//.*", "", head.cypher)
    assert set(re.findall(r"\$(\w+)", body)) == set(head.parameters)
    if found.columns:
        assert "ORDER BY" in body or name == "unit"


def test_texts_keep_to_what_all_engines_know() -> None:
    folder = ROOT / "queries" / "cypher"
    files = {file.stem for file in folder.glob("*.cypher")}
    assert {stem.removesuffix("-graph") for stem in files} == set(QUESTIONS)
    foreign = r"apoc|\bCALL\b|\*\d|\.\.|SHORTEST|COLLECT \{|elementId|\bid\(|\.(id|title|type)\b"
    foreign += r"|\bLET\b|\bFILTER\b|\b(CREATE|MERGE|SET|DELETE)\b"
    for stem in files:
        body = re.sub(r"//.*", "", text(stem).cypher)
        assert not re.search(foreign, body, re.IGNORECASE), stem
        assert "'" not in re.sub(r"'(/|ok|sparse|dead|)'", "", body), stem


def test_the_page_is_in_step() -> None:
    """`python -m tests.catalogue_docs` writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize(
    "wrong", ["MATCH (n) RETURN n", "// Title\n// $run: x\nRETURN 1", "// T\n// d\n// $run", ""]
)
def test_what_is_no_head(wrong: str) -> None:
    with pytest.raises(ValueError, match="not the head of a question"):
        parse(wrong)


def test_questions_as_they_are_typed(networkx: MemoryStore) -> None:
    typed = {"class": OHARA, "beam": "3", "top": "07"}
    given = {"class": f"class/{OHARA}", "beam": 3, "top": 7}
    question = make(networkx, RUN, "class-paths", typed)
    assert (question.run, question.cypher().parameters) == (RUN, {"run": RUN, **given})
    question = make(networkx, RUN, "class-paths-long", {"class": "class/🎉"})
    assert question.cypher() == ClassPathsLong(RUN, "class/🎉").cypher()
    for name, typed in (
        ("fed-by", {"target": EVIL}),
        ("concept-paths", {"concept": EVIL, "class": "sky"}),
        ("polysemantic-units", {"iou": "5e-2"}),
        ("block-concepts", {"block": "block3"}),
    ):
        concept = {"concept": f"object/{EVIL}"} if "concept" in typed else {}
        assert networkx.ask(make(networkx, RANDOM, name, {**typed, **concept})), name
    image = make(networkx, RUN, "image-explanations", {"image": "photos/a b.jpg"})
    assert image == make(networkx, RUN, "image-explanations", {"image": IMAGE})
    assert len(networkx.ask(image)) == 1


@pytest.mark.parametrize(
    ("name", "typed", "message"),
    [
        ("class-path", {}, "no question 'class-path'. Did you mean 'class-paths'"),
        ("class-paths", {}, "class-paths needs class: a class, as class/road. Add -p class=…"),
        ("class-paths", {"clas": "x"}, "has no parameter 'clas'. Did you mean 'class'"),
        ("class-paths", {"run": "x"}, "has no parameter 'run'. Choose the run with --run"),
        ("classes", {"top": "3"}, "classes has no parameter 'top'. It has none"),
        ("class-paths", {"class": "jugling"}, "no class 'jugling'. Did you mean 'juggling'"),
        ("detectors", {"concept": "bal"}, "no concept 'bal'. Did you mean 'ball'"),
        ("detectors", {"concept": "juggling"}, "2 concepts are called 'juggling'. Say which"),
        ("unit", {"unit": "block4/12"}, "no unit 'block4/12' in run it's 🎉. Did you mean"),
        ("fed-by", {"target": "jugling"}, "no class 'jugling'. Did you mean 'juggling'"),
        ("fed-by", {"target": "block4/12"}, "no unit 'block4/12' in run"),
        ("block-concepts", {"block": "4"}, "no '4' in run it's 🎉; expected block1, block2"),
        ("image-explanations", {"image": "photos/a.jpg"}, "Did you mean 'photos/a b.jpg'"),
        (
            "explanation-paths",
            {"explanation": "2"},
            "no explanation '2'. There are 1: 'explanation/1'",
        ),
        ("class-paths", {"class": "juggling", "top": "0"}, "parameter top; found 0; expected a"),
        ("class-paths", {"class": "juggling", "top": "-1"}, "parameter top; found '-1'"),
        ("class-paths", {"class": "juggling", "top": "٣"}, "parameter top; found '٣'"),
        ("class-paths", {"class": "juggling", "top": "1.5"}, "expected a whole number from 1"),
        ("class-paths", {"class": "juggling", "beam": "9" * 30}, "expected a whole number from 1"),
        ("polysemantic-units", {"iou": "nan"}, "parameter iou; found 'nan'; expected a number"),
        ("polysemantic-units", {"iou": "x"}, "parameter iou; found 'x'; expected a number"),
    ],
)
def test_what_cannot_be_asked(
    networkx: MemoryStore, name: str, typed: dict[str, str], message: str
) -> None:
    with pytest.raises(QueryError, match=re.escape(message)) as caught:
        make(networkx, RUN, name, typed)
    assert "\n" not in str(caught.value)


def test_a_run_that_is_not_loaded(networkx: MemoryStore) -> None:
    with pytest.raises(StoreError, match="no run 'its' in the store"):
        make(networkx, "its", "classes", {})
