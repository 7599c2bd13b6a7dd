"""A maintainer's line in the file of signatures; nothing else is done, nothing is published."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from verify.files import write
from verify.problems import UsageError
from verify.release.model import BySignature, Signature
from verify.release.situation import Situation
from verify.spec.quoting import quoted

_HEAD = (
    "# What maintainers have signed for; `verify release --sign GATE` adds a line.\n"
    "schema: verify/signatures/1\n"
)


def sign(now: Situation, gate_id: str, *, name: str, role: str, what: str) -> Path:
    """Add one line for the present version; raises UsageError for a gate that is not signed."""
    gate = next((gate for gate in now.release.gates if gate.id == gate_id), None)
    maintained = [one.id for one in now.release.gates if isinstance(one.by, BySignature)]
    if gate is None or gate.id not in maintained:
        raise UsageError(
            f"--sign: found {gate_id!r}; expected one of {', '.join(maintained) or 'none'}: only "
            "a maintainer's gates are closed by a signature"
        )
    if now.version is None:
        raise UsageError(f"{now.release.version}: found no version; expected one to sign for")
    fields = {"gate": gate.id, "version": now.version, "name": name, "role": role}
    try:
        line = Signature(**fields, date=now.today.isoformat(), what=what)
    except ValidationError as error:
        raise UsageError(f"--sign {gate_id}: {error.errors()[0]['msg']}") from None
    if any(not text.isprintable() for text in (name, role, what)):
        raise UsageError(f"--sign {gate_id}: found control characters; expected one line each")
    path = now.root / now.release.signatures
    write(path, _as_yaml((*now.signatures, line)))
    return path


def _as_yaml(signatures: tuple[Signature, ...]) -> str:
    """A list of one-line mappings."""
    lines = []
    for one in signatures:
        fields = (f"{name}: {quoted(value)}" for name, value in one.model_dump().items())
        lines.append(f"  - {{{', '.join(fields)}}}\n")
    return _HEAD + ("signatures:\n" + "".join(lines) if lines else "signatures: []\n")
