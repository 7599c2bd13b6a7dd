"""drift params: parameters by module, held against the paper and the reference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drift import cli
from drift.artifacts import parameters
from drift.artifacts.parameters import EXACT, PRINTED, module_rows, tables
from drift.artifacts.schema import GENERATOR, MAE
from drift.config import load_template
from drift.encoder import EncoderConfig
from drift.generator import GeneratorConfig

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
COLUMNS = {
    "ablation": ("latent-ablation", "params_gen_latent_ablation", "params_mae_latent_ablation_256"),
    "B2": ("latent-b2", "params_gen_latent_sota_B", "params_mae_latent_640"),
    "L2": ("latent-l2", "params_gen_latent_sota_L", "params_mae_latent_640"),
    "B16": ("pixel-b16", "params_gen_pixel_sota_B", "params_mae_pixel_640"),
    "L16": ("pixel-l16", "params_gen_pixel_sota_L", "params_mae_pixel_640"),
}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "params", ("drift.commands.params", "help"))


def recorded(name: str) -> dict:
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize("column", COLUMNS)
def test_totals_of_a_column_are_those_that_were_recorded(column: str) -> None:
    template, *names = COLUMNS[column]
    for table, name in zip(tables(load_template(template)), names, strict=True):
        assert table.total == recorded(name)["param_count"] == EXACT[table.model][column]
        assert table.printed_millions == PRINTED[table.model].get(column)
        assert table.agrees


def test_the_rows_of_a_generator_sum_to_the_recorded_groups() -> None:
    case = recorded("params_gen_latent_sota_L")
    rows = module_rows(GeneratorConfig.from_reference(case["model_config"]))
    groups = case["param_count_by_group"]
    sums = {row.module: row.parameters for row in rows}
    assert (
        sum(n for name, n in sums.items() if name.startswith("blocks."))
        == (groups["LightningDiT_0/blocks"])
    )
    assert sums["condition.style_embeddings"] == groups["noise_embeds"]
    assert sums["positions"] == groups["LightningDiT_0/pos_embed"]
    assert (
        sum(n for name, n in sums.items() if name.startswith("head."))
        == (groups["LightningDiT_0/FinalLayer_0"])
    )
    (style,) = [row for row in rows if row.module == "condition.style_embeddings"]
    assert (style.tensors, style.repeats) == (32, 32)


def test_the_rows_of_an_autoencoder_sum_to_its_recorded_halves() -> None:
    case = recorded("params_mae_latent_640")
    rows = module_rows(EncoderConfig.from_reference(case["model_config"]))
    for prefix, key in (
        ("encoder.", "param_count_encoder"),
        ("decoder.", "param_count_decoder"),
        ("classifier", "param_count_fc"),
    ):
        assert sum(row.parameters for row in rows if row.module.startswith(prefix)) == case[key]
    assert [row.repeats for row in rows if row.module.startswith("encoder.stages")] == [3, 4, 6, 3]


def test_all_columns_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["params"]) == 0
    out = capsys.readouterr().out
    assert out.count("reference: equal") == 10
    assert "463M" in out


def test_a_template_is_listed_module_by_module(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["params", "latent-b2"]) == 0
    out = capsys.readouterr().out
    assert "blocks.attention" in out
    assert "132,708,880  reference: equal, paper: 133M" in out
    assert cli.run(["params", "latent-b2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [table["total"] for table in report["tables"]] == [132708880, 2687866604]
    assert all(table["agrees"] for table in report["tables"])


def test_a_total_that_differs_is_said_and_exits_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {GENERATOR: {"B2": 133_088_720}, MAE: EXACT[MAE]}  # with the inner width 2184
    monkeypatch.setattr(parameters, "EXACT", wrong)
    assert cli.run(["params", "latent-b2"]) == 1
    captured = capsys.readouterr()
    assert "reference: -379,840" in captured.out
    assert "latent-b2 drift-generator" in captured.err


def test_an_unknown_template_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["params", "latent-b3"]) == 2
    assert "latent-b3" in capsys.readouterr().err


def test_a_template_that_is_no_faithful_column_has_no_stated_total() -> None:
    for name in ("digits", "closest-feasible"):
        assert all(table.exact is None and table.agrees for table in tables(load_template(name)))
