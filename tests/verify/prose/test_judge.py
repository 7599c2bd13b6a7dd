"""Assertions against evidence: same axis, same semantics, same strictness, or an overclaim."""

from __future__ import annotations

from dataclasses import replace

import pytest

from verify.outcome import Axis, Outcome
from verify.prose.evidence import (
    Evidence,
    KnownAuthority,
    KnownClaim,
    KnownClause,
    KnownFact,
)
from verify.prose.judge import Finding, Ruling
from verify.prose.support import Bench
from verify.scope import Scope

from .conftest import findings, read_evidence, read_labelled


def one(text: str, bench: Bench) -> Finding:
    (finding,) = findings(text, "a.md", bench)
    return finding


def ruling(text: str, bench: Bench) -> Ruling:
    return one(text, bench).ruling


# -- figures --------------------------------------------------------------------------------------


def test_a_number_without_its_axis_is_an_overclaim_and_with_it_is_backed(bench: Bench) -> None:
    bare = one("FID of the digits is 6.31.", bench)
    assert bare.ruling is Ruling.OVERCLAIM
    assert "proxy" in bare.reason
    assert "proxy" in bare.instead
    assert ruling("FID of the digits is 6.31 on the proxy axis.", bench) is Ruling.BACKED
    assert ruling("FID of the digits is 6.31 on the repo-eval axis.", bench) is Ruling.OVERCLAIM
    assert ruling("FID of the digits is 6.32 on the proxy axis.", bench) is Ruling.OVERCLAIM


def test_a_number_of_a_clause_without_an_axis_backs_no_figure_of_the_paper() -> None:
    """A law of the metric may well have measured an FID of 1.23; it is nobody's result."""
    evidence = read_evidence()
    law = KnownClause("METRICS-9", "FID of shifted moments.", Outcome.PASS, sound=True,
                      details={"fid": 1.23})  # fmt: skip
    bench = Bench.of(replace(evidence, clauses=(*evidence.clauses, law)))
    found = one("We reach FID 1.23 on ImageNet.", bench)
    assert found.ruling is Ruling.OVERCLAIM
    assert ruling("FID is 1.23.", bench) is Ruling.OVERCLAIM


def test_a_figure_is_backed_for_its_own_column_only(bench: Bench) -> None:
    assert ruling("KID of L/2 is 0.0123 (repo-eval).", bench) is Ruling.BACKED
    assert ruling("KID of B/2 is 0.0123 (repo-eval).", bench) is Ruling.OVERCLAIM


def test_a_rounded_figure_is_the_figure_and_a_better_one_is_not(bench: Bench) -> None:
    assert ruling("A training step of drift is 1.8 times faster.", bench) is Ruling.BACKED
    assert ruling("A training step of drift is 1.9 times faster.", bench) is Ruling.OVERCLAIM
    assert ruling("KID of L/2 is 0.01 (repo-eval).", bench) is Ruling.BACKED


def test_a_paper_eval_figure_needs_no_label_and_unlocks_the_sentence() -> None:
    evidence = read_evidence()
    clauses = tuple(
        replace(c, outcome=Outcome.PASS, sound=True, measured=0.02, details={"fid": 1.56})
        if c.id == "EVAL-FID-L2"
        else c
        for c in evidence.clauses
    )
    bench = Bench.of(replace(evidence, clauses=clauses))
    assert ruling("Our L/2 model reaches FID 1.56.", bench) is Ruling.BACKED
    assert ruling("Our L/2 model reaches FID 1.54.", bench) is Ruling.OVERCLAIM
    assert ruling("Our B/2 model reaches FID 1.56.", bench) is Ruling.OVERCLAIM


def test_the_difference_to_the_paper_is_not_the_figure_itself(bench: Bench) -> None:
    evidence = bench.evidence
    clauses = tuple(
        replace(c, outcome=Outcome.PASS, sound=True, measured=0.02) if c.id == "EVAL-FID-L2" else c
        for c in evidence.clauses
    )
    changed = Bench.of(replace(evidence, clauses=clauses))
    assert ruling("Our L/2 model has FID 0.02.", changed) is Ruling.OVERCLAIM


def test_what_an_authority_states_needs_its_name(bench: Bench) -> None:
    found = one("L/2 has FID 1.54.", bench)
    assert found.ruling is Ruling.NEEDS_ATTRIBUTION
    assert found.instead == "The paper reports FID 1.54 for L2 (Tables 1, 5, 6)."
    assert ruling(found.instead, bench) is Ruling.ATTRIBUTED


@pytest.mark.parametrize(
    "text",
    [
        "The paper reports FID 1.45.",
        "The paper reports FID 1.54 for B/2.",
        "The release reports FID 1.54 for L/2.",
        "FID 1.53 for L/2 (Table 5 of the paper).",
    ],
)
def test_a_misquotation_is_an_overclaim(text: str, bench: Bench) -> None:
    found = one(text, bench)
    assert found.ruling is Ruling.OVERCLAIM
    assert "misquoted" in found.reason


def test_what_the_pack_holds_no_fact_about_can_only_be_attributed(bench: Bench) -> None:
    assert ruling("The paper reports a recall of 0.6.", bench) is Ruling.ATTRIBUTED


# -- parity ---------------------------------------------------------------------------------------


def test_a_bound_has_to_be_one_that_was_measured(bench: Bench) -> None:
    assert ruling("The loss equals the reference within 1e-5.", bench) is Ruling.BACKED
    assert ruling("The loss equals the reference within 4e-6.", bench) is Ruling.BACKED
    assert ruling("The loss equals the reference within 3e-6.", bench) is Ruling.OVERCLAIM


def test_a_bound_in_latex_is_read_as_the_number_it_is(bench: Bench) -> None:
    text = "The loss equals the reference within $10^{-5}$."
    (good,) = findings(text, "a.tex", bench)
    (bad,) = findings(text.replace("-5", "-9"), "a.tex", bench)
    assert (good.ruling, bad.ruling) == (Ruling.BACKED, Ruling.OVERCLAIM)


def test_agreement_within_a_tolerance_carries_no_identity(bench: Bench) -> None:
    assert ruling("The drifting loss agrees with the reference.", bench) is Ruling.BACKED
    found = one("The drifting loss is identical to the reference.", bench)
    assert found.ruling is Ruling.OVERCLAIM
    assert "exactly" in found.reason
    assert ruling(found.instead, bench) is Ruling.BACKED


def test_evidence_about_one_semantics_carries_no_claim_about_the_other(bench: Bench) -> None:
    text = "Under {} semantics the drifting loss agrees with recorded outputs of the release."
    assert ruling(text.format("reference"), bench) is Ruling.BACKED
    assert ruling(text.format("paper"), bench) is Ruling.OVERCLAIM


def test_evidence_about_the_release_carries_no_claim_about_the_paper(bench: Bench) -> None:
    assert ruling("The drifting loss agrees with the paper.", bench) is Ruling.OVERCLAIM


def test_a_sentence_about_everything_rests_on_nothing(bench: Bench) -> None:
    assert ruling("We match the authors.", bench) is Ruling.OVERCLAIM


def test_a_pass_whose_falsifier_survived_carries_nothing(bench: Bench) -> None:
    text = "The sampler equals the release's sampler within 1e-6."
    assert ruling(text, bench) is Ruling.OVERCLAIM
    clauses = tuple(
        replace(c, sound=True) if c.id == "SAMPLER-002" else c for c in bench.evidence.clauses
    )
    assert ruling(text, Bench.of(replace(bench.evidence, clauses=clauses))) is Ruling.BACKED


def test_a_denied_claim_s_own_words_are_denied_with_its_reason(bench: Bench) -> None:
    found = one("Models and second encoder of the pixel columns agree with the release.", bench)
    assert found.ruling is Ruling.OVERCLAIM
    assert "CLAIM-PIXEL-MODEL-PARITY is denied: DEC-0122" in found.reason
    assert found.instead.startswith("Not shown:")


def test_an_allowed_claim_with_other_numbers_is_an_overclaim(bench: Bench) -> None:
    claim = bench.evidence.claims[0]
    assert one(claim.sentence, bench).rests_on == (claim.id,)
    assert ruling(claim.sentence.replace("11 of 11", "12 of 12"), bench) is Ruling.OVERCLAIM


@pytest.mark.parametrize(
    "more", ["and state of the art", "and reproduces its results", "exactly", "as in the release"]
)
def test_a_claim_s_words_carry_nothing_that_is_added_to_them(more: str, bench: Bench) -> None:
    text = bench.evidence.claims[0].sentence
    longer = text.replace("obeys the paper's laws", f"obeys the paper's laws {more}")
    assert longer != text
    assert ruling(longer, bench) is Ruling.OVERCLAIM


def test_a_claim_about_one_column_carries_no_sentence_about_another() -> None:
    evidence = read_evidence()
    claims = tuple(
        replace(c, scope=Scope.ALLOWED, reasons=()) if c.id == "CLAIM-FID-L2" else c
        for c in evidence.claims
    )
    bench = Bench.of(replace(evidence, claims=claims))
    text = "{} reaches the paper's FID {} within the stated tolerance (paper-eval)."
    assert ruling(text.format("L/2", "1.54"), bench) is Ruling.BACKED
    assert ruling(text.format("B/2", "1.54"), bench) is Ruling.OVERCLAIM
    assert ruling(text.format("B/2", "1.75"), bench) is Ruling.OVERCLAIM


def test_words_that_a_claim_forbids_are_an_overclaim_even_without_a_cue(bench: Bench) -> None:
    found = one("The field test proves that training converges.", bench)
    assert found.ruling is Ruling.OVERCLAIM
    assert "CLAIM-FIELD-LAWS forbids" in found.reason


def test_agreement_of_numbers_carries_no_praise_of_quality(bench: Bench) -> None:
    assert ruling("Guidance sampling is as good as the release's.", bench) is Ruling.OVERCLAIM


# -- laws -----------------------------------------------------------------------------------------


def test_no_sentence_offered_instead_is_itself_flagged(bench: Bench) -> None:
    offered = {
        finding.instead
        for item in read_labelled()
        for finding in findings(item.source(), item.file, bench)
        if finding.ruling.flagged
    }
    assert "" not in offered
    assert len(offered) >= 10
    for text in offered:
        assert not any(f.ruling.flagged for f in findings(text, "a.md", bench)), text


def test_without_a_bundle_nothing_is_backed(bench: Bench) -> None:
    bare = replace(bench.evidence, bundle=None, clauses=(), claims=tuple(
        replace(claim, scope=Scope.DENIED) for claim in bench.evidence.claims
    ))  # fmt: skip
    empty = Bench.of(bare)
    rulings = {
        finding.ruling
        for item in read_labelled()
        for finding in findings(item.source(), item.file, empty)
    }
    assert rulings == {Ruling.ATTRIBUTED, Ruling.NEEDS_ATTRIBUTION, Ruling.OVERCLAIM}
    for claim in bench.evidence.claims:
        if claim.allowed:
            assert all(f.lacks_evidence for f in findings(claim.sentence, "a.md", empty))


def test_a_pack_of_another_field_brings_its_own_names() -> None:
    evidence = Evidence(
        bundle="b",
        subject="babel",
        authorities=(KnownAuthority("handbook", "Handbook of Translation", "H-7", "source"),),
        metrics=("chrf",),
        facts=(KnownFact("handbook", "results.chrf", "chrf of the base", "", 61.2, "p. 3"),),
        claims=(
            KnownClaim("CLAIM-A", "Words are kept", "Names are kept whole: 3 of 3 clauses.",
                       Scope.ALLOWED, forbids=("translates every language",)),
        ),
        clauses=(
            KnownClause("M-1", "chrf on the held-out letters.", Outcome.PASS, sound=True,
                        measured=58.4, unit="chrf", axis=Axis.REPO_EVAL),
        ),
    )  # fmt: skip
    bench = Bench.of(evidence)
    assert ruling("babel has chrf 58.4 (repo-eval).", bench) is Ruling.BACKED
    assert ruling("babel has chrf 61.2.", bench) is Ruling.OVERCLAIM
    assert ruling("A chrf of 61.2 is usual.", bench) is Ruling.NEEDS_ATTRIBUTION
    assert ruling("The handbook reports chrf 61.2.", bench) is Ruling.ATTRIBUTED
    assert ruling("Names are kept whole: 3 of 3 clauses.", bench) is Ruling.BACKED
    assert ruling("babel translates every language.", bench) is Ruling.OVERCLAIM
    assert ruling("It matches the handbook.", bench) is Ruling.OVERCLAIM
