"""drift.artifacts.probe: no silent random initialisation."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from contracts.artifact.cases import (
    MODELS,
    Model,
    generator,
    rewritten,
    saved,
)
from drift.artifacts import filling, probe
from drift.artifacts.errors import ArtifactError
from drift.artifacts.header import read_header
from drift.artifacts.store import load_artifact
from drift.generator import Generator


@pytest.mark.parametrize("kind", MODELS)
def test_other_parameters_do_not_reproduce_the_probe(tmp_path: Path, kind: str) -> None:
    """As after a silent random initialisation: the digest is absent, so only the probe can tell."""
    path = saved(tmp_path, MODELS[kind](seed=1))
    other = MODELS[kind](seed=2).state_dict()
    rewritten(path, tensors=lambda held: held.update(other), metadata={"tensors_sha256": None})
    with pytest.raises(ArtifactError, match="does not compute what it computed"):
        load_artifact(path)


@pytest.mark.parametrize("kind", MODELS)
def test_a_load_that_fills_nothing_or_initialises_anew_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = saved(tmp_path, MODELS[kind](seed=1))
    monkeypatch.setattr(filling, "fill", lambda model, header: None)
    with pytest.raises(ArtifactError, match="nothing filled"):
        load_artifact(path)

    def initialise(model: Model, header: object) -> None:
        model.load_state_dict(MODELS[kind](seed=2).state_dict(), assign=True)

    monkeypatch.setattr(filling, "fill", initialise)
    with pytest.raises(ArtifactError, match="another digest"):
        load_artifact(path)
    monkeypatch.setattr(filling, "require_loaded", lambda *args, **kwargs: None)
    with pytest.raises(ArtifactError, match="probe"):
        load_artifact(path)


def test_an_untrained_generator_whose_output_is_zero_is_still_held_to_its_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untrained = Generator(generator().config, generator=torch.Generator().manual_seed(1))
    path = saved(tmp_path, untrained)
    assert json.loads((read_header(path).metadata or {})["probe"])["rms"] == 0.0
    load_artifact(path)
    other = Generator(untrained.config, generator=torch.Generator().manual_seed(2))
    monkeypatch.setattr(
        filling,
        "fill",
        lambda model, header: model.load_state_dict(other.state_dict(), assign=True),
    )
    with pytest.raises(ArtifactError, match="another digest"):
        load_artifact(path)


def test_a_switch_that_shapes_do_not_show_is_found_by_the_probe(tmp_path: Path) -> None:
    path = saved(tmp_path, generator())
    config = json.loads((read_header(path).metadata or {})["config"])
    config["rope"] = False
    with pytest.raises(ArtifactError, match="probe"):
        load_artifact(rewritten(path, metadata={"config": json.dumps(config)}))


@pytest.mark.parametrize("kind", MODELS)
def test_the_probe_allows_for_rounding_and_for_no_more(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The recorded output against float64: far inside the tolerance; other parameters are not."""
    recorded = probe.understood(probe.record(MODELS[kind](seed=1)))
    assert recorded is not None
    with pytest.raises(ArtifactError, match="probe"):
        probe.require_reproduced(MODELS[kind](seed=2), recorded, place="x")
    single = probe.normal_like
    monkeypatch.setattr(probe, "normal_like", lambda *given: single(*given).double())
    worst = probe.require_reproduced(MODELS[kind](seed=1).double(), recorded, place="x")
    assert 0 < worst < 0.05


def test_the_probe_input_is_a_function_of_the_seed_alone() -> None:
    values = probe.draws("noise", probe.SEED, (3,))
    torch.manual_seed(0)
    assert values.tolist() == probe.draws("noise", probe.SEED, (3,)).tolist()
    digest = hashlib.shake_256(f"noise {probe.SEED}".encode()).digest(4)
    assert values[0] == int.from_bytes(digest, "little") / 2**32
    assert probe.draws("noise", 1, (3,)).tolist() != values.tolist()


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", "{", '{"kind":"drift-probe/1","seed":1,"rms":1.0,"values":["a"]}']
)
def test_a_damaged_probe_is_not_understood(text: str) -> None:
    assert probe.understood(text) is None
