"""`verify protect`: what changed, went, came or was replaced, and approvals bound to decisions."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verify.conftest import MiniPack, Result, decision
from verify.guard.model import RECORD
from verify.guard.protect import State, approve, check, digest_of, files_under, guard_of
from verify.problems import PackError, UsageError

Cli = Callable[..., Result]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def guarded(mini: MiniPack) -> MiniPack:
    """Two files by record, two by a list of their own, all as approved."""
    for number, status in (("1", "accepted"), ("2", "proposed"), ("3", "closed")):
        name = f"DEC-000{number}"
        governs = ["gold/**", "kept/**"]
        record = decision(name, status=status, evidence=["THING-001"], governs=governs)
        mini.write(f"specs/decisions/{name}.md", record)
    mini.write("gold/a.txt", "a\n")
    mini.write("gold/b.txt", "b\n")
    mini.write("gold/list.sha256", f"{sha('a' + chr(10))}  a.txt\n{sha('b' + chr(10))}  b.txt\n")
    mini.write("kept/one.yaml", "one\n")
    mini.write("kept/deep/two.yaml", "two\n")
    mini.data(
        "contracts/policy/protected.yaml",
        {
            "schema": "verify/protected/1",
            "assets": [
                {"glob": "gold/*.txt", "manifest": "gold/list.sha256", "reason": "recorded"},
                {"glob": "gold/**", "reason": "nothing else"},
                {"glob": "kept/**", "reason": "kept"},
            ],
        },
    )
    approve(guard_of(mini.load()), ["gold/list.sha256", "kept/**"], "DEC-0001")
    return mini


def states(pack: MiniPack) -> dict[str, State]:
    found = {one.path: one.state for one in check(guard_of(pack.load()))}
    return {path: state for path, state in found.items() if state is not State.AS_APPROVED}


def test_what_was_approved_is_as_approved(guarded: MiniPack, cli: Cli) -> None:
    assert guarded.problems() == ()
    assert states(guarded) == {}
    result = cli("protect", "--pack", guarded.root)
    assert result.code == 0
    assert result.out == "GO: 5/5 as approved\n"


def test_a_changed_file_is_named(guarded: MiniPack, cli: Cli) -> None:
    guarded.write("kept/one.yaml", "other\n")
    guarded.write("gold/a.txt", "other\n")
    assert states(guarded) == {"kept/one.yaml": State.CHANGED, "gold/a.txt": State.CHANGED}
    result = cli("protect", "--pack", guarded.root)
    assert result.code == 4
    assert "changed: gold/a.txt: sha256 " in result.out
    assert result.out.splitlines()[-1] == "NO-GO: 3/5 as approved, 2 changed"


def test_a_missing_file_is_named(guarded: MiniPack) -> None:
    (guarded.root / "kept/one.yaml").unlink()
    (guarded.root / "gold/b.txt").unlink()
    assert states(guarded) == {"kept/one.yaml": State.MISSING, "gold/b.txt": State.MISSING}


def test_a_new_file_under_a_protected_glob_is_unlisted(guarded: MiniPack) -> None:
    guarded.write("gold/new.txt", "n\n")
    guarded.write("gold/new.bin", "n\n")
    guarded.write("kept/deep/er/.hidden", "n\n")
    wanted = {"gold/new.txt", "gold/new.bin", "kept/deep/er/.hidden"}
    assert states(guarded) == dict.fromkeys(wanted, State.UNLISTED)


def test_a_link_or_a_pipe_in_a_files_place_is_never_opened(guarded: MiniPack) -> None:
    one, two = guarded.root / "kept/one.yaml", guarded.root / "kept/deep/two.yaml"
    copy = guarded.write("elsewhere.yaml", "one\n")
    one.unlink()
    one.symlink_to(copy)
    two.unlink()
    os.mkfifo(two)
    wanted = {"kept/one.yaml": State.NOT_A_FILE, "kept/deep/two.yaml": State.NOT_A_FILE}
    assert states(guarded) == wanted


def test_a_folder_that_is_a_link_is_not_walked_into(guarded: MiniPack, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "x").touch()
    (guarded.root / "kept" / "away").symlink_to(tmp_path / "away")
    assert states(guarded) == {"kept/away": State.NOT_A_FILE}


def test_a_protected_folder_replaced_by_a_link_is_not_as_approved(
    guarded: MiniPack, tmp_path: Path
) -> None:
    """The same bytes elsewhere are nobody's approval: they change without this repository."""
    (guarded.root / "kept").rename(tmp_path / "elsewhere")
    (guarded.root / "kept").symlink_to(tmp_path / "elsewhere")
    wanted = {"kept/one.yaml": State.NOT_A_FILE, "kept/deep/two.yaml": State.NOT_A_FILE}
    assert states(guarded) == wanted


def test_a_second_list_of_digests_approves_nothing(guarded: MiniPack, cli: Cli) -> None:
    """A change may write into specs/, not into the record of digests."""
    guarded.write("kept/one.yaml", "forged\n")
    one = {"path": "kept/one.yaml", "sha256": sha("forged\n"), "decision": "DEC-0001"}
    guarded.data("specs/zz.yaml", {"schema": "verify/digests/1", "assets": [one]})
    assert states(guarded) == {"kept/one.yaml": State.CHANGED}
    assert cli("protect", "--pack", guarded.root).code == 4


def test_a_path_recorded_twice_is_said(guarded: MiniPack) -> None:
    guarded.write("kept/one.yaml", "forged\n")
    forged = sha("forged\n")
    path = guarded.root / RECORD
    line = f'  - {{path: "kept/one.yaml", sha256: "{forged}", decision: DEC-0001}}\n'
    path.write_text(path.read_text() + line)
    assert states(guarded) == {"kept/one.yaml": State.TWICE}


def test_a_glob_that_matches_nothing_protects_nothing_and_is_said(guarded: MiniPack) -> None:
    guarded.edit("contracts/policy/protected.yaml", "glob: kept/**", "glob: kept2/**")
    assert states(guarded) == {
        "kept/one.yaml": State.UNGUARDED,
        "kept/deep/two.yaml": State.UNGUARDED,
        "kept2/**": State.MISSING,
    }


def test_a_digest_in_two_places_is_refused(guarded: MiniPack) -> None:
    text = (guarded.root / RECORD).read_text()
    line = f'  - {{path: "gold/a.txt", sha256: "{"0" * 64}", decision: DEC-0001}}\n'
    guarded.write(RECORD, text + line)
    assert states(guarded) == {"gold/a.txt": State.TWICE}


def test_approving_a_recorded_file_rewrites_its_list_and_the_lists_own_digest(
    guarded: MiniPack, cli: Cli
) -> None:
    guarded.write("gold/a.txt", "again\n")
    guarded.write("gold/c.txt", "c\n")
    args = ("--approve", "gold/a.txt", "--approve", "gold/c.txt", "--decision", "DEC-0003")
    result = cli("protect", *args, "--pack", guarded.root)
    assert result.code == 0, result.out
    assert "recorded under DEC-0003: gold/c.txt" in result.out
    listed = (guarded.root / "gold/list.sha256").read_text()
    assert listed == f"{sha('again' + chr(10))}  a.txt\n{sha('b' + chr(10))}  b.txt\n" + (
        f"{sha('c' + chr(10))}  c.txt\n"
    )
    record = (guarded.root / RECORD).read_text()
    assert "gold/a.txt" not in record
    assert f'"gold/list.sha256", sha256: "{sha(listed)}", decision: DEC-0003' in record
    assert guarded.problems() == ()


def test_approving_what_is_gone_takes_its_record_away(guarded: MiniPack) -> None:
    (guarded.root / "kept/one.yaml").unlink()
    (guarded.root / "gold/b.txt").unlink()
    approve(guard_of(guarded.load()), ["kept/one.yaml", "gold/b.txt"], "DEC-0001")
    assert states(guarded) == {}
    assert "kept/one.yaml" not in (guarded.root / RECORD).read_text()
    assert "b.txt" not in (guarded.root / "gold/list.sha256").read_text()


@pytest.mark.parametrize(
    ("paths", "decided", "said"),
    [
        (["kept/one.yaml"], "DEC-0002", "DEC-0002, which is proposed"),
        (["kept/one.yaml"], "DEC-0009", "DEC-0009, which is missing"),
        (["contracts/thing.yaml"], "DEC-0001", "names no protected file"),
        (["kept/one.yaml", "kept/typo.yaml"], "DEC-0001", "names no protected file"),
        (["../kept/one.yaml"], "DEC-0001", "names no protected file"),
        (["/etc/passwd"], "DEC-0001", "names no protected file"),
    ],
)
def test_an_approval_that_cannot_be_leaves_everything_as_it_was(
    guarded: MiniPack, paths: list[str], decided: str, said: str
) -> None:
    guarded.write("kept/one.yaml", "other\n")
    before = (guarded.root / RECORD).read_bytes()
    with pytest.raises(UsageError, match=said):
        approve(guard_of(guarded.load()), paths, decided)
    assert (guarded.root / RECORD).read_bytes() == before


def test_a_link_cannot_be_approved(guarded: MiniPack) -> None:
    (guarded.root / "kept/link").symlink_to("one.yaml")
    with pytest.raises(UsageError, match="a link"):
        approve(guard_of(guarded.load()), ["kept/**"], "DEC-0001")


def test_a_decision_that_is_reopened_takes_its_approvals_with_it(guarded: MiniPack) -> None:
    guarded.edit("specs/decisions/DEC-0001.md", "status: accepted", "status: proposed")
    assert set(states(guarded).values()) == {State.UNDECIDED}
    assert any("accepted or closed" in str(problem) for problem in guarded.problems())


def test_an_edited_record_needs_its_decision_and_its_form(guarded: MiniPack) -> None:
    guarded.edit(RECORD, "decision: DEC-0001", "decision: nobody")
    with pytest.raises(PackError, match=r"specs/protected.yaml:\d+"):
        guarded.load()


def test_names_that_are_not_nice_are_recorded_and_read_back(guarded: MiniPack) -> None:
    names = ["with\nnewline", "with 'quotes' \"two\"", "- {a: b} # c", "ä\u2028\U0001f600", "*?[x]"]
    for name in names:
        guarded.write(f"kept/{name}", f"{name}\n")
    approve(guard_of(guarded.load()), ["kept/**"], "DEC-0001")
    assert states(guarded) == {}
    guarded.write("kept/with\nnewline", "changed\n")
    assert states(guarded) == {"kept/with\nnewline": State.CHANGED}


def test_a_name_that_is_not_utf8_is_unlisted_and_cannot_be_recorded(
    guarded: MiniPack, cli: Cli
) -> None:
    raw = os.fsencode(guarded.root) + b"/kept/\xff"
    Path(os.fsdecode(raw)).write_text("x")
    result = cli("protect", "--pack", guarded.root)
    assert result.code == 4
    assert "unlisted: 'kept/\\udcff'" in result.out
    with pytest.raises(UsageError, match="not UTF-8"):
        approve(guard_of(guarded.load()), ["kept/**"], "DEC-0001")


def test_a_line_break_has_no_place_in_a_list_of_digests(guarded: MiniPack) -> None:
    guarded.write("gold/new\nline.txt", "x\n")
    before = (guarded.root / "gold/list.sha256").read_bytes()
    with pytest.raises(UsageError, match="a line break"):
        approve(guard_of(guarded.load()), ["gold/**"], "DEC-0001")
    assert (guarded.root / "gold/list.sha256").read_bytes() == before


def test_a_damaged_list_of_digests_is_said_with_its_line(guarded: MiniPack) -> None:
    guarded.write("gold/list.sha256", "nonsense\n")
    with pytest.raises(UsageError, match=r"gold/list.sha256:1: found 'nonsense'"):
        guard_of(guarded.load())


def test_a_large_file_is_read_in_pieces(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(256 << 20)
    tracemalloc.start()
    found = digest_of(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20
    assert found == "a6d72ac7690f53be6ae46ba88506bd97302a093f7108472bd9efc3cefda06484"


def test_a_pack_without_protection_says_so(mini: MiniPack, cli: Cli) -> None:
    result = cli("protect", "--pack", mini.root)
    assert result.code == 2
    assert "found no contracts/policy/protected.yaml" in result.err


@given(st.dictionaries(st.sampled_from("abcdef"), st.binary(max_size=4), min_size=1))
@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
def test_whatever_is_approved_is_as_approved_and_any_change_is_not(
    guarded: MiniPack, contents: dict[str, bytes]
) -> None:
    for path in files_under(guarded.root, ["kept/**"]):
        (guarded.root / path).unlink()
    for name, data in contents.items():
        (guarded.root / "kept" / name).write_bytes(data)
    approve(guard_of(guarded.load()), ["kept/**"], "DEC-0001")
    assert states(guarded) == {}
    for name, data in contents.items():
        (guarded.root / "kept" / name).write_bytes(data + b".")
    assert states(guarded) == {f"kept/{name}": State.CHANGED for name in contents}


# -- the decision behind an approval --------------------------------------------------------------


def another(pack: MiniPack, **front: object) -> None:
    front = {"status": "accepted", "evidence": ["THING-001"], **front}
    pack.write("specs/decisions/DEC-0004.md", decision("DEC-0004", **front))


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ({}, "does not govern kept/one.yaml"),
        ({"governs": ["CLAIM-THING"]}, "does not govern kept/one.yaml"),
        ({"governs": ["gold/**", "kept/deep/*"]}, "does not govern kept/one.yaml"),
        ({"governs": ["kept/**"], "date": "2025-12-31"}, "none older than DEC-0001 of 2026-01-01"),
        ({"governs": ["kept/**"], "status": "deferred", "caps": ["CLAIM-THING"],
          "impact": "nothing"}, "which is deferred"),
    ],
)  # fmt: skip
def test_an_approval_names_a_decision_about_that_file_that_is_not_older(
    guarded: MiniPack, front: dict[str, object], said: str
) -> None:
    another(guarded, **front)
    guarded.write("kept/one.yaml", "weaker\n")
    before = (guarded.root / RECORD).read_bytes()
    with pytest.raises(UsageError, match=said):
        approve(guard_of(guarded.load()), ["kept/one.yaml"], "DEC-0004")
    assert (guarded.root / RECORD).read_bytes() == before
    another(guarded, governs=["kept/one.yaml"])
    approve(guard_of(guarded.load()), ["kept/one.yaml"], "DEC-0004")
    assert states(guarded) == {}


def test_what_is_as_approved_keeps_its_decision(guarded: MiniPack) -> None:
    """One command approves what changed of a whole tree, and nothing else moves."""
    guarded.write("kept/one.yaml", "other\n")
    assert approve(guard_of(guarded.load()), ["kept/**"], "DEC-0003") == ["kept/one.yaml"]
    text = (guarded.root / RECORD).read_text()
    assert text.count("DEC-0003") == 1
    assert f'"kept/deep/two.yaml", sha256: "{sha("two" + chr(10))}", decision: DEC-0001' in text


def test_a_digest_written_by_hand_under_an_unrelated_decision_is_not_as_approved(
    guarded: MiniPack,
) -> None:
    another(guarded)
    guarded.write("kept/one.yaml", "weaker\n")
    text = (guarded.root / RECORD).read_text()
    forged = text.replace(sha("one\n"), sha("weaker\n"), 1)
    line = next(one for one in forged.splitlines() if '"kept/one.yaml"' in one)
    guarded.write(RECORD, forged.replace(line, line.replace("DEC-0001", "DEC-0004")))
    assert states(guarded) == {"kept/one.yaml": State.UNDECIDED}


@pytest.fixture
def ruled(guarded: MiniPack) -> MiniPack:
    """Contracts and the front matter of records under protection, too."""
    guarded.data(
        "contracts/policy/protected.yaml",
        {
            "schema": "verify/protected/1",
            "assets": [
                {"glob": "contracts/**/*.yaml", "reason": "rules"},
                {"glob": "specs/decisions/*.md", "part": "front matter", "reason": "caps"},
            ],
        },
    )
    guarded.write(RECORD, "schema: verify/digests/1\nassets: []\n")
    deferred = decision(
        "DEC-0005", status="deferred", caps=["CLAIM-THING"], impact="nothing", governs=[]
    )
    guarded.write("specs/decisions/DEC-0005.md", deferred)
    another(guarded, governs=["contracts/**", "specs/decisions/*.md"])
    whole = ["contracts/**/*.yaml", "specs/decisions/*.md"]
    approve(guard_of(guarded.load()), whole, "DEC-0004")
    assert states(guarded) == {}
    return guarded


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        ("contracts/thing.yaml", "value: 0.5", "value: 25.0"),
        ("contracts/thing.yaml", "severity: major", "severity: minor"),
        ("contracts/pack.yaml", "title: Mini", "title: Mini\ncode: []"),
        ("contracts/claims.yaml", "THING-*", "THING-001"),
        ("specs/decisions/DEC-0005.md", "caps:\n- CLAIM-THING\n", "caps: []\n"),
        ("specs/decisions/DEC-0005.md", "status: deferred", "status: accepted"),
    ],
)
def test_a_weakened_rule_is_changed(ruled: MiniPack, place: str, old: str, new: str) -> None:
    ruled.edit(place, old, new)
    assert states(ruled) == {place: State.CHANGED}


@pytest.mark.parametrize("pack", ["guarded", "ruled"])
def test_no_text_is_read_in_whatever_encoding_a_machine_has(
    pack: str, request: pytest.FixtureRequest
) -> None:
    """Python says where an encoding is left open."""
    root = request.getfixturevalue(pack).root
    words = [sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning"]
    done = subprocess.run(
        [*words, "-m", "verify", "protect", "--pack", root], check=False, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("place", ["contracts/thing.yaml", "specs/decisions/DEC-0005.md"])
def test_a_rule_that_is_gone_is_missing(ruled: MiniPack, place: str) -> None:
    (ruled.root / place).unlink()
    assert states(ruled)[place] is State.MISSING


def test_the_text_of_a_record_is_not_its_rule(ruled: MiniPack) -> None:
    ruled.edit("specs/decisions/DEC-0005.md", "## Context\n\nText.", "## Context\n\nMore text.")
    assert states(ruled) == {}


def test_a_new_open_record_stands_as_it_was_written(ruled: MiniPack) -> None:
    place = "specs/decisions/DEC-0006.md"
    open_ = {"status": "deferred", "caps": ["CLAIM-THING"], "impact": "nothing"}
    ruled.write(place, decision("DEC-0006", **open_))
    approve(guard_of(ruled.load()), [place], "DEC-0006")
    assert states(ruled) == {}
    assert ruled.problems() == ()
    ruled.edit(place, "caps:\n- CLAIM-THING\n", "caps: []\n")
    assert states(ruled) == {place: State.CHANGED}


def test_a_new_record_approves_itself_once_and_no_other(ruled: MiniPack) -> None:
    place = "specs/decisions/DEC-0006.md"
    ruled.write(place, decision("DEC-0006", evidence=["THING-001"]))
    assert states(ruled) == {place: State.UNLISTED}
    approve(guard_of(ruled.load()), [place], "DEC-0006")
    assert states(ruled) == {}
    ruled.edit(place, "title: T", "title: Another")
    with pytest.raises(UsageError, match="does not govern"):
        approve(guard_of(ruled.load()), [place], "DEC-0006")


# -- lint -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "old", "new", "said"),
    [
        ("contracts/policy/protected.yaml", "glob: gold/**", "glob: kept/**", "a second time"),
        ("contracts/policy/protected.yaml", "glob: kept/**", "glob: /kept", "an absolute path"),
        ("contracts/policy/protected.yaml", "reason: kept", "because: kept", "unknown key because"),
        ("contracts/policy/protected.yaml", "gold/list.sha256", "gold/none.sha256", "that exists"),
        (RECORD, '"kept/one.yaml"', '"kept/deep/two.yaml"', "a second time"),
        (RECORD, "DEC-0001", "DEC-0002", "accepted or closed"),
        (RECORD, "sha256: ", "md5: ", "unknown key md5"),
    ],
)
def test_a_list_of_protected_files_that_is_wrong_is_refused(
    guarded: MiniPack, place: str, old: str, new: str, said: str
) -> None:
    guarded.edit(place, old, new)
    problems = guarded.problems()
    assert any(said in str(problem) and problem.file == place for problem in problems), problems


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema: verify/frontier/1\nallow: [a, a]\n", "a second time"),
        ("schema: verify/frontier/1\nallow: [a]\ndeny: [{glob: a, reason: r}]\n", "a second time"),
        ("schema: verify/frontier/1\nallow: ['a/**b']\n", "beside other characters"),
    ],
)
def test_a_frontier_that_says_a_thing_twice_is_refused(
    mini: MiniPack, text: str, said: str
) -> None:
    mini.write("contracts/policy/frontier.yaml", text)
    (problem,) = mini.problems()
    assert said in str(problem)


def test_a_second_frontier_is_refused(mini: MiniPack) -> None:
    mini.write("contracts/other.yaml", "schema: verify/frontier/1\nallow: [a]\n")
    (problem,) = mini.problems()
    assert "only contracts/policy/frontier.yaml" in str(problem)
