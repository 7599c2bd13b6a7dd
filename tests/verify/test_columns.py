"""Templates held against facts: each change of each field is caught and named with its source."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.outcome import Outcome, Reason
from verify.run import columns
from verify.run.columns import ABSENT, changed, look_up, replaced, same

from .conftest import MiniPack, Result, config, run_pack

Cli = Callable[..., Result]

VALUES: dict[str, Any] = {
    "model.width": {"S": 64, "L": 128},
    "model.heads": {"S": 4, "L": 4},
    "model.name": {"S": "small", "L": "large"},
    "model.rope": True,
    "train.rate": 2.0e-4,
    "train.betas": [0.9, 0.95],
    "train.extra": {"warmup": 10, "kind": "cosine"},
}
FIELDS = sorted(VALUES)


def template(column: str) -> dict[str, Any]:
    """What the facts say of one column, as a nested file."""
    whole: dict[str, Any] = {"column": column}
    for field, value in VALUES.items():
        section, name = field.split(".")
        by_column = isinstance(value, dict) and set(value) == {"S", "L"}
        whole.setdefault(section, {})[name] = copy.deepcopy(value[column] if by_column else value)
    return whole


@pytest.fixture
def table(mini: MiniPack) -> MiniPack:
    """A pack of config clauses over two columns; both templates agree with the facts."""
    topics = {
        field: {"title": field, "facts": {"book": {"value": value, "at": f"row {number}"}}}
        for number, (field, value) in enumerate(VALUES.items())
    }
    mini.data("specs/facts/table.yaml", {"schema": "verify/facts/1", "topics": topics})
    manifest = "columns: [S, L]\ntemplates: {S: templates/s.yaml, L: templates/l.yaml}\n"
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write(manifest)
    mini.data("templates/s.yaml", template("S"))
    mini.data("templates/l.yaml", template("L"))
    mini.clauses = [
        config(number, field=field, fact=f"book:{field}", remedy=f"Set {field} as the book says.")
        for number, field in enumerate(FIELDS, start=1)
    ]
    return mini.save()


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of every leaf and of every list."""
    for name, item in value.items():
        at = f"{path}.{name}" if path else name
        yield at, item
        if isinstance(item, dict):
            yield from leaves(item, at)


def test_templates_that_agree_pass_and_every_change_of_them_is_caught(
    table: MiniPack, tmp_path: Path
) -> None:
    report = run_pack(table, tmp_path).report
    assert report.verdict.line.startswith("GO: 7/7 evaluated")
    assert len(report.falsifiers) == 2 * len(FIELDS), "each field, each column"
    assert all(run.killed for run in report.falsifiers)
    assert {run.label for run in report.falsifiers} == {"config.changed[S]", "config.changed[L]"}


@pytest.mark.parametrize("column", ["S", "L"])
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_changed_in_one_template_turns_exactly_its_clause_red(
    table: MiniPack, field: str, column: str
) -> None:
    loaded = table.load()
    templates = columns.templates(loaded)
    wrong = replaced(templates[column], field, changed(look_up(templates[column], field)))
    mutated = {**templates, column: wrong}
    verdicts = {c.field: columns.judge(c, loaded, mutated) for c in loaded.pack.clauses}
    red = {name for name, verdict in verdicts.items() if verdict.outcome is Outcome.FAIL}
    assert red == {field}
    assert verdicts[field].reason.startswith(f"column {column}: {field}: found ")
    assert f"(book:{field}, row " in verdicts[field].reason


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_left_out_is_caught(table: MiniPack, field: str) -> None:
    loaded = table.load()
    section, name = field.split(".")
    templates = columns.templates(loaded)
    poorer = copy.deepcopy(templates["S"])
    del poorer[section][name]
    wanted = next(c for c in loaded.pack.clauses if c.field == field)
    verdict = columns.judge(wanted, loaded, {**templates, "S": poorer})
    assert verdict.outcome is Outcome.FAIL
    assert "found no such field" in verdict.reason


def test_the_value_of_another_column_is_caught_where_it_differs(table: MiniPack) -> None:
    loaded = table.load()
    (width,) = [c for c in loaded.pack.clauses if c.field == "model.width"]
    templates = columns.templates(loaded)
    verdict = columns.judge(width, loaded, {**templates, "S": templates["L"]})
    assert "found 128, expected 64" in verdict.reason


def test_a_native_mutant_with_a_value_is_tried_where_the_value_is_wrong(
    table: MiniPack, tmp_path: Path
) -> None:
    table.clauses = [{**c, "planted": [64]} for c in table.clauses if c["field"] == "model.width"]
    runs = run_pack(table.save(), tmp_path).report.falsifiers
    assert [(run.label, run.killed) for run in runs] == [
        ("config.changed[S]", True), ("config.changed[L]", True),
        ("config.value(value=64)[L]", True),
    ]  # fmt: skip


def test_a_mutant_that_changes_nothing_survives_as_an_error(
    table: MiniPack, tmp_path: Path
) -> None:
    table.clauses = [{**c, "planted": [True]} for c in table.clauses if c["field"] == "model.rope"]
    report = run_pack(table.save(), tmp_path).report
    *changed_, run = report.falsifiers
    assert all(one.killed for one in changed_)
    assert (run.killed, run.outcome) == (False, Outcome.ERROR)
    assert "it is the right value everywhere" in run.reason
    assert report.verdict.exit_code == 1


def test_a_verdict_names_every_departing_column_with_its_place(table: MiniPack) -> None:
    loaded = table.load()
    width = next(c for c in loaded.pack.clauses if c.field == "model.width")
    right = columns.templates(loaded)
    wrong = {name: replaced(one, "model.width", 7) for name, one in right.items()}
    good, both = columns.judge(width, loaded, right), columns.judge(width, loaded, wrong)
    assert (good.measured, good.unit) == (0.0, "columns departing")
    assert good.reason == "model.width agrees with book:model.width on S, L"
    said = {
        name: f"model.width: found 7, expected {stated} (book:model.width, row 0; {width.id})"
        for name, stated in (("S", 64), ("L", 128))
    }
    assert (both.outcome, both.measured, both.unit) == (Outcome.FAIL, 2.0, "columns")
    assert both.reason == f"column S: {said['S']}"
    lines = {
        name: 1
        + (table.root / f"templates/{name.lower()}.yaml")
        .read_text()
        .split("\n")
        .index(f"  width: {stated}")
        for name, stated in (("S", 64), ("L", 128))
    }
    assert both.details == {
        "departures": [f"{name}: {text}" for name, text in said.items()],
        "places": [{"file": f"templates/{n.lower()}.yaml", "line": lines[n]} for n in said],
    }
    one = columns.judge(width, loaded, {**right, "L": wrong["L"]})
    assert (one.measured, one.reason) == (1.0, f"column L: {said['L']}")


def test_every_falsifier_is_tried_on_every_column_alone(table: MiniPack) -> None:
    loaded = table.load()
    heads = next(c for c in loaded.pack.clauses if c.field == "model.heads")
    runs = list(columns.falsify(heads, loaded, columns.templates(loaded)))
    labels = {run.label for run in runs}
    assert len(runs) == len(labels) == 2 * len(heads.falsifiers)
    assert {label[-3:] for label in labels} == {"[S]", "[L]"}
    assert {run.clause for run in runs} == {heads.id}
    assert {(run.verdict.outcome, run.verdict.measured) for run in runs} == {(Outcome.FAIL, 1.0)}


def test_the_value_of_a_fact_is_by_column_where_it_names_every_column() -> None:
    def stated(value: Any, column: str) -> Any:
        fact: Any = SimpleNamespace(value=value)
        return columns.expected_value(fact, column, ("S", "L"))

    assert stated({"S": 1, "L": 2}, "L") == 2
    assert stated({"S": 1, "L": 2, "more": 3}, "S") == 1
    assert stated({"S": 1}, "S") == {"S": 1}
    assert stated({}, "S") == {}
    assert stated(5, "L") == 5


def test_changes_are_the_stated_ones() -> None:
    wanted = [(True, False), (0, 1), (5, 10), (-3, 0), (0.25, 1.25), ("a", "not-a"),
              ([], ["one more"]), ([1, 2], [2, 2]), ({"a": 1, "b": 2}, {"a": 2, "b": 2}),
              ({}, "something"), (None, "something")]  # fmt: skip
    for value, other in wanted:
        found = changed(value)
        assert (type(found), found) == (type(other), other)


def test_config_clauses_without_columns_are_not_applicable(mini: MiniPack) -> None:
    mini.clauses = [config(field="a")]
    loaded = mini.save().load()
    verdict = columns.judge(loaded.pack.clauses[0], loaded, columns.templates(loaded))
    assert (verdict.outcome, verdict.cause) == (Outcome.NOT_APPLICABLE, Reason.NO_COLUMN)


# -- comparing values -----------------------------------------------------------------------------

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-1e30, 1e30) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(PLAIN)
def test_a_value_is_the_same_as_itself_and_never_as_its_change(value: Any) -> None:
    assert same(value, copy.deepcopy(value))
    assert not same(value, changed(value))
    assert not same(changed(value), value)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (2, 2.0, True), (True, 1, False), (0, False, False), ("1", 1, False), (None, 0, False),
        ([1, 2], [1, 2.0], True), ([1], [1, 1], False), ({"a": [True]}, {"a": [1]}, False),
        (ABSENT, None, False), (ABSENT, "absent", False), (ABSENT, "no such field", False),
    ],
)  # fmt: skip
def test_numbers_compare_as_numbers_and_truth_values_as_themselves(
    one: Any, other: Any, equal: bool
) -> None:
    assert same(one, other) is equal
    assert same(other, one) is equal


def test_a_change_is_of_the_same_type() -> None:
    for value in (3, 0, 2.5, "x", True, False, [1, 2], {"a": 1}):
        assert type(changed(value)) in (type(value), int)


def test_replacing_a_leaf_leaves_the_original_alone() -> None:
    original = {"a": {"b": 1, "c": 2}, "d": 3}
    assert replaced(original, "a.b", 9) == {"a": {"b": 9, "c": 2}, "d": 3}
    assert replaced(original, "x.y", 9)["x"] == {"y": 9}
    assert original == {"a": {"b": 1, "c": 2}, "d": 3}


# -- verify template ------------------------------------------------------------------------------


def save(path: str, **changes: Any) -> Path:
    """A user's own file: the template of column S with changes by dotted path."""
    value = template("S")
    for field, new in changes.items():
        value = replaced(value, field.replace("__", "."), new)
    file = Path(path)
    file.write_text(yaml.safe_dump(value))
    return file


def test_a_faithful_file_passes(table: MiniPack, cli: Cli) -> None:
    result = cli("template", save("mine.yaml"), "--pack", table.root)
    assert result.code == 0
    assert result.out == (
        "mine.yaml: faithful: 7/7 fields agree with column S, 0 depart, 0 declared\n"
    )


def test_each_departing_field_is_named_with_fact_locator_and_value(
    table: MiniPack, cli: Cli
) -> None:
    file = save("mine.yaml", model__width=65, train__betas=[0.9, 0.999])
    result = cli("template", file, "--pack", table.root)
    assert result.code == 1
    assert result.out.splitlines() == [
        "mine.yaml: model.width: found 65, expected 64 (book:model.width, row 0; THING-004)",
        "    remedy: Set model.width as the book says.",
        "mine.yaml: train.betas: found [0.9, 0.999], expected [0.9, 0.95] "
        "(book:train.betas, row 5; THING-005)",
        "    remedy: Set train.betas as the book says.",
        "mine.yaml: NOT faithful: 5/7 fields agree with column S, 2 depart, 0 declared",
    ]


def test_every_single_change_of_every_leaf_is_found(table: MiniPack, cli: Cli) -> None:
    for number, (path, value) in enumerate(leaves({"model": {}, **template("S")})):
        if path == "column" or path in ("model", "train"):
            continue
        file = Path(f"{number}.yaml")
        file.write_text(yaml.safe_dump(replaced(template("S"), path, changed(value))))
        result = cli("template", file, "--pack", table.root)
        assert result.code == 1, path
        assert ".".join(path.split(".")[:2]) in result.out


def test_a_declared_deviation_passes_unless_faithful_is_asked_for(
    table: MiniPack, cli: Cli
) -> None:
    deviations = [{"field": "model.width", "value": 32, "reason": "fits a laptop"}]
    file = save("mine.yaml", model__width=32, deviations=deviations)
    result = cli("template", file, "--pack", table.root)
    assert result.code == 0
    assert "declared deviation: model.width: found 32, expected 64" in result.out
    assert "mine.yaml: declared: 6/7 fields agree with column S, 0 depart, 1 declared" in result.out
    assert cli("template", file, "--faithful", "--pack", table.root).code == 1


@pytest.mark.parametrize(
    ("width", "said"),
    [(64, "the file's 64 does not depart from the column"), (48, "the file has 48")],
)
def test_a_stale_declaration_fails(table: MiniPack, cli: Cli, width: int, said: str) -> None:
    deviations = [{"field": "model.width", "value": 32}]
    file = save("mine.yaml", model__width=width, deviations=deviations)
    result = cli("template", file, "--pack", table.root)
    assert result.code == 1
    assert f"stale declaration: model.width is declared to be 32, but {said}" in result.out


def test_a_declaration_about_a_field_no_clause_covers_is_stale(table: MiniPack, cli: Cli) -> None:
    file = save("mine.yaml", deviations=[{"field": "model.colour", "value": "red"}])
    result = cli("template", file, "--pack", table.root)
    assert result.code == 1
    assert "stale declaration: model.colour" in result.out


@pytest.mark.parametrize(
    ("deviations", "place"),
    [
        ("none", "deviations: found a str"), ([1], "deviations[0]: found 1"),
        ([{"field": "a"}], "deviations[0]: found {'field': 'a'}"),
        ([{"field": 1, "value": 2}], "deviations[0]"),
        ([{"field": "a.b", "value": 1}] * 2, "found a.b declared a second time"),
    ],
)  # fmt: skip
def test_a_malformed_declaration_is_not_skipped(
    table: MiniPack, cli: Cli, deviations: Any, place: str
) -> None:
    text = yaml.safe_dump(template("S")) + yaml.safe_dump(
        {"deviations": copy.deepcopy(deviations)}, default_flow_style=True
    ).strip("{}\n").replace("&id001 ", "").replace("*id001", "{field: a.b, value: 1}")
    Path("mine.yaml").write_text(text)
    result = cli("template", "mine.yaml", "--pack", table.root)
    assert result.code == 2
    assert place in result.err


def test_the_column_may_be_chosen_and_has_to_exist(table: MiniPack, cli: Cli) -> None:
    file = save("mine.yaml")
    result = cli("template", file, "--column", "L", "--pack", table.root)
    assert result.code == 1
    assert "NOT faithful: 5/7 fields agree with column L, 2 depart" in result.out
    assert "mine.yaml: column: found 'S', expected 'L'" in result.out
    result = cli("template", file, "--column", "XXL", "--pack", table.root)
    assert result.code == 2
    assert "found the column 'XXL'; expected one of S, L" in result.err
    result = cli("template", save("none.yaml", column=[1]), "--pack", table.root)
    assert result.code == 2


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"colour": "red"}, "colour: found 'red', expected no such key"),
    "unknown key of a section": ({"model__hieght": 3}, "model.hieght: found 3, expected no such"),
    "unknown section": ({"extras__depth": 3}, "extras.depth: found 3, expected no such key"),
    "empty section": ({"extras": {}}, "extras: found {}, expected no such key"),
    "a key with a dot": ({"model\x2ewidth": 64}, "model.width: found 64, expected no such key"),
    "free": ({"fidelity": "free"}, "fidelity: found 'free', expected 'faithful'"),
    "closest without a deviation": (
        {"fidelity": "closest-feasible"}, "fidelity: found 'closest-feasible', expected 'faithful'"
    ),
    "no fidelity at all": ({"fidelity": None}, "fidelity: found None, expected 'faithful'"),
    "free with a declaration": (
        {"fidelity": "free", "model__width": 32,
         "deviations": [{"field": "model.width", "value": 32}]},
        "fidelity: found 'free', expected 'closest-feasible', as it declares deviations",
    ),
    "faithful with a declaration": (
        {"fidelity": "faithful", "model__width": 32,
         "deviations": [{"field": "model.width", "value": 32}]},
        "fidelity: found 'faithful', expected 'closest-feasible'",
    ),
    "another value where no clause looks": (
        {"mode": "other"}, "mode: found 'other', expected 'usual', as in the pack's template"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNFIT)
@pytest.mark.parametrize("option", [(), ("--faithful",), ("--column", "S")], ids=str)
def test_what_no_cited_field_shows_is_not_called_faithful(
    table: MiniPack, cli: Cli, case: str, option: tuple[str, ...]
) -> None:
    """A file that calls itself free, or says more than the column has, agreed in every field."""
    table.data("templates/s.yaml", template("S") | {"mode": "usual", "fidelity": "faithful"})
    changes, said = UNFIT[case]
    value = template("S") | {"mode": "usual", "fidelity": "faithful"}
    for field, new in changes.items():
        value = {**value, field: new} if "." in field else replaced(
            value, field.replace("__", "."), new
        )  # fmt: skip
    Path("mine.yaml").write_text(yaml.safe_dump(value))
    result = cli("template", "mine.yaml", *option, "--pack", table.root)
    assert result.code == 1
    assert f"mine.yaml: {said}" in result.out
    assert "NOT faithful" in result.out
    assert "1 beside them do not fit" in result.out


@pytest.mark.parametrize("lost", ["mode", "fidelity"])
def test_what_the_columns_template_says_beside_its_fields_may_not_be_left_out(
    table: MiniPack, cli: Cli, lost: str
) -> None:
    whole = template("S") | {"mode": "usual", "fidelity": "faithful", "name": "s"}
    table.data("templates/s.yaml", whole)
    Path("mine.yaml").write_text(yaml.safe_dump({k: v for k, v in whole.items() if k != lost}))
    result = cli("template", "mine.yaml", "--pack", table.root)
    assert result.code == 1
    assert f"mine.yaml: {lost}: found no such field" in result.out
    Path("mine.yaml").write_text(yaml.safe_dump(whole | {"name": "another"}))
    assert cli("template", "mine.yaml", "--pack", table.root).code == 0


def test_a_file_is_faithful_to_no_column_that_it_does_not_name(table: MiniPack, cli: Cli) -> None:
    value = template("S")
    del value["column"]
    Path("mine.yaml").write_text(yaml.safe_dump(value))
    result = cli("template", "mine.yaml", "--column", "S", "--pack", table.root)
    assert result.code == 1
    assert "mine.yaml: column: found no such field, expected 'S'" in result.out
    assert "NOT faithful: 7/7 fields agree with column S" in result.out


def test_a_broken_file_does_not_hide_what_is_wrong_with_the_others(
    table: MiniPack, cli: Cli
) -> None:
    Path("broken.yaml").write_text("a: on\n")
    wrong = save("wrong.yaml", model__rope=False)
    result = cli("template", "broken.yaml", "missing.yaml", wrong, "--pack", table.root)
    assert result.code == 2, "a file that cannot be read outweighs one that departs"
    assert "broken.yaml:1:4: a: found the ambiguous scalar on" in result.err
    assert "missing.yaml: found no such file" in result.err
    assert "wrong.yaml: NOT faithful" in result.out


def test_a_faithful_file_does_not_make_up_for_one_that_is_not(table: MiniPack, cli: Cli) -> None:
    wrong, right = save("wrong.yaml", model__rope=False), save("right.yaml")
    for files in ((wrong, right), (right, wrong)):
        assert cli("template", *files, "--pack", table.root).code == 1


def test_a_pack_without_config_clauses_cannot_call_anything_faithful(
    mini: MiniPack, cli: Cli
) -> None:
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write("columns: [S]\ntemplates: {S: s.yaml}\n")
    mini.write("s.yaml", "column: S\n")
    result = cli("template", mini.root / "s.yaml", "--pack", mini.root)
    assert result.code == 2
    assert "the pack has no config clauses" in result.err


@pytest.mark.parametrize(
    ("named", "paths", "found"),
    [
        (("A", "B"), {"A": "a.yaml", "B": "b.yaml"}, {"A": 1, "B": 2}),
        (("A",), {"A": "a.yaml", "B": "b.yaml"}, {"A": 1}),  # a template of no column
        (("A", "B"), {"A": "a.yaml", "B": "none.yaml"}, {"A": 1}),
        (("A", "B"), {"A": "a.yaml"}, {"A": 1}),
        ((), {}, {}),
    ],
)
def test_a_column_has_the_template_that_the_manifest_names_and_that_is_there(
    named: tuple[str, ...], paths: dict[str, str], found: dict[str, int]
) -> None:
    manifest = SimpleNamespace(columns=named, templates=paths)
    documents = {"a.yaml": SimpleNamespace(value=1), "b.yaml": SimpleNamespace(value=2)}
    loaded: Any = SimpleNamespace(pack=SimpleNamespace(manifest=manifest), documents=documents)
    assert columns.templates(loaded) == found
