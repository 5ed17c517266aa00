r"""What a Cypher text of the user's may contain: it reads the graph, and nothing else.

Read-only transactions refuse writes, but not `LOAD CSV`, which reads files and calls web servers,
nor procedures and functions that do. `check_cypher` splits a text into tokens as Neo4j does, so
that strings, comments, quoted names and \u escapes neither hide a clause nor look like one. It
refuses

- clauses that write, `LOAD CSV`, `USE`, `SHOW`, `TERMINATE`, `CALL … IN TRANSACTIONS`;
- procedures, and functions with a namespace, other than those listed here;
- a text that does not begin as a question does: `EXPLAIN`, `DROP`, `GRANT`, … (Cypher's grammar has
  these as whole statements only).

A clause may follow a pattern, type or label: `)+ CALL`, `LIST<INT> CALL`, `:% CALL`. So `CALL` and
the like count as names only where the grammar has nothing but a name. For clauses that write, which
the transaction refuses as well, what is probably a name passes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ...errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ONLY_READ = "MATCH … RETURN … only"
PROCEDURES = frozenset({
    "db.labels",
    "db.relationshiptypes",
    "db.propertykeys",
    "db.schema.visualization",
    "db.schema.nodetypeproperties",
    "db.schema.reltypeproperties",
    "db.index.fulltext.querynodes",
    "db.index.fulltext.queryrelationships",
    "db.index.vector.querynodes",
    "db.index.vector.queryrelationships",
})  # fmt: skip
"""The procedures that may be called, in lower case: they read the graph and its schema."""
NAMESPACES = frozenset({
    "date", "datetime", "localdatetime", "localtime", "time", "duration", "point",
    "vector.similarity", "coll",
})  # fmt: skip
"""The namespaces of Cypher's own functions. Those of plugins (apoc, genai) can call the network."""
_FIRST = ("MATCH", "OPTIONAL", "RETURN", "WITH", "UNWIND", "CALL", "LET", "FILTER", "FOR", "WHEN")
_WRITING = frozenset({"CREATE", "MERGE", "INSERT", "SET", "DELETE", "DETACH", "NODETACH", "REMOVE"})
_STRICT = frozenset({"FOREACH", "USE", "SHOW", "TERMINATE"})
_ALWAYS_NAME = frozenset(".:$")
"""Only a name can follow these."""
_BEFORE_NAME = frozenset("([,|&=<-/^")
_AFTER_NAME = frozenset((*".:)],}=<>+-*/%^|&;", "end"))
_BEFORE_VALUE = frozenset({
    "AS", "RETURN", "WITH", "WHERE", "UNWIND", "BY", "IN", "AND", "OR", "XOR", "NOT", "CONTAINS",
    "CASE", "WHEN",
})  # fmt: skip
_NUMBER = r"0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?[fFdD]?"
_TOKEN = re.compile(
    rf"""(?P<comment>//[^\n\r]*|/\*.*?\*/)
    |(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<quoted>`(?:[^`]|``)*`)
    |(?P<number>{_NUMBER})
    |(?P<word>[^\W\d]\w*)
    |(?P<symbol>[!-~])
    |(?P<space>.)""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPED = re.compile(r"\\(?:u+([0-9a-fA-F]{4})?|.)", re.DOTALL)


class _Token(NamedTuple):
    """One token; `key` is a word in upper case, a symbol, or the kind of any other."""

    kind: str
    text: str
    key: str


_END = _Token("end", "", "end")


def check_cypher(text: str) -> None:
    """Refuse a Cypher text that could do more than read the graph.

    Raises:
        QueryError: it writes, reads files, calls the network, another database or a procedure that
            is not listed; or it hides a character behind an escape.
    """
    tokens = list(_tokens(text))
    for place, token in enumerate(tokens):
        before, after = _neighbours(tokens, place)
        if token.key == ";" and after is not _END:
            raise QueryError("more than one Cypher statement", remedy="Ask one at a time")
        if _unquoted(token) == "LOAD" and _unquoted(after) == "CSV":
            raise QueryError("LOAD CSV is not allowed here", expected=ONLY_READ)
        if token.kind == "word":
            _check_word(tokens, place)
        if _is_call(tokens, place):
            _check_procedure(tokens[place + 1 :])
        if token.key == "(" and before.kind in ("word", "quoted"):
            _check_function(tokens[:place])
    _check_beginning(tokens)


def _tokens(text: str) -> Iterator[_Token]:
    """Yield the tokens of a text; comments and white space are left out."""
    end = 0
    for match in _TOKEN.finditer(text):
        kind, content = str(match.lastgroup), match[0]
        if kind in ("string", "quoted"):
            _check_escapes(content)
        elif kind == "comment" and re.search(r"\\u", content):
            raise QueryError("a \\u escape in a comment of this Cypher", remedy="Leave it out")
        elif kind == "symbol" and (content in "'\"`\\" or text.startswith("/*", match.start())):
            raise _unreadable(content)
        elif kind == "word" and match.start() == end and end and text[end - 1].isdigit():
            raise QueryError(
                f"Cypher: a number runs into {content!r}", remedy="Put a space between"
            )
        if kind == "number":
            end = match.end()
        if kind not in ("comment", "space"):
            # As servers compare keywords: the long s is an S.
            word = content.casefold().upper()
            yield _Token(kind, content, word if kind in ("word", "symbol") else kind)


def _unreadable(symbol: str) -> QueryError:
    if symbol == "\\":
        return QueryError(
            "a \\ in this Cypher, outside of strings", remedy="Write the character itself"
        )
    return QueryError(f"Cypher: a {symbol if symbol != '/' else '/*'} that is not closed")


def _check_escapes(quoted: str) -> None:
    """Refuse an escape that Neo4j would read as a quote, and so as the end of a string."""
    for match in _ESCAPED.finditer(quoted):
        decoded = chr(int(match[1], 16)) if match[1] else ""
        if decoded and decoded.isascii() and not decoded.isalnum():
            raise QueryError(
                f"the escape {match[0]} in this Cypher",
                remedy="Write the character itself, or pass the text with -p",
            )


def _neighbours(tokens: Sequence[_Token], place: int) -> tuple[_Token, _Token]:
    before = tokens[place - 1] if place else _END
    return before, tokens[place + 1] if place + 1 < len(tokens) else _END


def _is_certain_name(tokens: Sequence[_Token], place: int) -> bool:
    """Return whether a word cannot begin a clause, whatever the words around it mean."""
    before, after = _neighbours(tokens, place)
    return before.key in _ALWAYS_NAME or after.key in _AFTER_NAME


def _is_probable_name(tokens: Sequence[_Token], place: int) -> bool:
    """Return whether a word follows what needs a name or a value, as `(` or `AS`."""
    before, _ = _neighbours(tokens, place)
    if before.key in _BEFORE_VALUE:  # unless that word is a name itself: `AS with SET n.x = 1`
        earlier, _ = _neighbours(tokens, place - 1)
        ends_clause = earlier.kind != "symbol" or earlier.key in ")]}{"
        return ends_clause and earlier.key not in _BEFORE_VALUE
    return before.key in _BEFORE_NAME


def _is_call(tokens: Sequence[_Token], place: int) -> bool:
    return tokens[place].key == "CALL" and not _is_certain_name(tokens, place)


def _unquoted(token: _Token) -> str:
    """Return a word or quoted name in upper case; the offline engine takes `LOAD` for LOAD."""
    return token.text.strip("`").casefold().upper() if token.kind in ("word", "quoted") else ""


def _check_word(tokens: Sequence[_Token], place: int) -> None:
    token, what = tokens[place], None
    if token.key in ("TRANSACTIONS", "TRANSACTION"):
        earlier = [before.key for before in tokens[max(0, place - 2) : place]]
        if earlier == ["}", "IN"] or earlier[-1:] == ["CONCURRENT"]:
            what = "IN TRANSACTIONS is not allowed here"
    elif _is_certain_name(tokens, place):
        return
    elif token.key in _STRICT:
        what = f"{token.key} is not allowed here"
    elif token.key in _WRITING and not _is_probable_name(tokens, place):
        what = "this Cypher would change the graph"
    if what:
        remedy = f"If {token.text} is a name, put it in backticks"
        raise QueryError(what, expected=ONLY_READ, remedy=remedy)


def _dotted(tokens: Sequence[_Token]) -> str:
    """Return the dotted name that a text begins with, in lower case; "" if there is none."""
    parts = []
    for token in tokens:
        if token.kind not in ("word", "quoted") and token.key != ".":
            break
        parts.append(token.text.strip("`"))
        if token.key != "." and len(parts) > 1 and parts[-2] != ".":
            return "".join(parts[:-1]).lower()
    return "".join(parts).lower()


def _check_procedure(after: Sequence[_Token]) -> None:
    name = _dotted(after)
    if name and name not in PROCEDURES:
        allowed = "one that reads the schema or an index (db.labels, db.index.fulltext.queryNodes)"
        remedy = None if "." in name else "If CALL is a name, put it in backticks"
        raise QueryError(
            f"the procedure {name} is not allowed here", expected=allowed, remedy=remedy
        )


def _check_function(before: Sequence[_Token]) -> None:
    """Check the function whose name a text ends with."""
    start = len(before) - 1
    while start >= 2 and before[start - 1].key == ".":
        start -= 2
    name = _dotted(before[start:])
    namespace = name.rpartition(".")[0]
    is_procedure = start > 0 and _is_call(before, start - 1)
    if namespace and namespace not in NAMESPACES and not is_procedure:
        raise QueryError(f"the function {name} is not allowed here", expected="Cypher's own")


def _check_beginning(tokens: Sequence[_Token]) -> None:
    """Refuse what does not begin as a question does, after `CYPHER 25` and options."""
    place = 0
    if tokens and tokens[0].key == "CYPHER":
        place = 1
        while place < len(tokens) and tokens[place].key not in (*_FIRST, "{"):
            is_option = tokens[place].kind == "number" or "=" in (
                tokens[place].key,
                *(token.key for token in _neighbours(tokens, place)),
            )
            if not is_option:
                break
            place += 1
    if place < len(tokens) and tokens[place].key not in (*_FIRST, "{"):
        raise QueryError(
            f"Cypher that begins with {tokens[place].text!r}",
            expected=f"{', '.join(_FIRST[:5])} or CALL",
        )
