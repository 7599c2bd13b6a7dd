"""`verify explain`."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import click

from verify.commands.common import pack_option, reports_option, sound_pack
from verify.problems import NothingSelectedError
from verify.report.bundle import latest
from verify.report.markdown import number
from verify.report.model import from_evidence
from verify.spec.model import Clause
from verify.spec.pack import LoadedPack


@click.command()
@click.argument("clause_id", metavar="ID")
@pack_option
@reports_option
def command(clause_id: str, pack_dir: Path | None, reports: Path) -> None:
    """Explain one clause: statement, sources, tolerance, falsifiers, last evidence, how to mend."""
    loaded = sound_pack(pack_dir)
    known = {clause.id: clause for clause in loaded.pack.clauses}
    if clause_id not in known:
        close = difflib.get_close_matches(clause_id, known, 1)
        hint = f"; did you mean {close[0]}?" if close else "; `verify list` shows what there is"
        raise NothingSelectedError(f"no clause {clause_id!r}{hint}")
    for line in [*_stated(known[clause_id], loaded), *_last(clause_id, reports)]:
        click.echo(line)


def _stated(clause: Clause, loaded: LoadedPack) -> list[str]:
    lines = [f"{clause.id}  {clause.statement}", ""]
    required = "required" if clause.required else "not required"
    lines.append(f"kind        {clause.kind}, {clause.severity}, {required}")
    if clause.check:
        binding = loaded.bindings.find("check", clause.check)
        place = f" ({binding.file}:{binding.line})" if binding else ""
        lines.append(f"check       {clause.check}{place}")
    else:
        lines.append(f"field       {clause.field}, expected value from {clause.fact}")
    tolerance = clause.tolerance
    allowed = "exact" if tolerance.exact else f"{tolerance.value:g} {tolerance.unit}".strip()
    lines += [f"tolerance   {allowed}", f"  basis     {tolerance.basis}", "sources"]
    for source in clause.sources:
        fact = loaded.pack.fact(source)
        if fact is not None:
            said = f" - {fact.says}" if fact.says else ""
            lines.append(f"  {source}, {fact.at}: {json.dumps(fact.value)}{said}")
    lines.append("falsifiers")
    for falsifier in clause.falsifiers:
        binding = loaded.bindings.find("mutant", falsifier.mutant)
        place = f" ({binding.file}:{binding.line})" if binding else ""
        lines.append(f"  {falsifier.label}{place}")
    topics = {source.partition(":")[2] for source in clause.sources}
    for conflict in loaded.pack.conflicts:
        if conflict.topic in topics:
            lines.append(f"conflict    {conflict.id}: {conflict.summary} ({conflict.decision})")
    return [*lines, f"remedy      {clause.remedy}", ""]


def _last(clause_id: str, reports: Path) -> list[str]:
    bundle = latest(reports)
    if bundle is None:
        return [f"evidence    none in {reports}; `verify run {clause_id}` produces it"]
    report = from_evidence(bundle / "evidence.jsonl")
    for clause in report.clauses:
        if clause.id == clause_id:
            runs = [f for f in report.falsifiers if f.clause == clause_id]
            killed = sum(f.killed for f in runs)
            return [
                f"evidence    {bundle.name}",
                f"  outcome   {clause.outcome} ({clause.cause}), measured "
                f"{number(clause.measured, clause.unit)}, falsifiers {killed}/{len(runs)}",
                f"  because   {clause.reason}",
            ]
    return [f"evidence    {bundle.name} did not select it; `verify run {clause_id}` produces it"]
