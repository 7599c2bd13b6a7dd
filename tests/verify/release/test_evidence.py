"""Evidence of a release: missing, stale, damaged or edited, and never taken for a pass."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.gate import obstacles
from verify.outcome import Outcome
from verify.problems import PackError, UsageError
from verify.release.decide import Decision, decide
from verify.release.finding import Finding, Result, Word
from verify.release.model import RELEASE
from verify.release.records import figures
from verify.report.model import ExitCode
from verify.run.results import Verdict

from .conftest import RUN, TODAY, Stage

Edit = Callable[[dict[str, Any]], None]


def code_only(stage: Stage) -> Stage:
    return replace(stage, artefacts=())


def outcome(stage: Stage, gate: str) -> tuple[Outcome, str]:
    (found,) = (one for one in code_only(stage).decide().results if one.gate.id == gate)
    return found.finding.outcome, found.finding.reason


# -- the bundle -----------------------------------------------------------------------------------


def test_a_bundle_about_other_code_is_stale(stage: Stage) -> None:
    path = stage.root / "contracts" / "bindings" / "thing.py"
    path.write_text(path.read_text() + "\n# changed\n")
    found, why = outcome(stage, "bundle")
    assert found is Outcome.UNKNOWN
    assert "older than the code" in why
    assert outcome(stage, "parity")[0] is Outcome.UNKNOWN


def test_a_damaged_bundle_is_a_matter_of_integrity_even_beside_an_older_good_one(
    stage: Stage,
) -> None:
    good = next(stage.reports.glob("[0-9]*/manifest.sha256")).parent
    newer = good.with_name("99990101T000000Z-0123456789")
    shutil.copytree(good, newer)
    (newer / "report.md").write_text("# GO\n")
    found = code_only(stage).decide()
    assert found.exit_code is ExitCode.INTEGRITY
    assert outcome(stage, "bundle")[0] is Outcome.FAIL


@pytest.mark.parametrize(
    ("about", "said"),
    [({"falsify": False}, "without falsifiers"), ({"only": ["THING-001"]}, "a part of the pack")],
)
def test_a_bundle_of_less_than_the_whole_is_unknown(
    stage: Stage, about: dict[str, Any], said: str
) -> None:
    from tests.verify.conftest import run_pack

    shutil.rmtree(next(stage.reports.glob("[0-9]*/manifest.sha256")).parent)
    run_pack(stage.pack, stage.reports, evidence_dir=stage.reports / "evaluations", **about)
    found, why = outcome(stage, "bundle")
    assert found is Outcome.UNKNOWN
    assert said in why


def test_a_waiver_that_expired_since_takes_its_bundle_with_it(stage: Stage) -> None:
    stage.seal("two")
    assert outcome(stage, "bundle")[0] is Outcome.PASS
    later = replace(code_only(stage).situation(), today=date(2999, 1, 2))
    (found,) = (one for one in decide(later, RUN).results if one.gate.id == "bundle")
    assert found.finding.outcome is Outcome.FAIL
    assert "the waiver of THING-001 by owner until 2999-01-01, which expired" in (
        found.finding.reason
    )


def test_a_clause_of_which_one_falsifier_did_not_run_does_not_stand(stage: Stage) -> None:
    """An interrupted run may have tried the first of two."""
    bundle = code_only(stage).situation().bundle
    assert bundle is not None
    assert bundle.report is not None
    report = bundle.report
    assert obstacles(report, ["THING-001"]) == []
    more = [
        one.model_copy(update={"falsifiers": [*one.falsifiers, "thing.other"]})
        for one in report.clauses
    ]
    wider = report.model_copy(update={"clauses": more})
    assert obstacles(wider, ["THING-001"]) == ["the falsifiers of THING-001 did not all run"]


def test_a_check_that_says_it_does_not_apply_closes_no_gate(stage: Stage) -> None:
    def run(gate: str, check: str, params: Any, budget: Any) -> Verdict:
        return Verdict(Outcome.NOT_APPLICABLE, "not for me")

    found = decide(stage.situation(), run)
    odd = {one.gate.id: one for one in found.results if one.gate.by.kind == "check"}
    assert len(odd) == 4
    for one in odd.values():
        assert one.open
        assert one.finding.outcome is Outcome.UNKNOWN


# -- files of the project -------------------------------------------------------------------------

ODD_PROJECTS = [
    "project = 3\n",
    "[project]\nlicense = 'Apache-2.0'\nlicense-files = 1\nversion = '0.1.0'\n",
    "[project]\nlicense = 'Apache-2.0'\nlicense-files = 'LICENSE'\nversion = '0.1.0'\n",
    "tool = 1\n[project]\ndynamic = 7\n",
    "[project]\ndynamic = ['version']\n[tool]\nhatch = 'x'\n",
    "a = " + "[" * 5000 + "\n",
]


@pytest.mark.parametrize("text", ODD_PROJECTS)
def test_an_odd_project_file_is_no_pass_and_no_crash(stage: Stage, text: str) -> None:
    (stage.root / "pyproject.toml").write_text(text)
    assert outcome(stage, "licence")[0] in (Outcome.FAIL, Outcome.UNKNOWN)
    assert outcome(stage, "version")[0] in (Outcome.PASS, Outcome.UNKNOWN)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("## [0.1.0] - 2026-02-30\n\nThe first.\n", "no heading"),
        ("## [0.1.0] - 2026-11-21\n\n### Added\n\n<!-- soon -->\n", "says nothing"),
    ],
)
def test_an_entry_of_no_day_or_of_headings_alone_is_none(
    stage: Stage, entry: str, said: str
) -> None:
    (stage.root / "CHANGELOG.md").write_text(f"# Changelog\n\n{entry}")
    found, why = outcome(stage, "changelog")
    assert found is Outcome.FAIL
    assert said in why


def test_prose_that_is_let_stand_is_counted(stage: Stage) -> None:
    comment = '<!-- verify: waive owner="Owner" reason="a quotation" -->'
    said = "It reaches FID 1.54, the state of the art."
    stage.pack.write("README.md", f"# A thing\n\n{comment}\n{said}\n")
    found, why = outcome(stage, "overclaims")
    assert found is Outcome.PASS
    assert why.endswith(", 1 waived")


# -- records --------------------------------------------------------------------------------------


def edited(stage: Stage, name: str, edit: Edit) -> None:
    path = stage.reports / "records" / f"{name}.json"
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))


RECORDS: list[tuple[str, Edit, Outcome, str]] = [
    ("tests", lambda d: d["tests"].update(failures=1), Outcome.FAIL, "1 failed"),
    ("tests", lambda d: d["tests"].update(skipped=1), Outcome.FAIL, "1 skipped"),
    ("tests", lambda d: d["tests"].update(exit_status=1), Outcome.FAIL, "exit status 1"),
    ("tests", lambda d: d["tests"].update(tests=0), Outcome.UNKNOWN, "expected at least 1"),
    ("tests", lambda d: d.update(tests=None), Outcome.UNKNOWN, "no counts"),
    ("tests", lambda d: d.update(gate="speed-loss"), Outcome.UNKNOWN, "record of speed-loss"),
    ("tests", lambda d: d.update(inputs="0" * 64), Outcome.UNKNOWN, "something else"),
    ("tests", lambda d: d.update(covered="0" * 64), Outcome.UNKNOWN, "stale"),
    ("tests", lambda d: d.update(extra=1), Outcome.UNKNOWN, "is no record"),
    ("speed-loss", lambda d: d["benchmark"].update(ratios=[9.0] * 3), Outcome.UNKNOWN, "fewer"),
    ("speed-loss", lambda d: d["benchmark"].update(ratios=[1e-9] * 15), Outcome.FAIL, "below"),
    ("speed-loss", lambda d: d["benchmark"].update(ratios=[]), Outcome.UNKNOWN, "is no record"),
    ("speed-loss", lambda d: d["benchmark"].update(ratios=[0.0]), Outcome.UNKNOWN, "is no record"),
    ("speed-loss", lambda d: d.update(benchmark=None), Outcome.UNKNOWN, "no ratios"),
]


@pytest.mark.parametrize(("name", "edit", "wanted", "said"), RECORDS)
def test_a_record_that_says_less_than_it_should_is_no_pass(
    stage: Stage, name: str, edit: Edit, wanted: Outcome, said: str
) -> None:
    edited(stage, name, edit)
    found, why = outcome(stage, name)
    assert found is wanted
    assert said in why


def test_a_record_that_two_readers_take_differently_is_none(stage: Stage) -> None:
    path = stage.reports / "records" / "tests.json"
    path.write_text(path.read_text().rstrip().removesuffix("}") + ', "tests": null}')
    found, why = outcome(stage, "tests")
    assert (found, "'tests' twice" in why) == (Outcome.UNKNOWN, True), why


def test_a_record_that_is_no_json_is_unknown(stage: Stage) -> None:
    (stage.reports / "records" / "tests.json").write_bytes(b"\xff{")
    assert outcome(stage, "tests")[0] is Outcome.UNKNOWN


def test_figures_that_scatter_are_unknown_and_not_a_pass(stage: Stage) -> None:
    stage.pack.edit("contracts/policy/release.yaml", "max_spread: 1000000.0", "max_spread: 0.1")
    edited(stage, "speed-loss", lambda d: d["benchmark"].update(ratios=[1.0, 2.0, 4.0] * 5))
    found, why = outcome(stage, "speed-loss")
    assert found is Outcome.UNKNOWN
    assert "quieter machine" in why


def test_changed_parameters_make_a_record_stale_and_a_changed_floor_does_not(stage: Stage) -> None:
    stage.pack.edit("contracts/policy/release.yaml", "value: 1.0e-06", "value: 2.0e-06")
    assert outcome(stage, "speed-loss")[0] is Outcome.PASS
    stage.pack.edit("contracts/policy/release.yaml", "groups: 1", "groups: 2")
    assert outcome(stage, "speed-loss")[0] is Outcome.UNKNOWN


def test_a_failing_test_is_recorded_as_such(stage: Stage) -> None:
    stage.pack.edit("tests/test_thing.py", "1 == 1", "1 == 2")
    stage.record("tests")
    found, why = outcome(stage, "tests")
    assert found is Outcome.FAIL
    assert "1 tests, 1 failed" in why


def test_the_environment_cannot_leave_tests_out(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.pack.write("tests/test_thing.py", "def test_red():\n    assert 1 == 2\n")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--deselect tests/test_thing.py::test_red --co")
    stage.record("tests")
    found, why = outcome(stage, "tests")
    assert found is Outcome.FAIL
    assert why.startswith("1 tests, 1 failed")


def test_a_test_command_that_leaves_no_counts_proves_nothing(stage: Stage) -> None:
    text = (stage.root / "contracts" / "policy" / "release.yaml").read_text()
    stage.pack.write("contracts/policy/release.yaml", text.replace("- pytest", "- this"))
    stage.record("tests")
    found, why = outcome(stage, "tests")
    assert found is Outcome.UNKNOWN
    assert why.startswith("0 tests")


def test_a_benchmark_whose_ways_disagree_leaves_no_record(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contracts.policy import speed

    original = speed.plain_loss
    monkeypatch.setattr(speed, "plain_loss", lambda *given: 2 * original(*given))
    path = stage.reports / "records" / "speed-loss.json"
    path.unlink()
    RUN.memory.clear()
    with pytest.raises(UsageError, match="the two gradients differ"):
        stage.record("speed-loss")
    assert not path.exists()
    RUN.memory.clear()


@given(st.lists(st.floats(0.01, 100), min_size=3, max_size=40))
@settings(max_examples=60)
def test_the_median_lies_inside_and_a_common_factor_leaves_the_spread(ratios: list[float]) -> None:
    median, spread = figures(ratios)
    assert min(ratios) <= median <= max(ratios)
    assert spread >= 0
    assert figures([2 * one for one in ratios])[1] == pytest.approx(spread)


# -- signatures -----------------------------------------------------------------------------------


def test_a_signature_counts_for_its_own_version_only(stage: Stage) -> None:
    for name in ("thing/__init__.py", "pyproject.toml"):
        stage.pack.edit(name, '"0.1.0"', '"0.2.0"')
    found, why = outcome(stage, "publish-tag")
    assert found is Outcome.UNKNOWN
    assert why == "nobody signed for 0.2.0; signed for 0.1.0"


def test_a_signature_of_tomorrow_does_not_count(stage: Stage) -> None:
    tomorrow = (TODAY + timedelta(days=1)).isoformat()
    stage.pack.edit("signoffs.yaml", TODAY.isoformat(), tomorrow)
    found, why = outcome(stage, "legal-review")
    assert found is Outcome.FAIL
    assert "which is to come" in why


def test_spaces_sign_nothing(stage: Stage) -> None:
    path = stage.root / "signoffs.yaml"
    path.write_text(path.read_text().replace("Nobody", "  ", 1))
    with pytest.raises(PackError, match=r"signoffs.yaml:\d+"):
        stage.decide()


def test_a_damaged_file_of_signatures_is_an_error_with_its_line(stage: Stage) -> None:
    path = stage.root / "signoffs.yaml"
    path.write_text(path.read_text().replace("role", "rule", 1))
    with pytest.raises(PackError, match=r"signoffs.yaml:\d+"):
        stage.decide()


DRAWN = st.dictionaries(st.integers(0, 19), st.sampled_from(list(Outcome)))


# -- the verdict ----------------------------------------------------------------------------------


@given(
    drawn=st.dictionaries(st.integers(0, 19), st.sampled_from(list(Outcome))), at=st.integers(0, 19)
)
@settings(max_examples=100)
def test_the_verdict_is_go_only_where_every_gate_passes(
    whole: Stage, drawn: dict[int, Outcome], at: int
) -> None:
    if not DECIDED:
        DECIDED.append(decide(code_only(whole).situation(), RUN))
    (base,) = DECIDED
    results = [
        replace(one, finding=Finding(drawn.get(number, Outcome.PASS), ""))
        for number, one in enumerate(base.results)
    ]
    found = Decision(base.situation, tuple(results))
    fine = (Outcome.PASS, Outcome.NOT_APPLICABLE)
    bad = {kind: [r for r in results if r.gate.kind == kind and r.finding.outcome not in fine]
           for kind in ("engineering", "maintainer")}  # fmt: skip
    wanted = Word.NO_GO if bad["engineering"] else Word.CONDITIONAL
    assert found.word is (wanted if bad["engineering"] or bad["maintainer"] else Word.GO)
    assert (found.exit_code is ExitCode.GO) == (found.word is Word.GO)
    assert closed_one_more(found, at) >= RANK[found.word]


DECIDED: list[Decision] = []
RANK = {Word.NO_GO: 0, Word.CONDITIONAL: 1, Word.GO: 2}


def closed_one_more(found: Decision, at: int) -> int:
    """Rank of the verdict when one gate more passes: it never falls."""
    results: list[Result] = list(found.results)
    results[at] = replace(results[at], finding=Finding(Outcome.PASS, ""))
    return RANK[Decision(found.situation, tuple(results)).word]


# -- lint -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("check: speed.loss", "check: speed.lost", "a check registered"),
        ("THING-001", "THONG-001", "selectors that match"),
        ("id: parity", "id: bundle", "the gate bundle a second time"),
        ("signatures: signoffs.yaml", "signatures: ../signoffs.yaml", "matches"),
        ("kind: decisions", "kind: guesses", "guesses"),
        ("close: verify run", "close: verify run {anything}", "one line with"),
        ("kind: maintainer", "kind: engineering", "a maintainer gate is closed by a signature"),
        ("releases: code", "releases: hope", "hope"),
    ],
)
def test_a_list_of_gates_that_is_wrong_is_refused(
    stage: Stage, old: str, new: str, said: str
) -> None:
    path = stage.root / RELEASE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    problems = stage.pack.problems()
    assert any(said in str(problem) for problem in problems), problems
    assert all(problem.file == RELEASE for problem in problems)
