"""The register of known divergences: it holds for the engine, and each mutant turns it red."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

import drift.loss
import drift.semantics
import drift.trace
from contracts.divergences import register as divergences
from tests.contracts.reading import clauses_of, registered_in
from verify.api import CheckContext, Measurement

ROOT = Path(__file__).parents[2]
CLAUSES = clauses_of("divergences")
REGISTER = yaml.safe_load((ROOT / "specs/known_divergences.yaml").read_text(encoding="utf-8"))
NAMED = registered_in("divergences")
FALSIFIERS = [
    pytest.param(clause, falsifier, id=f"{clause['id']}-{number}")
    for clause in CLAUSES
    for number, falsifier in enumerate(clause["falsifiers"])
]
SUBJECT = SimpleNamespace(
    drift_loss=drift.loss.drift_loss,
    feature_loss=drift.loss.feature_loss,
    recording=drift.trace.recording,
    semantics=drift.semantics.SEMANTICS,
)


def run(clause: dict[str, Any]) -> Measurement:
    context = CheckContext(
        clause["id"], SUBJECT, clause.get("params", {}), None, {}, ROOT / "specs"
    )
    return NAMED["check", clause["check"]](context)


def test_every_switch_has_a_mutant_that_ignores_it() -> None:
    fields = {field.name for field in dataclasses.fields(drift.semantics.Semantics)} - {"name"}
    assert set(divergences.PLACES) == fields
    assert {entry["switch"] for entry in REGISTER["divergences"]} == fields


def test_a_check_leaves_no_probe_behind() -> None:
    run(CLAUSES[1])
    assert sorted(drift.semantics.SEMANTICS) == ["paper", "reference"]


def test_a_listed_divergence_names_its_first_stage_first() -> None:
    for entry in REGISTER["divergences"]:
        assert entry["stages"][0] == entry["first_stage"], entry["id"]
    assert len({entry["id"] for entry in REGISTER["divergences"]}) == len(REGISTER["divergences"])


def test_noise_is_no_divergence_but_any_other_bit_is() -> None:
    base = {"step32/R0.2/total_coeffs": torch.zeros(2), "step32/dist": torch.zeros(2)}
    noisy = base | {"step32/R0.2/total_coeffs": torch.full((2,), 1e-8)}
    assert divergences.changed_stages(base, noisy) == []
    other = base | {"step32/dist": torch.tensor([0.0, 1e-30])}
    assert divergences.changed_stages(base, other) == ["dist"]
