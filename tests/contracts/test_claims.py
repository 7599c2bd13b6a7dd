"""What this repository may say, claim by claim, and why it may not say more.

The checks that read evaluation records are run on an empty folder, those on whole digit runs on the
records that the project keeps; every other clause is taken as a pass whose falsifiers killed. That
all of them do pass is what test_pack.py runs the pack for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from contracts.subjects.engine import drift_subject
from tests.contracts.reading import loaded, registered_in
from tests.verify.signing import backed, trust
from verify.api import CheckContext
from verify.gate import claim_floors
from verify.outcome import Axis, Outcome
from verify.problems import UsageError
from verify.provenance import Provenance
from verify.run.answers import decode, encode
from verify.run.results import FalsifierRun, Verdict
from verify.scope import (
    ClaimVerdict,
    Evidence,
    Floors,
    Form,
    Scope,
    Tier,
    floors,
    solve,
    with_leaves,
)
from verify.spec.model import Clause, DecisionStatus, Pack
from verify.spec.select import needed_by

ROOT = Path(__file__).parents[2]
PACK = loaded().pack


def checks(module: str) -> dict[str, Any]:
    """The registered checks of a module, by name."""
    named = registered_in(module.split(".")[1]).items()
    return {
        name: made for (role, name), made in named if role == "check" and made.__module__ == module
    }


CHECKS = checks("contracts.evaluation.records")
RUN_CHECKS = {
    name: made
    for module in ("contracts.run.records", "contracts.ablation.orders")
    for name, made in checks(module).items()
}
EXTRACTOR = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
PIXEL = (
    "DEC-0039 (The pixel columns are experimental) is deferred",
    "DEC-0122 (Second encoder of the pixel columns) is deferred",
)


def missing(column: str, steps: str) -> tuple[str, ...]:
    """The reasons for which a column's FID may not be said."""
    return (
        f"EVAL-FID-{column} unknown: no evaluation record of column {column} on the paper-eval "
        "axis (none at all); needed: 50000 samples of EMA weights",
        f"no number of EVAL-FID-{column} on paper-eval: at least {steps} steps, at least 50,000 "
        "samples, at least 3 seeds, extractor sha256 6726825d0af5...",
    )


def missing_bounded(column: str) -> tuple[str, ...]:
    """And those for which its bounded form may not."""
    clause = f"EVAL-REPO-FID-{column}"
    return (
        f"bounded form: {clause} unknown: no evaluation record of column {column} on the repo-eval "
        "axis (none at all); needed: samples of EMA weights",
        f"bounded form: no number of {clause} on repo-eval: at least 30,000 steps, at least 10,000 "
        "samples, extractor sha256 6726825d0af5...",
    )


BACKED = backed("fid")
SETTLE = [("decision", "DEC-0039"), ("decision", "DEC-0122")]
# Denied: the reasons, all of them; the tier above; and the leaves that lead there.
DENIED: dict[str, tuple[tuple[str, ...], Tier, list[tuple[str, str]]]] = {
    "CLAIM-PIXEL-MODEL-PARITY": (PIXEL, Tier.C, SETTLE),
    "CLAIM-FID-L2": (
        (*missing("L2", "200,000"), *missing_bounded("L2")),
        Tier.B, [("evidence", "EVAL-REPO-FID-L2")]),
    "CLAIM-FID-B2": (
        (*missing("B2", "200,000"), *missing_bounded("B2")),
        Tier.B, [("evidence", "EVAL-REPO-FID-B2")]),
    "CLAIM-FID-L16": (
        (*missing("L16", "100,000"), *PIXEL), Tier.A, [*SETTLE, ("evidence", "EVAL-FID-L16")]),
    "CLAIM-FID-B16": (
        (*missing("B16", "100,000"), *PIXEL), Tier.A, [*SETTLE, ("evidence", "EVAL-FID-B16")]),
}  # fmt: skip
ALLOWED = {
    "CLAIM-FIELD-LAWS", "CLAIM-LOSS-PARITY", "CLAIM-TEMPLATES-FAITHFUL", "CLAIM-PIPELINE-PARITY",
    "CLAIM-TOY", "CLAIM-DIGITS", "CLAIM-DIGITS-RUN", "CLAIM-LATENT-MODEL-PARITY",
    "CLAIM-TRAINING-PARITY", "CLAIM-ORDERINGS",
}  # fmt: skip


def passing(clauses: Iterable[Clause], **known: Any) -> dict[str, Verdict]:
    return {
        c.id: Verdict(
            Outcome.PASS, "", axis=c.axis, provenance=Provenance(**known), backing=(BACKED,)
        )
        for c in clauses
    }


def evidence(verdicts: dict[str, Verdict]) -> Evidence:
    killed = Verdict(Outcome.FAIL, "")
    runs = [FalsifierRun(c.id, f.label, killed) for c in PACK.clauses for f in c.falsifiers]
    return Evidence(PACK.clauses, verdicts, tuple(runs), PACK.manifest.subject, trust("p"))


def measured(clause: Clause, folder: Path) -> Verdict:
    """The verdict of a check that reads the records of a folder."""
    assert clause.check is not None
    check = (CHECKS | RUN_CHECKS)[clause.check]
    context = CheckContext(
        clause_id=clause.id,
        subject=drift_subject(),
        params=clause.params,
        tolerance=clause.tolerance.value,
        facts={source: _value(source) for source in clause.sources},
        specs_dir=ROOT / "specs",
        evidence_dir=folder,
    )
    return decode({**encode(check(context)), "elapsed_s": 0.0, "peak_mb": 0.0})


def _value(source: str) -> Any:
    fact = PACK.fact(source)
    return fact.value if fact else None


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ClaimVerdict]:
    """The claims with no evaluation record."""
    return {item.claim: item for item in solve(PACK, present(tmp_path_factory.mktemp("empty")))}


def present(folder: Path) -> Evidence:
    reading = [clause for clause in PACK.clauses if clause.check in CHECKS]
    assert len(reading) == 8
    verdicts = passing(PACK.clauses) | {c.id: measured(c, folder) for c in reading}
    return evidence(verdicts | runs())


@cache
def runs() -> dict[str, Verdict]:
    """What the kept records give; `verify run` draws their samples again, most of a minute long."""
    found = [clause for clause in PACK.clauses if clause.check in RUN_CHECKS]
    assert len(found) == 28
    given = {clause.id: measured(clause, ROOT / "reports/evaluations") for clause in found}
    return {**given, "RUN-007": given["RUN-001"]}


def test_every_claim_has_an_expected_verdict() -> None:
    assert {claim.id for claim in PACK.claims} == ALLOWED | set(DENIED)


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_a_claim_on_parity_or_a_proxy_is_allowed_at_tier_c(
    name: str, found: dict[str, ClaimVerdict]
) -> None:
    claim = found[name]
    assert (claim.scope, claim.tier, claim.form) == (Scope.ALLOWED, Tier.C, Form.STRICT)
    assert claim.reasons == ()
    assert claim.unlock is None
    assert "at most tier C" in claim.capped


@pytest.mark.parametrize("name", sorted(DENIED))
def test_a_denied_claim_is_denied_for_these_reasons_and_no_other(
    name: str, found: dict[str, ClaimVerdict]
) -> None:
    reasons, tier, leaves = DENIED[name]
    claim = found[name]
    assert (claim.scope, claim.tier, claim.sentence) == (Scope.DENIED, Tier.NONE, "")
    assert claim.reasons == reasons
    assert claim.unlock is not None
    assert claim.unlock.tier is tier
    assert [(str(leaf.kind), leaf.name) for leaf in claim.unlock.leaves] == leaves


@pytest.mark.parametrize("name", sorted(DENIED))
def test_what_is_missing_is_enough_and_all_of_it_is_needed(name: str, tmp_path: Path) -> None:
    place = PACK, present(tmp_path)
    leaves = {item.claim: item for item in solve(*place)}[name].unlock
    assert leaves is not None
    for left_out in (None, *leaves.leaves):
        rest = [leaf for leaf in leaves.leaves if leaf is not left_out]
        after = {item.claim: item for item in solve(*with_leaves(rest, *place))}[name]
        assert after.tier is (leaves.tier if left_out is None else Tier.NONE)


@pytest.mark.parametrize("name", [claim.id for claim in PACK.claims if claim.needs.axis is None
                                  or claim.id in DENIED])  # fmt: skip
def test_one_failing_clause_takes_any_claim_away(name: str) -> None:
    (claim,) = [claim for claim in PACK.claims if claim.id == name]
    enough = floors(claim.needs.floors, PACK).asked()
    accepted = {"status": DecisionStatus.ACCEPTED}
    decided = tuple(record.model_copy(update=accepted) for record in PACK.decisions)
    settled = PACK.model_copy(update={"claims": (claim,), "decisions": decided})
    verdicts = passing(PACK.clauses, **enough)
    (whole,) = solve(settled, evidence(verdicts))
    assert whole.scope is Scope.ALLOWED
    first = next(c for c in PACK.clauses if c.id in _needed(settled))
    broken = verdicts | {first.id: Verdict(Outcome.FAIL, "broken")}
    (after,) = solve(settled, evidence(broken))
    assert after.scope is Scope.DENIED
    assert f"{first.id} fail: broken" in after.reasons


def _needed(pack: Pack) -> set[str]:
    return {clause.id for clause in needed_by(pack.claims[0], pack.clauses)}


# -- floors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "steps"), [("L2", 200_000), ("B2", 200_000), ("L16", 100_000), ("B16", 100_000)]
)
def test_floors_of_the_figures_are_those_of_table_8_and_the_protocol(
    column: str, steps: int
) -> None:
    wanted = Floors(steps=steps, samples=50_000, seeds=3, extractor_sha256=EXTRACTOR)
    assert claim_floors(f"CLAIM-FID-{column}", pack=ROOT) == wanted


def test_the_extractor_of_the_floors_is_the_one_that_the_records_are_held_against() -> None:
    params = {c.id: c.params for c in PACK.clauses if c.id.startswith("EVAL-FID-")}
    assert {str(p["extractor_sha256"]) for p in params.values()} == {EXTRACTOR}


def test_a_claim_without_floors_asks_nothing() -> None:
    assert claim_floors("CLAIM-LOSS-PARITY", pack=ROOT) == Floors()


def test_floors_of_an_unknown_claim_name_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"CLAIM-FID-L3.*CLAIM-FID-B16, CLAIM-FID-B2"):
        claim_floors("CLAIM-FID-L3", pack=ROOT)


# -- with records ---------------------------------------------------------------------------------


def with_figure(clause: str, axis: Axis, **known: Any) -> ClaimVerdict:
    """CLAIM-FID-L2 where one figure was measured and the other is unknown."""
    unknown = Verdict(Outcome.UNKNOWN, "no record")
    figures = {c.id: unknown for c in PACK.clauses if c.id.startswith(("EVAL-FID", "EVAL-REPO"))}
    held = Provenance(extractor_sha256=EXTRACTOR, **known)
    figures[clause] = Verdict(Outcome.PASS, "", measured=3.25, unit="FID", axis=axis,
                              provenance=held, backing=(BACKED,))  # fmt: skip
    verdicts = passing(PACK.clauses) | figures
    return {item.claim: item for item in solve(PACK, evidence(verdicts))}["CLAIM-FID-L2"]


def test_a_figure_on_repo_eval_allows_the_bounded_sentence_and_never_1_54() -> None:
    claim = with_figure("EVAL-REPO-FID-L2", Axis.REPO_EVAL, samples=10_000, seeds=1, steps=30_000)
    assert (claim.scope, claim.tier, claim.form) == (Scope.ALLOWED, Tier.B, Form.BOUNDED)
    assert claim.sentence == (
        "On repo-eval only, with 10,000 samples after 30,000 steps, L/2 measures 3.25 FID; no "
        "figure of the paper is comparable with it."
    )
    assert claim.unlock is not None
    assert [leaf.name for leaf in claim.unlock.leaves] == ["EVAL-FID-L2"]
    assert "drift eval RUN --step 200000 --count 50000" in claim.unlock.leaves[0].command


@pytest.mark.parametrize(
    ("short", "reason"),
    [
        ({"samples": 49_999}, "samples 49,999, at least 50,000 needed"),
        ({"seeds": 2}, "seeds 2, at least 3 needed"),
        ({"steps": 199_999}, "steps 199,999, at least 200,000 needed"),
        ({"steps": None}, "steps unknown, at least 200,000 needed"),
    ],
    ids=json.dumps,
)
def test_a_paper_eval_below_any_floor_is_no_1_54(short: dict[str, Any], reason: str) -> None:
    whole = {"samples": 50_000, "seeds": 3, "steps": 200_000}
    good = with_figure("EVAL-FID-L2", Axis.PAPER_EVAL, **whole)
    assert (good.scope, good.tier, good.form) == (Scope.ALLOWED, Tier.A, Form.STRICT)
    claim = with_figure("EVAL-FID-L2", Axis.PAPER_EVAL, **{**whole, **short})
    assert claim.scope is Scope.DENIED
    assert f"EVAL-FID-L2: {reason}" in claim.reasons
