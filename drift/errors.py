"""Errors a person can act on: where, what was found, what was expected, and what mends it."""

from __future__ import annotations


class DriftError(Exception):
    """A mistake in the input, a file or the environment, not in the program.

    The command line prints the message without a traceback and exits with code 2. An error that
    another process of the run has, and says, is not printed again.
    """

    said_elsewhere = False

    def __init__(self, place: str, *, found: object, expected: str, remedy: str = "") -> None:
        self.place = place
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(place, found, expected, remedy)

    def __str__(self) -> str:
        message = f"{self.place}: found {self.found}; expected {self.expected}"
        return f"{message}. {self.remedy}" if self.remedy else message


class Interrupted(Exception):  # noqa: N818 - the word that users know
    """A run was asked to end and did so in order; the message says how it goes on."""


class InputError(DriftError, ValueError):
    """A value that a caller passed cannot be used."""
