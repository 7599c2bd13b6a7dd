"""The pack's checks of an artefact before it is published, each seen red as well as green."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.artifact import cases as artifact_cases
from contracts.policy import artefact as release
from contracts.policy import card, speed
from drift.artifacts.store import save_artifact
from verify.api import CheckContext, Measurement
from verify.outcome import Outcome

SCORERS = ["drift.evaluate", "torch_fidelity", "sklearn", "scipy", "transformers"]


def ask(check: Any, path: Path, **params: Any) -> Measurement:
    whole = {"artefact": str(path), **params}
    found: Measurement = check(CheckContext("gate", None, whole, None, {}, Path()))
    return found


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("release") / "model.safetensors"
    save_artifact(path, artifact_cases.generator(), artifact_cases.FIELDS)
    return path


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("release") / "encoder.safetensors"
    save_artifact(path, artifact_cases.autoencoder(), artifact_cases.FIELDS)
    return path


@pytest.mark.parametrize("check", [release.integrity, release.round_trip])
def test_a_sound_artefact_of_either_kind_passes(
    generator: Path, autoencoder: Path, check: Any
) -> None:
    for path in (generator, autoencoder):
        found = ask(check, path)
        assert found.outcome is Outcome.PASS, found.reason


def test_sampling_needs_no_scorer_and_one_pass_each(generator: Path) -> None:
    found = ask(release.smoke, generator, scorers=SCORERS)
    assert found.outcome is Outcome.PASS, found.reason
    assert found.details["passes"] == release.SAMPLES
    assert found.details["shape"] == [release.SAMPLES, 4, 8, 8]


def test_an_encoder_has_features_in_a_fresh_process(autoencoder: Path) -> None:
    found = ask(release.smoke, autoencoder, scorers=SCORERS)
    assert found.outcome is Outcome.PASS, found.reason


def test_a_scorer_that_sampling_does_import_is_named(generator: Path) -> None:
    found = ask(release.smoke, generator, scorers=["safetensors"])
    assert found.outcome is Outcome.FAIL
    assert found.reason == "sampling imports safetensors, which scores samples"


@pytest.mark.parametrize(
    "check", [release.integrity, release.quality_score, release.round_trip, card.describe]
)
@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"not an artefact", b"\xff" * 4096])
def test_what_is_no_artefact_fails_and_does_not_crash(
    tmp_path: Path, check: Any, data: bytes
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    found = ask(check, path, floor=0)
    assert found.outcome is Outcome.FAIL
    assert str(tmp_path) not in found.reason


def test_what_is_no_artefact_cannot_be_sampled(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"not an artefact")
    found = ask(release.smoke, path, scorers=[])
    assert found.outcome is Outcome.FAIL
    assert found.reason.startswith("sampling failed: ")


def test_a_floor_above_the_score_fails_and_says_what_lacks(generator: Path) -> None:
    score = ask(release.quality_score, generator, floor=0)
    assert score.outcome is Outcome.PASS
    assert score.measured is not None
    assert ask(release.quality_score, generator, floor=int(score.measured)).outcome is Outcome.PASS
    found = ask(release.quality_score, generator, floor=int(score.measured) + 1)
    assert found.outcome is Outcome.FAIL
    assert "short of points: source_sha256" in found.reason


GOOD = {"passes": release.SAMPLES, "shape": [4, 1], "wanted": [4, 1], "finite": True,
        "spread": 1.0, "modules": ["drift", "drift.evaluation"]}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"passes": 8}, "8 forward passes"),
        ({"shape": [4, 2]}, "of shape [4, 2]"),
        ({"finite": False}, "not finite"),
        ({"spread": 0.0}, "all one constant"),
        ({"modules": ["drift.evaluate"]}, "imports drift.evaluate"),
        ({"modules": ["drift.evaluate.fid"]}, "imports drift.evaluate"),
    ],
)
def test_each_fault_of_a_sample_is_named(change: dict[str, Any], said: str) -> None:
    assert release.faults(GOOD, ["drift.evaluate"]) == []
    (found,) = release.faults({**GOOD, **change}, ["drift.evaluate"])
    assert said in found


def test_a_description_tells_what_the_header_tells(generator: Path) -> None:
    found = ask(card.describe, generator)
    facts = found.details["facts"]
    assert facts["architecture"] == "drift-generator"
    assert facts["training data"] == card.ABSENT
    count = sum(p.numel() for p in artifact_cases.generator().state_dict().values())
    assert facts["parameters"].startswith(f"{count:,} in ")
    assert json.loads(json.dumps(facts)) == facts


def test_importing_the_description_imports_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys; import contracts.policy.card; print('torch' in sys.modules)"
    home = Path(card.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, check=True)
    assert done.stdout.strip() == b"False"


# -- benchmarks -----------------------------------------------------------------------------------

SMALL = {
    speed.loss: {"groups": 2, "generated": 4, "positives": 4, "negatives": 2, "features": 3},
    speed.queue: {"classes": 3, "capacity": 4, "features": 2, "pushed": 3, "labels": 2, "drawn": 2},
}


@pytest.mark.parametrize("check", list(SMALL))
def test_a_benchmark_gives_one_ratio_a_pair(check: Any) -> None:
    params = {**SMALL[check], "calls": 1, "pairs": 5}
    found = check(CheckContext("gate", None, params, None, {}, Path()))
    assert found.outcome is Outcome.PASS
    assert len(found.details["ratios"]) == 5
    assert all(ratio > 0 for ratio in found.details["ratios"])


@given(st.integers(1, 9), st.integers(1, 3))
@settings(max_examples=20)
def test_pairs_are_timed_in_turn_and_the_ratio_is_the_plain_ways_time_over_ours(
    pairs: int, calls: int
) -> None:
    clock, order = [0.0], []

    def takes(seconds: float, name: str) -> Any:
        def function() -> torch.Tensor:
            clock[0] += seconds
            order.append(name)
            return torch.zeros(1)

        return function

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed.time, "process_time", lambda: clock[0])
        found = speed._pairs(takes(2.0, "ours"), takes(6.0, "plain"), pairs, calls)
    assert found == pytest.approx([3.0] * pairs)
    first = order[:: 2 * calls]
    assert all(one != two for one, two in pairwise(first))
