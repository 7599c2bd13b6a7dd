"""Clauses on the kept ablations: which records are refused, and that no comparison is left out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.ablation import kept, orders
from contracts.subjects.engine import drift_subject
from drift.ablate import compared
from drift.ablate.tables import TABLES
from tests.contracts.reading import clauses_of, edit_json, loaded, registered_in, retype
from verify.api import CheckContext, Measurement, Outcome

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "reports/evaluations/ablations"
CLAUSES = [one for one in clauses_of("ablation") if one["check"] == "ablation.order"]
REGISTERED = registered_in("ablation")
BALANCE = next(one for one in CLAUSES if one["params"]["table"] == "balance")
Change = Callable[[dict[str, Any]], object]


def judge(clause: dict[str, Any], folder: Path) -> Measurement:
    cited = {source: loaded().pack.fact(source) for source in clause["sources"]}
    facts = {source: fact.value for source, fact in cited.items() if fact is not None}
    context = CheckContext(
        clause_id=clause["id"], subject=drift_subject(), params=clause["params"],
        tolerance=clause["tolerance"]["value"], facts=facts, specs_dir=ROOT / "specs",
        evidence_dir=folder,
    )  # fmt: skip
    found: Measurement = REGISTERED["check", clause["check"]](context)
    return found


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(RECORDS, tmp_path / "ablations")
    return tmp_path


def edit(folder: Path, change: Change, table: str = "balance") -> Path:
    edit_json(folder / f"ablations/{table}.json", change)
    return folder


def test_every_comparison_of_every_kept_table_is_under_one_clause() -> None:
    stated = [
        (clause["params"]["table"], *pair)
        for clause in CLAUSES
        for pair in clause["params"]["pairs"]
    ]
    kept_tables = sorted(path.stem for path in RECORDS.glob("*.json"))
    wanted = [(name, *pair) for name in kept_tables for pair in compared.pairs(TABLES[name])]
    assert sorted(stated) == sorted(wanted)


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause["id"])
def test_the_kept_records_hold_what_the_clauses_say(clause: dict[str, Any]) -> None:
    found = judge(clause, RECORDS.parent)
    assert found.outcome is Outcome.PASS, found.reason
    assert found.axis == "proxy"
    assert found.provenance["seeds"] == 3


def test_without_a_record_nothing_is_known(tmp_path: Path) -> None:
    found = judge(BALANCE, tmp_path)
    assert found.outcome is Outcome.UNKNOWN
    assert "drift ablate balance" in found.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r["budget"].append("optimizer.training_steps=9"), "budget"),
        (lambda r: r.update(axis="paper-eval"), "axis"),
        (lambda r: r["rows"].reverse(), "name: found"),
        (lambda r: r["rows"][1].update(kernel="plain"), "kernel"),
        (lambda r: r["runs"][-1].update(kernel="plain"), "not its row's"),
        (lambda r: r["runs"].pop(), "one a row and seed"),
        (lambda r: r["runs"][0].update(diagnostic=["x"]), "marked"),
        (lambda r: r["runs"][0].update(fid_proxy=1.0), "its components give"),
        (lambda r: r["runs"][0].update(key=r["runs"][1]["key"]), "one key"),
        (lambda r: r.update(seeds=[0, 0, 1]), "each once"),
        (lambda r: r["comparisons"].clear(), "the record says None"),
        (lambda r: r["components"].update(sha256="0" * 64), "sha256"),
        (lambda r: r.update(steps=125), "steps: found 125, expected 250"),
        (lambda r: r.update(samples=10), "samples: found 10, expected 1000"),
        (lambda r: r.update(runs=None), "TypeError"),
    ],
)
def test_a_record_that_is_not_what_it_says_is_refused(
    change: Change, said: str, copied: Path
) -> None:
    found = judge(BALANCE, edit(copied, change))
    assert found.outcome is Outcome.FAIL
    assert said in found.reason


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("features", lambda run, judge: run.update(teacher_sha256=judge), "that judges it"),
        ("features", lambda run, judge: run.update(teacher_sha256=None), "that judges it"),
        ("features", lambda run, judge: run.pop("teacher_sha256"), "not as its table's"),
        ("labels", lambda run, judge: run.update(teacher_sha256="a" * 64), "not as its table's"),
    ],
)
def test_a_run_has_an_encoder_in_its_loss_where_its_table_says_and_never_the_judge(
    table: str, change: Callable[..., object], said: str, copied: Path
) -> None:
    edit(copied, lambda record: change(record["runs"][-1], record["judge_sha256"]), table)
    clause = next(one for one in CLAUSES if one["params"]["table"] == table)
    found = judge(clause, copied)
    assert found.outcome is Outcome.FAIL
    assert said in found.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a.pop("V+ only/0/sigma"), "no sigma"),
        (lambda a: a.update({"V+ only/0/mu": a["V+ only/0/mu"][:9].copy()}), "no mu of shape"),
        (lambda a: a.update({"V+ only/0/mu": a["V+ only/0/mu"].astype(float)}), "float32"),
        (lambda a: a.update({"V+ only/0/mu": a["V+ only/0/mu"] * 2}), "its components give"),
        (lambda a: a.update({"reference_mu": a["reference_mu"] + 1}), "its components give"),
    ],
)
def test_moments_that_do_not_give_the_figures_are_refused(
    change: Change, said: str, copied: Path
) -> None:
    retype(copied / "ablations/balance.json", lambda record, arrays: change(arrays))
    found = judge(BALANCE, copied)
    assert found.outcome is Outcome.FAIL
    assert said in found.reason


def test_verdicts_follow_from_intervals() -> None:
    assert kept.verdict("balance", 0.2, 0.1) == compared.AS_PAPER
    assert kept.verdict("balance", -0.2, 0.1) == compared.OTHER_WAY
    assert kept.verdict("labels", 0.2, 0.1) == compared.FIRST
    assert kept.verdict("labels", -0.2, 0.1) == compared.SECOND
    for table in TABLES:
        assert kept.verdict(table, 0.1, 0.1) == compared.OPEN
        assert kept.verdict(table, -0.05, 0.1) == compared.OPEN
    mean, half = kept.log_ratio({"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 8.0]}, "a", "b")
    assert (
        kept.verdict("balance", mean, half) == compared.OPEN
    )  # all alike: no spread to compare with


def test_a_clause_asks_for_a_word_that_its_table_has() -> None:
    for clause in CLAUSES:
        table, wanted = TABLES[clause["params"]["table"]], clause["params"]["verdict"]
        assert orders.beyond(table, wanted, 0.0, 1.0) in (1.0, -1.0)
    with pytest.raises(ValueError, match="not in tuple"):
        orders.beyond(TABLES["labels"], compared.AS_PAPER, 0.2, 0.1)


# -- the page --------------------------------------------------------------------------------------


def page_rows(record: dict[str, Any]) -> list[str]:
    """The lines of docs/orderings.md that follow from a record."""
    runs = record["runs"]
    cpu, wall = (round(sum(run[name] for run in runs) / len(runs)) for name in ("cpu_s", "wall_s"))
    lines = [f"{len(runs)} runs, {cpu} s of CPU and {wall} s of a busy machine each."]
    for one in record["comparisons"]:
        low, high = one["interval"]
        lines.append(
            f"| {one['second']} against {one['first']} | {one['ratio']:.3g} | [{low:.3g}, "
            f"{high:.3g}] | {one['resolves']:.3g} | {one['verdict']} |"
        )
    return lines


@pytest.mark.parametrize("path", sorted(RECORDS.glob("*.json")), ids=lambda path: path.stem)
def test_the_page_says_what_the_records_say_and_shows_their_pictures(path: Path) -> None:
    page = (ROOT / "docs/orderings.md").read_text()
    for line in page_rows(json.loads(path.read_bytes())):
        assert line in page
    assert f"(pictures/ablation-{path.stem}.png)" in page
    assert (ROOT / f"docs/pictures/ablation-{path.stem}.png").is_file()
