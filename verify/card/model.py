"""contracts/policy/card.yaml: what a card says that no bundle knows."""

from typing import Annotated, Literal

from pydantic import Field

from verify.spec.model import Frozen, RegisteredName, Text

CARD = "contracts/policy/card.yaml"
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:+-]*$", max_length=80)]


class CardFile(Frozen):
    """The fixed words of a card.

    describe   a registered check that reads an artefact, `params.artefact`, and returns the mapping
               of label to text `details.facts`
    """

    schema_: Annotated[Literal["verify/card/1"], Field(alias="schema")]
    title: Text
    licence: Word
    library: Word
    task: Word | None = None
    tags: Annotated[tuple[Word, ...], Field(min_length=1)]
    about: Text
    training_data: Text
    limits: Annotated[tuple[Text, ...], Field(min_length=1)]
    describe: RegisteredName | None = None
