"""A closed world: what lets a caught sentence pass, and that nothing else does."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from verify.outcome import Axis
from verify.prose.evidence import Evidence, KnownAuthority, KnownClaim, KnownFact
from verify.prose.judge import Finding, Ruling
from verify.scope import Scope

from .conftest import entries, findings, flagged


def one(text: str, evidence: Evidence, file: str = "a.md") -> Finding:
    (finding,) = findings(text, file, evidence)
    return finding


def ruling(text: str, evidence: Evidence) -> Ruling:
    return one(text, evidence).ruling


def tied(claim: str, text: str) -> str:
    return f"<!-- claim: {claim} -->\n{text}\n"


# -- claims ---------------------------------------------------------------------------------------


def test_an_allowed_claim_s_own_sentence_is_backed_and_no_other_number(evidence: Evidence) -> None:
    for claim in evidence.claims:
        if claim.allowed:
            found = one(claim.sentence, evidence)
            assert (found.ruling, found.rests_on) == (Ruling.BACKED, (claim.id,))
    own = evidence.claims[0].sentence
    assert ruling(own.replace("11 of 11", "12 of 12"), evidence) is Ruling.OVERCLAIM


@pytest.mark.parametrize(
    "text",
    [
        "The loss is bit-identical to the release.",
        "Our pixel model matches the reference.",
        "The drifting loss agrees with recorded outputs of the authors' release.",
        "FID of the digits is 6.31 on the proxy axis.",
        "A training step of drift is 1.8 times faster.",
    ],
)
def test_neither_a_clause_nor_likeness_backs_a_sentence(text: str, evidence: Evidence) -> None:
    assert ruling(text, evidence) is Ruling.OVERCLAIM


def test_a_denied_claim_s_words_are_an_overclaim_with_its_reason(evidence: Evidence) -> None:
    found = one("The pixel columns' models compute what the release computes.", evidence)
    assert found.ruling is Ruling.OVERCLAIM
    assert "CLAIM-PIXEL-MODEL-PARITY is denied: DEC-0122" in found.reason
    assert found.instead.startswith("Not shown:")


def test_words_that_a_claim_forbids_are_an_overclaim_without_any_other_cue(
    evidence: Evidence,
) -> None:
    found = one("The field test proves that training converges.", evidence)
    assert found.ruling is Ruling.OVERCLAIM
    assert "CLAIM-FIELD-LAWS forbids" in found.reason


# -- paraphrases ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ("CLAIM-LOSS-PARITY", "The drifting loss agrees with recorded outputs of the release."),
        ("CLAIM-LOSS-PARITY", "Stage by stage the loss agrees with the release; the worst error "
                              "is 0.53 of its tolerance."),
        ("CLAIM-TRAINING-PARITY", "Three training steps reproduce the release's gradient norm."),
        ("CLAIM-TOY", "On the proxy axis attraction alone is worse on the paper's 2-D targets."),
    ],
)  # fmt: skip
def test_a_marked_paraphrase_that_says_no_more_is_backed(
    claim: str, text: str, evidence: Evidence
) -> None:
    found = findings(tied(claim, text), "a.md", evidence)
    assert [f.ruling for f in found] == [Ruling.BACKED], [f.reason for f in found]


@pytest.mark.parametrize(
    ("claim", "text", "why"),
    [
        ("CLAIM-LOSS-PARITY", "The loss is bit-identical to the release.", "bit"),
        ("CLAIM-LOSS-PARITY", "Our pixel model matches the reference.", "pixel"),
        ("CLAIM-LOSS-PARITY", "The drifting loss agrees with the release; the worst error is 0.05 "
                              "of its tolerance.", "0.05"),
        ("CLAIM-LOSS-PARITY", "The drifting loss agrees with the release in every stage.", "every"),
        ("CLAIM-LOSS-PARITY", "The drifting loss of the release is worse than ours.", "wors"),
        ("CLAIM-LOSS-PARITY", "FID equals the release's.", "fid"),
        ("CLAIM-TOY", "Attraction alone is worse on the paper's 2-D targets.", "proxy axis"),
        ("CLAIM-PIXEL-MODEL-PARITY", "Models of the pixel columns agree with the release.",
         "denied"),
        ("CLAIM-LOSS-PARITY", "The drifting loss is a wolf in the release's clothing.", "wolf"),
        ("CLAIM-LOSS-PARITY", "The drifting loss and the release: 3 of 3 outputs.", "3"),
        ("CLAIM-LOSS-PARITY", "It rains.", "something else"),
        ("CLAIM-NONE", "The loss agrees with the release.", "which no claim is called"),
    ],
)  # fmt: skip
def test_a_marked_paraphrase_that_says_more_is_an_overclaim(
    claim: str, text: str, why: str, evidence: Evidence
) -> None:
    found = findings(tied(claim, text), "a.md", evidence)
    assert found
    assert all(f.ruling is Ruling.OVERCLAIM for f in found)
    assert any(why in f.reason for f in found), [f.reason for f in found]


def test_a_marked_sentence_that_the_net_does_not_catch_is_compared_with_its_claim(
    evidence: Evidence,
) -> None:
    text = "The loss of the release is recorded, and it hums along."
    assert findings(text, "a.md", evidence) == []
    found = one(tied("CLAIM-LOSS-PARITY", text), evidence)
    assert (found.ruling, "which neither the claim does" in found.reason) == (
        Ruling.OVERCLAIM,
        True,
    )
    plain = "Outputs of the drifting loss are recorded."
    assert one(tied("CLAIM-LOSS-PARITY", plain), evidence).ruling is Ruling.BACKED


def test_a_marker_whose_claim_is_denied_fails_even_where_nothing_was_caught(
    evidence: Evidence,
) -> None:
    found = one(tied("CLAIM-FID-L2", "It rains."), evidence)
    assert (found.ruling, "is denied" in found.reason) == (Ruling.OVERCLAIM, True)


def test_an_axis_that_is_weak_has_to_be_named(evidence: Evidence) -> None:
    own = "On the smoke axis the digits differ by 0.1."
    claim = KnownClaim("CLAIM-N", "Digits are learned", own, Scope.ALLOWED, axis=Axis.SMOKE)
    known = replace(evidence, claims=(claim,))
    good = "On the smoke axis digits learned differ from the reference by 0.1, no more."
    bad = "Digits learned differ by 0.1 from the reference, no more."
    found = [findings(tied("CLAIM-N", text), "a.md", known)[0] for text in (good, bad)]
    assert "smoke axis" in found[1].reason
    assert "smoke axis" not in found[0].reason


# -- attribution ----------------------------------------------------------------------------------


def test_what_an_authority_states_needs_its_name(evidence: Evidence) -> None:
    found = one("L/2 has FID 1.54.", evidence)
    assert found.ruling is Ruling.NEEDS_ATTRIBUTION
    assert found.instead == "The paper reports FID 1.54 for L2 (Tables 1, 5, 6)."
    assert ruling(found.instead, evidence) is Ruling.ATTRIBUTED


@pytest.mark.parametrize(
    "text",
    [
        "The paper reports FID 1.45.",
        "The paper reports FID 1.54 for B/2.",
        "The release reports FID 1.54 for L/2.",
        "FID 1.53 for L/2 (Table 5 of the paper).",
        "The paper reports a recall of 0.6.",
    ],
)
def test_a_figure_that_the_authority_does_not_state_is_misquoted(
    text: str, evidence: Evidence
) -> None:
    found = one(text, evidence)
    assert found.ruling is Ruling.OVERCLAIM
    assert "misquoted" in found.reason


@pytest.mark.parametrize(
    "text",
    [
        "B/2 reaches the paper's FID 1.75.",
        "The paper's FID of 1.54 is reached.",
        "Our FID is 1.54, as in the paper.",
        "FID 1.54, exactly as the paper says.",
        "The FID of this checkpoint is 1.53.",
    ],
)
def test_an_achievement_is_no_attribution(text: str, evidence: Evidence) -> None:
    assert ruling(text, evidence).flagged


QUOTED = "The paper reports an FID of 1.54"


@pytest.mark.parametrize(
    "rest",
    [
        "and nothing is missing in ours",
        "and nothing is lacking in ours",
        "and ours leaves nothing to be desired",
        "and we are not far from it",
        "and no gap is left in our code",
        "and none of it is out of our reach",
        "and ours has no trouble with that",
        "and it is not a problem for our model",
        "and ours has never failed to reach it",
        "and nothing that it has is absent here",
        "and there is nothing in it that we could not do",
        "and for us that is no obstacle",
        "and our model is no worse",
    ],
)
def test_a_true_quotation_carries_no_praise_of_ours_in_the_form_of_a_denial(
    rest: str, evidence: Evidence
) -> None:
    assert ruling(f"{QUOTED}, {rest}.", evidence) is Ruling.OVERCLAIM


@pytest.mark.parametrize(
    "rest",
    [
        "and we have not measured ours",
        "which we have not tried to reach",
        "and our run was never evaluated",
        "and nothing of ours has been evaluated on ImageNet",
        "and we claim nothing of the kind",
        "and our evaluation is missing",
        "which our code has not been run for",
    ],
)
def test_a_quotation_beside_what_we_have_not_done_is_attributed(
    rest: str, evidence: Evidence
) -> None:
    assert ruling(f"{QUOTED}, {rest}.", evidence) is Ruling.ATTRIBUTED


def test_a_pack_of_another_field_brings_its_own_names() -> None:
    evidence = Evidence(
        bundle="b",
        subject="babel",
        authorities=(KnownAuthority("handbook", "Handbook of Translation", "H-7", "source"),),
        facts=(KnownFact("handbook", "results.fid", "FID of the base", "", 61.2, "p. 3"),),
        claims=(KnownClaim("CLAIM-A", "Names are kept", "Names are kept whole: 3 of 3 clauses.",
                           Scope.ALLOWED, forbids=("translates every language",)),),
    )  # fmt: skip
    assert ruling("A FID of 61.2 is usual.", evidence) is Ruling.NEEDS_ATTRIBUTION
    assert ruling("The handbook reports FID 61.2.", evidence) is Ruling.ATTRIBUTED
    assert ruling("babel has FID 61.2.", evidence) is Ruling.OVERCLAIM
    assert ruling("Names are kept whole: 3 of 3 clauses.", evidence) is Ruling.BACKED
    assert ruling("babel translates every language.", evidence) is Ruling.OVERCLAIM


# -- laws -----------------------------------------------------------------------------------------


def test_without_a_bundle_nothing_is_backed(evidence: Evidence) -> None:
    denied = tuple(replace(c, scope=Scope.DENIED, reasons=("nothing was run",))
                   for c in evidence.claims)  # fmt: skip
    bare = replace(evidence, bundle=None, claims=denied)
    rulings = {
        finding.ruling
        for entry in entries("sentences.yaml")
        for finding in findings(entry.text, f"a.{entry.format}", bare)
    }
    assert Ruling.BACKED not in rulings
    assert all(f.lacks_evidence for c in denied for f in findings(c.sentence, "a.md", bare))


def test_every_finding_that_is_flagged_says_why_and_what_to_do(evidence: Evidence) -> None:
    for entry in entries("sentences.yaml"):
        for finding in findings(entry.text, f"a.{entry.format}", evidence):
            assert finding.reason
            assert finding.instead or not finding.ruling.flagged


def test_a_digest_spells_nothing(evidence: Evidence) -> None:
    digests = ["a3f1d1403b" + "0" * 54, "f1d1403bc2", "5bf1d0154c31"]
    digests += [hashlib.sha256(str(n).encode()).hexdigest() for n in range(500)]
    assert any("f1d" in digest for digest in digests[3:])
    for digest in digests:
        for text in (f"The code has the sha256 {digest}.", f"| code | `{digest}` |"):
            assert not flagged(text, "a.md", evidence), text
    assert flagged("The port has an F1D of 1.54.", "a.md", evidence)
