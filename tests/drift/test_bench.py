"""`drift bench`: ratios with their machine; what is slower or grows is found."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from drift import bench, cli, pairs
from drift.bench import compare, parts, soak, timing
from drift.bench import loss as of_loss
from drift.commands.bench import WHAT
from drift.config import load_template
from drift.train import build

SLOWER, NOISE, REPEATS = 1.2, 0.05, 20


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_loss, "SHAPES", ((2, 3, 4, 2, 5),))
    monkeypatch.setattr(timing, "SQUARE", 8)
    monkeypatch.setattr(timing, "WARM_UP", 0)


def run(*words: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(cli.cli, ["bench", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, json.loads(result.output)


def test_bench_prints_ratios_and_the_hardware_they_belong_to() -> None:
    code, found = run("loss", "--pairs", "2")
    assert (code, found["schema"]) == (0, "drift-bench/2")
    assert found["hardware"].keys() >= {"processor", "cores", "threads", "torch"}
    (case,) = found["cases"]
    assert case["case"] == "B 2, G 3, P 4, N 2, S 5"
    assert case["floor_ms"] > 0.0
    assert len(case["ratios"]) == 2


def test_every_part_is_listed_and_what_it_times_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is called once and not timed; the clause is judged by a process, whose words count."""
    said: list[tuple[str, ...]] = []
    monkeypatch.setattr(parts, "_child", lambda *words: said.append(words))
    template = build.override(load_template("digits"), soak.SMALL)
    monkeypatch.setattr(parts, "load_template", lambda name: template)
    monkeypatch.setattr(parts, "ROWS", 40)
    monkeypatch.setattr(parts, "SAMPLES", 10)
    assert {*parts.PARTS, "loss", "soak"} == set(WHAT)
    for part in parts.PARTS.values():
        (case,) = part()
        case.work()
        case.yardstick()
    (verify, torch_alone) = said
    assert verify[:4] == ("-m", "verify", "run", "--no-falsify")
    assert verify[-1] == parts.CLAUSE
    assert torch_alone == ("-c", "import torch")


def test_a_kernel_that_disagrees_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    original = pairs.side_sums

    def drifting(affinity: Tensor, repelling: int) -> tuple[Tensor, Tensor]:
        calls.append(1)
        sum_pos, sum_neg = original(affinity, repelling)
        return sum_pos * len(calls) * torch.arange(1, 4), sum_neg

    monkeypatch.setattr(pairs, "side_sums", drifting)
    with pytest.raises(of_loss.KernelError, match="plain, off by"):
        bench.bench("loss", pairs=1)


# -- slower than before ---------------------------------------------------------------------------


def result(ratios: list[float], **changed: Any) -> dict[str, Any]:
    """What a bench that found these ratios would print, on this machine."""
    return {
        "schema": timing.SCHEMA, "bench": "step", "kernel": "plain", "clock": "processor time",
        "hardware": timing.hardware(), "cases": [{"case": "one update", "ratios": ratios}],
    } | changed  # fmt: skip


def scattered(seed: int, times: float = 1.0) -> list[float]:
    """Thirty ratios of one machine under load: most within a few per cent, one in ten far above."""
    draws = random.Random(seed)
    noise = [draws.lognormvariate(0.0, NOISE) for _ in range(30)]
    return [3.0 * times * (one * 1.5 if draws.random() < 0.1 else one) for one in noise]


@pytest.mark.parametrize(("times", "slower"), [(1.0, False), (SLOWER, True), (1 / SLOWER, False)])
def test_a_slowdown_of_a_fifth_is_found_in_each_of_twenty_repeats_and_nothing_else_is(
    times: float, slower: bool
) -> None:
    for seed in range(REPEATS):
        before, after = result(scattered(seed)), result(scattered(seed + 1000, times))
        (change,) = compare.compare(before, after)
        assert change["slower"] is slower, (seed, change)
        assert change["bounds"][0] <= change["change"] <= change["bounds"][1]


def test_a_planted_slowdown_ends_the_command_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock counts calls: every case takes as long as it is told to."""
    took = {"work": 3.0}
    monkeypatch.setattr(
        timing, "seconds", lambda function: took.get(function.__name__.lstrip("_"), 1.0)
    )

    def work() -> None: ...
    def yardstick() -> None: ...

    monkeypatch.setitem(
        parts.PARTS, "step", lambda: [timing.Case("one update", work, yardstick, "nothing")]
    )
    code, before = run("step", "--pairs", "10")
    assert (code, before["cases"][0]["ratio_median"]) == (0, 3.0)
    (tmp_path / "before.json").write_text(json.dumps(before))
    against = ("step", "--pairs", "10", "--against", str(tmp_path / "before.json"))
    assert run(*against)[0] == 0
    took["work"] *= SLOWER
    code, after = run(*against)
    assert code == 1
    assert after["against"][0]["change"] == pytest.approx(SLOWER)


CHANGED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "hardware": lambda one: {"hardware": one["hardware"] | {"processor": "another"}},
    "threads": lambda one: {"hardware": one["hardware"] | {"threads": 64}},
    "bench": lambda one: {"bench": "queue"},
    "kernel": lambda one: {"kernel": "fused"},
    "clock": lambda one: {"clock": "wall clock"},
    "cases": lambda one: {"cases": [*one["cases"], {"case": "two", "ratios": [1.0] * 20}]},
    "pairs": lambda one: {"cases": [{"case": "one update", "ratios": [1.0] * 4}]},
    "no times": lambda one: {"cases": [{"case": "one update", "ratios": [float("nan")] * 20}]},
    "no cases": lambda one: {"cases": [{"case": "one update"}]},
}


@pytest.mark.parametrize("name", CHANGED)
def test_two_results_that_say_nothing_about_each_other_are_refused(name: str) -> None:
    one = result(scattered(0))
    other = one | CHANGED[name](one)
    for before, after in ((one, other), (other, one)):
        with pytest.raises(compare.CompareError, match=r"found .*; expected "):
            compare.compare(before, after)


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "drift-bench/1"}'])
def test_a_file_that_is_no_result_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "before.json").write_text(text)
    with pytest.raises(compare.CompareError, match=r"before\.json: found "):
        compare.read(tmp_path / "before.json")


def test_bounds_of_a_median_are_those_of_the_sign_test() -> None:
    """Of 20 draws the sixth is above the median with the chance of 5 heads or fewer: 0.021."""
    assert compare.bounds([float(i) for i in range(1, 21)]) == (6.0, 10.5, 15.0)
    assert compare.bounds([float(i) for i in range(1, 6)]) == (1.0, 3.0, 5.0)
    with pytest.raises(compare.CompareError, match="found 4; expected at least 5"):
        compare.bounds([1.0] * 4)


# -- what grows -----------------------------------------------------------------------------------


def leaking(kind: str) -> Callable[[Path], None]:
    kept: list[Any] = []

    def cycle(folder: Path) -> None:
        if kind == "heap_mib":
            kept.append(os.urandom(1 << 20) * 4)
        elif kind == "descriptors":
            kept.append(Path(os.devnull).open("rb"))  # noqa: SIM115 - it leaks
        elif kind == "disk_bytes":
            kept.append((folder / str(len(kept))).write_bytes(b"left behind"))

    return cycle


@pytest.fixture
def uncollected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for garbage in a whole test process takes a second."""
    monkeypatch.setattr(soak.gc, "collect", lambda: 0)


@pytest.mark.usefixtures("uncollected")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("kind", ["heap_mib", "descriptors", "disk_bytes"])
def test_a_planted_leak_trips_the_soak(kind: str) -> None:
    found = soak.soak(6, leaking(kind))
    assert kind in found["leaks"]
    assert len(found["series"][kind]) == 6


def test_what_goes_up_and_down_is_no_leak() -> None:
    assert soak.leaks_by([5, 9, 5, 9, 5, 9, 5, 9, 5]) <= 0
    assert soak.leaks_by([1, 1, 1, 2, 2, 2, 3, 3, 3]) == 2


@pytest.mark.usefixtures("uncollected")
def test_a_soak_of_nothing_is_green() -> None:
    assert soak.soak(3, leaking("none"))["leaks"] == []


@pytest.mark.nightly
def test_cycles_of_train_checkpoint_sample_and_evaluate_do_not_grow() -> None:
    found = soak.soak(12)
    assert found["leaks"] == [], found["series"]
