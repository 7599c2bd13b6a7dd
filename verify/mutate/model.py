"""specs/equivalent_mutants.yaml: single changes of the code that change nothing it does."""

from typing import Annotated, Literal

from pydantic import Field

from verify.spec.base import Frozen, Text

Name = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]


class Equivalent(Frozen):
    """One of them, and why no clause can see it.

    mutant  its name as `verify mutate` prints it: it is made of file, function and both texts, so
            that an edited line has another one and the entry is stale
    before  the line as it stands; after: as the mutant has it
    """

    mutant: Name
    file: Text
    before: Text
    after: Text
    reason: Text


class EquivalentsFile(Frozen):
    """specs/equivalent_mutants.yaml."""

    schema_: Annotated[Literal["verify/equivalents/1"], Field(alias="schema")]
    equivalents: tuple[Equivalent, ...]
