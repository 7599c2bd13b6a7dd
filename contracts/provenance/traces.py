"""Checks that the recorded traces are what was recorded."""

from __future__ import annotations

import hashlib
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from verify.api import CheckContext, Measurement, check, mutant

NOT_A_TRACE = ("manifest.sha256", "README.md")


def list_files(folder: Path) -> list[str]:
    """Names of the recorded files."""
    return sorted(path.name for path in folder.iterdir() if path.name not in NOT_A_TRACE)


def digest_of(path: Path) -> str:
    """sha256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def describe(path: Path) -> dict[str, Any]:
    """A case's description."""
    described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return described


@check("provenance.digests")
def digests(ctx: CheckContext) -> Measurement:
    """Files of specs/golden against the committed list of digests, both ways."""
    manifest = ctx.spec_file(str(ctx.params["manifest"]))
    lines = manifest.read_text(encoding="utf-8").splitlines()
    stated = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    names = list_files(manifest.parent)
    wrong = [f"{name} is not listed" for name in names if name not in stated]
    wrong += [f"{name} is missing" for name in stated if name not in names]
    wrong += [
        f"{name} has another digest"
        for name in names
        if name in stated and digest_of(manifest.parent / name) != stated[name]
    ]
    reason = wrong[0] if wrong else f"{len(names)} files have their committed digests"
    return ctx.decide(not wrong, reason, measured=float(len(wrong)), unit="files")


@check("provenance.described")
def described(ctx: CheckContext) -> Measurement:
    """A tolerance without its basis is a number somebody liked."""
    families = ctx.params["families"]
    wrong = []
    count = 0
    for name in list_files(ctx.spec_file("golden")):
        if not name.endswith(".json"):
            continue
        case = describe(ctx.spec_file(f"golden/{name}"))
        if case.get("family") not in families or not case.get("stages"):
            continue  # a file of parameters alone is held by the cases that use it
        count += 1
        missing = [key for key in ("official_call", "versions", "self_check") if not case.get(key)]
        allowed = case.get("tolerance_allowed") or {}
        missing += [key for key in families[case["family"]] if key not in allowed]
        wrong += [f"{name} states no {', '.join(missing)}"] if missing else []
    reason = wrong[0] if wrong else f"{count} cases state call, versions, self-check, tolerance"
    return ctx.decide(bool(count) and not wrong, reason, measured=float(len(wrong)), unit="cases")


@mutant("provenance.flipped_bit")
def flipped_bit(subject: object) -> AbstractContextManager[Any]:
    """One bit of one recording changes on its way."""
    original = digest_of

    def flipped(path: Path) -> str:
        if path.name != "drift_plain.safetensors":
            return original(path)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        return hashlib.sha256(data).hexdigest()

    return patch(f"{__name__}.digest_of", flipped)


@mutant("provenance.extra_file")
def extra_file(subject: object) -> AbstractContextManager[Any]:
    """A file that nobody recorded lies among the recordings."""
    original = list_files
    return patch(f"{__name__}.list_files", lambda folder: [*original(folder), "made_up.json"])


@mutant("provenance.missing_file")
def missing_file(subject: object) -> AbstractContextManager[Any]:
    """A recording that does not suit was left out."""
    original = list_files
    return patch(f"{__name__}.list_files", lambda folder: original(folder)[1:])


@mutant("provenance.undescribed")
def undescribed(subject: object) -> AbstractContextManager[Any]:
    """A recording lost the comparison its tolerance rests on."""
    original = describe

    def poorer(path: Path) -> dict[str, Any]:
        return {k: v for k, v in original(path).items() if k != "self_check"}

    return patch(f"{__name__}.describe", poorer)
