"""What counts as an assertion: laws about what takes one back and what does not."""

from __future__ import annotations

import pytest

from verify.prose.classify import Act, Assertion, classify, clauses
from verify.prose.reading import Context, Form, Sentence
from verify.prose.scene import Voice
from verify.prose.support import Bench


def asserted(text: str, bench: Bench, **context: object) -> list[Assertion]:
    form = context.pop("form", Form.PROSE)
    assert isinstance(form, Form)
    sentence = Sentence(text, form=form, context=Context(**context))  # type: ignore[arg-type]
    found = (classify(clause, bench.vocabulary) for clause in clauses(sentence))
    return [assertion for assertion in found if assertion is not None]


# -- figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "metric", "values"),
    [
        ("We have FID 1.54.", "FID", [1.54]),
        ("An FID-50K score of just 1.54 is ours.", "FID", [1.54]),
        ("It has 1.54 FID.", "FID", [1.54]),
        ("The Fréchet Inception Distance (FID) of it is 1.54.", "FID", [1.54]),
        ("The FID of our samples on ImageNet 256 is 1.54.", "FID", [1.54]),
        ("It improves FID from 2.1 to 1.54.", "FID", [2.1, 1.54]),
        ("FID 1.54 ± 0.02 is ours.", "FID", [1.54]),
        ("IS is 258.9 for us.", "Inception score", [258.9]),
        ("Its top-1 accuracy is 84.2 %.", "accuracy", [84.2]),
        ("It runs 4.5x faster.", "speed-up", [4.5]),
    ],
)
def test_a_figure_is_a_metric_with_its_values(
    text: str, metric: str, values: list[float], bench: Bench
) -> None:
    (assertion,) = asserted(text, bench)
    figure = assertion.figures[0]
    assert (figure.metric, [value for value, _ in figure.values]) == (metric, values)


@pytest.mark.parametrize(
    "text",
    [
        "FID needs 50,000 samples of it.",
        "The FID of 5000 new images was computed.",
        "The tolerance for FID is 0.1.",
        "It moves within 0.1 FID.",
        "An accuracy of 1e-6 in float32 precision 32 is usual.",
        "It is 5 o'clock.",
        "The FID Inception of 2015-12-05 is used.",
        "Recall that 3 is odd.",
        "See ImageNet 256 FID curves.",
    ],
)
def test_numbers_that_are_no_figures(text: str, bench: Bench) -> None:
    assert asserted(text, bench) == []


# -- clauses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "We do not need a TPU, and we reach FID 1.6.",
        "It is not tuned and reaches FID 1.6.",
        "If you like it, fine; our FID is 1.6.",
        "The goal was modest: we reached FID 1.6.",
        "It has no labels, our FID is 1.6.",
        "Not only is it small, it reaches FID 1.6.",
    ],
)
def test_what_one_clause_takes_back_another_still_asserts(text: str, bench: Bench) -> None:
    assert [a.figures[0].values for a in asserted(text, bench)] == [((1.6, 1),)]


@pytest.mark.parametrize(
    "text",
    [
        "We did not match the paper.",
        "It never matched the paper.",
        "It fails to match the paper.",
        "It aims to match the paper.",
        "If it matches the paper, say so.",
        "It must match the paper.",
        "We use its seeds to match the paper.",
        "Notes on matching the paper.",
        "Match the paper's temperatures first.",
        "Does it match the paper?",
        "The tests check that it matches the paper.",
        "Nobody should say that it matches the paper.",
        "Once it matches the paper, it is released.",
    ],
)
def test_what_takes_parity_back(text: str, bench: Bench) -> None:
    assert asserted(text, bench) == []


@pytest.mark.parametrize(
    "text",
    [
        "It matches the paper.",
        "It was able to match the paper.",
        "It is verified to match the paper and equals it.",
        "There is no measurable difference to the paper.",
        "Its samples cannot be told apart from the paper's.",
        "It runs, matching the paper.",
        "It should be noted that it matches the paper.",
        "Even if it is small, it matches the paper.",
    ],
)
def test_parity_that_looks_taken_back_and_is_not(text: str, bench: Bench) -> None:
    assert {act for a in asserted(text, bench) for act, _ in a.acts} == {Act.PARITY}


@pytest.mark.parametrize(
    "text",
    [
        "Flow matching is the reference method.",
        "Names match the paper's notation.",
        "The seed is identical on all workers.",
        "The files of the same name as before are kept.",
        "A regression in the fallback path leading to an error was mended.",
        "A new record supersedes the old one.",
        "The best way to start is here.",
    ],
)
def test_words_of_parity_and_superiority_in_other_senses(text: str, bench: Bench) -> None:
    assert asserted(text, bench) == []


def test_a_negated_superior_is_superiority(bench: Bench) -> None:
    for text in ("It is second to none.", "No other port is as accurate.", "Nothing comes close."):
        (assertion,) = asserted(text, bench)
        assert assertion.acts[0][0] is Act.SUPERIORITY


# -- whose it is ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("The paper reports FID 1.54.", ("paper",)),
        ("FID 1.54 (paper, Table 5).", ("paper",)),
        ("FID 1.54 (Table 5).", ()),
        ("FID 1.54, as in the paper.", ()),
        ("FID 1.54 vs 1.54 in the paper.", ()),
        ("FID 1.54 (paper: 1.54).", ()),
        ("In the release's table FID is 1.53.", ("reference",)),
        ("arXiv 2602.04770 lists FID 1.54.", ("paper",)),
        ("DiT has FID 2.27 (Peebles and Xie, 2023).", ("cited",)),
        ("DiT has FID 2.27 [12].", ()),
    ],
)
def test_only_a_named_source_is_an_attribution(
    text: str, quoted: tuple[str, ...], bench: Bench
) -> None:
    (assertion,) = asserted(text, bench)
    assert assertion.quoted == quoted


def test_our_own_words_are_never_an_attribution(bench: Bench) -> None:
    (assertion,) = asserted("Our FID is 1.54, like the paper's 1.54 in its Table 5.", bench)
    assert (assertion.voice, assertion.quoted) == (Voice.OURS, ())


def test_the_subject_s_name_is_us_but_a_word_of_that_name_is_not(bench: Bench) -> None:
    (ours,) = asserted("drift has FID 1.54.", bench)
    (plain,) = asserted("With the drift of it FID is 1.54.", bench)
    assert (ours.voice, plain.voice) == (Voice.OURS, Voice.NEUTRAL)


def test_a_pronoun_speaks_of_the_source_before_it(bench: Bench) -> None:
    before = "The public reproduction had many tests."
    (assertion,) = asserted("Its run ended at FID 396.63.", bench, before=before)
    assert assertion.quoted == ("community",)


def test_output_is_asserted_only_where_it_is_presented_as_a_result(bench: Bench) -> None:
    presented = {"form": Form.OUTPUT, "lead": "Our result:"}
    assert asserted("FID 1.54", bench, **presented)
    assert not asserted("$ drift eval --want 'FID 1.54'", bench, **presented)
    assert not asserted("FID 1.54", bench, form=Form.OUTPUT, lead="Run it so:")


def test_a_cell_answers_what_its_labels_ask(bench: Bench) -> None:
    cell = {"form": Form.CELL, "row": "L/2"}
    assert asserted("1.54", bench, column="FID", **cell)
    assert asserted("✓", bench, column="matches the paper", **cell)
    assert not asserted("1.54", bench, column="FID tolerance", **cell)
    assert not asserted("no", bench, column="matches the paper", **cell)
    assert not asserted("FID 1.54", bench, column="sentence", beside=("denied",), **cell)
