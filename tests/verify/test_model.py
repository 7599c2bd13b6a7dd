"""Models are frozen and strict; finding the pack; words with exactly one meaning."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import pydantic
import pytest

from verify.api import (
    CheckContext,
    Measurement,
    Outcome,
    Reason,
    check,
    mutant,
    registered,
    subject,
)
from verify.outcome import Axis
from verify.problems import PackError, Problem, UsageError, format_path
from verify.run import answers
from verify.run.answers import decode, encode, restate
from verify.spec.model import Falsifier, Waiver
from verify.spec.root import find_root
from verify.spec.written import Row

from .conftest import MiniPack, Result, clause


def context(**changes: Any) -> CheckContext:
    whole: dict[str, Any] = {
        "clause_id": "THING-001", "subject": None, "params": {}, "tolerance": 0.5,
        "facts": {"book:thing.one": 1.0}, "specs_dir": Path("specs"), **changes,
    }  # fmt: skip
    return CheckContext(**whole)


# -- the interface of checks ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measured", "outcome"),
    [(0.5, "pass"), (0.5000001, "fail"), (-3.0, "pass"), (float("nan"), "fail"),
     (float("inf"), "fail"), (float("-inf"), "fail")],
)  # fmt: skip
def test_judge_passes_up_to_and_including_the_tolerance(measured: float, outcome: str) -> None:
    assert context().judge(measured, "so").outcome == outcome


def test_judge_needs_a_tolerance() -> None:
    with pytest.raises(ValueError, match="states no tolerance to judge against"):
        context(tolerance=None).judge(0.0, "so")


def test_decide_and_missing_say_what_they_say() -> None:
    assert context().decide(False, "so").outcome is Outcome.FAIL
    missing = context().missing("no weights")
    assert (missing.outcome, missing.cause) == (Outcome.UNKNOWN, Reason.EVIDENCE_MISSING)


def test_a_check_sees_cited_facts_and_files_below_specs_only(tmp_path: Path) -> None:
    ctx = context(specs_dir=tmp_path / "specs")
    assert ctx.fact("book:thing.one") == 1.0
    with pytest.raises(KeyError, match="add it to `sources`"):
        ctx.fact("book:thing.two")
    assert ctx.spec_file("golden/x.bin") == tmp_path / "specs/golden/x.bin"
    for path in ("../secret", "/etc/passwd", "a/../../b"):
        with pytest.raises(ValueError, match="leaves the folder specs/"):
            ctx.spec_file(path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="leaves the folder specs/"):
        ctx.spec_file("link/secret")


def test_decorators_leave_a_function_as_it_was_but_for_its_names() -> None:
    def plain(x: int) -> int:
        return x + 1

    marked = check("a.b", needs=["n"])(mutant("c.d")(subject("e")(plain)))
    assert marked is plain
    assert marked(1) == 2
    assert [(e.role, e.name, e.needs) for e in registered(marked)] == [
        ("subject", "e", ()), ("mutant", "c.d", ()), ("check", "a.b", ("n",)),
    ]  # fmt: skip


def test_a_registration_is_not_inherited_and_nothing_odd_is_asked_twice() -> None:
    @check("a.b")
    class Base:
        pass

    class Derived(Base):
        pass

    class Odd:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("do not ask")

    assert len(tuple(registered(Base))) == 1
    assert tuple(registered(Derived)) == ()
    assert tuple(registered(Odd())) == ()
    assert tuple(registered(5)) == ()


# -- answers --------------------------------------------------------------------------------------


def test_an_answer_says_the_same_on_both_ends() -> None:
    measurement = Measurement(
        Outcome.FAIL, "so", measured=2, unit="m", details={"a": [1]}, files={"x.bin": b"\x00\xff"},
        axis="proxy",
    )  # fmt: skip
    answer = json.loads(json.dumps({**encode(measurement), "elapsed_s": 0.5, "peak_mb": 9.0}))
    verdict = decode(answer)
    assert (verdict.outcome, verdict.measured, verdict.unit) == (Outcome.FAIL, 2, "m")
    assert verdict.files == {"x.bin": b"\x00\xff"}
    assert (verdict.details, verdict.axis) == ({"a": [1]}, Axis.PROXY)
    assert decode(json.loads(json.dumps(restate(verdict)))) == verdict


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "a\\b", "a b", "x" * 200, "ü.txt", "a\n"]
)
def test_a_file_has_a_plain_name(name: str) -> None:
    with pytest.raises(ValueError, match="is no plain file name"):
        encode(Measurement(Outcome.FAIL, "so", files={name: b""}))


@pytest.mark.parametrize(
    "changes",
    [{"details": [1]}, {"details": None}, {"files": [1]}, {"files": {"a": "text"}},
     {"measured": [1, 2]}, {"measured": object()}, {"unit": 5}, {"reason": None}],
)  # fmt: skip
def test_an_answer_of_the_wrong_type_is_refused(changes: dict[str, Any]) -> None:
    whole: dict[str, Any] = {"outcome": Outcome.FAIL, "reason": "so", **changes}
    with pytest.raises(TypeError):
        encode(Measurement(**whole))


def test_a_text_is_one_printable_line_of_bounded_length() -> None:
    assert answers.text(" a\n\tb  c ") == "a b c"
    assert answers.text("\x1b[31mred\x07\u202e") == "\\x1b[31mred\\x07\\x202e"
    assert len(answers.text("x" * 10**6)) == answers.TEXT_LIMIT


# -- models ---------------------------------------------------------------------------------------


def test_models_are_frozen_and_know_no_other_keys() -> None:
    parsed = Row.model_validate_json(json.dumps(clause()))
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        parsed.statement = "changed"  # type: ignore[misc]
    with pytest.raises(pydantic.ValidationError, match="Extra inputs"):
        Row.model_validate_json(json.dumps({**clause(), "extra": 1}))


@pytest.mark.parametrize("bad", ["FIELD", "field-1", "FIELD_1", "FIELD-1 ", "-1", "FIELD-x", "1-1"])
def test_a_clause_id_has_one_form(bad: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="should match pattern"):
        Row.model_validate_json(json.dumps(clause(id=bad)))


def test_a_falsifier_is_labelled_by_its_arguments() -> None:
    plain = Falsifier(mutant="a.b")
    assert plain.label == "a.b"
    several = Falsifier.model_validate({"mutant": "a.b", "with": {"x": [1, 2], "y": "z"}})
    assert several.label == "a.b(x=[1, 2], y=z)"


def test_the_last_day_of_a_waiver_still_counts() -> None:
    waiver = Waiver(clause="THING-001", owner="o", reason="r", expires="2026-06-30")
    assert not waiver.expired(date(2026, 6, 30))
    assert waiver.expired(date(2026, 7, 1))


def test_problems_are_sorted_said_once_and_whole() -> None:
    one = Problem("b.yaml", 2, 3, "a[0].b", "x", "y", "z")
    assert str(one) == "b.yaml:2:3: a[0].b: found x; expected y; remedy: z"
    assert str(Problem("a.yaml", found="x")) == "a.yaml: found x"
    error = PackError([one, Problem("a.yaml", found="x"), one])
    assert [problem.file for problem in error.problems] == ["a.yaml", "b.yaml"]
    assert format_path(("a", 0, "b", "c", 1)) == "a[0].b.c[1]"


# -- finding the pack -----------------------------------------------------------------------------


def test_the_given_folder_comes_first_then_the_working_directory(
    mini: MiniPack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert find_root(mini.root) == mini.root
    monkeypatch.chdir(mini.root)
    assert find_root(None) == mini.root
    with pytest.raises(UsageError, match=r"found no contracts/pack\.yaml"):
        find_root(tmp_path)


def test_without_any_pack_the_remedy_is_named(
    cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda group: ())
    result = cli("lint")
    assert result.code == 2
    assert "no installed pack" in result.err
    assert "verify init DIR" in result.err


def test_the_label_of_a_falsifier_does_not_know_the_order_of_its_arguments() -> None:
    """Evidence sorts keys: labels that did not made a sound bundle a damaged one."""
    one = Falsifier.model_validate({"mutant": "a.b", "with": {"of": "x", "by": {"z": 1, "c": 2}}})
    other = Falsifier.model_validate_json(
        json.dumps(one.model_dump(mode="json", by_alias=True), sort_keys=True)
    )
    assert one.label == other.label == "a.b(by={'c': 2, 'z': 1}, of=x)"
