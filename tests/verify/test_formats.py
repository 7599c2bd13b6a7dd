"""What other programs read: exit codes, JUnit XML and SARIF, held against the readers' own rules.

The schemas of JUnit's descendants and of SARIF are not ours to hand on, so their rules are written
here: for JUnit what GitLab, Jenkins and GitHub's reporters have in common, for SARIF what GitHub
publishes of the properties that code scanning reads and of its limits.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from verify.report import junit, sarif
from verify.report.model import ExitCode, Report

from .conftest import Finished, MiniPack, Result, clause, config, run_pack
from .test_reports import hostile
from .test_sarif import SARIF

Cli = Callable[..., Result]

SAYING = """
    from verify.api import check

    @check("say.unknown")
    def unknown(ctx):
        return ctx.missing("no file")

    @check("say.error")
    def error(ctx):
        raise RuntimeError("boom")

    @check("say.wrong")
    def wrong(ctx):
        return ctx.judge(7.0, "seven", unit="units")
"""


@pytest.fixture
def saying(mini: MiniPack) -> MiniPack:
    mini.write("contracts/bindings/say.py", SAYING)
    return mini


def finish(pack: MiniPack, reports: Path, *checks: str, falsify: bool = True) -> Finished:
    pack.clauses = [clause(n, check=check) for n, check in enumerate(checks, start=1)]
    return run_pack(pack.save(), reports, falsify=falsify)


# -- exit codes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checks", "falsify", "code"),
    [
        (["thing.one"], True, ExitCode.GO),
        (["thing.one"], False, ExitCode.INCOMPLETE),
        (["thing.one", "say.error"], False, ExitCode.FAILED),
        (["thing.one", "say.unknown"], False, ExitCode.FAILED),
        (["thing.one", "say.wrong"], False, ExitCode.FAILED),
        (["thing.one", "say.error"], True, ExitCode.INCOMPLETE),
        (["thing.one", "say.unknown"], True, ExitCode.INCOMPLETE),
    ],
)
def test_without_falsifiers_three_is_said_of_a_clean_run_alone(
    saying: MiniPack, tmp_path: Path, checks: list[str], falsify: bool, code: ExitCode
) -> None:
    report = finish(saying, tmp_path / "reports", *checks, falsify=falsify).report
    assert report.verdict.exit_code == code


def test_an_optional_clause_may_wait_without_falsifiers_too(
    saying: MiniPack, tmp_path: Path
) -> None:
    saying.clauses = [clause(1), clause(2, check="say.unknown", required=False)]
    report = run_pack(saying.save(), tmp_path / "reports", falsify=False).report
    assert report.verdict.exit_code == ExitCode.INCOMPLETE


# -- JUnit ----------------------------------------------------------------------------------------

COUNTS = {"tests": r"\d+", "failures": r"\d+", "errors": r"\d+", "skipped": r"\d+"}
SECONDS = r"\d+\.\d{3}"
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
SAID = {"message": r"(?s).*", "type": r"[a-z_.]+"}
# element -> its attributes, all of them required, and the elements that it may hold
JUNIT: dict[str, tuple[dict[str, str], set[str]]] = {
    "testsuites": ({"name": ".+", "time": SECONDS, **COUNTS}, {"testsuite"}),
    "testsuite": (
        {"name": ".+", "time": SECONDS, "timestamp": STAMP, **COUNTS}, {"testcase"}),
    "testcase": (
        {"name": ".+", "classname": ".+", "time": SECONDS, "file": r"[^/].*", "line": r"[1-9]\d*"},
        {"failure", "error", "skipped"}),
    "failure": (SAID, set()),
    "error": (SAID, set()),
    "skipped": ({"message": r"(?s).*"}, set()),
}  # fmt: skip


def hold(element: ET.Element) -> None:
    """Every element has the attributes of its kind, and holds no others than may be there."""
    attributes, children = JUNIT[element.tag]
    assert set(element.attrib) == set(attributes), element.attrib
    for name, pattern in attributes.items():
        assert re.fullmatch(pattern, element.attrib[name]), (element.tag, name)
    if element.tag == "testcase":
        assert len(element) <= 1
    if element.tag in ("testsuite", "testsuites"):
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(element.attrib[name]) == len(list(element.iter(tag)))
        assert int(element.attrib["tests"]) == len(list(element.iter("testcase")))
    for child in element:
        assert child.tag in children, (element.tag, child.tag)
        hold(child)


@pytest.mark.parametrize("nasty", [False, True])
def test_junit_is_as_its_readers_have_it(sealed: Finished, nasty: bool) -> None:
    hold(ET.fromstring(junit.render(hostile(sealed.report) if nasty else sealed.report)))


def case_of(report: Report, name: str) -> ET.Element:
    found = ET.fromstring(junit.render(report)).find(f"testsuite/testcase[@name='{name}']")
    assert found is not None
    return found


def test_a_required_clause_that_is_unknown_is_a_failure(saying: MiniPack, tmp_path: Path) -> None:
    report = finish(saying, tmp_path / "reports", "thing.one", "say.unknown").report
    case = case_of(report, "THING-002")
    failure = case.find("failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == (
        "unknown.evidence_missing", "no file",
    )  # fmt: skip
    assert case.get("file") == "contracts/thing.yaml"
    (run,) = json.loads(sarif.render(report))["runs"]
    assert [(one["ruleId"], one["kind"], one["level"]) for one in run["results"]] == [
        ("THING-002", "fail", "error")
    ]


def test_a_failure_says_what_was_measured_and_what_is_allowed(
    saying: MiniPack, tmp_path: Path
) -> None:
    report = finish(saying, tmp_path / "reports", "say.wrong").report
    case = case_of(report, "THING-001")
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("type") == "fail"
    assert "measured 7 units, allowed 0.5 units" in (failure.text or "")


def test_an_optional_clause_that_is_unknown_is_skipped(sealed: Finished) -> None:
    assert case_of(sealed.report, "THING-003").find("skipped") is not None


# -- SARIF ----------------------------------------------------------------------------------------


def hold_for_github(text: str) -> None:
    """GitHub's rules: what it needs of a rule and of a result, and its limits."""
    assert len(text) < 10 * 2**20
    (run,) = json.loads(text)["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len(rules) <= 25_000
    assert len(run["results"]) <= 25_000
    for one in rules:
        assert one["id"]
        for part in ("shortDescription", "fullDescription"):
            assert 0 < len(one[part]["text"]) <= 1024
        assert one["help"]["text"]
        assert len(one["properties"]["tags"]) <= 20
        assert one["properties"]["problem.severity"] in ("error", "warning", "recommendation")
    for one in run["results"]:
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
        assert one["message"]["text"]
        assert 1 <= len(one["locations"]) <= 1000
        for location in one["locations"]:
            place = location["physicalLocation"]
            assert not re.match(r"/|[a-z]+:|\.\./", place["artifactLocation"]["uri"])
            assert place["region"]["startLine"] >= 1
        assert one["partialFingerprints"]


@pytest.mark.parametrize("change", [lambda report: report, hostile])
def test_sarif_is_as_github_has_it(sealed: Finished, change: Callable[[Report], Report]) -> None:
    hold_for_github(sarif.render(change(sealed.report)))


def test_long_descriptions_and_many_tags_are_cut(sealed: Finished) -> None:
    clauses = [
        one.model_copy(update={"statement": "x" * 5000, "tags": [f"t{n}" for n in range(40)]})
        for one in sealed.report.clauses
    ]
    hold_for_github(sarif.render(sealed.report.model_copy(update={"clauses": clauses})))


@pytest.fixture
def columns(mini: MiniPack) -> MiniPack:
    """A pack with two columns, of which the second is wrong in its third line."""
    mini.edit("contracts/pack.yaml", "subject: thing", "subject: thing\ncolumns: [a, b]")
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write("templates: {a: set/a.yaml, b: set/b c.yaml}\n")
    mini.write("set/a.yaml", "column: a\nfidelity: faithful\none: 1.0\n")
    mini.write("set/b c.yaml", "column: b\nfidelity: faithful\none: 2.0\n")
    mini.clauses = [config(1)]
    return mini.save()


def places(text: str) -> list[list[tuple[str, int]]]:
    (run,) = json.loads(text)["runs"]
    return [
        [
            (one["physicalLocation"]["artifactLocation"]["uri"],
             one["physicalLocation"]["region"]["startLine"])
            for one in result["locations"]
        ]
        for result in run["results"]
    ]  # fmt: skip


def test_a_config_clause_is_located_at_the_wrong_line_of_its_template(
    columns: MiniPack, tmp_path: Path
) -> None:
    text = sarif.render(run_pack(columns, tmp_path / "reports").report)
    assert places(text)[0] == [("set/b%20c.yaml", 3), ("contracts/thing.yaml", 5)]
    jsonschema.validate(json.loads(text), SARIF)
    hold_for_github(text)


def test_a_users_file_is_located_at_its_own_wrong_lines(
    columns: MiniPack, tmp_path: Path, cli: Cli
) -> None:
    (columns.root / ".git").mkdir()
    columns.write("mine/own.yaml", "column: a\nfidelity: faithful\n\none: 3.0\nmore: 1\n")
    out = tmp_path / "out.sarif"
    file = columns.root / "mine" / "own.yaml"
    result = cli("template", file, "--pack", columns.root, "--sarif", out)
    assert result.code == 1
    text = out.read_text(encoding="utf-8")
    assert places(text) == [
        [("mine/own.yaml", 4), ("contracts/thing.yaml", 5)], [("mine/own.yaml", 5)],
    ]  # fmt: skip
    jsonschema.validate(json.loads(text), SARIF)
    hold_for_github(text)


def test_a_faithful_file_has_no_results(columns: MiniPack, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "out.sarif"
    file = columns.root / "set" / "a.yaml"
    assert cli("template", file, "--pack", columns.root, "--sarif", out).code == 0
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    assert found["runs"][0]["results"] == []
    assert found["runs"][0]["invocations"][0]["exitCode"] == 0
