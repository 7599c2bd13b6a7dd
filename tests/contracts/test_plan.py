"""The plan that the pack resolves to: no clause, source, tolerance or falsifier goes unnoticed.

A change of the plan is a change of plan.json: `python tests/contracts/test_plan.py` writes
plan.json anew. The digest covers every resolved field of every clause, in the order of their ids.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from verify.commands.pack.schema_ import schema_text
from verify.run import columns
from verify.spec.model import Clause, Kind
from verify.spec.pack import LoadedPack, load

ROOT = Path(__file__).parents[2]
PLAN = Path(__file__).with_name("plan.json")


def runs(clause: Clause, loaded: LoadedPack) -> int:
    """How many falsifier runs a passing clause has."""
    if clause.kind is not Kind.CONFIG:
        return len(clause.falsifiers)
    return len(list(columns.falsify(clause, loaded, columns.templates(loaded))))


def plan() -> dict[str, Any]:
    """Counts by contract, and one digest over everything that a run is told."""
    loaded = load(ROOT)
    counted: dict[str, Counter[str]] = {}
    for one in loaded.stated:
        clause, tolerance = one.clause, one.clause.tolerance
        counted.setdefault(one.contract.contract, Counter()).update(
            clauses=1, sources=len(clause.sources), runs=runs(clause, loaded),
            required=clause.required, blockers=clause.severity == "blocker",
            exact=tolerance.exact,
        )  # fmt: skip
    clauses = sorted(loaded.pack.clauses, key=lambda clause: clause.id)
    whole = [clause.model_dump(mode="json", by_alias=True) for clause in clauses]
    text = json.dumps(whole, sort_keys=True, ensure_ascii=False)
    return {
        "contracts": {name: dict(counts) for name, counts in sorted(counted.items())},
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def test_the_plan_is_the_one_that_is_known() -> None:
    known, found = json.loads(PLAN.read_text(encoding="utf-8")), plan()
    assert found["contracts"] == known["contracts"]
    assert found["sha256"] == known["sha256"], "a resolved clause changed: see this file's head"


def test_the_schema_at_its_stable_path_is_the_one_of_the_models() -> None:
    kept = (ROOT / "specs" / "schema" / "contract-2.json").read_text(encoding="utf-8")
    assert kept == schema_text("contract"), "verify schema contract > specs/schema/contract-2.json"


def test_every_contract_turns_its_schema_on() -> None:
    line = "# yaml-language-server: $schema=../../specs/schema/contract-2.json\n"
    rooms = sorted((ROOT / "contracts").glob("*/contract.yaml"))
    assert len(rooms) >= 20
    assert [path for path in rooms if not path.read_text(encoding="utf-8").startswith(line)] == []


if __name__ == "__main__":
    PLAN.write_text(json.dumps(plan(), indent=1) + "\n", encoding="utf-8")
