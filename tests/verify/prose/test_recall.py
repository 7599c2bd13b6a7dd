"""How well overclaims are caught, and what is published of it.

voices.yaml was written by independent authors who had not seen the net; the part of it that is
held out was never read by whoever tuned the net. Nothing was fitted to the last independent set
either. All others have been tuned on: they say that nothing got worse, and no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from verify.prose import learned, lexicon
from verify.prose.accuracy import HELD_OUT, Accuracy
from verify.prose.evidence import Evidence
from verify.prose.text import pattern

from . import fit
from .conftest import Entry, entries, flagged, voices

RECALL, PRECISION = 0.95, 0.9
UNTOUCHED = "independent_sixth.yaml"
WRITERS, LANGUAGE = 0.9, 0.85  # of independent writers, whose idioms no list has


def measure(texts: Iterable[Entry], evidence: Evidence) -> Accuracy:
    """Every text ruled and counted."""
    found, of, alarms, innocent = Counter[str](), Counter[str](), 0, 0
    for entry in texts:
        hit = flagged(entry.text, f"a.{entry.format}", evidence)
        if entry.overclaim:
            of[entry.kind] += 1
            found[entry.kind] += hit
        else:
            innocent += 1
            alarms += hit
    return Accuracy({kind: (found[kind], of[kind]) for kind in of}, (alarms, innocent))


def test_the_sets_are_large_and_split_in_halves() -> None:
    texts = list(entries("sentences.yaml"))
    assert len({entry.text for entry in texts}) == len(texts)
    assert sum(entry.overclaim for entry in texts) >= 120
    assert sum(not entry.overclaim for entry in texts) >= 120
    held = [entry for entry in texts if entry.held_out]
    assert 0.4 <= len(held) / len(texts) <= 0.6


@pytest.mark.parametrize("held_out", [True, False])
def test_recall_and_precision(held_out: bool, evidence: Evidence) -> None:
    texts = [entry for entry in entries("sentences.yaml") if entry.held_out is held_out]
    found = measure(texts, evidence)
    assert found.recall >= RECALL
    assert found.precision >= PRECISION


SETS = [
    *((f"independent{which}.yaml", "") for which in ("", "_second", "_third", "_fourth", "_fifth")),
    *((f"{name}.yaml", "") for name in ("unseen", "earlier", "siblings")),
    *(("phrasings.yaml", part) for part in ("first", "second", "third", "fourth", "fifth")),
]
DAILY = (("independent_fifth.yaml", ""), ("siblings.yaml", ""), ("phrasings.yaml", "fifth"))


@pytest.mark.parametrize(
    ("name", "part"),
    [pytest.param(*s, marks=() if s in DAILY else pytest.mark.nightly) for s in SETS],
)
def test_other_voices_are_caught_as_well(name: str, part: str, evidence: Evidence) -> None:
    found = measure(entries(name, part), evidence)
    assert found.recall >= RECALL
    assert found.precision >= PRECISION


def test_the_published_figures_are_those_of_what_nothing_was_tuned_on(evidence: Evidence) -> None:
    found = measure(voices("held_out"), evidence)
    assert dict(found.flagged) == dict(HELD_OUT.flagged)
    assert found.alarms == HELD_OUT.alarms


def test_the_last_independent_set_is_told_without_being_fitted_to(evidence: Evidence) -> None:
    found = measure(entries(UNTOUCHED), evidence)
    assert found.recall >= RECALL
    assert found.precision >= PRECISION


@pytest.mark.nightly
def test_independent_writers_are_caught_in_every_language(evidence: Evidence) -> None:
    texts = list(voices("tuned"))
    by_language = measure((replace(text, kind=text.language) for text in texts), evidence)
    found = by_language
    assert found.recall >= WRITERS
    assert found.precision >= PRECISION
    for language, (hits, count) in by_language.flagged.items():
        assert hits / count >= LANGUAGE, language


def test_the_held_out_texts_are_no_tuned_ones() -> None:
    held, tuned = ({text.text for text in voices(part)} for part in ("held_out", "tuned"))
    assert not held & tuned
    assert len(held) > 75


def test_the_weights_are_those_of_the_sets_and_the_features() -> None:
    assert learned.fitted()["fitted_to"] == fit.digest(), "run: python tests/verify/prose/fit.py"


def test_no_text_that_is_held_out_is_fitted_to() -> None:
    fitted = {entry.text for _, entry in fit.sets()}
    assert not fitted & {text.text for text in voices("held_out")}
    assert not fitted & {text.text for text in entries(UNTOUCHED)}


def test_what_is_learnt_adds_and_lets_go(
    monkeypatch: pytest.MonkeyPatch, evidence: Evidence
) -> None:
    texts = list(entries("independent_fourth.yaml"))
    with_it = measure(texts, evidence)
    monkeypatch.setattr(learned, "score", lambda text, form: 0.0)
    without = measure(texts, evidence)
    assert with_it.recall > without.recall
    assert with_it.alarms[0] < without.alarms[0]


def test_a_figure_beside_its_metric_is_caught_whatever_is_learnt(
    monkeypatch: pytest.MonkeyPatch, evidence: Evidence
) -> None:
    monkeypatch.setattr(learned, "score", lambda text, form: -9.0)
    assert flagged("Our model has an FID of 1.57 on ImageNet.", "a.md", evidence)
    assert not flagged("Our samples are stunning.", "a.md", evidence)


@pytest.fixture
def rules_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The net without what is learnt of whole sentences, which would make up for a rule's loss."""
    monkeypatch.setattr(learned, "score", lambda text, form: 0.0)


@pytest.fixture(scope="module")
def intact(evidence: Evidence) -> Accuracy:
    """What all rules find."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learned, "score", lambda text, form: 0.0)
        return measure(entries("sentences.yaml"), evidence)


@pytest.mark.nightly
@pytest.mark.parametrize(
    "part",
    [
        "METRIC",
        "PARITY COMPARAND",
        "SUPERIOR",
        "FRAME",
        "DENIAL",
        "PRAISE",
        "NO_FIGURE",
        "AFFIRMED",
    ],
)
@pytest.mark.usefixtures("rules_alone")
def test_the_measurement_notices_a_net_with_a_hole(
    part: str, monkeypatch: pytest.MonkeyPatch, evidence: Evidence, intact: Accuracy
) -> None:
    for name in part.split():  # each of the two alone is made up for by the other
        monkeypatch.setattr(lexicon, name, pattern(r"(?!)"))
    assert measure(entries("sentences.yaml"), evidence) != intact


@pytest.mark.usefixtures("rules_alone")
def test_idioms_are_caught_by_what_they_speak_of(
    monkeypatch: pytest.MonkeyPatch, evidence: Evidence
) -> None:
    texts = [text for text in entries("phrasings.yaml", "first") if text.kind == "idiom"]
    assert measure(texts, evidence).recall == 1
    for name in ("MADE", "COMPARAND"):
        monkeypatch.setattr(lexicon, name, pattern(r"(?!)"))
    assert measure(texts, evidence).recall < WRITERS


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("metric_with_deeds", "FIGURE"),
        ("badge", "STATUS"),
        ("bare_figure", "STANDS_AT"),
        ("pronoun", "THEM"),
        ("reobtain", "REGAIN"),
        ("against_ours", "NOT_A_FRAME"),
        ("nobody", "NO_BETTER"),
        ("only", "ULTIMATE"),
        ("defect_gone", "OVERCOME"),
        ("verified", "VERIFIED"),
        ("default", "DRIFT_SUBJECT"),
    ],
)
@pytest.mark.usefixtures("rules_alone")
def test_each_kind_of_sibling_is_caught_by_what_it_has_in_common(
    kind: str, name: str, monkeypatch: pytest.MonkeyPatch, evidence: Evidence
) -> None:
    texts = [text for text in entries("siblings.yaml") if text.kind == kind]
    caught = measure(texts, evidence).recall
    monkeypatch.setattr(lexicon, name, pattern(r"(?!)"))
    assert measure(texts, evidence).recall < caught


@pytest.mark.parametrize(
    "text",
    [
        "Set the guidance to 1.0 and call `drift sample`: the FID is 1.6.",
        "Run the tests, open the log, count the lines: 1.57 FID.",
        "The config file leads to an FID of 1.54 with the default options.",
    ],
)
def test_a_metric_with_a_figure_is_caught_among_deeds_and_orders(
    text: str, evidence: Evidence
) -> None:
    assert flagged(text, "a.md", evidence)
    assert not flagged(text.replace("1.6", "printed").replace("1.57 FID", "FID").replace(
        "an FID of 1.54", "an FID"), "a.md", evidence)  # fmt: skip
