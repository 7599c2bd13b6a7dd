"""Contracts as they are written: defaults, tables, short falsifiers, and what their schema says."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest

from verify.spec.model import Clause
from verify.spec.written import ContractFile

from .conftest import MiniPack, Result, clause, config

Cli = Callable[..., Result]
CONTRACT = "contracts/thing.yaml"
HEAD = {"schema": "verify/contract/2", "contract": "THING", "title": "A thing"}
SHARED = ("kind", "check", "sources", "tolerance", "severity", "remedy")


def row(number: int, **own: Any) -> dict[str, Any]:
    return {"id": f"THING-{number:03d}", **own}


def only(whole: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: whole[key] for key in keys}


def write(mini: MiniPack, **parts: Any) -> MiniPack:
    mini.data(CONTRACT, {**HEAD, **parts})
    return mini


def clauses(mini: MiniPack) -> dict[str, Clause]:
    return {one.id: one for one in mini.load().pack.clauses}


# -- what stands for what -------------------------------------------------------------------------


def test_the_nearest_place_counts(mini: MiniPack) -> None:
    whole = clause()
    write(
        mini,
        defaults={**only(whole, *SHARED), "severity": "minor", "tags": ["far"]},
        clauses=[
            row(1, statement="One.", falsifiers=["thing.two_for_one"]),
            {
                **only(whole, "statement", "falsifiers"),
                "severity": "major",
                "tags": ["near"],
                "rows": [row(2), row(3, severity="blocker", statement="Three.")],
            },
        ],
    )
    found = clauses(mini)
    assert [one.severity for one in found.values()] == ["minor", "major", "blocker"]
    assert [one.tags for one in found.values()] == [("far",), ("near",), ("near",)]
    assert [one.statement for one in found.values()] == ["One.", "One is one.", "Three."]
    assert mini.problems() == ()


def test_nothing_is_merged(mini: MiniPack) -> None:
    """A clause's parameters take the place of the table's, and those of the defaults'."""
    shared = clause(id=None, params={"table": 1})
    table = {**shared, "rows": [row(1, params={"row": 2}), row(2)]}
    write(mini, defaults={"params": {"far": 0}}, clauses=[table])
    assert [one.params for one in clauses(mini).values()] == [{"row": 2}, {"table": 1}]


def test_a_sentence_of_a_table_names_the_parameters_of_each_row(mini: MiniPack) -> None:
    table = clause(id=None, statement="{who} is {what}.", remedy="Mend {who}; {} stays.")
    rows = [row(n, params={"who": who, "what": n}) for n, who in ((1, "one"), (2, "two"))]
    write(mini, clauses=[{**table, "rows": rows}, clause(3, statement="{who} stays.")])
    found = clauses(mini)
    assert [one.statement for one in found.values()] == ["one is 1.", "two is 2.", "{who} stays."]
    assert found["THING-002"].remedy == "Mend two; {} stays."


def test_a_sentence_that_names_no_parameter_is_refused_where_it_stands(mini: MiniPack) -> None:
    table = clause(id=None, statement="{who.__class__} and {who}.")
    write(mini, clauses=[{**table, "rows": [row(1), row(2, params={"who": 1})]}])
    (problem,) = mini.problems()
    assert (problem.path, problem.line) == ("clauses[0].statement", 5)
    assert problem.found == "{who} in statement"


def test_falsifiers_are_named_alone_or_with_arguments(mini: MiniPack) -> None:
    name = "thing.two_for_one"
    write(mini, clauses=[clause(falsifiers=[name, {name: {"by": 2}}, {name: [{"by": 3}, {}]}])])
    (found,) = clauses(mini).values()
    assert [one.label for one in found.falsifiers] == [
        name, f"{name}(by=2)", f"{name}(by=3)", name,
    ]  # fmt: skip
    (problem,) = mini.problems()
    assert (problem.path, problem.found) == ("clauses[0].falsifiers[2]", f"{name} twice")


@pytest.mark.parametrize(
    "wrong",
    [{"mutant": "a.b"}, {"mutant": "a.b", "with": {"x": 1}}, {"a.b": 1}, {"a.b": []}, {}, 5,
     {"a.b": {}, "c.d": {}}, {"a.b": [1]}, "a", {"A.b": {}}, None],
)  # fmt: skip
def test_a_falsifier_of_another_form_is_refused(mini: MiniPack, wrong: Any) -> None:
    write(mini, clauses=[clause(falsifiers=["thing.two_for_one", wrong])])
    (problem,) = mini.problems()
    assert problem.path.startswith("clauses[0].falsifiers")
    assert problem.line > 1


def test_a_config_clause_cites_its_fact_and_is_changed_and_planted(mini: MiniPack) -> None:
    write(mini, clauses=[config(also=["talk:thing.one"], planted=[2, None])])
    (found,) = clauses(mini).values()
    assert (found.kind, found.check) == ("config", None)
    assert found.sources == ("book:thing.one", "talk:thing.one")
    assert [one.label for one in found.falsifiers] == [
        "config.changed", "config.value(value=2)", "config.value(value=None)",
    ]  # fmt: skip


def test_defaults_of_checks_are_none_of_a_config_clauses_business(mini: MiniPack) -> None:
    whole = clause()
    defaults = {**only(whole, *SHARED), "params": {"a": 1}}
    bare = config(tolerance=None, severity=None, remedy=None)
    write(mini, defaults=defaults, clauses=[bare])
    (found,) = clauses(mini).values()
    assert (found.kind, found.params, found.severity) == ("config", {}, whole["severity"])


def test_version_1_is_told_how_to_become_2(mini: MiniPack, cli: Cli) -> None:
    mini.edit(CONTRACT, "verify/contract/2", "verify/contract/1")
    result = cli("lint", "--pack", mini.root)
    assert result.code == 2
    assert f"{CONTRACT}:1:9: schema: found verify/contract/1; expected verify/contract/2" in (
        result.err
    )
    for part in ("`- a.b`", "`- {a.b: {x: 1}}`", "`planted`", "`also`"):
        assert part in result.err


def test_explain_says_where_each_part_came_from(mini: MiniPack, cli: Cli) -> None:
    whole = clause(id=None, severity=None, remedy=None)
    write(
        mini,
        defaults={"severity": "minor", "remedy": "Count again."},
        clauses=[{**whole, "rows": [row(1, budget={"seconds": 5.0})]}],
    )
    lines = cli("explain", "THING-001", "--pack", mini.root).out.splitlines()
    at = lines.index(f"stands in   {CONTRACT}:20")
    assert lines[at + 1 : at + 8] == [
        "  from      defaults, line 5: severity",
        "  from      defaults, line 6: remedy",
        "  from      its table, line 8: statement",
        "  from      its table, line 9: kind",
        "  from      its table, line 10: check",
        "  from      its table, line 11: sources",
        "  from      its table, line 13: tolerance",
    ]
    assert "kind        golden, minor, required" in lines
    assert "remedy      Count again." in lines


# -- the schema says what lint says ---------------------------------------------------------------


def inheriting() -> dict[str, Any]:
    """A contract in which every place gives something."""
    whole = clause()
    return {
        **HEAD,
        "defaults": only(whole, "severity", "remedy"),
        "clauses": [
            clause(1),
            {**only(whole, "kind", "check", "sources", "tolerance", "statement", "falsifiers"),
             "rows": [row(2), row(3, severity="minor", kind="metric", axis="proxy")]},
            config(4, severity=None, remedy=None),
            {"tolerance": whole["tolerance"],
             "rows": [config(5, tolerance=None, planted=[2], also=["talk:thing.one"])]},
        ],
    }  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """Every mapping of a contract that gives keys of clauses."""
    yield ("defaults",)
    for number, entry in enumerate(value["clauses"]):
        yield ("clauses", number)
        for at in range(len(entry.get("rows", ()))):
            yield ("clauses", number, "rows", at)


ADDED: dict[str, Any] = {
    **{key: value for key, value in clause().items() if key != "id"},
    "kind": "metric", "axis": "proxy", "field": "one", "fact": "book:thing.one",
    "also": ["talk:thing.one"], "planted": [1], "params": {"a": 1}, "tags": ["x"], "odd": 1,
}  # fmt: skip
WRONG: dict[str, Any] = {
    "kind": "config", "axis": "external", "severity": "huge", "falsifiers": [{"mutant": "a.b"}],
    "sources": [], "tolerance": {"value": 1, "exact": True, "basis": "b"}, "remedy": None,
    "check": "one", "required": "true", "weight": 0, "tags": "x", "budget": {"seconds": 0},
}  # fmt: skip


def variants() -> Iterator[tuple[str, dict[str, Any]]]:
    """The contract with one key removed, added or spoiled at one place."""
    whole = inheriting()
    for path in places(whole):
        node: Any = whole
        for part in path:
            node = node[part]
        changes: list[tuple[str, Any]] = [(f"-{key}", (key, None)) for key in node]
        changes += [(f"+{key}", (key, value)) for key, value in ADDED.items() if key not in node]
        changes += [(f"!{key}", (key, value)) for key, value in WRONG.items()]
        for name, (key, value) in changes:
            spoiled = copy.deepcopy(whole)
            target: Any = spoiled
            for part in path:
                target = target[part]
            if name.startswith("-"):
                del target[key]
            else:
                target[key] = value
            yield f"{'.'.join(map(str, path))} {name}", spoiled


VARIANTS = dict(variants())
SCHEMA = ContractFile.model_json_schema(by_alias=True)


def test_the_whole_contract_is_sound_by_both(mini: MiniPack) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    mini.data(CONTRACT, inheriting())
    assert [str(one) for one in mini.problems()] == [
        f"{CONTRACT}: clauses[{n}].{key}: found the fact talk:thing.one; expected a fact of "
        "specs/facts; remedy: add the fact or correct the id"
        for n, key in ()
    ] or all("talk:thing.one" in one.found for one in mini.problems())
    jsonschema.validate(inheriting(), SCHEMA)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_schema_refuses_what_lint_refuses_and_nothing_else(mini: MiniPack, name: str) -> None:
    value = VARIANTS[name]
    mini.data(CONTRACT, value)
    shape = [one for one in mini.problems() if "talk:thing.one" not in one.found]
    refused = not jsonschema.Draft202012Validator(SCHEMA).is_valid(value)
    assert refused == bool(shape), [str(one) for one in shape]


def test_every_key_of_a_contract_is_described() -> None:
    nodes = [SCHEMA, *SCHEMA["$defs"].values()]
    known = {
        (node.get("title"), key): value
        for node in nodes
        for key, value in node.get("properties", {}).items()
        if "title" in node
    }
    assert len(known) > 40
    bare = [name for name, value in known.items() if not value.get("description")]
    assert bare == []


def test_the_schema_is_json_without_null_defaults() -> None:
    text = json.dumps(SCHEMA)
    assert '"default": null' not in text


# -- sentences that can be read alone -------------------------------------------------------------

LEANING = {
    "statement": [
        "With patches of 4 x 4 pixels, likewise.", "As in THING-002.", "The same as THING-002.",
        "What THING-002 says, for two.", "Ditto, for two.", "It holds as before.",
    ],
    "basis": [
        "as in THING-002", "as for THING-002; a hundred times", "otherwise as THING-002",
        "cf. THING-002", "the same as above", "measured in notes/method.md", "see method section 4",
        "Section 3 says so", "ibid.", "as described in sec. 2 of the supplement",
    ],
    "unit": ["likewise"],
    "remedy": [
        "See A.3.", "See DEC-0114.", "As in ResNet-34.", "See THING-002.", "cf. Table 8",
        "Compare it with method.md section 4.", "Do as THING-002 does.", "Put it so likewise.",
        "Look into thing.py.", "Read the chapter 4 of the manual.", "Compare golden/none.json.",
    ],
}  # fmt: skip


def spoken(mini: MiniPack, key: str, text: str) -> list[tuple[str, str]]:
    inner = key in ("basis", "unit")
    own = {**clause()["tolerance"], key: text} if inner else text
    mini.clauses = [clause(1, **{"tolerance" if inner else key: own}), clause(2)]
    return [(one.path, one.found) for one in mini.save().problems()]


@pytest.mark.parametrize(("key", "text"), [(k, t) for k, texts in LEANING.items() for t in texts])
def test_a_sentence_that_leans_on_another_place_is_refused(
    mini: MiniPack, key: str, text: str
) -> None:
    found = spoken(mini, key, text)
    assert found
    wanted = f"clauses[0].{'tolerance.' if key in ('basis', 'unit') else ''}{key}"
    assert {path for path, _ in found} == {wanted}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("remedy", "Mend THING-002 first."), ("remedy", "See that both directions agree."),
        ("remedy", "Compare specs/facts/thing.yaml with the book."), ("basis", "book section 4"),
        ("remedy", "Write the new header, compare both data sections, then replace."),
        ("statement", "The share below 0.5 is at most that of the book."),
        ("statement", "A UTF-8 text is read as ISO-8859-1."), ("unit", "relative, or absolute"),
        ("remedy", "Set it to 4.0e-3, as in the book."), ("basis", "two in 1.0e-7, see the trace"),
    ],
)  # fmt: skip
def test_a_sentence_that_says_it_all_is_not(mini: MiniPack, key: str, text: str) -> None:
    assert spoken(mini, key, text) == []
