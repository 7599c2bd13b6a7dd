"""A statement in its signed envelope (DSSE), written and read in one form only.

A text that is not exactly what its content is written as is refused, so that no byte of an envelope
can be changed unseen. Cryptography and the envelope's encoding are those of securesystemslib.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from verify.attest.backing import MAX_BYTES, SUFFIX
from verify.attest.model import KEYS, SHOWN, Key, Role, Trust
from verify.problems import IntegrityError

if TYPE_CHECKING:  # costs a tenth of a second that most commands need not spend
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner, SSlibKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_FIELDS = {"payload", "payloadType", "signatures"}
_SIGN_ANEW = "verify sign"


class Kind(StrEnum):
    """What is wrong with something signed."""

    UNSIGNED = "unsigned"
    MALFORMED = "no envelope"
    KEY_MISSING = "key missing"
    WRONG_KEY = "wrong key"
    REVOKED = "revoked key"
    ROLE = "key without the role"
    FORGED = "broken signature"
    ABSENT = "file missing"
    ADDED = "file added"
    CHANGED = "changed"
    REORDERED = "lines reordered"
    REPLAYED = "replayed"
    NOT_RECOMPUTED = "not recomputed"


class SignatureError(IntegrityError):
    """A signature that does not count; `kind` says why in a word, the message where and what."""

    def __init__(self, kind: Kind, place: object, found: str, expected: str, remedy: str) -> None:
        self.kind = kind
        self.found = found
        text = f"{place}: {kind}: found {found}; expected {expected}; remedy: {remedy}"
        super().__init__(text)


def sealed(statement: Mapping[str, Any], signer: CryptoSigner) -> str:
    """The text of the envelope that holds a statement, signed."""
    from securesystemslib.dsse import Envelope

    payload = json.dumps(statement, sort_keys=True, ensure_ascii=False, allow_nan=False)
    envelope = Envelope(payload.encode(), PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return _written(envelope)


@lru_cache(maxsize=256)
def opened(text: str | None, trust: Trust, role: Role, place: str) -> tuple[Mapping[str, Any], Key]:
    """The statement of an envelope and the key that signed it; raises SignatureError."""
    if text is None:
        expected = f"an envelope {SUFFIX} beside it"
        raise SignatureError(Kind.UNSIGNED, place, "no signature", expected, _SIGN_ANEW)
    envelope = _read(text, place)
    signers = [_holder(keyid, envelope, trust, place) for keyid in envelope.signatures]
    for key in signers:
        _require_entitled(key, role, place)
    try:
        statement = json.loads(envelope.payload)
    except (ValueError, RecursionError) as error:
        raise _malformed(place, f"a payload that is no JSON ({error})") from None
    if not isinstance(statement, dict) or envelope.payload_type != PAYLOAD_TYPE:
        raise _malformed(place, f"a payload of type {envelope.payload_type[:60]!r}")
    return statement, signers[0]


def _read(text: str, place: str) -> Envelope:
    from securesystemslib.dsse import Envelope

    try:
        if len(text) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        data = json.loads(text)
        if not isinstance(data, dict) or set(data) != _FIELDS or not data["signatures"]:
            raise ValueError(f"the keys of a DSSE envelope are {', '.join(sorted(_FIELDS))}")
        if any(set(one) != {"keyid", "sig"} for one in data["signatures"]):
            raise ValueError("a signature has a keyid and a sig")
        envelope = Envelope.from_dict(data)
        exact = _written(envelope) == text
    except Exception as error:  # whatever the library makes of nonsense
        raise _malformed(place, f"{type(error).__name__}: {error}"[:200]) from None
    if not exact:
        raise _malformed(place, "an envelope that is not written as `verify sign` writes it")
    return envelope


def _written(envelope: Envelope) -> str:
    return json.dumps(envelope.to_dict(), indent=1, sort_keys=True) + "\n"


def _holder(keyid: str, envelope: Envelope, trust: Trust, place: str) -> Key:
    """The key behind one signature, if it is one of the pack's."""
    known = {key.id: key for key in trust.keys}
    shown = keyid[:SHOWN]
    if not known:
        raise SignatureError(
            Kind.KEY_MISSING, place, f"a signature by {shown}, and no key in the pack",
            f"the public key in {KEYS}", "have the owner of the pack add it by a decision",
        )  # fmt: skip
    key, fitting = known.get(keyid), [one.short for one in _fitting(keyid, envelope, trust.keys)]
    if key is None or (fitting and key.short not in fitting):
        by = f"a signature by {fitting[0] if fitting else shown}"
        said = f" under the name {shown}" if fitting else ", which is no key of the pack"
        listed = ", ".join(one.short for one in trust.keys)
        raise SignatureError(Kind.WRONG_KEY, place, by + said, f"one of {listed}", _SIGN_ANEW)
    if not fitting:
        found = f"a statement or a signature that {shown} did not make so"
        raise SignatureError(Kind.FORGED, place, found, "both as they were signed", _SIGN_ANEW)
    return key


def _require_entitled(key: Key, role: Role, place: str) -> None:
    """Raises SignatureError for a key that holds no more, or that may not sign such things."""
    if key.revoked is not None:
        why = f"a signature by {key.short}, revoked on {key.revoked.date}: {key.revoked.reason}"
        raise SignatureError(Kind.REVOKED, place, why, "one by a key that holds", _SIGN_ANEW)
    if role not in key.roles:
        found = f"a signature by {key.short}, which may sign {', '.join(key.roles)}"
        raise SignatureError(Kind.ROLE, place, found, f"a key for {role}", _SIGN_ANEW)


def _fitting(keyid: str, envelope: Envelope, keys: tuple[Key, ...]) -> Iterator[Key]:
    """The keys of the pack that bear a signature out, whatever id it names."""
    from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError

    for key in keys:
        try:
            library_key(key, keyid).verify_signature(envelope.signatures[keyid], envelope.pae())
            yield key
        except (UnverifiedSignatureError, VerificationError):
            continue


def library_key(key: Key, keyid: str | None = None) -> SSlibKey:
    """A key as securesystemslib has it."""
    from securesystemslib.signer import SSlibKey

    return SSlibKey(keyid or key.id, "ed25519", "ed25519", {"public": key.public})


def _malformed(place: str, found: str) -> SignatureError:
    return SignatureError(Kind.MALFORMED, place, found, "a signed statement", _SIGN_ANEW)
