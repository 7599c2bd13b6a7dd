"""The one error of artefacts, and how untrusted text is shown in it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drift.errors import DriftError

SHOWN_CHARACTERS = 80


class ArtifactError(DriftError, ValueError):
    """A file or directory of parameters that cannot be used, with the command that mends it."""


def shown(value: object) -> str:
    """`value` for a message: quoted, without control characters, at most 80 characters."""
    text = ascii(value)
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return f"{text[: SHOWN_CHARACTERS - 3]}..."


@contextmanager
def file_errors(place: object, expected: str) -> Iterator[None]:
    """Turns the system's refusals (no permission, no space, no folder) into an ArtifactError."""
    try:
        yield
    except OSError as error:
        raise ArtifactError(
            str(place),
            found=f"the error {shown(error.strerror or str(error))}",
            expected=expected,
            remedy="Check the path, its permissions and the free space.",
        ) from error


def regular_size(path: Path, *, expected: str, remedy: str) -> int:
    """Bytes of a file that can be read from front to back; raises ArtifactError."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        found = "no readable file"
        raise ArtifactError(str(path), found=found, expected=expected, remedy=remedy) from error
    if not stat.S_ISREG(status.st_mode):
        found = "something that is not a regular file"
        raise ArtifactError(str(path), found=found, expected=expected, remedy=remedy)
    return status.st_size
