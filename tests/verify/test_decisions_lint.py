"""`verify decisions`: a log of records is held to its own rules, ours and anybody's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.problems import UsageError
from verify.spec.decision_log import read_log
from verify.spec.lint import lint
from verify.spec.rules import decisions as decision_rules
from verify.spec.rules.decisions import RULES, lint_log

from .conftest import MiniPack, Result, decision

Cli = Callable[..., Result]
FOLDER = "specs/decisions"
FLOOR = {"steps": 300, "samples": 5000, "seeds": 3}


def put(pack: MiniPack, name: str = "DEC-0001", text: str = "", **front: object) -> None:
    """A record; `text` goes below its last heading."""
    pack.write(f"{FOLDER}/{name}.md", decision(name, **front) + text)


def said(pack: MiniPack) -> list[tuple[str, int, str, str]]:
    """Every problem as file's name, line, path and what was found."""
    problems = lint_log(read_log(pack.root))
    return [(Path(p.file).name, p.line, p.path, p.found) for p in problems]


def test_a_sound_log_is_counted(mini: MiniPack, cli: Cli) -> None:
    put(mini, status="superseded", superseded_by="DEC-0002")
    put(mini, "DEC-0002", "Replaces DEC-0001.\n", evidence=["THING-*"], category="AUTHOR-CODE")
    put(mini, "DEC-0003", status="deferred", caps=["CLAIM-THING"], impact="Nothing is said.")
    result = cli("decisions", "lint", "--pack", mini.root)
    assert (result.code, result.err) == (0, "")
    assert result.out == "sound: 3 decision records: 1 accepted, 1 superseded, 1 deferred\n"


# -- each rule on its own defect ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("front", "line", "path", "found"),
    [
        ({"governs": ["CLAIM-NONE"]}, 6, "governs", "CLAIM-NONE"),
        ({"caps": ["CLAIM-NONE"]}, 6, "caps", "CLAIM-NONE"),
        ({"conflicts": ["CONF-009"]}, 6, "conflicts", "CONF-009"),
        ({"evidence": ["THING-9*"]}, 6, "evidence", "THING-9*"),
        ({"evidence": ["../outside"]}, 6, "evidence", "../outside"),
        ({"evidence": ["."]}, 6, "evidence", "."),
        ({"status": "closed", "evidence": ["THING-404"]}, 6, "evidence", "THING-404"),
        ({"status": "closed"}, 2, "evidence", "nothing"),
        ({"status": "superseded"}, 2, "superseded_by", "no successor"),
        ({"status": "superseded", "superseded_by": "DEC-0009"}, 6, "superseded_by", "DEC-0009"),
        ({"superseded_by": "DEC-0002"}, 6, "superseded_by", "DEC-0002 with the status accepted"),
        ({"status": "deferred", "impact": "i"}, 2, "caps", "nothing"),
        ({"status": "deferred", "caps": ["CLAIM-THING"]}, 2, "impact", "nothing"),
        ({"promotes": "a width"}, 6, "promotes", "no horizon"),
        ({"promotes": "a width", "horizon": FLOOR}, 6, "promotes", "no measurement"),
        ({"measured": {"steps": 9}}, 6, "measured", "no horizon"),
        ({"category": "RUMOUR"}, 6, "category", '"RUMOUR"'),
        ({"status": "certain"}, 4, "status", '"certain"'),
        ({"date": "2026-02-30"}, 5, "date", '"2026-02-30"'),
        ({"horizon": {"steps": 0}}, 7, "horizon.steps", "0"),
        ({"owner": "somebody"}, 6, "owner", "the unknown key owner"),
    ],
)  # fmt: skip
def test_a_record_that_breaks_one_rule(
    mini: MiniPack, front: dict[str, object], line: int, path: str, found: str
) -> None:
    put(mini, **front)
    put(mini, "DEC-0002")
    assert said(mini) == [("DEC-0001.md", line, path, found)]


@pytest.mark.parametrize("field", ["id", "title", "status", "date"])
def test_a_field_that_every_record_has(mini: MiniPack, field: str) -> None:
    put(mini)
    mini.edit(f"{FOLDER}/DEC-0001.md", f"\n{field}:", "\ntitel:" if field == "title" else "\nx:")
    found = {(path, text) for _, _, path, text in said(mini)}
    assert (field, f"no {field}") in found
    assert len(found) == 2, "besides the key that stands in its place"


@pytest.mark.parametrize(
    ("old", "new", "line", "found"),
    [
        ("## Options\n\nText.\n\n", "", 12, "no section"),
        ("## Follow-up\n\nText.\n", "", 32, "no section"),
        ("## Options\n", "## Options\n\nx\n\n## Options\n", 16, "more than one section"),
        ("## Options\n", "## Extra\n\nx\n\n## Options\n", 12, "another section"),
        ("## Options\n\nText.\n", "## Options\n", 12, "an empty section"),
    ],
)  # fmt: skip
def test_sections_are_told_with_their_line(
    mini: MiniPack, old: str, new: str, line: int, found: str
) -> None:
    text = decision()
    assert old in text
    mini.write(f"{FOLDER}/DEC-0001.md", text.replace(old, new))
    ((_, where, _, what),) = said(mini)
    assert (where, what) == (line, found)


def test_a_heading_inside_a_code_block_is_no_section(mini: MiniPack) -> None:
    put(mini, text="\n```\n## Options\n```\n")
    assert said(mini) == []


def test_a_successor_older_than_what_it_replaces(mini: MiniPack) -> None:
    put(mini, status="superseded", superseded_by="DEC-0002", date="2026-03-01")
    put(mini, "DEC-0002", date="2026-02-01")
    found = "2026-02-01, before DEC-0001, which it replaces"
    assert said(mini) == [("DEC-0002.md", 5, "date", found)]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_circle_of_successors_is_told_once(mini: MiniPack, length: int) -> None:
    names = [f"DEC-{number:04d}" for number in range(1, length + 1)]
    for name, after in zip(names, [*names[1:], names[0]], strict=True):
        put(mini, name, status="superseded", superseded_by=after)
    put(mini, "DEC-0009", status="superseded", superseded_by="DEC-0001")
    (problem,) = said(mini)
    assert problem == ("DEC-0001.md", 6, "superseded_by", " -> ".join([*names, names[0]]))


def test_a_reference_to_nothing_and_to_the_future(mini: MiniPack) -> None:
    put(mini, text="\nAs DEC-0404 and DEC-0003 say.\n", date="2026-02-01",
        status="superseded", superseded_by="DEC-0002")  # fmt: skip
    put(mini, "DEC-0002", "\nBefore it, DEC-0001.\n", date="2026-03-01")
    put(mini, "DEC-0003", date="2026-03-01")
    assert said(mini) == [
        ("DEC-0001.md", 37, "DEC-0003", "a reference to DEC-0003 of 2026-03-01"),
        ("DEC-0001.md", 37, "DEC-0404", "a reference to DEC-0404"),
    ]


def test_a_record_may_name_its_own_successors(mini: MiniPack) -> None:
    put(mini, text="\nSee DEC-0002, then DEC-0003.\n", date="2026-01-01",
        status="superseded", superseded_by="DEC-0002")  # fmt: skip
    put(mini, "DEC-0002", date="2026-02-01", status="superseded", superseded_by="DEC-0003")
    put(mini, "DEC-0003", date="2026-03-01")
    assert said(mini) == []


@pytest.mark.parametrize(
    ("status", "measured", "found"),
    [
        ("accepted", {"steps": 30, "samples": 1000},
         ["samples 1000", "seeds not stated", "steps 30"]),
        ("accepted", {"steps": 100, "samples": 5000, "seeds": 3}, ["steps 100"]),
        ("closed", {"steps": 299, "samples": 5000, "seeds": 3}, ["steps 299"]),
        ("accepted", {"steps": 300, "samples": 5000, "seeds": 3, "hosts": 1}, []),
        ("proposed", {"steps": 30, "samples": 1000}, []),
        ("superseded", {"steps": 30, "samples": 1000}, []),
    ],
)  # fmt: skip
def test_a_default_needs_its_horizon_once_it_is_in_force(
    mini: MiniPack, status: str, measured: dict[str, int], found: list[str]
) -> None:
    """The story of width 96: best after 30 steps on 1,000 samples, worst after 100 on 5,000."""
    after = {"superseded_by": "DEC-0002"} if status == "superseded" else {}
    put(mini, status=status, promotes="width 96", horizon=FLOOR, measured=measured,
        evidence=["THING-*"], **after)  # fmt: skip
    put(mini, "DEC-0002")
    assert [what for _, _, _, what in said(mini)] == found


def test_every_rule_is_in_the_list() -> None:
    written = {
        name
        for name, value in vars(decision_rules).items()
        if getattr(value, "__module__", "") == decision_rules.__name__
        and getattr(value, "__annotations__", {}).get("log") == "Log"
        and getattr(value, "__annotations__", {}).get("return") == "Iterator[Problem]"
    }
    assert {rule.__name__ for rule in RULES} == written


# -- the command ----------------------------------------------------------------------------------


def test_all_defects_of_all_records_come_in_one_go(mini: MiniPack, cli: Cli) -> None:
    """A record with a broken field still takes part with the others."""
    put(mini, status="sure", governs=["CLAIM-NONE"], text="\nSee DEC-0404.\n")
    put(mini, "DEC-0002", status="deferred", caps=["CLAIM-THING"])
    mini.edit(f"{FOLDER}/DEC-0002.md", "## Options\n\nText.\n\n", "")
    mini.write(f"{FOLDER}/DEC-0003.md", "nothing of the kind\n")
    put(mini, "DEC-0004", status="superseded", superseded_by="DEC-0001")
    result = cli("decisions", "lint", "--pack", mini.root)
    assert result.code == 2
    *lines, count = result.err.removeprefix("verify: ").strip().splitlines()
    assert [line.split(" found ")[0].removeprefix(f"{FOLDER}/") for line in lines] == [
        "DEC-0001.md:4:9: status:",
        "DEC-0001.md:6:1: governs:",
        "DEC-0001.md:38: DEC-0404:",
        "DEC-0002.md:2:1: impact:",
        "DEC-0002.md:14: Options:",
        "DEC-0003.md:1:1:",
    ], "and DEC-0004 is sound: its successor exists, whatever else is wrong with it"
    assert count == "6 problems; nothing was run"
    assert all("; expected " in line for line in lines)


def test_ids_against_dates_are_a_note_and_no_defect(mini: MiniPack, cli: Cli) -> None:
    put(mini, date="2026-02-10")
    put(mini, "DEC-0002", date="2026-02-09")
    result = cli("decisions", "lint", "--pack", mini.root)
    assert result.code == 0
    assert result.out.splitlines()[0] == (
        "note: DEC-0002 of 2026-02-09 is older than DEC-0001 of 2026-02-10: ids do not follow the "
        "dates"
    )


def test_a_successor_that_is_not_in_force_is_a_note(mini: MiniPack, cli: Cli) -> None:
    put(mini, status="superseded", superseded_by="DEC-0002")
    put(mini, "DEC-0002", status="proposed")
    result = cli("decisions", "lint", "--pack", mini.root)
    assert result.code == 0
    assert "note: DEC-0001 is replaced by DEC-0002, which is proposed\n" in result.out


def test_a_log_of_nothing_is_not_sound(mini: MiniPack, cli: Cli) -> None:
    result = cli("decisions", "lint", "--pack", mini.root)
    assert result.code == 2
    assert "found no records; expected DEC-NNNN.md files" in result.err
    assert cli("decisions", "lint", "--pack", mini.root / "nowhere").code == 2


def test_a_broken_contract_is_said_and_no_reference_is_blamed_for_it(mini: MiniPack) -> None:
    put(mini, evidence=["THING-001"], governs=["CLAIM-THING"])
    mini.edit("contracts/thing.yaml", "severity: major", "severity: major\n  severity: minor")
    ((name, _, _, found),) = said(mini)
    assert (name, found) == ("thing.yaml", "the key 'severity' a second time")


def test_both_lints_agree_on_what_they_share(mini: MiniPack) -> None:
    put(mini, governs=["CLAIM-NONE"], evidence=["THING-9*"], status="superseded")
    shared = {(p.file, p.path, p.found, p.expected) for p in lint(mini.load())}
    log = read_log(mini.root)
    assert {(p.file, p.path, p.found, p.expected) for p in lint_log(log)} == shared
    assert len(shared) == 3


def test_list_shows_what_can_be_read(mini: MiniPack, cli: Cli) -> None:
    put(mini, status="superseded", superseded_by="DEC-0002")
    put(mini, "DEC-0002", status="sure")
    put(mini, "DEC-0003", status="deferred", caps=["CLAIM-THING"])
    mini.write(f"{FOLDER}/DEC-0004.md", "nothing of the kind\n")
    result = cli("decisions", "list", "--pack", mini.root)
    assert result.code == 0
    assert result.out.splitlines() == [
        "DEC-0001\tsuperseded\t2026-01-01\tT\t-> DEC-0002",
        "DEC-0002\t?\t2026-01-01\tT",
        "DEC-0003\tdeferred\t2026-01-01\tT\tcaps CLAIM-THING",
        "DEC-0004\t?\t?\t?",
    ]
    chosen = cli("decisions", "list", "--pack", mini.root, "--status", "deferred").out
    assert chosen.split("\t")[0] == "DEC-0003"
    assert cli("decisions", "list", "--pack", mini.root, "--status", "closed").code == 3


# -- logs of others -------------------------------------------------------------------------------


def test_a_folder_of_records_without_a_pack(tmp_path: Path, cli: Cli) -> None:
    """Claims and clauses cannot be looked up there; files can."""
    pack = MiniPack(tmp_path / "log")
    front = {"governs": ["CLAIM-THEIRS"], "evidence": ["THEIRS-001"]}
    pack.write("DEC-0001.md", decision(**front, status="closed"))
    result = cli("decisions", "lint", "--pack", pack.root)
    assert result.code == 0, result.err
    assert "note: no readable pack here" in result.out
    pack.write("DEC-0001.md", decision(evidence=["docs/report.md"], status="closed"))
    result = cli("decisions", "lint", "--pack", pack.root)
    assert result.code == 2
    assert "DEC-0001.md:6:1: evidence: found docs/report.md" in result.err


BULLETS = """# Decision log

## Record template
- **ID**: DEC-XXXX
- **Date**: YYYY-MM-DD
- **Category**: one of three

## Entries
"""


def bullets(number: int, *, without: tuple[str, ...] = (), **changed: str) -> str:
    """A record as the public reproduction writes them."""
    fields = {
        "ID": f"DEC-{number:04d}", "Date": "2026-02-10", "Owner": "nobody", "Category": "INFERRED",
        "Context": "c.", "Options considered": "\n  - one\n  - two", "Decision": "d.",
        "Rationale": "r.", "Validation evidence": "v.", "Residual risk": "k.",
        "Follow-up action": "f.", **{name.replace("_", " "): v for name, v in changed.items()},
    }  # fmt: skip
    lines = (f"- **{name}**: {v}\n" for name, v in fields.items() if name not in without)
    return "\n" + "".join(lines)


def test_a_log_in_one_file_is_held_to_the_same_rules(tmp_path: Path, cli: Cli) -> None:
    """The defects that the log of the public reproduction has, in a log of our own making."""
    log = tmp_path / "decision_log.md"
    log.write_text(
        BULLETS
        + bullets(16)
        + bullets(17, Date="2026-02-09")
        + bullets(23, Decision="\n- **Decision**:\n  - both of them")
        + bullets(24, Category="PROTOCOL")
        + bullets(33, without=("Follow-up action",), Category="RUMOUR")
        + bullets(36, without=("Options considered", "Decision", "Follow-up action"))
        + bullets(38, Category="CLAIM-SCOPE", Rationale="as DEC-0016 and DEC-0099 say"),
        encoding="utf-8",
    )
    result = cli("decisions", "lint", "--pack", log)
    assert result.code == 2
    *lines, _ = result.err.removeprefix("verify: ").strip().splitlines()
    found = [line.removeprefix("decision_log.md:").split("; expected")[0] for line in lines]
    assert sorted(found, key=lambda line: int(line.split(":")[0])) == [
        "46:1: Decision: found an empty section",
        "47:1: Decision: found more than one section",
        "71:1: category: found RUMOUR",
        "79: Follow-up: found no section",
        "86: Decision: found no section",
        "86: Options: found no section",
        "88: Follow-up: found no section",
        "99: DEC-0099: found a reference to DEC-0099",
    ]
    assert "note: DEC-0017 of 2026-02-09 is older than DEC-0016 of 2026-02-10" in result.out


QUICK = settings(max_examples=150)
WORDS = st.sampled_from(
    ["---\n", "id: DEC-0001\n", "status: [\n", "superseded_by: DEC-0001\n", "## Options\n",
     "DEC-0002", "- **ID**: ", "- **Date**: 9\n", "```\n", "\0", "\t", "date: '2026-01-01'\n",
     "caps: {a: 1}\n", "horizon: {steps: 1}\n", "measured: x\n", "title: T\n", "- 1\n", "\r\n",
     "status: superseded\n"]
)  # fmt: skip


@QUICK
@given(st.lists(WORDS, max_size=14), st.booleans())
def test_no_text_makes_the_reader_crash(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], single: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    path = folder / "DEC-0001.md"
    path.write_text("".join(words), encoding="utf-8", newline="")
    assert not sound(path if single else folder)


def sound(place: Path) -> bool:
    """Whether the lint has nothing to say; a refusal is an answer, any other error is not."""
    try:
        return not lint_log(read_log(place))
    except UsageError:
        return False
