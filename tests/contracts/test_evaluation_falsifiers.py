"""Each clause on metrics, sampling and records passes and is turned red by each falsifier."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from verify.api import CheckContext, Measurement, Outcome, registered

ROOT = Path(__file__).parents[2]
MODULES = [
    importlib.import_module(f"contracts.bindings.{path.stem}")
    for pattern in ("metrics*.py", "evaluation*.py")
    for path in sorted((ROOT / "contracts" / "bindings").glob(pattern))
]
REGISTERED = {
    (entry.role, entry.name): function
    for module in MODULES
    for function in vars(module).values()
    for entry in registered(function)
}
FACTS = {
    f"{authority}:{topic}": fact.get("value", fact.get("says"))
    for path in sorted((ROOT / "specs" / "facts").glob("*.yaml"))
    for topic, entry in yaml.safe_load(path.read_text())["topics"].items()
    for authority, fact in entry["facts"].items()
}
CLAUSES = [
    clause
    for name in ("metrics", "evaluation")
    for clause in yaml.safe_load((ROOT / "contracts" / f"{name}.yaml").read_text())["clauses"]
]
# These ask for records that only a run at the paper's scale can give; they have their own tests.
WITHOUT_RECORDS = [clause for clause in CLAUSES if not clause["check"].startswith("evaluation.")]
FALSIFIERS = [(clause, f) for clause in WITHOUT_RECORDS for f in clause["falsifiers"]]


def run(clause: dict[str, Any], *, falsifying: bool = False, seed: int = 0) -> Measurement:
    context = CheckContext(
        clause_id=clause["id"],
        subject=None,
        params=clause.get("params", {}),
        tolerance=clause["tolerance"].get("value"),
        facts={source: FACTS[source] for source in clause["sources"]},
        specs_dir=ROOT / "specs",
        seed=seed,
        examples=25,
        falsifying=falsifying,
    )
    found: Measurement = REGISTERED["check", clause["check"]](context)
    return found


def label(value: dict[str, Any]) -> str:
    if "id" in value:
        return str(value["id"])
    return f"{value['mutant']}({','.join(f'{v}' for v in value.get('with', {}).values())})"


@pytest.mark.parametrize("clause", WITHOUT_RECORDS, ids=label)
def test_the_engine_keeps_the_clause(clause: dict[str, Any]) -> None:
    measurement = run(clause)
    assert measurement.outcome is Outcome.PASS, measurement.reason


@pytest.mark.parametrize(("clause", "falsifier"), FALSIFIERS, ids=label)
def test_the_planted_fault_turns_the_clause_red(
    clause: dict[str, Any], falsifier: dict[str, Any]
) -> None:
    plant = REGISTERED["mutant", falsifier["mutant"]]
    with plant(None, **falsifier.get("with", {})):
        measurement = run(clause, falsifying=True)
    assert measurement.outcome is Outcome.FAIL, measurement.reason


def test_every_mutant_is_some_clauses_falsifier() -> None:
    used = {f["mutant"] for clause in CLAUSES for f in clause["falsifiers"]}
    assert used == {name for role, name in REGISTERED if role == "mutant"}


def test_every_check_is_asked_for_by_some_clause() -> None:
    used = {clause["check"] for clause in CLAUSES}
    assert used == {name for role, name in REGISTERED if role == "check"}
