"""What a request cannot have: a status and the four parts of every error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Query = TypeVar("Query", bound=BaseModel)
SHOWN = 60  # characters of a request that an answer repeats


class Refusal(Exception):  # noqa: N818 - an answer, not a defect
    """An answer that is an error; it never holds a path of this machine."""

    def __init__(
        self, status: int, place: str, *, found: str, expected: str, remedy: str = ""
    ) -> None:
        self.status = status
        self.place, self.found, self.expected, self.remedy = place, found, expected, remedy
        super().__init__(f"{place}: found {found}; expected {expected}")

    def body(self) -> dict[str, Any]:
        """As JSON."""
        parts = ("place", "found", "expected", "remedy")
        return {"status": self.status, **{name: getattr(self, name) for name in parts}}


def shown(text: object) -> str:
    """A part of a request, short and without control characters."""
    return ascii(str(text)[:SHOWN])


def absent(kind: str, slug: str) -> Refusal:
    """Nothing of this name is in the catalogue."""
    return Refusal(
        404, kind, found=shown(slug), expected=f"a {kind} of the catalogue",
        remedy=f"the list of {kind}s has the names",
    )  # fmt: skip


def parsed(model: type[Query], given: Mapping[str, Any], place: str) -> Query:
    """A query or a body as its model; raises Refusal that names the first wrong key."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the whole"
        names = ", ".join(one.alias or name for name, one in model.model_fields.items())
        raise Refusal(
            400, place, found=f"{shown(key)}: {first['msg']}", expected=f"keys of: {names}"
        ) from None
