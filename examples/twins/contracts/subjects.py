"""What can be judged: the C twin, its version 1.0, and 1.0 beside a reference with its defect."""

from __future__ import annotations

from rover import native
from rover.native import NativeRover
from rover.reference import Rover

from verify.api import subject

CARRY = ("CARRY_SPIN",)


class Twin:
    """A C rover to be held against the specification.

    source, defines  of the C twin; a mutant changes the text, version 1.0 is a definition
    """

    def __init__(self, name: str, capabilities: frozenset[str], defines: tuple[str, ...]) -> None:
        self.name, self.capabilities, self.defines = name, capabilities, defines
        self.source = native.SOURCE.read_text(encoding="utf-8")

    def twin(self, seed: int, fuel: int) -> NativeRover:
        """A fresh C rover."""
        return NativeRover(seed, fuel, source=self.source, defines=self.defines)

    def old_twin(self, seed: int, fuel: int) -> NativeRover:
        """Version 1.0 of it, which has the defect KD-001."""
        return NativeRover(seed, fuel, source=self.source, defines=CARRY)

    def shimmed(self, seed: int, fuel: int) -> Rover:
        """The reference with KD-001 emulated: evidence about version 1.0, never about the
        specification."""
        return Rover(seed, fuel, carry_spin=True)

    def draws(self, seed: int, stream: int, count: int) -> list[int]:
        """The first numbers of a stream."""
        return native.first_draws(seed, stream, count, self.source)


@subject("c")
def current() -> Twin:
    """The C twin as it is."""
    return Twin("c", frozenset({"twin", "draws", "old_twin", "shimmed"}), ())


@subject("c-1.0")
def old() -> Twin:
    """The C twin as it was, held against the specification: not a GO."""
    return Twin("c-1.0", frozenset({"twin", "draws", "old_twin", "shimmed"}), CARRY)


@subject("c-1.0-shimmed")
def shimmed() -> Twin:
    """Version 1.0 where its defect is allowed for: it offers nothing to the specification."""
    return Twin("c-1.0-shimmed", frozenset({"draws", "old_twin", "shimmed"}), CARRY)
