"""The rules of two commits side by side; what is looser needs a decision of the same change.

A decision is of the change where its record is new, or settled only now, and governs the file that
states the rule. What an earlier record governs was decided for the rules of its own day.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from verify.guard import git
from verify.ratchet.change import Change, Side
from verify.ratchet.claims import claims, waivers
from verify.ratchet.clauses import clauses
from verify.ratchet.facts import authorities, conflicts, decisions, facts, outlines
from verify.ratchet.files import code, data
from verify.ratchet.keys import keys
from verify.ratchet.policies import manifest, policies
from verify.ratchet.trees import Tree, read
from verify.spec.model import Decision

KINDS: tuple[Callable[[Tree, Tree], Iterator[Change]], ...] = (
    clauses, claims, waivers, facts, authorities, outlines, conflicts, decisions, manifest,
    policies, keys, data, code,
)  # fmt: skip
_ORDER = (Side.LOOSER, Side.STRICTER, Side.NEUTRAL)


@dataclass(frozen=True)
class Judged:
    """A change with the decisions of the same commits that govern it."""

    change: Change
    by: tuple[str, ...]

    @property
    def refused(self) -> bool:
        """Whether it is looser and nobody decided it."""
        return self.change.side is Side.LOOSER and not self.by

    @property
    def line(self) -> str:
        """On one line, with what is missing."""
        one = self.change
        text = f"{one.side:<8} {one.kind} {one.name}: {one.what}"
        if self.refused:
            return f"{text}; no decision of this change governs {one.path}"
        decided = one.side is Side.LOOSER
        return f"{text}; decided by {', '.join(self.by)}" if decided else text


def refused(repository: Path, base: str, head: str) -> list[str]:
    """What is looser without a decision, one line each."""
    return [one.line for one in compare(repository, base, head) or () if one.refused]


def compare(repository: Path, base: str, head: str) -> list[Judged] | None:
    """Every rule that differs between HEAD and where it parted from BASE, the looser ones first.

    None where neither commit holds a pack. Raises UsageError for a pack that nothing can read.
    """
    after = read(repository, head)
    before = [read(repository, fork, trusted=True) for fork in git.forks(repository, base, head)]
    known = [tree for tree in before if tree is not None]
    if after is None and not known:
        return None
    if after is None:
        return [Judged(Change(Side.LOOSER, "pack", "contracts", "removed", "contracts"), ())]
    found = {one for tree in known for one in differences(tree, after)}
    return sorted(found, key=lambda one: (_ORDER.index(one.change.side), one.line))


def differences(base: Tree, head: Tree) -> Iterator[Judged]:
    """The rules of two packs, each difference with its decisions."""
    fresh = [Decision.model_validate_json(json.dumps(one)) for one in _fresh(base, head)]
    for kind in KINDS:
        for change in kind(base, head):
            names = (change.path, change.name)
            by = [d.id for d in fresh if d.governs_file(names[0]) or names[1] in d.claims]
            yield Judged(change, tuple(sorted(by)))


def _fresh(base: Tree, head: Tree) -> Iterator[dict[str, object]]:
    settled = ("accepted", "closed")
    for name, record in head.decisions.items():
        was = base.decisions.get(name)
        if record["status"] in settled and (was is None or was["status"] not in settled):
            yield record
