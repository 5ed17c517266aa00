"""Formulas of concepts: "water OR river", "bed AND NOT bedroom"; up to three terms.

    formula = concept | formula AND concept | formula OR concept | formula AND NOT concept

(Mu and Andreas 2020). A formula is the function that it computes: its concepts, and for every
subset of them whether it holds where a pixel has these and no others. So one formula has one value
and one spelling, however it was put together, and each of its terms counts: a concept on which the
function does not depend is no term of it. No formula holds where none of its concepts is.
"""

from __future__ import annotations

import functools
import re
from itertools import permutations, product
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Operator = Literal["AND", "OR", "AND NOT"]
OPERATORS: tuple[Operator, ...] = ("AND", "OR", "AND NOT")
TERMS = 3
"""Of a formula, at the most."""
_NEEDS_QUOTES = re.compile(r"\b(AND|OR|NOT)\b|[()\"]")


class Formula(NamedTuple):
    """A formula.

    Attributes:
        concepts: its terms, ascending columns.
        table: bit s is set if it holds where a pixel has the concepts whose bits are set in s, the
            first concept's bit being 1, the second's 2, the third's 4.
    """

    concepts: tuple[int, ...]
    table: int

    def holds_with(self, subset: int) -> bool:
        """Return whether it holds with these concepts, as bits."""
        return bool(self.table >> subset & 1)


def single(concept: int) -> Formula:
    """Return the formula that is one concept."""
    return Formula((concept,), 0b10)


@functools.lru_cache(maxsize=1 << 16)
def combine(formula: Formula, operator: Operator, concept: int) -> Formula | None:
    """Return a formula with one more term; None where a term would not count, or none can hold."""
    if concept in formula.concepts:
        return None
    concepts = tuple(sorted((*formula.concepts, concept)))
    bit, places = concepts.index(concept), [concepts.index(c) for c in formula.concepts]
    table = 0
    for subset in range(1 << len(concepts)):
        before = formula.holds_with(
            sum((subset >> place & 1) << old for old, place in enumerate(places))
        )
        has = bool(subset >> bit & 1)
        holds = before or has if operator == "OR" else before and has is (operator == "AND")
        table |= holds << subset
    reduced = _reduced(Formula(concepts, table))
    return reduced if reduced is not None and reduced.concepts == concepts else None


def parts(formula: Formula) -> set[Formula]:
    """Return the shorter formulas that are left if terms are fixed to hold, or not to hold.

    Those that hold where a pixel has no concept at all, as NOT b, are no formulas.
    """
    found: set[Formula] = set()
    for bit, value in product(range(len(formula.concepts)), (0, 1)):
        rest = _reduced(_fixed(formula, bit, value))
        if rest is not None and not rest.holds_with(0):
            found |= {rest} | parts(rest)
    return found


def _fixed(formula: Formula, bit: int, value: int) -> Formula:
    """Return what a formula is where one of its concepts is there (1), or is not (0)."""
    concepts = formula.concepts[:bit] + formula.concepts[bit + 1 :]
    low = (1 << bit) - 1
    table = sum(
        formula.holds_with((s & low) | value << bit | (s & ~low) << 1) << s
        for s in range(1 << len(concepts))
    )
    return Formula(concepts, table)


def _reduced(formula: Formula) -> Formula | None:
    """Return a formula without concepts on which it does not depend; None if it always is one."""
    for bit in range(len(formula.concepts)):
        without = _fixed(formula, bit, 0)
        if without == _fixed(formula, bit, 1):
            return _reduced(without)
    return formula if formula.concepts else None


def spelling(formula: Formula, names: Mapping[int, str] | Sequence[str]) -> str:
    """Return a formula's only spelling: terms in alphabetical order, those with NOT at the end.

    A name that has AND, OR, NOT or brackets in it is quoted.
    """
    by_name = sorted(formula.concepts, key=lambda concept: (names[concept], concept))
    order = tuple(formula.concepts.index(concept) for concept in by_name)
    terms, operators = _spellings(len(order), order)[formula.table]
    words = [_quoted(names[formula.concepts[place]]) for place in terms]
    text = words[0]
    for number, (operator, word) in enumerate(zip(operators, words[1:], strict=True)):
        is_mixed = number == 1 and (operator == "OR") != (operators[0] == "OR")
        text = f"{f'({text})' if is_mixed else text} {operator} {word}"
    return text


def _quoted(name: str) -> str:
    return f'"{name}"' if _NEEDS_QUOTES.search(name) else name


_Spelling = tuple[tuple[int, ...], tuple[Operator, ...]]


@functools.cache
def _spellings(count: int, order: tuple[int, ...]) -> dict[int, _Spelling]:
    """Return the terms and operators of each function of `count` concepts, by its table."""
    found: dict[int, _Spelling] = {}
    operators = sorted(
        product(OPERATORS, repeat=count - 1), key=lambda ops: [op == "AND NOT" for op in ops]
    )
    for ops, terms in product(operators, permutations(order)):
        formula: Formula | None = single(terms[0])
        for operator, term in zip(ops, terms[1:], strict=True):
            formula = None if formula is None else combine(formula, operator, term)
        if formula is not None:
            found.setdefault(formula.table, (terms, ops))
    return found
