"""`verify mutate`: what share of mistakes that nobody chose do the clauses notice?"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from verify import clock
from verify.commands.common import (
    SELECTORS,
    audited_subject,
    evidence_option,
    pack_option,
    reports_option,
    require_beside,
    sound_pack,
    stopping,
)
from verify.files import write
from verify.mutate import record as records
from verify.mutate.equivalents import recorded
from verify.mutate.judge import Code, Found, Kept, Trial, try_all
from verify.mutate.rate import FOLDER, Rate
from verify.mutate.reach import Finder, Reach, digest, judging
from verify.problems import NothingSelectedError, UsageError
from verify.report.words import printable
from verify.run.environment import environment
from verify.run.keys import question
from verify.run.profiles import PROFILES
from verify.run.tasks import make_task
from verify.spec.digests import digests, evaluations_digest, files_below, harness_digest
from verify.spec.pack import LoadedPack
from verify.spec.places import named
from verify.spec.select import select
from verify.spec.sources import HARNESS

SHOWN = 20


@click.command(epilog=SELECTORS)
@click.argument("selectors", nargs=-1, metavar="[SELECTOR]...")
@pack_option
@reports_option
@evidence_option
@click.option(
    "--files", "patterns", multiple=True, metavar="GLOB", help="Only code of these files."
)
@click.option(
    "--change",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only the change of this name, as it was listed; may be repeated. No rate is recorded.",
)
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Try N changes [default: all].")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides which are drawn.")
@click.option("--budget", type=click.FloatRange(0, min_open=True), metavar="MINUTES",
              help="Begin no change after this long; a second call goes on.")  # fmt: skip
@click.option("--profile", type=click.Choice(list(PROFILES)), default="default", show_default=True)
@click.option("--subject", metavar="NAME", help="Implementation to audit [default: the pack's].")
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=max(1, min(8, os.cpu_count() or 1)),
    show_default="one a core",
    help="Worker processes.",
)
def command(
    selectors: tuple[str, ...], pack_dir: Path | None, reports: Path, evidence_dir: Path,
    patterns: tuple[str, ...], sample: int | None, seed: int, budget: float | None, profile: str,
    subject: str | None, jobs: int, names: tuple[str, ...],
) -> int:  # fmt: skip
    """Change the code under test in one place at a time, and see whether a clause turns red.

    The files on the disk stay as they are. Each change is judged by the clauses, of those selected,
    that run its lines, the cheapest first, until one does not pass. What survives is listed with
    its diff and the nearest clauses. Exit code 0 whatever the rate is: a claim may ask for one.
    """
    began = time.monotonic()
    loaded = sound_pack(pack_dir)
    require_beside(loaded, reports)
    clauses = judging(select(loaded.pack, selectors))
    if not clauses:
        raise NothingSelectedError("found no clause that runs code; remedy: other selectors")
    name = audited_subject(loaded, subject)
    places = _places(loaded, patterns)
    code = Code(loaded.root, places, patterns)
    folder = reports / FOLDER
    kind = digest([profile, name, [place.name for place in places]])[:8]
    judges = {one.id: one for one in judging(loaded.pack.clauses)}
    every = {one.id: make_task(loaded, one, None, subject=name, seed=0, examples=PROFILES[profile],
                               evidence_dir=evidence_dir)
             for one in judges.values()}  # fmt: skip
    tasks = {clause.id: every[clause.id] for clause in clauses}
    about = [kind, harness_digest(), environment(), evaluations_digest(evidence_dir)]
    asked = {id_: digest([*about, question(judges[id_], task)]) for id_, task in every.items()}
    with stopping() as stop:
        finder = Finder(loaded.root, places, folder / f"reach-{kind}.json", asked)
        reach = finder.find(list(tasks.values()), jobs, stop, _reached(len(tasks)))
        left_out = _left_out(loaded, code, reach)
        drawn = code.named(names) if names else code.draw(seed, sample, left_out)
        ends = None if budget is None else began + 60 * budget
        trial = Trial(loaded.root, code, reach, judges, tasks, ends)
        kept = Kept(folder / f"tried-{kind}.jsonl")
        found = try_all(trial, drawn, kept, jobs, stop, _tried(jobs))
    if names:  # chosen, not drawn: no rate comes of them
        return _judged(found, len(drawn))
    equivalent = sum(one.name in recorded(loaded) for one in code.mutants)
    described = {
        "pack": loaded.pack.manifest.pack, "subject": name, "digests": digests(loaded),
        "finished": clock.now().isoformat(timespec="milliseconds"),
        "seed": seed, "profile": profile,
        "patterns": list(patterns), "selectors": list(selectors), "drawn": len(drawn),
        "universe": len(code.mutants), "equivalent": equivalent, "clauses": len(reach.clauses),
        "not_green": [one.clause for one in reach.clauses.values() if one.outcome != "pass"],
    }  # fmt: skip
    whole = records.record(described, found)
    place = folder / f"{clock.now().strftime('%Y%m%dT%H%M%S.%fZ')}-{digest(whole)[:8]}.json"
    write(place, json.dumps(whole, indent=1) + "\n")
    _show(whole, found, place)
    return 0 if len(found) == len(drawn) else 3


def _places(loaded: LoadedPack, patterns: Sequence[str]) -> list[Path]:
    """The code of the manifest; the harness too where it lies in the pack and is asked for."""
    found = ((loaded.root / name, named(loaded.root, name)) for name in loaded.pack.manifest.code)
    places = [here if here.exists() or beside is None else beside for here, beside in found]
    if HARNESS.is_relative_to(loaded.root) and any(one.startswith("verify") for one in patterns):
        places.append(HARNESS)
    if not any(True for place in places for _ in files_below(place)):
        raise UsageError(
            "contracts/pack.yaml: found no file under `code`; expected the code that the clauses "
            "are about; remedy: list its folders there"
        )
    return places


def _left_out(loaded: LoadedPack, code: Code, reach: Reach) -> dict[str, object]:
    """Equivalent ones, and those of files that the worker itself is made of."""
    own = {label for label, path in code.paths.items() if str(path.resolve()) in reach.own}
    if own:
        click.echo(
            f"note: not tried, for every worker runs them: {', '.join(sorted(own))}", err=True
        )
    return {**recorded(loaded), **{one.name: one for one in code.mutants if one.file in own}}


def _reached(total: int) -> Callable[[str, int], None]:
    def tell(what: str, left: int) -> None:
        click.echo(f"reach {total - left}/{total} {what}", err=True)

    return tell


def _tried(jobs: int) -> Callable[[Found, int], None]:
    """Progress, with the time left by the mean of what was tried."""
    began, done = time.monotonic(), [0]

    def tell(found: Found, left: int) -> None:
        done[0] += 1
        rest = (time.monotonic() - began) / done[0] * left
        by = f" by {found.clause}" if found.clause else ""
        where = f"{found.file}:{found.line} {found.operator}"
        click.echo(printable(f"{found.fate}{by}: {where}; {left} left, {rest:.0f} s"), err=True)

    return tell


def _judged(found: Sequence[Found], asked: int) -> int:
    """What became of changes that were chosen -> the exit code."""
    for one in found:
        _tell_one(one)
        if one.reason:
            click.echo(f"    {printable(one.reason)}")
    return 0 if len(found) == asked else 3


def _tell_one(one: Found) -> None:
    by = f" by {one.clause}" if one.clause else ""
    head = f"{one.fate.upper()}{by} {one.mutant} {one.file}:{one.line} {one.operator}"
    click.echo(printable(head))
    for line in one.diff.splitlines()[2:]:
        click.echo(f"    {printable(line)}")
    if not one.fate.noticed:
        click.echo(f"    nearest: {' '.join(one.nearest) or 'no clause runs this file'}")


def _show(whole: dict[str, Any], found: Sequence[Found], place: Path) -> None:
    for one in [one for one in found if not one.fate.noticed][:SHOWN]:
        _tell_one(one)
    for name, counts in whole["files"].items():
        click.echo(f"{name}: {Rate(**counts).line()}")
    missing = whole["drawn"] - len(found)
    cut = f"; {missing} drawn were not tried, call again to go on" if missing else ""
    counted = records.rate(found).line()
    click.echo(f"recorded in {place}")
    click.echo(f"noticed {counted}; of {whole['universe']} changes, {whole['equivalent']} "
               f"equivalent, seed {whole['seed']}{cut}")  # fmt: skip
