"""One run: plan, execute, falsify, scope. Emits events and does not know who listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from verify.outcome import Outcome, Reason
from verify.run import columns
from verify.run.pool import Task, execute
from verify.run.results import FalsifierRun, Verdict, waived
from verify.scope import ClaimVerdict, Evidence, solve
from verify.spec.bindings import Binding
from verify.spec.model import Clause, Falsifier, Kind, Waiver
from verify.spec.pack import LoadedPack

PROFILES = {"quick": 20, "default": 50, "nightly": 2000}


@dataclass(frozen=True)
class Options:
    """How to run; all that changes a result is part of the evidence."""

    subject: str
    seed: int = 0
    profile: str = "default"
    jobs: int = 2
    falsify: bool = True
    evidence_dir: Path = Path("reports/evaluations")
    today: date = field(default_factory=date.today)


@dataclass(frozen=True)
class RunStarted:
    """The plan is made: these clauses and falsifiers will be accounted for."""

    clauses: tuple[Clause, ...]
    options: Options


@dataclass(frozen=True)
class ClauseFinished:
    """A clause has its outcome."""

    clause: Clause
    verdict: Verdict


@dataclass(frozen=True)
class FalsifiersPlanned:
    """How many falsifiers are due, now that it is known which clauses passed."""

    count: int


@dataclass(frozen=True)
class FalsifierFinished:
    """A mutant was tried."""

    run: FalsifierRun


@dataclass(frozen=True)
class RunFinished:
    """Everything is accounted for; the claims are computed."""

    claims: tuple[ClaimVerdict, ...]
    interrupted: bool


Event = RunStarted | ClauseFinished | FalsifiersPlanned | FalsifierFinished | RunFinished
Listener = Callable[[Event], None]


def run(
    loaded: LoadedPack, clauses: tuple[Clause, ...], options: Options, emit: Listener
) -> Evidence:
    """Evaluate clauses and their falsifiers; every planned clause ends with an outcome."""
    emit(RunStarted(clauses, options))
    session = _Session(loaded, options, emit)
    interrupted = False
    try:
        asyncio.run(session.evaluate(clauses))
        if options.falsify:
            asyncio.run(session.falsify(clauses))
    except KeyboardInterrupt:
        interrupted = True
        session.give_up(clauses)
    evidence = Evidence(
        clauses=clauses,
        verdicts=session.verdicts,
        falsifiers=tuple(session.falsifiers),
        falsified=options.falsify and not interrupted,
        subject=options.subject,
    )
    emit(RunFinished(solve(loaded.pack, evidence), interrupted))
    return evidence


class _Session:
    """State of one run while it is going on."""

    def __init__(self, loaded: LoadedPack, options: Options, emit: Listener) -> None:
        self.loaded = loaded
        self.options = options
        self.emit = emit
        self.templates = columns.templates(loaded)
        self.waivers = {waiver.clause: waiver for waiver in loaded.pack.waivers}
        self.verdicts: dict[str, Verdict] = {}
        self.falsifiers: list[FalsifierRun] = []

    async def evaluate(self, clauses: tuple[Clause, ...]) -> None:
        for clause in clauses:
            if clause.kind is Kind.CONFIG:
                self._record(clause, columns.judge(clause, self.loaded, self.templates))
        tasks = [self._task(clause, None) for clause in _costly_first(clauses)]
        by_id = {clause.id: clause for clause in clauses}
        async for (clause_id, _), verdict in self._execute(tasks):
            self._record(by_id[clause_id], verdict)

    async def falsify(self, clauses: tuple[Clause, ...]) -> None:
        """Falsifiers are due for clauses that passed: what is red needs no turning red."""
        passed = [c for c in clauses if self.verdicts[c.id].outcome is Outcome.PASS]
        native = [
            run
            for clause in passed
            if clause.kind is Kind.CONFIG
            for run in columns.falsify(clause, self.loaded, self.templates)
        ]
        tasks = [
            self._task(clause, falsifier)
            for clause in _costly_first(passed)
            for falsifier in clause.falsifiers
        ]
        self.emit(FalsifiersPlanned(len(native) + len(tasks)))
        for finished in native:
            self._record_falsifier(finished)
        async for (clause_id, label), verdict in self._execute(tasks):
            self._record_falsifier(FalsifierRun(clause_id, label, verdict))

    def give_up(self, clauses: tuple[Clause, ...]) -> None:
        """Account for what an interrupt left undone."""
        for clause in clauses:
            if clause.id not in self.verdicts:
                reason = "the run was interrupted before this clause"
                self._record(clause, Verdict(Outcome.UNKNOWN, reason, Reason.INTERRUPTED))

    def _execute(self, tasks: list[Task]) -> Any:
        return execute(tasks, root=self.loaded.root, jobs=self.options.jobs)

    def _record(self, clause: Clause, verdict: Verdict) -> None:
        waiver = self.waivers.get(clause.id)
        if waiver is not None and verdict.outcome is Outcome.FAIL:
            verdict = self._waive(waiver, verdict)
        self.verdicts[clause.id] = verdict
        self.emit(ClauseFinished(clause, verdict))

    def _waive(self, waiver: Waiver, verdict: Verdict) -> Verdict:
        if waiver.expired(self.options.today):
            expired = f"{verdict.reason} (its waiver by {waiver.owner} expired {waiver.expires})"
            return Verdict(
                Outcome.FAIL,
                expired,
                verdict.cause,
                verdict.measured,
                verdict.unit,
                verdict.axis,
                verdict.details,
                verdict.files,
            )
        return waived(verdict, waiver.owner, waiver.reason, waiver.expires)

    def _record_falsifier(self, finished: FalsifierRun) -> None:
        self.falsifiers.append(finished)
        self.emit(FalsifierFinished(finished))

    def _task(self, clause: Clause, falsifier: Falsifier | None) -> Task:
        assert clause.check is not None
        facts = {source: self.loaded.pack.fact(source) for source in clause.sources}
        mutant = None
        if falsifier is not None:
            binding = self.loaded.bindings.find("mutant", falsifier.mutant)
            mutant = {**(_payload(binding) or {}), "with": falsifier.arguments}
        payload = {
            "clause": clause.id,
            "check": _payload(self.loaded.bindings.find("check", clause.check)),
            "subject": _payload(self.loaded.bindings.find("subject", self.options.subject)),
            "mutant": mutant,
            "params": clause.params,
            "tolerance": clause.tolerance.value,
            "facts": {source: fact.value for source, fact in facts.items() if fact},
            "seed": self.options.seed,
            "examples": PROFILES[self.options.profile],
            "evidence_dir": str(self.options.evidence_dir.resolve()),
            "memory_mb": clause.budget.memory_mb,
        }
        key = (clause.id, falsifier.label if falsifier else None)
        return Task(key, payload, clause.budget.seconds)


def _costly_first(clauses: Any) -> Iterator[Clause]:
    """Clauses for workers; those with large budgets first, so that none is left for the end."""
    queued = [clause for clause in clauses if clause.kind is not Kind.CONFIG]
    return iter(sorted(queued, key=lambda clause: -clause.budget.seconds))


def _payload(binding: Binding | None) -> dict[str, Any] | None:
    if binding is None:
        return None
    return {"role": binding.role, "name": binding.name, "module": binding.module}
