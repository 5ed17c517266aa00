"""Which Cypher texts of the user's are refused, and which are not."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from neo4j.exceptions import Neo4jError

from conceptgraph.errors import QueryError
from conceptgraph.graph.stores.cypher_guard import PROCEDURES, check_cypher
from tests.cypher_texts import clause_texts, passes, try_texts
from tests.repository import ROOT

if TYPE_CHECKING:
    from conceptgraph.graph.stores.neo4j_store import Neo4jStore
    from tests.neo4j_server import Neo4jServer

CATALOGUE = sorted(Path(ROOT, "queries", "cypher").glob("*.cypher"))
VALID_ON_A_SERVER = [
    "MATCH (n) WHERE n.name = 'LOAD CSV' RETURN n.set AS x",
    "RETURN {set: 1, load: 2, `create`: 3} AS x",
    "MATCH (set:Set {create: 1}) RETURN set.delete AS x",
    "MATCH (n:CREATE)-[:DELETE|SET]->(m:USE) RETURN n.use AS x",
    "// LOAD CSV FROM 'x' AS l\nRETURN 1 AS x /* MERGE (n) */",
    "MATCH (n {create: 1}) RETURN n.`set` AS set, count(n) AS load ORDER BY load",
    "WITH 1 AS use, 2 AS create RETURN [set IN [use] | set] AS merge, create AS x",
    "RETURN $set AS x",
    "CALL db.labels() YIELD label RETURN label",
    "MATCH (n) CALL `db`.schema.visualization() YIELD nodes RETURN count(*) AS x",
    "RETURN date.truncate('day', date()) AS x, duration.between(date(), date()) AS y",
    "RETURN vector.similarity.cosine([1.0], [2.0]) AS x",
    "MATCH (n) WHERE n.x IN ([1, 2]) AND n.y STARTS WITH ('LOAD CSV') RETURN n",
    "CYPHER runtime=slotted planner=dp MATCH (n) RETURN n",
    "CYPHER 5 MATCH (n) RETURN n",
    "UNWIND [1] AS x CALL (x) { RETURN x AS y } RETURN y;",
    r"RETURN 'it\'s \u00e9 \\u0027 SET' AS x",
    "MATCH p = (a)-[*1..3]->(b) RETURN p, 1e5 AS x, 0xFF AS y, .5 AS z",
    "MATCH (n) WHERE EXISTS { (n)-->() } RETURN COUNT { (n)-->() } AS x",
    "WITH 1 AS transaction RETURN transaction",
    "WITH [1] AS transactions UNWIND [1] AS x WITH * WHERE x IN transactions RETURN x",
    "UNWIND [1, 2] AS set RETURN set ORDER BY set",
    "MATCH (set) WHERE set.x > 1 WITH set LIMIT 1 RETURN set.x AS x",
    "MATCH (n {show: 1, call: 2}) WHERE n:Call AND n.use = 1 RETURN n.terminate AS show",
    "WITH 1 AS call, 2 AS show, 3 AS z RETURN call + 1 AS x, show * 2 AS y, $set AS call",
]
REFUSED = [
    ("MATCH (n) SET n.x = 1", "would change the graph"),
    ("MATCH (n) SET (n).x = 1", "would change the graph"),
    ("MATCH (n) REMOVE n:X", "would change the graph"),
    ("MATCH (n) WITH n CALL { WITH n DETACH DELETE n }", "would change the graph"),
    ("CALL{CREATE (n)}RETURN 1", "would change the graph"),
    ("UNWIND [1] AS x MERGE(n)", "would change the graph"),
    ("FOREACH (x IN [1] | CREATE (n))", "FOREACH is not allowed here"),
    ("WITH 1 AS with, n SET n.x = 1", "would change the graph"),
    ("WITH 1 AS with WITH with SET n.x = 1", "would change the graph"),
    ("MATCH (n) WHERE n:AS CREATE (m)", "would change the graph"),
    ("EXPLAIN CREATE (n)", "would change the graph"),
    ("EXPLAIN MATCH (n) RETURN n", "begins with 'EXPLAIN'; expected MATCH, OPTIONAL"),
    ("PROFILE MATCH (n) RETURN n", "begins with 'PROFILE'"),
    ("CYPHER 25 SHOW USERS", "SHOW is not allowed here"),
    ("CYPHER 25 WITH 1 AS a SHOW SETTINGS YIELD name RETURN name", "SHOW is not allowed here"),
    ("CYPHER 25 RETURN 1 AS a NEXT TERMINATE TRANSACTION 'x'", "TERMINATE is not allowed here"),
    ("CYPHER 25 CALL { SHOW INDEXES YIELD name RETURN name } RETURN name", "SHOW is not allowed"),
    ("DROP INDEX x", "begins with 'DROP'"),
    ("CYPHER 25 GRANT ROLE a TO b", "begins with 'GRANT'"),
    ("RETURN 1 AS x; RETURN 2 AS x", "more than one Cypher statement"),
    ("LOAD CSV FROM 'x' AS l RETURN l", "LOAD CSV is not allowed here"),
    ("load/* */csv FROM 'x' AS l RETURN l", "LOAD CSV is not allowed here"),
    ("CALL () { LOAD CSV FROM 'x' AS l RETURN l } RETURN l", "LOAD CSV is not allowed here"),
    ("RETURN EXISTS { LOAD\u00a0CSV FROM 'x' AS l RETURN l }", "LOAD CSV is not allowed here"),
    ("WITH 1 AS x LIMIT 0x1LOAD CSV FROM 'x' AS l RETURN l", "a number runs into 'LOAD'"),
    (r"\u004cOAD CSV FROM 'x' AS l RETURN l", r"a \\ in this Cypher, outside of strings"),
    (r"// \u000aLOAD CSV FROM 'x' AS l RETURN l", r"a \\u escape in a comment"),
    (r"RETURN '\u0027 AS x UNION LOAD CSV FROM 'x' AS x RETURN x //'", r"the escape \\u0027"),
    ("USE other MATCH (n) RETURN n", "USE is not allowed here"),
    ("CALL () { USE graph.byName('x') MATCH (n) RETURN n } RETURN n", "USE is not allowed here"),
    ("UNWIND [1] AS x CALL (x) { RETURN 1 AS y } IN TRANSACTIONS RETURN y", "IN TRANSACTIONS"),
    ("UNWIND [1] AS x CALL (x) { RETURN 1 AS y } IN 2 CONCURRENT TRANSACTIONS RETURN y", "IN TRAN"),
    ("CALL apoc.load.json('x')", "the procedure apoc.load.json is not allowed here"),
    ("MATCH (n) CALL `apoc` . `cypher`.run('x', {}) YIELD value RETURN value", "apoc.cypher.run"),
    ("CALL dbms.listConfig", "the procedure dbms.listconfig"),
    ("WITH 1 AS as CALL dbms.listConfig()", "the procedure dbms.listconfig"),
    ("MATCH (n) WHERE n.x IS :: INT CALL dbms.listConfig()", "the procedure dbms.listconfig"),
    (
        "WITH 1 AS call RETURN call",
        "procedure return .*If CALL is a name, put it in back",
    ),
    ("CALL db.create.setNodeVectorProperty(n, 'x', [1])", "the procedure db.create.setnode"),
    ("RETURN genai.vector.encode('x', 'OpenAI', {}) AS x", "the function genai.vector.encode"),
    ("RETURN `apoc.text.x` ('x') AS x", "the function apoc.text.x"),
    ("RETURN 'x", "a ' that is not closed"),
    ("RETURN 1 /* x", r"a /\* that is not closed"),
    ("RETURN `x", "a ` that is not closed"),
]


@pytest.mark.parametrize("text", [*(path.read_text() for path in CATALOGUE), *VALID_ON_A_SERVER])
def test_what_only_reads_passes(text: str) -> None:
    check_cypher(text)


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_could_do_more_is_refused(text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message) as caught:
        check_cypher(text)
    assert "\n" not in str(caught.value)


def test_texts_that_pass_are_valid(store: Neo4jStore) -> None:
    """So the list above is of texts that a server takes."""
    for text in VALID_ON_A_SERVER:
        store.cypher(text, {"set": 1})


def test_procedures_exist(store: Neo4jStore, neo4j_server: Neo4jServer) -> None:
    with neo4j_server.driver() as driver:
        rows = driver.execute_query("SHOW PROCEDURES YIELD name, mode").records
    modes = {name.lower(): mode for name, mode in rows}
    assert {modes[name] for name in PROCEDURES} == {"READ"}


def test_no_clause_hides_behind_another(neo4j_server: Neo4jServer) -> None:
    """Of clauses behind all that can end one, the guard refuses all that a server takes."""
    taken = []
    with neo4j_server.driver() as driver, driver.session(default_access_mode="READ") as session:
        for language, text in clause_texts(neo4j_server.release):
            with suppress(Neo4jError):
                session.run(f"{language} EXPLAIN {text}", {"p": 1}).consume()
                taken.append(f"{language} {text}")
    assert len(taken) > 200
    assert [text for text in taken if passes(text)] == []


def test_a_server_calls_nobody(neo4j_server: Neo4jServer) -> None:
    """Read-only transactions load pages from the network; the guard refuses all of these texts."""
    with neo4j_server.driver() as driver:
        outcome = try_texts(driver, 0, 150)
    assert outcome.loading > 15
    assert outcome.passed == []
