"""Gates forced open, each at one place, and one that never opens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from drift import gates
from verify import gate, known
from verify.api import mutant
from verify.guard import frontier, protect
from verify.outcome import Outcome
from verify.release import decide, evidence, finding, texts
from verify.release.model import ByClauses
from verify.report.bundle import EVIDENCE
from verify.report.derive import hold
from verify.report.model import Report, from_evidence
from verify.run.faithful import Comparison

from .miniature import miniature

Patched = AbstractContextManager[object]


@contextmanager
def _forced(*patches: Patched) -> Iterator[None]:
    """The evidence is made before the gate is spoiled."""
    with miniature(), ExitStack() as stack:
        for one in patches:
            stack.enter_context(one)
        yield


@mutant("gates.shut")
def shut(subject: object) -> Patched:
    """Nothing ever opens it."""
    return _forced(patch.object(gate, "obstacles", lambda report, wanted: ["no"]))


@mutant("gates.any_standing")
def any_standing(subject: object) -> Patched:
    """The answer is yes before anybody has looked."""

    def yes(selectors: Any, reports: Path, pack: Path) -> gate.Standing:
        return gate.Standing(True, len(selectors), (), "b", "c", "p", pack, "d")

    return _forced(patch.object(gates, "_standing", yes))


@mutant("gates.obstacles_dropped")
def obstacles_dropped(subject: object, holding: str = "") -> Patched:
    """Obstacles whose text holds a word stand in nobody's way."""
    real = gate.obstacles

    def fewer(report: Any, wanted: Any) -> list[str]:
        return [one for one in real(report, wanted) if holding not in one]

    places = (gate, evidence)
    return _forced(*(patch.object(place, "obstacles", fewer) for place in places))


@mutant("gates.any_bundle")
def any_bundle(subject: object) -> Patched:
    """What a bundle is about is not asked."""
    return _forced(patch.object(known._Search, "_other", lambda self, head: ""))


@mutant("gates.bundle_not_verified")
def bundle_not_verified(subject: object) -> Patched:
    """A bundle is read, and neither its files nor its reports are held against its evidence."""

    def opened(folder: Path) -> Any:
        report = from_evidence(folder / EVIDENCE)
        return report, hold(folder / EVIDENCE, report)

    return _forced(patch.object(known, "opened", opened))


@mutant("gates.untried_is_sound")
def untried_is_sound(subject: object) -> Patched:
    """A pass counts whose falsifiers nobody tried."""
    return _forced(patch.object(Report, "sound", lambda self, clause: True))


@mutant("gates.any_template")
def any_template(subject: object) -> Patched:
    """Whatever departs, a template is its column."""
    return _forced(patch.object(Comparison, "good", True))


@mutant("gates.any_pack")
def any_pack(subject: object) -> Patched:
    """The pack may be about another package than the one that runs."""
    return _forced(patch.object(gate, "is_about", lambda root, running: True))


@mutant("gates.silent_bypass")
def silent_bypass(subject: object) -> Patched:
    """A bypass leaves no trace in the record."""
    real = gates.require

    def require(*given: Any, **more: Any) -> Any:
        record = dict(real(*given, **more))
        gone = ("bypass", "open")
        return {"gates": {k: v for k, v in record["gates"].items() if k not in gone}}

    return _forced(patch.object(gates, "require", require))


@mutant("gates.state_passes")
def state_passes(subject: object, state: str) -> Patched:
    """A protected file in this state counts as approved."""
    real = protect.check

    def check(guard: Any) -> list[protect.Finding]:
        return [
            protect.Finding(one.path, protect.State.AS_APPROVED) if one.state == state else one
            for one in real(guard)
        ]

    return _forced(patch.object(protect, "check", check), patch.object(texts, "check", check))


@mutant("gates.any_decision_approves")
def any_decision_approves(subject: object) -> Patched:
    """Digests are recorded under a decision that is about something else."""
    return _forced(patch.object(protect, "_may_approve", lambda guard, decision, path: None))


@mutant("gates.side_inside")
def side_inside(subject: object, side: str) -> Patched:
    """A path on this side of the frontier lies inside."""
    real = frontier.judge

    def judge(*given: Any, **more: Any) -> tuple[frontier.Side, str]:
        found, rule = real(*given, **more)
        return (frontier.Side.INSIDE if found == side else found), rule

    return patch.object(frontier, "judge", judge)


@mutant("gates.undecided_rules")
def undecided_rules(subject: object) -> Patched:
    """Rules change without a decision of the change."""
    real = frontier.judge

    def judge(path: str, rules: Any, by: Any = None, *, gone: bool = False) -> Any:
        free = rules.model_copy(update={"allow": ("rules/**", *rules.allow)})
        return real(path, free, None, gone=gone)

    return patch.object(frontier, "judge", judge)


@mutant("gates.frontier_of_the_change")
def frontier_of_the_change(subject: object) -> Patched:
    """A change is held against the frontier that it brings along."""
    real = frontier.frontier_of
    return patch.object(frontier, "frontier_of", lambda root, base, file: real(root, "HEAD", file))


@mutant("gates.release_open")
def release_open(subject: object) -> Patched:
    """No gate of a release stands in the way, whatever it found."""
    return _forced(patch.object(finding.Result, "open", False))


@mutant("gates.release_clauses_pass")
def release_clauses_pass(subject: object) -> Patched:
    """The clauses of a release are not looked at."""
    passed = {ByClauses: lambda by, now: finding.Finding(Outcome.PASS, "fine")}
    return _forced(patch.dict(decide._PLAIN, passed))


@mutant("gates.signed_by_nobody")
def signed_by_nobody(subject: object) -> Patched:
    """A signature is there for every version."""
    said = finding.Finding(Outcome.PASS, "somebody")
    return _forced(patch.object(decide, "_signed", lambda gate, now: said))


@mutant("gates.damage_is_no_integrity")
def damage_is_no_integrity(subject: object) -> Patched:
    """A digest that does not match ends like a clause that failed."""
    real = finding.failed
    plain = patch.object(evidence, "failed", lambda text, integrity=False: real(text))
    return _forced(plain, patch.object(texts, "failed", lambda text, integrity=False: real(text)))
