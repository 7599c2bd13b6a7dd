"""A recorded case: made in two processes, measured, written whole, and never over another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.verify.conftest import MiniPack, Result, run_pack
from verify.numeric.cases import compare, read_case
from verify.numeric.recording import NOISES, Arrays, measure
from verify.problems import IntegrityError

Cli = Callable[..., Result]
ROOM = "contracts/bindings/recorded.py"
RECORDER = """
    import numpy as np
    from verify.api import check, recorder

    @recorder("thing.recorded", noise="precision")
    def record(ctx):
        print("noise on standard output")
        x = np.linspace(0.1, 1.0, 5).astype(np.float32)
        third = x.astype(ctx.dtype) / 3
        return {"in/x": x, "step/third": third, "out/sum": third.sum()}

    @check("thing.recorded")
    def recorded(ctx): ...
"""


@pytest.fixture
def recording(mini: MiniPack) -> MiniPack:
    mini.write(ROOM, RECORDER)
    return mini.save()


@pytest.fixture
def record(recording: MiniPack, cli: Cli) -> Cli:
    def call(*options: object) -> Result:
        pack = ("--pack", recording.root)
        return cli("record", "thing.recorded", "--case", "one", *pack, *options)

    return call


def golden(pack: MiniPack) -> Path:
    return pack.root / "specs/golden"


def test_a_case_says_what_made_it_and_what_its_tolerance_rests_on(
    recording: MiniPack, record: Cli
) -> None:
    done = record("--seed", 3)
    assert (done.code, done.err) == (0, "")
    case = read_case(golden(recording) / "one.json")
    meta = case.meta
    assert (meta["check"], meta["seed"], case.stages) == (
        "thing.recorded", 3, ["step/third", "out/sum"],
    )  # fmt: skip
    assert {"python", "numpy", "safetensors", "verify"} <= meta["versions"].keys()
    difference = meta["self_check"]["difference"]["step/third"]
    exact = case.arrays["in/x"].astype(np.float64) / 3
    assert difference == np.abs(exact - case.arrays["step/third"]).max() > 0.0
    eps = np.finfo(np.float32).eps
    assert case.tolerance("step/third") == max(
        10 * difference, 16 * float(eps) * float(case.arrays["step/third"].max())
    )
    assert "10 times the largest difference between float32 and float64" in done.out
    assert compare(case, {"step/third": exact, "out/sum": exact.sum()}).worst_ratio < 1.0
    assert compare(case, {"step/third": exact, "out/sum": exact[1:].sum()}).first_difference == (
        "out/sum"
    )


def test_nothing_is_written_over_unless_it_is_asked_for(recording: MiniPack, record: Cli) -> None:
    record()
    kept = {path.name: path.read_bytes() for path in golden(recording).iterdir()}
    assert set(kept) == {"one.json", "one.safetensors"}
    again = record()
    assert again.code == 2
    assert "found one.safetensors and one.json already there" in again.err
    recording.edit(ROOM, "/ 3", "/ 7")
    assert {path.name: path.read_bytes() for path in golden(recording).iterdir()} == kept
    assert record("--replace").code == 0
    assert (golden(recording) / "one.safetensors").read_bytes() != kept["one.safetensors"]


def test_arrays_beside_the_words_of_another_recording_are_refused(
    recording: MiniPack, record: Cli
) -> None:
    record()
    earlier = (golden(recording) / "one.json").read_text(encoding="utf-8")
    recording.edit(ROOM, "/ 3", "/ 7")
    record("--replace")
    for text in (earlier, '{"schema": "verify/case/1", "stages": []}'):
        (golden(recording) / "one.json").write_text(text, encoding="utf-8")
        with pytest.raises(IntegrityError, match=r"one\.safetensors: found the digest"):
            read_case(golden(recording) / "one.json")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("third.sum()", "third.sum() + np.random.rand()", "out/sum differs"),
        ("third.sum()", "third.sum() + hash('a') % (1 << 30)", "out/sum differs"),
        ("third.sum()", "third.sum() + len(CALLS.append(1) or CALLS)", "out/sum differs"),
        ("x.astype(ctx.dtype)", "x", "no difference between 2 runs"),
        (".astype(np.float32)", ".astype(ctx.dtype)", "in/x differs between runs"),
    ],
)
def test_what_is_not_the_same_again_is_no_recording(
    recording: MiniPack, record: Cli, old: str, new: str, said: str
) -> None:
    recording.edit(ROOM, old, new)
    recording.edit(ROOM, "@recorder", "CALLS = []\n\n@recorder")
    refused = record()
    assert refused.code == 4, refused.err
    assert said in refused.err
    assert refused.err.rstrip().endswith("nothing was written")
    assert not golden(recording).exists()


def test_a_recorder_that_raises_is_shown_where_it_stands(recording: MiniPack, record: Cli) -> None:
    recording.edit(ROOM, "/ 3", "/ thirds")
    refused = record()
    assert refused.code == 2
    assert f"{ROOM}:4: thing.recorded: found that the recorder gave nothing" in refused.err
    assert "name 'thirds' is not defined" in refused.err


def test_a_noise_that_is_none_is_refused(recording: MiniPack, record: Cli) -> None:
    recording.edit(ROOM, '"precision"', '"luck"')
    assert "noise: found 'luck'; expected one of precision, seeds, exact" in record().err


def test_names_that_are_none_are_refused_before_anything_runs(
    recording: MiniPack, record: Cli, cli: Cli
) -> None:
    assert "expected a file's name" in record("--case", "../one").err
    unknown = cli("record", "thing.one", "--case", "one", "--pack", recording.root)
    assert "expected one with a recorder: thing.recorded" in unknown.err
    assert "found no pack here" in cli("record", "thing.one", "--case", "one").err
    recording.edit(ROOM, '@recorder("thing.recorded"', '@recorder("thing.other"')
    assert "thing.other: found a recorder of no check" in record().err


def run(*values: float, x: float = 1.0) -> Arrays:
    return {"in/x": np.array([x]), "out/y": np.array(values)}


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([{"in/x": np.ones(1)}] * 2, "found no stage"),
        ([run(1.0), run(1.0, 2.0)], "out/y in some runs alone"),
        ([run(1.0), {"in/x": np.ones(1)}], "out/y in some runs alone"),
        ([run(1.0), run(1.5, x=2.0)], "in/x differs between runs"),
        ([run(1.0), run(1.0)], "no difference"),
        ([run(1.0), run(1.4)], "less noise than zeros would be off by"),
        ([run(1.0), run(np.inf)], "less noise than zeros would be off by"),
        ([run(1.0), run(np.nan)], "less noise than zeros would be off by"),
    ],
)
def test_a_dirty_self_check_is_refused(runs: list[Arrays], said: str) -> None:
    with pytest.raises(IntegrityError, match=said):
        measure("one", runs, NOISES["seeds"])


def test_noise_between_seeds_and_none_at_all() -> None:
    found = measure("one", [run(1.0, np.nan), run(1.1, np.nan), run(0.8, np.nan)], NOISES["seeds"])
    assert found["tolerance"]["absolute"]["out/y"] == pytest.approx(0.6)
    found = measure("one", [run(1.0)], NOISES["exact"])
    assert found["tolerance"]["absolute"] == {"out/y": 0.0}
    assert [len(noise.runs(0)) for noise in NOISES.values()] == [2, 5, 1]


def test_the_scaffolds_case_is_what_its_recorder_gives(scaffold: MiniPack, cli: Cli) -> None:
    shipped = read_case(scaffold.root / "specs/golden/length_table.json")
    options = ("--case", "again", "--pack", scaffold.root)
    assert cli("record", "length.recorded", *options).code == 0
    again = read_case(scaffold.root / "specs/golden/again.json")
    assert compare(shipped, again.arrays).worst_ratio < 0.1
    assert again.meta["noise"] == shipped.meta["noise"] == "precision"


def test_a_recorded_case_turns_its_clause_red_under_its_falsifier(
    scaffold: MiniPack, tmp_path: Path
) -> None:
    done = run_pack(scaffold, tmp_path / "reports", only=["LENGTH-005"], subject="example")
    (clause,) = done.report.clauses
    assert clause.outcome == "pass"
    assert [one.outcome for one in done.report.falsifiers] == ["fail"]


def test_the_words_are_json_without_infinities(recording: MiniPack, record: Cli) -> None:
    def refuse(name: str) -> Any:
        raise AssertionError(name)

    record()
    text = (golden(recording) / "one.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse)["schema"] == "verify/case/1"
