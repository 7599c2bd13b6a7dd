"""Ablations: what is compared and how, what goes on after a kill, what a record says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save
from scipy import stats

from contracts.common import small_run
from drift import cli
from drift.ablate import compared, record, room, running, training
from drift.ablate.tables import BUDGET, TABLES, Table
from drift.config import fingerprint, load_template, override
from drift.errors import DriftError
from drift.features import FeatureConfig
from drift.reproduce.request import ENCODER, RUN
from drift.reproduce.store import Done
from drift.train import build

ROOT = Path(__file__).parents[2]
FACTS = yaml.safe_load((ROOT / "specs/facts/ablations.yaml").read_text())["topics"]
BALANCE = TABLES["balance"]


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_rows_are_distinct_and_stand_as_the_papers_figures_rise(table: Table) -> None:
    made = [(fingerprint(running.template_of(row)), row.kernel) for row in table.rows]
    assert len(set(made)) == len({row.name for row in table.rows}) == len(table.rows)
    if table.ordered:
        figures = FACTS[table.fact]["facts"]["paper"]["value"]
        stated = [figures[row.paper] for row in table.rows]
        assert stated == sorted(stated)
        assert table.name == "negatives" or len(stated) == len(figures)  # 80 labels are not drawn


def test_the_method_is_a_row_of_every_table_and_no_row_is_taught_by_the_judge() -> None:
    for table in TABLES.values():
        plain = override(load_template("digits"), table.budget)
        assert fingerprint(running.template_of(table.rows[0], table.budget)) == fingerprint(plain)
        assert table.rows[0].kernel == "plain"
        assert table.budget == BUDGET or table.name == "features"
        taught = None if plain.loss.feature_taps == "none" else "an encoder of its own"
        for row in table.rows:
            training.require_neutral(running.template_of(row, table.budget), taught, "the judge")


@pytest.mark.parametrize("teacher", [None, "the judge"])
def test_no_run_is_taught_by_the_judge(teacher: str | None) -> None:
    with pytest.raises(DriftError, match="is no judge"):
        training.require_neutral(load_template("digits"), teacher, "the judge")


def test_the_rows_of_features_are_the_papers_inventory() -> None:
    table = TABLES["features"]
    for row in table.rows:
        found = build.feature_config(running.template_of(row, table.budget))
        assert row.paper is not None
        assert found == FeatureConfig.from_inventory(row.paper)


def test_runs_with_an_encoder_in_the_loss_have_one_of_their_seed_and_others_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(running, "_pretrained", lambda root, seed, *given: asked.append(seed))
    for seed in range(3):
        running.teacher(tmp_path, seed, TABLES["features"].budget, None)  # type: ignore[arg-type]
        running.teacher(tmp_path, seed, BUDGET, None)  # type: ignore[arg-type]
    assert asked == [0, 1, 2]
    assert running.JUDGE_SEED not in asked


# -- comparisons -----------------------------------------------------------------------------------


def verdicts(second: Sequence[float], table: Table = BALANCE) -> list[str]:
    names = [row.name for row in table.rows]
    figures = {name: list(second) for name in names} | {names[0]: [1.0] * len(second)}
    return [one.verdict for one in compared.comparisons(table, figures)]


def test_verdicts_need_an_interval_that_leaves_one_out() -> None:
    others = len(BALANCE.rows) - 1
    assert verdicts([2.0, 2.1, 1.9])[:others] == [compared.AS_PAPER] * others
    assert verdicts([0.5, 0.51, 0.49])[:others] == [compared.OTHER_WAY] * others
    assert verdicts([0.5, 2.0, 1.1])[:others] == [compared.OPEN] * others
    assert verdicts([2.0])[:others] == ["unknown"] * others
    assert verdicts([2.0, 2.0, 2.0])[:others] == [compared.OPEN] * others  # no spread to see
    assert verdicts([2.0, 2.1, 1.9])[others:] == [compared.OPEN] * (others - 1)  # neighbours alike
    unordered = TABLES["follow-ups"]
    assert set(verdicts([2.0, 2.1, 1.9], unordered)) == {compared.FIRST}
    assert set(verdicts([0.5, 0.51, 0.49], unordered)) == {compared.SECOND}


@given(st.lists(st.tuples(*[st.floats(0.1, 100)] * 2), min_size=3, max_size=9))
def test_intervals_are_those_of_a_paired_t_test_of_logarithms(pairs: list[Any]) -> None:
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    logs = np.log(second / first)
    if np.ptp(logs) < 1e-6:
        return
    names = [row.name for row in BALANCE.rows[:2]]
    found = compared.compared(*names, dict(zip(names, (first, second), strict=True)), BALANCE)
    test = stats.ttest_1samp(logs, 0.0)
    low, high = test.confidence_interval(0.95)
    assert found.interval is not None
    assert np.log(found.interval) == pytest.approx((low, high), abs=1e-6)
    assert found.resolves == pytest.approx(np.exp((high - low) / 2))


# -- steps and records, with runs that cost nothing ------------------------------------------------


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Runs that are drawn from their key, not trained -> what was carried out."""
    done: list[str] = []

    def measure(
        folder: Path, template: Any, kernel: str, seed: int, judge: Path, teacher: Path | None
    ) -> None:
        done.append(f"{fingerprint(template)[:8]} {kernel} {seed}")
        drawn = np.random.default_rng([seed, len(kernel)]).normal(size=(200, 64))
        moments = {"mu": drawn.mean(0), "sigma": np.cov(drawn.T)}
        moments |= {"reference_mu": np.zeros(64), "reference_sigma": np.eye(64)}
        held = {name: array.astype(np.float32) for name, array in moments.items()}
        (folder / training.MOMENTS).write_bytes(save(held))
        Image.new("L", (40, 16)).save(folder / training.PICTURE)
        facts = {
            "template_fingerprint": fingerprint(template), "kernel": kernel, "seed": seed,
            "steps": 4, "samples": 200, "extractor": "e", "judge_sha256": "a" * 64,
            "teacher_sha256": teacher and "b" * 64, "diagnostic": [], "wall_s": 0.1, "cpu_s": 0.1,
        }  # fmt: skip
        (folder / training.FIGURES).write_text(json.dumps(facts))

    made = Done("pretrain", "k", tmp_path, {f"{RUN}/{ENCODER}": "d"}, {})
    monkeypatch.setattr(running, "_pretrained", lambda *given: made)
    monkeypatch.setattr(training, "measure", measure)
    return done


def carried(tmp_path: Path, table: str, seeds: int = 2) -> list[str]:
    ask = room.asked(table, seeds, tmp_path / "room", ())
    return room.carried_out(ask, tmp_path / "records", lambda text: None)


def test_a_killed_ablation_goes_on_where_it_was_and_says_the_same(
    cheap: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = training.measure, count()

    def killed(*given: Any) -> None:
        if next(calls) == 7:
            raise KeyboardInterrupt
        real(*given)

    monkeypatch.setattr(training, "measure", killed)
    with pytest.raises(KeyboardInterrupt):
        carried(tmp_path, "balance")
    assert not (tmp_path / "records").exists()
    monkeypatch.setattr(training, "measure", real)
    assert "5 of 12 runs" in room.planned(room.asked("balance", 2, tmp_path / "room", ()))[1]
    said = carried(tmp_path, "balance")
    assert len(cheap) == len(set(cheap)) == 12
    files = {path.name: path.read_bytes() for path in (tmp_path / "records").iterdir()}
    assert set(files) == {"balance.json", "balance.components.safetensors", "balance.png"}
    assert carried(tmp_path, "balance") == said
    assert len(cheap) == 12  # the second time does nothing
    assert {p.name: p.read_bytes() for p in (tmp_path / "records").iterdir()} == files


def test_tables_share_the_runs_that_are_the_same(cheap: list[str], tmp_path: Path) -> None:
    carried(tmp_path, "balance")
    before = len(cheap)
    carried(tmp_path, "positives")
    assert len(cheap) - before == 2 * (len(TABLES["positives"].rows) - 1)


def test_a_record_holds_every_run_with_the_figure_of_its_moments(
    cheap: list[str], tmp_path: Path
) -> None:
    carried(tmp_path, "positives", seeds=3)
    found = json.loads((tmp_path / "records/positives.json").read_text())
    assert found["schema"] == record.SCHEMA
    assert found["axis"] == "proxy"
    assert found["budget"] == list(BUDGET)
    assert len(found["runs"]) == 12
    assert all(run["fid_proxy"] > 0 and run["wall_s"] == 0.1 for run in found["runs"])
    assert len(record.lines(found)) == len(found["comparisons"]) == 5


def test_a_record_says_which_encoder_taught_where_one_did(cheap: list[str], tmp_path: Path) -> None:
    for table, taught in (("labels", False), ("features", True)):
        carried(tmp_path, table)
        found = json.loads((tmp_path / f"records/{table}.json").read_text())
        assert {"teacher_sha256" in run for run in found["runs"]} == {taught}


def test_settings_over_the_budget_are_in_the_record_and_nonsense_is_refused(
    cheap: list[str], tmp_path: Path
) -> None:
    ask = room.asked("balance", 2, tmp_path, ("optimizer.training_steps=90",))
    assert ask.budget[-1] == "optimizer.training_steps=90"
    with pytest.raises(DriftError, match="no_such"):
        room.asked("balance", 2, tmp_path, ("loss.no_such=9",))


def test_the_command_states_the_cost_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["ablate", "balance", "--plan", "--out", str(tmp_path / "room")]) == 0
    assert "30 of 30 runs to do, about 25 s of one CPU each: 12 minutes" in capsys.readouterr().out
    assert cli.run(["ablate", "features", "--seeds", "3", "--plan", "--out", str(tmp_path)]) == 0
    assert "9 of 9 runs to do, about 40 s of one CPU each: 6 minutes" in capsys.readouterr().out
    assert cli.run(["ablate", "nothing"]) == cli.BAD_INPUT


@pytest.mark.nightly
def test_a_table_with_an_encoder_in_the_loss_is_trained_at_a_tiny_size(tmp_path: Path) -> None:
    tiny = [*small_run.RUN, *small_run.PRETRAIN, "evaluation.samples=80"]
    ask = room.asked("features", 2, tmp_path / "room", tiny)
    room.carried_out(ask, tmp_path / "records", lambda text: None)
    found = json.loads((tmp_path / "records/features.json").read_text())
    assert len({run["teacher_sha256"] for run in found["runs"]} | {found["judge_sha256"]}) == 3
    assert len({run["fid_proxy"] for run in found["runs"]}) == 6


@pytest.mark.nightly
def test_a_table_is_trained_at_a_tiny_size(tmp_path: Path) -> None:
    tiny = [*small_run.RUN, *small_run.PRETRAIN, "evaluation.samples=80"]
    ask = room.asked("normalisation", 2, tmp_path / "room", tiny)
    said = room.carried_out(ask, tmp_path / "records", lambda text: None)
    found = json.loads((tmp_path / "records/normalisation.json").read_text())
    marks = {run["row"]: run["diagnostic"] for run in found["runs"]}
    assert marks["no normalisation"] == ["variant of the loss: no normalisation"]
    assert marks["softmax over x and y"] == []
    assert len(said) == 4
