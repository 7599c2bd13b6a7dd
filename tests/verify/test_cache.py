"""`verify run --cached`: reuse only what cannot have changed, and say that it was reused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from verify.run import cache as caches

from .conftest import MiniPack, Result, clause, decision

Cli = Callable[..., Result]


def run(cli: Cli, pack: MiniPack, *arguments: str) -> dict[str, Any]:
    """The report of a cached run."""
    cli("run", "--cached", "--pack", pack.root, "--output", "json=report.json", *arguments)
    report: dict[str, Any] = json.loads(Path("report.json").read_text())
    return report


def reused(report: dict[str, Any]) -> int:
    count = sum(item["cached"] for item in (*report["clauses"], *report["falsifiers"]))
    assert report["verdict"]["cached"] == count
    return count


@pytest.fixture
def pack(mini: MiniPack) -> MiniPack:
    """A pack with code, a template and a recorded file that a key has to cover."""
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write("code: [source]\ncolumns: [A]\ntemplates: {A: a.yaml}\n")
    mini.write("source/part.py", "1\n")
    mini.write("a.yaml", "one: 1\n")
    mini.write("specs/golden/trace.bin", "1\n")
    mini.write("specs/decisions/DEC-0001.md", decision())
    return mini


def test_nothing_is_cached_unless_asked(pack: MiniPack, cli: Cli) -> None:
    cli("run", "--pack", pack.root)
    assert not Path(".verify-cache").exists()


def test_a_second_run_reuses_verdicts_and_falsifiers_and_says_so(pack: MiniPack, cli: Cli) -> None:
    first, second = run(cli, pack), run(cli, pack)
    assert (reused(first), reused(second)) == (0, 2)
    assert second["clauses"][0]["cached"] is True
    for report in (first, second):
        for item in (*report["clauses"], *report["falsifiers"]):
            del item["cached"]
    assert first["clauses"] == second["clauses"]
    assert first["falsifiers"] == second["falsifiers"]
    assert first["claims"] == second["claims"]
    assert "2 of 2 results were reused" in cli("run", "--cached", "--pack", pack.root).out
    (bundle, *_) = sorted(Path("reports").iterdir())[-1:]
    assert cli("bundle", "check", bundle).code == 0


def test_a_run_without_the_option_measures_again(pack: MiniPack, cli: Cli) -> None:
    run(cli, pack)
    cli("run", "--pack", pack.root, "--output", "json=report.json")
    assert reused(json.loads(Path("report.json").read_text())) == 0


EDITS: list[tuple[str, str, str]] = [
    ("contracts/thing.yaml", "value: 0.5", "value: 0.6"),
    ("contracts/thing.yaml", "One is one.", "One is one, again."),
    ("specs/facts/thing.yaml", "value: 1.0", "value: 1.1"),
    ("contracts/bindings/thing.py", '"one": 1.0', '"one": 1.01'),
    ("contracts/bindings/__init__.py", "", "# changed\n"),
    ("source/part.py", "1", "2"),
    ("a.yaml", "one: 1", "one: 2"),
    ("specs/golden/trace.bin", "1", "2"),
]


@pytest.mark.parametrize(("path", "old", "new"), EDITS, ids=[f"{e[0]}:{e[2]}" for e in EDITS])
def test_a_change_of_anything_it_depends_on_is_measured_again(
    pack: MiniPack, cli: Cli, path: str, old: str, new: str
) -> None:
    run(cli, pack)
    pack.edit(path, old, new)
    assert reused(run(cli, pack)) == 0


@pytest.mark.parametrize(
    "arguments", [["--seed", "1"], ["--profile", "quick"], ["--subject", "other"]], ids=str
)
def test_other_options_are_measured_again(pack: MiniPack, cli: Cli, arguments: list[str]) -> None:
    other = '@subject("thing")\ndef thing():'
    pack.edit(
        "contracts/bindings/thing.py", other,
        '@subject("other")\ndef other():\n    return thing()\n\n\n' + other,
    )  # fmt: skip
    run(cli, pack)
    assert reused(run(cli, pack, *arguments)) == 0


def test_other_evaluation_records_are_measured_again(pack: MiniPack, cli: Cli) -> None:
    run(cli, pack)
    Path("reports/evaluations").mkdir()
    Path("reports/evaluations/fid.json").write_text("{}")
    assert reused(run(cli, pack)) == 0


@pytest.mark.parametrize(
    "change",
    [{"python": "3.99"}, {"packages": {"torch": "99"}}, {"platform": "elsewhere"}],
    ids=str,
)
def test_another_environment_is_measured_again(
    pack: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    run(cli, pack)
    real = caches.environment()
    monkeypatch.setattr(caches, "environment", lambda: {**real, **change})
    assert reused(run(cli, pack)) == 0


def test_what_it_does_not_depend_on_leaves_it_reusable(pack: MiniPack, cli: Cli) -> None:
    run(cli, pack)
    pack.write("README.md", "changed\n")
    pack.clauses.append(clause(2))
    pack.save()
    assert reused(run(cli, pack)) == 2, "the old clause; the new one is measured"


def test_failures_are_reused_with_their_files_and_waivers_applied_afresh(
    pack: MiniPack, cli: Cli
) -> None:
    pack.write(
        "contracts/bindings/wrong.py",
        """
        from verify.api import check

        @check("wrong.always")
        def always(ctx):
            return ctx.judge(9.0, "nine", files={"got.txt": b"nine"})
        """,
    )
    pack.clauses = [clause(check="wrong.always")]
    pack.save()
    assert reused(run(cli, pack)) == 0
    again = run(cli, pack)
    assert reused(again) == 1
    assert again["clauses"][0]["files"] == ["mismatches/THING-001/got.txt"]
    newest = sorted(Path("reports").iterdir())[-1]
    assert (newest / "mismatches/THING-001/got.txt").read_bytes() == b"nine"
    waiver = {"clause": "THING-001", "owner": "o", "reason": "r", "expires": "2999-01-01"}
    pack.data("contracts/waivers.yaml", {"schema": "verify/waivers/1", "waivers": [waiver]})
    waived = run(cli, pack)["clauses"][0]
    assert (waived["outcome"], waived["cached"]) == ("waived", True)


def test_only_judgements_are_kept(pack: MiniPack, cli: Cli) -> None:
    pack.write(
        "contracts/bindings/odd.py",
        """
        import time
        from verify.api import check

        @check("odd.missing")
        def missing(ctx):
            return ctx.missing("not here")

        @check("odd.raises")
        def raises(ctx):
            raise RuntimeError

        @check("odd.hangs")
        def hangs(ctx):
            time.sleep(60)
        """,
    )
    names = ("missing", "raises", "hangs")
    pack.clauses = [
        clause(n, check=f"odd.{name}", budget={"seconds": 0.3}) for n, name in enumerate(names)
    ]
    pack.save()
    run(cli, pack)
    assert reused(run(cli, pack)) == 0
    assert not list(Path(".verify-cache").rglob("*.json"))


@pytest.mark.parametrize("kind", ["process", "artifact", "benchmark"])
def test_clauses_about_documents_files_and_speed_are_always_measured(
    pack: MiniPack, cli: Cli, kind: str
) -> None:
    pack.clauses = [clause(kind=kind)]
    pack.save()
    run(cli, pack)
    assert reused(run(cli, pack)) == 0


SPOILED: list[tuple[str, Callable[[str], str]]] = [
    ("empty", lambda text: ""), ("cut", lambda text: text[:50]), ("list", lambda text: "[]"),
    ("edited", lambda text: text.replace('"measured":0.0', '"measured":0.1')),
    ("turned", lambda text: text.replace('"outcome":"fail"', '"outcome":"pass"').replace(
        '"outcome":"pass"', '"outcome":"fail"')),
    ("moved", lambda text: text.replace('"key":"', '"key":"0')),
    ("binary", lambda text: "\udcff"),
]  # fmt: skip


@pytest.mark.parametrize("spoil", [row[1] for row in SPOILED], ids=[row[0] for row in SPOILED])
def test_a_corrupt_entry_is_ignored_and_replaced(
    pack: MiniPack, cli: Cli, spoil: Callable[[str], str]
) -> None:
    pack.clauses = [clause(falsifiers=[{"mutant": "thing.two_for_one"}])]
    pack.save()
    run(cli, pack)
    entries = list(Path(".verify-cache").rglob("*.json"))
    assert len(entries) == 2
    for entry in entries:
        before = entry.read_text()
        entry.write_text(spoil(before), errors="surrogateescape")
    report = run(cli, pack)
    assert report["verdict"]["word"] == "GO"
    assert reused(report) <= 1, "an entry the edit did not touch may be whole"
    assert reused(run(cli, pack)) == 2


def test_a_cache_that_cannot_be_written_stops_nothing(pack: MiniPack, cli: Cli) -> None:
    Path(".verify-cache").write_text("a file where the folder should be")
    assert run(cli, pack)["verdict"]["word"] == "GO"
    assert run(cli, pack)["verdict"]["cached"] == 0
