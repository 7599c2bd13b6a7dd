"""The private half of a key: a file of its owner's alone, outside every repository."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from verify.attest.envelope import Kind, SignatureError
from verify.attest.model import Key, id_of
from verify.problems import UsageError

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

VARIABLE = "VERIFY_KEY"
MODE = 0o600
_INIT = "verify keys init, or name it by --key FILE"


def default_place(pack: str) -> Path:
    """Where the key of a pack lies unless somebody says otherwise."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "verify" / f"{pack}.pem"


def make(place: Path, root: Path) -> str:
    """Make a key, write its private half -> the public half in hexadecimal.

    Raises UsageError for a place inside a repository or the pack, or where something is.
    """
    from securesystemslib.signer import CryptoSigner

    _require_outside(place, root)
    signer = CryptoSigner.generate_ed25519()
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        with os.fdopen(number, "wb") as file:
            file.write(signer.private_bytes)
            file.flush()
            os.fsync(number)
    except FileExistsError:
        raise UsageError(
            f"{place}: found something there; expected nothing: a key is never replaced; remedy: "
            "--key FILE for another one"
        ) from None
    except OSError as error:
        raise UsageError(f"{place}: found no room for a key ({error.strerror})") from None
    return _public(signer)


def _require_outside(place: Path, root: Path) -> None:
    where = Path(os.path.realpath(place))
    repositories = [folder for folder in where.parents if (folder / ".git").exists()]
    if repositories or where.is_relative_to(root.resolve()):
        raise UsageError(
            f"{place}: found a place in {repositories[0] if repositories else root}; expected one "
            "outside every repository and the pack, for a private key is never committed; remedy: "
            "--key FILE elsewhere"
        )


def signer_of(place: Path, keys: tuple[Key, ...]) -> CryptoSigner:
    """The key at a place, under the id that the pack has for it; raises SignatureError."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    data = _read(place)
    try:
        signer = CryptoSigner(load_pem_private_key(data, None))
        name = id_of(_public(signer))
    except Exception as error:  # whatever the library makes of other keys, or of none
        raise SignatureError(
            Kind.KEY_MISSING, place, f"no ed25519 key ({type(error).__name__})", "one in PEM", _INIT
        ) from None
    signer.public_key.keyid = name
    if name not in {key.id for key in keys}:
        listed = ", ".join(key.short for key in keys) or "none"
        raise SignatureError(
            Kind.WRONG_KEY, place, f"the key {name[:12]}", f"a key of the pack: {listed}", _INIT
        )
    return signer


def _read(place: Path) -> bytes:
    try:
        state = place.stat()
        if stat.S_IMODE(state.st_mode) & 0o077:
            raise SignatureError(
                Kind.WRONG_KEY, place, f"a private key of mode {stat.S_IMODE(state.st_mode):o}",
                f"{MODE:o}: nobody else may read it", f"chmod 600 {place}, or a new key",
            )  # fmt: skip
        return place.read_bytes()
    except OSError as error:
        found = f"no private key ({error.strerror})"
        raise SignatureError(Kind.KEY_MISSING, place, found, "one", _INIT) from None


def _public(signer: CryptoSigner) -> str:
    public: str = signer.public_key.keyval["public"]
    return public


def discard(place: Path) -> None:
    """Remove a key that was just made and whose public half could not be recorded."""
    with suppress(OSError):
        place.unlink()
