"""A cycle at a tiny size through the engine: every design, two stages, arms that share training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.common import small_run
from drift.experiment import cycle, lab, queue
from drift.experiment.lab import Lab

pytestmark = pytest.mark.nightly
TINY = [*small_run.RUN, *small_run.PRETRAIN, "evaluation.samples=40"]
DESIGNS: list[dict[str, Any]] = [
    {"kind": "pair", "base": {"name": "two", "settings": ["loss.positives=2"]},
     "change": {"name": "four", "settings": ["loss.positives=4"]}},
    {"kind": "continued", "at": 2, "rates": [0.006, 0.003]},
    {"kind": "last-k", "steps": [2, 4]},
    {"kind": "alphas", "alphas": [1.0, 1.5]},
    {"kind": "encoders", "base": {"name": "short", "settings": ["encoder.pretrain.steps=3"]},
     "change": {"name": "long", "settings": ["encoder.pretrain.steps=4"]}},
]  # fmt: skip


def test_every_design_goes_from_smoke_over_proxy_and_shares_its_steps(tmp_path: Path) -> None:
    for number, designs in ((1, DESIGNS[:3]), (2, DESIGNS[3:])):
        path = tmp_path / f"cycle-{number:03d}.yaml"
        found = {"schema": "drift-cycle/1", "cycle": number,
                 "experiments": [experiment(one) for one in designs]}  # fmt: skip
        path.write_text(json.dumps(found))  # which is YAML, without aliases
        room, said = Lab(tmp_path / "steps"), list[str]()
        for _ in range(3):
            now = queue.run(path, cycle.read(path), room, said.append)
        assert not any(one.open for one in now)
        for one in now:
            axis = "smoke" if one.experiment.design.kind == "continued" else "proxy"
            assert one.outcome is not None
            assert one.outcome.axis == axis
            assert one.outcome.main[1].seeds == 2
    trained = list((tmp_path / "steps/steps").glob("train-*"))
    assert len({(one / "step.json").read_bytes() for one in trained}) == len(trained)
    said.clear()
    lab.carry_out(cycle.read(path).experiments[0], "proxy", room, said.append)
    assert all("nothing to do" in one for one in said)
    assert json.loads((tmp_path / "queue.json").read_text())["after_cycle"] == 2


def experiment(design: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": str(design["kind"]), "question": "Does it?", "template": "digits",
        "payoff": {"metric": "fid_proxy", "at_least": 0.1, "because": "so"},
        "cost": {"minutes": 1.0}, "design": design,
        "smoke": {"settings": TINY, "seeds": [0]}, "proxy": {"settings": TINY, "seeds": [0, 1]},
        "full": {"settings": TINY, "seeds": [0, 1]},
    }  # fmt: skip
