"""Facts, templates and the contract T8 against each other, by plain reading of the files.

Nothing of the harness is used here: what it concludes about the templates is checked from outside.
"""

from __future__ import annotations

import copy
import io
import tokenize
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "specs"
COLUMNS = ("ablation", "B2", "L2", "B16", "L16")
SECTIONS = ("generator", "encoder", "optimizer", "loss", "cfg", "queue", "data", "evaluation")
TEMPLATES = {
    "ablation": "latent-ablation",
    "B2": "latent-b2",
    "L2": "latent-l2",
    "B16": "pixel-b16",
    "L16": "pixel-l16",
}


def _read_facts() -> dict[str, dict[str, Any]]:
    files = [_read(path) for path in sorted((SPECS / "facts").glob("*.yaml"))]
    return {name: topic for content in files for name, topic in content["topics"].items()}


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the contract with its facts by their whole names."""
    fact = row["fact"] if ":" in row["fact"] else f"{row['fact']}:{row['field']}"
    topic = fact.partition(":")[2]
    also = [one if ":" in one else f"{one}:{topic}" for one in row.get("also", ())]
    return {**row, "fact": fact, "sources": [fact, *also]}


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


# Topics about laws, recordings and consequences: there is nothing in them for a template to choose.
NO_DECISIONS = {
    f"{section}.{topic}"
    for section, topics in {
        "cfg": "inverse_cdf uncond_weight trace",
        "data": "digits",
        "encoder": "blocks loss init parameters trace",
        "evaluation": "extractor_sha256 statistics_sha256 trace",
        "generator": "condition tokens blocks head init parameters_reported trace",
        "optimizer": "training_epochs",
        "queue": "ring_buffer sampling true_labels trace",
    }.items()
    for topic in topics.split()
}

FACTS = _read_facts()
CLAUSES = [
    _whole(row)
    for entry in _read(ROOT / "contracts" / "table8" / "contract.yaml")["clauses"]
    for row in entry.get("rows", [entry])
]
BY_COLUMN = {c: _read(ROOT / "drift" / "templates" / f"{n}.yaml") for c, n in TEMPLATES.items()}


def by_column(value: Any) -> bool:
    return isinstance(value, dict) and bool(set(value) & set(COLUMNS))


def expected(fact_id: str, column: str) -> Any:
    authority, _, topic = fact_id.partition(":")
    value = FACTS[topic]["facts"][authority]["value"]
    return value[column] if by_column(value) else value


def leaves(node: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.items():
        inner = leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else None
        found.update(inner if inner is not None else {f"{prefix}{key}": value})
    return found


def section_leaves(template: dict[str, Any]) -> dict[str, Any]:
    return leaves({section: template[section] for section in SECTIONS})


def departures(template: dict[str, Any], column: str) -> list[str]:
    """Ids of the clauses whose field is not the fact's value for the column."""
    stated = {**section_leaves(template), "semantics": template["semantics"]}
    return [c["id"] for c in CLAUSES if stated[c["field"]] != expected(c["fact"], column)]


def contradicts(topic: str) -> bool:
    """Whether paper and reference state different values."""
    pair = [FACTS[topic]["facts"].get(side, {}).get("value") for side in ("paper", "reference")]
    return None not in pair and pair[0] != pair[1]


# -- the contract ---------------------------------------------------------------------------------


def test_clause_ids_are_unique_and_carry_their_contract() -> None:
    ids = [clause["id"] for clause in CLAUSES]
    assert len(set(ids)) == len(ids)
    assert all(name.startswith("T8-") for name in ids)


def test_every_clause_rests_on_facts_that_exist_and_cites_the_one_it_compares_with() -> None:
    for clause in CLAUSES:
        assert clause["fact"] in clause["sources"], clause["id"]
        for source in clause["sources"]:
            authority, _, topic = source.partition(":")
            assert authority in FACTS[topic]["facts"], source
        assert all(expected(clause["fact"], column) is not None for column in COLUMNS)


def test_a_contradiction_is_cited_with_both_sides() -> None:
    for clause in CLAUSES:
        topic = clause["fact"].partition(":")[2]
        if contradicts(topic):
            assert {f"paper:{topic}", f"reference:{topic}"} <= set(clause["sources"]), clause["id"]


def test_the_cautionary_authority_governs_nothing_but_the_pin_of_the_tokenizer() -> None:
    governed = [c["field"] for c in CLAUSES if c["fact"].startswith("community:")]
    assert governed == ["data.tokenizer_revision"]


def test_every_leaf_of_a_faithful_template_has_exactly_one_clause() -> None:
    fields = [clause["field"] for clause in CLAUSES]
    assert len(set(fields)) == len(fields)
    for column, template in BY_COLUMN.items():
        assert {*section_leaves(template), "semantics"} == set(fields), column


def test_every_row_that_is_a_decision_of_a_run_is_cited_by_a_clause() -> None:
    cited = {source.partition(":")[2] for clause in CLAUSES for source in clause["sources"]}
    sections = ("generator", "encoder", "optimizer", "drifting_loss", "cfg", "queue", "data")
    rows = {topic for topic in FACTS if topic.partition(".")[0] in (*sections, "evaluation")}
    assert rows - cited == NO_DECISIONS


@pytest.mark.parametrize("column", COLUMNS)
def test_a_faithful_template_is_its_column(column: str) -> None:
    template = BY_COLUMN[column]
    assert (template["column"], template["fidelity"]) == (column, "faithful")
    assert template["name"] == TEMPLATES[column]
    assert template["deviations"] == []
    assert departures(template, column) == []


def _changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return [*value[:-1], _changed(value[-1])]
    return f"{value}-x" if isinstance(value, str) else value + 1


@pytest.mark.parametrize("column", COLUMNS)
def test_changing_any_leaf_is_caught_by_the_clause_of_that_leaf(column: str) -> None:
    owner = {clause["field"]: clause["id"] for clause in CLAUSES}
    for field, value in section_leaves(BY_COLUMN[column]).items():
        changed = copy.deepcopy(BY_COLUMN[column])
        node = changed
        *parents, leaf = field.split(".")
        for part in parents:
            node = node[part]
        node[leaf] = _changed(value)
        assert departures(changed, column) == [owner[field]]


def test_another_column_is_never_mistaken_for_this_one() -> None:
    for column in COLUMNS:
        for other in COLUMNS:
            found = departures(BY_COLUMN[other], column)
            assert bool(found) == (other != column), (column, other)


def test_planted_values_are_wrong_somewhere() -> None:
    planted = 0
    for clause in CLAUSES:
        right = [expected(clause["fact"], column) for column in COLUMNS]
        for wrong in clause.get("planted", ()):
            assert any(wrong != value for value in right), clause["id"]
            planted += 1
    assert planted >= 100


# Where the table names what somebody else chose instead, that choice is planted.
COMMUNITY_CHOICES = {
    "generator.style_tables": "shared",
    "generator.style_draw": "index-0",
    "generator.ffn_inner": 2184,
    "generator.positional_embedding": "none",
    "generator.rope": "2d-axial-patches",
    "generator.rope_layout": "interleaved",
    "generator.qk_norm": "l2",
    "generator.norm": "rmsnorm-plain",
    "generator.norm_eps": 1.0e-8,
    "generator.alpha_embedding": "scalar-mlp",
    "generator.class_embedding_std": 1.0,
    "generator.output_head": "plain-linear",
    "encoder.stage_norm": "none",
    "encoder.groupnorm_max_groups": 8,
    "encoder.decoder": "no-bridge-3-up",
    "encoder.finetune.objective": "classification-only",
    "encoder.second_encoder.model": "convnextv2-tiny",
    "encoder.second_encoder.weights": "random",
    "optimizer.schedule": "cosine",
    "optimizer.ema_decay": [0.9995],
    "loss.dtype": "autocast",
    "loss.feature_scale": "per-class",
    "loss.drift_scale": "per-class",
    "loss.location_reduction": "sum",
    "loss.uncond_weight_use": "log_weight",
    "loss.affinity_floor": 1.0e-12,
    "loss.vanilla_term": "unnormalised",
    "loss.patch_statistics": "shared-key",
    "loss.statistics_eps": 0.0,
    "queue.class_labels_from": "uniform",
    "queue.resume": "global-only",
    "data.posterior": "mean",
    "data.mirror": "none",
    "data.crop": "squash",
    "evaluation.extractor": "torchvision-imagenet",
    "evaluation.resize": "squash-299",
    "evaluation.statistics": "own-validation",
    "evaluation.weights": "raw",
}


@pytest.mark.parametrize("field", COMMUNITY_CHOICES)
def test_the_known_mistake_is_planted(field: str) -> None:
    (clause,) = [clause for clause in CLAUSES if clause["field"] == field]
    assert COMMUNITY_CHOICES[field] in clause["planted"]


# -- templates that are no column -----------------------------------------------------------------


def test_the_closest_feasible_template_departs_only_where_it_says_so() -> None:
    template = _read(ROOT / "drift" / "templates" / "closest-feasible.yaml")
    column = template["column"]
    owner = {clause["id"]: clause["field"] for clause in CLAUSES}
    fact = {clause["field"]: clause["fact"] for clause in CLAUSES}
    stated = {d["field"]: d for d in template["deviations"]}
    assert {owner[name] for name in departures(template, column)} == set(stated)
    for field, deviation in stated.items():
        assert deviation["value"] == section_leaves(template)[field]
        assert deviation["expected"] == expected(fact[field], column)
        assert deviation["reason"]


def test_one_gpu_keeps_the_ratios_of_positives_generated_and_unconditional() -> None:
    small = _read(ROOT / "drift" / "templates" / "closest-feasible.yaml")
    for key in ("positives", "unconditional"):
        column = BY_COLUMN[small["column"]]["loss"]
        ratio = small["loss"][key] / small["loss"]["generated"]
        assert ratio == column[key] / column["generated"]


def test_the_digits_follow_no_column_and_have_as_many_positives_as_generated_samples() -> None:
    digits = _read(ROOT / "drift" / "templates" / "digits.yaml")
    assert (digits["column"], digits["fidelity"]) == (None, "free")
    loss, ablation = digits["loss"], BY_COLUMN["ablation"]["loss"]
    assert loss["positives"] / loss["generated"] == ablation["positives"] / ablation["generated"]


def test_no_number_of_the_table_is_written_in_the_code_that_reads_templates() -> None:
    numbers = {
        str(value)
        for topic in FACTS.values()
        for fact in topic["facts"].values()
        if by_column(fact["value"])
        for value in fact["value"].values()
        if isinstance(value, int) and value >= 500
    }
    assert {"768", "1024", "2048", "200000"} <= numbers
    for path in sorted((ROOT / "drift" / "config").glob("*.py")):
        tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        written = {token.string for token in tokens if token.type == tokenize.NUMBER}
        assert not written & numbers, path.name
