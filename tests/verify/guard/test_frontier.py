"""`verify frontier`: every path of a change, told from the commits alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verify.conftest import Result
from verify.guard.git import resolve
from verify.problems import UsageError

from .conftest import FRONTIER, Repository

Cli = Callable[..., Result]


@pytest.fixture
def frontier(repository: Repository, cli: Cli) -> Callable[..., Result]:
    def call(revisions: str = "HEAD~1..HEAD", *more: object) -> Result:
        return cli("frontier", revisions, "--repository", repository.root, *more)

    return call


def last(result: Result) -> str:
    return result.out.splitlines()[-1]


def test_a_change_inside_is_go_and_every_path_is_listed(
    repository: Repository, frontier: Cli
) -> None:
    repository.write("src/a.py", "changed\n")
    repository.change("src/new/d.py", "new\n")
    result = frontier()
    assert result.code == 0
    assert result.out.splitlines()[:2] == [
        "inside   src/a.py changed",
        "inside   src/new/d.py added",
    ]
    assert last(result).startswith("GO: 2/2 paths inside the frontier, 0 denied, 0 outside")


def test_deny_is_stronger_than_allow_and_names_its_reason(
    repository: Repository, frontier: Cli
) -> None:
    repository.change("src/frozen/b.py", "changed\n")
    result = frontier()
    assert result.code == 1
    assert "denied   src/frozen/b.py changed: src/frozen/**: it is frozen" in result.out


def test_both_ends_of_a_rename_count(repository: Repository, frontier: Cli) -> None:
    repository.git("mv", "other/c.py", "src/c.py")
    repository.commit()
    result = frontier()
    assert result.code == 1
    assert "outside  other/c.py renamed to src/c.py: no glob allows it" in result.out
    assert "inside   src/c.py renamed from other/c.py" in result.out
    assert "NO-GO: 1/2 paths inside" in last(result)


def test_a_deletion_outside_is_a_change_outside(repository: Repository, frontier: Cli) -> None:
    (repository.root / "other" / "c.py").unlink()
    repository.commit()
    result = frontier()
    assert result.code == 1
    assert "outside  other/c.py deleted" in result.out


def test_a_changed_mode_is_a_change(repository: Repository, frontier: Cli) -> None:
    (repository.root / "other" / "c.py").chmod(0o755)
    repository.git("config", "core.fileMode", "true")
    repository.commit()
    result = frontier()
    assert result.code == 1
    assert "outside  other/c.py changed (mode 100644 to 100755)" in result.out


@pytest.mark.parametrize(
    ("target", "code"),
    [("a.py", 0), ("../src/a.py", 0), ("../other/c.py", 1), ("frozen", 1), ("/etc/passwd", 1),
     ("../../away", 1)],
)  # fmt: skip
def test_a_link_reaches_what_it_points_to(
    repository: Repository, frontier: Cli, target: str, code: int
) -> None:
    (repository.root / "src" / "link").symlink_to(target)
    repository.commit()
    result = frontier()
    assert result.code == code
    assert "inside   src/link added (a link)" in result.out
    assert "target of the link src/link" in result.out


@pytest.mark.parametrize("target", ["/etc/passwd", "../../away"])
def test_a_link_out_of_the_repository_is_outside_whatever_is_allowed(
    repository: Repository, frontier: Cli, tmp_path: Path, target: str
) -> None:
    wide = tmp_path / "wide.yaml"
    wide.write_text('schema: verify/frontier/1\nallow: ["**"]\n', encoding="utf-8")
    (repository.root / "src" / "link").symlink_to(target)
    repository.commit()
    result = frontier("HEAD~1..HEAD", "--frontier", wide)
    assert result.code == 1
    assert "target of the link src/link: it leaves the repository" in result.out


def test_a_file_in_the_place_of_a_denied_folder_is_denied(
    repository: Repository, frontier: Cli
) -> None:
    shutil.rmtree(repository.root / "src" / "frozen")
    (repository.root / "src" / "frozen").symlink_to("a.py")
    repository.commit()
    result = frontier()
    assert result.code == 1
    assert "denied   src/frozen added (a link)" in result.out


def test_names_that_are_not_nice_stay_on_one_line_and_are_judged(
    repository: Repository, frontier: Cli
) -> None:
    repository.write("src/with\nnewline.py", "x\n")
    repository.write('src/"quoted" -\tä.py', "x\n")
    raw = os.fsencode(repository.root) + b"/other/\xff.py"
    Path(os.fsdecode(raw)).write_text("x\n")
    repository.commit()
    result = frontier()
    assert result.code == 1
    assert len(result.out.splitlines()) == 4
    assert "inside   'src/with\\nnewline.py' added" in result.out
    assert "outside  'other/\\udcff.py' added" in result.out


def test_a_submodule_is_a_change_whatever_the_repository_says(
    repository: Repository, frontier: Cli
) -> None:
    commit = repository.git("rev-parse", "HEAD").strip()
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},other/module")
    repository.git("commit", "-q", "-m", "module")
    repository.git("config", "diff.ignoreSubmodules", "all")
    result = frontier()
    assert result.code == 1
    assert "outside  other/module added (a submodule)" in result.out


def test_commits_that_do_not_differ_are_said_and_are_no_pass(frontier: Cli) -> None:
    result = frontier("HEAD..HEAD")
    assert result.code == 3
    assert result.out.startswith("nothing to judge: ")


@pytest.mark.parametrize(
    ("revisions", "said"),
    [
        ("HEAD", "no range of two commits"),
        ("HEAD~1...HEAD", "no range of two commits"),
        ("..HEAD", "no range of two commits"),
        ("HEAD..", "no range of two commits"),
        ("nope..HEAD", "'nope': found no such commit"),
        ("HEAD~99..HEAD", "'HEAD~99': found no such commit"),
        ("HEAD^{tree}..HEAD", "found no such commit"),
        ("a b..HEAD", "found no such commit"),
        ("HEAD\n..HEAD", "found no revision"),
    ],
)
def test_revisions_that_are_none_are_refused_by_name(
    repository: Repository, frontier: Cli, revisions: str, said: str
) -> None:
    repository.commit()
    result = frontier(revisions)
    assert result.code == 2
    assert said in result.err


def test_a_revision_is_never_taken_for_an_option(repository: Repository) -> None:
    with pytest.raises(UsageError, match="found no revision"):
        resolve(repository.root, "--output=found..HEAD")


def test_a_folder_without_a_repository_is_said(cli: Cli, tmp_path: Path) -> None:
    result = cli("frontier", "a..b", "--repository", tmp_path)
    assert result.code == 2
    assert "not a git repository" in result.err


def test_the_working_tree_is_not_looked_at(repository: Repository, frontier: Cli) -> None:
    repository.change("src/a.py", "changed\n")
    repository.write("other/c.py", "not committed\n")
    repository.write("contracts/policy/frontier.yaml", "not even YAML: [")
    assert frontier().code == 0


def test_a_change_cannot_widen_its_own_frontier(repository: Repository, frontier: Cli) -> None:
    repository.write("contracts/policy/frontier.yaml", FRONTIER.replace("[src/**", "['**', src/**"))
    repository.change("other/c.py", "changed\n")
    assert frontier().code == 1
    repository.change("other/c.py", "changed again\n")
    assert frontier().code == 0


def test_a_base_without_a_frontier_needs_one_by_name(
    repository: Repository, frontier: Cli, tmp_path: Path
) -> None:
    (repository.root / "contracts" / "policy" / "frontier.yaml").unlink()
    repository.commit()
    repository.change("src/a.py", "changed\n")
    result = frontier()
    assert result.code == 2
    assert "--frontier FILE" in result.err
    file = tmp_path / "frontier.yaml"
    file.write_text(FRONTIER)
    assert frontier("HEAD~1..HEAD", "--frontier", file).code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema: verify/frontier/1\nallow: []\n", "at least 1"),
        ("schema: verify/frontier/1\nallow: [/abs]\n", "an absolute path"),
        ("schema: verify/frontier/1\nallow: [a/../b]\n", "empty, . or .."),
        ("schema: verify/frontier/1\nallow: [a]\ndeny: [{glob: b}]\n", "no reason"),
        ("schema: verify/frontier/1\nallow: [a]\nallows: [b]\n", "unknown key allows"),
        ("- a\n", "no mapping"),
    ],
)
def test_a_frontier_that_is_wrong_is_refused_with_its_place(
    repository: Repository, frontier: Cli, tmp_path: Path, text: str, said: str
) -> None:
    repository.commit()
    file = tmp_path / "frontier.yaml"
    file.write_text(text)
    result = frontier("HEAD~1..HEAD", "--frontier", file)
    assert result.code == 2
    assert said in result.err


def test_hooks_and_settings_of_the_user_have_no_say(
    repository: Repository, frontier: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {mark}\n")
    program.chmod(0o755)
    config = tmp_path / "config"
    config.write_text(
        f"[core]\n\tfsmonitor = {program}\n\tpager = {program}\n[diff]\n\texternal = {program}\n"
        "\trenames = false\n\trelative = true\n"
    )
    repository.git("mv", "other/c.py", "src/c.py")
    repository.commit()
    expected = frontier().out
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(program))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    shutil.copy(config, repository.root / ".git" / "extra")
    with (repository.root / ".git" / "config").open("a") as file:
        file.write("[include]\n\tpath = extra\n")
    assert frontier().out == expected
    assert not mark.exists()


# -- what is the change's, and what is not ---------------------------------------------------------


def test_what_came_to_the_base_since_is_not_charged_to_the_branch(
    repository: Repository, frontier: Cli
) -> None:
    repository.git("checkout", "-q", "-b", "work")
    repository.change("src/a.py", "changed\n")
    repository.git("checkout", "-q", "trunk")
    repository.write("src/frozen/b.py", "changed on the trunk, where that is allowed\n")
    repository.change("other/new.py", "new on the trunk\n")
    result = frontier("trunk..work")
    assert result.code == 0, result.out
    assert result.out.splitlines()[:-1] == ["inside   src/a.py changed"]


def test_a_merge_of_the_base_into_the_branch_is_not_charged_either(
    repository: Repository, frontier: Cli
) -> None:
    repository.git("checkout", "-q", "-b", "work")
    repository.change("src/a.py", "changed\n")
    repository.change("src/frozen/b.py", "changed on the trunk\n", on="trunk")
    repository.git("checkout", "-q", "work")
    repository.git("merge", "-q", "trunk", "-m", "merge")
    assert frontier("trunk..work").out.splitlines()[:-1] == ["inside   src/a.py changed"]


def test_what_was_squashed_into_the_base_is_not_charged_a_second_time(
    repository: Repository, frontier: Cli
) -> None:
    repository.git("checkout", "-q", "-b", "work")
    repository.change("src/frozen/b.py", "decided\n")
    repository.change("src/frozen/b.py", "decided\n", on="trunk")
    repository.change("src/a.py", "changed\n", on="work")
    assert frontier("trunk..work").out.splitlines()[:-1] == ["inside   src/a.py changed"]


def test_a_merge_that_brings_a_denied_change_of_its_own_is_charged(
    repository: Repository, frontier: Cli
) -> None:
    repository.git("checkout", "-q", "-b", "work")
    repository.change("src/a.py", "changed\n")
    repository.change("src/frozen/b.py", "changed on the trunk\n", on="trunk")
    repository.git("checkout", "-q", "work")
    repository.git("merge", "-q", "--no-commit", "trunk")
    repository.change("src/frozen/b.py", "an evil merge\n")
    result = frontier("trunk..work")
    assert result.code == 1
    assert "denied   src/frozen/b.py changed" in result.out


def test_taking_back_what_came_to_the_base_is_charged(
    repository: Repository, frontier: Cli
) -> None:
    repository.change("src/frozen/b.py", "changed on the trunk\n")
    repository.git("checkout", "-q", "-b", "work")
    repository.change("src/frozen/b.py", "two\n" * 30)
    assert frontier("trunk..work").code == 1


def test_the_rules_are_those_of_the_base_as_it_is_now(
    repository: Repository, frontier: Cli
) -> None:
    repository.git("checkout", "-q", "-b", "work")
    repository.change("src/late/x.py", "x\n")
    repository.git("checkout", "-q", "trunk")
    stricter = FRONTIER + "  - {glob: src/late/**, reason: closed meanwhile}\n"
    repository.change("contracts/policy/frontier.yaml", stricter)
    result = frontier("trunk..work")
    assert result.code == 1
    assert "closed meanwhile" in result.out


def test_commits_without_a_common_ancestor_are_refused(
    repository: Repository, frontier: Cli
) -> None:
    repository.git("checkout", "-q", "--orphan", "alien")
    repository.change("src/a.py", "alien\n")
    result = frontier("trunk..alien")
    assert result.code == 2
    assert "found no common ancestor" in result.err
