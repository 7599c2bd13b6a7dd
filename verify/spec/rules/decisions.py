"""Rules about decision records: `verify decisions lint` applies all, `verify lint` shares some."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from fnmatch import fnmatchcase
from itertools import pairwise

from verify.problems import Problem
from verify.spec.decision_log import Draft, Known, Log
from verify.spec.model import Decision, DecisionStatus
from verify.spec.places import inside

Finding = tuple[str, str, str]  # field, found, expected
Rule = Callable[[Log], Iterator[Problem]]
_MENTION = re.compile(r"\bDEC-[0-9]{4}\b")


# -- shared with `verify lint` --------------------------------------------------------------------


def dangling(record: Decision, known: Known) -> Iterator[Finding]:
    """Claims, conflicts and evidence that a record names and that do not exist."""
    references = (
        ("governs", record.claims, known.claims),
        ("caps", record.caps, known.claims),
        ("conflicts", record.conflicts, known.conflicts),
    )
    for field, names, existing in references:
        for name in names:
            if existing is not None and name not in existing:
                yield field, name, "something that exists"
    for name in record.evidence:
        if not exists(name, known):
            yield "evidence", name, "a clause or a file of the pack"


def exists(name: str, known: Known) -> bool:
    """Whether evidence is there: a file, or a clause; without a pack only files can be looked for.

    A name without a slash may be a clause of a pack that is not here: it is not called missing.
    """
    if known.clauses is not None and name in known.clauses:
        return True
    path = inside(known.root, name)
    if path is not None and path != known.root and path.exists():
        return True
    if known.clauses is None:
        return "/" not in name
    return any(fnmatchcase(clause, name) for clause in known.clauses)


def unsettled(record: Decision, records: Collection[str]) -> Iterator[Finding]:
    """A superseded record without its successor, a deferred one that holds nothing back."""
    if record.status is DecisionStatus.SUPERSEDED and record.superseded_by not in records:
        found = str(record.superseded_by or "no successor")
        yield "superseded_by", found, "the record that replaces it"
    if record.status is DecisionStatus.DEFERRED:
        loose = sorted(set(record.claims) - set(record.caps))
        if loose or not record.caps:
            found = f"no cap of {', '.join(loose)}" if loose else "nothing"
            yield "caps", found, "the claims it holds back, all that it governs among them"


# -- of the log -----------------------------------------------------------------------------------


def references_exist(log: Log) -> Iterator[Problem]:
    """See `dangling`."""
    for draft in log.drafts:
        for finding in dangling(draft.record, log.known):
            yield draft.entry.problem(*finding)


def records_are_settled_or_cap(log: Log) -> Iterator[Problem]:
    """See `unsettled`."""
    for draft in log.drafts:
        for field, found, expected in unsettled(draft.record, log.by_name):
            if draft.has(field):
                yield draft.entry.problem(field, found, expected)


def only_superseded_records_have_successors(log: Log) -> Iterator[Problem]:
    """A record in force with a successor leaves open which of the two holds."""
    for draft in log.drafts:
        record = draft.record
        superseded = record.status is DecisionStatus.SUPERSEDED or not draft.has("status")
        if record.superseded_by and not superseded:
            found = f"{record.superseded_by} with the status {record.status}"
            expected = "a successor on superseded records only"
            yield draft.entry.problem("superseded_by", found, expected)


def deferred_records_say_what_they_cost(log: Log) -> Iterator[Problem]:
    """What stays unsaid while a decision is open is written down, not left to the reader."""
    for draft in log.drafts:
        record = draft.record
        open_ = record.status is DecisionStatus.DEFERRED
        if open_ and record.impact is None and draft.has("impact"):
            expected = "what cannot be said while it is open"
            yield draft.entry.problem("impact", "nothing", expected, "state the impact")


def closed_records_have_evidence(log: Log) -> Iterator[Problem]:
    """`closed` means that nothing is left to do, and that something shows it."""
    for draft in log.drafts:
        record = draft.record
        closed = record.status is DecisionStatus.CLOSED
        if closed and not record.evidence and draft.has("evidence"):
            expected = "a clause or a file that exists"
            remedy = "cite it, or make the record `accepted`"
            yield draft.entry.problem("evidence", "nothing", expected, remedy)


def successions_end(log: Log) -> Iterator[Problem]:
    """Following successors leads to a record in the end; each circle is said once."""
    for draft in log.drafts:
        chain = _successors(log, draft)
        names = [draft.name, *(one.name for one in chain)]
        if names[-1] == draft.name and len(names) > 1 and draft.name == min(names):
            found, expected = " -> ".join(names), "a record that is not superseded at the end"
            yield draft.entry.problem("superseded_by", found, expected)


def successors_are_no_older(log: Log) -> Iterator[Problem]:
    """A record is replaced by one of the same day or a later one."""
    for draft in log.drafts:
        after = log.successor(draft)
        if after is None or not draft.has("date") or not after.has("date"):
            continue
        if after.record.date < draft.record.date:
            found = f"{after.record.date}, before {draft.name}, which it replaces"
            expected = f"{draft.record.date} or later"
            yield after.entry.problem("date", found, expected, "correct one of the dates")


def mentions_exist(log: Log) -> Iterator[Problem]:
    """A text refers to records of the log only."""
    for draft in log.drafts:
        for name, line in _mentions(draft):
            if name not in log.by_name:
                found, expected = f"a reference to {name}", "a record of this log"
                yield Problem(draft.entry.file, line, 0, name, found, expected, "correct the id")


def mentions_are_no_younger(log: Log) -> Iterator[Problem]:
    """A record refers to what it could have known when it was dated; its successors aside."""
    for draft in log.drafts:
        later = {one.name for one in _successors(log, draft)}
        for name, line in _mentions(draft):
            other = log.by_name.get(name)
            if other is None or name in later or not (draft.has("date") and other.has("date")):
                continue
            if other.record.date > draft.record.date:
                found = f"a reference to {name} of {other.record.date}"
                expected = f"a record of {draft.record.date} or earlier, as this one"
                remedy = "correct one of the dates, or write a record that supersedes this one"
                yield Problem(draft.entry.file, line, 0, name, found, expected, remedy)


def defaults_reach_their_horizon(log: Log) -> Iterator[Problem]:
    """A default is in force only on a measurement as long as its own record asks for."""
    for draft in log.drafts:
        record = draft.record
        if not record.status.settled or not draft.has("promotes", "horizon", "measured"):
            continue
        horizon, measured = record.horizon, record.measured
        remedy = "measure as long, or make the record `proposed`"
        if record.promotes is not None and horizon is None:
            expected = "the least measurement that may promote it"
            yield draft.entry.problem("promotes", "no horizon", expected, "state `horizon`")
        elif measured is not None and horizon is None:
            expected = "the horizon that it is held against"
            yield draft.entry.problem("measured", "no horizon", expected, "state `horizon`")
        elif record.promotes is not None and measured is None:
            yield draft.entry.problem("promotes", "no measurement", "`measured`", remedy)
        for name, least in (horizon or {}).items():
            if measured is not None and measured.get(name, 0) < least:
                found = f"{name} {measured.get(name, 'not stated')}"
                expected = f"at least {least}, the record's own horizon"
                yield draft.entry.problem("measured", found, expected, remedy)


RULES: tuple[Rule, ...] = (
    references_exist,
    records_are_settled_or_cap,
    only_superseded_records_have_successors,
    deferred_records_say_what_they_cost,
    closed_records_have_evidence,
    successions_end,
    successors_are_no_older,
    mentions_exist,
    mentions_are_no_younger,
    defaults_reach_their_horizon,
)


def lint_log(log: Log) -> tuple[Problem, ...]:
    """Everything that is wrong with a log, in the order of files and lines."""
    found = {problem for rule in RULES for problem in rule(log)}
    found |= {problem for draft in log.drafts for problem in draft.entry.problems}
    return tuple(sorted(found | set(log.problems)))


def notes(log: Log) -> Iterator[str]:
    """What is odd and no defect."""
    if log.known.clauses is None:
        yield "no readable pack here: ids of claims, conflicts and clauses were not looked up"
    yield from _out_of_order(log)
    for draft in log.drafts:
        after = log.successor(draft)
        if after and not after.record.status.settled and after.has("status"):
            yield f"{draft.name} is replaced by {after.name}, which is {after.record.status}"


def _successors(log: Log, draft: Draft) -> list[Draft]:
    """What replaces a record, one after the other; a circle is followed once around."""
    chain: list[Draft] = []
    current = log.successor(draft)
    while current is not None and all(current is not one for one in chain):
        chain.append(current)
        current = None if current is draft else log.successor(current)
    return chain


def _mentions(draft: Draft) -> Iterator[tuple[str, int]]:
    """Ids of other records in the text below the front matter, each with its first line."""
    seen = {draft.name, draft.entry.name}
    for match in _MENTION.finditer(draft.entry.body):
        if match[0] not in seen:
            seen.add(match[0])
            yield match[0], draft.entry.line_of(match.start())


def _out_of_order(log: Log) -> Iterator[str]:
    """Each record that was written after the next one, once: a number that was filled in later."""
    dated = [draft for draft in sorted(log.drafts, key=lambda one: one.name) if draft.has("date")]
    for draft, following in pairwise(dated):
        if following.record.date < draft.record.date:
            yield (
                f"{following.name} of {following.record.date} is older than {draft.name} of "
                f"{draft.record.date}: ids do not follow the dates"
            )
