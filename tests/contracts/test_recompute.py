"""The figures of the kept records computed again, and of copies that were edited."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from contracts.evaluation.recompute import DRAWN, figures
from tests.contracts.reading import edit_json
from verify.api import CheckContext, Measurement, Outcome

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "reports/evaluations"
NAME = "digits-seed-0"
LEFT = {"classifier_accuracy", "closer_features", "closer_pixels", "copies_features",
        "copies_pixels", "fid_pixel"}  # fmt: skip


def again(record: Path, *, samples: bool = False) -> Measurement:
    params = {"record": str(record), "samples": samples}
    return figures(CheckContext("X", None, params, None, {}, ROOT / "specs"))


def told(found: Measurement) -> dict[str, dict[str, Any]]:
    assert found.outcome is Outcome.PASS, found.reason
    figures_: dict[str, dict[str, Any]] = found.details["figures"]
    return figures_


def off(one: dict[str, Any]) -> bool:
    return one["again"] is not None and abs(one["again"] - one["recorded"]) > one["allowed"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for path in KEPT.glob(f"{NAME}.*"):
        shutil.copyfile(path, tmp_path / path.name)
    return tmp_path / f"{NAME}.json"


@pytest.mark.parametrize("seed", range(3))
def test_the_kept_records_come_out_again_but_for_what_nothing_is_kept_of(seed: int) -> None:
    found = told(again(KEPT / f"digits-seed-{seed}.json"))
    assert {name for name, one in found.items() if one["again"] is None} == LEFT
    assert [name for name, one in found.items() if off(one)] == []
    assert sum(": " in name for name in found) == 15, "five figures of each of three baselines"


def test_a_figure_that_was_typed_comes_out_otherwise(copy: Path) -> None:
    edit_json(copy, lambda data: data["metrics"]["recall"].update(value=0.82))
    found = again(copy)
    assert found.outcome is Outcome.FAIL
    assert "recall is 0.82, its components give" in found.reason
    assert off(found.details["figures"]["recall"])


def test_components_that_were_typed_have_another_digest(copy: Path) -> None:
    beside = copy.with_name(f"{NAME}.components.safetensors")
    arrays = load_file(beside)
    arrays["recall/hits"] = np.ones_like(arrays["recall/hits"])
    beside.write_bytes(save(arrays))
    assert "found sha256" in again(copy).reason


@pytest.mark.nightly
def test_components_and_figure_typed_together_are_not_what_the_weights_draw(copy: Path) -> None:
    beside = copy.with_name(f"{NAME}.components.safetensors")
    arrays = load_file(beside)
    arrays["recall/hits"] = np.ones_like(arrays["recall/hits"])
    beside.write_bytes(save(arrays))

    def change(data: dict[str, Any]) -> None:
        data["components"]["sha256"] = hashlib.sha256(beside.read_bytes()).hexdigest()
        data["metrics"]["recall"].update(value=1.0, interval=[0.9936277, 1.0])

    edit_json(copy, change)
    found = told(again(copy, samples=True))
    assert [name for name, one in found.items() if off(one)] == [f"recall, {DRAWN}"]
