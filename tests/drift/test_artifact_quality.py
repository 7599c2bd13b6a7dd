"""drift.artifacts.quality: the score, its breakdown, and what a stamp moves."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from drift.artifacts.header import read_header
from drift.artifacts.quality import WEIGHTS, Quality, assess
from drift.artifacts.schema import FIELDS
from drift.artifacts.stamping import stamp
from drift.artifacts.store import save_artifact
from drift.encoder import EncoderConfig, MaskedAutoencoder

POOR = {
    "source_layout": "drift-train",
    "weights": "raw",
    "tokenizer": "unknown",
    "licence": "NOASSERTION",
}
BEST = {
    "source_sha256": "ab" * 32,
    "template": "latent-b2@" + "cd" * 32,
    "data": "imagenet-1k train, manifest " + "ef" * 32,
    "tokenizer": "stabilityai/sd-vae-ft-mse@" + "0" * 40,
    "licence": "Apache-2.0",
    "evaluation": '{"axis": "paper-eval", "metric": "fid", "samples": 50000, "value": 1.75}',
    "tier": "A",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = EncoderConfig(base_channels=8, blocks=(1, 1, 1, 1), trunk_only=True)
    path = tmp_path_factory.mktemp("quality") / "model.safetensors"
    model = MaskedAutoencoder(config, generator=torch.Generator().manual_seed(1))
    save_artifact(path, model, POOR)
    return path


@pytest.fixture
def poor(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(source, tmp_path / "model.safetensors"))


def points(quality: Quality) -> dict[str, float]:
    return {part.name: part.earned for part in quality.components}


def test_the_weights_sum_to_a_hundred_and_are_those_that_were_asked_for() -> None:
    assert sum(WEIGHTS.values()) == 100
    assert (WEIGHTS["identity"], WEIGHTS["provenance"], WEIGHTS["tokenizer"]) == (20, 25, 15)


def test_the_items_of_each_component_sum_to_its_weight(poor: Path) -> None:
    for part in assess(read_header(poor)).components:
        assert sum(item.possible for item in part.items) == pytest.approx(WEIGHTS[part.name])
        assert all(0 <= item.earned <= item.possible for item in part.items)
        assert all(bool(item.raise_by) == (item.earned < item.possible) for item in part.items)


def test_a_file_about_which_everything_is_known_has_a_hundred(poor: Path) -> None:
    stamp(poor, BEST)
    assert assess(read_header(poor)).score == 100


def test_a_fresh_file_lacks_what_its_writer_could_not_know(poor: Path) -> None:
    earned = points(assess(read_header(poor)))
    assert earned["identity"] == 20
    assert earned["integrity"] == 15
    assert (earned["tokenizer"], earned["evaluation"]) == (0, 0)


def test_a_bare_file_has_three_points_for_being_finite(poor: Path) -> None:
    save_file(load_file(poor), poor)
    assert assess(read_header(poor)).score == 3


# one better and one worse value for each field
MOVES = {
    "architecture": ("drift-mae", "drift-generator"),
    "config": (None, '{"base_channels": 16}'),
    "width": ("8", "640"),
    "depth": ("4", "12"),
    "blocks": ("[1,1,1,1]", "[3,4,6,3]"),
    "patch_size": ("1", "8"),
    "in_channels": ("4", "3"),
    "source_sha256": (BEST["source_sha256"], None),
    "source_layout": ("flax-msgpack", None),
    "weights": ("ema", None),
    "template": (BEST["template"], None),
    "data": (BEST["data"], None),
    "created": ("2026-11-21T10:00:00+00:00", None),
    "tokenizer": (BEST["tokenizer"], "sd-vae"),
    "evaluation": (BEST["evaluation"], None),
    "tier": ("C", "A"),
    "licence": ("MIT", "ask me"),
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_stamp_moves_only_the_component_of_its_field(poor: Path, field: str) -> None:
    moved = set()
    for value in MOVES[field]:
        before = points(assess(read_header(poor)))
        if value is not None:
            stamp(poor, {field: value})
        after = points(assess(read_header(poor)))
        moved |= {name for name in WEIGHTS if after[name] != before[name]}
    assert moved <= {FIELDS[field].component}


def test_each_component_can_be_moved_by_a_stamp_except_integrity(poor: Path) -> None:
    save_file(load_file(poor), poor)  # no metadata at all
    for field, (value, _) in MOVES.items():
        if value is None or field == "tier":  # a tier counts only beside a measurement
            continue
        before = points(assess(read_header(poor)))
        stamp(poor, {field: value})
        after = points(assess(read_header(poor)))
        moved = {name for name in WEIGHTS if after[name] != before[name]}
        assert moved == {FIELDS[field].component}, field
        assert after[FIELDS[field].component] > before[FIELDS[field].component]


def test_a_false_width_costs_its_points_and_names_the_command(poor: Path) -> None:
    stamp(poor, {"width": "640"})
    quality = assess(read_header(poor))
    assert quality.command == f"drift stamp {poor} --width 8"
    assert len(quality.contradictions) == 2  # the field and the embedded config
    assert points(quality)["identity"] == 18


def test_damaged_tensors_cost_digest_and_probe(poor: Path) -> None:
    metadata = dict(read_header(poor).metadata or {})
    tensors = load_file(poor)
    tensors["encoder.stem.norm.weight"][0] += 1
    save_file(tensors, poor, metadata=metadata)
    quality = assess(read_header(poor))
    assert points(quality)["integrity"] == 3
    tensors["encoder.stem.norm.weight"][0] = torch.inf
    save_file(tensors, poor, metadata=metadata)
    quality = assess(read_header(poor))
    assert points(quality)["integrity"] == 0
    assert "encoder.stem.norm.weight" in str(quality.as_dict()["components"]["integrity"])


@pytest.mark.parametrize(
    ("fields", "earned"),
    [
        ({"tokenizer": "none"}, 15),
        ({"tokenizer": "sd-vae"}, 8),
        ({"tokenizer": "sd-vae@main"}, 8),
        ({"tokenizer": "unknown"}, 0),
    ],
)
def test_a_tokenizer_counts_fully_only_when_pinned(
    poor: Path, fields: dict[str, str], earned: float
) -> None:
    stamp(poor, fields)
    assert points(assess(read_header(poor)))["tokenizer"] == earned


@pytest.mark.parametrize(
    ("axis", "tier", "earned"),
    [
        ("paper-eval", "A", 15),
        ("repo-eval", "B", 12),
        ("repo-eval", "A", 9),
        ("proxy", "C", 8),
        ("proxy", "B", 5),
        ("smoke", "none", 5),
    ],
)
def test_a_tier_counts_only_where_the_axis_bears_it_out(
    poor: Path, axis: str, tier: str, earned: float
) -> None:
    value = f'{{"axis": "{axis}", "metric": "fid", "samples": 10, "value": 1.0}}'
    stamp(poor, {"evaluation": value, "tier": tier})
    assert points(assess(read_header(poor)))["evaluation"] == earned
