"""One file of code as text with positions: what operators look at and mutants are cut out of."""

from __future__ import annotations

import ast
import difflib
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# What decides nothing when it runs: types, and what is said in an error that is raised anyway.
_NOT_LOOKED_INTO: dict[type[ast.AST], tuple[str, ...]] = {
    ast.FunctionDef: ("returns", "decorator_list"),
    ast.AsyncFunctionDef: ("returns", "decorator_list"),
    ast.ClassDef: ("decorator_list", "bases", "keywords"),
    ast.arg: ("annotation",),
    ast.AnnAssign: ("annotation",),
    ast.Raise: ("exc", "cause"),
    ast.Assert: ("test", "msg"),
    ast.JoinedStr: ("values",),
}
_SWITCHING = ("no_grad", "inference_mode", "enable_grad")  # decorators that decide something


@dataclass(frozen=True)
class Edit:
    """One change of a file: bytes from `start` to `end` become `text`."""

    operator: str
    start: int
    end: int
    text: bytes


@dataclass(frozen=True)
class Seen:
    """A node, where it stands, and the lines that run when its statement is reached."""

    node: ast.AST
    scope: str  # qualified name of the function or class; empty at the top of a file
    inside: bool  # of a function: it does not run when the file is imported
    lines: range
    role: str = ""  # decorator


@dataclass(frozen=True)
class Mutant:
    """A file with one change; `name` is made of all that says which, but not of line numbers."""

    name: str
    file: str
    scope: str
    inside: bool
    operator: str
    line: int
    lines: range
    before: str
    after: str
    edit: Edit


class Source:
    """A file; `label` is its path in the pack. Raises SyntaxError where it is not Python."""

    def __init__(self, label: str, data: bytes) -> None:
        self.label = label
        self.data = data
        self.tree = ast.parse(data)
        lines = data.splitlines(keepends=True)
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line))

    def start(self, node: ast.AST) -> int:
        """Offset of a node's first byte."""
        return self._offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        """Offset behind a node's last byte."""
        return self._offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def text(self, node: ast.AST) -> bytes:
        """What stands there."""
        return self.data[self.start(node) : self.end(node)]

    def _offset(self, line: int, column: int) -> int:
        return self._starts[line - 1] + column

    @cached_property
    def seen(self) -> tuple[Seen, ...]:
        """Every node that may decide something."""
        return tuple(self.on(None))

    def on(self, lines: Collection[int] | None) -> Iterator[Seen]:
        """Those that stand on one of some lines, in the same order; all of them without lines."""
        return _walk(self.tree, Seen(self.tree, "", False, range(1, 2)), lines)

    def changed(self, edit: Edit) -> bytes:
        """The whole file with a change."""
        return self.data[: edit.start] + edit.text + self.data[edit.end :]

    def runs(self, edit: Edit) -> bool:
        """Whether a change leaves Python, and not the same tree."""
        try:
            return ast.dump(ast.parse(self.changed(edit))) != ast.dump(self.tree)
        except SyntaxError:
            return False

    def mutant(self, edit: Edit, at: Seen, nth: int) -> Mutant:
        """`nth` counts changes that read the same within one function."""
        before, after = self._lines_around(edit)
        parts = (self.label, at.scope, edit.operator, before, after, str(nth))
        name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
        line = self.data.count(b"\n", 0, edit.start) + 1
        return Mutant(
            name,
            self.label,
            at.scope,
            at.inside,
            edit.operator,
            line,
            at.lines,
            before,
            after,
            edit,
        )

    def reads(self, edit: Edit, at: Seen) -> tuple[str, ...]:
        """What a change looks like, to tell those apart that read the same."""
        return (at.scope, edit.operator, *self._lines_around(edit))

    def _lines_around(self, edit: Edit) -> tuple[str, str]:
        first = self.data.rfind(b"\n", 0, edit.start) + 1
        last = self.data.find(b"\n", edit.end)
        last = len(self.data) if last < 0 else last
        after = self.data[first : edit.start] + edit.text + self.data[edit.end : last]
        return self.data[first:last].decode().strip(), after.decode().strip()

    def diff(self, mutant: Mutant) -> str:
        """What a mutant changes, as `diff -u` shows it."""
        old = self.data.decode().splitlines()
        new = self.changed(mutant.edit).decode().splitlines()
        names = (f"a/{self.label}", f"b/{self.label}")
        return "\n".join(difflib.unified_diff(old, new, *names, n=1, lineterm=""))


def _walk(node: ast.AST, at: Seen, lines: Collection[int] | None) -> Iterator[Seen]:
    """The nodes below one, with what is known of their place."""
    left_out = _NOT_LOOKED_INTO.get(type(node), ())
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST):
                continue
            if not (lines is None or _touches(child, lines)) or _of_types_only(child):
                continue
            if field == "decorator_list" and any(name in ast.unparse(child) for name in _SWITCHING):
                yield Seen(child, at.scope, at.inside, at.lines, "decorator")
            if field in left_out or (said_or_asserted(node, child) and not _turns(child)):
                continue
            below = _place(child, _within(node, field, at))
            yield below
            yield from _walk(child, below, lines)


def _touches(node: ast.AST, lines: Collection[int]) -> bool:
    """Whether a node stands on one of some lines, decorators and all; what has no place may."""
    first, last = getattr(node, "lineno", None), getattr(node, "end_lineno", None)
    if first is None or last is None:
        return True
    first = min([first, *(one.lineno for one in getattr(node, "decorator_list", ()))])
    return any(first <= line <= last for line in lines)


def said_or_asserted(call: ast.AST, item: ast.AST) -> bool:
    """What an error says, wherever it is made, and what `zip` asserts of lengths (DEC-0318)."""
    if not isinstance(call, ast.Call) or not isinstance(item, ast.keyword):
        return False
    zips = isinstance(call.func, ast.Name) and call.func.id == "zip"
    return item.arg == "remedy" or (zips and item.arg == "strict")


def _turns(item: ast.AST) -> bool:
    """`strict=False`, which may become an assertion that lengths break."""
    value = item.value if isinstance(item, ast.keyword) else None
    return isinstance(value, ast.Constant) and value.value is False


def _within(node: ast.AST, field: str, at: Seen) -> Seen:
    """What stands in a body is in its scope; defaults of a function are of the scope around it."""
    if not isinstance(node, _SCOPES) or field != "body":
        return at
    scope = f"{at.scope}.{node.name}" if at.scope else node.name
    return Seen(node, scope, at.inside or isinstance(node, Function), at.lines)


def _place(child: ast.AST, at: Seen) -> Seen:
    lines = _header(child) if isinstance(child, (ast.stmt, ast.ExceptHandler)) else at.lines
    return Seen(child, at.scope, at.inside, lines)


def _header(node: ast.stmt | ast.ExceptHandler) -> range:
    """Lines of a statement without those of its body."""
    body = getattr(node, "body", None)
    last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
    return range(node.lineno, max(last, node.lineno) + 1)


def _of_types_only(node: ast.AST) -> bool:
    """`if TYPE_CHECKING:` never runs; what `__all__` lists is held by nothing that runs."""
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
