"""Templates: strict reading, no defaults, a fingerprint of what they mean."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from drift.config import (
    SECTIONS,
    TemplateError,
    fingerprint,
    load_template,
    parse_template,
    template_names,
)

FAITHFUL = ("latent-ablation", "latent-b2", "latent-l2", "pixel-b16", "pixel-l16")
NAMES = ("closest-feasible", "digits", "mnist", *FAITHFUL)


def text_of(name: str) -> str:
    return (resources.files("drift") / "templates" / f"{name}.yaml").read_text(encoding="utf-8")


def data_of(name: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(text_of(name))
    return data


def problem_fields(data: dict[str, Any]) -> list[str]:
    with pytest.raises(TemplateError) as caught:
        parse_template(yaml.safe_dump(data), source="edited")
    return [problem.field for problem in caught.value.problems]


# -- reading --------------------------------------------------------------------------------------


def test_the_shipped_templates_are_these() -> None:
    assert template_names() == tuple(sorted(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_template_loads_under_its_own_name(name: str) -> None:
    template = load_template(name)
    assert template.name == name
    assert (template.fidelity == "faithful") == (name in FAITHFUL)


def test_a_template_is_loaded_by_path_as_by_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text_of("digits"))
    assert load_template(path) == load_template(str(path)) == load_template("digits")


def test_a_template_cannot_be_changed_after_reading() -> None:
    template = load_template("digits")
    with pytest.raises(ValidationError):
        template.loss.positives = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        template.loss = template.loss  # type: ignore[misc]


BROKEN_TEXTS = {
    "empty": ("", "an empty file"),
    "list": ("- 1\n", "a list"),
    "tab": ("schema:\n\tname: x\n", "cannot start any token"),
    "duplicate key": ("schema: a\nschema: b\n", "the key 'schema' a second time"),
    "alias": ("schema: &a x\nname: *a\n", "an alias or a tag"),
    "alias bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "an alias or a tag"),
    "tag": ("schema: !!binary aGk=\n", "an alias or a tag"),
    "python tag": ("schema: !!python/object/apply:os.system [ls]\n", "an alias or a tag"),
    "key that is a list": ("? [a, b]\n: 1\n", "a key that is no text"),
    "two documents": ("a: 1\n---\nb: 2\n", "but found another document"),
    "unbalanced": ("a: [1, 2\n", "expected ',' or ']'"),
    "deep nesting": ("a: " + "[" * 5000 + "\n", "a deep nesting"),
}


@pytest.mark.parametrize("case", BROKEN_TEXTS)
def test_text_that_is_no_template_is_refused_with_one_clear_message(case: str) -> None:
    text, message = BROKEN_TEXTS[case]
    with pytest.raises(TemplateError) as caught:
        parse_template(text, source="broken.yaml")
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith("broken.yaml: found ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xfe", "a byte that is not UTF-8"), (b"#" * 70_000, "70000 bytes")],
)
def test_binary_and_oversized_files_are_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "file.yaml"
    path.write_bytes(content)
    with pytest.raises(TemplateError, match=message):
        load_template(path)


def test_a_missing_file_is_named_together_with_the_shipped_templates() -> None:
    with pytest.raises(TemplateError, match=r"no-such\.yaml: found no such file.*latent-b2"):
        load_template("no-such.yaml")


def test_the_float_that_yaml_reads_as_text_is_refused_with_its_spelling() -> None:
    text = text_of("latent-b2").replace("learning_rate: 4.0e-4", "learning_rate: 4e-4")
    with pytest.raises(TemplateError) as caught:
        parse_template(text, source="t")
    (problem,) = caught.value.problems
    assert problem.field == "optimizer.learning_rate"
    assert problem.found == "'4e-4'"
    assert "1.0e-4" in problem.remedy


@pytest.mark.parametrize("word", ["yes", "on", "True", "1"])
def test_only_true_and_false_are_truth_values(word: str) -> None:
    text = text_of("digits").replace("checkpointing: false", f"checkpointing: {word}")
    with pytest.raises(TemplateError, match=r"generator\.activation_checkpointing"):
        parse_template(text, source="t")


@pytest.mark.parametrize("word", [".nan", ".inf", "nan", "1_000", "0x10", "010"])
def test_numbers_with_a_second_reading_are_refused(word: str) -> None:
    text = text_of("digits").replace("depth: 3", f"depth: {word}")
    with pytest.raises(TemplateError, match=r"generator\.depth"):
        parse_template(text, source="t")


def test_nan_and_infinity_are_refused_by_the_model_too() -> None:
    section = load_template("digits").optimizer.model_dump()
    for value in (math.nan, math.inf):
        with pytest.raises(ValidationError):
            SECTIONS["optimizer"].model_validate({**section, "learning_rate": value})


def test_every_mistake_of_a_file_is_reported_at_once() -> None:
    data = data_of("digits")
    data["generator"]["depth"] = "two"
    data["loss"]["positives"] = -1
    data["cfg"]["alpha_power"] = True
    data["queue"]["colour"] = "red"
    del data["data"]["crop"]
    assert sorted(problem_fields(data)) == [
        "cfg.alpha_power",
        "data.crop",
        "generator.depth",
        "loss.positives",
        "queue.colour",
    ]


def _all_leaves() -> list[str]:
    return sorted(load_template("latent-b2").leaves())


@pytest.mark.parametrize("path", _all_leaves())
def test_no_field_has_a_default(path: str) -> None:
    data = data_of("latent-b2")
    *parents, leaf = path.split(".")
    node = data
    for part in parents:
        node = node[part]
    del node[leaf]
    assert path in problem_fields(data)


def test_an_error_survives_a_process_boundary() -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template("", source="x")
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems


def test_reading_a_template_needs_neither_torch_nor_the_harness() -> None:
    code = (
        "import sys; from drift.config import load_template; load_template('latent-b2');"
        "print([m for m in ('torch', 'numpy', 'verify') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# -- fingerprint ----------------------------------------------------------------------------------


def _shuffled(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _shuffled(node[key]) for key in reversed(node)}
    return node


def test_comments_order_and_3_for_3_0_do_not_change_the_fingerprint() -> None:
    data = data_of("latent-ablation")
    data["cfg"]["alpha_power"] = 3
    shuffled = parse_template(yaml.safe_dump(_shuffled(data), sort_keys=False), source="shuffled")
    assert fingerprint(shuffled) == fingerprint(load_template("latent-ablation"))


def test_templates_have_different_fingerprints_and_so_have_semantics() -> None:
    templates = [load_template(name) for name in NAMES]
    other = parse_template(
        text_of("digits").replace("semantics: reference", "semantics: paper"), source="other"
    )
    assert len({fingerprint(template) for template in (*templates, other)}) == len(NAMES) + 1


def test_a_change_of_one_number_changes_the_fingerprint() -> None:
    changed = parse_template(
        text_of("digits").replace("\n  eps: 1.0e-8", "\n  eps: 1.1e-8"), source="changed"
    )
    assert fingerprint(changed) != fingerprint(load_template("digits"))
