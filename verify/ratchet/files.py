"""Recorded data of a pack, and the code of checks and mutants: told by objects and syntax."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from verify.ratchet.change import UNTOLD, Change, Side
from verify.ratchet.trees import Tree
from verify.spec.bindings import registering

# Folder of data -> names that end so are none: prose decides nothing, and others are told as rules
# or by their syntax.
_PROSE = (".md", ".markdown")
_BESIDE = {"specs/": _PROSE, "contracts/": (*_PROSE, ".py", ".yaml", ".yml")}
_IMPORT = "from "  # begins what stands for an import; no dump of syntax begins so
_STATEMENTS, _STAR = "statements", "all that it imports"
_UNNAMED = (_STATEMENTS, _STAR)


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
    return {path: blob for path, blob in tree.blobs.items() if path not in rules and _is_data(path)}


def _is_data(path: str) -> bool:
    return any(
        path.startswith(folder) and not path.endswith(told) for folder, told in _BESIDE.items()
    )


def code(base: Tree, head: Tree) -> Iterator[Change]:
    """What judges, and what it is judged by: every definition of the rooms that is another."""
    before, after = _definitions(base), _definitions(head)
    moved = {name: path for (path, name) in after if "." in name}
    same_elsewhere = {(name, text) for (_, name), text in after.items()}
    for (path, name), text in before.items():
        there = path if (path, name) in after else moved.get(name, path)
        now = after.get((there, name))
        if now is None and text.startswith(_IMPORT):
            continue  # what was taken from there is told of where it stands
        if now is None and (name, text) in same_elsewhere:
            yield Change(Side.NEUTRAL, "code", f"{path}: {name}", "moved as it is", path)
        elif now is None:
            yield Change(Side.LOOSER, "code", f"{path}: {name}", "removed", path)
        elif now != text and _origin(before, text) == _origin(after, now):
            yield Change(Side.NEUTRAL, "code", f"{there}: {name}", "moved as it is", there)
        elif now != text:
            yield Change(Side.LOOSER, "code", f"{there}: {name}", f"changed, {UNTOLD}", there)
    known = {name for _, name in before if "." in name}
    for path, name in after:
        if (path, name) not in before and name not in known:
            yield from _added(path, name, after[path, name])


def _added(path: str, name: str, text: str) -> Iterator[Change]:
    """What is new judges nothing yet, but for statements: they may change what was there."""
    if name in _UNNAMED:
        yield Change(Side.LOOSER, "code", f"{path}: {name}", f"added, {UNTOLD}", path)
    elif not text.startswith(_IMPORT):
        yield Change(Side.NEUTRAL, "code", f"{path}: {name}", "added", path)


_Definitions = dict[tuple[str, str], str]


def _definitions(tree: Tree) -> _Definitions:
    """(path, registered or own name) -> syntax, without positions, comments and docstrings."""
    found: _Definitions = {}
    for path, text in tree.texts.items():
        if path.startswith("contracts/"):
            for name, syntax in _of(path, text):
                found[path, name] = found.get((path, name), "") + syntax
    return found


def _origin(known: _Definitions, text: str) -> object:
    """What a name stands for in the end: the syntax that it is imported from, where it is ours."""
    for _ in range(len(known)):
        if not text.startswith(_IMPORT):
            break
        module, _, name = text.removeprefix(_IMPORT).partition(":")
        whole = _whole(known, f"{module}/{name}".rstrip("/"))
        places = (f"{module}.py", f"{module}/__init__.py")
        taken = next((known[one, name] for one in places if (one, name) in known), None)
        if taken is None:
            return whole or text
        text = taken
    return text


def _whole(known: _Definitions, module: str) -> dict[str, str]:
    """All that a module of the rooms defines."""
    places = (f"{module}.py", f"{module}/__init__.py")
    return {name: text for (path, name), text in known.items()
            if path in places and not text.startswith(_IMPORT)}  # fmt: skip


def _of(path: str, text: bytes) -> Iterator[tuple[str, str]]:
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield "its text, which is no Python", repr(text)
        return
    for node in module.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _imported(path, node)
        elif not _is_docstring(node):
            yield from _pieces(node)


def _imported(path: str, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """(the name that is bound, where it is from): another origin is another definition."""
    if isinstance(node, ast.Import):
        for one in node.names:
            taken = one.name if one.asname else one.name.partition(".")[0]
            yield one.asname or taken, f"{_IMPORT}{taken.replace('.', '/')}:"
        return
    parents = path.split("/")[: -node.level] if node.level else []
    module = "/".join([*parents, *filter(None, (node.module or "").split("."))])
    for one in node.names:
        bound = _STAR if one.name == "*" else one.asname or one.name
        yield bound, f"{_IMPORT}{module}:{one.name}"


def _pieces(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """(`check field.laws` for what is registered, else its own name; syntax), row by row."""
    calls = [call for call, _ in registering(node)]
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple) and calls:
        yield from ((_registered_name(call), ast.dump(call)) for call in calls)
        node.value.elts = [one for one in node.value.elts if one not in calls]
        calls = []
        if not node.value.elts:
            return
    own = next(filter(None, map(_registered_name, calls)), "")
    syntax = ast.dump(_bare(node))
    yield from ((name, syntax) for name in ([own] if own else _names(node)))


def _names(node: ast.stmt) -> list[str]:
    """What a statement binds and nothing else; one that does more has no name."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
        return [node.name]
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        targets = [node.target]
    parts = [part for one in targets for part in getattr(one, "elts", [one])]
    names = [one.id for one in parts if isinstance(one, ast.Name)]
    return names if names and len(names) == len(parts) else [_STATEMENTS]


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
