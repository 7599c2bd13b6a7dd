"""Keys, and records that are signed with them, for tests."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner

from verify.attest.backing import Backing, beside
from verify.attest.envelope import sealed
from verify.attest.model import Key, Role, Trust, id_of
from verify.attest.statement import RECORD, statement

EVERY = (Role.RECORDS, Role.BUNDLES)


@cache
def signer(number: int) -> CryptoSigner:
    """One of as many keys as a test asks for."""
    made = CryptoSigner.generate_ed25519()
    made.public_key.keyid = id_of(made.public_key.keyval["public"])
    return made


def key(number: int = 0, *, roles: tuple[Role, ...] = EVERY, **more: Any) -> Key:
    """Its public half, as a pack has it."""
    public = signer(number).public_key.keyval["public"]
    return Key(id=id_of(public), public=public, roles=roles, holder="a test", since="2026-01-01",
               **more)  # fmt: skip


def trust(pack: str = "p", *keys: Key) -> Trust:
    """Trust in the first key, or in those given."""
    return Trust(pack, keys or (key(),))


def sign_record(path: Path, *figures: str, pack: str = "p", number: int = 0) -> Path:
    """The envelope of a record whose figures count as computed again."""
    again = {name: {"recorded": 1.0, "again": 1.0} for name in figures}
    said = statement(RECORD, path.parent, [path.name], {"pack": pack, "recomputed": again})
    beside(path).write_text(sealed(said, signer(number)), encoding="utf-8")
    return path


def backed(*figures: str, name: str = "one.json", **said: Any) -> Backing:
    """A record as a verdict names it, signed; `said` changes the statement."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    again = {figure: {"recorded": 1.0, "again": 1.0} for figure in figures}
    whole = {
        "_type": "https://in-toto.io/Statement/v1", "predicateType": RECORD,
        "subject": [{"name": name, "digest": {"sha256": digest}}],
        "predicate": {"pack": "p", "recomputed": again},
    }  # fmt: skip
    return Backing(name, digest, figures, sealed({**whole, **said}, signer(0)))
