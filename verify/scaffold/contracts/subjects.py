"""What can be audited; replace the example with your own implementation.

Names given to @subject, @check and @mutant are literals: `verify lint` reads them without running
any of these files.
"""

from __future__ import annotations

from verify.api import subject


class Example:
    """The implementation under test; usually this would import it from your package."""

    name = "example"
    capabilities = frozenset({"to_millimetres", "to_inches"})
    factor = 25.4
    factor_back = 25.4

    def to_millimetres(self, inches: float) -> float:
        """Inches to millimetres."""
        return inches * self.factor

    def to_inches(self, millimetres: float) -> float:
        """Millimetres to inches."""
        return millimetres / self.factor_back


@subject("example")
def example() -> Example:
    """A fresh subject."""
    return Example()
