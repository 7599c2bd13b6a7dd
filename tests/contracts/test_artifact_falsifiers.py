"""Each clause about artefacts passes on the engine and is turned red by each of its falsifiers."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from verify.api import CheckContext, Measurement, Outcome, registered

ROOT = Path(__file__).parents[2]
MODULES = (
    "artifact",
    "artifact_claims",
    "artifact_hostile",
    "artifact_parameters",
    "artifact_mutants",
    "artifact_mutants_files",
)
# Capability -> where it is; the subject of the pack has the same table.
HOMES = {
    "save_artifact": ("drift.artifacts.store", "save_artifact"),
    "load_artifact": ("drift.artifacts.store", "load_artifact"),
    "import_artifact": ("drift.artifacts.convert", "import_directory"),
    "export_artifact": ("drift.artifacts.convert", "export_artifact"),
    "stamp_artifact": ("drift.artifacts.stamping", "stamp"),
    "assess_artifact": ("drift.artifacts.quality", "assess"),
    "read_artifact": ("drift.interop.artifact", "read_artifact"),
}
CLAUSES = yaml.safe_load((ROOT / "contracts/artifact.yaml").read_text(encoding="utf-8"))["clauses"]
PLANTED = [(clause, falsifier) for clause in CLAUSES for falsifier in clause["falsifiers"]]
IDS = [f"{clause['id']}-{falsifier['mutant']}" for clause, falsifier in PLANTED]


class Engine:
    """The engine's functions, looked up at each use, as a mutant patches them in place."""

    name = "drift"

    def __getattr__(self, name: str) -> Any:
        module, attribute = HOMES[name]
        return getattr(importlib.import_module(module), attribute)


@cache
def named() -> dict[tuple[str, str], Any]:
    """(role, name) -> function, of all modules of the area."""
    modules = [importlib.import_module(f"contracts.bindings.{name}") for name in MODULES]
    return {
        (entry.role, entry.name): function
        for module in modules
        for function in vars(module).values()
        for entry in registered(function)
    }


@cache
def facts() -> dict[str, Any]:
    found = {}
    for file in sorted((ROOT / "specs/facts").glob("*.yaml")):
        for topic, entry in yaml.safe_load(file.read_text(encoding="utf-8"))["topics"].items():
            for authority, fact in entry["facts"].items():
                found[f"{authority}:{topic}"] = fact.get("value")
    return found


def run(clause: dict[str, Any], *, falsifying: bool = False, seed: int = 0) -> Measurement:
    context = CheckContext(
        clause_id=clause["id"],
        subject=Engine(),
        params=clause.get("params", {}),
        tolerance=clause["tolerance"].get("value"),
        facts={source: facts()[source] for source in clause["sources"]},
        specs_dir=ROOT / "specs",
        seed=seed,
        examples=20,
        falsifying=falsifying,
    )
    measurement: Measurement = named()["check", clause["check"]](context)
    return measurement


@pytest.mark.parametrize("clause", CLAUSES, ids=[clause["id"] for clause in CLAUSES])
def test_the_engine_keeps_the_clause(clause: dict[str, Any]) -> None:
    measurement = run(clause)
    assert measurement.outcome is Outcome.PASS, measurement.reason


@pytest.mark.parametrize(("clause", "falsifier"), PLANTED, ids=IDS)
def test_the_planted_fault_turns_the_clause_red(
    clause: dict[str, Any], falsifier: dict[str, Any]
) -> None:
    plant = named()["mutant", falsifier["mutant"]]
    with plant(SimpleNamespace(), **falsifier.get("with", {})):
        measurement = run(clause, falsifying=True)
    assert measurement.outcome is Outcome.FAIL, measurement.reason


def test_every_mutant_is_planted_somewhere_and_undone() -> None:
    used = {falsifier["mutant"] for _, falsifier in PLANTED}
    assert used == {name for role, name in named() if role == "mutant"}
    before = {clause["id"]: run(clause).outcome for clause in CLAUSES[2:4]}
    assert set(before.values()) == {Outcome.PASS}


@pytest.mark.parametrize("seed", [1, 2])
def test_drawn_damage_is_refused_for_other_seeds(seed: int) -> None:
    for clause in CLAUSES:
        if clause["check"] in ("artifact.strict_loading", "artifact.hostile"):
            measurement = run(clause, seed=seed)
            assert measurement.outcome is Outcome.PASS, measurement.reason
