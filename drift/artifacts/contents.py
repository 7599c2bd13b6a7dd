"""The tensors' bytes: one digest over names, dtypes, shapes and values, and what is not finite.

The digest does not depend on the order or the place of tensors in a file, so that a file that
another tool has written again keeps it, and a loaded model can be held to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from drift.artifacts.header import Header, data_chunks

# Bits of the exponent of each floating-point dtype: all of them set means NaN or infinity.
_EXPONENT: Mapping[str, tuple[str, int]] = {
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
    "F32": ("<u4", 0x7F80_0000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
}


@dataclass(frozen=True)
class Contents:
    """`sha256` is the digest of all tensors; `not_finite` names those with a NaN or an infinity."""

    sha256: str
    not_finite: tuple[str, ...]


def survey(header: Header) -> Contents:
    """Reads every tensor of a file once, 4 MiB at a time."""
    lines = []
    not_finite = []
    for name, entry in header.tensors.items():
        digest = hashlib.sha256()
        bad = False
        for chunk in data_chunks(header, entry.begin, entry.end):
            digest.update(chunk)
            bad = bad or has_non_finite(chunk, entry.dtype)
        lines.append(digest_line(name, entry.dtype, entry.shape, digest.hexdigest()))
        if bad:
            not_finite.append(name)
    return Contents(combined(lines), tuple(not_finite))


def digest_line(name: str, dtype: str, shape: Iterable[int], sha256: str) -> str:
    """One tensor's part of the digest."""
    return f"{name} {dtype} {'x'.join(str(length) for length in shape)} {sha256}\n"


def combined(lines: Iterable[str]) -> str:
    """The digest of all tensors, from their lines in any order."""
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def has_non_finite(data: bytes, dtype: str) -> bool:
    """Whether `data`, whole elements of `dtype`, holds a NaN or an infinity."""
    if dtype not in _EXPONENT:
        return False
    unsigned, exponent = _EXPONENT[dtype]
    values = np.frombuffer(data, unsigned)
    mask = np.array(exponent, unsigned)
    return bool(((values & mask) == mask).any())
