"""`verify trace compare` names the stage at which a fault was planted, in loss and generator."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from contracts.common import golden
from contracts.generator import cases as generator_cases
from contracts.subjects.engine import drift_subject as engine
from drift import pairs, trace, trace_file
from drift.loss import drift_loss
from verify.cli import cli
from verify.numeric.traces import digest_of, read_trace, write_trace

SPECS = Path(__file__).parents[2] / "specs"
LOSS, GENERATOR = "drift_cfg_table8", "ditgen_main"


def case_of(name: str) -> golden.Case:
    return golden.load_case(SPECS / "golden" / f"{name}.safetensors")


def loss_inputs() -> dict[str, Tensor]:
    return golden.tensors(case_of(LOSS), "in")


def run_loss() -> None:
    given = loss_inputs()
    weights = {name: value for name, value in given.items() if name.startswith("weight_")}
    taus = case_of(LOSS).meta["R_list"]
    drift_loss(given["gen"], given["pos"], given.get("neg"), temperatures=taus, **weights)


def run_generator() -> None:
    case = case_of(GENERATOR)
    built = generator_cases.build(SimpleNamespace(subject=engine()), case)  # type: ignore[arg-type]
    with torch.no_grad():
        built.model(*generator_cases.inputs(case))


RUNS: dict[str, tuple[Callable[[], None], Callable[[], Mapping[str, Any]]]] = {
    LOSS: (run_loss, loss_inputs),
    GENERATOR: (run_generator, lambda: golden.tensors(case_of(GENERATOR), "in")),
}


def written(name: str, path: Path) -> list[str]:
    """The trace of one run as a file; its stages."""
    run, inputs = RUNS[name]
    with trace.recording() as stages:
        run()
    trace_file.save(stages, path, inputs=inputs(), seed=0, semantics="reference")
    return list(stages)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[str]]]:
    folder = tmp_path_factory.mktemp("traces")
    paths = {name: folder / f"{name}.safetensors" for name in RUNS}
    return {name: (path, written(name, path)) for name, path in paths.items()}


def compared(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["trace", "compare", *map(str, words)], standalone_mode=False)
    if result.exception:
        return 2, str(result.exception)
    return result.return_value, result.output


def planted(monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    """From now on the computation goes wrong at one stage, and goes on with what is wrong there."""
    original = trace.record

    def record(name: str, value: Tensor) -> None:
        recorder = trace._recorder.get()
        if recorder is not None and recorder.prefix + name == stage:
            with torch.no_grad():
                value.mul_(1.25).add_(0.125)
        original(name, value)

    monkeypatch.setattr(trace, "record", record)
    monkeypatch.setattr(pairs.pair_coefficients, "__defaults__", (record, None))


# Stages whose own tensor is what is computed with afterwards, or a result that nothing follows.
PLANTED = [
    *((LOSS, f"step32/{stage}") for stage in (
        "dist_normed_masked", "scale", "scale_inputs",
        "R0.2/affinity_row", "R0.2/affinity_col", "R0.2/affinity_clipped", "R0.2/sum_pos",
        "R0.2/sum_neg", "R0.2/R_coeff", "R0.2/force_raw", "R0.2/f_norm", "R0.2/force_scale",
        "R0.05/affinity_clipped", "R0.05/R_coeff", "R0.05/force_raw", "R0.02/sum_neg",
        "R0.02/force_scale", "force_across_R",
    )),
    *((GENERATOR, f"step/{stage}") for stage in (
        "cond/class_embed", "cond/noise_embed_sum", "cond/cfg_mlp0", "cond/cfg_emb",
        "cond/cfg_normed", "cond/cond", "patch_embed", "cls_proj", "tokens_in", "blocks_0/adaLN",
        "blocks_0/norm1", "blocks_0/attn/qkv", "blocks_0/attn/q_norm", "blocks_0/attn/k_after_rope",
        "blocks_0/attn/out", "blocks_0/norm2", "blocks_0/mlp_out", "blocks_1/out", "final/adaLN",
        "final/norm", "final/linear",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stage"), PLANTED)
def test_the_named_stage_is_the_planted_one(
    monkeypatch: pytest.MonkeyPatch, sound: Any, tmp_path: Path, name: str, stage: str
) -> None:
    path, stages = sound[name]
    assert stage in stages
    planted(monkeypatch, stage)
    written(name, tmp_path / "wrong.safetensors")
    code, text = compared(
        path, tmp_path / "wrong.safetensors", "--output", f"json={tmp_path}/d.json"
    )
    said = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    assert (code, said["first"]) == (1, stage), text
    assert f"first divergence: {stage}, off by" in text


def test_the_same_run_twice_has_no_divergence(sound: Any, tmp_path: Path) -> None:
    for name, (path, stages) in sound.items():
        written(name, tmp_path / "again.safetensors")
        code, text = compared(path, tmp_path / "again.safetensors", "--absolute", 0)
        assert code == 0, text
        assert f"{len(stages)} equal, 0 minor, 0 divergent, 0 critical, 0 MISSING, 0 extra" in text


def test_a_stage_has_its_own_recorded_tolerance(sound: Any, tmp_path: Path) -> None:
    """The engine's trace against the recording of the release, with the recorded tolerances."""
    case = case_of(LOSS)
    rule = golden.stage_rule(case)
    stages = [stage for stage in case.stages if not stage.startswith("out/")]
    write_trace(tmp_path / "release.safetensors", {s: case.arrays[s] for s in stages},
                inputs=loss_inputs())  # fmt: skip
    allowed = {"tolerance": {"absolute": {stage: rule(stage) for stage in stages}}}
    (tmp_path / "case.json").write_text(json.dumps(allowed), encoding="utf-8")
    code, text = compared(
        tmp_path / "release.safetensors", sound[LOSS][0], "--tolerances", tmp_path / "case.json"
    )
    assert code == 0, text
    assert f"{len(stages)} equal" in text


def test_both_writers_give_one_digest_of_the_same_input(sound: Any) -> None:
    assert read_trace(sound[LOSS][0]).about["input_sha256"] == digest_of(loss_inputs())


def test_traces_of_two_inputs_are_refused(sound: Any) -> None:
    code, text = compared(sound[LOSS][0], sound[GENERATOR][0])
    assert code == 2
    assert "found traces of two inputs" in text


def two(folder: Path, a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[int, str]:
    for name, stages in (("a", a), ("b", b)):
        write_trace(folder / f"{name}.safetensors", stages, inputs={"x": np.zeros(1)})
    return compared(folder / "a.safetensors", folder / "b.safetensors")


def test_missing_is_no_pass_and_never_the_first_divergence(tmp_path: Path) -> None:
    whole = {"one": np.ones(2), "two": np.ones(2), "three": np.ones(2)}
    code, text = two(tmp_path, whole, {"three": np.ones(2)})
    assert code == 3
    assert "MISSING   one" in text
    assert "first divergence" not in text
    code, text = two(tmp_path, whole, {"three": np.full(2, 2.0)})
    assert code == 1
    assert "first divergence: three" in text


def test_extra_stages_and_another_order_are_said(tmp_path: Path) -> None:
    code, text = two(
        tmp_path, {"one": np.ones(2), "two": np.ones(2)},
        {"two": np.ones(2), "more": np.ones(1), "one": np.ones(2)},
    )  # fmt: skip
    assert code == 0
    assert "extra     more" in text
    assert "in another order: one" in text


def test_each_stage_has_its_class(tmp_path: Path) -> None:
    zeros = {
        name: np.zeros(3) for name in ("equal", "minor", "divergent", "critical", "shape", "nan")
    }
    wrong = {
        "equal": zeros["equal"] + 5e-7, "minor": zeros["equal"] + 5e-6,
        "divergent": zeros["equal"] + 5e-5, "critical": zeros["equal"] + 1.0,
        "shape": np.zeros(4), "nan": np.array([0.0, np.nan, 0.0]),
    }  # fmt: skip
    code, text = two(tmp_path, zeros, wrong)
    assert code == 1
    assert "1 equal, 1 minor, 1 divergent, 3 critical, 0 MISSING, 0 extra" in text
    assert "shape [4], expected [3]" in text
    assert "found nan at [1], expected 0" in text


def test_text_traces_of_other_programs_are_read(tmp_path: Path) -> None:
    (tmp_path / "py.txt").write_text(
        "log\nTRACE_PY phi 0.5 1.0\nTRACE_PY phi 2\n", encoding="utf-8"
    )
    (tmp_path / "c.txt").write_text("TRACE_C phi 0.5 1.0\nTRACE_C phi 3\n", encoding="utf-8")
    code, text = compared(tmp_path / "py.txt", tmp_path / "c.txt")
    assert code == 1
    assert "first divergence: phi#2, off by 1 (0.5 of its largest value)" in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"nothing\n", "no line that begins with TRACE_"),
        (b"TRACE_PY phi 1 x\n", "line 1 with a value that is no number"),
        (b"TRACE_PY\n", "line 1 with no name and values"),
        (b"\xff\xfe", "no line that begins with TRACE_"),
    ],
)
def test_a_text_that_is_no_trace_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    code, text = compared(tmp_path / "a.txt", tmp_path / "a.txt")
    assert code == 2
    assert said in text


def test_a_damaged_file_is_one_sentence(sound: Any, tmp_path: Path) -> None:
    data = sound[LOSS][0].read_bytes()
    for number, cut in enumerate((b"", data[:7], data[:100], data[:-1], b"\xff" * 64, data + b"x")):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(cut)
        code, text = compared(path, sound[LOSS][0])
        assert code == 2, number
        assert f"{path}: found no whole trace" in text
    assert compared(tmp_path / "absent.safetensors", sound[LOSS][0])[0] == 2


def test_the_page_draws_both_where_they_part(sound: Any, tmp_path: Path, monkeypatch: Any) -> None:
    planted(monkeypatch, "step32/scale")
    written(LOSS, tmp_path / "wrong.safetensors")
    page = tmp_path / "page.html"
    compared(sound[LOSS][0], tmp_path / "wrong.safetensors", "--output", f"html={page}")
    text = page.read_text(encoding="utf-8")
    assert '<h1 class="no-go">First divergence: step32/scale</h1>' in text
    assert text.count('<path class="curve') == 2
    assert "<script" not in text
