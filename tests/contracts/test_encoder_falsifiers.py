"""Each clause about the encoders and their features passes on the engine and is turned red by each
of its falsifiers."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

from verify.api import CheckContext, Outcome, registered

ROOT = Path(__file__).parents[2]
MODULES = {
    "encoder": ("encoder", "encoder_laws", "encoder_mutants", "encoder_layout_mutants"),
    "features": ("features", "features_mutants", "encoder_mutants"),
}
# Capability -> the module in which a mutant would change it.
HOMES = {
    "MaskedAutoencoder": "drift.encoder",
    "EncoderConfig": "drift.encoder",
    "mask_from_uniform": "drift.encoder.masking",
    "resize_bilinear": "drift.resize",
    "recording": "drift.trace",
    "encoder_state_dict": "drift.interop.encoder_layout",
    "encoder_to_reference": "drift.interop.encoder_layout",
    "convnext_state_dict": "drift.interop.encoder_layout",
    "convnext_to_reference": "drift.interop.encoder_layout",
    "ConvNextConfig": "drift.convnext",
    "ConvNextFeatures": "drift.convnext",
    "FeatureExtractor": "drift.features",
    "FeatureConfig": "drift.features",
    "sample_loss": "drift.features",
    "real_features": "drift.features",
}


class Engine:
    """The engine's functions, looked up at each use, as a mutant patches them in place."""

    name = "drift"

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(HOMES[name]), name)


@cache
def _yaml(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def clauses(area: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = _yaml(ROOT / "contracts" / f"{area}.yaml")["clauses"]
    return listed


def modules(area: str) -> list[ModuleType]:
    return [importlib.import_module(f"contracts.bindings.{name}") for name in MODULES[area]]


def named(area: str, role: str, name: str) -> Any:
    for module in modules(area):
        for function in vars(module).values():
            if any((e.role, e.name) == (role, name) for e in registered(function)):
                return function
    raise AssertionError(f"{area} registers no {role} {name}")


def facts(clause: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for source in clause["sources"]:
        authority, topic = source.split(":")
        files = (ROOT / "specs" / "facts").glob("*.yaml")
        topics = [_yaml(file)["topics"] for file in files]
        found[source] = next(t[topic]["facts"][authority]["value"] for t in topics if topic in t)
    return found


def run(area: str, clause: dict[str, Any], *, falsifying: bool, seed: int = 0) -> Any:
    context = CheckContext(
        clause_id=clause["id"],
        subject=Engine(),
        params=clause.get("params", {}),
        tolerance=clause["tolerance"].get("value"),
        facts=facts(clause),
        specs_dir=ROOT / "specs",
        seed=seed,
        examples=25,
        falsifying=falsifying,
    )
    return named(area, "check", clause["check"])(context)


ALL = [(area, clause) for area in MODULES for clause in clauses(area)]
PLANTED = [(area, clause, falsifier) for area, clause in ALL for falsifier in clause["falsifiers"]]


@pytest.mark.parametrize(("area", "clause"), ALL, ids=[c["id"] for _, c in ALL])
def test_the_engine_keeps_the_clause(area: str, clause: dict[str, Any]) -> None:
    measurement = run(area, clause, falsifying=False)
    assert measurement.outcome is Outcome.PASS, measurement.reason


@pytest.mark.parametrize(
    ("area", "clause", "falsifier"),
    PLANTED,
    ids=[f"{c['id']}-{f['mutant']}" for _, c, f in PLANTED],
)
def test_the_planted_fault_turns_the_clause_red(
    area: str, clause: dict[str, Any], falsifier: dict[str, Any]
) -> None:
    mutant = named(area, "mutant", falsifier["mutant"])
    with mutant(SimpleNamespace(), **falsifier.get("with", {})):
        measurement = run(area, clause, falsifying=True)
    assert measurement.outcome is Outcome.FAIL, measurement.reason


def test_every_clause_of_the_two_areas_has_a_falsifier() -> None:
    assert [clause["id"] for _, clause in ALL if not clause["falsifiers"]] == []
