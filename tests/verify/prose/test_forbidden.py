"""What claims forbid, as phrases and as patterns, and what a bounded form does not carry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from verify.outcome import Axis
from verify.prose.evidence import Evidence, KnownClaim, gather
from verify.prose.forbidden import says
from verify.prose.judge import Ruling
from verify.scope import ClaimVerdict, Form, Scope, Tier
from verify.spec.pack import load

from .conftest import findings

PACK = Path(__file__).parents[1] / "stages" / "pack"
FORBIDS = ("state of the art", "beats|surpasses ?the paper*", "reach* .. @metric .. @number")


@pytest.fixture(scope="module")
def bench() -> Evidence:
    claim = KnownClaim("CLAIM-A", "Names are kept", "Names are kept whole.", Scope.ALLOWED,
                       forbids=FORBIDS)  # fmt: skip
    return Evidence(bundle="b", subject="babel", claims=(claim,))


def ruling(text: str, bench: Evidence) -> tuple[Ruling, str] | None:
    found = findings(text, "a.md", bench)
    return (found[0].ruling, found[0].reason) if found else None


@pytest.mark.parametrize(
    "text",
    [
        "The new table surpasses the papers of last year.",
        "Our table beats paper and pencil.",
        "One run reaches a fine FID near 3.1.",
        "This is the state of the art of tables.",
    ],
)
def test_what_fits_a_forbidden_phrase_or_pattern_is_an_overclaim(
    text: str, bench: Evidence
) -> None:
    found = ruling(text, bench)
    assert found is not None
    assert found[0] is Ruling.OVERCLAIM


def test_the_reason_names_the_claim_that_forbids(bench: Evidence) -> None:
    found = ruling("This is the state of the art of tables.", bench)
    assert found is not None
    assert "CLAIM-A forbids" in found[1]


@pytest.mark.parametrize(
    "text", ["The paper surpasses us.", "We reach a FID.", "The art of the state."]
)
def test_other_orders_of_the_same_words_are_not_forbidden(text: str) -> None:
    assert not any(says(phrase, text) for phrase in FORBIDS)


class Said:
    """A report in which the staged claim stands in its bounded form."""

    about: dict[str, Any] = {"subject": "thing", "falsify": True}  # noqa: RUF012
    clauses: tuple[Any, ...] = ()

    def __init__(self, view: ClaimVerdict) -> None:
        self.claims = [view]


def bounded_view() -> ClaimVerdict:
    return ClaimVerdict(
        claim="CLAIM-STAGE", title="The thing reaches the book's figure", scope=Scope.ALLOWED,
        tier=Tier.B, form=Form.BOUNDED, semantics="reference", subject="thing",
        axis=Axis.REPO_EVAL, reasons=(), waivers=(), unlock=None, capped="", passed=2, needed=2,
        sentence="On repo-eval only, thing measures 1.5 FID on 5,000 samples.",
    )  # fmt: skip


def test_a_bounded_form_backs_its_own_sentence_and_never_the_strict_one() -> None:
    pack, view = load(PACK).pack, bounded_view()
    evidence = gather(pack, Said(view), "b")  # type: ignore[arg-type]
    strict, bounded = evidence.claims
    assert (strict.id, strict.scope) == ("CLAIM-STAGE", Scope.DENIED)
    assert (bounded.id, bounded.scope) == ("CLAIM-STAGE (bounded)", Scope.ALLOWED)
    assert (strict.axis, bounded.axis) == (Axis.PAPER_EVAL, Axis.REPO_EVAL)
    bench = evidence
    said = ruling(view.sentence, bench)
    assert said is not None
    assert said[0] is Ruling.BACKED
    for text in (strict.title, "thing reaches the book's figure on 50,000 samples of 3 seeds."):
        found = ruling(text, bench)
        assert found is not None
        assert found[0] is Ruling.OVERCLAIM, text


def test_a_strict_form_backs_the_strict_sentence() -> None:
    pack = load(PACK).pack
    sentence = "thing reaches the book's figure on 50,000 samples of 3 seeds (paper-eval)."
    view = replace(bounded_view(), form=Form.STRICT, sentence=sentence)
    evidence = gather(pack, Said(view), "b")  # type: ignore[arg-type]
    (strict,) = evidence.claims
    assert strict.scope is Scope.ALLOWED
    said = ruling(sentence, replace(evidence, bundle="b"))
    assert said is not None
    assert said[0] is Ruling.BACKED
