"""The generator: recorded behaviour, precision, switches, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from drift import trace
from drift.generator import Generator, GeneratorConfig, attention
from drift.interop.flax import generator_state_dict

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
FLOAT32_CASES = ["ditgen_main", "ditgen_plain_off", "ditgen_patch4_rgb", "ditgen_eps_probe"]
SMALL = GeneratorConfig(
    input_size=8,
    in_channels=3,
    out_channels=3,
    patch_size=2,
    hidden_dim=32,
    depth=2,
    num_heads=2,
    cond_dim=16,
    num_classes=5,
    style_tokens=3,
    style_codes=4,
    register_tokens=2,
)
Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


def case(name: str) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
    """(meta, arrays, parameters) of a recorded case."""
    meta = json.loads((GOLDEN / f"{name}.json").read_text())
    arrays = load_file(GOLDEN / f"{name}.safetensors")
    stored = load_file(GOLDEN / meta["params_file"])
    flat = {k.removeprefix("params/"): v for k, v in stored.items() if k.startswith("params/")}
    return meta, arrays, flat


def recorded_inputs(arrays: dict[str, Tensor]) -> Inputs:
    noise = arrays["in/x"].permute(0, 3, 1, 2)
    return (
        noise,
        arrays["in/labels"].long(),
        arrays["in/cfg_scale"],
        arrays["in/noise_labels"].long(),
    )


def perturbed(config: GeneratorConfig, seed: int = 0, std: float = 0.2) -> Generator:
    """A generator none of whose parameters is special."""
    rng = torch.Generator().manual_seed(seed)
    model = Generator(config, generator=rng)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += std * torch.randn(parameter.shape, generator=rng)
    return model


def inputs(config: GeneratorConfig, batch: int = 2, seed: int = 0) -> Inputs:
    rng = torch.Generator().manual_seed(seed)
    return (
        torch.randn(batch, config.in_channels, config.input_size, config.input_size, generator=rng),
        torch.randint(config.num_classes, (batch,), generator=rng),
        1.0 + 3.0 * torch.rand(batch, generator=rng),
        torch.randint(config.style_codes, (batch, config.style_tokens), generator=rng),
    )


def changed(**fields: Any) -> GeneratorConfig:
    return dataclasses.replace(SMALL, **fields)


# -- recordings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOAT32_CASES)
def test_samples_equal_the_recorded_ones(name: str) -> None:
    meta, arrays, flat = case(name)
    config = GeneratorConfig.from_reference(meta["model_config"])
    model = Generator(config)
    model.load_state_dict(generator_state_dict(flat, config))
    with torch.no_grad():
        samples = model(*recorded_inputs(arrays)).permute(0, 2, 3, 1)
    error = (samples - arrays["step/samples"]).abs().max().item()
    assert error <= 0.2 * meta["tolerance_allowed"]["samples_maxabs"]


@pytest.mark.parametrize("name", FLOAT32_CASES)
def test_in_float64_samples_equal_the_independent_float64_computation(name: str) -> None:
    meta, arrays, flat = case(name)
    config = GeneratorConfig.from_reference(meta["model_config"])
    model = Generator(config).double()
    model.load_state_dict(generator_state_dict(flat, config))
    noise, labels, alpha, style = recorded_inputs(arrays)
    with torch.no_grad():
        samples = model(noise.double(), labels, alpha.double(), style).permute(0, 2, 3, 1)
    assert samples.dtype == torch.float64
    error = (samples - arrays["f64/samples"].double()).abs().max().item()
    # The file holds the float64 result rounded to float32.
    assert error <= 2.0**-24 * meta["self_check"]["samples_maxabs"]


@pytest.mark.parametrize("name", FLOAT32_CASES)
def test_the_trace_has_the_recorded_stages_in_order_and_shape(name: str) -> None:
    meta, arrays, flat = case(name)
    config = GeneratorConfig.from_reference(meta["model_config"])
    model = Generator(config)
    model.load_state_dict(generator_state_dict(flat, config))
    with torch.no_grad(), trace.recording() as stages:
        model(*recorded_inputs(arrays))
    expected = [stage for stage in meta["stages"] if not stage.startswith("grad/")]
    assert list(stages) == expected
    assert all(stages[stage].shape == arrays[stage].shape for stage in expected)


def test_nothing_is_recorded_outside_of_a_recording() -> None:
    model = perturbed(SMALL)
    with torch.no_grad():
        model(*inputs(SMALL))
        with trace.recording() as stages:
            pass
    assert not stages


# -- precision -------------------------------------------------------------------------------------


def test_bfloat16_activations_leave_parameters_and_samples_in_float32() -> None:
    model = perturbed(changed(bfloat16=True))
    with trace.recording() as stages:
        samples = model(*inputs(SMALL))
    assert samples.dtype == torch.float32
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert stages["step/blocks_0/adaLN"].dtype == torch.float32
    assert stages["step/final/adaLN"].dtype == torch.float32
    for stage in ("cond/cond", "tokens_in", "blocks_0/norm1", "blocks_0/attn/out", "final/linear"):
        assert stages[f"step/{stage}"].dtype == torch.bfloat16


@pytest.mark.parametrize(("fp32", "dtype"), [(True, torch.float32), (False, torch.bfloat16)])
def test_the_attention_switch_sets_the_precision_of_rotation_and_attention(
    fp32: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.dtype] = []
    real = attention.mix

    def spying(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        seen.extend([q.dtype, k.dtype, v.dtype])
        return real(q, k, v)

    monkeypatch.setattr(attention, "mix", spying)
    model = perturbed(changed(bfloat16=True, attention_fp32=fp32))
    with torch.no_grad(), trace.recording() as stages:
        model(*inputs(SMALL))
    assert set(seen) == {dtype}
    assert stages["step/blocks_0/attn/q_after_rope"].dtype == dtype
    assert stages["step/blocks_0/attn/out"].dtype == torch.bfloat16


@pytest.mark.parametrize("fp32", [True, False])
def test_bfloat16_stays_near_float32(fp32: bool) -> None:
    exact = perturbed(SMALL, std=0.05)
    rounded = Generator(changed(bfloat16=True, attention_fp32=fp32))
    rounded.load_state_dict(exact.state_dict())
    with torch.no_grad():
        a, b = exact(*inputs(SMALL)), rounded(*inputs(SMALL))
    assert 0.0 < (a - b).abs().max() < 0.03 * a.abs().max()


def test_an_enclosing_autocast_changes_nothing() -> None:
    model = perturbed(SMALL)
    with torch.no_grad():
        plain = model(*inputs(SMALL))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = model(*inputs(SMALL))
    assert torch.equal(plain, inside)


def test_bfloat16_noise_is_accepted_where_activations_are_bfloat16() -> None:
    model = perturbed(changed(bfloat16=True))
    noise, *rest = inputs(SMALL)
    noise = noise.bfloat16()
    with torch.no_grad():
        assert torch.equal(model(noise, *rest), model(noise.float(), *rest))


# -- switches --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"rmsnorm": False},
        {"qk_norm": False},
        {"rope": False},
        {"swiglu": False},
        {"rmsnorm": False, "qk_norm": False, "rope": False, "swiglu": False},
        {"register_tokens": 0},
        {"style_tokens": 0},
        {"out_channels": 6},
        {"patch_size": 8},
        {"mlp_ratio": 2.5},
        {"bfloat16": True},
        {"bfloat16": True, "attention_fp32": False, "rmsnorm": False},
        {"checkpointing": True},
    ],
    ids=str,
)
def test_every_switch_gives_finite_samples_and_gradients(fields: dict[str, Any]) -> None:
    config = changed(**fields)
    model = perturbed(config)
    samples = model(*inputs(config))
    assert samples.shape == (2, config.out_channels, 8, 8)
    assert torch.isfinite(samples).all()
    assert samples.std() > 0.0
    samples.square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("switch", ["rmsnorm", "qk_norm", "rope", "swiglu"])
def test_every_switch_changes_the_samples(switch: str) -> None:
    plain = perturbed(SMALL)
    other = Generator(changed(**{switch: False}))
    own = other.state_dict()
    shared = {
        name: value
        for name, value in plain.state_dict().items()
        if name in own and own[name].shape == value.shape
    }
    other.load_state_dict({**own, **shared})
    with torch.no_grad():
        a, b = plain(*inputs(SMALL)), other(*inputs(SMALL))
    assert (a - b).abs().max() > 1e-3 * a.abs().max()


def test_recomputed_blocks_are_recorded_once() -> None:
    model = perturbed(changed(checkpointing=True))
    with trace.recording() as stages:
        model(*inputs(SMALL)).sum().backward()
    assert not [name for name in stages if "#" in name]
    assert "step/blocks_1/out" in stages


def test_an_empty_batch_gives_an_empty_batch() -> None:
    with torch.no_grad():
        assert perturbed(SMALL)(*inputs(SMALL, batch=0)).shape == (0, 3, 8, 8)


def test_the_meta_device_carries_shapes_through_the_forward_pass() -> None:
    model = Generator(SMALL, device="meta")
    samples = model(*(value.to("meta") for value in inputs(SMALL)))
    assert samples.is_meta
    assert samples.shape == (2, 3, 8, 8)


def test_int32_labels_and_codes_mean_the_same() -> None:
    model = perturbed(SMALL)
    noise, labels, alpha, style = inputs(SMALL)
    with torch.no_grad():
        assert torch.equal(
            model(noise, labels, alpha, style), model(noise, labels.int(), alpha, style.int())
        )
