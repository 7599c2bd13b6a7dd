"""Recorded data below specs/, and the code of checks and mutants: told by objects and syntax."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from verify.ratchet.change import UNTOLD, Change, Side
from verify.ratchet.trees import Tree
from verify.spec.bindings import registering

_PROSE = (".md", ".markdown")


def data(base: Tree, head: Tree) -> Iterator[Change]:
    """Recordings and other data of the pack's checks; what is read as rules is told as rules."""
    before, after = _data(base), _data(head)
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) == after.get(path):
            continue
        if path not in before:
            yield Change(Side.NEUTRAL, "data", path, "added", path)
        else:
            what = f"changed, {UNTOLD}" if path in after else "removed"
            yield Change(Side.LOOSER, "data", path, what, path)


def _data(tree: Tree) -> dict[str, str]:
    rules = tree.told["policies"].keys()
    return {
        path: blob
        for path, blob in tree.blobs.items()
        if path.startswith("specs/") and path not in rules and not path.endswith(_PROSE)
    }


def code(base: Tree, head: Tree) -> Iterator[Change]:
    """What judges, and what it is judged by: every definition of the rooms that is another."""
    before, after = _definitions(base), _definitions(head)
    moved = {name: path for (path, name) in after if "." in name}
    same_elsewhere = {(name, text) for (_, name), text in after.items()}
    for (path, name), text in before.items():
        there = path if (path, name) in after else moved.get(name, path)
        now = after.get((there, name))
        if now is None and (name, text) in same_elsewhere:
            yield Change(Side.NEUTRAL, "code", f"{path}: {name}", "moved as it is", path)
        elif now is None:
            yield Change(Side.LOOSER, "code", f"{path}: {name}", "removed", path)
        elif now != text:
            yield Change(Side.LOOSER, "code", f"{there}: {name}", f"changed, {UNTOLD}", there)
    known = {name for _, name in before if "." in name}
    for path, name in after:
        if (path, name) not in before and name not in known:
            yield Change(Side.NEUTRAL, "code", f"{path}: {name}", "added", path)


def _definitions(tree: Tree) -> dict[tuple[str, str], str]:
    """(path, registered or own name) -> syntax, without positions, comments and docstrings."""
    found: dict[tuple[str, str], str] = {}
    for path, text in tree.texts.items():
        if path.startswith("contracts/"):
            for name, syntax in _of(path, text):
                found[path, name] = found.get((path, name), "") + syntax
    return found


def _of(path: str, text: bytes) -> Iterator[tuple[str, str]]:
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield "its text, which is no Python", repr(text)
        return
    for node in module.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)) or _is_docstring(node):
            continue
        yield from _pieces(node)


def _pieces(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """(`check field.laws` for what is registered, else its own name; syntax), row by row."""
    calls = [call for call, _ in registering(node)]
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple) and calls:
        yield from ((_registered_name(call), ast.dump(call)) for call in calls)
        node.value.elts = [one for one in node.value.elts if one not in calls]
        calls = []
        if not node.value.elts:
            return
    name = next(filter(None, map(_registered_name, calls)), _name(node))
    yield name, ast.dump(_bare(node))


def _name(node: ast.stmt) -> str:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
        return node.name
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    names = [one.id for one in targets if isinstance(one, ast.Name)]
    return names[0] if names else "statements"


def _registered_name(call: ast.Call) -> str:
    match call.args:
        case [ast.Constant(value=str(name)), *_]:
            return f"{ast.unparse(call.func)} {name}"
    return ""


def _bare(node: ast.stmt) -> ast.stmt:
    """The node without docstrings."""
    for inner in ast.walk(node):
        body = getattr(inner, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            del body[0]
    return node


def _is_docstring(node: ast.AST) -> bool:
    value = getattr(node, "value", None) if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
