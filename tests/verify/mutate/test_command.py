"""`verify mutate` on a pack of three functions: every change with its end, counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.verify.conftest import MiniPack, Result, newest, run_pack
from verify.mutate import reach

Cli = Callable[..., Result]
JUDGED = {
    "found = 0": ["found = 1"],
    "found = found + one": ["found = found - one", "pass"],
    "LIMIT = 3": ["LIMIT = 4"],
    "return LIMIT if value > LIMIT else value": ["return LIMIT if not (value > LIMIT) else value"],
    "while left > 0:": ["while left > 1:", "while not (left > 0):", "while left >= 0:"],
}
HANGS = ("left -= 1", {"left += 1", "pass"})
SURVIVES = ("return LIMIT if value > LIMIT else value", "return LIMIT if value >= LIMIT else value")
UNREACHED = {"return value / 2", "return value * 3"}


def records(reports: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((reports / "mutation").glob("2*.json"))]


def mutate(cli: Cli, pack: MiniPack, reports: Path, *more: object) -> tuple[Result, dict[str, Any]]:
    done = cli("mutate", "--pack", pack.root, "--reports", reports, "--jobs", 1, *more)
    return done, records(reports)[-1]


def test_every_change_comes_to_its_end(cli: Cli, counted: MiniPack, tmp_path: Path) -> None:
    texts = {path: path.read_bytes() for path in counted.root.rglob("*") if path.is_file()}
    done, found = mutate(cli, counted, tmp_path / "reports")
    assert done.code == 0, done.err
    judged = sum(map(len, JUDGED.values()))
    assert (found["judged"], found["crashed"]) == (judged, 2)
    missed = {one["after"]: one for one in found["missed"]}
    assert {name for name, one in missed.items() if one["fate"] == "unreached"} == UNREACHED
    survivor = missed[SURVIVES[1]]
    assert (survivor["fate"], survivor["before"]) == ("survived", SURVIVES[0])
    assert survivor["nearest"] == ["THING-002"]
    assert f"-    {SURVIVES[0]}\n+    {SURVIVES[1]}" in survivor["diff"]
    assert survivor["contracts"] == ["THING"]
    assert missed["left -= 2"]["fate"] == "survived", "two steps at once arrive there too"
    assert (found["survived"], found["unreached"]) == (2, 2)
    assert found["universe"] == judged + 2 + 2 + 2
    assert all(one["reason"].startswith("timeout") for one in found["noticed"]
               if one["fate"] == "crashed")  # fmt: skip
    assert (
        "noticed 10 of 14 (71 %, 95 % interval 45 to 88 %), 8 judged and 2 by a crash" in done.out
    )
    assert f"SURVIVED {survivor['mutant']} engine/counting.py:10 boundary" in done.out
    after = {path: path.read_bytes() for path in texts}
    assert after == texts, "a file of the pack was written to"


def test_a_sample_is_drawn_by_its_seed(cli: Cli, counted: MiniPack, tmp_path: Path) -> None:
    def drawn(seed: int, reports: str) -> list[str]:
        _, found = mutate(cli, counted, tmp_path / reports, "--sample", 4, "--seed", seed)
        assert (found["drawn"], found["seed"]) == (4, seed)
        return [one["mutant"] for one in (*found["noticed"], *found["missed"])]

    assert sorted(drawn(1, "a")) == sorted(drawn(1, "b"))
    assert sorted(drawn(2, "a")) != sorted(drawn(1, "a"))


def test_a_trial_that_ran_out_of_time_goes_on(cli: Cli, counted: MiniPack, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    done, found = mutate(cli, counted, reports, "--budget", 1e-6)
    assert done.code == 3
    assert "14 drawn were not tried" in done.out
    assert found["drawn"] == 14
    mutate(cli, counted, reports, "--sample", 3)
    (kept,) = (reports / "mutation").glob("*.jsonl")
    assert len(kept.read_text().split("\n")) == 1 + 3
    with kept.open("a") as file:
        file.write('\n{"mutant": "cut')
    done, found = mutate(cli, counted, reports)
    assert done.code == 0
    assert done.err.count("left, ") == 11, "what was tried is not tried again"
    assert "reach 1/3" not in done.err, "nor is what each clause runs found out again"
    assert found["judged"] + found["crashed"] == 10
    done, _ = mutate(cli, counted, reports)
    assert "left, " not in done.err


def test_a_changed_file_is_tried_anew(cli: Cli, counted: MiniPack, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    mutate(cli, counted, reports, "--sample", 2)
    counted.edit("contracts/bindings/counting.py", "== 3", "== 3 and counting.capped(3) == 3")
    done, _ = mutate(cli, counted, reports, "--sample", 2)
    assert done.err.count("left, ") == 2
    assert "reach 3/3" in done.err


def test_only_the_files_and_clauses_that_are_asked_for(
    cli: Cli, counted: MiniPack, tmp_path: Path
) -> None:
    counted.write("engine/other.py", "def twice(x):\n    return x * 2\n")
    _, found = mutate(cli, counted, tmp_path / "r", "THING-001", "--files", "engine/c*.py")
    assert list(found["files"]) == ["engine/counting.py"]
    assert found["judged"] == 3, "the sum's own; nobody else judges what is not asked"
    done = cli("mutate", "--pack", counted.root, "--files", "engine/x*.py")
    assert (done.code, "found none of 3 files" in done.err) == (3, True)
    some = ("--files", "engine/c*.py", "--files", "engine/none.py")
    done = cli("mutate", "--pack", counted.root, *some)
    assert (done.code, "found none of 3 files of the code by engine/none.py" in done.err) == (
        3,
        True,
    )


def test_a_change_is_tried_again_by_its_name(cli: Cli, counted: MiniPack, tmp_path: Path) -> None:
    """A survivor is judged by the clause that was written for it; a choice is no rate."""
    reports = tmp_path / "reports"
    _, found = mutate(cli, counted, reports)
    (survivor,) = (one for one in found["missed"] if one["after"] == SURVIVES[1])
    judged = next(one for one in found["noticed"] if one["clause"] == "THING-001")
    again = ("mutate", "--pack", counted.root, "--reports", reports)
    done = cli(*again, "--change", survivor["mutant"], "--change", judged["mutant"])
    assert done.code == 0
    assert f"SURVIVED {survivor['mutant']} engine/counting.py:10 boundary" in done.out
    assert f"JUDGED by THING-001 {judged['mutant']} engine/counting.py:" in done.out
    assert "    fail: the sum of three\n" in done.out
    counted.edit(
        "contracts/bindings/counting.py", "counting.capped(5) == 3",
        "counting.capped(5) == counting.capped(3.5) == 3 and type(counting.capped(3.0)) is float",
    )  # fmt: skip
    done = cli(*again, "--change", survivor["mutant"])
    assert f"JUDGED by THING-002 {survivor['mutant']}" in done.out
    assert "nearest" not in done.out
    assert len(records(reports)) == 1
    done = cli(*again, "--change", "0123456789ab")
    assert (done.code, "changes by the name 0123456789ab" in done.err) == (3, True)


def test_a_clause_that_is_not_green_judges_nothing(
    cli: Cli, counted: MiniPack, tmp_path: Path
) -> None:
    counted.edit("contracts/bindings/counting.py", "== 6", "== 7")
    _, found = mutate(cli, counted, tmp_path / "reports", "--files", "engine/*", "THING-001")
    assert found["not_green"] == ["THING-001"]
    assert found["judged"] + found["crashed"] == 0


def entry(found: dict[str, Any], **changes: str) -> dict[str, str]:
    one = next(one for one in found["missed"] if one["after"] == SURVIVES[1])
    named = {name: one[name] for name in ("mutant", "file", "before", "after")}
    return {**named, "reason": "At the limit both arms give the limit.", **changes}


def equivalents(pack: MiniPack, *entries: dict[str, str]) -> None:
    whole = {"schema": "verify/equivalents/1", "equivalents": list(entries)}
    pack.data("specs/equivalent_mutants.yaml", whole)


def test_an_equivalent_change_is_left_out_until_its_line_changes(
    cli: Cli, counted: MiniPack, tmp_path: Path
) -> None:
    _, found = mutate(cli, counted, tmp_path / "reports")
    equivalents(counted, entry(found))
    assert counted.problems() == ()
    _, again = mutate(cli, counted, tmp_path / "reports")
    assert (again["equivalent"], again["survived"], again["drawn"]) == (1, 1, 13)
    counted.edit("engine/counting.py", "\ndef capped", "\nX = None\n\ndef capped")
    assert counted.problems() == (), "it may move"
    counted.edit("engine/counting.py", "LIMIT if value > LIMIT", "LIMIT if value > LIMIT + 0")
    (problem,) = counted.problems()
    assert "which no change of engine/counting.py is called" in problem.found


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"mutant": "0" * 12}, "which no change of"), ({"file": "engine/none.py"}, "which no change"),
     ({"after": "return value"}, "other lines than"), ({"file": "../x.py"}, "which no change of")],
    ids=str,
)  # fmt: skip
def test_an_entry_that_is_about_nothing_is_refused(
    cli: Cli, counted: MiniPack, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    _, found = mutate(cli, counted, tmp_path / "reports", "--files", "engine/*", "THING-002")
    equivalents(counted, entry(found, **changes))
    assert [said in one.found for one in counted.problems()] == [True]
    equivalents(counted, entry(found), entry(found))
    assert ["a second time" in one.found for one in counted.problems()] == [True]


def test_the_report_says_the_rate_for_these_files_and_only_for_these(
    cli: Cli, counted: MiniPack, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    run = ("run", "--pack", counted.root, "--reports", reports, "--jobs", 1)
    assert "generic mutants: not measured for these files" in cli(*run).out
    mutate(cli, counted, reports)
    said = "generic mutants: 10 of 14 (71 %, 95 % interval 45 to 88 %)"
    assert said in cli(*run).out
    assert said in (newest(reports) / "report.md").read_text()
    counted.edit("engine/counting.py", "LIMIT = 3", "LIMIT = 3 + 0")
    assert "generic mutants: not measured for these files" in cli(*run).out


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"patterns"', '"pattern"'),
        ('"seed": 0', '"seed": null'),
        ('"seed": 0', '"seed": 0, "seed": 1'),
        ('"universe": ', '"universe": NaN, "was": '),
        ('"selectors": []', '"selectors": [5]'),
        ('"judged": ', '"judged": true, "was": '),
    ],
)
def test_a_record_that_says_less_than_it_should_is_none(
    cli: Cli, counted: MiniPack, tmp_path: Path, old: str, new: str
) -> None:
    """A key less ended each later run in a traceback."""
    reports = tmp_path / "reports"
    mutate(cli, counted, reports)
    (path,) = (reports / "mutation").glob("*Z-*.json")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    (reports / "mutation" / "deep.json").write_text("[" * 100_000)
    done = cli("run", "--pack", counted.root, "--reports", reports)
    assert (done.code, done.err) == (cli("run", "--pack", counted.root).code, "")
    assert "generic mutants: not measured for these files" in done.out


def test_what_every_worker_runs_itself_is_not_tried(
    cli: Cli, counted: MiniPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed text of a module that is loaded already would be compiled by nobody: a survivor."""
    from verify.commands.runs import mutate_

    real = mutate_.Finder.find

    def find(self: Any, *arguments: Any) -> reach.Reach:
        found = real(self, *arguments)
        own = frozenset({str((counted.root / "engine/counting.py").resolve())})
        return reach.Reach(found.clauses, found.libraries, own)

    monkeypatch.setattr(mutate_.Finder, "find", find)
    done, found = mutate(cli, counted, tmp_path / "reports")
    assert "not tried, for every worker runs them: engine/counting.py" in done.err
    assert found["drawn"] == 0


def test_a_bundle_is_found_beside_the_records(counted: MiniPack, tmp_path: Path) -> None:
    """The folder of records is no bundle."""
    (tmp_path / "reports/mutation").mkdir(parents=True)
    made = run_pack(counted, tmp_path / "reports")
    assert made.report.about["digests"]
