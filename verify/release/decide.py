"""All gates of a release, asked one after the other, and the verdict they come to."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from verify.card.gate import card
from verify.outcome import Outcome
from verify.problems import UsageError
from verify.release import evidence, records, texts
from verify.release.finding import Finding, Result, Run, Word, failed, passed, unknown
from verify.release.model import (
    ByBenchmark,
    ByBundle,
    ByCard,
    ByChangelog,
    ByCheck,
    ByClauses,
    ByDecisions,
    ByFrontier,
    ByLicence,
    ByProse,
    ByProtected,
    BySignature,
    ByTests,
    ByVersion,
    Gate,
)
from verify.release.situation import Artefact, Situation
from verify.release.version import UnreadableError
from verify.report.model import ExitCode
from verify.run.results import Verdict

_PLAIN: Mapping[type, Callable[[Any, Situation], Finding]] = {
    ByBundle: evidence.bundle,
    ByClauses: evidence.clauses,
    ByProse: texts.prose,
    ByDecisions: texts.decisions,
    ByProtected: texts.protected,
    ByFrontier: texts.frontier,
    ByLicence: texts.licence,
    ByChangelog: texts.changelog,
    ByVersion: texts.version,
}


@dataclass(frozen=True)
class Decision:
    """The verdict with everything behind it."""

    situation: Situation
    results: tuple[Result, ...]

    def open(self, kind: str) -> tuple[Result, ...]:
        """The gates of a kind that stand in the way."""
        return tuple(one for one in self.results if one.gate.kind == kind and one.open)

    @property
    def asked(self) -> list[Result]:
        """Those of the gates that apply."""
        return [one for one in self.results if one.finding.outcome is not Outcome.NOT_APPLICABLE]

    @property
    def word(self) -> Word:
        """GO needs every gate; what only a maintainer can do makes it conditional at most.

        A signature alone, or gates none of which applies, are no GO: nothing was looked at.
        """
        if self.open("engineering") or all(one.gate.kind == "maintainer" for one in self.asked):
            return Word.NO_GO
        return Word.CONDITIONAL if self.open("maintainer") else Word.GO

    @property
    def exit_code(self) -> ExitCode:
        """4 > 1 > 3 > 0: a digest, a failure, something open, nothing."""
        blockers = self.open("engineering")
        if any(one.finding.integrity for one in blockers):
            return ExitCode.INTEGRITY
        if any(one.finding.outcome is Outcome.FAIL for one in blockers):
            return ExitCode.FAILED
        return ExitCode.GO if self.word is Word.GO else ExitCode.INCOMPLETE

    @property
    def line(self) -> str:
        """The verdict with its denominators."""
        asked, shares = self.asked, []
        for kind, words in (("engineering", "engineering gates pass"), ("maintainer", "signed")):
            mine = [one for one in asked if one.gate.kind == kind]
            shares.append(f"{sum(not one.open for one in mine)}/{len(mine)} {words}")
        shares.append(f"{len(self.results) - len(asked)} not applicable")
        bundle = self.situation.bundle
        name = bundle.name if bundle else "none"
        version = self.situation.version or "unknown"
        return f"{self.word}: {', '.join(shares)}; version {version}, bundle {name}"


def decide(now: Situation, run: Run) -> Decision:
    """Ask every gate; none is left out, whatever the ones before it said."""
    return Decision(now, tuple(one for gate in now.release.gates for one in _asked(gate, now, run)))


def _asked(gate: Gate, now: Situation, run: Run) -> Iterator[Result]:
    if gate.per == "release":
        yield Result(gate, _answer(gate, now, run, None), closing(gate, now, None))
        return
    for artefact in now.artefacts:
        finding = _answer(gate, now, run, artefact)
        yield Result(gate, finding, closing(gate, now, artefact), artefact.name)
    if not now.artefacts:
        if now.release.releases == "code":
            finding = Finding(Outcome.NOT_APPLICABLE, "a release of code; no artefact was given")
        else:
            finding = unknown("a release of an artefact, and none was given")
        yield Result(gate, finding, closing(gate, now, None))


def closing(gate: Gate, now: Situation, artefact: Artefact | None) -> str:
    """The one command that closes a gate, with what it is about put in."""
    words = {
        "{gate}": gate.id,
        "{version}": _word(now.version or "", "VERSION"),
        "{artefact}": _word(artefact.name if artefact else "", "ARTEFACT"),
        "{stem}": _word(artefact.path.stem if artefact else "", "ARTEFACT"),
    }
    text = gate.close
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _word(name: str, otherwise: str) -> str:
    """A name as one word of a shell; a placeholder for one that nobody should paste."""
    plain = name and name.isprintable() and not name.startswith("-")  # that would be an option
    return shlex.quote(name) if plain else otherwise


def _answer(gate: Gate, now: Situation, run: Run, artefact: Artefact | None) -> Finding:
    """The finding of a gate; a file that cannot be read is unknown, not a crash."""
    by = gate.by
    try:
        if isinstance(by, ByCheck):
            return _checked(gate, by, run, artefact)
        if isinstance(by, ByBenchmark):
            return records.benchmark(gate, by, now)
        if isinstance(by, ByTests):
            return records.tests(gate, by, now)
        if isinstance(by, BySignature):
            return _signed(gate, now)
        if isinstance(by, ByCard):
            assert artefact is not None  # the model allows no other
            return card(by, now, artefact, run)
        return _PLAIN[type(by)](by, now)
    except UnreadableError as error:
        return texts.unreadable(error)
    except UsageError as error:
        return unknown(str(error).splitlines()[0])


def _checked(gate: Gate, by: ByCheck, run: Run, artefact: Artefact | None) -> Finding:
    given = {"artefact": str(artefact.path)} if artefact else {}
    return finding_of(run(gate.id, by.check, {**by.params, **given}, by.budget), gate)


def finding_of(verdict: Verdict, gate: Gate) -> Finding:
    """What a worker said; only what it says of the subject itself can be a failed digest.

    A gate applies or not by its situation; a check that says otherwise has judged nothing.
    """
    if verdict.outcome is Outcome.NOT_APPLICABLE:
        return unknown(f"the check says that it does not apply: {verdict.reason}")
    failed_ = verdict.outcome is Outcome.FAIL
    return Finding(verdict.outcome, verdict.reason, gate.integrity and failed_)


def _signed(gate: Gate, now: Situation) -> Finding:
    mine = [one for one in now.signatures if one.gate == gate.id]
    for one in mine:
        if one.version == now.version:
            if one.date > now.today.isoformat():
                return failed(f"signed by {one.name} for {one.date}, which is to come")
            return passed(f"{one.name}, {one.role}, {one.date}: {one.what}")
    other = f"; signed for {mine[-1].version}" if mine else ""
    return unknown(f"nobody signed for {now.version or 'this version'}{other}")
