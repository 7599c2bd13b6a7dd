"""One run: plan, execute, falsify, scope. Emits events and does not know who listens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify import clock
from verify.mutate.rate import Rate
from verify.outcome import Outcome, Reason
from verify.run import columns
from verify.run.keys import HEARD, Keys
from verify.run.profiles import PROFILES
from verify.run.results import FalsifierRun, Verdict, waived
from verify.run.spread import Stop, StoppedError
from verify.run.tasks import make_task
from verify.run.workers.forks import ForkServer
from verify.run.workers.pool import Task, execute, threads
from verify.scope import ClaimVerdict, Evidence, solve
from verify.spec.model import Clause, Falsifier, Kind, Waiver
from verify.spec.pack import LoadedPack

if TYPE_CHECKING:  # it reads bundles, whose evidence is made of this module's events
    from verify.run.cache import Earlier


@dataclass(frozen=True)
class Options:
    """How to run; all that changes a result is part of the evidence.

    foreign  of a subject outside the pack: what a worker needs to reach it (`verify.audit`)
    detection  what share of changes each contract notices, as the head of the evidence says it
    began  in UTC; waivers are held against its day, which the head of the evidence states
    """

    subject: str
    foreign: Mapping[str, Any] | None = None
    seed: int = 0
    profile: str = "default"
    jobs: int = 2
    falsify: bool = True
    evidence_dir: Path = Path("reports/evaluations")
    detection: Mapping[str, Rate] | None = None
    began: datetime = field(default_factory=lambda: clock.now())


@dataclass(frozen=True)
class RunStarted:
    """The plan is made: these clauses and falsifiers will be accounted for."""

    clauses: tuple[Clause, ...]
    options: Options
    base: str  # see verify.run.keys


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
    loaded: LoadedPack,
    clauses: tuple[Clause, ...],
    options: Options,
    emit: Listener,
    *,
    stop: Stop | None = None,
    earlier: Earlier | None = None,
    server: ForkServer | None = None,
) -> Evidence:
    """Evaluate clauses and their falsifiers; every planned clause ends with an outcome.

    A request to `stop` takes effect between two results: what was found so far is kept, the rest is
    accounted for as interrupted. What is known from an `earlier` run is not measured again. A
    `server` that was started beforehand forks the workers, and is closed here.
    """
    keys = earlier.keys if earlier else Keys(loaded, options.evidence_dir)
    emit(RunStarted(clauses, options, keys.base))
    server = server or ForkServer(loaded.root, threads(options.jobs))
    session = _Session(loaded, options, emit, stop or Stop(), keys, earlier, server)
    interrupted = False
    try:
        session.evaluate(clauses)
        if options.falsify:
            session.falsify(clauses)
    except StoppedError:
        interrupted = True
        session.give_up(clauses)
    finally:
        server.close()
    evidence = Evidence(
        clauses=clauses,
        verdicts=session.verdicts,
        falsifiers=tuple(session.falsifiers),
        subject=options.subject,
        trust=loaded.pack.trust,
        detection=options.detection,
    )
    emit(RunFinished(solve(loaded.pack, evidence), interrupted))
    return evidence


class _Session:
    """State of one run while it is going on."""

    def __init__(
        self,
        loaded: LoadedPack,
        options: Options,
        emit: Listener,
        stop: Stop,
        keys: Keys,
        earlier: Earlier | None,
        server: ForkServer,
    ) -> None:
        self.loaded = loaded
        self.options = options
        self.emit = emit
        self.stop = stop
        self.keys = keys
        self.earlier = earlier
        self.server = server
        self.templates = columns.templates(loaded)
        self.waivers = {waiver.clause: waiver for waiver in loaded.pack.waivers}
        self.verdicts: dict[str, Verdict] = {}
        self.falsifiers: list[FalsifierRun] = []

    def evaluate(self, clauses: tuple[Clause, ...]) -> None:
        """Give every clause a verdict."""
        for clause in clauses:
            if clause.kind is Kind.CONFIG:
                self._record(clause, columns.judge(clause, self.loaded, self.templates))
        planned = [(clause, None) for clause in _costly_first(clauses)]
        for clause, _, verdict in self._execute(planned):
            self._record(clause, verdict if self.options.foreign else _decided(clause, verdict))

    def falsify(self, clauses: tuple[Clause, ...]) -> None:
        """Falsifiers are due for clauses that passed: what is red needs no turning red."""
        passed = [c for c in clauses if self.verdicts[c.id].outcome is Outcome.PASS]
        native = [
            run
            for clause in passed
            if clause.kind is Kind.CONFIG
            for run in columns.falsify(clause, self.loaded, self.templates)
        ]
        planned = [
            (clause, falsifier)
            for clause in _costly_first(passed)
            for falsifier in clause.falsifiers
        ]
        self.emit(FalsifiersPlanned(len(native) + len(planned)))
        for finished in native:
            self._record_falsifier(finished)
        for clause, falsifier, verdict in self._execute(planned):
            assert falsifier is not None
            self._record_falsifier(FalsifierRun(clause.id, falsifier.label, verdict))

    def give_up(self, clauses: tuple[Clause, ...]) -> None:
        """Account for what an interrupt left undone."""
        for clause in clauses:
            if clause.id not in self.verdicts:
                reason = "the run was interrupted before this clause"
                self._record(clause, Verdict(Outcome.UNKNOWN, reason, Reason.INTERRUPTED))

    def _execute(
        self, planned: Sequence[tuple[Clause, Falsifier | None]]
    ) -> Iterator[tuple[Clause, Falsifier | None, Verdict]]:
        """Verdicts of earlier runs at once, then those of the workers as they arrive."""
        owners = {}
        waiting = []
        keys = {}
        for clause, falsifier in planned:
            task = self._task(clause, falsifier)
            owners[task.key] = (clause, falsifier)
            keys[task.key] = self.keys.of(clause, task)
            known = self.earlier.get(clause, keys[task.key]) if self.earlier else None
            if known is None:
                waiting.append(task)
            else:
                yield clause, falsifier, known
        for task, verdict in execute(
            waiting,
            root=self.loaded.root,
            jobs=self.options.jobs,
            stop=self.stop,
            server=self.server,
        ):
            clause, falsifier = owners[task.key]
            basis = replace(verdict.basis, key=keys[task.key])
            if clause.kind not in HEARD or basis.children:
                basis = replace(basis, reads=basis.reads | basis.hidden)
            yield clause, falsifier, replace(verdict, basis=basis)

    def _task(self, clause: Clause, falsifier: Falsifier | None) -> Task:
        return make_task(
            self.loaded,
            clause,
            falsifier,
            subject=self.options.subject,
            foreign=self.options.foreign,
            seed=self.options.seed,
            examples=PROFILES[self.options.profile],
            evidence_dir=self.options.evidence_dir,
        )

    def _record(self, clause: Clause, verdict: Verdict) -> None:
        waiver = self.waivers.get(clause.id)
        if waiver is not None and verdict.outcome is Outcome.FAIL:
            verdict = self._waive(waiver, verdict)
        self.verdicts[clause.id] = verdict
        self.emit(ClauseFinished(clause, verdict))

    def _waive(self, waiver: Waiver, verdict: Verdict) -> Verdict:
        if waiver.expired(self.options.began.date()):
            expired = f"its waiver by {waiver.owner} expired {waiver.expires}"
            return replace(verdict, reason=f"{verdict.reason} ({expired})")
        return waived(verdict, waiver.owner, waiver.reason, waiver.expires)

    def _record_falsifier(self, finished: FalsifierRun) -> None:
        self.falsifiers.append(finished)
        self.emit(FalsifierFinished(finished))


def _decided(clause: Clause, verdict: Verdict) -> Verdict:
    """A check cannot excuse itself: a required clause applies, and one that says no is unknown."""
    if verdict.outcome is not Outcome.NOT_APPLICABLE or not clause.required:
        return verdict
    reason = f"the check says that it does not apply, and the clause is required: {verdict.reason}"
    return replace(verdict, outcome=Outcome.UNKNOWN, cause=Reason.EVIDENCE_MISSING, reason=reason)


def _costly_first(clauses: Iterable[Clause]) -> list[Clause]:
    """Clauses for workers; those with large budgets first, so that none is left for the end."""
    queued = [clause for clause in clauses if clause.kind is not Kind.CONFIG]
    return sorted(queued, key=lambda clause: -clause.budget.seconds)
