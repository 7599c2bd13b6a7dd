"""Parts of the protection by themselves: what is walked, lists of digests, decisions, changes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from verify.guard import frontier, git, protect
from verify.problems import UsageError

DIGEST = "ab" * 32


def test_nobody_protects_what_git_or_python_keep_for_themselves(tmp_path: Path) -> None:
    for name in ("a.py", "__pycache__/a.pyc", ".git/config", "deep/b.py", "deep/__pycache__/b.pyc"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert protect.files_under(tmp_path, ["**"]) == {"a.py": True, "deep/b.py": True}


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError])
def test_a_folder_that_cannot_be_read_is_said_and_one_that_went_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    """A folder that is passed over would leave its files unguarded without a word."""
    (tmp_path / "kept").mkdir()

    def refuse(place: Any) -> Iterator[Any]:
        raise error(13, "no", str(place))

    monkeypatch.setattr(os, "scandir", refuse)
    if error is FileNotFoundError:
        assert protect.files_under(tmp_path, ["kept/**"]) == {}
        return
    with pytest.raises(UsageError, match=r"kept: found a folder that cannot be read \(no\)"):
        protect.files_under(tmp_path, ["kept/**"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{DIGEST}  a.txt\n{DIGEST}  deep/ä.txt\n".encode(), ["gold/a.txt", "gold/deep/ä.txt"]),
        (b"", []),
        (f"{DIGEST} a.txt\n".encode(), "gold/list:1: found"),
        (f"{DIGEST}  a.txt\n{DIGEST[1:]}  b.txt\n".encode(), "gold/list:2: found"),
        (f"{DIGEST}ab  a.txt\n".encode(), "gold/list:1: found"),
        (f"{DIGEST}  ../a.txt\n".encode(), "gold/list:1: found"),
        (f"{DIGEST}  /a.txt\n".encode(), "gold/list:1: found"),
        (b"\xff\n", "gold/list: found no list of digests"),
        (None, "gold/list: found no list of digests"),
    ],
)
def test_a_list_of_digests_is_read_line_by_line_or_refused(
    tmp_path: Path, text: bytes | None, found: list[str] | str
) -> None:
    (tmp_path / "gold").mkdir()
    if text is not None:
        (tmp_path / "gold/list").write_bytes(text)
    if isinstance(found, list):
        listed = list(protect._manifest(tmp_path, "gold/list"))
        assert listed == [(name, DIGEST) for name in found]
        return
    with pytest.raises(UsageError) as told:
        list(protect._manifest(tmp_path, "gold/list"))
    assert str(told.value).startswith(found)


def test_a_list_at_the_root_names_files_there(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"{DIGEST}  a.txt\n", encoding="utf-8")
    assert list(protect._manifest(tmp_path, "list")) == [("a.txt", DIGEST)]


def a_guard(root: Path, *assets: dict[str, Any], **decisions: Any) -> Any:
    given = [{"glob": "gold/**", "manifest": None, "part": "file"} | one for one in assets]
    stand_ins = tuple(SimpleNamespace(**one) for one in given)
    return SimpleNamespace(root=root, assets=stand_ins, decisions=decisions, listed={}, recorded=())


def a_decision(settled: bool, governed: str) -> Any:
    class Status(str):
        settled = False

    status = Status("accepted" if settled else "proposed")
    status.settled = settled
    return SimpleNamespace(id="DEC-0001", status=status, governs_file=lambda path: path == governed)


@pytest.mark.parametrize(
    ("path", "decisions", "fault"),
    [
        ("gold/a", {"DEC-0001": a_decision(True, "gold/a")}, None),
        ("gold/a", {"DEC-0001": a_decision(True, "gold/b")}, "DEC-0001 does not govern it"),
        ("gold/a", {"DEC-0001": a_decision(False, "gold/a")}, "DEC-0001 is proposed"),
        ("gold/a", {}, "DEC-0001 is missing"),
        # A list of digests is of what it lists, whichever of several it is.
        ("gold/one", {"DEC-0001": a_decision(True, "nothing")}, None),
        ("gold/two", {"DEC-0001": a_decision(True, "nothing")}, None),
        ("gold/one", {"DEC-0001": a_decision(False, "gold/one")}, "DEC-0001 is proposed"),
        # A record stands as it was written.
        ("specs/decisions/DEC-0001.md", {"DEC-0001": a_decision(False, "nothing")}, None),
    ],
)
def test_the_decision_behind_a_digest_is_settled_and_about_that_file(
    tmp_path: Path, path: str, decisions: dict[str, Any], fault: str | None
) -> None:
    assets = [{}, {"manifest": "gold/one"}, {"manifest": "gold/two"}]
    record: Any = SimpleNamespace(path=path, sha256=DIGEST, decision="DEC-0001")
    assert protect._undecided(record, a_guard(tmp_path, *assets, **decisions)) == fault


@pytest.mark.parametrize("rest", [b"", b"other\n", b"\xff\n"])
def test_of_a_record_its_front_matter_is_under_protection_whatever_bytes_follow(
    tmp_path: Path, rest: bytes
) -> None:
    (tmp_path / "gold").mkdir()
    path = tmp_path / "gold/a.md"
    whole, front = (a_guard(tmp_path, {"part": part}) for part in ("file", "front matter"))
    path.write_bytes(b"---\nid: a\n---\n")
    bare = protect._digest(front, "gold/a.md")
    path.write_bytes(b"---\nid: a\n---\n" + rest)
    assert protect._digest(front, "gold/a.md") == bare
    assert protect._digest(whole, "gold/a.md") == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(b"---\nid: \xff\n---\n")
    assert protect._digest(front, "gold/a.md") != bare
    path.write_bytes(b"no front matter\n")
    assert protect._digest(front, "gold/a.md") == protect._digest(whole, "gold/a.md")


def test_a_list_is_written_with_names_relative_to_its_folder(tmp_path: Path) -> None:
    for folder in ("", "gold/deep/"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        place = tmp_path / folder / "list"
        place.write_text(f"{DIGEST}  b.txt\n{DIGEST}  c.txt\n", encoding="utf-8")
        changed = {f"{folder}a.txt": "cd" * 32, f"{folder}b.txt": None}
        protect._rewrite_manifest(a_guard(tmp_path), f"{folder}list", changed)
        assert place.read_text(encoding="utf-8") == f"{'cd' * 32}  a.txt\n{DIGEST}  c.txt\n"


def a_change(old: str | None, new: str | None) -> git.Change:
    status = "A" if old is None else "D" if new is None else "M" if old == new else "R"
    return git.Change(status, old, new, "100644", "100644", "b10b")


def test_what_the_base_has_too_is_no_part_of_the_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a rename both names count, and the old one is gone; a copy leaves it."""
    here = [a_change("src/a", "src/a"), a_change("src/b", "other/b"), a_change(None, "src/c")]
    there = [a_change("src/a", "src/a"), a_change("x", "x")]
    seen = {("base", "head"): here[1:], ("fork", "head"): [*here, there[1]]}
    monkeypatch.setattr(git, "changes", lambda at, base, head: seen[base, head])
    monkeypatch.setattr(git, "forks", lambda at, base, head: ["fork"])
    asked = []

    def judge(path: str, rules: Any, by: Any, *, gone: bool) -> tuple[frontier.Side, str]:
        asked.append((path, gone))
        return frontier.Side.INSIDE, "src/**"

    monkeypatch.setattr(frontier, "judge", judge)
    rules: Any = SimpleNamespace(decided=())
    found = frontier.touched(tmp_path, "base", "head", rules)
    assert [one.path for one in found] == ["other/b", "src/b", "src/c"]
    assert sorted(asked) == [("other/b", False), ("src/b", True), ("src/c", False)]
