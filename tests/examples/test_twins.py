"""The twins: a simulation in Python and in C, under one pack, with every planted mistake named."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from verify.harness import run

ROOT = Path(__file__).parents[2]
TWINS = ROOT / "examples/twins"
SPECIFICATION = ("STEPS-001", "STEPS-002", "STEPS-003", "STEPS-004")
MUTANTS = runpy.run_path(str(TWINS / "contracts/steps/mutants.py"))
FAULTS: dict[str, tuple[str, str]] = MUTANTS["FAULTS"]


@pytest.fixture(scope="module")
def rover() -> Any:
    """The modules of the example."""
    sys.path.insert(0, str(TWINS))
    try:
        from rover import compare, native, pcg32, reference, suites  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(TWINS))
    return {"compare": compare, "native": native, "pcg32": pcg32, "reference": reference,
            "suites": suites}  # fmt: skip


def verify(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "verify", *words], cwd=TWINS, capture_output=True, text=True,
        check=False, env={**os.environ, **environ},
    )  # fmt: skip


def test_ten_seeds_by_three_suites_agree_and_every_planted_mistake_is_seen(tmp_path: Path) -> None:
    report = run(TWINS, reports=tmp_path)
    assert report.verdict.word == "GO", report.verdict.line
    tried = {r.label for r in report.falsifiers if r.label.startswith("steps.fault") and r.killed}
    assert tried == {f"steps.fault(name={name})" for name in FAULTS}
    assert len(FAULTS) == 20
    scopes = {claim.claim: str(claim.scope) for claim in report.claims}
    assert scopes == {"CLAIM-TWIN": "allowed", "CLAIM-TWIN-1-0": "allowed"}


@pytest.mark.parametrize("name", FAULTS)
def test_the_first_step_and_the_first_field_of_a_mistake_are_named(rover: Any, name: str) -> None:
    source = rover["native"].SOURCE.read_text(encoding="utf-8").replace(*FAULTS[name])
    shown = 0
    for suite, seed in product(rover["suites"].SUITES, range(10)):
        actions, twins = _twins(rover, suite, seed, source)
        found = rover["compare"].first_mismatch(*twins(), actions)
        told = [list(rover["compare"].moments(one, actions)) for one in twins()]
        apart = [k for k, (a, b) in enumerate(zip(*told, strict=True)) if a != b]
        assert (found is None) == (not apart)
        if found is not None:
            one, other = (moments[apart[0]] for moments in told)
            first = next(field for field in one if one[field] != other[field])
            assert (found.moment, found.step, found.field) == (apart[0], one["steps"], first)
            assert (found.expected, found.found) == (one[first], other[first])
            shown += 1
    assert shown, "no suite shows it"


def _twins(rover: Any, suite: str, seed: int, source: str) -> tuple[list[int], Callable[[], Any]]:
    """Actions, and what makes a fresh reference and a fresh twin."""
    fuel = rover["suites"].FUELS[suite]

    def twins() -> tuple[Any, Any]:
        native = rover["native"].NativeRover(seed, fuel, source=source)
        return rover["reference"].Rover(seed, fuel), native

    return rover["suites"].actions(suite, seed), twins


def test_a_mismatch_leaves_a_bundle_that_plays_again(rover: Any, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.c"
    source = rover["native"].SOURCE.read_text(encoding="utf-8")
    wrong.write_text(source.replace(*FAULTS["damage_counts_craters"]), encoding="utf-8")
    for seed in range(10):
        actions, twins = _twins(rover, "scripted", seed, wrong.read_text(encoding="utf-8"))
        if found := rover["compare"].first_mismatch(*twins(), actions):
            break
    fuel = rover["suites"].FUELS["scripted"]
    about = {"suite": "scripted", "seed": seed, "fuel": fuel, "subject": "c"}
    for name, data in rover["compare"].bundle(*twins(), actions, found, about).items():
        (tmp_path / name).write_bytes(data)
    said = json.loads((tmp_path / "mismatch.json").read_text(encoding="utf-8"))
    assert said["mismatch"]["field"] == "damage"
    assert len((tmp_path / "twin.jsonl").read_text().splitlines()) == found.moment + 1

    command = [sys.executable, "replay.py", str(tmp_path / "mismatch.json")]
    again = subprocess.run(
        [*command, "--source", str(wrong)], cwd=TWINS, capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert "damage" in again.stdout
    assert found.sentence in again.stdout
    mended = subprocess.run(command, cwd=TWINS, capture_output=True, text=True, check=False)
    assert (mended.returncode, mended.stdout.splitlines()[-1]) == (0, "they agree now")


def test_the_defect_of_version_1_0_is_not_go_and_its_shim_says_nothing_of_the_specification(
    tmp_path: Path,
) -> None:
    old = run(TWINS, reports=tmp_path, subject="c-1.0", falsify=False)
    red = {clause.id: clause.reason for clause in old.clauses if clause.outcome == "fail"}
    assert set(red) == {"STEPS-001", "STEPS-002", "STEPS-003"}
    assert all("step 0, spin: found" in reason for reason in red.values())
    shim = run(TWINS, reports=tmp_path, subject="c-1.0-shimmed")
    outcomes = {clause.id: str(clause.outcome) for clause in shim.clauses}
    assert {outcomes[name] for name in SPECIFICATION} == {"unknown"}
    assert outcomes["STEPS-010"] == "pass"
    assert {str(claim.scope) for claim in shim.claims if claim.claim == "CLAIM-TWIN"} == {"denied"}


def test_evidence_under_the_shim_cannot_be_named_for_the_specification(tmp_path: Path) -> None:
    copy = tmp_path / "twins"
    shutil.copytree(TWINS, copy)
    claims = copy / "contracts/claims.yaml"
    widened = claims.read_text(encoding="utf-8").replace("STEPS-004,", "STEPS-004, STEPS-010,")
    claims.write_text(widened, encoding="utf-8")
    done = verify("lint", "--pack", str(copy))
    assert done.returncode == 2
    assert "STEPS-010 is about carry-over" in done.stderr


def test_without_a_compiler_the_twin_is_unknown_and_the_reason_says_so(tmp_path: Path) -> None:
    done = verify(
        "run", "--pack", ".", "--reports", str(tmp_path), "STEPS-001", CC="no-such-compiler"
    )
    assert done.returncode == 3
    assert "found no C compiler (no-such-compiler); expected one on the path" in done.stdout


def test_both_generators_give_the_published_numbers(rover: Any) -> None:
    known = [0xA15C02B7, 0x7B47F409, 0xBA1D3330, 0x83D2F293, 0xBFA4784B, 0xCBED606E]
    stream = rover["pcg32"].Pcg32(42, 54)
    assert [stream.draw() for _ in known] == known
    assert rover["native"].first_draws(42, 54, len(known)) == known
