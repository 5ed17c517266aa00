"""The catalogue: one contract for networkx, kglite, and Neo4j of both lines.

Every question is asked of a graph made by hand, whose answers are written out, and of a random run,
where all engines must give the rows that networkx gives: the same, in the same order, to the last
bit.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, cast

import pytest

from conceptgraph.errors import QueryError, StoreError
from conceptgraph.explain.class_evidence import class_evidence
from conceptgraph.graph.records import records
from conceptgraph.graph.run.word_labels import word_run
from conceptgraph.graph.stores.memory import MemoryStore
from conceptgraph.graph.stores.offline_cypher import CypherGraph
from conceptgraph.graph.stores.store import CypherResult
from conceptgraph.graph.uids import word_run_uid
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.queries import questions
from conceptgraph.queries.catalogue import QUESTIONS, SECTIONS, build, entry, make
from conceptgraph.queries.names import RESOLVERS
from conceptgraph.queries.parameters import (
    BlockName,
    ClassUid,
    ConceptUid,
    ExplanationUid,
    ImageUid,
    TargetUid,
    UnitUid,
)
from conceptgraph.queries.paths import class_paths
from conceptgraph.queries.question import cypher_text, parse_cypher, picture_text
from conceptgraph.queries.questions.class_paths import ClassPaths
from conceptgraph.queries.questions.class_paths_against import ClassPathsAgainst
from conceptgraph.settings import Settings
from tests.catalogue_docs import PAGE, page
from tests.drawn_data import draw_concept_data, write_untrained
from tests.hand_made_answers import EXPECTED, Rows
from tests.hand_made_graph import EVIL, IMAGE, OHARA, RUN, hand_made, hand_made_beside
from tests.made_runs import add_evidence, add_words, random_run, small_run
from tests.neo4j_contents import connect
from tests.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from conceptgraph.graph.records import Records
    from conceptgraph.graph.run.reader import Run
    from conceptgraph.graph.stores.neo4j_store import Neo4jStore
    from conceptgraph.graph.stores.store import Question
    from conceptgraph.queries.question import CypherQuestion
    from tests.neo4j_server import Neo4jServer

RANDOM = "r 😀"
HARD = ("sky", 'a "b"', "`x`", OHARA, EVIL, "🎉", "\\' \\u0041 $run")


RANDOM_CHOICES: dict[object, list[str]] = {
    ClassUid: ["class/sky", f"class/{OHARA}", "class/🎉", f"class/{EVIL}", 'class/a "b"'],
    ConceptUid: [f"object/{OHARA}", f"object/{EVIL}", "scene/sky", "object/none"],
    UnitUid: ["block3/1", "block3/4", "block4/0", "block9/9"],
    TargetUid: ["block4/2", "class/sky", "class/`x`"],
    BlockName: ["block3", "block5"],
    ImageUid: [IMAGE],
    ExplanationUid: ["explanation/1"],
}
"""Values of the parameters that have no default, by their types."""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was really ingested, of drawn images and an untrained ResNet-18."""
    folder = tmp_path_factory.mktemp("real")
    data = draw_concept_data(folder / "data", 16, size=64)
    weights, classes = write_untrained(data)
    settings = Settings(quantile=0.05, min_iou=0.02, top_images=1, image_size=64)
    run = ingest("resnet18", data, folder / "real.cg", settings, weights=weights, classes=classes)
    class_evidence(run)
    return run


@pytest.fixture(scope="module")
def loaded(real: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Records, ...]:
    """The graph made by hand, a random one and one that was ingested, beside other runs."""
    folder = tmp_path_factory.mktemp("runs")
    concepts = (*(f"object/{name}" for name in HARD), "scene/sky", "action/run")
    widths = {"block1": 6, "block2": 8, "block3": 12, "block4": 14}
    random = random_run(
        folder / f"{RANDOM}.cg", widths, classes=HARD, concepts=concepts, seed=1, network="r"
    )
    add_evidence(random, seed=2)
    add_words(random, HARD, seed=3)
    widths = {"block3": 6, "block4": 6}
    beside = random_run(folder / "r.cg", widths, concepts=concepts, network="r")
    small = records(small_run(folder / "it.cg"))
    of_random = (records(run, edges_per_target=5) for run in (random, word_run(random)))
    others = (*of_random, records(beside), small, records(real))
    return hand_made(), *others, *hand_made_beside()


@pytest.fixture(scope="module")
def networkx(loaded: Sequence[Records]) -> MemoryStore:
    store = MemoryStore()
    for run in loaded:
        store.load(run)
    return store


@pytest.fixture(scope="module")
def kglite(loaded: Sequence[Records]) -> CypherGraph:
    return CypherGraph(loaded)


@pytest.fixture(scope="module", params=["neo4j_5", "neo4j_2026"])
def neo4j(request: pytest.FixtureRequest, loaded: Sequence[Records]) -> Iterator[Neo4jStore]:
    server: Neo4jServer = request.getfixturevalue(request.param)
    server.clear()
    with connect(server) as store:
        for run in loaded:
            store.load(run)
        yield store


def _rows(store: MemoryStore | Neo4jStore, question: CypherQuestion) -> Rows:
    return [tuple(row) for row in store.ask(cast("Question[tuple[object, ...]]", question))]


def _columns(question: CypherQuestion) -> tuple[str, ...]:
    columns: tuple[str, ...] = getattr(type(question).row, "_fields", ())
    return columns


def _random_questions() -> Iterator[CypherQuestion]:
    """Ask about the random run, labelled with concepts and with words."""
    yield from _questions(RANDOM, RANDOM_CHOICES)
    words = [f"word/{name}" for name in HARD[:3]]
    yield from _questions(word_run_uid(RANDOM), {**RANDOM_CHOICES, ConceptUid: words})


def _real_questions(run: Run) -> Iterator[CypherQuestion]:
    """Ask about interpretable units and the concepts that are detected most."""
    units = run.units[run.interpretable]
    first, last = (list(units["uid"][units["block"] == f"block{i}"][:1]) for i in (3, 4))
    classes = [str(uid) for uid in run.classes["uid"][:3]]
    choices = {
        **RANDOM_CHOICES,
        ClassUid: classes,
        ConceptUid: list(run.detections["concept"].value_counts().index[:2]),
        UnitUid: [*first, *last],
        TargetUid: [*last, classes[0]],
        BlockName: ["block4"],
    }
    return _questions(run.name, choices)


def _questions(run: str, choices: Mapping[object, list[str]]) -> Iterator[CypherQuestion]:
    """Ask every question with all choices, and for as many rows as by default or only three."""
    for name, question in QUESTIONS.items():
        types = question.parameter_types()
        needed = [p.name for p in entry(name).parameters if p.default is None]
        for values in product(*(choices[types[parameter]] for parameter in needed)):
            given: dict[str, object] = dict(zip(needed, values, strict=True))
            yield build(name, run, given)
            if "top" in types:
                yield build(name, run, {**given, "top": 3})


answered = pytest.mark.parametrize(
    ("question", "rows"), EXPECTED, ids=[question.name for question, _ in EXPECTED]
)


def test_every_question_is_answered_by_hand() -> None:
    assert {question.name for question, _ in EXPECTED} == set(QUESTIONS)


def test_a_question_is_one_module_with_one_class_named_after_it() -> None:
    folder = ROOT / "queries" / "questions"
    modules = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    assert {name.replace("-", "_") for name in QUESTIONS} == modules
    for name, question in QUESTIONS.items():
        module = f"{questions.__name__}.{name.replace('-', '_')}"
        assert (question.__module__, question.__name__) == (module, name.title().replace("-", ""))


def test_sections_hold_every_question_once_by_name() -> None:
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(QUESTIONS)
    for section, names in SECTIONS.items():
        assert list(names) == sorted(names)
        assert {QUESTIONS[name].section for name in names} == {section}


@pytest.mark.parametrize("name", [*QUESTIONS])
def test_parameters_are_of_types_that_can_be_resolved(name: str) -> None:
    """The catalogue's JSON names the type that a value is typed in."""
    types = QUESTIONS[name].parameter_types()
    assert set(types.values()) <= {int, float, str, *RESOLVERS}
    listed = {parameter.name: parameter.type for parameter in entry(name).parameters}
    plain = {int: "int", float: "float"}
    assert listed == {key: plain.get(cast("type", kind), "str") for key, kind in types.items()}


@answered
def test_networkx(networkx: MemoryStore, question: CypherQuestion, rows: Rows) -> None:
    assert _rows(networkx, question) == rows


@answered
def test_kglite(kglite: CypherGraph, question: CypherQuestion, rows: Rows) -> None:
    assert kglite.ask(*question.cypher()) == CypherResult(_columns(question), rows)


@answered
def test_neo4j(neo4j: Neo4jStore, question: CypherQuestion, rows: Rows) -> None:
    """Ask by the text, as in the Browser, and through the store."""
    assert neo4j.cypher(*question.cypher()) == CypherResult(_columns(question), rows)
    assert _rows(neo4j, question) == rows


def test_kglite_agrees_on_a_random_run(networkx: MemoryStore, kglite: CypherGraph) -> None:
    expected = [_rows(networkx, question) for question in _random_questions()]
    assert sum(map(bool, expected)) > 100
    assert [kglite.ask(*question.cypher()).rows for question in _random_questions()] == expected


def test_neo4j_agrees_on_a_random_run(networkx: MemoryStore, neo4j: Neo4jStore) -> None:
    for question in _random_questions():
        assert _rows(neo4j, question) == _rows(networkx, question), question


def test_kglite_agrees_on_a_real_run(networkx: MemoryStore, kglite: CypherGraph, real: Run) -> None:
    expected = [_rows(networkx, question) for question in _real_questions(real)]
    assert sum(map(bool, expected)) > 40
    assert [kglite.ask(*question.cypher()).rows for question in _real_questions(real)] == expected


def test_neo4j_agrees_on_a_real_run(networkx: MemoryStore, neo4j: Neo4jStore, real: Run) -> None:
    for question in _real_questions(real):
        assert _rows(neo4j, question) == _rows(networkx, question), question


def test_pictures(neo4j: Neo4jStore) -> None:
    """A picture has paths, and few enough for a browser."""
    drawn = 0
    for question, rows in EXPECTED:
        picture = picture_text(question.name)
        if picture:
            text, parameters = question.cypher()
            assert picture.parameters.keys() == parse_cypher(text).parameters.keys()
            paths = len(neo4j.cypher(picture.cypher, parameters).rows)
            assert paths <= 100, question
            assert paths > 0 or not rows, question
            drawn += bool(rows)
    assert drawn > 10


@pytest.mark.parametrize("sign", [1, -1])
def test_paths_are_the_exact_ones_where_nothing_was_left_out(tmp_path: Path, sign: int) -> None:
    """To the class and from two blocks; shares are rounded alike, products are not."""
    run = random_run(tmp_path / "a.cg", {"block3": 7, "block4": 6}, seed=5)
    store = MemoryStore()
    store.load(records(run))
    question = ClassPaths if sign == 1 else ClassPathsAgainst
    for name in ("juggling", "road"):
        exact = class_paths(run, name, top=200, sign=sign).paths
        rows = question("a", ClassUid(f"class/{name}"), beam=99, top=200).answer(store.graph)
        assert [row.score for row in rows] == pytest.approx([path.score for path in exact])
        ends = {tuple(unit.uid for unit in path.units) for path in exact}
        assert {(row.first, row.second) for row in rows} == ends


@pytest.mark.parametrize("name", [*QUESTIONS])
def test_texts_match_their_heads(name: str) -> None:
    listed, head = entry(name), cypher_text(name)
    assert [*head.parameters] == ["run", *(parameter.name for parameter in listed.parameters)]
    for parameter in listed.parameters:
        default = None if parameter.default is None else str(parameter.default)
        assert head.parameters[parameter.name].default == default
    body = re.sub(r"//.*", "", head.cypher)
    assert set(re.findall(r"\$(\w+)", body)) == set(head.parameters)
    if listed.columns:
        assert "ORDER BY" in body or name == "unit"


@pytest.mark.parametrize("name", [*QUESTIONS])
def test_what_was_not_kept_is_spoken_of(name: str) -> None:
    """The graph has the strongest contributions only: a zero or a gap may be none at all."""
    question = entry(name)
    assert question.uses_contributions == (":CONTRIBUTES" in cypher_text(name).cypher)
    if question.uses_contributions:
        assert "kept in the graph" in question.description


def test_texts_use_only_cypher_that_all_engines_know() -> None:
    folder = ROOT / "queries" / "cypher"
    files = {file.stem for file in folder.glob("*.cypher")}
    assert {stem.removesuffix("-graph") for stem in files} == set(QUESTIONS)
    foreign = r"apoc|\bCALL\b|\*\d|\.\.|SHORTEST|COLLECT \{|elementId|\bid\(|\.(id|title|type)\b"
    foreign += r"|\bLET\b|\bFILTER\b|\b(CREATE|MERGE|SET|DELETE)\b"
    for stem in files:
        body = re.sub(r"//.*", "", cypher_text(stem).cypher)
        assert not re.search(foreign, body, re.IGNORECASE), stem
        assert "'" not in re.sub(r"'(/|ok|sparse|dead|any|)'", "", body), stem


def test_the_page_is_up_to_date() -> None:
    """`python -m tests.catalogue_docs` writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize(
    "wrong", ["MATCH (n) RETURN n", "// Title\n// $run: x\nRETURN 1", "// T\n// d\n// $run", ""]
)
def test_invalid_heads(wrong: str) -> None:
    with pytest.raises(ValueError, match="not the head of a question"):
        parse_cypher(wrong)


def test_questions_as_they_are_typed(networkx: MemoryStore) -> None:
    typed = {"class": OHARA, "beam": "3", "top": "07"}
    given = {"class": f"class/{OHARA}", "beam": 3, "top": 7}
    question = make(networkx, RUN, "class-paths", typed)
    assert (question.run, question.cypher().parameters) == (RUN, {"run": RUN, **given})
    question = make(networkx, RUN, "class-paths-long", {"class": "class/🎉"})
    assert question.cypher() == build("class-paths-long", RUN, {"class": "class/🎉"}).cypher()
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
def test_invalid_parameters(
    networkx: MemoryStore, name: str, typed: dict[str, str], message: str
) -> None:
    with pytest.raises(QueryError, match=re.escape(message)) as caught:
        make(networkx, RUN, name, typed)
    assert "\n" not in str(caught.value)


def test_a_run_that_is_not_loaded(networkx: MemoryStore) -> None:
    with pytest.raises(StoreError, match="no run 'its' in the store"):
        make(networkx, "its", "classes", {})
