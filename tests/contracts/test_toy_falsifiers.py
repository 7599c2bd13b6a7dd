"""Each clause about toy runs passes on the engine and is turned red by each of its falsifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.bindings import digits, toy, toy_mutants
from contracts.bindings.subjects import drift_subject
from verify.api import CheckContext, Outcome, registered

ROOT = Path(__file__).parents[2]
CLAUSES = [
    clause
    for area in ("toy", "digits")
    for clause in yaml.safe_load((ROOT / "contracts" / f"{area}.yaml").read_text())["clauses"]
]
PLANTED = [(clause, planted) for clause in CLAUSES for planted in clause["falsifiers"]]
PLANTED_IDS = [f"{clause['id']}-{planted['mutant']}" for clause, planted in PLANTED]


def named(role: str, name: str) -> Any:
    for module in (toy, digits, toy_mutants):
        for function in vars(module).values():
            if any((e.role, e.name) == (role, name) for e in registered(function)):
                return function
    raise AssertionError(f"no {role} {name}")


def run(clause: dict[str, Any], *, falsifying: bool) -> Any:
    context = CheckContext(
        clause_id=clause["id"],
        subject=drift_subject(),
        params=clause.get("params", {}),
        tolerance=clause["tolerance"].get("value"),
        facts={},
        specs_dir=ROOT / "specs",
        falsifying=falsifying,
    )
    return named("check", clause["check"])(context)


@pytest.mark.parametrize("clause", CLAUSES, ids=[clause["id"] for clause in CLAUSES])
def test_the_engine_keeps_the_clause(clause: dict[str, Any]) -> None:
    measurement = run(clause, falsifying=False)
    assert measurement.outcome is Outcome.PASS, measurement.reason
    if clause["kind"] == "metric":
        assert measurement.axis == clause["axis"] == "proxy"


@pytest.mark.parametrize(("clause", "planted"), PLANTED, ids=PLANTED_IDS)
def test_the_planted_fault_turns_the_clause_red(
    clause: dict[str, Any], planted: dict[str, Any]
) -> None:
    with named("mutant", planted["mutant"])(drift_subject()):
        measurement = run(clause, falsifying=True)
    assert measurement.outcome is Outcome.FAIL, measurement.reason
