"""The names a pack's code registers, read from its syntax trees without running any of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from verify.problems import Problem

ROLES = ("check", "mutant", "subject")

# Mutants of config clauses are the harness's own: they change the template, not the code.
NATIVE_MUTANTS = frozenset({"config.changed", "config.value"})


@dataclass(frozen=True)
class Binding:
    """Where a registered name is defined; `module` is relative to the bindings folder."""

    role: str
    name: str
    module: str
    file: str
    line: int


@dataclass(frozen=True)
class BindingIndex:
    """All registered names of a pack by role."""

    by_role: dict[str, dict[str, Binding]]
    problems: tuple[Problem, ...]

    def find(self, role: str, name: str) -> Binding | None:
        """The binding of a name, or None."""
        return self.by_role[role].get(name)


def index_bindings(folder: Path, *, root: Path) -> BindingIndex:
    """Scan `contracts/bindings/**/*.py` for @check, @mutant and @subject with literal names."""
    by_role: dict[str, dict[str, Binding]] = {role: {} for role in ROLES}
    problems: list[Problem] = []
    for path in sorted(folder.rglob("*.py")) if folder.is_dir() else []:
        label = path.relative_to(root).as_posix()
        module = ".".join(path.relative_to(folder).with_suffix("").parts)
        try:
            source = path.read_bytes()
            tree = ast.parse(source, filename=label) if b"verify.api" in source else None
        except (SyntaxError, ValueError, OSError) as error:
            line = getattr(error, "lineno", 0) or 0
            problems.append(Problem(label, line, 0, "", f"{error}", "Python", "correct the file"))
            continue
        for binding, problem in _decorated(tree, module, label) if tree else ():
            if problem:
                problems.append(problem)
                continue
            earlier = by_role[binding.role].setdefault(binding.name, binding)
            if earlier is not binding:
                problems.append(
                    Problem(
                        label,
                        binding.line,
                        0,
                        binding.name,
                        f"the {binding.role} {binding.name} a second time",
                        f"one definition (the other is {earlier.file}:{earlier.line})",
                        "rename or remove one",
                    )
                )
    return BindingIndex(by_role, tuple(problems))


def _decorated(
    tree: ast.Module, module: str, label: str
) -> Iterator[tuple[Binding, Problem | None]]:
    for node in tree.body:  # registrations are module-level functions or classes
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            continue
        for decorator in node.decorator_list:
            if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Name):
                continue
            role = decorator.func.id
            if role not in ROLES:
                continue
            first = decorator.args[0] if decorator.args else None
            literal = isinstance(first, ast.Constant) and isinstance(first.value, str)
            name = first.value if literal else ""  # type: ignore[union-attr]
            binding = Binding(role, str(name), module, label, decorator.lineno)
            problem = None
            if not literal:
                problem = Problem(
                    label,
                    decorator.lineno,
                    decorator.col_offset + 1,
                    node.name,
                    f"@{role} without a literal name",
                    "a string literal as first argument",
                    "write the name out: lint reads names without running code",
                )
            yield binding, problem
