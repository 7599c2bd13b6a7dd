"""An audit in words: what the subject offers, what departs and by how much, the verdict last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from verify.audit.host import Hello
from verify.audit.protocol import Protocol, audit_clauses, needs_of
from verify.audit.session import Audited
from verify.outcome import Outcome, Reason
from verify.report.model import ClauseView, Report
from verify.report.words import measured, printable, share_of_tolerance, tolerance
from verify.spec.pack import LoadedPack

MARKS = {Outcome.PASS: "agrees", Outcome.FAIL: "DEPARTS", Outcome.NOT_APPLICABLE: "outside"}


def capabilities(loaded: LoadedPack, offered: Protocol, hello: Hello) -> str:
    """The table that comes first: what it has, what it lacks, and what each lets us say."""
    counts = dict.fromkeys(offered.names, 0)
    for clause in audit_clauses(loaded):
        for name in needs_of(loaded, clause):
            counts[name] = counts.get(name, 0) + 1
    lines = []
    for one in offered.capabilities:
        has = "has  " if one.name in hello.capabilities else "lacks"
        lines.append(f"{has} {one.name:<26} {counts[one.name]:>2} clauses: {one.said['unlocks']}")
    return "\n".join(lines)


def summary(found: Audited) -> str:
    """Everything after the table."""
    sections = [
        list(_clauses(found.report)),
        list(_stages(found.report)),
        list(_mends(found.report)),
        list(_ending(found)),
    ]
    return "\n\n".join("\n".join(map(printable, lines)) for lines in sections if lines)


def _clauses(report: Report) -> Iterator[str]:
    for clause in report.clauses:
        word = "MISSING" if _missing(clause) else MARKS.get(clause.outcome, clause.outcome.upper())
        counted = clause.id in report.about["audit"]["trusted"] or not clause.outcome.evaluated
        doubt = "" if counted else " (not counted: the check was not seen red)"
        yield f"{word:<8} {clause.id} {clause.statement}{doubt}"
        if clause.outcome is not Outcome.PASS:
            yield f"         {clause.reason}"
        if clause.outcome is Outcome.FAIL and clause.measured is not None:
            yield f"         measured {measured(clause)}, allowed {tolerance(clause)}"


def _missing(clause: ClauseView) -> bool:
    return clause.outcome is Outcome.UNKNOWN and clause.cause is Reason.EVIDENCE_MISSING


def _stages(report: Report) -> Iterator[str]:
    """Every departing stage, each judged from the right input: one does not hide another."""
    staged = [clause for clause in report.clauses if "stages" in clause.tags]
    departing = [clause for clause in staged if clause.outcome is Outcome.FAIL]
    missing = [clause for clause in staged if _missing(clause)]
    if departing:
        yield f"stages that depart, each judged alone ({len(departing)} of {len(staged)}):"
    for clause in departing:
        yield f"  {clause.id}  {_share(clause)} its tolerance  {clause.statement}"
    if missing:
        yield f"stages that are MISSING ({len(missing)} of {len(staged)}):"
    for clause in missing:
        yield f"  {clause.id}  {clause.reason}"


def _share(clause: ClauseView) -> str:
    share = share_of_tolerance(clause)
    return f"{share:10.3g} times" if share is not None else f"{clause.measured!s:>10} for"


def _mends(report: Report) -> Iterator[str]:
    """What brings the outcome back: each mistake mended alone, and all of them."""
    for clause in report.clauses:
        mends: Mapping[str, Any] = clause.details.get("mends", {})
        names = clause.details.get("mistakes", [])
        if not mends or not names or clause.details["left"] > 1.0:
            continue
        yield f"what brings the outcome back ({clause.id}, on {mends['input']}; relative error):"
        yield f"  {mends['before']:10.3g}  as it is"
        for name, left in mends["with_this_one_mended"].items():
            yield f"  {left:10.3g}  with this one mended: {name}"
        least = "; ".join(mends["least"])
        count = f"{len(mends['least'])} of {len(names)}"
        yield f"  {mends['after']:10.3g}  with {count} mended: {least}"


def _ending(found: Audited) -> Iterator[str]:
    report = found.report
    audit = report.about["audit"]
    code = audit["provenance"]
    named = [f"subject {report.about['subject']}"]
    if code.get("version"):
        files = f" ({code['files']} files, sha256 {code['files_sha256'][:12]})"
        edited = not code["files"]  # where it lies, and not as it is installed
        named.append(f"{code['distribution']} {code['version']}{'' if edited else files}")
    if code.get("subject_sha256"):
        named.append(f"{code['subject_file']} sha256 {code['subject_sha256'][:12]}")
    used = code.get("packages", {})
    frameworks = [f"{name} {used[name]}" for name in FRAMEWORKS if name in used]
    yield ", ".join([*named, code["interpreter"], *frameworks])
    if audit["witness"]:
        seen = audit["witness"]
        yield (
            f"the checks themselves: {len(audit['trusted'])} of {len(report.clauses)} seen to pass "
            f"on {seen['subject']} and to turn red under each falsifier ({seen['falsifiers']})"
        )
    yield f"bundle {found.bundle}"
    yield report.verdict.line


FRAMEWORKS = ("numpy", "torch", "jax", "jaxlib", "tensorflow", "flax", "mlx")
