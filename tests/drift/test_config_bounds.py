"""Numbers that no template can mean, and runs that this machine cannot hold: said at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from drift import plan
from drift.artifacts import architectures
from drift.artifacts.errors import ArtifactError
from drift.config import Template, TemplateError, load_template, parse_template, template_names
from drift.config.bounds import LARGEST, MOST_LAYERS, MOST_SIDE, MOST_TOKENS
from drift.ranks.plan import rank_plan
from drift.train import build, room

Place = tuple[str, int | None]  # a dotted field, and the place in it where it is a list


def number_places(kind: type) -> list[Place]:
    """Every number of a template, by what the file holds: `[]` of a list, None of a plain field."""

    def walk() -> Iterator[Place]:
        for path, value in load_template("digits").leaves().items():
            if type(value) is kind:
                yield path, None
            elif isinstance(value, list):
                yield from ((path, i) for i, one in enumerate(value) if type(one) is kind)

    return list(walk())


def with_number(place: Place, value: Any) -> str:
    """The text of the digits' template with one number replaced."""
    path, index = place
    data = load_template("digits").model_dump(mode="json", by_alias=True)
    *parents, leaf = path.split(".")
    node = data
    for part in parents:
        node = node[part]
    if index is None:
        node[leaf] = value
    else:
        node[leaf] = [*node[leaf][:index], value, *node[leaf][index + 1 :]]
    return yaml.safe_dump(data)


def refusal(text: str) -> str:
    with pytest.raises(TemplateError) as caught:
        parse_template(text, source="edited")
    return str(caught.value)


def problem(text: str, otherwise: str) -> str:
    """What is said of a template and of a run of it, `otherwise` where it is fine."""
    try:
        room.require_for_training(parse_template(text, source="edited"), "cpu")
    except TemplateError as error:
        return str(error)
    return otherwise


def test_every_whole_number_of_the_schema_is_tried_below() -> None:
    integers = number_places(int)
    assert len(integers) > 50
    assert ("generator.cond_dim", None) in integers
    assert ("generator.input_shape", 2) in integers
    assert ("encoder.blocks_per_stage", 3) in integers


@pytest.mark.parametrize("place", number_places(int), ids=str)
def test_a_whole_number_that_cannot_be_meant_is_refused_by_its_name(place: Place) -> None:
    for value in (10**12, 10**18 - 1, -1, True, 1.5):
        assert place[0] in refusal(with_number(place, value)), value
    # 0 is a count of some things, and of no others.
    assert place[0] in problem(with_number(place, 0), place[0])


@pytest.mark.parametrize("place", number_places(float), ids=str)
def test_a_number_of_any_size_is_a_value_or_a_refusal_and_no_accident(place: Place) -> None:
    for value in (1e308, 5e-324, -1.0, 0.0, True):
        said = problem(with_number(place, value), place[0])
        assert place[0] in said or "generator.ffn_inner" in said


def largest(**changes: Any) -> Template:
    settings = [f"{name.replace('__', '.')}={value}" for name, value in changes.items()]
    return build.override(load_template("digits"), settings)


LARGE = {
    "wide": {"generator__cond_dim": LARGEST, "generator__style_codes": LARGEST},
    "wide tokens": {
        "generator__hidden_size": LARGEST, "generator__ffn_inner": LARGEST,
        "generator__mlp_ratio": 1.5,
    },
    "deep": {"generator__depth": MOST_LAYERS, "generator__style_tokens": MOST_LAYERS},
    "wide encoder": {"encoder__base_width": LARGEST},
}  # fmt: skip


@pytest.mark.parametrize("case", ["wide", "wide tokens", "wide encoder"])
def test_the_largest_that_can_be_meant_can_be_planned(case: str) -> None:
    found = plan.plan(largest(**LARGE[case]))
    assert found.generator_parameters > 0
    assert found.memory_bytes > 0


def test_a_machine_is_asked_before_anything_is_allocated() -> None:
    needs = {
        "generator.hidden_size": {"generator__cond_dim": LARGEST},
        "queue.per_class_capacity": {"queue__global_capacity": 2**31 - 1},
        "queue.push_per_step": {"queue__push_per_step": 2**31 - 1},
        "loss.class_labels": {"loss__generated": 2**31 - 1},
    }
    for field, changes in needs.items():
        with pytest.raises(TemplateError, match=rf"{field}.*expected at most .*B in all"):
            room.require_for_training(largest(**changes), "cpu")
    for changes in ({"encoder__base_width": LARGEST}, {"encoder__pretrain__batch_size": 2**31 - 1}):
        with pytest.raises(TemplateError, match=r"encoder\..*expected at most .*B in all"):
            room.require_for_pretraining(largest(**changes), "cpu")


def test_the_room_of_a_run_is_a_lower_bound_of_its_plan_and_is_shared_by_its_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    template = load_template("digits")
    parts = (room.models(template, template.loss.class_labels), room.samples(template))
    least = sum(sum(part.values()) for part in parts)
    planned = rank_plan(template, world=1, device="cpu", labels_per_pass=10).memory_bytes
    assert 0 < least < planned
    monkeypatch.setattr(room, "memory", lambda device: 2 * least // 3)
    with pytest.raises(TemplateError, match="the memory of cpu here"):
        room.require_for_training(template, "cpu")
    room.require_for_training(template, "cpu", world=2)


@pytest.mark.parametrize("name", template_names())
def test_every_shipped_template_is_far_below_the_bounds(name: str) -> None:
    g = load_template(name).generator
    tokens = (g.input_shape[0] // g.patch_size) ** 2 + g.register_tokens
    assert tokens * 8 < MOST_TOKENS
    assert max(g.input_shape) * 8 < MOST_SIDE
    assert max(g.hidden_size, g.cond_dim, g.num_classes) * 64 < LARGEST


def test_what_a_template_may_say_an_artefact_may_hold() -> None:
    """A run beyond an artefact's bounds could be trained and never be read again."""
    for changes in LARGE.values():
        template = largest(**changes)
        for kind in (architectures.GeneratorConfig, architectures.EncoderConfig):
            like = kind(**({} if kind is architectures.EncoderConfig else SMALL))  # type: ignore[arg-type]
            architectures.build(architectures.config_of_template(template, like))
    with pytest.raises(ArtifactError, match=r"config\.cond_dim"):
        architectures.config_from_fields(
            architectures.GENERATOR, {**SMALL, "cond_dim": LARGEST + 1}
        )


SMALL = {
    "input_size": 4, "in_channels": 1, "out_channels": 1, "patch_size": 2, "hidden_dim": 4,
    "depth": 1, "num_heads": 1, "cond_dim": 4, "num_classes": 2,
}  # fmt: skip
