"""Each clause about data passes on the engine and is turned red by each of its falsifiers."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from verify.api import CheckContext, Measurement, Outcome, registered

ROOT = Path(__file__).parents[2]
MODULES = ("data", "data_sources", "data_mutants", "data_source_mutants")
HOMES = {
    "adm_centre": "crop",
    "FolderSource": "folder",
    "LatentSource": "latents",
    "encode_latents": "encode",
    "open_source": "opening",
    "Loader": "loader",
    "DigitsSource": "digits",
}


class Engine:
    """The functions of the engine, looked up at each use, as a mutant patches them in place."""

    name = "drift"

    def __getattr__(self, name: str) -> Any:
        if name == "load_digits":
            return importlib.import_module("drift.digits").load
        module = importlib.import_module(f"drift.data.{HOMES[name]}")
        return getattr(module, "encode" if name == "encode_latents" else name)


def clauses() -> list[dict[str, Any]]:
    return yaml.safe_load((ROOT / "contracts" / "data.yaml").read_text())["clauses"]


def facts() -> dict[str, Any]:
    found = {}
    for area in ("data", "queue"):
        topics = yaml.safe_load((ROOT / "specs" / "facts" / f"{area}.yaml").read_text())["topics"]
        for topic, entry in topics.items():
            for authority, fact in entry["facts"].items():
                found[f"{authority}:{topic}"] = fact["value"]
    return found


def named(role: str, name: str) -> Any:
    for module in MODULES:
        for function in vars(importlib.import_module(f"contracts.bindings.{module}")).values():
            if any((e.role, e.name) == (role, name) for e in registered(function)):
                return function
    raise AssertionError(f"no {role} {name}")


def run(clause: dict[str, Any], *, falsifying: bool, seed: int = 0) -> Measurement:
    cited = facts()
    context = CheckContext(
        clause_id=clause["id"],
        subject=Engine(),
        params=clause.get("params", {}),
        tolerance=clause["tolerance"].get("value"),
        facts={name: cited[name] for name in clause["sources"]},
        specs_dir=ROOT / "specs",
        seed=seed,
        examples=20,
        falsifying=falsifying,
    )
    return named("check", clause["check"])(context)


PLANTED = [(clause, falsifier) for clause in clauses() for falsifier in clause["falsifiers"]]
PLANTED_IDS = [
    "-".join([c["id"], f["mutant"], *map(str, f.get("with", {}).values())]) for c, f in PLANTED
]


@pytest.mark.parametrize("clause", clauses(), ids=[clause["id"] for clause in clauses()])
def test_the_engine_keeps_the_clause(clause: dict[str, Any]) -> None:
    measurement = run(clause, falsifying=False)
    assert measurement.outcome is Outcome.PASS, measurement.reason


@pytest.mark.parametrize(("clause", "falsifier"), PLANTED, ids=PLANTED_IDS)
def test_the_planted_fault_turns_the_clause_red(
    clause: dict[str, Any], falsifier: dict[str, Any]
) -> None:
    with named("mutant", falsifier["mutant"])(Engine(), **falsifier.get("with", {})):
        measurement = run(clause, falsifying=True)
    assert measurement.outcome is Outcome.FAIL, measurement.reason


def test_every_mutant_is_undone() -> None:
    """After all of them, in one process, every clause passes, also with another seed."""
    for clause in clauses():
        for falsifier in clause["falsifiers"]:
            with named("mutant", falsifier["mutant"])(Engine(), **falsifier.get("with", {})):
                pass
        measurement = run(clause, falsifying=False, seed=1)
        assert measurement.outcome is Outcome.PASS, measurement.reason
