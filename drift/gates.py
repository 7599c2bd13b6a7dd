"""Gates of a run: what has to be green before it starts, and what a bypass costs.

A run labelled faithful starts only where the column's clauses and the parity clauses are green for
exactly this code. A bypass is written into the run's record and demotes every number made from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drift.config import Template
from drift.errors import DriftError

FAITHFUL = (
    "contract:T8",
    "contract:LOSS",
    "contract:CFG",
    "contract:SCHEDULE",
    "contract:QUEUE",
    "contract:GEN",
    "contract:ENCODER",
    "contract:FEATURES",
    "contract:TRAIN",
    "contract:PROVENANCE",
)
SHOWN = 5


class GateError(DriftError):
    """A gate is closed."""


def require(
    template: Template,
    *,
    reports: Path = Path("reports"),
    bypass: str | None = None,
    selectors: Sequence[str] = FAITHFUL,
) -> Mapping[str, Any]:
    """What the run's record says of its gates; raises GateError where one is closed.

    bypass  a reason; the run starts all the same, is marked, and its numbers are tier none
    Free and closest-feasible templates claim no faithfulness: nothing is required of them.
    """
    if template.fidelity != "faithful":
        return {"gates": {"fidelity": template.fidelity, "required": []}}
    from verify.gate import standing

    now = standing(selectors, reports=reports)
    record = {
        "fidelity": "faithful",
        "required": list(selectors),
        "clauses": now.clauses,
        "bundle": now.bundle,
        "code": now.code,
    }
    if now.green:
        return {"gates": record}
    if bypass:
        return {"gates": record | {"bypass": bypass, "open": list(now.obstacles)}, "tier": "none"}
    more = len(now.obstacles) - SHOWN
    shown = "; ".join(now.obstacles[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
    raise GateError(
        f"faithful template {template.name}",
        found=shown,
        expected=f"{now.clauses} clauses green for this code",
        remedy="`verify run` in this folder produces the evidence; mend what it names.",
    )
