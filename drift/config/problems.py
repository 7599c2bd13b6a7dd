"""What is wrong with a template: every mistake with its field, not only the first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from drift.errors import DriftError


@dataclass(frozen=True)
class FieldProblem:
    """One mistake. `field` is the dotted path inside the template, empty for the file itself."""

    field: str
    found: str
    expected: str
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        text = f"{where}found {self.found}; expected {self.expected}"
        return f"{text}; remedy: {self.remedy}" if self.remedy else text


class TemplateError(DriftError, ValueError):
    """A template that cannot be used; `problems` holds all that is wrong with it."""

    def __init__(self, source: str, problems: Iterable[FieldProblem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(
            source,
            found="; ".join(f"{p.field or 'file'} = {p.found}" for p in self.problems),
            expected="; ".join(p.expected for p in self.problems),
        )

    def __str__(self) -> str:
        return "\n".join(f"{self.source}: {problem}" for problem in self.problems)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.source, self.problems)
