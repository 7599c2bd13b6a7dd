"""Clauses on whole digit runs, on made-up records: what passes, what fails, what is no evidence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.run import records as digits_run
from contracts.subjects.engine import drift_subject
from drift.config import fingerprint, load_template
from tests.contracts.reading import clauses_of, edit_json, registered_in
from verify.api import CheckContext, Measurement, Outcome

ROOT = Path(__file__).parents[2]
CLAUSES = {
    clause["id"]: clause
    for clause in clauses_of("run")
    if clause["check"].startswith("digits_run.")
}
REGISTERED = registered_in("run")
RIVALS = ("raw-pixel drifting loss", "class Gaussians, independent pixels", "class Gaussians")
Change = Callable[[dict[str, Any]], object]


def figure(value: float, half: float, better: str) -> dict[str, Any]:
    return {"value": value, "interval": [value - half, value + half], "better": better,
            "definition": "d", "count": 1000, "interval_method": "m"}  # fmt: skip


def record(seed: int) -> dict[str, Any]:
    template = load_template("digits")
    ours = {
        "fid_proxy": figure(2.0, 0.3, "lower"),
        "coverage": figure(0.95, 0.01, "higher"),
        "class_accuracy": figure(0.98, 0.01, "higher"),
    }
    theirs = {
        name: {
            "fid_proxy": figure(5.0 + worse, 0.4, "lower"),
            "coverage": figure(0.7 - 0.1 * worse, 0.03, "higher"),
            "class_accuracy": figure(0.8, 0.03, "higher"),
        }
        for worse, name in enumerate(reversed(RIVALS))
    }
    return {
        "schema": "drift-evaluation/1", "axis": "proxy", "column": None, "metrics": ours,
        "samples": template.evaluation.samples, "seeds": [seed], "alpha": 1.0,
        "weights": "ema", "labels": "balanced",
        "resize": "none", "rounding": "truncate", "extractor": digits_run.EXTRACTOR,
        "trace": {"file": "t", "sha256": "c" * 64}, "extractor_sha256": "a" * 64,
        "statistics_sha256": "b" * 64, "checkpoint_sha256": f"{seed}" * 64,
        "template_fingerprint": fingerprint(template), "bypasses": [], "selected_from": 1,
        "components": {}, "step": template.optimizer.training_steps, "collapsed": [],
        "classes_covered": 10,
        "baselines": {name: {"metrics": figures} for name, figures in theirs.items()},
    }  # fmt: skip


def judge(clause: dict[str, Any], folder: Path) -> Measurement:
    context = CheckContext(
        clause_id=clause["id"], subject=drift_subject(), params=clause["params"],
        tolerance=clause["tolerance"]["value"], facts={}, specs_dir=ROOT / "specs",
        evidence_dir=folder,
    )  # fmt: skip
    found: Measurement = REGISTERED["check", clause["check"]](context)
    return found


@pytest.fixture(autouse=True)
def components_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is judged here are figures; test_digits_trace holds these against their components."""
    monkeypatch.setattr(digits_run, "_problem", lambda record: None)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    for seed in range(3):
        (tmp_path / f"{seed}.json").write_text(json.dumps(record(seed)))
    return tmp_path


def edit(folder: Path, change: Change) -> Path:
    """The folder with its last record changed."""
    edit_json(folder / "2.json", change)
    return folder


@pytest.mark.parametrize("name", CLAUSES)
def test_three_good_runs_pass_and_say_what_stands_behind_them(name: str, three: Path) -> None:
    found = judge(CLAUSES[name], three)
    assert found.outcome is Outcome.PASS, found.reason
    assert found.axis == "proxy"
    assert found.provenance["seeds"] == 3
    assert found.provenance["samples"] == load_template("digits").evaluation.samples


@pytest.mark.parametrize(
    ("name", "falsifier"),
    [
        (name, one)
        for name, clause in CLAUSES.items()
        for one in clause["falsifiers"]
        if one["mutant"] not in ("digits_run.typed", "digits_run.components_gone")
    ],
    ids=lambda value: value if isinstance(value, str) else value["mutant"],
)
def test_every_falsifier_turns_its_clause_red(
    name: str, falsifier: dict[str, Any], three: Path
) -> None:
    with REGISTERED["mutant", falsifier["mutant"]](None, **falsifier.get("with", {})):
        assert judge(CLAUSES[name], three).outcome is Outcome.FAIL


@pytest.mark.parametrize("name", CLAUSES)
@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(template_fingerprint="0" * 64),
        lambda r: r.update(step=10),
        lambda r: r.update(weights="raw"),
        lambda r: r.update(bypasses=["gates"]),
        lambda r: r.update(selected_from=4),
        lambda r: r.update(axis="smoke"),
        lambda r: r.update(checkpoint_sha256="1" * 64),
        lambda r: r.update(alpha=2.0),
        lambda r: r.update(samples=6),
    ],
    ids=["template", "step", "raw", "bypass", "picked", "smoke", "same run twice", "guided", "few"],
)
def test_a_record_that_is_not_of_a_whole_run_is_no_evidence(
    name: str, change: Change, three: Path
) -> None:
    found = judge(CLAUSES[name], edit(three, change))
    assert found.outcome is Outcome.UNKNOWN
    assert "2 of 3" in found.reason


def test_a_baseline_that_was_trained_less_is_no_rival(three: Path) -> None:
    def shorter(value: dict[str, Any]) -> None:
        value["baselines"][RIVALS[0]]["steps"] = 10

    found = judge(CLAUSES["RUN-003"], edit(three, shorter))
    assert found.outcome is Outcome.FAIL
    assert "was not trained as long" in found.reason


def test_intervals_that_meet_are_not_better(three: Path) -> None:
    def meet(value: dict[str, Any]) -> None:
        value["metrics"]["coverage"]["interval"] = [0.52, 0.99]

    assert judge(CLAUSES["RUN-003"], edit(three, meet)).outcome is Outcome.FAIL


def test_the_worst_of_three_runs_decides(three: Path) -> None:
    def worse(value: dict[str, Any]) -> None:
        value["metrics"]["class_accuracy"] = figure(0.94, 0.01, "higher")

    found = judge(CLAUSES["RUN-001"], edit(three, worse))
    assert found.outcome is Outcome.FAIL
    assert found.measured == pytest.approx(0.06)


@pytest.mark.parametrize("name", ["-before.json", "zz.json"])
def test_no_second_evaluation_of_a_run_hides_a_worse_one(three: Path, name: str) -> None:
    """The record whose file was read last counted, so that a name chose among seeds of samples."""
    worse = record(3) | {"checkpoint_sha256": "0" * 64, "collapsed": [4]}
    worse["metrics"]["class_accuracy"] = figure(0.5, 0.01, "higher")
    (three / name).write_text(json.dumps(worse))
    for clause in ("RUN-001", "RUN-002"):
        assert judge(CLAUSES[clause], three).outcome is Outcome.FAIL
    worse["metrics"]["class_accuracy"] = figure(0.97, 0.01, "higher")
    (three / name).write_text(json.dumps(worse | {"collapsed": []}))
    found = judge(CLAUSES["RUN-001"], three)
    assert (found.outcome, found.provenance["seeds"]) == (Outcome.PASS, 3)


def test_a_run_that_is_not_separated_is_not_worse_and_does_not_beat(three: Path) -> None:
    def alike(value: dict[str, Any]) -> None:
        value["baselines"]["class Gaussians"]["metrics"] = value["metrics"]

    folder = edit(three, alike)
    assert judge(CLAUSES["RUN-006"], folder).outcome is Outcome.PASS
    beaten = {**CLAUSES["RUN-003"]["params"], "rival": "class Gaussians"}
    assert judge(CLAUSES["RUN-003"] | {"params": beaten}, folder).outcome is Outcome.FAIL


@pytest.mark.parametrize(("lead", "outcome"), [(0.06, Outcome.FAIL), (0.07, Outcome.PASS)])
def test_runs_together_have_to_lead_by_more_than_the_interval_of_the_mean_difference(
    three: Path, lead: float, outcome: Outcome
) -> None:
    """Half-widths 0.08 and 0.08 in each of three runs: sqrt(6 * 0.08^2) / 3 = 0.065."""
    for place, share in enumerate((0.0, 1.0, 2.0)):  # one run leads by nothing, one by twice

        def leads(value: dict[str, Any], share: float = share) -> None:
            value["metrics"]["fid_proxy"] = figure(2.0, 0.08, "lower")
            rival = value["baselines"]["class Gaussians"]["metrics"]
            rival["fid_proxy"] = figure(2.0 + lead * share, 0.08, "lower")

        edit_json(three / f"{place}.json", leads)
    found = judge(CLAUSES["RUN-005"], three)
    assert found.outcome is outcome
    assert f"fid_proxy better by {lead:.3g} +- 0.065" in found.reason


def test_an_interval_that_was_not_measured_shows_no_lead(three: Path) -> None:
    def certain(value: dict[str, Any]) -> None:
        value["metrics"]["fid_proxy"] = figure(1.0, 0.0, "lower")

    assert judge(CLAUSES["RUN-005"], edit(three, certain)).outcome is Outcome.FAIL


def test_baselines_drawn_with_one_seed_are_counted_once(three: Path) -> None:
    found = judge(CLAUSES["RUN-005"], edit(three, lambda value: value.update(seeds=[1])))
    assert found.outcome is Outcome.UNKNOWN
    assert "--seed S" in found.reason


@pytest.mark.parametrize("name", CLAUSES)
def test_a_baseline_that_is_no_number_is_no_evidence(name: str, three: Path) -> None:
    def broken(value: dict[str, Any]) -> None:
        rival = value["baselines"][RIVALS[2]]["metrics"]
        rival["coverage"] = figure(float("nan"), 0.01, "higher")

    found = judge(CLAUSES[name], edit(three, broken))
    assert found.outcome is Outcome.FAIL
    assert "found text that is not JSON (the number NaN)" in found.reason
