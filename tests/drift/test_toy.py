"""Toy runs: their parts against closed forms, and what a run leaves behind."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from drift import cli, loss
from drift.commands import toy as toy_command
from drift.errors import DriftError, InputError
from drift.toy import measure, output, pictures, runs, targets, train
from drift.toy.ablation import attraction_only_loss
from drift.toy.generator import ToyGenerator


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plan(name: str = "bimodal", start: str = "far", steps: int = 4, **other: Any) -> train.Plan:
    return train.Plan(start, 0, train.shorter(train.RECIPES[name], steps), **other)


# Targets


@pytest.mark.parametrize("name", ["bimodal", "checkerboard"])
def test_real_samples_of_the_plane_fill_their_modes_evenly(name: str) -> None:
    target = targets.make(name)
    samples = target.positives(5000, generator())
    shares, in_mode = measure.mode_shares(target, samples)
    assert in_mode > 0.98  # three deviations hold 98.9 % of a normal blob of the plane
    # 20,000 draws: five deviations of a share p are 5 sqrt(p (1 - p) / 20,000) <= 0.018.
    assert (shares * target.modes - in_mode).abs().max() < 0.018 * target.modes


def test_empty_squares_and_places_off_the_board_are_no_mode() -> None:
    places = torch.tensor([[-1.5, -0.5], [-1.5, -1.5], [1.9, 1.9], [2.1, 1.9], [0.5, -2.5]])
    assert targets.Checkerboard().mode_of(places).tolist() == [-1, 0, 7, -1, -1]


def test_a_point_between_the_modes_belongs_to_neither() -> None:
    places = torch.tensor([[-1.5, 0.7], [-1.5, 0.8], [0.0, 0.0], [1.4, 0.1]])
    assert targets.Bimodal().mode_of(places).tolist() == [0, -1, -1, 1]


def test_positives_of_a_digit_are_different_training_images_of_it() -> None:
    target = targets.Handwritten()
    positives = target.positives(32, generator())
    for c, images in enumerate(positives):
        of_class = {image.numpy().tobytes() for image in target.training.of_class(c)}
        drawn = {image.numpy().tobytes() for image in images}
        assert len(drawn) == 32
        assert drawn <= of_class


def test_an_unknown_target_start_or_objective_names_those_there_are() -> None:
    with pytest.raises(InputError, match="bimodal, checkerboard, digits"):
        targets.make("moons")
    with pytest.raises(InputError, match="far, collapsed, between"):
        train.train(targets.make("bimodal"), plan(start="scattered"))
    with pytest.raises(InputError, match="drifting, attraction-only"):
        train.objective_named("repulsion")
    with pytest.raises(InputError, match="at least 1"):
        train.shorter(train.RECIPES["bimodal"], 0)


# Generator, measures, ablation


def test_a_generator_starts_where_it_is_put() -> None:
    model = ToyGenerator(8, 3, 5, width=32, depth=2, generator=generator())
    condition, start = torch.eye(3), targets.Start((1.0, 2.0, 3.0, 4.0, 5.0), 0.5)
    model.begin_at(start, condition, generator(1))
    samples = model(torch.randn(3, 4000, 8, generator=generator(2)), condition).flatten(0, 1)
    assert torch.allclose(samples.mean(dim=0), torch.tensor(start.mean), atol=0.1)
    assert torch.allclose(samples.std(dim=0), torch.full((5,), 0.5), atol=0.05)


class Points:
    """Two kinds of real samples, at 0 and at 10 on a line."""

    name, features, modes = "points", 1, 2
    starts: ClassVar[dict[str, targets.Start]] = {}
    condition = torch.eye(2)

    def positives(self, n: int, generator: torch.Generator) -> torch.Tensor:
        return torch.stack([kind[:n] for kind in self.real()])

    def real(self) -> list[torch.Tensor]:
        return [torch.tensor([[-1.0], [1.0], [0.0]]), torch.tensor([[9.0], [11.0], [10.0], [10.0]])]

    def mode_of(self, samples: torch.Tensor) -> torch.Tensor:
        return (samples[:, 0] > 5).long()


def test_the_energy_distance_of_two_points_is_twice_their_distance() -> None:
    ruler = measure.Ruler(targets.Bimodal())
    ruler.real = [torch.zeros(3, 2)]
    ruler._within_real = measure.mean_within(ruler.real)
    assert ruler.energy_distance([torch.tensor([[3.0, 4.0]]).repeat(5, 1)]) == pytest.approx(10.0)


def test_the_energy_distance_of_equal_distributions_has_mean_zero() -> None:
    """The story of a bias: with a fixed number of samples per class, comparing all samples of the
    pool with one another made ten real classes look closer than equal."""
    ruler = measure.Ruler(Points())
    normal = [torch.randn(2, 6, 1, generator=generator(s)) for s in range(400)]
    shift = torch.tensor([0.0, 10.0])[:, None, None]
    ruler.real = list(torch.randn(2, 4000, 1, generator=generator(999)) + shift)
    ruler._within_real = measure.mean_within(ruler.real)
    found = torch.tensor([ruler.energy_distance(list(z + shift)) for z in normal])
    assert abs(float(found.mean())) < 4 * float(found.std()) / 20
    pooled = [(z + shift).flatten(0, 1) for z in normal]
    biased = torch.tensor([ruler.energy_distance([p]) for p in pooled])
    assert float(biased.mean()) < -0.3


def test_samples_of_the_wrong_class_are_not_in_their_mode() -> None:
    figures = measure.Ruler(Points()).measure(torch.tensor([[[0.0], [10.0]], [[10.0], [10.0]]]))
    assert figures.in_mode == 0.75
    assert figures.smallest_share == 0.5
    assert figures.modes_covered == 2
    assert figures.diversity == pytest.approx((10.0 / (4 / 3) + 0.0) / 2)


def test_one_generated_sample_has_nothing_to_repel() -> None:
    gen = torch.randn(5, 1, 3, generator=generator()).requires_grad_()
    pos = torch.randn(5, 7, 3, generator=generator(1))
    results = []
    for objective in (loss.drift_loss, attraction_only_loss):
        value, info = objective(gen, pos)
        (gradient,) = torch.autograd.grad(value.sum(), gen)
        results.append([value.detach(), gradient, *info.values()])
    for full, ablated in zip(*results, strict=True):
        assert torch.allclose(full, ablated, rtol=1e-5, atol=1e-7)


def test_attraction_alone_is_the_full_force_without_the_generated_columns() -> None:
    """From the trace of the full loss: V+ = sum over positives of c_j (y_j - x)."""
    from drift import trace

    gen = torch.randn(2, 6, 3, generator=generator())
    pos = torch.randn(2, 5, 3, generator=generator(1)) + 1.0
    with trace.recording() as recorded:
        loss.drift_loss(gen, pos, temperatures=(0.2,))
    coefficients, scale = recorded["R0.2/R_coeff"][..., 6:], recorded["scale_inputs"]
    pulled = (coefficients[..., None] * (pos[:, None] - gen[:, :, None])).sum(2) / scale
    expected = pulled / pulled.square().mean().sqrt()
    value, info = attraction_only_loss(gen, pos, temperatures=(0.2,))
    assert torch.allclose(info["loss_0.2"], pulled.square().mean(), rtol=1e-4)
    assert torch.allclose(value, expected.square().mean(dim=(1, 2)), rtol=1e-4)


# Runs


def test_measuring_more_often_does_not_change_a_run() -> None:
    target, long = targets.make("bimodal"), plan(steps=12)
    often, seldom = (train.train(target, long, rows=rows) for rows in (12, 1))
    assert torch.equal(often.drift, seldom.drift)
    assert torch.equal(often.snapshots[12], seldom.snapshots[12])
    assert [row["step"] for row in seldom.rows] == [0, 12]


def test_a_run_is_the_same_on_any_number_of_threads_and_leaves_that_number_alone() -> None:
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(train.train(targets.make("bimodal"), plan(steps=5), rows=1))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0].drift, found[1].drift)
    assert torch.equal(found[0].snapshots[5], found[1].snapshots[5])


def test_rows_hold_the_mean_drift_since_the_row_before() -> None:
    run = train.train(targets.make("bimodal"), plan(steps=6), rows=2)
    assert [row["step"] for row in run.rows] == [0, 3, 6]
    assert run.rows[0]["drift"] is None
    assert run.rows[2]["drift"]["0.05"] == pytest.approx(float(run.drift[3:, 1].double().mean()))
    assert run.drift_at(0.2)[1] == pytest.approx(float(run.drift[5, 2]))


def test_the_drift_of_a_run_is_that_of_the_loss_before_normalisation() -> None:
    seen = []

    def watched(*clouds: torch.Tensor, **options: Any) -> Any:
        value, info = loss.drift_loss(*clouds, **options)
        seen.append(info["loss_0.02"])
        return value, info

    run = train.train(targets.make("bimodal"), plan(), objective=watched)
    assert torch.equal(run.drift[:, 0], torch.stack(seen))


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    def broken(gen: torch.Tensor, pos: torch.Tensor, **options: Any) -> Any:
        value, info = loss.drift_loss(gen, pos, **options)
        return value * float("nan"), info

    with pytest.raises(train.DivergedError, match="update 0: found a loss of nan"):
        train.train(targets.make("bimodal"), plan(), objective=broken)


def test_one_update_makes_a_run_and_a_picture() -> None:
    target = targets.make("checkerboard")
    run = train.train(target, plan("checkerboard", steps=1))
    assert sorted(run.snapshots) == [0, 1]
    assert Image.open(BytesIO(pictures.render(target, [run]))).format == "PNG"


@pytest.mark.parametrize("name", ["bimodal", "digits"])
def test_a_picture_is_the_same_at_every_drawing_and_shows_the_samples(name: str) -> None:
    target = targets.make(name)
    start = next(iter(target.starts))
    run = train.train(target, plan(name, start, steps=3))
    first, second = (pictures.render(target, [run]) for _ in range(2))
    assert first == second
    moved = replace_snapshots(run, shift=0.5)
    assert pictures.render(target, [moved]) != first
    pixels = np.asarray(Image.open(BytesIO(first)).convert("L"))
    assert pixels.std() > 10


def replace_snapshots(run: train.Run, *, shift: float) -> train.Run:
    return replace(run, snapshots={step: s + shift for step, s in run.snapshots.items()})


def test_a_mosaic_shows_each_class_in_a_row_and_clips_to_the_grey_range() -> None:
    images = torch.linspace(-3, 3, 2 * 3 * 64).reshape(2, 3, 64)
    canvas = pictures.mosaic(images)
    assert canvas.shape == (20, 30)
    assert torch.equal(canvas[11:19, 21:29], images[1, 2].reshape(8, 8).clamp(-1, 1))
    assert canvas.min() == -1
    assert canvas.max() == 1


# Results and command line


def toy(*words: str) -> int:
    return cli.run(["toy", "--device", "cpu", *words])


def test_a_run_leaves_a_log_a_picture_and_a_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results" / "first"
    assert toy("--init", "far", "--steps", "8", "--seed", "3", "--ablate", "--out", str(out)) == 0
    assert {entry.name for entry in out.iterdir()} == output.FILES
    assert [entry.name for entry in out.parent.iterdir()] == ["first"]
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    kinds = {(row["target"], row["start"], row["objective"]) for row in rows}
    assert kinds == {("bimodal", "far", "drifting"), ("bimodal", "far", "attraction-only")}
    assert [row["step"] for row in rows if row["objective"] == "drifting"] == list(range(9))
    last = rows[-1]
    assert set(last["drift"]) == {"0.02", "0.05", "0.2"}
    assert {"loss", "scale", "energy_distance", "modes_covered", "seconds"} <= set(last)
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["axis"], summary["seed"], len(summary["runs"])) == ("proxy", 3, 2)
    assert summary["runs"][1]["last"]["energy_distance"] == last["energy_distance"]
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    assert "toy bimodal [proxy]: energy distance" in captured.out
    assert "attraction only: energy distance" in captured.out
    assert captured.err == ""


def test_the_same_seed_writes_the_same_figures(tmp_path: Path) -> None:
    logs = []
    for name in ("a", "b"):
        assert toy("--init", "between", "--steps", "3", "--out", str(tmp_path / name)) == 0
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        logs.append([{**json.loads(line), "seconds": None} for line in lines])
    assert logs[0] == logs[1]
    pictures_of = [(tmp_path / name / "samples.png").read_bytes() for name in ("a", "b")]
    assert pictures_of[0] == pictures_of[1]


def test_an_earlier_result_is_kept_unless_force_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--init", "far", "--steps", "1", "--out", str(tmp_path / "out"))
    assert toy(*words) == 0
    before = (tmp_path / "out" / "summary.json").read_bytes()
    assert toy(*words, "--seed", "1") == 2
    assert "pass --force to replace the earlier run" in capsys.readouterr().err
    assert (tmp_path / "out" / "summary.json").read_bytes() == before
    assert toy(*words, "--seed", "1", "--force") == 0
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["seed"] == 1


def test_force_never_removes_what_no_toy_run_has_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert toy("--steps", "2", "--force", "--out", str(tmp_path)) == 2
    assert "thesis.tex, which no toy run has written" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    assert toy("--steps", "2", "--force", "--out", str(tmp_path / "thesis.tex")) == 2


def test_a_failed_run_leaves_no_directory_and_keeps_the_earlier_one(tmp_path: Path) -> None:
    place = tmp_path / "out"
    for fails in (True, False, True):
        try:
            with output.fresh_directory(place, force=True) as working:
                output.append_json(working / output.METRICS, {"fails": fails})
                if fails:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        names = [entry.name for entry in tmp_path.iterdir()]
        assert names in ([], ["out"])
    assert json.loads((place / output.METRICS).read_text()) == {"fails": False}


def test_a_place_that_cannot_be_written_is_one_clear_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert toy("--steps", "2", "--out", str(tmp_path / "file" / "out")) == 2
    assert "expected a place that can be written" in capsys.readouterr().err


def test_nothing_is_trained_when_one_of_several_places_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "kept").write_text("")
    monkeypatch.setattr(runs, "train", lambda *a, **k: pytest.fail("a run was started"))
    assert toy("--target", "all", "--out", str(tmp_path)) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", "digits", "--init", "far"), "digits: it has one start"),
        (("--device", "tpu9"), "--device: found tpu9"),
        (("--target", "moons"), "Invalid value for '--target'"),
        (("--steps", "0"), "Invalid value for '--steps'"),
        (("--seed", "-1"), "Invalid value for '--seed'"),
    ],
)
def test_a_bad_option_is_one_message_and_code_two(
    words: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["toy", *words]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_results_go_to_a_folder_for_each_target() -> None:
    assert runs.place_of("bimodal", None, several=False) == Path("toy-bimodal")
    assert runs.place_of("digits", None, several=True) == Path("toy-digits")
    assert runs.place_of("digits", Path("o"), several=True) == Path("o/digits")
    assert runs.place_of("digits", Path("o"), several=False) == Path("o")


def test_the_command_offers_the_targets_and_starts_there_are() -> None:
    assert tuple(targets.TARGETS) == toy_command.TARGETS
    for name in ("bimodal", "checkerboard"):
        assert tuple(targets.make(name).starts) == toy_command.STARTS


def test_a_missing_matplotlib_is_said_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "find_spec", lambda name: None)
    with pytest.raises(DriftError, match=r"pip install 'drift-verify\[train\]'"):
        pictures.require_matplotlib()
