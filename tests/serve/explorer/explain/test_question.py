"""A question about a photograph, and its link."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from conceptgraph.errors import QueryError
from conceptgraph.serve.explorer.explain.question import LONGEST, MOST, ImageQuestion

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
QUESTIONS = st.builds(
    ImageQuestion,
    image=TEXT,
    class_name=st.none() | TEXT,
    versus=st.none() | TEXT,
    region=st.none() | TEXT,
    ablate=st.lists(TEXT, unique=True, max_size=4).map(tuple),
    units=st.lists(TEXT, unique=True, max_size=4).map(tuple),
    everywhere=st.booleans(),
    flip=st.booleans(),
    shown_from=st.none() | TEXT,
)


@given(QUESTIONS)
def test_a_link_asks_the_same_question_again(question: ImageQuestion) -> None:
    assert ImageQuestion.of(QueryParams(question.query)) == question


def test_what_is_asked_twice_is_asked_once() -> None:
    asked = ImageQuestion.of(QueryParams("image=k&ablate=dog&ablate=cat&ablate=dog&class=&run=net"))
    assert asked == ImageQuestion("k", ablate=("dog", "cat"))


def test_without_ablations_the_explanation_is_the_same() -> None:
    asked = ImageQuestion("k", "dog", ablate=("cat",), units=("block4/1",), flip=True)
    assert asked.unchanged == ImageQuestion("k", "dog")


@pytest.mark.parametrize(
    "link",
    [
        "",
        "class=dog",
        "image=",
        f"image={'k' * (LONGEST + 1)}",
        "image=k" + "".join(f"&ablate={number}" for number in range(MOST + 1)),
    ],
)
def test_a_link_without_an_image_or_with_too_much_is_refused(link: str) -> None:
    with pytest.raises(QueryError):
        ImageQuestion.of(QueryParams(link))
