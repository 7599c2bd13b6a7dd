"""The names a pack's code registers, read from its syntax trees without running any of it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from verify.problems import Problem
from verify.spec.places import foreign, visible

ROLES = ("check", "mutant", "subject", "recorder", "recompute")

# Mutants of config clauses are the harness's own: they change the template, not the code.
NATIVE_MUTANTS = frozenset({"config.changed", "config.value"})


@dataclass(frozen=True)
class Binding:
    """Where a registered name is defined; `module` is relative to the folder contracts/."""

    role: str
    name: str
    module: str
    file: str
    line: int
    needs: tuple[str, ...] = ()  # of a check: the capabilities of the subject that it uses
    doc: str = ""  # the first sentence of what it says of itself


@dataclass(frozen=True)
class BindingIndex:
    """All registered names of a pack by role."""

    by_role: dict[str, dict[str, Binding]]
    problems: tuple[Problem, ...]

    def find(self, role: str, name: str) -> Binding | None:
        """The binding of a name, or None."""
        return self.by_role[role].get(name)


def index_bindings(folder: Path, *, root: Path) -> BindingIndex:
    """Scan `contracts/**/*.py` for @check, @mutant, @subject and @recorder with literal names."""
    by_role: dict[str, dict[str, Binding]] = {role: {} for role in ROLES}
    problems: list[Problem] = []
    for path in visible(folder, "**/*.py") if folder.is_dir() else []:
        label = path.relative_to(root).as_posix()
        tree = _tree(path, label, root)
        if isinstance(tree, Problem):
            problems.append(tree)
            continue
        for found in _registrations(tree, _module(path.relative_to(folder)), label):
            if isinstance(found, Problem):
                problems.append(found)
                continue
            earlier = by_role[found.role].setdefault(found.name, found)
            if earlier is not found:
                problems.append(_twice(found, earlier))
    return BindingIndex(by_role, tuple(problems))


def _tree(path: Path, label: str, root: Path) -> ast.Module | Problem:
    """The syntax tree of a file; empty where it cannot register anything."""
    problem = foreign(root, label)
    if problem is not None:
        return problem
    try:
        source = path.read_bytes()
        if b"verify.api" not in source:
            return ast.Module([], [])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes are for the pack's own linter
            return ast.parse(source, filename=label)
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", 0) or 0
        what = getattr(error, "msg", None) or str(error) or type(error).__name__
        return Problem(label, line, 0, "", f"text that is not Python ({what})", "Python", "mend it")


def _module(relative: Path) -> str:
    """Dotted name below the package contracts; the package itself has the empty name."""
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _registrations(tree: ast.Module, module: str, label: str) -> Iterator[Binding | Problem]:
    """Decorated functions and classes of the module's own level, and the rows of its tables."""
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in tree.body:
        for call, name in registering(node):
            needs = _needs(call, constants)
            found = _registration(call, name, module, label, needs)
            yield replace(found, doc=_doc(node)) if isinstance(found, Binding) else found


def registering(node: ast.stmt) -> Iterator[tuple[ast.Call, str]]:
    """The calls that register something which a statement holds, and under what name.

    They decorate a function or a class, or are given a name: one alone or the rows of a tuple.
    """
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        calls, name = node.decorator_list, node.name
    elif isinstance(node, ast.Assign):
        value, name = node.value, ast.unparse(node.targets[0])
        calls = value.elts if isinstance(value, ast.Tuple) else [value]
    else:
        return
    for call in calls:
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ROLES:
            yield call, name


def _needs(decorator: ast.Call, constants: dict[str, ast.expr]) -> tuple[str, ...]:
    """The literal `needs` of a check, or those of a constant of its module."""
    given = next((one.value for one in decorator.keywords if one.arg == "needs"), None)
    if isinstance(given, ast.Name):
        given = constants.get(given.id)
    parts = given.elts if isinstance(given, (ast.Tuple, ast.List)) else []
    return tuple(
        one.value for one in parts if isinstance(one, ast.Constant) and isinstance(one.value, str)
    )


def _registration(
    call: ast.Call, holder: str, module: str, label: str, needs: tuple[str, ...]
) -> Binding | Problem:
    assert isinstance(call.func, ast.Name)
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return Binding(call.func.id, first.value, module, label, call.lineno, needs)
    return Problem(
        label,
        call.lineno,
        call.col_offset + 1,
        holder,
        f"@{call.func.id} without a literal name",
        "a string literal as first argument",
        "write the name out: lint reads names without running code",
    )


def _doc(node: ast.stmt) -> str:
    """The first paragraph of a function's or class's docstring, on one line."""
    holds = isinstance(node, (ast.FunctionDef, ast.ClassDef))
    text = ast.get_docstring(node) if holds else None  # type: ignore[arg-type]
    return " ".join((text or "").partition("\n\n")[0].split())


def _twice(binding: Binding, earlier: Binding) -> Problem:
    return Problem(
        binding.file,
        binding.line,
        0,
        binding.name,
        f"the {binding.role} {binding.name} a second time",
        f"one definition (the other is {earlier.file}:{earlier.line})",
        "rename or remove one",
    )
