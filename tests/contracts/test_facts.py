"""The facts by themselves: complete, located, and equal to what was recorded.

Nothing of the harness is used here: the files are read plainly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

SPECS = Path(__file__).parents[2] / "specs"
GOLDEN = SPECS / "golden"
COLUMNS = ("ablation", "B2", "L2", "B16", "L16")

# The rows of the table of authorities, section by section.
ROWS = {
    "generator": """hidden_dim depth num_heads patch_size register_tokens style_tokens style_codes
        input_shape_pixel ffn_inner positional_embedding rope qk_norm rmsnorm alpha_embedding
        class_embedding_init output_head attention_precision parameters_reported""",
    "encoder": """base_width block_type blocks_per_stage stage_sizes input_patchify mask_ratio
        mask_patch pretrain classification_finetune stage_norm groupnorm decoder
        second_encoder_pixel""",
    "optimizer": """name learning_rate weight_decay warmup_steps schedule_after_warmup gradient_clip
        training_steps ema_decay precision""",
    "drifting_loss": """class_labels positives generated unconditional temperatures
        temperature_aggregation feature_scale drift_scale location_reduction uncond_weight_use
        affinity_floor self_mask vanilla_term input_statistic feature_taps patch_statistics""",
    "cfg": "alpha_range alpha_power weight_from_alpha inference_alpha_search",
    "queue": """per_class_capacity global_capacity push_per_step replacement class_labels_from
        resume""",
    "data": "tokenizer",
    "evaluation": "samples extractor labels weights inception_score precision_recall",
    "results": "fid inception_score best_alpha ablation_curve",
    "ablations": """table1_antisymmetry table2_positives table2_negatives table3_encoder
        table11_kernel_normalisation a6_temperatures a5_features a2_style_tokens""",
}
TOPICS = [f"{section}.{row}" for section, rows in ROWS.items() for row in rows.split()]

# Rows on which paper and reference state different values; the two of `results` are measurements.
CONTRADICTIONS = {
    "generator.style_codes",
    "generator.input_shape_pixel",
    "encoder.block_type",
    "optimizer.ema_decay",
    "drifting_loss.positives",
    "drifting_loss.temperature_aggregation",
    "drifting_loss.location_reduction",
    "drifting_loss.uncond_weight_use",
    "drifting_loss.affinity_floor",
    "drifting_loss.self_mask",
    "drifting_loss.input_statistic",
    "drifting_loss.feature_taps",
    "queue.push_per_step",
    "queue.replacement",
    "queue.class_labels_from",
    "results.fid",
    "results.inception_score",
}

# The laws of the method that contracts rest on.
LAWS = {
    "field": """kernel logits self_mask normalisation weights antisymmetry equilibrium permutation
        isometry variants""",
    "loss": """targets distance scale scale_floor self_mask affinity coefficients force_norm
        objective gradient uncond_weight scale_invariance trace""",
    "cfg": "inverse_cdf point_mass uncond_weight trace",
    "schedule": "formula trace",
    "queue": "ring_buffer sampling true_labels trace",
    "features": "keys reduction statistics",
    "encoder": "blocks loss trace parameters",
    "generator": "condition tokens blocks head init trace parameters",
    "convnext": "features trace",
    "train": "step trace",
    "toy": "cases attraction_only",
    "interop": "layout",
    "interface": "v1",
}
LAW_TOPICS = [f"{section}.{law}" for section, laws in LAWS.items() for law in laws.split()]

PARAMETERS_OF_OTHER_CASES = {"mae_small_params"}  # a recording's input, no recording of its own


def _read_facts() -> dict[str, dict[str, Any]]:
    topics: dict[str, dict[str, Any]] = {}
    for path in sorted((SPECS / "facts").glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert content["schema"] == "verify/facts/1"
        for name, topic in content["topics"].items():
            assert name not in topics, f"{name} is in two files"
            topics[name] = topic
    return topics


FACTS = _read_facts()


def each_fact() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, topic in FACTS.items():
        for authority, fact in topic["facts"].items():
            yield name, authority, fact


def by_column(value: Any) -> bool:
    return isinstance(value, dict) and bool(set(value) & set(COLUMNS))


def expected(fact_id: str, column: str) -> Any:
    authority, _, topic = fact_id.partition(":")
    value = FACTS[topic]["facts"][authority]["value"]
    return value[column] if by_column(value) else value


@pytest.mark.parametrize("topic", TOPICS)
def test_every_row_of_the_table_has_a_fact_with_a_locator(topic: str) -> None:
    facts = FACTS[topic]["facts"]
    assert set(facts) <= {"paper", "reference", "community", "recording"}
    assert set(facts) & {"paper", "reference"}
    assert FACTS[topic]["title"]


@pytest.mark.parametrize("topic", LAW_TOPICS)
def test_every_law_of_the_method_has_a_fact(topic: str) -> None:
    assert FACTS[topic]["facts"]


def test_every_fact_says_where_it_stands_and_a_fact_without_value_says_what() -> None:
    for name, authority, fact in each_fact():
        assert set(fact) <= {"value", "at", "says"}, (name, authority)
        assert fact["at"], (name, authority)
        assert fact["value"] is not None or fact.get("says"), (name, authority)


def test_a_value_by_column_is_given_for_the_five_columns() -> None:
    found = [(n, a, f) for n, a, f in each_fact() if by_column(f["value"])]
    assert len(found) > 40
    for name, authority, fact in found:
        assert set(fact["value"]) == set(COLUMNS), (name, authority)
        assert None not in fact["value"].values() or fact.get("says"), (name, authority)


def test_paper_and_reference_differ_exactly_where_a_contradiction_is_known() -> None:
    def stated(topic: dict[str, Any], authority: str) -> Any:
        return topic["facts"].get(authority, {}).get("value")

    differing = {
        name
        for name, topic in FACTS.items()
        if None not in (pair := [stated(topic, "paper"), stated(topic, "reference")])
        and pair[0] != pair[1]
    }
    assert differing == CONTRADICTIONS


def test_temperatures_are_one_set_in_ascending_order() -> None:
    facts = FACTS["drifting_loss.temperatures"]["facts"]
    assert facts["paper"]["value"] == facts["reference"]["value"] == [0.02, 0.05, 0.2]
    assert "0.2, 0.05, 0.02" in facts["reference"]["says"]


def test_the_formats_are_the_newest_versions_of_the_snapshot() -> None:
    fact = FACTS["interface.formats"]["facts"]["recording"]
    frozen = yaml.safe_load((GOLDEN.parent / "interface/formats.yaml").read_text())["formats"]
    assert fact["at"] == "specs/interface/formats.yaml"
    assert fact["value"] == [list(versions)[-1] for versions in frozen.values()]


def test_the_values_are_those_of_a_snapshot_that_exists() -> None:
    fact = FACTS["interface.values"]["facts"]["recording"]
    assert (GOLDEN.parents[1] / fact["at"]).is_file()


def test_every_recording_is_cited_and_every_cited_recording_exists() -> None:
    cited: set[str] = set()
    for name, authority, fact in each_fact():
        if authority == "recording" and name not in ("interface.formats", "interface.values"):
            assert fact["at"] == "specs/golden/README.md", name
            cited.update(fact["value"] if name != "interface.v1" else ())
    present = {path.stem for path in GOLDEN.glob("*.json")}
    assert cited == present - PARAMETERS_OF_OTHER_CASES


RECORDED = {
    "ablation": ("params_gen_latent_ablation", "params_mae_latent_ablation_256"),
    "B2": ("params_gen_latent_sota_B", "params_mae_latent_640"),
    "L2": ("params_gen_latent_sota_L", "params_mae_latent_640"),
    "B16": ("params_gen_pixel_sota_B", "params_mae_pixel_640"),
    "L16": ("params_gen_pixel_sota_L", "params_mae_pixel_640"),
}
GENERATOR_KEYS = {
    "hidden_dim": "hidden_size",
    "depth": "depth",
    "num_heads": "num_heads",
    "patch_size": "patch_size",
    "cond_dim": "cond_dim",
    "mlp_ratio": "mlp_ratio",
    "register_tokens": "n_cls_tokens",
    "style_tokens": "noise_coords",
    "style_codebook": "noise_classes",
    "num_classes": "num_classes",
}
ENCODER_KEYS = {
    "base_width": "base_channels",
    "blocks_per_stage": "layers",
    "input_patchify": "input_patch_size",
    "mask_patch": "patch_size",
    "dropout": "dropout_prob",
    "num_classes": "num_classes",
}


@pytest.mark.parametrize("column", COLUMNS)
def test_facts_of_the_reference_are_what_was_recorded_from_it(column: str) -> None:
    generator, encoder = (
        json.loads((GOLDEN / f"{name}.json").read_text()) for name in RECORDED[column]
    )
    for row, key in GENERATOR_KEYS.items():
        fact = expected(f"reference:generator.{row}", column)
        assert fact == generator["model_config"][key], row
    for row, key in ENCODER_KEYS.items():
        assert expected(f"reference:encoder.{row}", column) == encoder["model_config"][key], row
    side = generator["model_config"]["input_size"]
    channels = generator["model_config"]["in_channels"]
    assert expected("reference:generator.input_shape", column) == [side, side, channels]
    assert expected("reference:generator.parameters", column) == generator["param_count"]
    assert expected("reference:encoder.parameters", column) == encoder["param_count"]
    weight = generator["params"]["LightningDiT_0/blocks_0/SwiGLUFFN_0/TorchLinear_1/Dense_0/kernel"]
    assert expected("reference:generator.ffn_inner", column) in weight


def test_known_divergences_state_the_values_of_the_facts() -> None:
    listed = yaml.safe_load((SPECS / "known_divergences.yaml").read_text())["divergences"]
    assert listed
    for entry in listed:
        facts = FACTS[entry["topic"]]["facts"]
        assert entry["values"] == {a: facts[a]["value"] for a in ("reference", "paper")}
