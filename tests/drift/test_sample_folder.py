"""A generator as a folder that diffusers loads by its own name, and its card."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from diffusers import DiffusionPipeline
from huggingface_hub import ModelCard

from contracts.metrics import cases
from drift.cli import cli
from drift.errors import InputError
from drift.sample import folder, loading
from drift.sample.pipeline import DriftPipeline, DriftTransformer


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cases.run_folder(tmp_path_factory.mktemp("run") / "run")


def test_one_command_from_a_run_to_what_diffusers_loads(run: Path, tmp_path: Path) -> None:
    place = tmp_path / "new" / "model"
    words = ["export", str(run), str(place), "--pipeline", "--ema-decay", "0.9"]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: Any = DiffusionPipeline.from_pretrained(place, low_cpu_mem_usage=False)
    assert type(found) is DriftPipeline
    expected = DriftPipeline.from_run(run, ema_decay="0.9")(
        [1, 2], generator=seeded(), output_type="latent"
    ).images
    assert torch.equal(found([1, 2], generator=seeded(), output_type="latent").images, expected)
    assert sorted(p.name for p in place.parent.iterdir()) == ["model"], "nothing is left beside it"
    again = CliRunner().invoke(cli, words)
    assert isinstance(again.exception, InputError)
    assert "found something of this name; expected a new folder" in str(again.exception)


def test_the_raw_weights_are_written_where_they_are_asked_for(run: Path, tmp_path: Path) -> None:
    origin = folder.write(run, tmp_path / "raw", vae=None, revision=None, weights="raw")
    assert origin.weights == "raw"
    assert "| weights | raw" in (tmp_path / "raw/README.md").read_text(encoding="utf-8")
    mean = DriftPipeline.from_run(run, ema_decay="0.9")(
        1, generator=seeded(), output_type="latent"
    ).images
    raw = DriftPipeline.from_pretrained(tmp_path / "raw", low_cpu_mem_usage=False)
    assert not torch.equal(raw(1, generator=seeded(), output_type="latent").images, mean)


def test_options_of_the_pipeline_need_it(run: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["export", str(run), str(tmp_path / "x"), "--weights", "raw"])
    assert done.exit_code == 2
    assert not (tmp_path / "x").exists()


def test_the_card_invents_no_licence_and_no_figure(run: Path) -> None:
    origin = loading.load(run, ema_decay="0.9").origin
    text = folder.card(replace(origin, dataset_licence="CC0-1.0"), "model", latents=False)
    assert "license: unknown" in text
    assert "licence CC0-1.0" in text
    assert "Apache" not in text
    assert "FID" not in text
    assert origin.sha256 in text


def test_names_of_classes_go_with_the_folder(tmp_path: Path) -> None:
    names = {"0": "cat", "1": "dog"}
    built = DriftPipeline(DriftTransformer.wrapping(cases.generator()), None, names)
    built.save_pretrained(tmp_path / "model")  # type: ignore[no-untyped-call]
    found: Any = DiffusionPipeline.from_pretrained(tmp_path / "model", low_cpu_mem_usage=False)
    assert found.labels == {"cat": 0, "dog": 1}
    assert found.get_label_ids(["dog", "cat"]) == [1, 0]
    assert found.get_label_ids("dog") == [1]
    with pytest.raises(InputError, match="label: found cow; expected cat, dog"):
        found.get_label_ids(["cow"])


def test_several_images_of_each_class(tmp_path: Path) -> None:
    pipe = DriftPipeline(DriftTransformer.wrapping(cases.generator()))
    twice = pipe([1, 2], generator=seeded(), output_type="latent", num_images_per_prompt=2).images
    assert torch.equal(twice, pipe([1, 1, 2, 2], generator=seeded(), output_type="latent").images)
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(InputError, match="num_images_per_prompt"):
            pipe(1, num_images_per_prompt=wrong)  # type: ignore[arg-type]


def test_a_precision_is_chosen_as_diffusers_users_expect(tmp_path: Path) -> None:
    pipe: Any = DriftPipeline(DriftTransformer.wrapping(cases.generator()))
    pipe.save_pretrained(tmp_path / "model")
    half: Any = DiffusionPipeline.from_pretrained(
        tmp_path / "model", dtype=torch.bfloat16, low_cpu_mem_usage=False
    )
    assert half.transformer.dtype == torch.bfloat16
    assert half(1, generator=seeded(), output_type="pt").images.isfinite().all()
    assert half.to(torch.float32).transformer.dtype == torch.float32


def test_the_hub_reads_the_card_and_a_figure_only_of_these_weights(
    run: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    origin = loading.load(copy, ema_decay="0.9").origin
    figure = {"value": 2.5, "interval": [2.25, 2.75]}
    record = {
        "axis": "proxy", "checkpoint_sha256": origin.sha256, "weights": "ema", "ema_decay": "0.9",
        "dataset": "digits", "samples": 100,
        "metrics": {"fid_proxy": figure, "copies_pixels": figure},
    }  # fmt: skip
    others = (
        {"axis": "paper-eval"}, {"checkpoint_sha256": "0" * 64}, {"weights": "raw"},
        {"ema_decay": "0.99"},
    )  # fmt: skip
    (copy / "evaluations").mkdir()
    for number, change in enumerate(others):
        text = json.dumps({**record, **change})
        (copy / "evaluations" / f"{number}.json").write_text(text, encoding="utf-8")
    folder.write(copy, tmp_path / "without", vae=None, revision=None, ema_decay="0.9")
    plain = ModelCard.load(tmp_path / "without/README.md").data
    assert plain.eval_results is None
    assert (plain.license, plain.datasets) == ("unknown", ["digits"])
    (copy / "evaluations" / "0a.json").write_text(json.dumps(record), encoding="utf-8")
    folder.write(copy, tmp_path / "with", vae=None, revision=None, ema_decay="0.9")
    (result,) = ModelCard.load(tmp_path / "with/README.md").data.eval_results or ()
    assert (result.metric_type, result.metric_value) == ("fid_proxy", 2.5)
    assert result.metric_name == "fid_proxy [proxy], 95 % interval 2.25 to 2.75, 100 samples"
    assert not result.verified
    text = (tmp_path / "with/README.md").read_text(encoding="utf-8")
    assert "compare with nothing published" in text


def test_words_of_a_data_set_cannot_change_the_front_matter(run: Path) -> None:
    origin = replace(loading.load(run, ema_decay="0.9").origin, dataset="a: b\n---\nlicense: mit")
    found = ModelCard(folder.card(origin, "x", latents=False))
    assert found.data.license == "unknown"
    assert found.data.datasets == ["a: b\n---\nlicense: mit"]
