"""Each clause about the generator passes on the engine and is turned red by each falsifier."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from contracts.bindings.subjects import ENGINE, ModuleSubject
from verify.api import CheckContext, Measurement, Outcome, registered

ROOT = Path(__file__).parents[2]
MODULES = [
    importlib.import_module(f"contracts.bindings.{path.stem}")
    for path in sorted((ROOT / "contracts" / "bindings").glob("generator*.py"))
]
CLAUSES = yaml.safe_load((ROOT / "contracts" / "generator.yaml").read_text())["clauses"]
FALSIFIERS = [(clause, falsifier) for clause in CLAUSES for falsifier in clause["falsifiers"]]
TOTALS = {
    "ablation": 132_708_880,
    "B2": 132_708_880,
    "L2": 462_909_456,
    "B16": 133_864_704,
    "L16": 464_450_304,
}
SUBJECT = ModuleSubject(
    "drift",
    {
        **ENGINE,
        "apply_rope": ("drift.generator.attention", "apply_rope"),
        "generator_to_reference": ("drift.interop.generator_layout", "generator_to_reference"),
    },
)


def named(role: str, name: str) -> Any:
    found = [f for module in MODULES for f in _registered(module, role, name)]
    assert found, f"no {role} {name}"
    return found[0]


def _registered(module: ModuleType, role: str, name: str) -> list[Any]:
    return [
        function
        for function in vars(module).values()
        if any((entry.role, entry.name) == (role, name) for entry in registered(function))
    ]


def run(clause: dict[str, Any], *, falsifying: bool = False, seed: int = 0) -> Measurement:
    context = CheckContext(
        clause_id=clause["id"],
        subject=SUBJECT,
        params=clause.get("params", {}),
        tolerance=clause["tolerance"].get("value"),
        facts={"reference:generator.parameters": TOTALS},
        specs_dir=ROOT / "specs",
        seed=seed,
        examples=20,
        falsifying=falsifying,
    )
    return named("check", clause["check"])(context)


def label(value: object) -> str:
    if isinstance(value, dict) and "id" in value:
        return str(value["id"])
    if isinstance(value, dict):
        arguments = ",".join(f"{v}" for v in value.get("with", {}).values())
        return f"{value['mutant']}({arguments})"
    return str(value)


@pytest.mark.parametrize("clause", CLAUSES, ids=label)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_engine_keeps_the_clause(clause: dict[str, Any], seed: int) -> None:
    measurement = run(clause, seed=seed)
    assert measurement.outcome is Outcome.PASS, measurement.reason


@pytest.mark.parametrize(("clause", "falsifier"), FALSIFIERS, ids=label)
def test_the_planted_fault_turns_the_clause_red(
    clause: dict[str, Any], falsifier: dict[str, Any]
) -> None:
    plant = named("mutant", falsifier["mutant"])
    with plant(SUBJECT, **falsifier.get("with", {})):
        measurement = run(clause, falsifying=True)
    assert measurement.outcome is Outcome.FAIL, measurement.reason


@pytest.mark.parametrize("falsifier", [f for _, f in FALSIFIERS], ids=label)
def test_a_planted_fault_is_gone_afterwards(falsifier: dict[str, Any]) -> None:
    before = _sources()
    with named("mutant", falsifier["mutant"])(SUBJECT, **falsifier.get("with", {})):
        assert _sources() != before
    assert _sources() == before


def test_every_mutant_is_some_clauses_falsifier() -> None:
    used = {falsifier["mutant"] for _, falsifier in FALSIFIERS}
    known = {
        entry.name
        for module in MODULES
        for function in vars(module).values()
        for entry in registered(function)
        if entry.role == "mutant"
    }
    assert known == used


def _sources() -> dict[str, Any]:
    """Every name of the engine's generator, and every attribute of its classes and tables."""
    from drift.generator import (
        attention,
        blocks,
        checks,
        condition,
        config,
        init,
        layers,
        model,
        tokens,
    )
    from drift.interop import generator_layout, layout

    homes = [attention, blocks, checks, condition, config, init, layers, model, tokens]
    homes += [generator_layout, layout]
    found: dict[str, Any] = {}
    for home in homes:
        for name, value in vars(home).items():
            if isinstance(value, type) and value.__module__.startswith("drift."):
                found |= {f"{home.__name__}.{name}.{n}": v for n, v in vars(value).items()}
            found[f"{home.__name__}.{name}"] = (
                dict(value) if isinstance(value, dict) and name.isupper() else value
            )
    return {name: value for name, value in found.items() if "__builtins__" not in name}
