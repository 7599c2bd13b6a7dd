"""Sizes that do not fit are found before a run's folder exists, never by its first step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from contracts.common import small_run
from drift import cli, pretrain
from drift.config import TemplateError, load_template
from drift.data import DigitsSource, TensorSource
from drift.errors import DriftError
from drift.features import FeatureExtractor
from drift.train import build, run

SMALL = (*small_run.RUN, *small_run.PRETRAIN)
UNFIT: dict[str, tuple[tuple[str, ...], str]] = {
    "width of the decoder's groups": (
        ("encoder.base_width=16",), "encoder.base_width: found 16; expected a multiple of 32"
    ),
    "width beside a multiple": (("encoder.base_width=48",), "expected a multiple of 32"),
    "a second encoder of grey images": (
        ("encoder.second_encoder.model=convnextv2-tiny", "encoder.second_encoder.weights=w",
         "encoder.second_encoder.resize=antialiased-bilinear-224"),
        "encoder.second_encoder.model: found convnextv2-tiny of 1 channels",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNFIT)
def test_sizes_that_a_template_shows_are_refused_with_it(case: str) -> None:
    settings, said = UNFIT[case]
    with pytest.raises(TemplateError) as caught:
        build.override(load_template("digits"), settings)
    assert said in str(caught.value)


@pytest.mark.parametrize("command", ["pretrain", "train"])
def test_a_width_that_the_decoder_cannot_have_leaves_no_folder(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It passed validation and stopped the first step, beside a run's record."""
    monkeypatch.chdir(tmp_path)
    assert cli.run([command, "digits", "--set", "encoder.base_width=16"]) == 2
    assert "encoder.base_width: found 16" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def coloured() -> TensorSource:
    """Samples of a shape that is not the template's."""
    return TensorSource(torch.zeros(20, 3, 8, 8), torch.arange(20) % 10, 10)


def fewer() -> TensorSource:
    """Samples of five classes."""
    return TensorSource(torch.zeros(20, 1, 8, 8), torch.arange(20) % 5, 5)


def small(*settings: str) -> Any:
    return build.override(load_template("digits"), (*SMALL, *settings))


def begin(folder: Path, source: Any, *settings: str, **encoder: Any) -> Callable[[], object]:
    template = small(*settings)
    extractor = FeatureExtractor(
        small_run.encoder(**encoder), config=build.feature_config(template)
    )
    return lambda: run.start(template, source, extractor, run.RunOptions(folder=folder))


@pytest.mark.parametrize(
    ("source", "said"),
    [(coloured, r"samples of shape \[3, 8, 8\]; expected \[1, 8, 8\]"),
     (fewer, "found 5 classes; expected 10, as generator.num_classes says")],
)  # fmt: skip
def test_data_of_other_shapes_or_classes_start_neither_kind_of_run(
    tmp_path: Path, source: Callable[[], TensorSource], said: str
) -> None:
    with pytest.raises(DriftError, match=said):
        pretrain.start(small(), source(), pretrain.PretrainOptions(tmp_path / "run"))
    with pytest.raises(DriftError, match=said):
        begin(tmp_path / "run", source())()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "encoder", [{"in_channels": 3}, {"input_patch": 3}], ids=["channels", "patches"]
)
def test_an_encoder_made_for_other_samples_starts_no_run(
    tmp_path: Path, encoder: dict[str, Any]
) -> None:
    """It was found after the first checkpoint had been written."""
    with pytest.raises(DriftError, match="one sample through the models of digits: found"):
        begin(tmp_path / "run", DigitsSource(), **encoder)()
    assert not (tmp_path / "run").exists()


def test_more_labels_than_are_pushed_start_no_run(tmp_path: Path) -> None:
    """A column states what one host of several pushes: the first step of one process stopped."""
    with pytest.raises(DriftError, match="found 4 samples pushed, 8 labels wanted"):
        begin(tmp_path / "r", DigitsSource(), "loss.class_labels=8", "queue.push_per_step=4")()
    assert not (tmp_path / "r").exists()


def test_the_trial_draws_nothing_and_changes_nothing(tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    started: Any = begin(tmp_path / "run", DigitsSource())()
    pretrained = pretrain.start(small(), DigitsSource(), pretrain.PretrainOptions(tmp_path / "e"))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert pretrained.loader.position == 0
    started.watch.require_frozen()
    assert all(p.grad is None for p in started.state.generator.parameters())


ODD = (
    ("loss.unconditional=0", "cfg.alpha_range=[1.0, 1.0]", "evaluation.alpha=1.0"),
    ("loss.generated=1",),
    ("loss.positives=1",),
    ("loss.class_labels=1", "queue.push_per_step=1"),
    ("generator.style_tokens=0",),
    ("generator.register_tokens=0",),
)


@pytest.mark.parametrize("settings", ODD, ids=lambda settings: settings[0])
def test_a_template_at_the_edge_of_its_ranges_trains_or_is_refused_before_its_folder(
    tmp_path: Path, settings: tuple[str, ...]
) -> None:
    template = small("optimizer.training_steps=1", "optimizer.warmup_steps=0", *settings)
    extractor = FeatureExtractor(small_run.encoder(), config=build.feature_config(template))
    options = run.RunOptions(folder=tmp_path / "run")
    started = run.start(template, DigitsSource(), extractor, options, say=lambda text: None)
    run.train(started, lambda window: None)
    assert started.state.step == 1
