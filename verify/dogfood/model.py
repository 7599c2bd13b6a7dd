"""contracts/policy/dogfood.yaml: the commands of a page that a first user types, in their order."""

from typing import Annotated, Literal

from pydantic import Field

from verify.spec.base import Frozen, Text

DOGFOOD = "contracts/policy/dogfood.yaml"


class Step(Frozen):
    """One command.

    run      as the page has it, word for word
    exit     its exit code
    says     regular expression that its output has to match somewhere
    network  it fetches something: where the network refuses, nothing is known about it
    minutes  longer than this nobody waits; what was not waited for is unknown
    """

    name: Text
    run: Text
    exit: Annotated[int, Field(ge=0, le=255)] = 0
    says: Text | None = None
    network: bool = False
    minutes: Annotated[float, Field(gt=0)] = 5.0


class DogfoodFile(Frozen):
    """What `verify dogfood` walks."""

    schema_: Annotated[Literal["verify/dogfood/1"], Field(alias="schema")]
    page: Text
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
