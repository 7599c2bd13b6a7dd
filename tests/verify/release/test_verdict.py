"""What findings of gates come to: word, exit code, line, and the commands that close them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from verify.outcome import Outcome
from verify.problems import UsageError
from verify.release.decide import Decision, closing, decide
from verify.release.finding import Finding, Word
from verify.release.model import Gate, Signature
from verify.release.situation import Artefact
from verify.report.model import ExitCode
from verify.run.results import Verdict

CLOSE = "verify {gate} --for {version} {artefact} {stem}.card.md"
MODEL = Artefact(Path("/there/m one.safetensors"), "ab" * 32)
FINDINGS = {
    "pass": Finding(Outcome.PASS, "it holds"),
    "fail": Finding(Outcome.FAIL, "it does not"),
    "integrity": Finding(Outcome.FAIL, "another digest", integrity=True),
    "unknown": Finding(Outcome.UNKNOWN, "nobody knows"),
    "error": Finding(Outcome.ERROR, "it broke"),
    "not applicable": Finding(Outcome.NOT_APPLICABLE, "beside the point"),
}


def a_gate(name: str = "gate", kind: str = "engineering", **more: Any) -> Gate:
    by = {"kind": "signature"} if kind == "maintainer" else {"kind": "check", "check": "a.b"}
    about = {"id": name, "title": "T.", "kind": kind, "by": by, "close": CLOSE}
    return Gate.model_validate(about | more)


def situation(*gates: Gate, **more: Any) -> Any:
    about = {
        "release": SimpleNamespace(gates=gates, releases="code"), "artefacts": (), "bundle": None,
        "version": "1.2", "signatures": (), "today": date(2026, 11, 21),
    }  # fmt: skip
    return SimpleNamespace(**(about | more))


def never(*given: Any) -> Verdict:
    raise AssertionError("no check was to be asked")


def came_to(engineering: list[str], maintainer: list[str]) -> Decision:
    gates = {"engineering": engineering, "maintainer": maintainer}
    results = [
        SimpleNamespace(
            gate=SimpleNamespace(kind=kind), finding=FINDINGS[one],
            open=one not in ("pass", "not applicable"),
        )
        for kind, found in gates.items()
        for one in found
    ]  # fmt: skip
    return Decision(situation(), tuple(results))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("engineering", "maintainer", "word", "code", "shares"),
    [
        (["pass", "pass"], ["pass"], Word.GO, 0, "2/2 engineering gates pass, 1/1 signed, 0"),
        (["pass", "not applicable"], [], Word.GO, 0, "1/1 engineering gates pass, 0/0 signed, 1"),
        (["pass"], ["unknown"], Word.CONDITIONAL, 3, "1/1 engineering gates pass, 0/1 signed, 0"),
        (["pass"], ["fail"], Word.CONDITIONAL, 3, "1/1 engineering gates pass, 0/1 signed, 0"),
        (["unknown", "pass"], ["pass"], Word.NO_GO, 3, "1/2 engineering gates pass, 1/1 signed, 0"),
        (["not applicable"], [], Word.NO_GO, 3, "0/0 engineering gates pass, 0/0 signed, 1"),
        (["not applicable"], ["pass"], Word.NO_GO, 3, "0/0 engineering gates pass, 1/1 signed, 1"),
        (["error"], [], Word.NO_GO, 3, "0/1 engineering gates pass, 0/0 signed, 0"),
        (["unknown", "fail"], ["unknown"], Word.NO_GO, 1, "0/2 engineering gates pass, 0/1"),
        (["fail", "integrity", "unknown"], [], Word.NO_GO, 4, "0/3 engineering gates pass, 0/0"),
    ],
)
def test_the_verdict_of_findings(
    engineering: list[str], maintainer: list[str], word: Word, code: int, shares: str
) -> None:
    found = came_to(engineering, maintainer)
    assert (found.word, found.exit_code) == (word, ExitCode(code))
    assert found.line.startswith(f"{word}: {shares}")


@pytest.mark.parametrize(
    ("version", "bundle", "said"),
    [
        ("1.2", SimpleNamespace(name="20261121"), "; version 1.2, bundle 20261121"),
        (None, None, "; version unknown, bundle none"),
        ("", None, "; version unknown, bundle none"),
    ],
)
def test_the_line_says_what_it_is_about(version: str | None, bundle: Any, said: str) -> None:
    assert Decision(situation(version=version, bundle=bundle), ()).line.endswith(said)


@pytest.mark.parametrize(
    ("artefact", "version", "said"),
    [
        (MODEL, "1.2", "verify gate --for 1.2 'm one.safetensors' 'm one'.card.md"),
        (None, None, "verify gate --for VERSION ARTEFACT ARTEFACT.card.md"),
        (None, "-x", "verify gate --for VERSION ARTEFACT ARTEFACT.card.md"),
        (None, "1\n2", "verify gate --for VERSION ARTEFACT ARTEFACT.card.md"),
    ],
)
def test_the_command_that_closes_a_gate_can_be_pasted(
    artefact: Artefact | None, version: str | None, said: str
) -> None:
    assert closing(a_gate(), situation(version=version), artefact) == said


def test_a_check_is_asked_once_for_each_artefact_with_its_path_and_once_for_a_release() -> None:
    asked: list[Any] = []

    def run(*given: Any) -> Verdict:
        asked.append(given)
        return Verdict(Outcome.PASS, "it holds")

    each = a_gate("each", per="artefact", by={"kind": "check", "check": "a.b", "params": {"n": 1}})
    one, other = MODEL, Artefact(Path("/there/x"), "cd" * 32)
    found = decide(situation(each, a_gate("once"), artefacts=(one, other)), run)
    assert [(gate, check, params) for gate, check, params, _ in asked] == [
        ("each", "a.b", {"n": 1, "artefact": "/there/m one.safetensors"}),
        ("each", "a.b", {"n": 1, "artefact": "/there/x"}),
        ("once", "a.b", {}),
    ]
    assert [(one.label, one.close.split()[-1]) for one in found.results] == [
        ("each (m one.safetensors)", "one'.card.md"),
        ("each (x)", "x.card.md"),
        ("once", "ARTEFACT.card.md"),
    ]


@pytest.mark.parametrize(
    ("releases", "outcome"),
    [("code", Outcome.NOT_APPLICABLE), ("artefact", Outcome.UNKNOWN)],
)
def test_a_gate_of_artefacts_without_one(releases: str, outcome: Outcome) -> None:
    now = situation(a_gate(per="artefact"))
    now.release.releases = releases
    (found,) = decide(now, never).results
    assert (found.finding.outcome, found.artefact) == (outcome, None)
    assert found.open == (releases == "artefact")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UsageError("one: found nothing\nand more"), "one: found nothing"),
        (UsageError("two"), "two"),
    ],
)
def test_what_cannot_be_asked_is_unknown_with_the_first_line_of_why(
    error: Exception, said: str
) -> None:
    def run(*given: Any) -> Verdict:
        raise error

    (found,) = decide(situation(a_gate()), run).results
    assert (found.finding.outcome, found.finding.reason) == (Outcome.UNKNOWN, said)


@pytest.mark.parametrize("integrity", [False, True])
@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_check_that_fails_is_a_failed_digest_only_where_the_gate_is_about_one(
    outcome: Outcome, integrity: bool
) -> None:
    now = situation(a_gate(integrity=integrity))
    (found,) = decide(now, lambda *given: Verdict(outcome, "said")).results
    beside = outcome is Outcome.NOT_APPLICABLE
    assert found.finding.outcome is (Outcome.UNKNOWN if beside else outcome)
    assert found.finding.integrity is (integrity and outcome is Outcome.FAIL)
    assert found.finding.reason.endswith("said")


def signed(version: str, day: str, gate: str = "gate") -> Signature:
    about = {"gate": gate, "version": version, "name": "N", "role": "r", "date": day, "what": "w"}
    return Signature.model_validate(about)


@pytest.mark.parametrize(
    ("signatures", "version", "outcome", "reason"),
    [
        ([], "1.2", Outcome.UNKNOWN, "nobody signed for 1.2"),
        ([], None, Outcome.UNKNOWN, "nobody signed for this version"),
        ([("1.2", "2026-11-21")], "1.2", Outcome.PASS, "N, r, 2026-11-21: w"),
        ([("1.2", "2026-11-22")], "1.2", Outcome.FAIL,
         "signed by N for 2026-11-22, which is to come"),
        ([("1.0", "2026-11-01"), ("1.1", "2026-11-02")], "1.2", Outcome.UNKNOWN,
         "nobody signed for 1.2; signed for 1.1"),
        ([("1.2", "2026-11-01"), ("1.1", "2026-11-02")], "1.2", Outcome.PASS,
         "N, r, 2026-11-01: w"),
        ([("1.2", "2026-11-01", "other")], "1.2", Outcome.UNKNOWN, "nobody signed for 1.2"),
    ],
)  # fmt: skip
def test_a_signature_is_for_a_gate_a_version_and_no_day_to_come(
    signatures: list[Any], version: str | None, outcome: Outcome, reason: str
) -> None:
    given = tuple(signed(*one) for one in signatures)
    now = situation(a_gate(kind="maintainer"), version=version, signatures=given)
    (found,) = decide(now, never).results
    assert (found.finding.outcome, found.finding.reason) == (outcome, reason)
