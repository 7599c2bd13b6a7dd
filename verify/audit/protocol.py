"""What a pack says that a subject may offer, read from `contracts/subjects/protocol.py`.

The file, and each module beside it that it imports (`from . import NAME`), is read as a syntax tree
and never run: each class that is a `Protocol` is a capability, its name in snake case, its text and
the signature of its `__call__`.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from verify.problems import UsageError
from verify.spec.model import Clause
from verify.spec.pack import LoadedPack
from verify.spec.places import CONTRACTS

FILE = "subjects/protocol.py"
TAG = "audit"
LABELS = ("unlocks", "gives", "errors", "instead")


@dataclass(frozen=True)
class Capability:
    """One function: its signature as it is written, and what is said of it by label."""

    name: str
    signature: str
    title: str
    said: dict[str, str]


@dataclass(frozen=True)
class Protocol:
    """All of it, with what a subject may state in DOMAIN."""

    text: str
    capabilities: tuple[Capability, ...]
    domain: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """The capabilities, in the order of the file."""
        return tuple(one.name for one in self.capabilities)


def protocol(loaded: LoadedPack) -> Protocol:
    """The protocol of a pack; raises UsageError where it states none."""
    path = loaded.root / CONTRACTS / FILE
    if not path.is_file():
        raise UsageError(
            f"{CONTRACTS}/{FILE}: found no such file; expected the functions by which a subject is "
            "audited, a typing.Protocol each; remedy: write it, or name a subject of the pack"
        )
    tree = _tree(path)
    trees = [tree, *(_tree(path.with_name(f"{name}.py")) for name in _continued(tree))]
    found = [_capability(node) for one in trees for node in one.body if _is_protocol(node)]
    return Protocol(ast.get_docstring(tree) or "", tuple(found), _domain(tree))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=path.name)


def _continued(tree: ast.Module) -> Iterator[str]:
    """The modules beside a file that it imports by name."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level == 1 and not node.module:
            yield from (one.name for one in node.names)


def needs_of(loaded: LoadedPack, clause: Clause) -> frozenset[str]:
    """The capabilities that a clause's check uses."""
    binding = loaded.bindings.find("check", clause.check) if clause.check else None
    return frozenset(binding.needs if binding else ())


def audit_clauses(loaded: LoadedPack) -> tuple[Clause, ...]:
    """The clauses by which a subject from elsewhere is judged."""
    return tuple(clause for clause in loaded.pack.clauses if TAG in clause.tags)


def stub(found: Protocol, name: str) -> str:
    """A module with every capability commented out, to be filled in."""
    keys = "\n".join(f'#   "{key}": ...,  # {text}' for key, text in found.domain.items())
    head = (
        f'"""{name}: what there is of an implementation, for `verify audit {name}`.\n\n'
        "Uncomment and fill in what you have; one function is enough.\n"
        '"""\n\nimport numpy as np\n\n# DISTRIBUTION = "your-package"  # names it in the evidence\n'
        f"# DOMAIN = {{\n{keys}\n# }}\n"
    )
    return head + "".join(f"\n\n{_commented(one)}" for one in found.capabilities)


def page(found: Protocol) -> str:
    """The protocol as Markdown."""
    rows = [f"| `{key}` | {text} |" for key, text in found.domain.items()]
    parts = [
        "# What an implementation from elsewhere may offer",
        "Made from `contracts/subjects/protocol.py`; a test holds the two together.",
        found.text,
        "## DOMAIN\n\n| key | says |\n|---|---|\n" + "\n".join(rows),
        *(_section(one) for one in found.capabilities),
    ]
    return "\n\n".join(parts) + "\n"


def _section(one: Capability) -> str:
    said = "\n".join(f"- {label}: {text}" for label, text in one.said.items())
    return f"## {one.name}\n\n{one.title}\n\n```python\n{one.name}{one.signature}\n```\n\n{said}"


def _commented(one: Capability) -> str:
    notes = [one.title, *(f"{label}: {text}" for label, text in one.said.items())]
    lines = [*textwrap.wrap(" ".join(notes[:1]), 96), *notes[1:]]
    body = [f"def {one.name}{one.signature}:", "    raise NotImplementedError"]
    wrapped = [part for line in lines for part in textwrap.wrap(line, 96)]
    return "\n".join(f"# {line}" for line in [*wrapped, *body]) + "\n"


def _is_protocol(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and any(
        isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases
    )


def _capability(node: ast.stmt) -> Capability:
    assert isinstance(node, ast.ClassDef)
    text = ast.get_docstring(node) or ""
    said = dict(_labelled(text))
    title = text.split("\n\n")[0].replace("\n", " ")
    call = next(one for one in node.body if isinstance(one, ast.FunctionDef))
    call.args.args = [one for one in call.args.args if one.arg != "self"]
    returns = f" -> {ast.unparse(call.returns)}" if call.returns else ""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", node.name).lower()
    return Capability(name, f"({ast.unparse(call.args)}){returns}", title, said)


def _labelled(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        label, _, said = line.partition(": ")
        if label in LABELS:
            yield label, said


def _domain(tree: ast.Module) -> dict[str, str]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(one, ast.Name) and one.id == "DOMAIN" for one in targets):
            stated: dict[str, str] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
            return stated
    return {}
