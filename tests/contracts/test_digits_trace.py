"""Records of runs on digits, made by the engine, then typed in every way: none stays green."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file, save

from contracts.common import small_run
from contracts.evaluation import components
from contracts.metrics import cases as metrics_cases
from contracts.run import records as digits_run
from drift.commands.eval import command
from drift.config import fingerprint
from drift.train import build
from tests.contracts.reading import clauses_of, registered_in, retype
from verify.api import CheckContext, Measurement, Outcome

ROOT = Path(__file__).parents[2]
CLAUSES = {clause["id"]: clause for clause in clauses_of("run")}
REGISTERED = registered_in("run")
SMALL = (*metrics_cases.SMALL, "optimizer.ema_decay=[0.9]", "optimizer.training_steps=2",
         "optimizer.warmup_steps=1", "evaluation.samples=100")  # fmt: skip
TEMPLATE = build.override(metrics_cases.template(), SMALL)
SUBJECT = SimpleNamespace(load_template=lambda name: TEMPLATE, template_fingerprint=fingerprint)
RAW, GAUSSIANS = "raw-pixel drifting loss", "class Gaussians"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three evaluations, as the engine writes them, of three runs that hardly learned anything."""
    root = tmp_path_factory.mktemp("digits")
    patch = pytest.MonkeyPatch()
    real = metrics_cases.generator
    for seed in range(3):
        patch.setattr(metrics_cases, "template", lambda: TEMPLATE)
        patch.setattr(metrics_cases, "DECAYS", (0.9,))
        patch.setattr(metrics_cases, "generator", lambda at=0, more=seed: real(at + 50 * more))
        run = metrics_cases.run_folder(root / f"run-{seed}", steps=(2,))
        small_run.encoder_file(run, seed)
        arguments = [str(run), "--seed", str(seed), "--out", str(root / f"records/{seed}.json")]
        result = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        patch.undo()
    return root / "records"


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    shutil.copytree(kept, tmp_path / "records")
    return tmp_path / "records"


def context(name: str, folder: Path) -> CheckContext:
    clause = CLAUSES[name]
    return CheckContext(
        clause_id=name, subject=SUBJECT, params=clause["params"],
        tolerance=clause["tolerance"]["value"], facts={}, specs_dir=ROOT / "specs",
        evidence_dir=folder,
    )  # fmt: skip


def judge(name: str, folder: Path) -> Measurement:
    found: Measurement = REGISTERED["check", CLAUSES[name]["check"]](context(name, folder))
    return found


def test_records_of_the_engine_are_borne_out_by_what_draws_them_again(folder: Path) -> None:
    found = judge("RUN-007", folder)
    assert found.outcome is Outcome.PASS, found.reason
    assert found.provenance == {"samples": 100, "seeds": 3, "steps": 2}
    assert (found.measured or 0.0) < 0.9  # resamples of 40 beside 200


@pytest.mark.parametrize("falsifier", CLAUSES["RUN-007"]["falsifiers"], ids=lambda f: f["mutant"])
def test_every_falsifier_of_the_trace_turns_it_red(folder: Path, falsifier: dict[str, Any]) -> None:
    with REGISTERED["mutant", falsifier["mutant"]](None):
        assert judge("RUN-007", folder).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("name", "falsifier"),
    [(name, one) for name, clause in CLAUSES.items() for one in clause["falsifiers"]
     if one["mutant"] in ("digits_run.typed", "digits_run.components_gone")],
    ids=lambda value: value if isinstance(value, str) else value["mutant"],
)  # fmt: skip
def test_a_figure_without_its_components_turns_each_clause_red(
    folder: Path, name: str, falsifier: dict[str, Any]
) -> None:
    assert isinstance(digits_run.runs(context(name, folder)), list)
    with REGISTERED["mutant", falsifier["mutant"]](None, **falsifier.get("with", {})):
        assert judge(name, folder).outcome is Outcome.FAIL


def drop(*parts: str) -> Callable[[Any, dict[str, Any]], None]:
    def change(record: Any, arrays: dict[str, Any]) -> None:
        for name in [name for name in arrays if any(part in name for part in parts)]:
            del arrays[name]

    return change


def figure(metric: str, of: str = "", **changes: Any) -> Callable[[Any, dict[str, Any]], None]:
    def change(record: Any, arrays: dict[str, Any]) -> None:
        holder = record["baselines"][of] if of else record
        holder["metrics"][metric].update(changes)

    return change


def one_dimension(record: Any, arrays: dict[str, Any]) -> None:
    for name in list(arrays):
        if "fid_proxy/" in name and "resampled" not in name:
            arrays[name] = np.ones((1,) if name.endswith("mu") else (1, 1))


TYPED: dict[str, Callable[[Any, dict[str, Any]], object]] = {
    "a figure": figure("fid_proxy", value=0.5, interval=[0.4, 0.6]),
    "an interval": figure("class_accuracy", interval=[0.0, 1.0]),
    "an interval without width": figure("coverage", interval=[0.0, 0.0], value=0.0),
    "the interval of a distance": figure("fid_proxy", interval=[0.0, 1e9]),
    "a count": figure("fid_proxy", count=50_000),
    "a baseline": figure("fid_proxy", RAW, value=900.0, interval=[899.0, 901.0]),
    "a baseline's interval": figure("coverage", GAUSSIANS, interval=[0.0, 1.0]),
    "a baseline without components": drop(f"baselines/{RAW}/"),
    "coverage without components": drop("coverage/hits"),
    "moments without components": drop("fid_proxy/mu", "fid_proxy/sigma"),
    "no reference": drop("fid_proxy/reference_mu"),
    "no resamples": drop("fid_proxy/resampled"),
    "no components at all": drop(""),
    "one dimension": one_dimension,
    "three seeds in one record": lambda r, a: r.update(seeds=[1, 2, 3]),
    "an invented reference": lambda r, a: a.update({"fid_proxy/reference_mu": np.zeros(64)}),
    "an invented digest": lambda r, a: r.update(statistics_sha256="a" * 64),
    "an invented extractor": lambda r, a: r.update(extractor_sha256="a" * 64),
    "covered classes": lambda r, a: r.update(classes_covered=9),
    "collapsed classes": lambda r, a: r.update(collapsed=[4]),
}


@pytest.mark.parametrize("name", ["RUN-001", "RUN-003", "RUN-007"])  # all look at one gathering
@pytest.mark.parametrize("typed", TYPED)
def test_no_clause_is_green_on_a_record_that_was_typed(folder: Path, name: str, typed: str) -> None:
    """Digits records stayed green with typed baselines and with components removed."""
    if typed == "no components at all":
        (folder / "1.components.safetensors").unlink()
    else:
        retype(folder / "1.json", TYPED[typed])
    found = judge(name, folder)
    assert found.outcome is Outcome.FAIL, found.reason
    assert "1.json" in found.reason or "1.components" in found.reason


@pytest.mark.parametrize("name", CLAUSES)
def test_a_record_without_what_draws_it_again_is_no_evidence(folder: Path, name: str) -> None:
    retype(folder / "1.json", lambda record, arrays: record.pop("trace"))
    found = judge(name, folder)
    assert found.outcome is Outcome.UNKNOWN
    assert "2 of 3" in found.reason


def consistent(record: Any, arrays: dict[str, Any]) -> None:
    """A better distance and better judgements, with components from which they all follow."""
    arrays["fid_proxy/mu"] = arrays["fid_proxy/reference_mu"].copy()
    arrays["class_accuracy/hits"] = np.ones_like(arrays["class_accuracy/hits"])
    scores = components.scores_of(arrays)
    half = components.Z * np.std(arrays["fid_proxy/resampled"], ddof=1)
    value = scores["fid_proxy"]
    record["metrics"]["fid_proxy"].update(
        value=value, interval=[max(0.0, value - half), value + half]
    )
    record["metrics"]["class_accuracy"].update(value=1.0, interval=[0.96, 1.0])


def test_a_wholly_typed_record_agrees_with_itself_and_not_with_its_weights(folder: Path) -> None:
    retype(folder / "1.json", consistent)
    assert components.problem_of(json.loads((folder / "1.json").read_text())
                                 | {"path": str(folder / "1.json")}) is None  # fmt: skip
    found = judge("RUN-007", folder)
    assert found.outcome is Outcome.FAIL
    assert "1.json: fid_proxy/mu differs" in found.reason


@pytest.mark.parametrize("part", ["generator/", "encoder/", "baselines/"])
def test_a_trace_of_which_a_part_is_missing_is_red(folder: Path, part: str) -> None:
    record = json.loads((folder / "1.json").read_text())
    beside = folder / record["trace"]["file"]
    arrays = load_file(beside)
    left = {name: one for name, one in arrays.items() if not name.startswith(part)}
    beside.write_bytes(save(left))
    record["trace"]["sha256"] = sha256(beside.read_bytes()).hexdigest()
    (folder / "1.json").write_text(json.dumps(record))
    assert judge("RUN-007", folder).outcome is Outcome.FAIL
