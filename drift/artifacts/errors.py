"""The one error of artefacts, and how untrusted text is shown in it."""

from __future__ import annotations

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
