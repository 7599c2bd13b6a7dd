"""The generator's parameters between the reference's layout and ours, strict both ways."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from drift.generator import Generator, GeneratorConfig
from drift.interop import layout
from drift.interop.flax import generator_state_dict
from drift.interop.generator_layout import (
    generator_entries,
    generator_to_reference,
)
from drift.interop.layout import Entry, LayoutError

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
COLUMNS = {
    "latent_ablation": 132_708_880,
    "latent_sota_B": 132_708_880,
    "latent_sota_L": 462_909_456,
    "pixel_sota_B": 133_864_704,
    "pixel_sota_L": 464_450_304,
}


def recorded(name: str = "ditgen_main") -> tuple[GeneratorConfig, dict[str, Tensor]]:
    meta = json.loads((GOLDEN / f"{name}.json").read_text())
    stored = load_file(GOLDEN / meta["params_file"])
    flat = {k.removeprefix("params/"): v for k, v in stored.items() if k.startswith("params/")}
    return GeneratorConfig.from_reference(meta["model_config"]), flat


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_has_the_recorded_paths_shapes_and_total(column: str) -> None:
    record = json.loads((GOLDEN / f"params_gen_{column}.json").read_text())
    config = GeneratorConfig.from_reference(record["model_config"])
    model = Generator(config, device="meta")
    flat = generator_to_reference(model.state_dict(), config)
    assert {path: list(value.shape) for path, value in flat.items()} == record["params"]
    assert sum(math.prod(shape) for shape in record["params"].values()) == COLUMNS[column]
    assert sum(p.numel() for p in model.parameters()) == record["param_count"] == COLUMNS[column]


@pytest.mark.parametrize("name", ["ditgen_main", "ditgen_plain_off", "ditgen_patch4_rgb"])
def test_there_and_back_is_the_identity_on_every_tensor(name: str) -> None:
    config, flat = recorded(name)
    state = generator_state_dict(flat, config)
    back = generator_to_reference(state, config)
    assert back.keys() == flat.keys()
    assert all(torch.equal(back[path], value) for path, value in flat.items())
    again = generator_state_dict(back, config)
    assert all(torch.equal(again[ours], value) for ours, value in state.items())


@given(
    st.fixed_dictionaries(
        {
            "depth": st.integers(1, 3),
            "style_tokens": st.integers(0, 3),
            "register_tokens": st.integers(0, 2),
            "rmsnorm": st.booleans(),
            "qk_norm": st.booleans(),
            "swiglu": st.booleans(),
        }
    )
)
@settings(max_examples=25)
def test_every_configuration_has_a_layout_that_covers_it(fields: dict[str, int]) -> None:
    config = GeneratorConfig(
        input_size=4,
        in_channels=2,
        out_channels=3,
        patch_size=2,
        hidden_dim=8,
        num_heads=2,
        cond_dim=6,
        num_classes=3,
        style_codes=5,
        **fields,
    )
    state = Generator(config).state_dict()
    back = generator_state_dict(generator_to_reference(state, config), config)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], value) for name, value in state.items())


def test_dense_kernels_are_transposed_and_tables_are_not() -> None:
    config, flat = recorded()
    state = generator_state_dict(flat, config)
    kernel = flat["LightningDiT_0/blocks_1/Attention_0/TorchLinear_0/Dense_0/kernel"]
    assert torch.equal(state["blocks.1.attention.qkv.weight"], kernel.T)
    assert torch.equal(state["condition.class_embedding.weight"], flat["Embed_0/embedding"])
    assert state["blocks.1.attention.qkv.weight"].is_contiguous()


def test_the_state_dict_shares_no_memory_with_what_it_was_made_from() -> None:
    config, flat = recorded()
    state = generator_state_dict(flat, config)
    flat["Embed_0/embedding"].zero_()
    assert state["condition.class_embedding.weight"].abs().sum() > 0


def test_everything_that_does_not_fit_is_named_in_one_error_with_both_shapes() -> None:
    config, flat = recorded()
    del flat["Embed_0/embedding"]
    flat["LightningDiT_0/pos_embed"] = torch.zeros(1, 16, 64)
    flat["LightningDiT_0/TorchLinear_1/Dense_0/kernel"] = torch.zeros(64)
    flat["noise_embeds_4/embedding"] = torch.zeros(8, 64)
    flat["RMSNorm_0/weight"] = torch.ones(64, dtype=torch.int32)
    with pytest.raises(LayoutError) as raised:
        generator_state_dict(flat, config)
    for line in (
        "found 5 parameters that do not fit",
        "missing Embed_0/embedding: found nothing, expected (10, 64)",
        "surplus noise_embeds_4/embedding: found (8, 64), expected nothing",
        "misshapen LightningDiT_0/pos_embed: found (1, 16, 64), expected (1, 64, 64)",
        "misshapen LightningDiT_0/TorchLinear_1/Dense_0/kernel: found (64,), expected (64, 64)",
        "unreadable RMSNorm_0/weight: found a tensor of torch.int32",
    ):
        assert line in str(raised.value)
    assert raised.value.missing == {"Embed_0/embedding": (10, 64)}


def test_a_state_dict_of_another_configuration_is_refused_on_the_way_back() -> None:
    config, flat = recorded()
    state = generator_state_dict(flat, config)
    other, _ = recorded("ditgen_eps_probe")
    with pytest.raises(LayoutError, match=r"surplus blocks\.1\.attention\.qkv\.weight"):
        generator_to_reference(state, other)


def test_read_only_arrays_and_other_precisions_are_taken_as_they_are() -> None:
    config, flat = recorded()
    arrays = {path: value.numpy() for path, value in flat.items()}
    for value in arrays.values():
        value.flags.writeable = False
    state = generator_state_dict(arrays, config)
    halves = generator_state_dict({path: value.bfloat16() for path, value in flat.items()}, config)
    doubles = generator_state_dict(
        {path: value.astype(np.float64) for path, value in arrays.items()}, config
    )
    name = "head.projection.weight"
    assert (state[name].dtype, halves[name].dtype, doubles[name].dtype) == (
        torch.float32,
        torch.bfloat16,
        torch.float64,
    )


@pytest.mark.parametrize("value", [None, 3.0, [1.0, 2.0], np.array(["a"]), np.ones(64, dtype=bool)])
def test_what_is_no_array_of_numbers_is_named_and_refused(value: object) -> None:
    config, flat = recorded()
    with pytest.raises(LayoutError, match="unreadable RMSNorm_0/weight: found"):
        generator_state_dict({**flat, "RMSNorm_0/weight": value}, config)


# -- the machinery ---------------------------------------------------------------------------------


class Toy(nn.Module):
    """One parameter of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Parameter(torch.empty(2, 3, 4))
        self.dense = nn.Parameter(torch.empty(5, 3))
        self.conv = nn.Parameter(torch.empty(7, 5, 3, 2))


ENTRIES = [
    Entry("s", "same"),
    Entry("d/kernel", "dense", "dense"),
    Entry("c/kernel", "conv", "conv"),
]


def test_each_kind_maps_an_element_to_its_place() -> None:
    flat = {
        "s": torch.arange(24.0).reshape(2, 3, 4),
        "d/kernel": torch.arange(15.0).reshape(3, 5),
        "c/kernel": torch.arange(210.0).reshape(3, 2, 5, 7),
    }
    state = layout.to_ours(flat, ENTRIES, layout.shapes_of(Toy()))
    assert torch.equal(state["same"], flat["s"])
    assert state["dense"][4, 1] == flat["d/kernel"][1, 4]
    assert state["conv"][6, 4, 2, 1] == flat["c/kernel"][2, 1, 4, 6]
    back = layout.to_reference(state, ENTRIES, layout.shapes_of(Toy()))
    assert all(torch.equal(back[path], value) for path, value in flat.items())


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (ENTRIES[:2], "disagree on: conv"),
        ([*ENTRIES, Entry("x", "other")], "disagree on: other"),
        (
            [*ENTRIES[:2], Entry("d/kernel", "conv", "conv")],
            "reference path listed twice: d/kernel",
        ),
        ([*ENTRIES, Entry("x", "conv", "conv")], "own name listed twice: conv"),
    ],
)
def test_a_layout_that_does_not_cover_its_module_is_a_programming_error(
    entries: list[Entry], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        layout.to_ours({}, entries, layout.shapes_of(Toy()))


def test_the_generators_layout_names_each_path_once() -> None:
    config, flat = recorded()
    entries = generator_entries(config)
    assert {entry.reference for entry in entries} == set(flat)
    assert len({entry.ours for entry in entries}) == len(entries) == len(flat)
