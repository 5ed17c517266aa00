"""What is asked about a photograph, and the link that asks it again."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from ....errors import QueryError

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

MOST = 20
"""Concepts, or units, that a link ablates."""
LONGEST = 500
"""Characters of a value in a link."""
_NAMES = {"class_name": "class", "units": "unit", "shown_from": "from"}
"""What a field is called in a link, where it is not called by its own name."""


@dataclass(frozen=True)
class ImageQuestion:
    """A question about a photograph; equal links are equal questions.

    Attributes:
        image: the photograph's key.
        class_name: the class to explain; None for the predicted one.
        versus: the class it is compared with, if any.
        region: "x,y,width,height" in pixels of the photograph, a part to ask about.
        ablate: concepts to ablate.
        units: units to ablate, by uid.
        everywhere: whether they are ablated on their whole maps.
        flip: whether to search few concepts whose ablation changes the decision.
        shown_from: key of the photograph that this one was made of by painting something over.
    """

    image: str
    class_name: str | None = None
    versus: str | None = None
    region: str | None = None
    ablate: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    everywhere: bool = False
    flip: bool = False
    shown_from: str | None = None

    @classmethod
    def of(cls, given: QueryParams) -> ImageQuestion:
        """Read the question of a link; names it does not know are ignored, as are empty values.

        Raises:
            QueryError: there is no image, or too much of something.
        """
        if not given.get("image"):
            raise QueryError("no photograph", expected="image=KEY in the link")
        values: dict[str, object] = {}
        for field in fields(cls):
            texts = [text for text in given.getlist(_NAMES.get(field.name, field.name)) if text]
            if len(texts) > MOST or any(len(text) > LONGEST for text in texts):
                raise QueryError(
                    f"{field.name} in the link", expected=f"at most {MOST}, short ones"
                )
            if field.type == "bool":
                values[field.name] = bool(texts)
            elif field.type == "tuple[str, ...]":
                values[field.name] = tuple(dict.fromkeys(texts))
            else:
                values[field.name] = texts[0] if texts else None
        return cls(**values)  # type: ignore[arg-type]

    @property
    def query(self) -> str:
        """The link's part after the question mark."""
        pairs: list[tuple[str, str]] = []
        for field in fields(self):
            name, value = _NAMES.get(field.name, field.name), getattr(self, field.name)
            values = value if isinstance(value, tuple) else ("1" if value is True else value,)
            pairs += [(name, text) for text in values if text]
        return urlencode(pairs)

    @property
    def unchanged(self) -> ImageQuestion:
        """The same question of the network as it is, with nothing ablated."""
        return replace(self, ablate=(), units=(), everywhere=False, flip=False, shown_from=None)
