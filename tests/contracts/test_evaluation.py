"""Each clause on metrics, sampling and records passes and is turned red by each falsifier."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save

from contracts.evaluation import components as evaluation_components
from drift.config import fingerprint, load_template
from tests.contracts.reading import clauses_of, edit_json, registered_in
from tests.verify.signing import key, sign_record
from verify.api import CheckContext, Measurement, Outcome

ROOT = Path(__file__).parents[2]
REGISTERED = registered_in("metrics", "evaluation")
FACTS = {
    f"{authority}:{topic}": fact.get("value", fact.get("says"))
    for path in sorted((ROOT / "specs" / "facts").glob("*.yaml"))
    for topic, entry in yaml.safe_load(path.read_text())["topics"].items()
    for authority, fact in entry["facts"].items()
}
CLAUSES = clauses_of("metrics", "evaluation")
# These ask for records that only a run at the paper's scale can give; they have their own tests.
WITHOUT_RECORDS = [clause for clause in CLAUSES if not clause["check"].startswith("evaluation.")]
FALSIFIERS = [(clause, f) for clause in WITHOUT_RECORDS for f in clause["falsifiers"]]


def run(clause: dict[str, Any], *, seed: int = 0) -> Measurement:
    context = CheckContext(
        clause_id=clause["id"],
        subject=None,
        params=clause.get("params", {}),
        tolerance=clause["tolerance"].get("value"),
        facts={source: FACTS[source] for source in clause["sources"]},
        specs_dir=ROOT / "specs",
        seed=seed,
        examples=25,
    )
    found: Measurement = REGISTERED["check", clause["check"]](context)
    return found


def label(value: dict[str, Any]) -> str:
    if "id" in value:
        return str(value["id"])
    return f"{value['mutant']}({','.join(f'{v}' for v in value.get('with', {}).values())})"


def test_every_mutant_is_some_clauses_falsifier() -> None:
    used = {f["mutant"] for clause in CLAUSES for f in clause["falsifiers"]}
    assert used == {name for role, name in REGISTERED if role == "mutant"}


def test_every_check_is_asked_for_by_some_clause() -> None:
    used = {clause["check"] for clause in CLAUSES}
    assert used == {name for role, name in REGISTERED if role == "check"}


# records at the paper's scale, made up for these tests


def record(folder: Path, name: str = "l2", **changes: Any) -> Path:
    """A record of column L2 that keeps every condition of paper-eval, and its components."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(2, 6, 6))
    sigma, reference = (m @ m.T for m in mix)
    mu = np.eye(6)[0]
    resampled = np.array([-0.01, 0.01])
    arrays = {"fid/mu": mu, "fid/sigma": sigma, "fid/reference_mu": np.zeros(6),
              "fid/reference_sigma": reference, "fid/resampled": resampled}  # fmt: skip
    beside = folder / f"{name}.components.safetensors"
    beside.write_bytes(save(arrays, {"drawn": str(changes.get("seeds"))}))  # none draws another's
    value = float(mu @ mu) + _between(sigma, reference)
    half = evaluation_components.Z * float(np.std(resampled, ddof=1))
    figure = {"value": value, "interval": [value - half, value + half], "interval_method": "x",
              "definition": "x", "count": changes.get("samples", 50_000)}  # fmt: skip
    contract = {name: changes.get(name, made) for name, made in MADE.items()}
    digest = evaluation_components.moments_digest(contract, np.zeros(6), reference)
    found = {
        "schema": "drift-evaluation/1", "axis": "paper-eval", "column": "L2",
        "metrics": {"fid": figure}, "samples": 50_000, "seeds": [0], "alpha": 1.0,
        "weights": "ema", "labels": "balanced", **MADE, "statistics": contract,
        "statistics_sha256": digest, "statistics_moments_sha256": digest,
        "checkpoint_sha256": "b" * 64, "template_fingerprint": FINGERPRINT, "bypasses": [],
        "selected_from": 1,
        "components": {"file": beside.name, "sha256": sha256(beside.read_bytes()).hexdigest()},
    }  # fmt: skip
    path = folder / f"{name}.json"
    path.write_text(json.dumps(found | changes))
    return path


def _between(sigma: Any, reference: Any) -> float:
    roots = np.sqrt(np.linalg.eigvals(sigma @ reference).astype(complex)).real.sum()
    return float(np.trace(sigma) + np.trace(reference) - 2 * roots)


L2 = next(clause for clause in CLAUSES if clause["id"] == "EVAL-FID-L2")
PINS = L2["params"]
MADE = {
    "resize": "torchscript-bilinear-299",
    "rounding": "truncate",
    "extractor": "fid-inception-2015-12-05",
    "extractor_sha256": PINS["extractor_sha256"],
}
FINGERPRINT = fingerprint(load_template("latent-l2"))
RECORDS = next(clause for clause in CLAUSES if clause["id"] == "EVAL-RECORDS")


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six numbers an image in place of 2,048."""
    monkeypatch.setattr(evaluation_components, "WIDTHS", {MADE["extractor"]: 6})


def judged(
    folder: Path, clause: dict[str, Any] = L2, *, limit: float = 99.0, signed: bool = True
) -> Measurement:
    """The clause on a folder, with the made-up statistics pinned and a limit for a made-up FID."""
    for path in folder.glob("*.json") if signed else ():
        sign_record(path, "fid", pack="drift")
    pinned = [json.loads(path.read_text()).get("statistics_moments_sha256")
              for path in folder.glob("*.json")]  # fmt: skip
    params = {**clause.get("params", {}), "statistics_sha256": pinned}
    context = CheckContext(
        clause["id"], None, params, limit, {source: FACTS[source] for source in clause["sources"]},
        ROOT / "specs", evidence_dir=folder,
        trust={"pack": "drift", "keys": [key().model_dump(mode="json")]},
    )  # fmt: skip
    found: Measurement = REGISTERED["check", clause["check"]](context)
    return found


def test_without_a_record_the_figure_is_unknown(tmp_path: Path) -> None:
    assert judged(tmp_path).outcome is Outcome.UNKNOWN
    assert judged(tmp_path, RECORDS).outcome is Outcome.UNKNOWN


def test_a_record_that_keeps_the_protocol_is_judged(tmp_path: Path) -> None:
    record(tmp_path)
    measurement = judged(tmp_path)
    assert measurement.outcome is Outcome.PASS, measurement.reason
    assert measurement.axis == "paper-eval"
    assert judged(tmp_path, limit=-99.0).outcome is Outcome.FAIL


@pytest.mark.parametrize("clause", [L2, "REPO"], ids=["paper-eval", "repo-eval"])
def test_a_record_that_nothing_ties_to_samples_backs_no_claim_whatever_it_says(
    tmp_path: Path, clause: Any
) -> None:
    """A record typed by hand backed CLAIM-FID-L2 at tier B, and with one edited line at tier A."""
    seeded(tmp_path, 1, 2, 3, step=200_000)
    asked = REPO if clause == "REPO" else clause
    found = judged(tmp_path, asked, signed=False)
    assert found.outcome is Outcome.UNKNOWN
    assert "l2-1.json: unsigned (no signature)" in found.reason
    assert "nothing ties these to samples" in found.reason
    assert judged(tmp_path, asked).outcome is Outcome.PASS
    assert [one.record for one in judged(tmp_path, asked).backing] == [
        "l2-1.json", "l2-2.json", "l2-3.json",
    ]  # fmt: skip
    (tmp_path / "l2-2.dsse").unlink()
    assert "l2-2.json: unsigned" in judged(tmp_path, asked, signed=False).reason


def gone(folder: Path, *parts: str, **changes: Any) -> None:
    """The record without arrays of these names, under a digest that agrees."""
    path, beside = folder / "l2.json", folder / "l2.components.safetensors"
    held = {k: v for k, v in load_file(beside).items() if not any(p in k for p in parts)}
    beside.write_bytes(save({**held, **changes.pop("arrays", {})}))
    found = json.loads(path.read_text()) | changes
    found["components"]["sha256"] = sha256(beside.read_bytes()).hexdigest()
    path.write_text(json.dumps(found))


@pytest.mark.parametrize(
    ("parts", "changes", "reason"),
    [
        (["fid/mu"], {}, "fid without its components"),
        (["fid/reference"], {}, "fid without its components"),
        (["resampled"], {}, "an interval without its resamples"),
        ([], {"seeds": [1, 2, 3]}, "expected one"),
        ([], {"seeds": []}, "expected one"),
        ([], {"seeds": [True]}, "expected one"),
        ([], {"template_fingerprint": "c" * 64}, "template_fingerprint"),
        ([], {"statistics": {}}, "statistics.extractor"),
        ([], {"statistics_sha256": "d" * 64, "statistics_moments_sha256": "d" * 64}, "digest"),
        ([], {"arrays": {"fid/mu": np.zeros(1)}}, "1 wide"),
        ([], {"arrays": {"fid/reference_mu": np.ones(6)}}, "digest"),
        ([], {"arrays": {"fid/sigma": np.ones((6, 5))}}, "shape (6, 5)"),
        ([], {"arrays": {"fid/resampled": np.ones(9)}}, "its resamples give"),
    ],
    ids=lambda value: None if isinstance(value, list) else str(value)[:30],
)
def test_what_a_record_says_it_has_it_must_have(
    tmp_path: Path, parts: list[str], changes: dict[str, Any], reason: str
) -> None:
    record(tmp_path)
    gone(tmp_path, *parts, **changes)
    found = judged(tmp_path)
    assert found.outcome is Outcome.FAIL
    assert reason in found.reason


def test_one_dimension_is_not_what_the_extractor_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    record(tmp_path)
    for clause in (L2, RECORDS):
        assert "gives 2048 numbers" in judged(tmp_path, clause).reason


def test_a_statement_says_what_was_not_computed_again(tmp_path: Path) -> None:
    path = record(tmp_path)
    edit_json(path, lambda held: held["metrics"].update(kid=held["metrics"]["fid"]))
    found = judged(tmp_path, RECORDS)
    assert found.outcome is Outcome.PASS
    assert "not computed again: kid" in found.reason


@pytest.mark.parametrize("falsifier", L2["falsifiers"], ids=label)
def test_a_record_is_turned_red_by_each_falsifier(
    tmp_path: Path, falsifier: dict[str, Any]
) -> None:
    record(tmp_path)
    value = float(judged(tmp_path).measured or 0.0)
    with REGISTERED["mutant", falsifier["mutant"]](None, **falsifier.get("with", {})):
        assert judged(tmp_path, limit=value + 1e-9).outcome is Outcome.FAIL


def test_an_edited_score_is_found_by_its_components(tmp_path: Path) -> None:
    path = record(tmp_path)
    assert judged(tmp_path, RECORDS).outcome is Outcome.PASS

    def better(held: dict[str, Any]) -> None:
        held["metrics"]["fid"]["value"] += 0.001

    edit_json(path, better)
    for clause in (L2, RECORDS):
        assert "its components give" in judged(tmp_path, clause).reason


def test_exchanged_components_are_found_by_their_digest(tmp_path: Path) -> None:
    path = record(tmp_path)
    beside = path.with_name("l2.components.safetensors")
    data = bytearray(beside.read_bytes())
    data[-1] ^= 1
    beside.write_bytes(bytes(data))
    assert "sha256" in judged(tmp_path, RECORDS).reason


def test_statistics_that_nobody_pinned_support_no_figure(tmp_path: Path) -> None:
    record(tmp_path)
    path = tmp_path / "l2.json"
    held = json.loads(path.read_text()) | {"statistics_moments_sha256": "d" * 64}
    path.write_text(json.dumps(held))
    measurement = judged(tmp_path)
    assert measurement.outcome is Outcome.FAIL
    assert "pinned" in measurement.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": 49_999},
        {"bypasses": ["gates bypassed: x"]},
        {"checkpoint_sha256": None},
        {"labels": "chosen"},
        {"rounding": "round"},
        {"extractor_sha256": "e" * 64},
        {"seeds": "0"},
        {"baselines": [1]},
        {"baselines": {"x": 5}},
        {"baselines": {"x": {"metrics": [5]}}},
        {"collapsed": 5},
        {"classes_covered": "ten"},
        {"schema": "drift-evaluation/2"},
        {"metrics": {"fid": 1.5}},
        {"metrics": {"fid": {"value": 1.5, "interval": [2.0, 3.0]}}},
    ],
    ids=str,
)
def test_a_record_that_is_not_what_it_says_is_red(tmp_path: Path, changes: dict[str, Any]) -> None:
    record(tmp_path, **changes)
    assert judged(tmp_path).outcome is Outcome.FAIL


def test_a_record_on_a_weaker_axis_leaves_the_figure_unknown(tmp_path: Path) -> None:
    record(tmp_path, axis="repo-eval")
    measurement = judged(tmp_path)
    assert measurement.outcome is Outcome.UNKNOWN
    assert "only on repo-eval" in measurement.reason


# what stands behind a figure

REPO = next(clause for clause in CLAUSES if clause["id"] == "EVAL-REPO-FID-L2")


def seeded(folder: Path, *seeds: int, **changes: Any) -> None:
    """A record for each seed, all of one checkpoint."""
    for seed in seeds:
        record(folder, f"l2-{seed}", seeds=[seed], **changes)


def test_records_of_one_checkpoint_count_together_as_so_many_seeds(tmp_path: Path) -> None:
    seeded(tmp_path, 1, 2, 3, step=200_000)
    assert judged(tmp_path).provenance == {
        "samples": 50_000, "seeds": 3, "steps": 200_000,
        "extractor_sha256": PINS["extractor_sha256"],
    }  # fmt: skip


def test_records_of_another_checkpoint_lend_no_seed(tmp_path: Path) -> None:
    seeded(tmp_path, 1, 2)
    seeded(tmp_path, 3, checkpoint_sha256="e" * 64)
    assert judged(tmp_path).provenance["seeds"] == 2


def test_the_same_seed_twice_is_one_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        record(tmp_path, name, seeds=[7])
    assert judged(tmp_path).provenance["seeds"] == 1


def test_one_draw_under_three_seeds_is_one_seed(tmp_path: Path) -> None:
    """Records that were copied with another seed met the floor for seeds."""
    first = json.loads(record(tmp_path, "l2-1", seeds=[1]).read_text())
    for seed in (2, 3):
        (tmp_path / f"l2-{seed}.json").write_text(json.dumps(first | {"seeds": [seed]}))
    assert judged(tmp_path).provenance["seeds"] == 1


def test_of_several_seeds_the_worst_is_judged_and_not_the_best(tmp_path: Path) -> None:
    """Three draws of which the luckiest is reported would be a better figure than any of them."""
    seeded(tmp_path, 1, 2)
    better = json.loads(record(tmp_path, "l2-3", seeds=[3]).read_text())
    figure = better["metrics"]["fid"]
    shifted = figure["value"] - 0.5
    lucky = {**figure, "value": shifted, "interval": [shifted, shifted]}
    with REGISTERED["mutant", "evaluation.worse"](None, by=0.0):  # components are not looked at
        worst = judged(tmp_path).details["fid"]
        record(tmp_path, "l2-3", seeds=[3], metrics={"fid": lucky})
        assert judged(tmp_path).details["fid"] == worst == figure["value"]


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")], ids=str)
def test_of_two_equal_checkpoints_the_worse_is_judged_whatever_their_files_are_called(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    good, bad = names
    figure = json.loads(record(tmp_path, bad).read_text())["metrics"]["fid"]
    better = figure["value"] - 0.5
    lucky = {"fid": {**figure, "value": better, "interval": [better, better]}}
    record(tmp_path, good, metrics=lucky, checkpoint_sha256="e" * 64)
    with REGISTERED["mutant", "evaluation.worse"](None, by=0.0):  # components are not looked at
        assert judged(tmp_path).details["fid"] == figure["value"]


@pytest.mark.parametrize("steps", [(100, 200), (100, None), (None, None)], ids=str)
def test_a_step_that_is_not_the_same_for_all_is_not_known(
    tmp_path: Path, steps: tuple[int | None, int | None]
) -> None:
    for seed, step in enumerate(steps):
        record(tmp_path, f"l2-{seed}", seeds=[seed], step=step)
    assert judged(tmp_path).provenance["steps"] is None


@pytest.mark.parametrize(
    ("changes", "axis"),
    [
        ({"axis": "repo-eval", "samples": 10_000,
          "labels": "uniform"}, "repo-eval"),
        ({}, "paper-eval"),
    ],
)  # fmt: skip
def test_fewer_samples_and_own_statistics_are_judged_on_repo_eval(
    tmp_path: Path, changes: dict[str, Any], axis: str
) -> None:
    record(tmp_path, **changes)
    measurement = judged(tmp_path, REPO)
    assert measurement.outcome is Outcome.PASS, measurement.reason
    assert measurement.axis == axis
    assert measurement.provenance["samples"] == changes.get("samples", 50_000)
    assert measurement.unit == "FID"


def test_a_proxy_is_no_repo_eval(tmp_path: Path) -> None:
    record(tmp_path, axis="proxy")
    measurement = judged(tmp_path, REPO)
    assert measurement.outcome is Outcome.UNKNOWN
    assert "only on proxy" in measurement.reason


@pytest.mark.parametrize("falsifier", REPO["falsifiers"], ids=label)
def test_a_repo_eval_record_is_turned_red_by_each_falsifier(
    tmp_path: Path, falsifier: dict[str, Any]
) -> None:
    record(tmp_path, axis="repo-eval", samples=10_000)
    value = float(judged(tmp_path, REPO).measured or 0.0)
    with REGISTERED["mutant", falsifier["mutant"]](None, **falsifier.get("with", {})):
        assert judged(tmp_path, REPO, limit=value + 10.0).outcome is Outcome.FAIL


@pytest.mark.parametrize("axis", ["paper-eval", "repo-eval"])
@pytest.mark.parametrize(
    "other",
    ["nobody", "b2", "free"],
)
def test_a_run_under_another_template_is_no_evidence_for_a_column(
    tmp_path: Path, axis: str, other: str
) -> None:
    """A free copy that names its column, another column, an artefact that names no template."""
    own = load_template("latent-l2")
    stated = {
        "nobody": None,
        "b2": fingerprint(load_template("latent-b2")),
        "free": fingerprint(own.model_copy(update={"fidelity": "free"})),
    }
    record(tmp_path, axis=axis, template_fingerprint=stated[other])
    found = judged(tmp_path, L2 if axis == "paper-eval" else REPO)
    assert found.outcome is Outcome.FAIL
    assert "template_fingerprint is" in found.reason


def test_a_renamed_copy_of_a_column_is_its_evidence(tmp_path: Path) -> None:
    copy = load_template("latent-l2").model_copy(update={"name": "mine", "title": "My own"})
    record(tmp_path, template_fingerprint=fingerprint(copy))
    assert judged(tmp_path).outcome is Outcome.PASS
