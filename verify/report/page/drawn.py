"""What a check may hand over to be drawn, in `details["drawn"]`: a list of mappings of three kinds.

Whatever has an order is a list: evidence sorts the keys of its mappings.

The page shows them whatever the outcome. What does not fit its kind is shown as that sentence,
never left out in silence.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

DRAWN = "drawn"
MOST_POINTS = 1024  # of one curve, or of one frame
MOST_BYTES = 192 << 10  # of one picture
PNG = b"\x89PNG\r\n\x1a\n"

Number = Annotated[float, Field(allow_inf_nan=False)]
Point = tuple[Number, Number]
Values = Annotated[tuple[Number | None, ...], Field(min_length=1, max_length=MOST_POINTS)]
Points = Annotated[tuple[Point, ...], Field(max_length=MOST_POINTS)]


class _Drawn(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[str, Field(min_length=1, max_length=300)]


class Curves(_Drawn):
    """(name, values) of each curve, over the index; `null` where a value is not finite."""

    kind: Literal["curves"]
    curves: Annotated[tuple[tuple[str, Values], ...], Field(min_length=1, max_length=4)]


class Frames(_Drawn):
    """(moment, points) of a cloud in the plane that moves, over a cloud that stays."""

    kind: Literal["frames"]
    target: Points
    frames: Annotated[tuple[tuple[str, Points], ...], Field(min_length=1, max_length=60)]


class Picture(_Drawn):
    """A PNG in base64, shown with its pixels as squares; `alt` says what is to be seen."""

    kind: Literal["picture"]
    alt: Annotated[str, Field(min_length=1, max_length=600)]
    png: str

    @field_validator("png")
    @classmethod
    def _is_a_small_png(cls, text: str) -> str:
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("found no base64") from None
        if not data.startswith(PNG) or len(data) > MOST_BYTES:
            raise ValueError(f"found no PNG of at most {MOST_BYTES} bytes")
        return text


_ONE: TypeAdapter[Curves | Frames | Picture] = TypeAdapter(
    Annotated[Curves | Frames | Picture, Field(discriminator="kind")]
)


def drawings(details: Mapping[str, Any]) -> Iterator[Curves | Frames | Picture | str]:
    """What is to be drawn, in order; a sentence in place of what cannot be."""
    found = details.get(DRAWN, ())
    if not isinstance(found, list | tuple):
        yield f"{DRAWN}: found a {type(found).__name__}, expected a list of drawings"
        return
    for number, one in enumerate(found):
        try:
            yield _ONE.validate_python(one)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, (DRAWN, number, *first["loc"])))
            yield f"{place}: cannot be drawn: {first['msg']}"


def measures(details: Mapping[str, Any]) -> dict[str, float]:
    """Numbers of a check's details that belong side by side: three or more under one name, or at
    the top; the first such group. A text `inf` or `nan` counts as a number that is not finite."""
    details = {name: value for name, value in details.items() if name != DRAWN}
    for group in (details, *(v for v in details.values() if isinstance(v, Mapping))):
        numbers = {str(k): n for k, v in group.items() if (n := _number(v)) is not None}
        if len(numbers) >= 3 and len(numbers) == len(group):
            return numbers
    return {}


def _number(value: object) -> float | None:
    if value is None:  # JSON knows no infinity
        return float("inf")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and value not in ("inf", "-inf", "nan"):
        return None
    return float(value)
