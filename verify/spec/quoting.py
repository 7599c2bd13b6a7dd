"""A text as a double-quoted scalar that the strict reader gives back as it was."""

from __future__ import annotations


def quoted(text: str) -> str:
    """One line of printable ASCII, whatever is in the text; lone surrogates cannot be written."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in ('"', "\\"):
        return f"\\{char}"
    if " " <= char <= "~":
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
