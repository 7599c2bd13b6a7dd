"""An audit: the checks are seen to work on the pack's own subject, then the stranger is judged.

Two runs, each with a sealed bundle of its own. What the first showed is part of what the second is
about: a clause counts where it passed on the pack's own subject and was turned red there by each of
its falsifiers. Nobody patches a stranger's code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from verify.audit.host import Hello, Limits, hosted
from verify.audit.protocol import Protocol, audit_clauses, needs_of
from verify.audit.subject import ForeignSubject
from verify.report.model import Report
from verify.run.engine import Options
from verify.spec.model import Clause
from verify.spec.pack import LoadedPack

# (clauses, options, what the run is about beside the usual) -> its sealed bundle and report
Run = Callable[[tuple[Clause, ...], Options, dict[str, Any]], tuple[Path, Report]]


@dataclass(frozen=True)
class Audited:
    """What an audit found: the report about the stranger, and the one about the checks."""

    report: Report
    bundle: Path
    witness: Report | None


def audit(
    loaded: LoadedPack,
    subject: ForeignSubject,
    offered: Protocol,
    options: Options,
    limits: Limits,
    run: Run,
    *,
    clauses: tuple[Clause, ...] | None,
    greet: Callable[[Hello], None],
) -> Audited:
    """Judge a subject by the clauses given, else by all whose capabilities it offers."""
    with hosted(subject, offered.names, limits) as host:
        hello = host.start()
        greet(hello)
        possible = audit_clauses(loaded)
        wanted = clauses or tuple(
            one for one in possible if needs_of(loaded, one) <= set(hello.capabilities)
        )
        witness = None
        if options.falsify and wanted:
            own = replace(options, subject=loaded.pack.manifest.subject, foreign=None)
            _, witness = run(wanted, own, {"selectors": [one.id for one in wanted]})
        about = {
            "selectors": [one.id for one in wanted],
            "audit": {
                "domain": hello.domain,
                "capabilities": sorted(hello.capabilities),
                "provenance": hello.provenance,
                "clauses": len(clauses or possible),
                "lacking": 0 if clauses else len(possible) - len(wanted),
                "trusted": _trusted(witness),
                "witness": None if witness is None else _named(witness),
            },
        }
        foreign = {
            "name": subject.name,
            "door": host.door,
            "domain": hello.domain,
            "capabilities": hello.capabilities,
        }
        judged = replace(options, subject=subject.name, foreign=foreign, falsify=False)
        bundle, report = run(wanted, judged, about)
    return Audited(report, bundle, witness)


def _trusted(witness: Report | None) -> list[str]:
    if witness is None:
        return []
    return [clause.id for clause in witness.clauses if witness.sound(clause)]


def _named(witness: Report) -> dict[str, Any]:
    return {
        "subject": witness.about["subject"],
        "evidence_head": witness.evidence_head,
        "falsifiers": f"{witness.verdict.falsifiers_killed}/{witness.verdict.falsifiers_due}",
    }
