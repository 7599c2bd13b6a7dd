"""Leaves with the commands that change them, and a situation in which a leaf has been changed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from verify.outcome import Axis, Outcome, Reason, reaches
from verify.run.results import FalsifierRun, Verdict
from verify.scope.evidence import Evidence
from verify.scope.verdicts import Leaf, LeafKind
from verify.spec.floors import Floors
from verify.spec.model import Clause, Decision, DecisionStatus, Detection, Needs, Pack

_KILLED = Verdict(Outcome.FAIL, "the falsifier turned it red")


class Leaves:
    """The leaves of one form of a claim."""

    def __init__(self, needs: Needs, floors: Floors, pack: Pack, evidence: Evidence) -> None:
        self._needs = needs
        self._floors = floors
        self._pack = pack
        self._subject = evidence.subject

    def clause(self, clause: Clause) -> Leaf:
        """A clause has to pass."""
        text = f"{clause.id} has to pass: {clause.remedy}"
        return Leaf(LeafKind.CLAUSE, clause.id, text, self._run(clause))

    def number(self, clause: Clause) -> Leaf | None:
        """A number has to be measured; None where the clause is not stated for its axis."""
        axis = self._needs.axis or clause.axis
        assert axis is not None
        if not reaches(clause.axis, axis):
            return None
        floors = self._floors.words()
        text = f"{clause.id} needs a number on {axis}{f', {floors}' if floors else ''}"
        text = f"{text}: {clause.remedy}"
        command = self._run(clause)
        if reaches(axis, Axis.REPO_EVAL):
            command = f"verify sign RECORD; {command}"
        if self._needs.produce is not None:
            command = f"{self._produce(self._needs.produce)}; {command}"
        return Leaf(LeafKind.EVIDENCE, clause.id, text, command, axis=axis, floors=self._floors)

    def signature(self, clause: Clause, records: Sequence[str]) -> Leaf:
        """The records of a number have to be signed by a key of the pack."""
        names = " ".join(shlex.quote(name) for name in records) or "RECORD"
        text = f"the records of {clause.id} have to be signed, their figures computed again"
        command = f"verify sign {names}; {self._run(clause)}"
        return Leaf(LeafKind.SIGNATURE, clause.id, text, command)

    def detection(self, contract: str, asked: Detection) -> Leaf:
        """The share of changes that a contract notices has to be measured, or to be higher."""
        text = f"{contract} has to notice {asked.at_least:.0%} of at least {asked.tried} changes"
        command = f"verify mutate 'contract:{contract}' --sample {asked.tried}; verify run"
        return Leaf(LeafKind.DETECTION, contract, text, command)

    def survivor(self, clause: Clause, label: str) -> Leaf:
        """A falsifier has to turn its clause red."""
        text = f"the check of {clause.id} has to turn red under {label}"
        return Leaf(LeafKind.FALSIFIER, clause.id, text, self._run(clause), label)

    def untried(self, clause: Clause) -> Leaf:
        """Falsifiers have to be run."""
        text = f"the falsifiers of {clause.id} have to run"
        return Leaf(LeafKind.FALSIFIER, clause.id, text, self._run(clause))

    def decision(self, name: str, decision: Decision | None) -> Leaf:
        """A decision has to be settled, or to be written in the first place."""
        path = f"specs/decisions/{name}.md"
        text = f"{name} has to be settled" if decision else f"{name} has to be written and settled"
        step = f"settle {path} with its evidence" if decision else f"write {path}"
        return Leaf(LeafKind.DECISION, name, text, f"{step}; verify decisions lint")

    def waiver(self, clause: Clause) -> Leaf:
        """A clause has to pass without its waiver."""
        text = f"{clause.id} has to pass without its waiver: {clause.remedy}"
        command = f"remove it from contracts/waivers.yaml; {self._run(clause)}"
        return Leaf(LeafKind.WAIVER, clause.id, text, command)

    def subject(self, claim_id: str) -> Leaf:
        """The evidence has to be about the subject that the sentence speaks of."""
        own = self._pack.manifest.subject
        command = f"verify run claim:{claim_id} --subject {own}"
        return Leaf(LeafKind.SUBJECT, own, f"the evidence has to be about {own}", command)

    def _run(self, clause: Clause) -> str:
        own = self._pack.manifest.subject
        return f"verify run {clause.id}" + (
            f" --subject {self._subject}" if self._subject != own else ""
        )

    def _produce(self, command: str) -> str:
        for name, value in self._floors.asked().items():
            command = command.replace("{" + name + "}", str(value))
        return command


def changed(leaf: Leaf, pack: Pack, evidence: Evidence) -> tuple[Pack, Evidence]:
    """The situation in which one leaf is as it has to be, and nothing else is different."""
    if leaf.kind is LeafKind.DECISION:
        return _settled(leaf.name, pack), evidence
    if leaf.kind is LeafKind.SUBJECT:
        return pack, replace(evidence, subject=leaf.name)
    if leaf.kind in (LeafKind.SIGNATURE, LeafKind.DETECTION):
        return pack, evidence.supposing(leaf.name)
    clause = pack.by_id[leaf.name]
    if leaf.kind is LeafKind.FALSIFIER:
        return pack, _falsified(clause, leaf.label, evidence)
    return pack, _passing(clause, leaf, evidence)


def _settled(name: str, pack: Pack) -> Pack:
    accepted = DecisionStatus.ACCEPTED
    known = {decision.id: decision for decision in pack.decisions}
    if name in known:
        record = known[name].model_copy(update={"status": accepted})
    else:
        record = Decision(id=name, title=name, status=accepted, date="2000-01-01")
    decisions = tuple({**known, name: record}.values())
    return pack.model_copy(update={"decisions": decisions})


def _falsified(clause: Clause, label: str, evidence: Evidence) -> Evidence:
    """A survivor's run is replaced by one that killed; without a label, what did not run runs."""
    labels = {label} if label else set(evidence.untried(clause))
    kept = [run for run in evidence.runs(clause.id) if run.label not in labels]
    runs = [FalsifierRun(clause.id, name, _KILLED) for name in sorted(labels)]
    return evidence.trying(clause.id, [*kept, *runs])


def _passing(clause: Clause, leaf: Leaf, evidence: Evidence) -> Evidence:
    """A run in which the clause passes, on an axis and with what stands behind its number.

    Only a number that is measured anew is signed as well: its leaf says so. What was red before has
    its falsifiers run now; those of a pass are what they were.
    """
    before = evidence.verdicts.get(clause.id) or Verdict(outcome=Outcome.UNKNOWN, reason="")
    after = replace(
        before,
        outcome=Outcome.PASS,
        reason="it passes",
        cause=Reason.JUDGED,
        axis=leaf.axis or before.axis or clause.axis,
        provenance=replace(before.provenance, **leaf.floors.asked()),  # type: ignore[arg-type]
    )
    found = evidence.judging(clause.id, after)
    if leaf.kind is LeafKind.EVIDENCE:
        found = found.supposing(clause.id)
    if before.outcome is Outcome.PASS:
        return found
    return _falsified(clause, "", found.trying(clause.id, ()))
