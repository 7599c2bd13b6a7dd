"""The single changes that are tried: each operator is a function from a place to edits.

Texts, error messages and assertions are left alone. An edit is made on the source, at positions of
the syntax tree, so that a mutant differs from its file in one place and a diff shows just that.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Collection, Iterator

from verify.mutate.source import Edit, Mutant, Seen, Source, said_or_asserted

_ARITHMETIC: dict[type[ast.operator], tuple[bytes, bytes]] = {
    ast.Add: (b"+", b"-"), ast.Sub: (b"-", b"+"), ast.Mult: (b"*", b"/"), ast.Div: (b"/", b"*"),
    ast.FloorDiv: (b"//", b"/"), ast.Mod: (b"%", b"*"), ast.Pow: (b"**", b"*"),
    ast.BitAnd: (b"&", b"|"), ast.BitOr: (b"|", b"&"), ast.LShift: (b"<<", b">>"),
    ast.RShift: (b">>", b"<<"),
}  # fmt: skip
_BOUNDARY: dict[type[ast.cmpop], tuple[bytes, bytes]] = {
    ast.Lt: (b"<", b"<="), ast.LtE: (b"<=", b"<"), ast.Gt: (b">", b">="), ast.GtE: (b">=", b">"),
}  # fmt: skip
_COMPARISON: dict[type[ast.cmpop], tuple[bytes, bytes]] = {
    ast.Eq: (b"==", b"!="), ast.NotEq: (b"!=", b"=="), ast.Is: (b"is", b"is not"),
    ast.IsNot: (rb"is\s+not", b"is"), ast.In: (b"in", b"not in"), ast.NotIn: (rb"not\s+in", b"in"),
}  # fmt: skip
_PAIRS = (("min", "max"), ("amin", "amax"), ("argmin", "argmax"), ("minimum", "maximum"),
          ("any", "all"), ("floor", "ceil"), ("zeros", "ones"), ("zeros_like", "ones_like"),
          ("cos", "sin"), ("var", "std"), ("exp", "log"))  # fmt: skip
_TWINS = {one: two for pair in _PAIRS for one, two in (pair, pair[::-1])}
_METHODS = {"sum": "mean", "mean": "sum"}  # no functions of these names stand on their own
_AXES = ("dim", "axis", "start_dim", "end_dim")
# What asks, and what gives the same in either order.
_NOT_SWAPPED = ("isinstance", "issubclass", "hasattr", "getattr", "setattr", "min", "max",
                "minimum", "maximum", "equal", "allclose", "isclose", "gcd", "promote_types",
                "suppress")  # fmt: skip
_EXCLUSIVE = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)  # negated as comparisons
_TEXTS = (ast.JoinedStr, ast.List, ast.ListComp, ast.Tuple)
Operator = Callable[[Source, Seen], Iterator[Edit]]


def mutants(source: Source, lines: Collection[int] | None = None) -> Iterator[Mutant]:
    """Every single change of a file, in the order of the text, each once.

    A few of them are no program: ask `Source.runs` of those that are drawn.
    lines  only what stands on one of these is looked at
    """
    found: dict[tuple[int, int, bytes], tuple[Edit, Seen]] = {}
    for seen in source.seen if lines is None else source.on(lines):
        for operator in OPERATORS:
            for edit in operator(source, seen):
                found.setdefault((edit.start, edit.end, edit.text), (edit, seen))
    counts: dict[tuple[str, ...], int] = {}
    for _, (edit, seen) in sorted(found.items(), key=lambda item: item[0]):
        reads = source.reads(edit, seen)
        counts[reads] = counts.get(reads, 0) + 1
        yield source.mutant(edit, seen, counts[reads])


# -- signs between two values ---------------------------------------------------------------------


def arithmetic(source: Source, seen: Seen) -> Iterator[Edit]:
    """`+` and `-`, `*` and `/`, powers, remainders and bits."""
    node = seen.node
    if isinstance(node, ast.BinOp):
        pair = (node.left, node.right)
    elif isinstance(node, ast.AugAssign):
        pair = (node.target, node.value)
    else:
        return
    signs = _ARITHMETIC.get(type(node.op))
    of_types = isinstance(node.op, ast.BitOr) and not seen.inside
    if signs and not of_types and not any(map(_is_text, pair)):
        yield from _between(source, "arithmetic", *pair, re.escape(signs[0]), signs[1])


def comparison(source: Source, seen: Seen) -> Iterator[Edit]:
    """Boundaries moved by one, and comparisons turned into their opposite."""
    if not isinstance(seen.node, ast.Compare):
        return
    left = seen.node.left
    for op, right in zip(seen.node.ops, seen.node.comparators, strict=True):
        for name, table in (("boundary", _BOUNDARY), ("comparison", _COMPARISON)):
            if type(op) in table:
                yield from _between(source, name, left, right, *table[type(op)])
        left = right


def connective(source: Source, seen: Seen) -> Iterator[Edit]:
    """`and` for `or`, each alone."""
    if isinstance(seen.node, ast.BoolOp):
        old, new = (b"and", b"or") if isinstance(seen.node.op, ast.And) else (b"or", b"and")
        for left, right in zip(seen.node.values, seen.node.values[1:], strict=False):
            yield from _between(source, "connective", left, right, old, new)


def _between(
    source: Source, name: str, left: ast.AST, right: ast.AST, old: bytes, new: bytes
) -> Iterator[Edit]:
    """A sign replaced where it stands; a comment may hold signs too, and then nothing is done."""
    start = source.end(left)
    gap = source.data[start : source.start(right)]
    found = re.search(old, gap)
    if found and b"#" not in gap:
        yield Edit(name, start + found.start(), start + found.end(), new)


def _is_text(node: ast.AST) -> bool:
    """Whether a sign joins texts, lists or paths here, and computes nothing."""
    constant = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    return constant or isinstance(node, _TEXTS)


# -- conditions and values ------------------------------------------------------------------------


def negation(source: Source, seen: Seen) -> Iterator[Edit]:
    """A condition turned round; those of one comparison are turned by their sign."""
    for test in _tests(seen.node):
        opposite = isinstance(test, ast.Compare) and isinstance(test.ops[0], _EXCLUSIVE)
        if not opposite and not _is_not(test):
            yield _replaced(source, "negation", test, b"not (" + source.text(test) + b")")


def _tests(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.comprehension):
        return node.ifs
    return [node.test] if isinstance(node, ast.If | ast.While | ast.IfExp) else []


def sign(source: Source, seen: Seen) -> Iterator[Edit]:
    """A minus, `not` or `~` left out."""
    node = seen.node
    if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
        name = "negation" if _is_not(node) else "sign"
        yield _replaced(source, name, node, b"(" + source.text(node.operand) + b")")


def _is_not(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def constant(source: Source, seen: Seen) -> Iterator[Edit]:
    """A truth value turned, a whole number one larger, any other doubled (0 becomes 1)."""
    node = seen.node
    name = "axis" if isinstance(node, ast.keyword) and node.arg in _AXES else "constant"
    node = node.value if isinstance(node, ast.keyword) else node
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool):
        yield _replaced(source, name, node, str(not value).encode())
    elif isinstance(value, int):
        yield _replaced(source, name, node, str(value + 1).encode())
    elif isinstance(value, float) and math.isfinite(2 * value):
        yield _replaced(source, name, node, repr(2 * value if value else 1.0).encode())


def end_of_slice(source: Source, seen: Seen) -> Iterator[Edit]:
    """A slice or a range that begins or ends one place off; numbers are changed as constants."""
    for bound in _bounds(seen.node):
        if not isinstance(bound, ast.Constant | ast.Starred):
            yield _replaced(source, "off by one", bound, b"(" + source.text(bound) + b") - 1")


def _bounds(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Slice):
        return [bound for bound in (node.lower, node.upper) if bound]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        return node.args[:2]
    return []


# -- calls ----------------------------------------------------------------------------------------


def twin(source: Source, seen: Seen) -> Iterator[Edit]:
    """The other function of a pair: min for max, sum for mean, any for all."""
    if not isinstance(seen.node, ast.Call):
        return
    called = seen.node.func
    if isinstance(called, ast.Attribute):
        old = called.attr
        new = _METHODS.get(old) or _TWINS.get(old)
    elif isinstance(called, ast.Name):
        old, new = called.id, _TWINS.get(called.id)
    else:
        return
    if new:
        end = source.end(called)
        yield Edit("twin", end - len(old.encode()), end, new.encode())


def gradient(source: Source, seen: Seen) -> Iterator[Edit]:
    """`detach` left out, and gradients recorded where they were not."""
    node = seen.node
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    if node.func.attr == "detach":
        yield _replaced(source, "gradient", node, b"(" + source.text(node.func.value) + b")")
    elif node.func.attr in ("no_grad", "inference_mode"):
        owner = source.text(node.func.value)
        yield _replaced(source, "gradient", node, owner + b".enable_grad()")


def keyword(source: Source, seen: Seen) -> Iterator[Edit]:
    """A keyword argument left out."""
    node = seen.node
    if not isinstance(node, ast.Call) or seen.role:
        return
    items = sorted([*node.args, *node.keywords], key=source.start)
    for at, item in enumerate(items):
        if isinstance(item, ast.keyword) and item.arg and not said_or_asserted(node, item):
            start, end = source.start(item), source.end(item)
            if at + 1 < len(items):
                end = source.start(items[at + 1])
            elif at:
                start = source.data.rfind(b",", source.end(items[at - 1]), start)
            yield Edit("keyword", start, end, b"")


def swap(source: Source, seen: Seen) -> Iterator[Edit]:
    """The first two arguments of a call, exchanged."""
    node = seen.node
    if not isinstance(node, ast.Call) or len(node.args) < 2 or seen.role:
        return
    one, two = node.args[:2]
    name = ast.unparse(node.func).rpartition(".")[2]
    if name in _NOT_SWAPPED or isinstance(one, ast.Starred) or isinstance(two, ast.Starred):
        return
    between = source.data[source.end(one) : source.start(two)]
    text = source.text(two) + between + source.text(one)
    yield Edit("swap", source.start(one), source.end(two), text)


# -- statements -----------------------------------------------------------------------------------


def statement(source: Source, seen: Seen) -> Iterator[Edit]:
    """A statement left out, where what follows can still run."""
    if isinstance(seen.node, ast.stmt) and _can_go(seen.node):
        yield _replaced(source, "statement", seen.node, b"pass")


def _can_go(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        names = {one.id for one in ast.walk(node.value) if isinstance(one, ast.Name)}
        again = isinstance(target, ast.Name) and target.id in names
        return again or isinstance(target, ast.Attribute | ast.Subscript)
    return isinstance(node, ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete)


def _replaced(source: Source, name: str, node: ast.AST, text: bytes) -> Edit:
    return Edit(name, source.start(node), source.end(node), text)


OPERATORS: tuple[Operator, ...] = (
    arithmetic, comparison, connective, negation, sign, constant, end_of_slice, twin, gradient,
    keyword, swap, statement,
)  # fmt: skip
