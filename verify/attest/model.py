"""contracts/policy/keys.yaml: the public keys whose signatures count, and what each may sign."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from verify.spec.base import Day, Frozen, Sha256, Text

KEYS = "contracts/policy/keys.yaml"
SHOWN = 12  # digits of a key's id in a message


class Role(StrEnum):
    """What a key may sign."""

    RECORDS = "records"  # figures that its holder computed again when signing
    BUNDLES = "bundles"  # runs that its holder carried out


class Revoked(Frozen):
    """A key that counts no more; `date` is when that was decided."""

    date: Day
    reason: Text


class Key(Frozen):
    """The public half of an ed25519 key.

    id      sha256 of its 32 bytes; public: these bytes in hexadecimal
    holder  who has the private half, in words
    """

    id: Sha256
    public: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    holder: Text
    since: Day
    revoked: Revoked | None = None

    @model_validator(mode="after")
    def _is_named_by_its_bytes(self) -> Self:
        if self.id != id_of(self.public):
            raise ValueError(f"the id {id_of(self.public)}, which its public half has")
        return self

    @property
    def short(self) -> str:
        """The beginning of its id."""
        return self.id[:SHOWN]


class KeysFile(Frozen):
    """contracts/policy/keys.yaml."""

    schema_: Annotated[Literal["verify/keys/1"], Field(alias="schema")]
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Trust:
    """Whose signatures count, and in which pack; by default nobody's."""

    pack: str = ""
    keys: tuple[Key, ...] = ()


NOBODY = Trust()


def id_of(public: str) -> str:
    """The id of a public key given in hexadecimal."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()
