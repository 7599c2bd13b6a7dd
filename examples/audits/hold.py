"""Hold the reports of the worked audits against what they are known to say: `hold.py FOLDER`.

FOLDER holds numpy.json, jax.json and drift_models.json. Exit 1 names each difference.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.subjects.community import MEASURED

VERDICTS = {
    "numpy": "AGREES: 14 of 65 clauses judged, 14 agree, 0 depart, 0 open, 0 outside",
    "jax": "AGREES: 14 of 65 clauses judged, 14 agree, 0 depart, 0 open, 0 outside",
    "drift_models": "DEPARTS: 38 of 65 clauses judged, 2 agree, 36 depart, 0 open, 1 outside",
}
AGREE = {"AUDIT-012", "AUDIT-041"}  # what the release does as the reference
NAMED = 7  # mistakes that explain its loss together
RELATIVE = 1.0e-3  # of a number that was measured once


def main(folder: Path) -> int:
    """Print what differs; 1 where anything does."""
    wrong = [line for name in VERDICTS for line in _differing(folder, name)]
    print("\n".join(wrong) or "the worked audits say what they are known to say")
    return 1 if wrong else 0


def _differing(folder: Path, name: str) -> Iterator[str]:
    report = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    line = report["verdict"]["line"]
    if not line.startswith(VERDICTS[name]):
        yield f"{name}: found {line}; expected {VERDICTS[name]}"
    if name == "drift_models":
        clauses = {clause["id"]: clause for clause in report["clauses"]}
        yield from _measured(clauses)
        yield from _provenance(report["about"]["audit"]["provenance"])


def _measured(clauses: dict[str, Any]) -> Iterator[str]:
    agree = {name for name, clause in clauses.items() if clause["outcome"] == "pass"}
    if agree != AGREE:
        yield f"drift_models: {sorted(agree)} agree; expected {sorted(AGREE)}"
    for name, (expected, _) in MEASURED.items():
        found = clauses[name]["measured"]
        if abs(found - expected) > RELATIVE * abs(expected):
            yield f"drift_models: {name} measured {found}; expected {expected}"
    details = clauses["AUDIT-020"]["details"]
    if len(details["mistakes"]) != NAMED or details["left"] > 1.0:
        yield f"drift_models: {details['mistakes']} leave {details['left']}; expected {NAMED}"


def _provenance(told: dict[str, Any]) -> Iterator[str]:
    if (told["distribution"], told.get("version")) != ("drift-models", "0.1.1"):
        yield f"drift_models: found {told['distribution']} {told.get('version')}; expected 0.1.1"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
