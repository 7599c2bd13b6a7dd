"""Templates: rules between fields, and what a template means to the engine."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml

from drift.config import (
    SECTIONS,
    Template,
    TemplateError,
    activation_kwargs,
    encoder_kwargs,
    generator_kwargs,
    load_template,
    parse_template,
    require_buildable,
    template_names,
    unbuildable,
)
from drift.config.engine import EMBEDDED_SIDES, IMPLEMENTED, SEMANTIC_SWITCHES
from drift.config.sections import Section
from drift.data.embedded import SETS
from drift.semantics import PAPER, REFERENCE
from drift.train import build

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
RECORDED_GENERATOR = {
    "latent-ablation": "params_gen_latent_ablation",
    "latent-b2": "params_gen_latent_sota_B",
    "latent-l2": "params_gen_latent_sota_L",
    "pixel-b16": "params_gen_pixel_sota_B",
    "pixel-l16": "params_gen_pixel_sota_L",
}
RECORDED_ENCODER = {
    "latent-ablation": "params_mae_latent_ablation_256",
    "latent-b2": "params_mae_latent_640",
    "latent-l2": "params_mae_latent_640",
    "pixel-b16": "params_mae_pixel_640",
    "pixel-l16": "params_mae_pixel_640",
}


def edited(name: str, **changes: Any) -> dict[str, Any]:
    """The data of a shipped template with `section__field=value` replaced."""
    entry = resources.files("drift") / "templates" / f"{name}.yaml"
    data = yaml.safe_load(entry.read_text(encoding="utf-8"))
    for path, value in changes.items():
        *parents, leaf = path.split("__")
        node = data
        for part in parents:
            node = node[part]
        node[leaf] = value
    plain: dict[str, Any] = data
    return plain


def parse(data: dict[str, Any]) -> Template:
    plain = json.loads(json.dumps(data))  # an object used twice would be written as an alias
    return parse_template(yaml.safe_dump(plain), source="edited")


def problem_fields(data: dict[str, Any]) -> list[str]:
    with pytest.raises(TemplateError) as caught:
        parse(data)
    return [problem.field for problem in caught.value.problems]


def recorded(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return content


# -- rules between fields -------------------------------------------------------------------------

INCONSISTENT: list[tuple[str, dict[str, Any], str]] = [
    ("latent-b2", {"generator__input_shape": [32, 16, 4]}, "generator.input_shape"),
    ("latent-b2", {"generator__num_heads": 7}, "generator.hidden_size"),
    ("latent-b2", {"generator__patch_size": 5}, "generator.patch_size"),
    ("latent-b2", {"generator__hidden_size": 774, "generator__num_heads": 6}, "generator.hidden_size"),  # noqa: E501
    ("latent-b2", {"generator__num_heads": 256}, "generator.hidden_size / num_heads"),
    ("latent-b2", {"encoder__input_patchify": 5}, "encoder.input_patchify"),
    ("latent-b2", {"encoder__stage_sizes": [32, 16, 8, 8]}, "encoder.stage_sizes"),
    ("latent-b2", {"encoder__mask_patch": 3}, "encoder.stage_sizes[0]"),
    ("latent-b2", {"encoder__pretrain__warmup_steps": 300000}, "encoder.pretrain.warmup_steps"),
    ("latent-b2", {"encoder__finetune__steps": 300000}, "encoder.finetune.steps"),
    ("latent-b2", {"encoder__finetune__ramp_steps": 4000}, "encoder.finetune.ramp_steps"),
    ("latent-b2", {"encoder__finetune__objective": "none"}, "encoder.finetune.objective"),
    ("latent-ablation", {"encoder__finetune__objective": "joint"}, "encoder.finetune.objective"),
    ("latent-ablation", {"encoder__finetune__lambda_max": 0.1}, "encoder.finetune.lambda_max"),
    ("pixel-b16", {"encoder__second_encoder__weights": "none"}, "encoder.second_encoder"),
    ("latent-b2", {"optimizer__warmup_steps": 200001}, "optimizer.warmup_steps"),
    ("latent-b2", {"optimizer__warmup_start": 1.0}, "optimizer.warmup_start"),
    ("latent-b2", {"optimizer__ema_decay": [0.9995, 0.999]}, "optimizer.ema_decay"),
    ("latent-b2", {"loss__temperatures": [0.2, 0.05, 0.02]}, "loss.temperatures"),
    ("latent-b2", {"loss__temperatures": [0.05, 0.05]}, "loss.temperatures"),
    ("latent-b2", {"loss__patch_sizes": [4, 2]}, "loss.patch_sizes"),
    ("latent-b2", {"loss__statistics": ["std", "mean"]}, "loss.statistics"),
    ("latent-b2", {"loss__positives": 129}, "loss.positives"),
    ("latent-b2", {"loss__unconditional": 1001}, "loss.unconditional"),
    ("latent-b2", {"loss__unconditional": 0}, "loss.unconditional"),
    ("latent-b2", {"cfg__alpha_range": [4.0, 1.0]}, "cfg.alpha_range"),
    ("latent-b2", {"cfg__inference_alpha_search": [3.5, 1.0]}, "cfg.inference_alpha_search"),
    ("latent-b2", {"evaluation__alpha": 4.5}, "evaluation.alpha"),
    ("latent-b2", {"data__tokenizer_revision": "none"}, "data.tokenizer_revision"),
    ("latent-b2", {"data__posterior": "no-tokenizer"}, "data.posterior"),
    ("latent-b2", {"data__resolution": 512}, "generator.input_shape"),
    ("pixel-b16", {"data__resolution": 128}, "generator.input_shape"),
    ("latent-b2", {"encoder__num_classes": 10}, "encoder.num_classes"),
    ("latent-b2", {"evaluation__samples": 5}, "evaluation.inception_splits"),
    ("digits", {"queue__resume_prefill_steps": 3}, "queue.resume_prefill_steps"),
    ("digits", {"evaluation__precision_recall_k": 10_000}, "evaluation.precision_recall_k"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "field"), INCONSISTENT)
def test_fields_that_do_not_fit_together_are_named(
    name: str, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        parse(edited(name, **changes))
    named = [problem for problem in caught.value.problems if problem.field == field]
    assert named, caught.value
    assert all(problem.found and problem.expected and problem.remedy for problem in named)


@pytest.mark.parametrize(
    "revision", ["main", "31f26fde", "31F26FDEEE1355A5C34592E401DD41E45D25A493"]
)
def test_a_tokenizer_is_pinned_to_a_commit_and_not_to_a_branch(revision: str) -> None:
    assert problem_fields(edited("latent-b2", data__tokenizer_revision=revision)) == [
        "data.tokenizer_revision"
    ]


def test_a_queue_that_may_repeat_samples_need_not_hold_all_positives() -> None:
    parse(edited("latent-b2", loss__positives=129, queue__replacement="fallback"))


DEVIATION = {
    "field": "loss.class_labels",
    "value": 128,
    "expected": 16,
    "reason": "a reason",
    "decision": None,
}


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ({"column": None}, "column"),
        ({"fidelity": "closest-feasible"}, "deviations"),
        ({"deviations": [DEVIATION]}, "deviations"),
        (
            {"fidelity": "closest-feasible", "deviations": [{**DEVIATION, "field": "loss.colour"}]},
            "deviations[0].field",
        ),
        (
            {"fidelity": "closest-feasible", "deviations": [{**DEVIATION, "value": 4}]},
            "deviations[0].value",
        ),
        (
            {"fidelity": "closest-feasible", "deviations": [{**DEVIATION, "expected": 128}]},
            "deviations[0].expected",
        ),
        (
            {"fidelity": "closest-feasible", "deviations": [DEVIATION, DEVIATION]},
            "deviations[0].field",
        ),
    ],
)
def test_a_header_that_does_not_tell_the_truth_is_refused(
    header: dict[str, Any], field: str
) -> None:
    assert field in problem_fields({**edited("latent-b2"), **header})


def test_a_deviation_that_is_declared_is_accepted() -> None:
    data = {**edited("latent-b2"), "fidelity": "closest-feasible", "deviations": [DEVIATION]}
    assert parse(data).deviations[0].expected == 16


# -- in the reference's words ---------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(RECORDED_GENERATOR))
def test_the_generator_is_the_recorded_configuration_of_the_reference(name: str) -> None:
    expected = recorded(RECORDED_GENERATOR[name])["model_config"]
    assert generator_kwargs(load_template(name)) == expected


@pytest.mark.parametrize("name", sorted(RECORDED_GENERATOR))
def test_the_encoder_and_its_features_are_the_recorded_ones(name: str) -> None:
    template, content = load_template(name), recorded(RECORDED_ENCODER[name])
    assert encoder_kwargs(template) == content["model_config"]
    assert activation_kwargs(template) == content["activation_kwargs"]


@pytest.mark.parametrize("name", template_names())
def test_the_engine_takes_what_a_template_says(name: str) -> None:
    from drift.encoder import EncoderConfig
    from drift.generator import GeneratorConfig

    template = load_template(name)
    assert unbuildable(template) == ()
    generator = GeneratorConfig.from_reference(generator_kwargs(template))
    assert generator.mlp_width == template.generator.ffn_inner
    assert generator.style_tokens == template.generator.style_tokens
    encoder = EncoderConfig.from_reference(encoder_kwargs(template))
    assert encoder.base_channels == template.encoder.base_width
    assert not encoder.trunk_only  # the autoencoder can be pre-trained


# -- what the engine does not build ---------------------------------------------------------------


def _choices(model: type[Section], prefix: str) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for name, info in model.model_fields.items():
        kind = info.annotation
        if get_origin(kind) is Literal:
            found[f"{prefix}{name}"] = get_args(kind)
    return found


CHOICES = {
    field: options
    for section in ("generator", "optimizer", "loss")
    for field, options in _choices(SECTIONS[section], f"{section}.").items()
}


def test_every_choice_of_these_sections_is_known_to_the_builder() -> None:
    assert len(CHOICES) >= 30
    assert set(CHOICES) <= set(IMPLEMENTED) | set(SEMANTIC_SWITCHES)


@pytest.mark.parametrize("field", sorted(CHOICES))
def test_a_choice_the_engine_lacks_can_be_written_down_but_not_built(field: str) -> None:
    known = {**IMPLEMENTED, **{f: (getattr(REFERENCE, s),) for f, s in SEMANTIC_SWITCHES.items()}}
    for option in CHOICES[field]:
        template = parse(edited("digits", **{field.replace(".", "__"): option}))
        problems = [problem for problem in unbuildable(template) if problem.field == field]
        if option not in known[field]:
            assert len(problems) == 1
            assert problems[0].found == option


def test_another_feed_forward_width_is_refused_when_building() -> None:
    template = parse(edited("latent-b2", generator__ffn_inner=2184))
    with pytest.raises(TemplateError, match=r"generator\.ffn_inner: found 2184; expected 2048"):
        generator_kwargs(template)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("generator__norm_eps", 1.0e-8),
        ("generator__class_embedding_std", 1.0),
        ("encoder__groupnorm_max_groups", 8),
        ("encoder__dropout", 0.1),
        ("loss__statistics_eps", 0.0),
        ("queue__replacement", "with"),
        ("queue__class_labels_from", "uniform"),
        ("queue__class_labels_from", "sampled"),
        ("queue__resume", "global-only"),
        ("encoder__pretrain__optimizer", "sgd"),
        ("encoder__finetune__objective", "classification-only"),
        ("data__crop", "squash"),
        ("data__crop", "adm-centre"),
        ("data__mirror", "flip"),
        ("data__mirror", "own-latent"),
        ("data__scaling_factor", 0.18215),
        ("evaluation__weights", "raw"),
        ("evaluation__extractor", "torchvision-imagenet"),
        ("evaluation__resize", "squash-299"),
        ("evaluation__rounding", "round"),
        ("evaluation__inception_splits", 5),
        ("evaluation__inception_seed", 0),
        ("evaluation__precision_recall_k", 5),
    ],
)
def test_a_constant_of_the_engine_is_never_read_and_ignored(field: str, value: Any) -> None:
    template = parse(edited("digits", **{field: value}))
    with pytest.raises(TemplateError, match=field.replace("__", r"\.")):
        require_buildable(template)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("latent-b2", "data__mirror", "flip"),
        ("latent-b2", "data__mirror", "unstated"),
        ("pixel-b16", "data__mirror", "own-latent"),
        ("pixel-b16", "encoder__second_encoder__resize", "bilinear-224"),
        ("pixel-b16", "encoder__second_encoder__weights", "random"),
    ],
)
def test_data_and_second_encoder_that_nothing_builds_are_refused(
    name: str, field: str, value: Any
) -> None:
    with pytest.raises(TemplateError, match=field.replace("__", r"\.")):
        require_buildable(parse(edited(name, **{field: value})))


def test_the_two_semantics_are_not_mixed() -> None:
    paper = parse({**edited("digits"), "semantics": "paper"})
    assert {problem.field for problem in unbuildable(paper, "loss.")} == set(SEMANTIC_SWITCHES)
    switched = {
        field.replace(".", "__"): getattr(PAPER, switch)
        for field, switch in SEMANTIC_SWITCHES.items()
    }
    assert unbuildable(parse({**edited("digits", **switched), "semantics": "paper"})) == ()


def test_a_norm_of_queries_that_does_not_match_the_blocks_is_refused() -> None:
    template = parse(edited("digits", generator__norm="layernorm-plain"))
    assert [problem.field for problem in unbuildable(template)] == ["generator.qk_norm"]


def test_constants_stated_for_the_builder_are_those_of_the_code() -> None:
    from drift import schedule
    from drift.encoder import layers, statistics
    from drift.evaluate import inception, prdc

    assert IMPLEMENTED["optimizer.warmup_start"] == (schedule.INITIAL_RATE,)
    assert IMPLEMENTED["encoder.groupnorm_eps"] == (layers.GROUP_NORM_EPS,)
    assert IMPLEMENTED["loss.statistics_eps"] == (statistics.STD_EPS,)
    assert set(IMPLEMENTED["optimizer.schedule"]) <= set(schedule.KINDS)
    assert IMPLEMENTED["evaluation.inception_splits"] == (inception.SPLITS,)
    assert IMPLEMENTED["evaluation.inception_seed"] == (inception.SEED,)
    assert IMPLEMENTED["evaluation.precision_recall_k"] == (prdc.K,)
    assert {name: one.side for name, one in SETS.items()} == EMBEDDED_SIDES


@pytest.mark.parametrize(
    "text",
    ["*a", "!!float 1", "0x1", "1_000.0", "yes", ".nan", ".inf", "1e-3", "'0.001'",
     "[", "{<<: 1}", "", "1.0\n---\n2.0", "2001-01-01", "@x"],
)  # fmt: skip
def test_a_setting_is_read_as_the_template_is(text: str) -> None:
    """YAML in a setting had a reader of its own: an alias was a traceback, 0x1 a rate of 1."""
    with pytest.raises(TemplateError, match="--set"):
        build.override(load_template("latent-b2"), [f"optimizer.learning_rate={text}"])


def test_a_setting_that_changes_nothing_leaves_a_template_faithful() -> None:
    template = load_template("latent-b2")
    rate = template.optimizer.learning_rate
    assert build.override(template, [f"optimizer.learning_rate={rate:.1e}"]) == template
    changed = build.override(template, ["optimizer.learning_rate=1.0e-3"])
    assert (changed.optimizer.learning_rate, changed.fidelity) == (1.0e-3, "free")
