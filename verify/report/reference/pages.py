"""Markdown of a pack's clauses, generated from its contracts: one page each, and an index."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from verify.report.words import line
from verify.score import points_of
from verify.spec.clauses import Clause, Contract
from verify.spec.pack import LoadedPack
from verify.spec.select import needed_by

HERE = Path(__file__).parent
INDEX = "index.md"
LONGEST = 300  # characters of a fact's value
NATIVE = "the configuration is changed"  # mutants of the harness's own have no line in the pack
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#!~])")


def pages(loaded: LoadedPack) -> Mapping[str, str]:
    """File name -> Markdown, in the order of the contracts; nothing of the pack is run."""
    forms = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    forms.filters["md"] = escaped
    contracts = loaded.pack.contracts
    found = {INDEX: forms.get_template("index.md.jinja").render(pack=loaded.pack, page_of=page_of)}
    one = forms.get_template("contract.md.jinja")
    for contract in contracts:
        rows = [_row(clause, contract, loaded) for clause in contract.clauses]
        found[page_of(contract)] = one.render(contract=contract, rows=rows)
    return found


def page_of(contract: Contract) -> str:
    """Name of a contract's page; clauses are its anchors, in small letters."""
    return f"{contract.contract.lower()}.md"


def escaped(text: object) -> str:
    """Text as Markdown shows it letter by letter, on one line."""
    return _SPECIAL.sub(r"\\\1", line(str(text)))


def _row(clause: Clause, contract: Contract, loaded: LoadedPack) -> dict[str, Any]:
    """What the form shows of a clause."""
    stated = loaded.where(clause)
    tolerance = clause.tolerance
    return {
        "clause": clause,
        "points": points_of(contract, clause),
        "place": f"{stated.document.file}:{stated.line}",
        "allowed": "exact" if tolerance.exact else f"{tolerance.value:g} {tolerance.unit}".strip(),
        "check": _check(clause, loaded),
        "sources": [_source(source, loaded) for source in clause.sources],
        "falsifiers": [_falsifier(one.label, one.mutant, loaded) for one in clause.falsifiers],
        "claims": [
            claim.id
            for claim in loaded.pack.claims
            if clause in needed_by(claim, loaded.pack.clauses)
        ],
    }


def _check(clause: Clause, loaded: LoadedPack) -> str:
    if clause.check is None:
        return f"field `{clause.field}` against `{clause.fact}`"
    binding = loaded.bindings.find("check", clause.check)
    return f"`{clause.check}`" + (f" ({binding.file}:{binding.line})" if binding else "")


def _source(source: str, loaded: LoadedPack) -> dict[str, str]:
    fact = loaded.pack.fact(source)
    if fact is None:
        return {"id": source, "at": "", "says": ""}
    value = "" if fact.value is None else json.dumps(fact.value, ensure_ascii=False)[:LONGEST]
    said = ": ".join(part for part in (value, fact.says or "") if part)
    return {"id": source, "at": fact.at, "says": said}


def _falsifier(label: str, mutant: str, loaded: LoadedPack) -> dict[str, str]:
    binding = loaded.bindings.find("mutant", mutant)
    if binding is None:
        return {"label": label, "does": NATIVE, "place": ""}
    return {"label": label, "does": binding.doc, "place": f"{binding.file}:{binding.line}"}
