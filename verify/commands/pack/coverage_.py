"""`verify coverage`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from verify.commands.common import pack_option, reports_option, sound_pack, tell
from verify.known import known
from verify.outcome import Outcome
from verify.report.covered import views
from verify.report.model import ExitCode, Report
from verify.report.views import CoverageView
from verify.scope.coverage import Standing, shares
from verify.spec.pack import LoadedPack
from verify.spec.select import needed_by

NOTHING = "-"


@click.command()
@pack_option
@reports_option
@click.option("--json", "as_json", is_flag=True, help="The whole matrix as JSON.")
def command(pack_dir: Path | None, reports: Path, as_json: bool) -> int:
    """Trace every fact to its clauses, falsifiers and claims, and every clause back.

    A fact that no clause cites has its reason. The last lines say how many items of each outlined
    source are held by a clause that was seen red, by what the bundles in --reports show.
    """
    loaded = sound_pack(pack_dir)
    now = known(loaded, reports)
    found = matrix(loaded, now.report)
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        tell(now, reports)
        click.echo("\n".join(_table(found)))
    return int(ExitCode.GO)


def matrix(loaded: LoadedPack, report: Report | None) -> dict[str, Any]:
    """Facts, clauses and sources, each with what it leads to; plain data."""
    pack = loaded.pack
    claims: dict[str, list[str]] = {clause.id: [] for clause in pack.clauses}
    for claim in pack.claims:
        for clause in needed_by(claim, pack.clauses):
            claims[clause.id].append(claim.id)
    clauses = {
        clause.id: {
            "facts": list(clause.sources),
            "falsifiers": [one.label for one in clause.falsifiers],
            "claims": claims[clause.id],
            **_judged(clause.id, report),
        }
        for clause in pack.clauses
    }
    reasons = {
        one.fact: {"reason": one.reason, "because": one.because, "decision": one.decision}
        for outline in pack.outlines
        for one in outline.uncited
    }
    return {
        "schema": "verify/coverage/1",
        "facts": {fact: _fact(fact, at, clauses, reasons) for fact, at in _facts(loaded)},
        "clauses": clauses,
        "sources": [one.model_dump(mode="json") for one in _shares(loaded, report)],
        "items": [
            {"source": outline.authority, **item.model_dump(mode="json")}
            for outline in pack.outlines
            for item in outline.items
        ],
    }


def _shares(loaded: LoadedPack, report: Report | None) -> list[CoverageView]:
    """Those of the report; without one, what nothing has judged yet."""
    if report is not None:
        return report.coverage
    cited: dict[str, list[str]] = {}
    for clause in loaded.pack.clauses:
        for source in clause.sources:
            cited.setdefault(source, []).append(clause.id)
    return views(shares(loaded.pack.outlines, Standing(cited, (), ())))


def _facts(loaded: LoadedPack) -> Iterator[tuple[str, str]]:
    for topic, stated in loaded.pack.topics.items():
        for authority, fact in stated.facts.items():
            yield f"{authority}:{topic}", fact.at


def _fact(
    name: str, at: str, clauses: dict[str, dict[str, Any]], reasons: dict[str, Any]
) -> dict[str, Any]:
    mine = [clause for clause, one in clauses.items() if name in one["facts"]]
    through = dict.fromkeys(claim for clause in mine for claim in clauses[clause]["claims"])
    return {"at": at, "clauses": mine, "claims": list(through), "none": reasons.get(name)}


def _judged(clause: str, report: Report | None) -> dict[str, Any]:
    view = next((one for one in report.clauses if one.id == clause), None) if report else None
    if report is None or view is None:
        return {"outcome": str(Outcome.UNKNOWN), "killed": 0, "sound": False}
    killed = sum(run.killed for run in report.falsifiers_of(clause))
    return {"outcome": str(view.outcome), "killed": killed, "sound": report.sound(view)}


def _table(found: dict[str, Any]) -> Iterator[str]:
    clauses = found["clauses"]
    for name, fact in found["facts"].items():
        if fact["none"]:
            yield f"{name}\t{NOTHING}\t{fact['none']['reason']}: {fact['none']['because']}"
            continue
        mine = fact["clauses"]
        sound = sum(clauses[one]["sound"] for one in mine)
        mutants = sum(len(clauses[one]["falsifiers"]) for one in mine)
        yield (
            f"{name}\t{sound}/{len(mine)} clauses seen red: {', '.join(mine) or NOTHING}\t"
            f"{mutants} falsifiers\t{', '.join(fact['claims']) or NOTHING}"
        )
    cited = sum(bool(fact["clauses"]) for fact in found["facts"].values())
    yield (
        f"{len(found['facts'])} facts, {cited} cited by a clause, {len(found['facts']) - cited} "
        f"not; {len(clauses)} clauses, {len(found['items'])} items"
    )
    yield from (one["line"] for one in found["sources"])
