"""Each lint rule is red on its own minimal defect, and says where it is."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from verify.spec import lint as lint_module
from verify.spec.lint import RULES

from .conftest import MiniPack, Result, claim, clause, config, decision

CONTRACT = "contracts/thing.yaml"
CLAIMS = "contracts/claims.yaml"
FACTS = "specs/facts/thing.yaml"
RECORD = "specs/decisions/DEC-0001.md"

Seen = list[tuple[str, str, str]]


def seen(pack: MiniPack) -> Seen:
    """Every problem as file, path and what was found."""
    return [(problem.file, problem.path, problem.found) for problem in pack.problems()]


def test_a_sound_pack_has_no_problems(mini: MiniPack, scaffold: MiniPack) -> None:
    assert seen(mini) == []
    assert seen(scaffold) == []


def test_lint_says_what_the_pack_holds(mini: MiniPack, cli: Callable[..., Result]) -> None:
    result = cli("lint", "--pack", mini.root)
    assert result.code == 0
    assert result.out == (
        f"sound: pack mini ({mini.root}): 1 clauses in 1 contracts, "
        "1 facts, 0 conflicts, 0 decisions, 1 claims\n"
    )


# -- clauses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "path", "found"),
    [
        ({"sources": ["book:thing.two"]}, "sources[0]", "the fact book:thing.two"),
        ({"sources": ["talk:thing.one"]}, "sources[0]", "the fact talk:thing.one"),
        ({"sources": ["book:thing.one"] * 2}, "sources[1]", "book:thing.one twice"),
        ({"check": "thing.none"}, "check", "the check thing.none"),
        ({"id": "OTHER-001"}, "id", "OTHER-001"),
        ({"falsifiers": ["thing.none"]}, "falsifiers[0]", "the mutant thing.none"),
        ({"falsifiers": ["thing.one"]}, "falsifiers[0]", "the mutant thing.one"),
        ({"falsifiers": ["config.changed"]}, "falsifiers[0]", "config.changed"),
    ],
)  # fmt: skip
def test_a_clause_that_refers_to_nothing(
    mini: MiniPack, changes: dict[str, object], path: str, found: str
) -> None:
    mini.clauses = [clause(**changes)]
    mini.claims = [claim(clauses=["*"])]
    assert seen(mini.save()) == [(CONTRACT, f"clauses[0].{path}", found)]


def test_a_falsifier_twice_is_reported_where_it_stands_again(mini: MiniPack) -> None:
    mini.clauses = [clause(falsifiers=["thing.two_for_one"] * 2)]
    found = "thing.two_for_one twice"
    assert seen(mini.save()) == [
        (CONTRACT, "clauses[0].falsifiers[1]", found),
    ]


def test_the_same_mutant_with_other_arguments_is_another_falsifier(mini: MiniPack) -> None:
    mutant = "thing.two_for_one"
    mini.clauses = [clause(falsifiers=[mutant, {mutant: {"by": 3}}])]
    assert seen(mini.save()) == []


def test_ids_that_are_taken_are_reported_where_they_are_taken_again(mini: MiniPack) -> None:
    mini.clauses = [clause(1), clause(2), clause(1)]
    mini.claims = [claim(), claim()]
    assert seen(mini.save()) == [
        (CLAIMS, "CLAIM-THING", "the claim CLAIM-THING a second time"),
        (CONTRACT, "THING-001", "the clause THING-001 a second time"),
    ]
    assert all(problem.line > 1 for problem in mini.problems())


def test_a_contract_id_in_two_files(mini: MiniPack) -> None:
    text = (mini.root / CONTRACT).read_text().replace("THING-001", "THING-002")
    mini.write("contracts/zebra.yaml", text)
    ((file, _, found),) = seen(mini)
    assert (file, found) == ("contracts/zebra.yaml", "the contract THING a second time")


def test_a_waiver_of_nothing_and_a_waiver_twice(mini: MiniPack) -> None:
    entry = {"owner": "o", "reason": "r", "expires": "2030-01-01"}
    waivers = [{"clause": f"THING-00{n}", **entry} for n in (1, 9, 1)]
    mini.data("contracts/waivers.yaml", {"schema": "verify/waivers/1", "waivers": waivers})
    assert seen(mini) == [
        ("contracts/waivers.yaml", "waivers[1].clause", "the clause THING-009"),
        ("contracts/waivers.yaml", "THING-001", "the waiver of THING-001 a second time"),
    ]


def test_a_waiver_until_a_day_that_does_not_exist(mini: MiniPack) -> None:
    waiver = {"clause": "THING-001", "owner": "o", "reason": "r", "expires": "2030-02-30"}
    mini.data("contracts/waivers.yaml", {"schema": "verify/waivers/1", "waivers": [waiver]})
    (problem,) = mini.problems()
    assert problem.path == "waivers[0].expires"
    assert "day is out of range" in problem.expected


# -- config clauses -------------------------------------------------------------------------------


@pytest.fixture
def columns(mini: MiniPack) -> MiniPack:
    """The mini pack with two columns and a config clause."""
    manifest = "columns: [A, B]\ntemplates: {A: a.yaml, B: b.yaml}\n"
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write(manifest)
    mini.write("a.yaml", "one: 1.0\n")
    mini.write("b.yaml", "one: 1.0\n")
    mini.clauses = [config()]
    return mini.save()


def test_a_sound_config_clause(columns: MiniPack) -> None:
    assert seen(columns) == []


@pytest.mark.parametrize(
    ("changes", "path", "found"),
    [
        ({"fact": "book:thing.mention"}, "fact", "book:thing.mention, which states no value"),
        ({"fact": "book:thing.none"}, "fact", "the fact book:thing.none"),
        ({"also": ["book:thing.none"]}, "also[0]", "the fact book:thing.none"),
        ({"also": ["book:thing.free", "book:thing.one"]}, "also[1]", "book:thing.one twice"),
        ({"planted": [2, 3, 2]}, "planted[2]", "config.value(value=2) twice"),
    ],
)  # fmt: skip
def test_a_config_clause_that_cannot_be_judged(
    columns: MiniPack, changes: dict[str, object], path: str, found: str
) -> None:
    with (columns.root / FACTS).open("a") as file:
        file.write("  thing.free: {title: f, facts: {book: {value: 2, at: p}}}\n")
        file.write("  thing.mention: {title: f, facts: {book: {value: null, at: p, says: s}}}\n")
    columns.clauses = [config(**changes)]
    assert seen(columns.save()) == [(CONTRACT, f"clauses[0].{path}", found)]


def test_a_fact_that_leaves_a_column_out(columns: MiniPack) -> None:
    columns.edit(FACTS, "value: 1.0", "value: {A: 1.0}")
    path = "topics.thing.one.facts.book.value"
    assert seen(columns) == [(FACTS, path, "no value for B")]


def test_a_fact_by_column_that_no_template_is_held_against_may_be_incomplete(
    columns: MiniPack,
) -> None:
    with (columns.root / FACTS).open("a") as file:
        file.write("  thing.free: {title: f, facts: {book: {value: {A: 2}, at: p}}}\n")
    assert seen(columns) == []


def test_a_column_without_template_and_a_template_without_column(columns: MiniPack) -> None:
    columns.edit("contracts/pack.yaml", "B: b.yaml", "C: b.yaml")
    assert seen(columns) == [
        ("contracts/pack.yaml", "templates", "no template for B"),
        ("contracts/pack.yaml", "templates.C", "the column C"),
    ]


def test_a_template_that_is_no_mapping(columns: MiniPack) -> None:
    columns.write("b.yaml", "[1, 2]\n")
    assert seen(columns) == [("b.yaml", "", "a list")]


# -- facts and conflicts --------------------------------------------------------------------------


def test_a_fact_of_an_unknown_authority(mini: MiniPack) -> None:
    mini.edit(FACTS, "book:", "boook:")
    mini.clauses = [clause(sources=["boook:thing.one"])]
    assert seen(mini.save()) == [(FACTS, "topics.thing.one.facts.boook", "the authority boook")]


def test_a_fact_that_states_nothing(mini: MiniPack) -> None:
    mini.edit(FACTS, "value: 1.0", "value: null")
    assert seen(mini)[0] == (FACTS, "topics.thing.one.facts.book", "neither value nor says")


def test_a_topic_in_two_files(mini: MiniPack) -> None:
    mini.write("specs/facts/zebra.yaml", (mini.root / FACTS).read_text())
    ((file, path, found),) = seen(mini)
    assert (file, path) == ("specs/facts/zebra.yaml", "topics.thing.one")
    assert found == "the topic thing.one a second time"


def disagree(pack: MiniPack, authority: str = "talk") -> None:
    """A second authority states another value."""
    with (pack.root / FACTS).open("a") as file:
        file.write(f"      {authority}: {{value: 2.0, at: minute 3}}\n")


def declare(pack: MiniPack, **changes: object) -> None:
    """A conflict with its decision; changes go to the conflict."""
    conflict = {
        "id": "CONF-001", "topic": "thing.one", "kind": "contradiction",
        "between": ["book", "talk"], "decision": "DEC-0001", "affects": ["CLAIM-THING"],
        "summary": "One or two.", **changes,
    }  # fmt: skip
    pack.data("specs/conflicts.yaml", {"schema": "verify/conflicts/1", "conflicts": [conflict]})
    pack.write(RECORD, decision(conflicts=["CONF-001"]))


def test_two_sources_that_differ_without_a_declared_conflict(mini: MiniPack) -> None:
    disagree(mini)
    (problem,) = mini.problems()
    assert (problem.file, problem.path) == (FACTS, "topics.thing.one")
    assert problem.found == "book says 1.0, talk says 2.0"
    assert "specs/conflicts.yaml" in problem.remedy


def test_a_cautionary_authority_is_expected_to_differ(mini: MiniPack) -> None:
    disagree(mini, "blog")
    assert seen(mini) == []


def test_a_declared_and_decided_conflict_is_sound(mini: MiniPack) -> None:
    disagree(mini)
    declare(mini)
    assert seen(mini) == []


def test_a_contradiction_that_has_vanished(mini: MiniPack) -> None:
    declare(mini)
    ((_, path, found),) = seen(mini)
    assert path == "conflicts[0]"
    assert found == "CONF-001: no two sources differ on thing.one"
    declare(mini, kind="silence")
    assert seen(mini) == [], "one of them is silent: that is no contradiction"


def test_authorities_conflicts_and_disputed_topics_are_named_once(mini: MiniPack) -> None:
    disagree(mini)
    declare(mini)
    path = mini.root / "specs/conflicts.yaml"
    entry = path.read_text().partition("conflicts:\n")[2]
    path.write_text(path.read_text() + entry)
    book = "- id: book\n  title: b\n  identifier: '1'\n  role: source\n  licence: public\n"
    with (mini.root / "specs/authorities.yaml").open("a") as file:
        file.write(book)
    assert [(p.file, p.path, p.found) for p in mini.problems()] == [
        ("specs/authorities.yaml", "book", "the authority book a second time"),
        ("specs/conflicts.yaml", "CONF-001", "the conflict CONF-001 a second time"),
        ("specs/conflicts.yaml", "thing.one", "the conflict on thing.one a second time"),
    ]


@pytest.mark.parametrize(
    ("changes", "path", "found"),
    [
        ({"decision": "DEC-0404"}, "decision", "the decision DEC-0404"),
        ({"affects": ["CLAIM-NONE"]}, "affects[0]", "the claim CLAIM-NONE"),
        ({"between": ["book", "nobody"]}, "between[1]", "the authority nobody"),
        ({"topic": "thing.none"}, "topic", "the topic thing.none"),
    ],
)  # fmt: skip
def test_a_conflict_that_refers_to_nothing(
    mini: MiniPack, changes: dict[str, object], path: str, found: str
) -> None:
    disagree(mini)
    declare(mini, **changes)
    assert ("specs/conflicts.yaml", f"conflicts[0].{path}", found) in seen(mini)


def test_a_decision_that_does_not_name_its_conflict(mini: MiniPack) -> None:
    disagree(mini)
    declare(mini)
    mini.write(RECORD, decision())
    ((_, path, found),) = seen(mini)
    assert (path, found) == ("conflicts[0].decision", "DEC-0001, which does not list CONF-001")


@pytest.mark.parametrize(
    ("path", "found"),
    [("source", "source, which is missing"), ("../other", "../other, which leaves the pack")],
)
def test_a_manifest_that_names_code_which_is_not_there(
    mini: MiniPack, path: str, found: str
) -> None:
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write(f"code: ['{path}']\n")
    assert seen(mini) == [("contracts/pack.yaml", "code[0]", found)]


def test_a_second_manifest(mini: MiniPack) -> None:
    mini.write("contracts/zebra.yaml", (mini.root / "contracts/pack.yaml").read_text())
    found = "a second file with schema verify/pack/1"
    assert seen(mini) == [("contracts/zebra.yaml", "", found)]


def test_every_rule_is_in_the_list() -> None:
    """A rule that nobody calls would be green for ever."""
    modules = (
        lint_module.clauses,
        lint_module.facts,
        lint_module.claims,
        lint_module.rules_guard,
        lint_module.rules_promotion,
        lint_module.code,
        lint_module.texts,
        lint_module.outline,
        lint_module.rules_attest,
        lint_module.rules_release,
        lint_module.equivalents,
        lint_module.hunt,
    )
    written = {
        f"{module.__name__}.{name}"
        for module in modules
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__
        and not name.startswith("_")
        and value.__annotations__.get("loaded") == "LoadedPack"
        and value.__annotations__.get("return") == "Iterator[Problem]"
    }
    assert {f"{rule.__module__}.{rule.__name__}" for rule in RULES} == written


# -- code -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "listed", "missing"),
    [
        ("import engine", [], "engine"),
        ("from engine.parts import thing", [], "engine"),
        ("import os, engine as e", [], "engine"),
        ("    from engine import thing", [], "engine"),
        ("import single", ["engine"], "single.py"),
        ("import engine", ["engine"], None),
        ("import engine", ["engine/parts.py"], "engine"),
        ("import json, os.path", [], None),
        ("from . import thing", [], None),
    ],
)
def test_code_beside_the_pack_that_its_checks_import_is_listed(
    mini: MiniPack, line: str, listed: list[str], missing: str | None
) -> None:
    """`code: []` would leave earlier evidence standing whatever happens to the engine."""
    mini.write("engine/__init__.py", "")
    mini.write("engine/parts.py", "")
    mini.write("single.py", "")
    mini.write("contracts/bindings/more.py", f"def late() -> None:\n    pass\n\n\n{line}\n")
    manifest = (mini.root / "contracts/pack.yaml").read_text()
    mini.write("contracts/pack.yaml", manifest + f"code: {json.dumps(listed)}\n")
    found = [problem for problem in mini.problems() if problem.path == "code"]
    assert [one.expected for one in found] == (
        [f"{missing}, which contracts/bindings/more.py imports"] if missing else []
    )
