"""Formulas: one value and one spelling for one function, however it is put together."""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conceptgraph.ingest.statistics.formulas import (
    OPERATORS,
    Formula,
    Operator,
    combine,
    parts,
    single,
    spelling,
)
from conceptgraph.ingest.statistics.label_sets import Members

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = {2: "water", 5: "river", 7: "bed"}


def chains() -> Iterator[tuple[tuple[int, ...], tuple[Operator, ...]]]:
    """Yield all ways to put up to three terms together."""
    for count in (1, 2, 3):
        for operators in product(OPERATORS, repeat=count - 1):
            for terms in permutations(NAMES, count):
                yield terms, operators


def put_together(terms: tuple[int, ...], operators: tuple[Operator, ...]) -> Formula | None:
    formula: Formula | None = single(terms[0])
    for operator, term in zip(operators, terms[1:], strict=True):
        formula = None if formula is None else combine(formula, operator, term)
    return formula


def plain(terms: tuple[int, ...], operators: tuple[Operator, ...], there: set[int]) -> bool:
    """Say whether it holds, step by step."""
    holds = terms[0] in there
    for operator, term in zip(operators, terms[1:], strict=True):
        if operator == "OR":
            holds = holds or term in there
        else:
            holds = holds and (term in there) == (operator == "AND")
    return holds


@pytest.mark.parametrize(("terms", "operators"), list(chains()))
def test_a_formula_holds_where_its_terms_say_so(
    terms: tuple[int, ...], operators: tuple[Operator, ...]
) -> None:
    formula = put_together(terms, operators)
    assert formula is not None
    sets = [tuple(c for bit, c in enumerate((1, 2, 5, 7)) if code >> bit & 1) for code in range(16)]
    expected = [plain(terms, operators, set(members)) for members in sets]
    assert Members(sets, 9).holding(formula).tolist() == expected


def test_one_function_has_one_spelling_and_each_spelling_one_function() -> None:
    spelled: dict[str, set[tuple[bool, ...]]] = {}
    for terms, operators in chains():
        formula = put_together(terms, operators)
        assert formula is not None
        subsets = [{c for bit, c in enumerate(NAMES) if s >> bit & 1} for s in range(8)]
        function = tuple(plain(terms, operators, there) for there in subsets)
        spelled.setdefault(spelling(formula, NAMES), set()).add(function)
    assert all(len(functions) == 1 for functions in spelled.values())
    assert len(set.union(*spelled.values())) == len(spelled)
    assert {
        "bed",
        "bed AND NOT river",
        "river OR water",
        "bed AND river AND water",
        "bed AND water AND NOT river",
        "bed AND NOT river AND NOT water",
        "(bed OR water) AND NOT river",
        "(bed AND water) OR river",
        "(bed AND NOT river) OR water",
    } <= set(spelled)


def test_a_name_that_looks_like_a_formula_is_quoted() -> None:
    union = combine(single(0), "OR", 1)
    assert union is not None
    assert spelling(union, ["salt AND pepper", "sand"]) == '"salt AND pepper" OR sand'
    assert spelling(union, ["HAND", "f(x)"]) == 'HAND OR "f(x)"'


def test_a_term_that_does_not_count_is_none() -> None:
    union = combine(single(1), "OR", 2)
    assert union is not None
    assert combine(union, "AND", 1) is None
    for operator in OPERATORS:
        assert combine(single(1), operator, 1) is None


def test_parts_are_what_is_left_when_terms_are_fixed() -> None:
    formula = put_together((2, 5, 7), ("OR", "AND NOT"))
    assert formula is not None
    assert {spelling(part, NAMES) for part in parts(formula)} == {
        "water", "river", "river OR water", "water AND NOT bed", "river AND NOT bed",
    }  # fmt: skip
    assert parts(single(2)) == set()


def test_parts_are_shorter_and_hold_nowhere_without_a_concept() -> None:
    for terms, operators in chains():
        formula = put_together(terms, operators)
        assert formula is not None
        for part in parts(formula):
            assert set(part.concepts) < set(formula.concepts)
            assert not part.holds_with(0)
            assert np.log2(part.table + 1) <= 1 << len(part.concepts)
