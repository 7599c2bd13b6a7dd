"""What a worker is told about one clause, or about one falsifier of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verify.run.workers.pool import Task
from verify.spec.bindings import Binding
from verify.spec.model import Budget, Clause, Falsifier
from verify.spec.pack import LoadedPack


def make_task(
    loaded: LoadedPack,
    clause: Clause,
    falsifier: Falsifier | None,
    *,
    subject: str,
    foreign: Mapping[str, Any] | None = None,
    seed: int,
    examples: int,
    evidence_dir: Path,
) -> Task:
    """The task of a clause that has a check; a config clause needs no worker."""
    assert clause.check is not None
    facts = {source: loaded.pack.fact(source) for source in clause.sources}
    mutant = None
    if falsifier is not None:
        binding = loaded.bindings.find("mutant", falsifier.mutant)
        mutant = {**(_place(binding) or {}), "with": falsifier.arguments}
    payload = {
        "clause": clause.id,
        "check": _place(loaded.bindings.find("check", clause.check)),
        "subject": foreign or _place(loaded.bindings.find("subject", subject)),
        "mutant": mutant,
        "code": list(loaded.pack.manifest.code),
        "params": clause.params,
        "tolerance": clause.tolerance.value,
        "axis": clause.axis,
        "unit": clause.tolerance.unit,
        "facts": {source: fact.value for source, fact in facts.items() if fact},
        "seed": seed,
        "examples": examples,
        "evidence_dir": str(evidence_dir.resolve()),
        "seconds": clause.budget.seconds,
        "memory_mb": clause.budget.memory_mb,
        "trust": _trusted(loaded),
    }
    key = (clause.id, falsifier.label if falsifier else None)
    return Task(key, payload, clause.budget.seconds)


def lone_task(
    loaded: LoadedPack, name: str, binding: Binding, params: Mapping[str, Any], budget: Budget,
    evidence_dir: Path,
) -> Task:  # fmt: skip
    """The task of a registered function that no clause names; `name` is what it is asked for."""
    payload = {
        "clause": name,
        "check": _place(binding),
        "subject": None,
        "mutant": None,
        "code": (),
        "params": dict(params),
        "tolerance": None,
        "axis": None,
        "unit": "",
        "facts": {},
        "seed": 0,
        "examples": 0,
        "evidence_dir": str(evidence_dir.resolve()),
        "seconds": budget.seconds,
        "memory_mb": budget.memory_mb,
        "trust": _trusted(loaded),
    }
    return Task((name, None), payload, budget.seconds)


def _trusted(loaded: LoadedPack) -> dict[str, Any]:
    trust = loaded.pack.trust
    return {"pack": trust.pack, "keys": [key.model_dump(mode="json") for key in trust.keys]}


def _place(binding: Binding | None) -> dict[str, Any] | None:
    if binding is None:
        return None
    return {"role": binding.role, "name": binding.name, "module": binding.module}
