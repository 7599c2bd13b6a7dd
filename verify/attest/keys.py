"""The file of public keys as it is written: a key added, or revoked; none is ever removed here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from verify import clock
from verify.attest.model import KEYS, Key, KeysFile, Revoked, Role, id_of
from verify.files import write
from verify.problems import UsageError
from verify.spec.pack import LoadedPack
from verify.spec.quoting import quoted

_HEAD = (
    "# Whose signatures count, and for what; `verify keys` writes it. One more is a looser rule.\n"
    "schema: verify/keys/1\n"
)


def add(loaded: LoadedPack, public: str, roles: Sequence[Role], holder: str) -> tuple[Path, Key]:
    """Record a public key; raises UsageError for one that is there or has no holder."""
    _require_at_its_place(loaded)
    try:
        key = Key(id=id_of(public), public=public, roles=tuple(roles), holder=holder,
                  since=clock.today().isoformat())  # fmt: skip
    except ValidationError as error:
        wrong = error.errors()[0]
        raise UsageError(f"--{wrong['loc'][0]}: {wrong['msg']}") from None
    if key.id in {one.id for one in loaded.pack.keys}:
        raise UsageError(f"{KEYS}: found {key.short} already; expected a key that is not there")
    return _save(loaded, (*loaded.pack.keys, key)), key


def revoke(loaded: LoadedPack, name: str, day: str, reason: str) -> tuple[Path, Key]:
    """Say that a key counts no more; `name` is the beginning of its id."""
    _require_at_its_place(loaded)
    found = [one for one in loaded.pack.keys if name and one.id.startswith(name)]
    if len(found) != 1:
        listed = ", ".join(one.short for one in loaded.pack.keys) or "none"
        raise UsageError(
            f"{name}: found {len(found)} keys; expected the beginning of one: {listed}"
        )
    if found[0].revoked is not None:
        raise UsageError(f"{found[0].short}: found revoked on {found[0].revoked.date} already")
    try:
        said = Revoked(date=day, reason=reason)
    except ValidationError as error:
        raise UsageError(f"--{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}") from None
    gone = found[0].model_copy(update={"revoked": said})
    keys = tuple(gone if one is found[0] else one for one in loaded.pack.keys)
    return _save(loaded, keys), gone


def _require_at_its_place(loaded: LoadedPack) -> None:
    for document, _ in loaded.of(KeysFile):
        if document.file != KEYS:
            raise UsageError(f"{document.file}: found the keys there; expected {KEYS}; move them")


def _save(loaded: LoadedPack, keys: Sequence[Key]) -> Path:
    path = loaded.root / KEYS
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, as_yaml(keys))
    return path


def as_yaml(keys: Sequence[Key]) -> str:
    """The whole file."""
    body = "keys:\n" + "".join(map(_one, keys)) if keys else "keys: []\n"
    return _HEAD + body


def _one(key: Key) -> str:
    lines = [
        f"  - id: {key.id}\n", f"    public: {key.public}\n",
        f"    roles: [{', '.join(key.roles)}]\n", f"    holder: {quoted(key.holder)}\n",
        f"    since: {quoted(key.since)}\n",
    ]  # fmt: skip
    if key.revoked is not None:
        said = f"date: {quoted(key.revoked.date)}, reason: {quoted(key.revoked.reason)}"
        lines.append(f"    revoked: {{{said}}}\n")
    return "".join(lines)
