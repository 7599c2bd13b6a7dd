"""What every model of a pack is made of: identifiers, days, and the strict frozen base.

Modules of models have no `from __future__ import annotations`: pydantic would compile each text.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

ClauseId = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]*(-[A-Z0-9.]+)+$")]
ContractId = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]*$")]
ClaimId = Annotated[str, Field(pattern=r"^CLAIM(-[A-Z0-9.]+)+$")]
DecisionId = Annotated[str, Field(pattern=r"^DEC-[0-9]{4}$")]
ConflictId = Annotated[str, Field(pattern=r"^CONF-[0-9]{3}$")]
TopicId = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")]
FactId = Annotated[str, Field(pattern=r"^[a-z0-9_]+:[a-z0-9_]+(\.[a-z0-9_]+)+$")]
FactOrAuthority = Annotated[str, Field(pattern=r"^[a-z0-9_]+(:[a-z0-9_]+(\.[a-z0-9_]+)+)?$")]
RegisteredName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$")]
FieldPath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$")]
Text = Annotated[str, Field(min_length=1)]
ModuleName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
AtLeastOne = Annotated[int, Field(ge=1)]
Json = Any


def _real_date(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"a date of the calendar ({error})") from None
    return text


Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_real_date)]


class Frozen(BaseModel):
    """Strict, immutable, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, strict=True)
