"""Each clause about alpha, schedule and queues passes on the engine and is turned red by each of
its falsifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.bindings import cfg, queue, queue_mutants, schedule
from contracts.bindings.subjects import drift_subject
from verify.api import CheckContext, Outcome, registered

ROOT = Path(__file__).parents[2]
MODULES = {"cfg": (cfg,), "schedule": (schedule,), "queue": (queue, queue_mutants)}


def clauses(area: str) -> list[dict[str, Any]]:
    return yaml.safe_load((ROOT / "contracts" / f"{area}.yaml").read_text())["clauses"]


def named(area: str, role: str, name: str) -> Any:
    for module in MODULES[area]:
        for function in vars(module).values():
            if any((e.role, e.name) == (role, name) for e in registered(function)):
                return function
    raise AssertionError(f"{area} registers no {role} {name}")


def run(area: str, clause: dict[str, Any], *, falsifying: bool) -> Any:
    context = CheckContext(
        clause_id=clause["id"],
        subject=drift_subject(),
        params=clause.get("params", {}),
        tolerance=clause["tolerance"].get("value"),
        facts={},
        specs_dir=ROOT / "specs",
        falsifying=falsifying,
    )
    return named(area, "check", clause["check"])(context)


ALL = [(area, clause) for area in MODULES for clause in clauses(area)]
PLANTED = [(area, clause, falsifier) for area, clause in ALL for falsifier in clause["falsifiers"]]


@pytest.mark.parametrize(("area", "clause"), ALL, ids=[c["id"] for _, c in ALL])
def test_the_engine_keeps_the_clause(area: str, clause: dict[str, Any]) -> None:
    measurement = run(area, clause, falsifying=False)
    assert measurement.outcome is Outcome.PASS, measurement.reason


PLANTED_IDS = [f"{clause['id']}-{falsifier['mutant']}" for _, clause, falsifier in PLANTED]


@pytest.mark.parametrize(("area", "clause", "falsifier"), PLANTED, ids=PLANTED_IDS)
def test_the_planted_fault_turns_the_clause_red(
    area: str, clause: dict[str, Any], falsifier: dict[str, Any]
) -> None:
    with named(area, "mutant", falsifier["mutant"])(drift_subject()):
        measurement = run(area, clause, falsifying=True)
    assert measurement.outcome is Outcome.FAIL, measurement.reason
