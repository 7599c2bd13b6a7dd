"""Records: what a test run or a benchmark left behind, bound to the files it was about.

A record says which files it covers by their digest, taken before and after; a record of other files
is stale and counts for nothing. Ratios are kept one by one, and the figures that a gate judges are
computed from them anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from verify import clock, strict_json
from verify.files import write
from verify.outcome import Outcome
from verify.problems import UsageError
from verify.release.finding import Finding, Run, failed, passed, unknown
from verify.release.model import ByBenchmark, ByTests, Gate, Machine, Ratios, Record, TestCounts
from verify.release.situation import Situation
from verify.spec.digests import files_below, files_digest
from verify.spec.places import inside, read_text

# Standard output is for the result; what the tests print goes to standard error.
STDERR = 2


def benchmark(gate: Gate, by: ByBenchmark, now: Situation) -> Finding:
    """Median ratio at or above the floor, of enough pairs that agree with each other."""
    record = _fresh(gate, by, now)
    if isinstance(record, Finding):
        return record
    if record.benchmark is None:
        return unknown(f"{by.record} holds no ratios")
    median, spread = figures(record.benchmark.ratios)
    count = len(record.benchmark.ratios)
    said = f"median ratio {median:.3g} of {count} pairs, spread {spread:.2g}"
    if count < by.least:
        return unknown(f"{said}: fewer than {by.least} pairs")
    if spread > by.max_spread:
        return unknown(f"{said}, above {by.max_spread:g}: measure on a quieter machine")
    if median < by.floor.value:
        return failed(f"{said}, below the floor {by.floor.value:g}")
    return passed(f"{said}, floor {by.floor.value:g}, {record.machine.cores} cores")


def tests(gate: Gate, by: ByTests, now: Situation) -> Finding:
    """Every test of enough of them passed, and none was left out."""
    record = _fresh(gate, by, now)
    if isinstance(record, Finding):
        return record
    if record.tests is None:
        return unknown(f"{by.record} holds no counts of tests")
    found = record.tests
    said = (
        f"{found.tests} tests, {found.failures} failed, {found.errors} errors, {found.skipped} "
        f"skipped, exit status {found.exit_status}"
    )
    if found.exit_status or found.failures or found.errors or found.skipped:
        return failed(said)
    if found.tests < by.least:
        return unknown(f"{said}: expected at least {by.least}")
    return passed(said)


def figures(ratios: Sequence[float]) -> tuple[float, float]:
    """(median, interquartile range over median)."""
    if len(ratios) < 2:
        return ratios[0], 0.0
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return middle, (high - low) / middle


def make(gate: Gate, now: Situation, run: Run) -> tuple[Path, Record]:
    """Measure or run the tests now, and write the record; raises UsageError where it cannot."""
    by = gate.by
    if not isinstance(by, ByBenchmark | ByTests):
        raise UsageError(f"--record: the gate {gate.id} rests on no record; remedy: {gate.close}")
    before = covered(by, now)
    if isinstance(by, ByTests):
        tested, measured = run_tests(by, now.root), None
    else:
        tested, measured = None, _measure(gate, by, run)
    if covered(by, now) != before:
        raise UsageError(f"--record {gate.id}: the files it covers changed meanwhile; run it again")
    record = Record(
        schema_="verify/record/1",
        gate=gate.id,
        covered=before,
        inputs=_inputs(by),
        recorded=clock.now().isoformat(timespec="seconds"),
        machine=_machine(),
        tests=tested,
        benchmark=measured,
    )
    path = _place(by, now)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, record.model_dump_json(by_alias=True, indent=1) + "\n")
    return path, record


def run_tests(by: ByTests, root: Path) -> TestCounts:
    """Run the command in the root, without a shell; what it says is read from its JUnit file."""
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder) / "junit.xml"
        words = {"{python}": sys.executable, "{junit}": str(junit)}
        command = [_put_in(part, words) for part in by.command]
        # Options from the environment could leave tests out, and the record would not say so.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        try:
            done = subprocess.run(
                command, cwd=root, stdout=STDERR, check=False, timeout=by.minutes * 60, env=kept
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"the test command did not end: {error}") from None
        return TestCounts(exit_status=done.returncode, **_counts(junit))


def covered(by: ByBenchmark | ByTests, now: Situation) -> str:
    """Digest of names and contents of the files a record is about; raises UsageError for none."""
    paths = sorted({path for name in by.covers for path in _below(name, now.root)})
    return files_digest(paths, now.root)


def _below(name: str, root: Path) -> Iterator[Path]:
    place = inside(root, name)
    if place is None or not place.exists():
        raise UsageError(f"{name}: found nothing there; expected what a record covers")
    yield from (path for path in files_below(place) if not path.name.endswith(".pyc"))


def _fresh(gate: Gate, by: ByBenchmark | ByTests, now: Situation) -> Record | Finding:
    """The record of a gate, if it is about the present files and the present question."""
    path = _place(by, now)
    if not path.exists():
        return unknown(f"there is no record {by.record}")
    text = read_text(path, by.record)
    if not isinstance(text, str):
        return unknown(f"{by.record}: {text.found}")
    try:
        record = Record.model_validate_json(json.dumps(strict_json.loads(text)))
    except ValidationError as error:
        return unknown(f"{by.record} is no record: {error.error_count()} problems")
    except ValueError as error:
        return unknown(f"{by.record} is no record: found {error}")
    if record.gate != gate.id:
        return unknown(f"{by.record} is a record of {record.gate}")
    if record.inputs != _inputs(by):
        return unknown(f"{by.record} is stale: the gate asks for something else now")
    try:
        now_covered = covered(by, now)
    except UsageError as error:
        return unknown(str(error))
    if record.covered != now_covered:
        return unknown(f"{by.record} is stale: {', '.join(by.covers)} changed since")
    return record


def _place(by: ByBenchmark | ByTests, now: Situation) -> Path:
    """Records lie below the folder of reports, wherever that is."""
    return now.reports / by.record


def _inputs(by: ByBenchmark | ByTests) -> str:
    """Digest of the question: what was measured, not how good it has to be."""
    whole = by.model_dump(mode="json")
    asked = {name: whole.get(name) for name in ("kind", "covers", "check", "params", "command")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _measure(gate: Gate, by: ByBenchmark, run: Run) -> Ratios:
    verdict = run(gate.id, by.check, by.params, by.budget)
    if verdict.outcome is not Outcome.PASS:
        raise UsageError(f"--record {gate.id}: the check {by.check} says {verdict.reason}")
    details = dict(verdict.details)
    try:
        return Ratios.model_validate_json(
            json.dumps({"ratios": details.pop("ratios", None), "details": details})
        )
    except ValidationError as error:
        raise UsageError(f"--record {gate.id}: {by.check} gave no ratios: {error}") from None


def _counts(junit: Path) -> dict[str, int]:
    """Sums over the suites of a JUnit file; nothing where there is none, which is never a pass."""
    names = ("tests", "failures", "errors", "skipped")
    try:
        suites = list(ET.parse(junit).getroot().iter("testsuite"))
        return {name: sum(int(suite.get(name, "0")) for suite in suites) for name in names}
    except (OSError, ET.ParseError, ValueError):
        return dict.fromkeys(names, 0)


def _put_in(part: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        part = part.replace(word, value)
    return part


def _machine() -> Machine:
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        platform=platform.platform(),
        python=platform.python_version(),
    )


def _processor() -> str:
    """The model's name where the system tells it (Linux), else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
