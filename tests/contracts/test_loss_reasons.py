"""Every clause about field and loss holds for the engine, and each falsifier turns it red."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.subjects.engine import drift_subject
from tests.contracts.reading import clauses_of, registered_in
from verify.api import CheckContext, Measurement

ROOT = Path(__file__).parents[2]
SUBJECT = drift_subject()
NAMED = registered_in("divergences", "field", "loss")


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


FACTS = {
    f"{authority}:{topic}": fact["value"]
    for path in (ROOT / "specs/facts").glob("*.yaml")
    for topic, entry in read(path)["topics"].items()
    for authority, fact in entry["facts"].items()
}
CLAUSES = clauses_of("field", "loss")
FALSIFIERS = [
    pytest.param(clause, falsifier, id=f"{clause['id']}-{falsifier['mutant']}-{number}")
    for clause in CLAUSES
    for number, falsifier in enumerate(clause["falsifiers"])
]


def evaluate(clause: dict[str, Any]) -> Measurement:
    context = CheckContext(
        clause_id=clause["id"],
        subject=SUBJECT,
        params=clause.get("params", {}),
        tolerance=clause["tolerance"].get("value"),
        facts={source: FACTS[source] for source in clause["sources"]},
        specs_dir=ROOT / "specs",
        examples=20,
    )
    return NAMED["check", clause["check"]](context)


def test_a_falsified_golden_clause_names_the_first_differing_stage() -> None:
    clause = next(clause for clause in CLAUSES if clause["id"] == "LOSS-001")
    mutants = {
        "loss.squared_distance": "step32/dist",
        "loss.no_self_mask": "step32/dist_normed_masked",
        "loss.drop_repulsion": "step32/R0.02/R_coeff",
        "loss.gradient_without_scale": "step32/grad_gen",
    }
    for name, stage in mutants.items():
        with NAMED["mutant", name](SUBJECT):
            measurement = evaluate(clause)
        assert f"first differing stage {stage}:" in measurement.reason
        assert set(measurement.files) == {"expected.npy", "got.npy"}
