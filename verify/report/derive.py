"""A run told again from its own evidence: what does not follow from what was recorded is refused.

The head of an evidence file holds the texts of its pack. So it can be said without the pack which
clauses and falsifiers were due, which claims follow, and whether each record is about something
that exists.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from verify.attest.backing import read_backing
from verify.mutate.rate import rates
from verify.outcome import Outcome, Reason
from verify.problems import IntegrityError
from verify.provenance import provenance
from verify.report.model import ClauseView, FalsifierView, Report
from verify.run.evidence import SCHEMA, Record, cited, records
from verify.run.pins import Pins
from verify.run.results import FalsifierRun, Verdict
from verify.run.surroundings import UNKNOWN
from verify.scope import Evidence, solve
from verify.score import points_of
from verify.spec.model import Clause, Pack

ONCE = ("run", "falsifiers_due", "touched", "claims", "end")
MANY = ("clause", "falsifier")


def hold(path: Path, report: Report) -> Pins:
    """Hold a report against its evidence file; raises IntegrityError for what does not follow."""
    return hold_records(list(records(path)), report, path)


def hold_records(read: Sequence[Record], report: Report, path: Path) -> Pins:
    """The same of the records of an evidence file; `path` is for messages."""
    try:
        for wrong in _wrong(read, report):
            raise IntegrityError(
                f"{path}: {wrong}; expected what follows from the records before it; remedy: run "
                "again, evidence is never edited"
            )
        return pins_of(read)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        said = str(error).splitlines()[0]
        raise IntegrityError(
            f"{path}: found records that do not fit together ({said}); expected {SCHEMA}; remedy: "
            "verify run"
        ) from None


def evidence_of(
    pack: Pack,
    clauses: Sequence[ClauseView],
    falsifiers: Sequence[FalsifierView],
    subject: str,
    detection: Mapping[str, Any] | None = None,
) -> Evidence:
    """Findings of a report as the solver of claims asks for them."""
    named = {view.id for view in clauses}
    return Evidence(
        clauses=tuple(clause for clause in pack.clauses if clause.id in named),
        verdicts={view.id: _verdict(view) for view in clauses},
        falsifiers=tuple(
            FalsifierRun(run.clause, run.label, Verdict(run.outcome, run.reason))
            for run in falsifiers
        ),
        subject=subject,
        trust=pack.trust,
        detection=rates(detection),
    )


def _verdict(view: ClauseView) -> Verdict:
    return Verdict(
        outcome=view.outcome,
        reason=view.reason,
        cause=view.cause,
        measured=view.measured,
        unit=view.unit,
        axis=view.measured_axis,
        provenance=provenance(view.provenance),
        details=view.details,
        backing=read_backing(view.backing),
    )


# -- what does not follow -------------------------------------------------------------------------


def _wrong(read: Sequence[Record], report: Report) -> Iterator[str]:
    """The first thing that is wrong comes first; what comes later may rest on it."""
    yield from _order(read)
    head = read[0].data
    if head["schema"] != SCHEMA:
        yield f"found the schema {head['schema']}"
    pack = Pack.model_validate_json(json.dumps(head["declared"]))
    yield from _described(head, pack)
    yield from _clauses(read, report, pack)
    yield from _falsifiers(read, report, pack)
    yield from _claims(read, report, pack)


def _order(read: Sequence[Record]) -> Iterator[str]:
    kinds = Counter(record.kind for record in read)
    odd = sorted(set(kinds) - {*ONCE, *MANY})
    if odd:
        yield f"found a record of the kind {odd[0]!r}"
    twice = [kind for kind in ONCE if kinds[kind] > 1]
    if twice:
        yield f"found {kinds[twice[0]]} records of the kind {twice[0]!r}"
    last = ["claims", "end"] if read[-1].data["interrupted"] else ["touched", "claims", "end"]
    frame = [record.kind for record in (read[0], *read[-len(last) :])]
    if frame != ["run", *last]:
        yield f"found {', '.join(frame)} where a run begins and ends"


def _described(head: dict[str, Any], pack: Pack) -> Iterator[str]:
    """Each description of a clause is that of the pack."""
    stated = {clause.id: (contract, clause) for contract in pack.contracts for clause in
              contract.clauses}  # fmt: skip
    for item in head["clauses"]:
        if item["id"] not in stated:
            yield f"found the clause {item['id']}, which the pack does not have"
            return
        contract, clause = stated[item["id"]]
        wanted = {
            **clause.model_dump(mode="json", include=set(_SAME)),
            "contract": contract.contract,
            "weight": points_of(contract, clause),
            "falsifiers": [falsifier.label for falsifier in clause.falsifiers],
            "sources": list(cited(pack, clause)),
        }
        odd = [name for name, value in wanted.items() if item[name] != value]
        if odd:
            yield f"found another {odd[0]} of {clause.id} than the pack's"
    if not head["selectors"] and len(head["clauses"]) != len(stated):
        yield f"found {len(head['clauses'])} clauses of a whole pack of {len(stated)}"


_SAME = ("statement", "kind", "severity", "required", "axis", "tags", "tolerance", "remedy")


def _clauses(read: Sequence[Record], report: Report, pack: Pack) -> Iterator[str]:
    """Exactly one judgement of each described clause; a waiver where one is waived."""
    found = Counter(record.data["id"] for record in read if record.kind == "clause")
    described = Counter(item["id"] for item in read[0].data["clauses"])
    for name in {**described, **found}:
        if (found[name], described[name]) != (1, 1):
            yield f"found {found[name]} judgements of {name}, described {described[name]} times"
    started = datetime.fromisoformat(read[0].data["started"])
    day = (started.astimezone(UTC) if started.tzinfo else started).date()
    waivers = {waiver.clause: waiver for waiver in pack.waivers}
    for view in report.clauses:
        if (view.outcome is Outcome.WAIVED) != (view.cause is Reason.WAIVER):
            yield f"found {view.id} {view.outcome} by {view.cause}"
        waiver = waivers.get(view.id)
        over = waiver is None or waiver.expired(day)
        if view.outcome is Outcome.WAIVED and over:
            yield f"found {view.id} waived, and no waiver of it in the pack"
        if view.outcome is Outcome.PASS and (odd := _unlike_a_pass(view)):
            yield f"found {view.id} passed {odd}"


def _unlike_a_pass(view: ClauseView) -> str:
    """What no worker lets a check say beside a pass (`verify.run.workers.returned`)."""
    measured, allowed = view.measured, view.tolerance["value"]
    if isinstance(measured, str) or (measured is None and view.axis is not None):
        return f"with the number {measured}"
    if measured is not None and allowed is not None and measured > allowed:
        return f"with {measured:g}, and {allowed:g} is allowed"
    return "" if view.cause is Reason.JUDGED else f"by {view.cause}"


def _falsifiers(read: Sequence[Record], report: Report, pack: Pack) -> Iterator[str]:
    """Each is declared by a clause that passed, ran once, and killed where that turned it red."""
    clauses = {clause.id: clause for clause in pack.clauses}
    passed = {view.id for view in report.clauses if view.outcome is Outcome.PASS}
    ran = Counter((run.clause, run.label) for run in report.falsifiers)
    for run in report.falsifiers:
        place = f"the falsifier {run.label} of {run.clause}"
        if run.clause not in passed:
            yield f"found {place}, which did not pass"
        elif not _declared(run.label, clauses[run.clause]):
            yield f"found {place}, which does not declare it"
        elif run.killed is not (run.outcome is Outcome.FAIL):
            yield f"found {place} {'killed' if run.killed else 'surviving'} by a {run.outcome}"
        elif ran[run.clause, run.label] > 1:
            yield f"found {place} {ran[run.clause, run.label]} times"
    yield from _due(read, report, [clauses[name] for name in sorted(passed)])


def _due(read: Sequence[Record], report: Report, passed: Sequence[Clause]) -> Iterator[str]:
    """A run with falsifiers that nobody interrupted tried all of them."""
    stated = [record.data["count"] for record in read if record.kind == "falsifiers_due"]
    ran = len(report.falsifiers)
    falsify, interrupted = report.about["falsify"], report.about["interrupted"]
    if not falsify and (stated or ran):
        yield f"found {ran} falsifiers of a run without any"
    if falsify and not interrupted and stated != [ran]:
        yield f"found {ran} falsifiers, due {stated}"
    if falsify and not interrupted:
        for clause in passed:
            labels = [run.label for run in report.falsifiers_of(clause.id)]
            for one in clause.falsifiers:
                if not any(_is(label, one.label) for label in labels):
                    yield f"found no falsifier {one.label} of {clause.id}"


def _declared(label: str, clause: Clause) -> bool:
    return any(_is(label, one.label) for one in clause.falsifiers)


def _is(label: str, declared: str) -> bool:
    """A config clause's falsifier carries its column behind the label."""
    return label == declared or (label.startswith(f"{declared}[") and label.endswith("]"))


def _claims(read: Sequence[Record], report: Report, pack: Pack) -> Iterator[str]:
    """The claims are what the solver makes of the outcomes."""
    subject = report.about["subject"]
    found = read[-2].data["claims"]
    evidence = evidence_of(
        pack, report.clauses, report.falsifiers, subject, report.about.get("detection")
    )
    derived = solve(pack, evidence)
    wanted = json.loads(json.dumps([asdict(claim) for claim in derived]))
    if found == wanted or (not found and report.about["interrupted"]):
        return  # a run that was cut off and sealed later says nothing of claims
    for one, other in zip(found, wanted, strict=False):
        if one != other:
            said = f"{one.get('scope')}, tier {one.get('tier')}"
            yield (
                f"found the claim {other['claim']} {said}, and it follows "
                f"{other['scope']}, tier {other['tier']}"
            )
    yield f"found {len(found)} claims, and {len(wanted)} follow"


def pins_of(read: Sequence[Record]) -> Pins:
    """What the records of an evidence file rest on; their reader has held the chain."""
    kept: dict[tuple[str, str | None], dict[str, Any]] = {}
    touched: dict[str, Any] = {}
    for record in read:
        if record.kind == "clause":
            kept[record.data["id"], None] = record.data
        elif record.kind == "falsifier":
            kept[record.data["clause"], record.data["label"]] = record.data
        elif record.kind == "touched":
            touched = record.data
    known = touched or {"imports": {}, "reads": {}}
    around = touched.get("around", UNKNOWN)
    return Pins(read[0].data, bool(touched), known["imports"], known["reads"], kept, around)
