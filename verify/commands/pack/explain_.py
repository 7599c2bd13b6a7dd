"""`verify explain`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from verify.attest.backing import read_backing
from verify.attest.standing import shortfall, signer
from verify.commands.common import known_options, sound_pack, tell
from verify.commands.pack.claim_words import explain_claim
from verify.commands.pack.name_words import (
    claims_on,
    defined,
    explain_name,
    place_of_fact,
    stated_fact,
)
from verify.known import Known, known
from verify.report.model import ClauseView
from verify.report.words import measured, printable
from verify.score import points_of
from verify.spec.model import Clause
from verify.spec.pack import LoadedPack
from verify.spec.resolve import Stated
from verify.spec.select import one_claim, one_clause


@click.command()
@click.argument("name", metavar="ID|NAME")
@known_options
def command(name: str, pack_dir: Path | None, reports: Path, evidence_dir: Path) -> None:
    """Explain a clause or a claim: what it says, what it rests on, last evidence, what is missing.

    A clause: statement, sources, tolerance, falsifiers, how to mend it. A claim: its sentences,
    what they need, what may be said now and the shortest way to more. A check, a mutant, a fact
    (AUTHORITY:TOPIC) or a topic: where it stands, and the clauses and claims that rest on it.
    """
    loaded = sound_pack(pack_dir)
    lines = explain_name(name, loaded)
    if lines:
        click.echo("\n".join(map(printable, lines)))
        return
    now = known(loaded, reports, evidence_dir).intact()
    if name.startswith("CLAIM"):
        lines = explain_claim(one_claim(loaded.pack, name), loaded.pack, now)
    else:
        clause = one_clause(loaded.pack, name)
        lines = [*_stated(clause, loaded), *_last(name, now, reports, loaded)]
    for line in lines:
        click.echo(printable(line))
    tell(now, reports)


def _stated(clause: Clause, loaded: LoadedPack) -> list[str]:
    required = "required" if clause.required else "not required"
    budget = f"{clause.budget.seconds:g} s, {clause.budget.memory_mb} MB"
    tolerance, stated = clause.tolerance, loaded.where(clause)
    allowed = "exact" if tolerance.exact else f"{tolerance.value:g} {tolerance.unit}".strip()
    return [
        f"{clause.id}  {clause.statement}",
        "",
        f"kind        {clause.kind}, {clause.severity}, {required}",
        f"weight      {points_of(stated.contract, clause)} points",
        f"stands in   {stated.document.file}:{stated.line}",
        *_inherited(stated),
        *_check(clause, loaded),
        f"budget      {budget}",
        f"tolerance   {allowed}",
        f"  basis     {tolerance.basis}",
        *_sources(clause, loaded),
        *_falsifiers(clause, loaded),
        *_depending(clause, loaded),
        f"remedy      {clause.remedy}",
        "",
    ]


def _inherited(stated: Stated) -> list[str]:
    """Which keys the clause has from its table and from the contract's defaults, and where."""
    groups: dict[tuple[str, int], list[str]] = {}
    for key, path in stated.origins.items():
        if path[:-1] != stated.path:
            source = "defaults" if path[0] == "defaults" else "its table"
            line = stated.document.locate(path, key=True)[0]
            groups.setdefault((source, line), []).append(key)
    return [
        f"  from      {source}, line {line}: {', '.join(keys)}"
        for (source, line), keys in sorted(groups.items(), key=lambda item: item[0][1])
    ]


def _check(clause: Clause, loaded: LoadedPack) -> list[str]:
    if clause.check is None:
        place = place_of_fact(clause.fact or "", loaded)
        return [f"field       {clause.field}, expected value from {clause.fact}{place}"]
    lines = [f"check       {clause.check}{defined(loaded.bindings.find('check', clause.check))}"]
    return lines + ([f"params      {json.dumps(clause.params)}"] if clause.params else [])


def _sources(clause: Clause, loaded: LoadedPack) -> list[str]:
    told = (stated_fact(source, loaded) for source in clause.sources)
    return ["sources", *(f"  {line}" for line in told if line)]


def _falsifiers(clause: Clause, loaded: LoadedPack) -> list[str]:
    found = [(f.label, loaded.bindings.find("mutant", f.mutant)) for f in clause.falsifiers]
    return ["falsifiers", *(f"  {label}{defined(binding)}" for label, binding in found)]


def _depending(clause: Clause, loaded: LoadedPack) -> list[str]:
    """Conflicts that touch its sources, claims that rest on it, and a waiver."""
    topics = {source.partition(":")[2] for source in clause.sources}
    lines = [
        f"conflict    {conflict.id}: {conflict.summary} ({conflict.decision})"
        for conflict in loaded.pack.conflicts
        if conflict.topic in topics
    ]
    claims = claims_on([clause], loaded)
    lines += [f"claims      {' '.join(claims)}"] if claims else []
    return lines + [
        f"waiver      by {waiver.owner} until {waiver.expires}: {waiver.reason}"
        for waiver in loaded.pack.waivers
        if waiver.clause == clause.id
    ]


def _last(clause_id: str, now: Known, reports: Path, loaded: LoadedPack) -> list[str]:
    produces = f"`verify run {clause_id}` produces it"
    if now.report is None or clause_id not in now.sources:
        why = now.stale.get(clause_id)
        found = f"none that is current: {why}" if why else f"none in {reports}"
        return [f"evidence    {found}; {produces}"]
    report = now.report
    (clause,) = (clause for clause in report.clauses if clause.id == clause_id)
    runs = report.falsifiers_of(clause_id)
    killed = sum(run.killed for run in runs)
    return [
        f"evidence    {now.sources[clause_id]}, subject {report.about['subject']}",
        f"  outcome   {clause.outcome} ({clause.cause}), measured "
        f"{measured(clause)}, falsifiers {killed}/{len(runs)}",
        f"  because   {clause.reason}",
        *_signed(clause, loaded),
    ]


def _signed(clause: ClauseView, loaded: LoadedPack) -> Iterator[str]:
    """The records that its number comes from, and whether a key of the pack stands for each."""
    for one in read_backing(clause.backing):
        why = shortfall([one], loaded.pack.trust)
        said = why or f"{one.record}: signed by {signer(one, loaded.pack.trust).short}"
        yield f"  rests on  {said}"
