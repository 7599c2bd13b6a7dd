"""Cycles of experiments: what a file may say, what a design asks, what follows from results."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from drift import cli
from drift.config import load_template, override
from drift.errors import DriftError
from drift.experiment import cycle, designs, judging, lab, queue
from drift.experiment.lab import Lab, Outcome
from drift.gates import GateError

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples/experiments").glob("cycle-*.yaml"))
DIGITS = load_template("digits")
Edit = Callable[[dict[str, Any]], object]


def one(name: str, **changed: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "name": name, "question": "Does it?", "template": "digits",
        "payoff": {"metric": "fid_proxy", "at_least": 0.1, "because": "so"},
        "cost": {"minutes": 1.0},
        "design": {
            "kind": "pair",
            "base": {"name": "few", "settings": ["loss.positives=8"]},
            "change": {"name": "many", "settings": ["loss.positives=16"]},
        },
        **{name: {"settings": [], "seeds": [0, 1]} for name in cycle.STAGES},
    }  # fmt: skip
    return usual | changed


def written(folder: Path, number: int, *experiments: dict[str, Any], **more: Any) -> Path:
    path = folder / f"cycle-{number:03d}.yaml"
    value = {"schema": "drift-cycle/1", "cycle": number, "experiments": list(experiments), **more}
    path.write_text(yaml.safe_dump(value))
    return path


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_ready_designs_are_sound_at_every_stage(path: Path) -> None:
    found = cycle.read(path)
    for experiment in found.experiments:
        for stage in cycle.STAGES:
            template = override(DIGITS, experiment.stage(stage).settings)  # type: ignore[arg-type]
            plan = designs.planned(experiment.design, template)
            names = {arm.name for arm in plan.arms}
            assert all(set(weights) <= names for weights in plan.contrasts.values())
            assert all(abs(sum(w.values())) < 1e-12 for w in plan.contrasts.values())


def test_the_ready_designs_are_of_every_kind() -> None:
    kinds = {type(e.design) for path in EXAMPLES for e in cycle.read(path).experiments}
    assert len(kinds) == 6


def test_a_fourth_experiment_is_refused_by_name(tmp_path: Path) -> None:
    assert cycle.read(written(tmp_path, 1, one("a"), one("b"), one("c")))
    path = written(tmp_path, 1, *(one(name) for name in ("a", "b", "c", "fourth")))
    with pytest.raises(DriftError, match=r"at most 3 in a cycle: leave 'fourth' for the next one"):
        cycle.read(path)


def _without(key: str) -> Edit:
    return lambda said: said.pop(key)


WRONG: dict[str, tuple[Edit, str]] = {
    "a result": (lambda said: said.update(result="better"), "result"),
    "a status": (lambda said: said.update(status="done"), "status"),
    "no payoff": (_without("payoff"), "payoff"),
    "no cost": (_without("cost"), "cost"),
    "no smoke": (_without("smoke"), "smoke"),
    "a cost of nothing": (lambda said: said["cost"].update(minutes=0.0), "minutes"),
    "hope for nothing": (lambda said: said["payoff"].update(at_least=0.0), "at_least"),
    "no seed": (lambda said: said["proxy"].update(seeds=[]), "seeds"),
    "a seed twice": (lambda said: said["proxy"].update(seeds=[1, 1]), "stands there twice"),
    "an unknown design": (lambda said: said["design"].update(kind="other"), "kind"),
    "a number as text": (lambda said: said["cost"].update(minutes="1"), "minutes"),
    "no setting": (lambda said: said["full"].update(settings=["x"]), "settings"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_says_too_little_or_a_result_is_refused(tmp_path: Path, case: str) -> None:
    edit, said = WRONG[case]
    experiment = one("a")
    edit(experiment)
    with pytest.raises(DriftError, match=said):
        cycle.read(written(tmp_path, 1, experiment))


def test_names_of_files_and_numbers_of_cycles_agree_and_follow_one_another(tmp_path: Path) -> None:
    path = written(tmp_path, 2, one("a"))
    with pytest.raises(DriftError, match=r"without cycle-001\.yaml"):
        cycle.before(path, cycle.read(path))
    path.rename(tmp_path / "cycle-003.yaml")
    with pytest.raises(DriftError, match=r"expected cycle-002\.yaml"):
        cycle.read(tmp_path / "cycle-003.yaml")
    with pytest.raises(DriftError, match="one name"):
        cycle.read(written(tmp_path, 1, one("a"), one("a")))


# -- designs ---------------------------------------------------------------------------------------


def design_of(**said: Any) -> Any:
    found = cycle.Experiment.model_validate_json(json.dumps(one("a", design=said)))
    return found.design


def level(name: str, *settings: str) -> dict[str, Any]:
    return {"name": name, "settings": list(settings)}


REFUSED = {
    "one arm twice": ({"kind": "pair", "base": level("a", "loss.positives=1"),
                       "change": level("b", "loss.positives=1")}, "the same"),
    "one name twice": ({"kind": "pair", "base": level("a"), "change": level("a", "x.y=1")},
                       "the same"),
    "an encoder and more": ({"kind": "encoders", "base": level("a"),
                             "change": level("b", "loss.positives=1")}, "the encoder alone"),
    "after the last step": ({"kind": "last-k", "steps": [1100, 1101]}, "step 1101 of 1100"),
    "from the last step": ({"kind": "continued", "at": 1100, "rates": [0.1, 0.2]}, "before"),
    "one rate twice": ({"kind": "continued", "at": 10, "rates": [0.1, 0.1]}, "the same"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_design_that_compares_nothing_or_too_much_is_refused(case: str) -> None:
    said, why = REFUSED[case]
    with pytest.raises(DriftError, match=why):
        designs.planned(design_of(**said), DIGITS)


def test_two_by_two_separates_two_effects_and_their_interaction() -> None:
    plan = designs.planned(design_of(kind="continued", at=100, rates=[0.006, 0.003]), DIGITS)
    assert [arm.continued for arm in plan.arms] == [
        (100, True, 0.006), (100, True, 0.003), (100, False, 0.006), (100, False, 0.003)
    ]  # fmt: skip
    reset, rate, both = 3.0, 0.5, 0.25
    values = {
        arm.name: [seed + reset * i + rate * j + both * (i == j) for seed in (0.0, 10.0)]
        for arm, (i, j) in zip(plan.arms, [(0, 0), (0, 1), (1, 0), (1, 1)], strict=True)
    }
    found = {
        name: judging.paired(values, weights, better="lower").mean
        for name, weights in plan.contrasts.items()
    }
    assert list(found) == ["reset", "rate-0.003", "reset x rate-0.003"]
    assert list(found.values()) == pytest.approx([reset, rate, both])


# -- intervals -------------------------------------------------------------------------------------


numbers = st.lists(st.floats(-100, 100), min_size=2, max_size=8)


@given(st.data())
def test_the_interval_is_that_of_the_paired_t_test(data: st.DataObject) -> None:
    a = data.draw(numbers)
    b = data.draw(st.lists(st.floats(-100, 100), min_size=len(a), max_size=len(a)))
    found = judging.paired({"a": a, "b": b}, {"a": 1.0, "b": -1.0}, better="lower")
    assert found.low is not None
    assert found.high is not None
    if (
        max(x - y for x, y in zip(a, b, strict=True))
        - min(x - y for x, y in zip(a, b, strict=True))
        < 1e-6
    ):
        return
    wanted = stats.ttest_rel(a, b).confidence_interval(judging.LEVEL)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-6, abs=1e-9)


PAIRS: dict[str, tuple[list[float], list[float], str, str]] = {
    "lower and lower is better": ([1.0, 1.1, 0.9], [2.0, 2.2, 2.0], "lower", "better"),
    "lower and higher is better": ([1.0, 1.1, 0.9], [2.0, 2.2, 2.0], "higher", "worse"),
    "it depends on the seed": ([1.0, 3.0], [2.0, 2.0], "lower", "not separated"),
    "one seed": ([1.0], [2.0], "lower", "unknown"),
    "no spread at all": ([1.0, 1.0], [2.0, 2.0], "lower", "not separated"),
    "no way is better": ([1.0, 1.1, 0.9], [2.0, 2.2, 2.0], "near", "not separated"),
}


@pytest.mark.parametrize("case", PAIRS)
def test_better_only_where_the_interval_leaves_zero_out(case: str) -> None:
    ours, theirs, better, verdict = PAIRS[case]
    found = judging.paired({"a": ours, "b": theirs}, {"a": 1.0, "b": -1.0}, better=better)
    assert found.verdict == verdict


def test_the_seeds_for_a_gain_are_the_fewest_that_resolve_it() -> None:
    found = judging.paired({"a": [0.0, 1.0, 2.0], "b": [1.0, 1.0, 1.0]}, {"a": 1.0, "b": -1.0},
                           better="lower")  # fmt: skip
    count = judging.seeds_for(found, 0.5)
    assert count is not None
    half = [judging.quantile(n - 1) / n**0.5 for n in (count - 1, count)]
    assert half[0] > 0.5 >= half[1]


# -- what follows ----------------------------------------------------------------------------------

VALUES = {
    "better": [-1.0, -1.1, -0.9], "worse": [1.0, 1.1, 0.9], "not separated": [1.0, -1.0, 0.1]
}  # fmt: skip
Results = Mapping[tuple[str, str], str]


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """(experiment, stage) -> verdict of the stages that are done; a run makes them `better`."""
    known: dict[tuple[str, str], str] = {}

    def look(experiment: cycle.Experiment, stage: cycle.Stage, room: Lab) -> Outcome | None:
        if (experiment.name, stage) not in known:
            return None
        values = VALUES[known[experiment.name, stage]]
        found = judging.paired({"a": values, "b": [0.0] * 3}, {"a": 1.0, "b": -1.0}, better="lower")
        return Outcome({"a - b": found}, "proxy", {"seeds": [0, 1, 2], "template": "digits"})

    def carry_out(experiment: cycle.Experiment, stage: cycle.Stage, *rest: Any) -> None:
        known[experiment.name, stage] = "better"

    monkeypatch.setattr(lab, "look", look)
    monkeypatch.setattr(lab, "carry_out", carry_out)
    return known


@pytest.mark.parametrize(
    ("done", "following"),
    [
        ({}, "smoke"),
        ({"smoke": "worse"}, "proxy"),  # a smoke run of a few steps decides nothing
        ({"smoke": "better", "proxy": "better"}, "full"),
        ({"smoke": "better", "proxy": "worse"}, "dropped"),
        ({"smoke": "better", "proxy": "not separated"}, "more seeds"),
        ({"smoke": "better", "proxy": "better", "full": "worse"}, "settled"),
        ({"proxy": "better", "full": "better"}, "smoke"),  # no stage is left out
        ({"smoke": "better", "proxy": "worse", "full": "better"}, "dropped"),
    ],
)
def test_the_next_stage_follows_from_what_came_out(
    tmp_path: Path, results: dict[tuple[str, str], str], done: dict[str, str], following: str
) -> None:
    results |= {("a", stage): verdict for stage, verdict in done.items()}
    path = written(tmp_path, 1, one("a"))
    (now,) = queue.standings(cycle.read(path), Lab(tmp_path))
    assert now.next == following


def test_a_cycle_waits_for_the_one_before_and_its_queue_says_what_is_left(
    tmp_path: Path, results: dict[tuple[str, str], str]
) -> None:
    first, second = written(tmp_path, 1, one("a"), one("b")), written(tmp_path, 2, one("c"))
    room, said = Lab(tmp_path), list[str]()
    with pytest.raises(DriftError, match="a of cycle 1 before its end"):
        queue.run(second, cycle.read(second), room, said.append)
    queue.run(first, cycle.read(first), room, said.append, only="a")
    assert said == ["a: smoke"]
    results |= {("a", "proxy"): "worse", ("b", "smoke"): "better", ("b", "proxy"): "not separated"}
    queue.run(first, cycle.read(first), room, said.append)
    assert said == ["a: smoke"]
    left = json.loads((tmp_path / "queue.json").read_text())
    assert [(one["experiment"], one["next"]) for one in left["open"]] == [("b", "more seeds")]
    assert left["open"][0]["seeds_for_the_hoped_gain"] > 3
    (closed,) = left["closed"]
    assert (closed["experiment"], closed["verdict"]) == ("a", "worse")
    assert closed["region"] == {"seeds": [0, 1, 2], "template": "digits"}
    queue.run(second, cycle.read(second), room, said.append)
    assert said == ["a: smoke", "c: smoke"]


def record(source: str, value: float, axis: str) -> dict[str, Any]:
    return {"source": source, "axis": axis,
            "metrics": {"fid_proxy": {"value": value, "better": "lower"}}}  # fmt: skip


def test_figures_on_two_axes_are_never_paired() -> None:
    experiment = cycle.Experiment.model_validate_json(json.dumps(one("a")))
    found = {"few": [record("x", 1.0, "proxy")], "many": [record("y", 2.0, "smoke")]}
    with pytest.raises(GateError, match="one evidence axis"):
        lab._one_kind(experiment, found)
    with pytest.raises(DriftError, match="fid_proxy"):
        lab._one_kind(
            experiment.model_copy(update={"payoff": experiment.payoff.model_copy(
                update={"metric": "fid"})}), {"few": [record("x", 1.0, "proxy")]},
        )  # fmt: skip


def test_the_plan_says_what_each_stage_comes_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["experiment", "plan", str(EXAMPLES[0])]) == 0
    said = capsys.readouterr().out
    assert "optimiser-and-rate: After an interruption" in said
    assert "proxy: 12 measurements" in said
    assert cli.run(["experiment", "status", str(EXAMPLES[0]), "--out", "no-such-folder"]) == 0
    assert "more-positives: nothing done, next smoke" in capsys.readouterr().out
    assert not Path("no-such-folder").exists()
