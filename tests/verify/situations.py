"""Evidence made by hand, for the solver that turns it into claims."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from verify.outcome import Axis, Outcome, Reason
from verify.problems import Problem
from verify.provenance import Provenance
from verify.run.results import FalsifierRun, Verdict
from verify.scope import ClaimVerdict, Evidence, solve
from verify.spec.model import Bounded, Claim, Clause, Decision, Manifest, Pack
from verify.spec.resolve import resolve
from verify.spec.strict_yaml import Document
from verify.spec.written import SCHEMA, ContractFile

from .conftest import claim as raw_claim
from .conftest import clause as raw_clause
from .signing import backed, trust


def resolved(written: dict[str, Any]) -> Clause:
    """The clause that a contract of only this one holds."""
    whole = {"schema": SCHEMA, "contract": "THING", "title": "A thing", "clauses": [written]}
    problems: list[Problem] = []
    document = Document("thing.yaml", "", whole, ())
    (one,) = resolve(document, ContractFile.model_validate_json(_json(whole)), problems)
    assert problems == []
    return one.clause


def clause(number: int, **changes: Any) -> Clause:
    return resolved(raw_clause(number, **changes))


def metric(number: int, axis: Axis) -> Clause:
    return clause(number, kind="metric", axis=str(axis))


def claim(**needs: Any) -> Claim:
    return Claim.model_validate_json(_json(raw_claim(**needs)))


def with_bounded(strict: Claim, **needs: Any) -> Claim:
    """A claim with a bounded form as well."""
    whole = {"clauses": ["THING-*"], **needs}
    sentence = "The {subject} is nearly right, on the axis {axis} only."
    bounded = {"bound": "nearly right", "sentence": sentence, "needs": whole}
    read = Bounded.model_validate_json(_json(bounded))
    return strict.model_copy(update={"bounded": read})


def decision(status: str, *, caps: Iterable[str] = (), name: str = "DEC-0001") -> Decision:
    whole = {"id": name, "title": "T", "status": status, "date": "2026-01-01", "caps": list(caps)}
    return Decision.model_validate_json(_json(whole))


def _json(value: Any) -> str:
    return json.dumps(value)


def pack_of(
    clauses: Iterable[Clause], claims: Iterable[Claim], *decisions: Decision, **more: Any
) -> Pack:
    contract = more.pop("contracts", ())
    manifest = Manifest.model_validate_json(
        '{"schema": "verify/pack/1", "pack": "p", "title": "t", "subject": "thing"}'
    )
    empty: dict[str, Any] = {
        "waivers": (), "authorities": (), "topics": {}, "conflicts": (), **more
    }  # fmt: skip
    return Pack.model_construct(
        manifest=manifest,
        contracts=contract or (_Contract(tuple(clauses)),),
        claims=tuple(claims),
        decisions=decisions,
        **empty,
    )


class _Contract:
    """All that the solver asks of a contract."""

    def __init__(self, clauses: tuple[Clause, ...]) -> None:
        self.clauses = clauses


def verdict(outcome: Outcome, axis: Axis | None = None, **known: Any) -> Verdict:
    """`known` is what stands behind a number on the axis; a strong one is signed."""
    cause = Reason.WAIVER if outcome is Outcome.WAIVED else Reason.JUDGED
    strong = axis in (Axis.PAPER_EVAL, Axis.REPO_EVAL)
    return Verdict(
        outcome, f"{outcome}, for a reason", cause, axis=axis, provenance=Provenance(**known),
        backing=(backed("fid"),) if strong else (),
    )  # fmt: skip


def evidence(
    clauses: Iterable[Clause], outcomes: dict[str, Verdict], *, survivors: Iterable[str] = (),
    untried: Iterable[str] = (), subject: str = "thing",
) -> Evidence:  # fmt: skip
    """Every falsifier of every passing clause ran and killed, but for those listed."""
    runs = [
        FalsifierRun(
            c.id, f.label, Verdict(Outcome.FAIL if c.id not in survivors else Outcome.PASS, "")
        )
        for c in clauses
        for f in c.falsifiers
        if c.id in outcomes and outcomes[c.id].outcome is Outcome.PASS and c.id not in untried
    ]
    return Evidence(tuple(clauses), outcomes, tuple(runs), subject, trust())


def only(pack: Pack, found: Evidence) -> ClaimVerdict:
    (result,) = solve(pack, found)
    return result


def about(
    written: Claim, clauses: Iterable[Clause], outcomes: dict[str, Verdict], *decisions: Decision,
    **more: Any,
) -> ClaimVerdict:  # fmt: skip
    """The verdict of one claim of a pack of these clauses; `more` is of the pack."""
    kept = tuple(clauses)
    return only(pack_of(kept, [written], *decisions, **more), evidence(kept, outcomes))


def said(result: ClaimVerdict) -> tuple[Any, ...]:
    """How far a claim carries, in which form, on which axis, and why not further."""
    return result.scope, result.tier, result.form, result.axis, result.reasons


def ways(result: ClaimVerdict) -> list[tuple[str, str]]:
    """Kind and name of each leaf that would raise a claim."""
    return [(leaf.kind.value, leaf.name) for leaf in result.unlock.leaves] if result.unlock else []


def commands(result: ClaimVerdict) -> list[str]:
    """The commands of these leaves."""
    return [leaf.command for leaf in result.unlock.leaves] if result.unlock else []
